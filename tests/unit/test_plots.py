"""Pictures: what they show is what the fit says, whatever its size and whatever its names."""

import subprocess
import sys
import warnings
from typing import Any

import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse
from matplotlib.text import Text
from scipy.integrate import trapezoid
from test_plots_examples import HOSTILE_NAMES, SIZES, example, irises

from mixtura import GaussianMixtureModel, plots
from mixtura.errors import InvalidArgumentError
from mixtura.fit import Fit, Run
from mixtura.plots.beeswarm import beeswarm, even_sequence
from mixtura.plots.curves import MarginalCurves, histogram
from mixtura.plots.predictive_check import count_edges
from mixtura.plots.profile import standardised
from mixtura.plots.separation import best_features, feature_separation
from mixtura.plots.style import COLOURS, MARKERS, RASTER_THRESHOLD


def figure_of(axes: Any) -> Figure:
    """Return the figure that one or several axes belong to."""
    return np.ravel(np.asarray(axes, dtype=object))[0].figure


def drawn(axes: Any) -> Any:
    """Return the axes after everything on them has really been drawn."""
    figure_of(axes).canvas.draw()
    return axes


def texts(axes: Any) -> list[Text]:
    """Return every text that is not empty."""
    return [text for text in figure_of(axes).findobj(Text) if text.get_text()]


def n_points(ax: Any) -> int:
    """Return the number of points that scatter plots hold."""
    return sum(
        len(part.get_offsets()) for part in ax.collections if isinstance(part, PathCollection)
    )


def all_pictures(made: Any) -> list[Any]:
    """Return every registered picture of an example."""
    fit, x = made.fit, made.x
    pictures = [
        plots.objective(fit),
        plots.objective(fit, gap=True),
        plots.density(fit, x),
        plots.clusters(fit, x, made.labels),
        plots.uncertainty(fit, x, made.responsibilities),
    ]
    return [*pictures, plots.swarm(x[:, 0], feature_name=fit.feature_names[0])]


# ---------------------------------------------------------------------------- every picture


@pytest.mark.parametrize(("n_components", "n_features", "n_rows"), SIZES)
def test_pictures_of_every_size_can_be_drawn(
    n_components: int, n_features: int, n_rows: int
) -> None:
    for picture in all_pictures(example(n_components, n_features, n_rows)):
        drawn(picture)


@pytest.mark.parametrize("scale", [1e-9, 1e9, 1e120])
def test_pictures_of_any_unit_can_be_drawn(scale: float) -> None:
    for picture in all_pictures(example(2, 2, 30, scale=scale)):
        drawn(picture)


@pytest.mark.parametrize("n_features", [1, 2])
def test_constant_columns_and_flat_covariances_can_be_drawn(n_features: int) -> None:
    made = example(2, n_features, 30)
    made.x[:] = 3.0
    made.fit.parameters.means[:] = 3.0
    made.fit.parameters.covariances[:] = 1e-14 * np.ones((n_features, n_features))
    for picture in all_pictures(made):
        drawn(picture)


def test_registry_holds_every_picture() -> None:
    assert set(plots.PLOTS) == {
        "missing",
        *("swarm", "objective", "density", "clusters", "uncertainty", "selection"),
        *("trace", "rank", "posterior", "co_clustering", "predictive_check", "merging"),
        *("profile", "projection"),
    }
    assert all(plots.PLOTS[name] is getattr(plots, name) for name in plots.PLOTS)


def test_importing_plots_does_not_import_matplotlib() -> None:
    program = "import sys, mixtura.plots, mixtura.reports; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_figures_are_plain_unless_pyplot_is_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "matplotlib.pyplot", raising=False)
    assert type(plots.swarm([1.0, 2.0]).figure) is Figure
    assert "matplotlib.pyplot" not in sys.modules

    class Pyplot:
        made: list[Figure] = []  # noqa: RUF012

        @classmethod
        def figure(cls, **options: Any) -> Figure:
            cls.made.append(Figure(**options))
            return cls.made[-1]

    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", Pyplot)
    assert plots.swarm([1.0, 2.0]).figure is Pyplot.made[-1]


