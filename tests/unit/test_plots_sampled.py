"""Pictures of draws: what they show is what was drawn."""

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from scipy import stats
from scipy.integrate import quad, trapezoid
from test_plots_examples import HOSTILE_NAMES, SIZES, Example, example, sampled_example

from mixtura import GaussianMixtureModel, plots
from mixtura.data import ArrayRows
from mixtura.diagnostics.partition_draws import co_clustering as shares_together
from mixtura.engines import ReferenceEngine
from mixtura.errors import Doubt, InvalidArgumentError, LabelsWarning
from mixtura.plots.co_clustering import grouped_order
from mixtura.plots.predictive_check import count_edges, counts_in
from mixtura.plots.rank import rank_histograms
from mixtura.priors import DirichletProcess
from mixtura.reports import build_report


def drawn(axes: Any) -> Any:
    """Return the axes after everything on them has really been drawn."""
    np.ravel(np.asarray(axes, dtype=object))[0].figure.canvas.draw()
    return axes


def all_pictures(made: Example) -> list[Any]:
    """Return every picture that is of draws."""
    posterior = made.fit.posterior
    allocations = posterior.allocations(ArrayRows(made.x), ReferenceEngine())
    together = shares_together(allocations.reshape(-1, len(made.x)))
    replicates = posterior.replicates(len(made.x), np.random.default_rng(0))
    replicates = replicates.reshape(-1, *made.x.shape)
    names = made.fit.feature_names
    return [
        plots.trace(made.fit),
        plots.rank(made.fit),
        plots.posterior(made.fit),
        plots.co_clustering(together, made.labels),
        plots.predictive_check(made.x, replicates, feature_names=names),
    ]


@pytest.mark.parametrize(("n_components", "n_features", "n_rows"), SIZES)
def test_pictures_of_every_size_can_be_drawn(
    n_components: int, n_features: int, n_rows: int
) -> None:
    made = sampled_example(n_components, n_features, min(n_rows, 900), n_draws=12)
    for picture in all_pictures(made):
        drawn(picture)


@pytest.mark.parametrize("scale", [1e-9, 1e9])
def test_pictures_of_any_unit_can_be_drawn(scale: float) -> None:
    for picture in all_pictures(sampled_example(2, 2, 30, scale=scale)):
        drawn(picture)