def test_given_axes_and_figures_are_used() -> None:
    made = example(2, 1)
    figure = Figure()
    ax = figure.add_subplot()
    assert plots.swarm(made.x, ax=ax) is ax
    assert plots.density(made.fit, made.x, ax=ax) is ax
    assert plots.objective(made.fit, figure=figure).figure is figure
    two = example(2, 2)
    grid = Figure().subplots(2, 2)
    np.testing.assert_array_equal(plots.clusters(two.fit, two.x, two.labels, ax=grid), grid)
    assert plots.clusters(two.fit, two.x, two.labels, ax=ax) is ax
    row = Figure().subplots(1, 2)
    assert list(plots.density(two.fit, two.x, ax=row)) == list(row)
    with pytest.raises(InvalidArgumentError, match="2 x 2 axes"):
        plots.clusters(two.fit, two.x, two.labels, ax=row)


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_names_are_text_and_nothing_else(name: str) -> None:
    one = example(2, 1, 30, names=[name])
    two = example(2, 2, 30, names=[name, "other"])
    axes = [
        plots.swarm(one.x, feature_name=name, labels=[name, "b"] * 15),
        plots.density(one.fit, one.x),
        plots.uncertainty(one.fit, one.x, one.responsibilities),
        plots.clusters(two.fit, two.x, two.labels),
        plots.clusters(two.fit, two.x, two.labels, ax=Figure().add_subplot()),
        plots.uncertainty(two.fit, two.x, two.responsibilities),
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for picture in axes:
            drawn(picture)
    for picture in axes:
        for text in texts(picture):
            assert not (text.get_parse_math() and "$" in text.get_text())
            assert "\x1b" not in text.get_text()
            assert len(text.get_text()) <= 250
    shown = [text.get_text() for text in texts(axes[0])]
    if not name:
        assert "(unnamed)" in shown
    elif name.isascii() and name.isprintable() and len(name) <= 40:
        assert shown.count(name) >= 2  # the axis and the lane
    elif len(name) > 40:
        assert any(text.startswith("nnn") and text.endswith("…") for text in shown)


def test_names_keep_their_characters_where_the_viewer_has_the_fonts() -> None:
    from matplotlib import rc_context

    with rc_context({"svg.fonttype": "none"}):
        assert plots.swarm([1.0, 2.0], feature_name="日本語").get_xlabel() == "日本語"
    assert "日" not in plots.swarm([1.0, 2.0], feature_name="日本語").get_xlabel()


def test_colours_and_markers_pair_up_differently() -> None:
    assert len({(COLOURS[k % len(COLOURS)], MARKERS[k % len(MARKERS)]) for k in range(72)}) == 72


# ------------------------------------------------------------------------------------ swarm


def test_swarm_shows_every_row_without_overlap() -> None:
    made = irises()
    ax = plots.swarm(made.x)
    assert n_points(ax) == 150
    offsets = np.concatenate([part.get_offsets() for part in ax.collections])
    assert np.unique(offsets.round(12), axis=0).shape[0] == 150
    np.testing.assert_array_equal(np.sort(offsets[:, 0]), np.sort(made.x[:, 0]))


def test_beeswarm_discs_do_not_touch() -> None:
    rng = np.random.default_rng(3)
    along = np.round(rng.normal(size=200) * 10.0, 1)
    across = beeswarm(along, 50.0)
    assert across is not None
    distance = np.hypot(along[:, None] - along, across[:, None] - across)
    np.fill_diagonal(distance, 1.0)
    assert distance.min() > 1.0 - 1e-6
    assert beeswarm(np.zeros(100), 10.0) is None


def test_even_sequence_is_even() -> None:
    values = even_sequence(1023)
    np.testing.assert_allclose(np.diff(np.sort(values)), 2.0 / 1024.0)


def test_swarm_of_many_rows_says_what_it_shows() -> None:
    rng = np.random.default_rng(4)
    ax = plots.swarm(rng.normal(size=100_001))
    assert n_points(ax) == 100_000
    assert ax.get_title(loc="left") == "a random 100,000 of 100,001 rows drawn"
    again = plots.swarm(np.random.default_rng(4).normal(size=100_001))
    np.testing.assert_array_equal(
        ax.collections[0].get_offsets(), again.collections[0].get_offsets()
    )


def test_swarm_gives_groups_lanes() -> None:
    labels = ["b", "a", "a", "c"]
    ax = plots.swarm([1.0, 2.0, 3.0, 4.0], labels=labels)
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["a", "b", "c"]
    assert [len(part.get_offsets()) for part in ax.collections] == [2, 1, 1]
    mixed = plots.swarm([1.0, 2.0], labels=np.array([None, "x"], dtype=object))
    assert [tick.get_text() for tick in mixed.get_yticklabels()] == ["None", "x"]


def test_swarm_refuses_what_it_cannot_draw() -> None:
    with pytest.raises(InvalidArgumentError, match="one column"):
        plots.swarm(np.zeros((3, 2)))
    with pytest.raises(InvalidArgumentError, match="each of the 3 rows"):
        plots.swarm([1.0, 2.0, 3.0], labels=["a"])
    with pytest.raises(InvalidArgumentError, match="at most 60"):
        plots.swarm(np.arange(100.0), labels=np.arange(100))


# -------------------------------------------------------------------------------- objective


def with_runs(*objectives: tuple[float, ...]) -> Fit:
    """Return a fit with the given runs, the last one kept."""
    from dataclasses import replace

    runs = tuple(Run(f"start {i}", values, True) for i, values in enumerate(objectives))
    return replace(irises().fit, runs=runs, best=len(runs) - 1)


def test_objective_shows_every_run() -> None:
    ax = plots.objective(with_runs((-9.0, -5.0, -4.0), (-8.0, -3.0), (-7.0, -2.0, -1.0, -0.5)))
    curves = [line.get_ydata() for line in ax.lines if len(line.get_ydata()) > 1]
    assert [len(curve) for curve in curves] == [3, 2, 4]
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert legend == [
        "run kept (start 2), converged at -0.5",
        "2 other runs, the best at -3",
    ]


def test_objective_cuts_a_steep_rise_and_says_so() -> None:
    steps = tuple(-1e6 * 0.5**i - 1.0 for i in range(200))
    ax = plots.objective(with_runs(steps))
    assert ax.get_ylim()[0] > -2e4
    assert ax.get_title(loc="left") == "starts as low as -1e+06 lie below the scale"


def test_objective_gap_is_the_distance_to_the_best() -> None:
    ax = plots.objective(with_runs((-9.0, -1.5), (-8.0, -2.0, -1.0)), gap=True)
    assert ax.get_yscale() == "log"
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [8.0, 0.5])
    np.testing.assert_allclose(ax.lines[1].get_ydata(), [7.0, 1.0, np.nan])


@pytest.mark.parametrize(
    "runs", [((-1.0,),), ((-np.inf, -2.0, -1.0),), ((-1.0,) * 3,), (tuple(np.arange(5e4)),)]
)
def test_objective_of_odd_histories_can_be_drawn(runs: tuple[tuple[float, ...], ...]) -> None:
    for gap in (False, True):
        ax = drawn(plots.objective(with_runs(*runs), gap=gap))
        assert max(len(line.get_xdata()) for line in ax.lines) <= 1000


# ---------------------------------------------------------------------------------- density


@pytest.mark.parametrize("family", ["full", "tied", "diag", "spherical"])
@pytest.mark.parametrize("n_features", [1, 3])
def test_densities_integrate_to_the_weights(family: str, n_features: int) -> None:
    made = example(3, n_features, 40, family=family)
    axes = np.ravel(np.asarray(plots.density(made.fit, made.x), dtype=object))
    for ax in axes:
        *components, total = [line for line in ax.lines if line.get_linestyle() != "None"][:4]
        areas = [trapezoid(line.get_ydata(), line.get_xdata()) for line in components]
        np.testing.assert_allclose(areas, made.fit.parameters.weights, rtol=2e-6)
        np.testing.assert_allclose(trapezoid(total.get_ydata(), total.get_xdata()), 1.0, rtol=1e-4)


def test_histogram_has_the_area_of_the_density() -> None:
    made = example(2, 1, 2000)
    weights = np.random.default_rng(0).random(2000)
    for given in (None, weights):
        ax = plots.density(made.fit, made.x, weights=given)
        (bars,) = (patch for patch in ax.patches if hasattr(patch, "get_data"))
        heights, edges, _ = bars.get_data()
        np.testing.assert_allclose(heights @ np.diff(edges), 1.0)


def test_density_of_the_irises_has_the_article_s_peaks() -> None:
    made = irises()
    ax = plots.density(made.fit, made.x)
    peaks = [line.get_ydata().max() for line in ax.lines[:2]]
    # weight / (sd sqrt(2 pi)): the article's picture lacks the division by the deviation
    np.testing.assert_allclose(peaks, [0.745534, 0.324550], rtol=1e-5)
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels[0] == "component 0, weight 0.333"
    assert labels[-1] == "data, 150 rows"


def test_density_of_one_feature_or_the_most_separating() -> None:
    made = example(3, 14, 40)
    assert plots.density(made.fit, made.x, feature="feature 3").get_xlabel() == "feature 3"
    assert plots.density(made.fit, made.x, feature=3).get_xlabel() == "feature 3"
    axes = plots.density(made.fit, made.x)
    assert axes.shape == (12,)
    assert "12 of 14 features" in axes[0].get_title(loc="left")
    assert plots.density(made.fit, made.x, max_features=2).shape == (2,)
    for wrong in ("no such", 14, -1):
        with pytest.raises(InvalidArgumentError, match="feature must"):
            plots.density(made.fit, made.x, feature=wrong)