def test_chains_of_one_draw_and_draws_that_are_equal_can_be_drawn() -> None:
    for picture in all_pictures(sampled_example(2, 1, 30, n_chains=1, n_draws=1)):
        drawn(picture)
    still = sampled_example(2, 1, 30, n_draws=9)
    still.fit.posterior.weights[:] = 0.5
    still.fit.posterior.log_joint[:] = -3.0
    for picture in all_pictures(still):
        drawn(picture)


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_names_are_text_and_nothing_else(name: str) -> None:
    made = sampled_example(2, 2, 30, names=[name, "other"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pictures = [drawn(picture) for picture in all_pictures(made)]
    for picture in pictures:
        figure = np.ravel(np.asarray(picture, dtype=object))[0].figure
        for text in figure.findobj(Text):
            assert not (text.get_parse_math() and "$" in text.get_text())
            assert "\x1b" not in text.get_text()


def test_given_axes_and_figures_are_used() -> None:
    made = sampled_example(2, 1)
    column = Figure().subplots(3, 1)
    assert list(plots.trace(made.fit, ax=column)) == list(column)
    figure = Figure()
    assert plots.rank(made.fit, figure=figure)[0].figure is figure
    assert list(plots.posterior(made.fit, ax=Figure().subplots(3, 1))) != []
    ax = Figure().add_subplot()
    assert plots.co_clustering(np.eye(3), [0, 1, 1], ax=ax) is ax
    replicates = np.zeros((2, *made.x.shape))
    assert plots.predictive_check(made.x, replicates, ax=ax)[0] is ax
    with pytest.raises(InvalidArgumentError, match="3 x 1 axes"):
        plots.trace(made.fit, ax=ax)


def test_traces_show_every_chain_side_by_side() -> None:
    made = sampled_example(3, 2, n_chains=2, n_draws=40)
    posterior = made.fit.posterior
    axes = plots.trace(made.fit, feature=1)
    joint = [line for line in axes[0].lines if len(line.get_xdata()) > 2]
    np.testing.assert_array_equal([line.get_ydata() for line in joint], posterior.log_joint)
    np.testing.assert_array_equal(joint[1].get_xdata(), np.arange(40, 80))
    means = [line.get_ydata() for line in axes[2].lines if len(line.get_xdata()) > 2]
    np.testing.assert_array_equal(means[4], posterior.means[1, :, 1, 1])
    assert axes[2].get_ylabel() == "mean of feature 1"
    short = plots.trace(made.fit, feature="feature 1", max_steps=7)[0].lines[0].get_xdata()
    assert (len(short), short[0], short[-1]) == (7, 0, 39)


def test_ranks_are_those_of_scipy_and_flat_where_chains_agree() -> None:
    rng = np.random.default_rng(5)
    draws = rng.standard_normal((4, 200))
    counts, edges = rank_histograms(draws)
    assert counts.sum(axis=1).tolist() == [200] * 4
    assert counts.sum(axis=0).tolist() == [40] * 20
    low, high = stats.binom.interval(1 - 1e-6, 200, 0.05)
    assert ((counts >= low) & (counts <= high)).all()
    np.testing.assert_array_equal(edges[[0, -1]], [0.5, 800.5])
    shifted, _ = rank_histograms(draws + 10.0 * np.arange(4)[:, None])
    np.testing.assert_array_equal(shifted, 40 * np.kron(np.eye(4, dtype=int), np.ones(5, int)))


def test_rank_draws_each_component_or_says_what_is_left_out() -> None:
    axes = plots.rank(sampled_example(3, 2).fit)
    assert [ax.get_title(loc="left") for ax in axes[:2]] == [
        "log joint (nats)",
        "weight, component 0",
    ]
    assert len(axes) == 7
    many = plots.rank(sampled_example(12, 1).fit)
    assert len(many) == 9
    assert "the first 9 of 25" in many[0].get_title(loc="left")


def test_intervals_are_the_quantiles_of_the_draws() -> None:
    made = sampled_example(3, 2)
    posterior = made.fit.posterior
    axes = plots.posterior(made.fit)
    assert len(axes) == 5
    scales = np.sqrt(np.einsum("csktt->cskt", posterior.covariances))
    for ax, values in (
        (axes[0], posterior.weights),
        (axes[3], posterior.means[..., 1]),
        (axes[4], scales[..., 1]),
    ):
        lines = [line.get_xdata() for line in ax.lines]
        flat = values.reshape(-1, 3)
        np.testing.assert_allclose(lines[0::2], np.quantile(flat, (0.05, 0.95), axis=0).T)
        np.testing.assert_allclose(np.ravel(lines[1::2]), np.median(flat, axis=0))


def test_intervals_of_variational_bayes_are_drawn_and_of_points_refused() -> None:
    made = example(2, 1, 80)
    gmm = GaussianMixtureModel(2, inference="vb").fit(made.x)
    axes = plots.posterior(gmm.fit_)
    ends = gmm.posterior_.intervals()
    np.testing.assert_allclose(axes[1].lines[0].get_xdata(), ends.means[:, 0, 0])
    with pytest.raises(InvalidArgumentError, match="inference='map' gives"):
        plots.posterior(made.fit)
    for plot in (plots.trace, plots.rank):
        with pytest.raises(InvalidArgumentError, match="needs draws of the posterior"):
            plot(gmm.fit_)


def test_components_that_a_process_leaves_empty_are_not_drawn() -> None:
    made = sampled_example(4, 1)
    assert len(plots.posterior(made.fit)[0].get_yticks()) == 4
    many = plots.posterior(sampled_example(30, 1, 300).fit)
    assert len(many[0].get_yticks()) == 20
    assert "the 20 largest of 30 components" in many[0].get_title(loc="left")


def test_rows_are_ordered_by_group_the_largest_first() -> None:
    labels = np.array([0, 1, 1, 2, 1, 2])
    together = (labels[:, None] == labels).astype(float)
    order, sizes = grouped_order(together, labels)
    assert sizes.tolist() == [3, 2, 1]
    assert [sorted(part) for part in np.split(order, [3, 5])] == [[1, 2, 4], [3, 5], [0]]
    ax = plots.co_clustering(together, labels)
    np.testing.assert_array_equal(ax.images[0].get_array(), together[np.ix_(order, order)])
    assert ax.get_title(loc="left") == "6 rows in 3 groups"


def test_rows_that_are_often_together_stand_side_by_side() -> None:
    together = np.eye(4)
    for one, other in ((0, 2), (1, 3)):
        together[one, other] = together[other, one] = 0.9
    order, _ = grouped_order(together, np.zeros(4, dtype=int))
    assert {frozenset(order[:2].tolist()), frozenset(order[2:].tolist())} == {
        frozenset({0, 2}),
        frozenset({1, 3}),
    }


def test_many_rows_are_averaged_in_blocks() -> None:
    ax = plots.co_clustering(np.ones((1300, 1300)), np.zeros(1300, dtype=int))
    cells = np.asarray(ax.images[0].get_array())
    assert cells.shape == (600, 600)
    np.testing.assert_allclose(cells, 1.0)
    assert "blocks of 2.17 rows averaged" in ax.get_title(loc="left")


def test_what_is_no_similarity_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match=r"shape \(N, N\)"):
        plots.co_clustering(np.ones((2, 3)), [0, 0])
    with pytest.raises(InvalidArgumentError, match="one for each row"):
        plots.co_clustering(np.eye(3), [0, 1])


def test_bands_of_replicates_are_their_quantiles() -> None:
    rng = np.random.default_rng(8)
    x, replicates = rng.normal(size=(200, 1)), rng.normal(size=(60, 200, 1))
    (ax,) = plots.predictive_check(x, replicates, feature_names=["one"])
    edges = count_edges(x[:, 0], replicates[:, :, 0])
    observed, counts = counts_in(x[:, 0], replicates[:, :, 0], edges)
    assert observed.sum() == 200
    assert counts.sum() >= 0.995 * replicates.size
    band, median = ax.patches
    np.testing.assert_allclose(band.get_data().values, np.quantile(counts, 0.95, axis=0))
    np.testing.assert_allclose(band.get_data().baseline, np.quantile(counts, 0.05, axis=0))
    np.testing.assert_allclose(median.get_data().values, np.median(counts, axis=0))
    within = np.concatenate([line.get_ydata() for line in ax.lines])
    assert sorted(within) == sorted(observed)
    # Data from the same distribution lie within, for the most part.
    assert len(ax.lines[0].get_ydata()) >= 0.7 * len(observed)
    (far,) = plots.predictive_check(x + 3.0, replicates)
    assert len(far.lines[1].get_ydata()) > len(ax.lines[1].get_ydata())


def test_replicates_of_other_rows_are_refused() -> None:
    with pytest.raises(InvalidArgumentError, match=r"shape \(R, 5, 2\)"):
        plots.predictive_check(np.zeros((5, 2)), np.zeros((3, 4, 2)))


# ---------------------------------------------------------------------------------- density


def lines_of(ax: Any) -> dict[str, Any]:
    """Return the lines of an axes by the legend's labels."""
    legend = ax.get_legend()
    labels = [text.get_text() for text in legend.get_texts()]
    components = [line for line in ax.lines if line.get_linestyle() != "None"]
    return dict(zip(labels, components, strict=False))


def relabelled_at_random(made: Example) -> Example:
    """Return the example with components that every other draw numbers the other way round."""
    posterior = made.fit.posterior
    n_chains, n_draws, K = posterior.weights.shape
    orders = np.broadcast_to(np.arange(K), (n_chains, n_draws, K)).copy()
    orders[:, ::2] = orders[:, ::2, ::-1]
    doubts = (Doubt(LabelsWarning, "numbers are mixed"),)
    return replace(
        made, fit=replace(made.fit, posterior=posterior.relabelled(orders), doubts=doubts)
    )


@pytest.mark.parametrize("K", [1, 3])
def test_sum_of_draws_is_the_posterior_predictive(K: int) -> None:
    made = sampled_example(K, 1, 40)
    line = lines_of(drawn(plots.density(made.fit, made.x)))["all components"]
    points, heights = line.get_data()
    scored = made.fit.posterior.log_predictive(ArrayRows(points[:, None]), ReferenceEngine())
    np.testing.assert_allclose(heights, np.exp(scored), rtol=1e-9, atol=1e-12 * heights.max())
    assert trapezoid(heights, points) == pytest.approx(1.0, rel=2e-3)


def test_sum_of_draws_is_the_marginal_of_the_posterior_predictive() -> None:
    made = sampled_example(2, 2, 40)
    ax = plots.density(made.fit, made.x, feature=1)
    points, heights = lines_of(ax)["all components"].get_data()
    posterior, engine = made.fit.posterior, ReferenceEngine()

    def joint(other: float, at: float) -> float:
        rows = ArrayRows(np.array([[other, at]]))
        return float(np.exp(posterior.log_predictive(rows, engine)[0]))

    for i in np.searchsorted(points, np.quantile(made.x[:, 1], (0.2, 0.7))):
        expected = quad(joint, -40.0, 40.0, args=(points[i],), points=[-5.0, 0.0, 5.0])[0]
        assert heights[i] == pytest.approx(expected, rel=1e-5)


def test_numbers_that_mean_nothing_change_no_sum_and_have_no_lines() -> None:
    plain = sampled_example(2, 1, 40)
    mixed = relabelled_at_random(plain)
    assert np.ptp(mixed.fit.parameters.means) < 0.2 * np.ptp(plain.fit.parameters.means)
    of_plain, of_mixed = (lines_of(plots.density(made.fit, made.x)) for made in (plain, mixed))
    assert list(of_plain)[2] == "all components"
    assert next(iter(of_mixed)) == "all components"
    points, heights = of_mixed["all components"].get_data()
    expected = np.interp(points, *of_plain["all components"].get_data())
    np.testing.assert_allclose(heights, expected, atol=2e-3 * heights.max())
    # Two humps, where the mixture of averaged parameters has one.
    assert (np.diff(np.sign(np.diff(heights))) < 0).sum() == 2


def test_components_of_a_process_have_no_lines() -> None:
    made = sampled_example(3, 2, 40)
    model = replace(made.fit.model, weight_prior=DirichletProcess(1.0))
    posterior = replace(made.fit.posterior, model=model)
    fit = replace(made.fit, model=model, posterior=posterior)
    for ax in drawn(plots.density(fit, made.x)):
        assert len([line for line in ax.lines if np.size(line.get_xdata()) > 100]) == 1
    assert not fit.tells_components
    assert made.fit.tells_components


def test_numbers_behind_the_density_are_those_of_the_posterior_predictive() -> None:
    mixed = relabelled_at_random(sampled_example(2, 1, 200))
    (picture,) = (
        picture
        for picture in build_report(mixed.fit, mixed.x).sections[0].pictures
        if picture.name == "density"
    )
    assert picture.table.columns == ("interval", "data", "all components")
    edges = np.linspace(mixed.x.min(), mixed.x.max(), 13)
    posterior, engine = mixed.fit.posterior, ReferenceEngine()

    def density(at: float) -> float:
        return float(np.exp(posterior.log_predictive(ArrayRows(np.array([[at]])), engine)[0]))

    for i in (0, 5, 11):
        expected = quad(density, edges[i], edges[i + 1])[0]
        assert float(picture.table.rows[i][2]) == pytest.approx(expected, abs=6e-4)