def test_narrow_peaks_are_cut_and_said_to_be() -> None:
    made = irises()
    made.fit.parameters.covariances[0] = 1e-12
    ax = plots.density(made.fit, made.x)
    assert ax.get_title(loc="left") == "narrow peaks are cut off"
    assert ax.get_ylim()[1] < 10.0


def test_uncertainty_line_is_one_minus_the_largest_share() -> None:
    made = example(3, 1, 200)
    marginals = MarginalCurves.of(made.fit, 0)
    np.testing.assert_allclose(
        marginals.uncertainty(made.x[:, 0]), 1.0 - made.responsibilities.max(axis=1), atol=1e-12
    )


# --------------------------------------------------------------------- clusters, uncertainty


def test_clusters_of_one_feature_are_lanes_with_sizes() -> None:
    made = irises()
    ax = plots.clusters(made.fit, made.x, made.labels)
    sizes = np.bincount(made.labels)
    labels = [tick.get_text() for tick in ax.get_yticklabels()]
    assert labels == [f"component {k} ({size})" for k, size in enumerate(sizes)]


def test_empty_clusters_keep_their_lane() -> None:
    made = example(3, 1, 10)
    ax = drawn(plots.clusters(made.fit, made.x, np.zeros(10, dtype=int)))
    assert [tick.get_text() for tick in ax.get_yticklabels()][2] == "component 2 (0)"


def test_clusters_of_several_features_are_a_matrix() -> None:
    made = example(3, 4, 50)
    axes = plots.clusters(made.fit, made.x, made.labels)
    assert axes.shape == (4, 4)
    assert [axes[3, j].get_xlabel() for j in range(4)] == list(made.fit.feature_names)
    assert not axes[0, 3].axison
    assert n_points(axes[2, 1]) == 50


def test_ellipses_lie_at_two_standard_deviations() -> None:
    made = example(3, 3, 50)
    axes = plots.clusters(made.fit, made.x, made.labels)
    ellipses = [patch for patch in axes[2, 0].patches if isinstance(patch, Ellipse)]
    assert len(ellipses) == 3
    for k, ellipse in enumerate(ellipses):
        edge = ellipse.get_patch_transform().transform(
            [(np.cos(t), np.sin(t)) for t in np.linspace(0, 6, 9)]
        )
        centred = edge - made.fit.parameters.means[k, [0, 2]]
        matrix = made.fit.parameters.covariances[k][np.ix_([0, 2], [0, 2])]
        squares = np.einsum("nd,nd->n", centred @ np.linalg.inv(matrix), centred)
        np.testing.assert_allclose(squares, 4.0, rtol=1e-9)


def test_only_the_most_separating_features_are_shown() -> None:
    made = example(3, 7, 50)
    means = made.fit.parameters.means
    means[:, [1, 4]] = means[0, [1, 4]]
    separation = feature_separation(made.fit)
    assert separation[[1, 4]].tolist() == [0.0, 0.0]
    features, sentence = best_features(made.fit, 5)
    assert features.tolist() == [0, 2, 3, 5, 6]
    assert sentence == "the 5 of 7 features that separate the components best"
    axes = plots.clusters(made.fit, made.x, made.labels)
    assert axes.shape == (5, 5)
    assert sentence in axes[0, 4].get_legend().get_title().get_text()


def test_many_points_become_images_in_vector_files() -> None:
    few, many = example(2, 2, RASTER_THRESHOLD), example(2, 2, RASTER_THRESHOLD + 1)
    for made, expected in ((few, False), (many, True)):
        scatter = plots.clusters(made.fit, made.x, made.labels)[1, 0]
        marked = [part.get_rasterized() for part in scatter.collections]
        assert marked == [expected] * 2


def test_large_clouds_are_subsampled_and_said_to_be() -> None:
    made = example(2, 2, 10_001)
    axes = plots.clusters(made.fit, made.x, made.labels)
    assert n_points(axes[1, 0]) == 10_000
    assert "10,000 of 10,001" in axes[0, 1].get_legend().get_title().get_text()
    ax = plots.uncertainty(made.fit, made.x, made.responsibilities)
    assert n_points(ax) == 10_000
    assert "10,000 of 10,001" in ax.get_title(loc="left")


def test_uncertainty_counts_doubtful_rows() -> None:
    for n_features in (1, 3):
        made = example(2, n_features, 3)
        shares = np.array([[0.95, 0.05], [0.6, 0.4], [0.0, 1.0]])
        ax = plots.uncertainty(made.fit, made.x, shares)
        assert "1 of 3 rows above 0.1" in ax.get_title(loc="left")


def test_pictures_refuse_rows_of_another_model() -> None:
    made = example(2, 2, 10)
    with pytest.raises(InvalidArgumentError, match="2 columns"):
        plots.density(made.fit, made.x[:, :1])
    with pytest.raises(InvalidArgumentError, match="each row"):
        plots.clusters(made.fit, made.x, made.labels[:3])
    with pytest.raises(InvalidArgumentError, match="between 0 and 1"):
        plots.clusters(made.fit, made.x, made.labels + 2)
    with pytest.raises(InvalidArgumentError, match="shape"):
        plots.uncertainty(made.fit, made.x, made.responsibilities[:, :1])
    with pytest.raises(InvalidArgumentError, match="weights"):
        plots.density(made.fit, made.x, weights=[1.0])


def flat(spacing: float, n_values: int, start: float) -> np.ndarray:
    """Every value of a grid ten times, in no order."""
    values = start + spacing * np.repeat(np.arange(n_values), 10)
    return np.random.default_rng(1).permutation(values)


@pytest.mark.parametrize("n_values", [4, 37, 85, 121, 500])
@pytest.mark.parametrize(("spacing", "start"), [(1.0, 0.0), (0.1, -3.7), (250.0, 1e6)])
def test_bins_of_rounded_values_hold_equally_many_of_them(n_values, spacing, start) -> None:
    """Of a column in which every value comes as often, all bars are alike: no teeth, no gaps."""
    values = flat(spacing, n_values, start)
    found = histogram(values, None)
    assert found is not None
    heights, edges = found
    counts = np.histogram(values, edges)[0]
    assert counts.sum() == values.size
    assert len(set(counts[:-1])) <= 1
    assert 0 < counts[-1] <= counts[0]
    assert heights @ np.diff(edges) == pytest.approx(1.0)
    replicates = np.random.default_rng(0).choice(values, size=(3, values.size))
    edges = count_edges(values, replicates)
    inner = np.histogram(values, edges)[0]
    inner = inner[np.flatnonzero(inner)[0] :]
    assert len(set(inner[1:-1])) <= 1


def test_the_axis_of_densities_holds_the_bars() -> None:
    rng = np.random.default_rng(3)
    counts = np.where(rng.random(2000) < 0.6, 0, rng.poisson(6.0, 2000)).astype(float)[:, None]
    gmm = GaussianMixtureModel(1).fit(counts)
    ax = gmm.plot_density()
    (bars,) = ax.patches
    heights, edges, _ = bars.get_data()
    assert heights.max() == pytest.approx(np.mean(counts == 0.0))  # the bar of nought alone
    assert ax.get_ylim()[1] >= heights.max()
    low, high = ax.get_xlim()
    assert low <= edges[0]
    assert edges[-1] <= high


def test_profiles_are_in_units_of_the_whole_mixture() -> None:
    """Against moments of the rows themselves, for maximum likelihood of clear groups."""
    rng = np.random.default_rng(5)
    rows = rng.standard_normal((300, 4)) * [1.0, 10.0, 0.1, 1.0] + [0.0, 50.0, -3.0, 0.0]
    labels = np.arange(300) % 2
    rows[labels == 1] += [8.0, 0.0, 0.9, 0.0]
    fit = GaussianMixtureModel(2, inference="ml", init=labels).fit(rows).fit_
    means, deviations = standardised(fit)
    scores = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    for k in range(2):
        np.testing.assert_allclose(means[k], scores[labels == k].mean(axis=0), atol=1e-3)
        np.testing.assert_allclose(deviations[k], scores[labels == k].std(axis=0), atol=1e-3)


def test_profiles_show_every_component_and_at_most_twenty_features() -> None:
    rng = np.random.default_rng(6)
    rows = rng.standard_normal((200, 24))
    rows[::2, 3:5] += 9.0
    gmm = GaussianMixtureModel(2, covariance_type="diag").fit(rows)
    ax = gmm.plot_profile()
    assert len(ax.containers) == 2
    shown = [label.get_text() for label in ax.get_xticklabels()]
    assert len(shown) == 20
    assert {"x3", "x4"} <= set(shown)
    assert "20 of 24 features" in ax.get_title(loc="left")
    named = gmm.fit_.named(["$low$", "high_"])
    texts = [text.get_text() for text in plots.profile(named).get_legend().get_texts()]
    assert texts == ["$low$", "high_"]
