"""What a sampled fit answers, against closed forms and every partition of a few rows."""

from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad

import mixtura
from laws.enumeration import exact_posterior, normal_inverse_gamma, symmetric_dirichlet
from mixtura import GaussianMixtureModel, Gibbs
from mixtura.diagnostics.convergence_diagnostics import convergence
from mixtura.diagnostics.partition_draws import BINDER, occupied_components
from mixtura.errors import ComponentLimitWarning, InvalidArgumentError
from mixtura.priors import (
    Dirichlet,
    DirichletProcess,
    Independent,
    InverseGamma,
    LogNormal,
    Normal,
    NormalInverseGamma,
)

# Few draws do not always agree, and few rows do not tell components apart.
pytestmark = [
    pytest.mark.filterwarnings("ignore:the chains do not agree"),
    pytest.mark.filterwarnings("ignore:too few draws"),
    pytest.mark.filterwarnings("ignore:the components of the draws"),
]

SIX = np.array([[-0.9], [-0.4], [0.1], [3.3], [3.9], [4.6]])
CONJUGATE = NormalInverseGamma(0.3, 0.2, 2.0, 1.5)

ABOUT_ROWS = ("consensus", "co_clustering", "loo", "waic", "log_evidence")
ABOUT_DRAWS = (
    *ABOUT_ROWS,
    "convergence",
    "plot_trace",
    "plot_rank",
    "plot_co_clustering",
    "plot_predictive_check",
)


def sampled(K: int, rows: Any, *, draws: int = 400, **arguments: Any) -> GaussianMixtureModel:
    method = Gibbs(chains=4, draws=draws, warmup=100)
    settings = {"covariance_type": "diag", "random_state": 0} | arguments
    weights = settings.pop("sample_weight", None)
    return GaussianMixtureModel(K, inference=method, **settings).fit(rows, sample_weight=weights)


@pytest.fixture(scope="module")
def groups() -> np.ndarray:
    rng = np.random.default_rng(3)
    return np.concatenate([rng.normal(0.0, 1.0, (25, 2)), rng.normal(7.0, 1.0, (15, 2))])


@pytest.fixture(scope="module")
def fitted(groups: np.ndarray) -> GaussianMixtureModel:
    return sampled(2, groups)


@pytest.fixture(scope="module")
def of_six() -> GaussianMixtureModel:
    return sampled(2, SIX, draws=1500, component_prior=CONJUGATE)


def exact_of_six() -> Any:
    one = np.ones(1)
    cluster = normal_inverse_gamma(0.3 * one, 0.2, 2.0 * one, 1.5 * one)
    return exact_posterior(SIX, symmetric_dirichlet(2, 1.0), cluster)


# ---------------------------------------------------------------------------------- evidence


def test_evidence_is_that_of_every_partition(of_six: GaussianMixtureModel) -> None:
    found = of_six.log_evidence()
    assert found.error < 0.03
    assert found.log_evidence == pytest.approx(exact_of_six().log_evidence, abs=4.0 * found.error)


@pytest.mark.parametrize("family", ["full", "tied", "diag", "spherical", "tied_diag"])
def test_evidence_of_one_component_is_the_closed_form(family: str, groups: np.ndarray) -> None:
    # With one component and a conjugate prior the bound of variational Bayes is the evidence.
    exact = GaussianMixtureModel(1, covariance_type=family, inference="vb").fit(groups).objective_
    found = sampled(1, groups, covariance_type=family).log_evidence()
    assert found.error < 0.05
    assert found.log_evidence == pytest.approx(exact, abs=4.0 * found.error)


@pytest.mark.parametrize("on", ["scale", "variance"])
@pytest.mark.parametrize("spread", [InverseGamma(3.0, 4.0), LogNormal(0.4, 0.7)])
def test_evidence_of_scales_and_variances_is_the_integral(on: str, spread: Any) -> None:
    rows = SIX[:5]
    prior = Independent(Normal(1.0, 2.0), **{on: spread})

    def integrand(value: float) -> float:
        variance = value if on == "variance" else value**2
        covariance = variance * np.eye(len(rows)) + 4.0
        density = stats.multivariate_normal.logpdf(rows[:, 0], np.ones(len(rows)), covariance)
        return float(np.exp(density + spread.log_density(np.array(value))))

    exact = float(np.log(quad(integrand, 1e-3, 200.0, limit=200)[0]))
    found = sampled(1, rows, component_prior=prior).log_evidence()
    assert found.error < 0.05
    assert found.log_evidence == pytest.approx(exact, abs=4.0 * found.error)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"weight_prior": DirichletProcess(1.0)}, "finds the number"),
        ({"weight_prior": Dirichlet([1.0, 2.0])}, "tells components apart"),
    ],
)
def test_evidence_that_is_not_available_is_said_in_one_line(
    arguments: dict[str, Any], reason: str, groups: np.ndarray
) -> None:
    gmm = sampled(2, groups, draws=20, **arguments)
    with pytest.raises(InvalidArgumentError, match=f"not available with .*{reason}") as caught:
        gmm.log_evidence()
    assert "\n" not in str(caught.value)


def test_evidence_needs_some_draws(groups: np.ndarray) -> None:
    with pytest.raises(InvalidArgumentError, match="at least 8 draws of each chain; got 7"):
        sampled(2, groups, draws=7).log_evidence()


# ---------------------------------------------------------------------------------- groupings


def test_rows_are_together_as_often_as_in_every_partition(of_six: GaussianMixtureModel) -> None:
    exact = exact_of_six()
    # 1000 draws that are thinned to near independence: four standard errors of a share.
    np.testing.assert_allclose(of_six.co_clustering(), exact.co_clustering, atol=0.065)
    best = exact.partitions[exact.probabilities.argmax()]
    assert best.tolist() == [0, 0, 0, 1, 1, 1]
    for loss in ("variation-of-information", "binder", BINDER):
        found = of_six.consensus(loss=loss)
        np.testing.assert_array_equal(found.labels, best)
        assert found.n_groups == 2
        assert found.ball.radius >= found.expected_loss > 0.0
    assert of_six.consensus(level=0.3).ball.radius <= of_six.consensus().ball.radius


def test_groups_with_rows_are_as_many_as_in_every_partition(of_six: GaussianMixtureModel) -> None:
    exact = exact_of_six()
    one = exact.probabilities[exact.partitions.max(axis=1) == 0].sum()
    # 1000 draws that are thinned to near independence: four standard errors of a share.
    shares = of_six.summary().components.groups
    np.testing.assert_allclose(shares, [one, 1.0 - one], atol=0.065)
    assert f"Groups with rows: 2 ({shares[1]:.2f})" in of_six.summary().sentences[0]


def test_a_process_that_is_cut_off_too_early_is_doubtful(groups: np.ndarray) -> None:
    # Four groups that no draw puts together, under a process that hardly ever has more than two.
    four = np.vstack([groups, groups + np.array([300.0, 0.0])])
    prior = DirichletProcess(1e-4)
    narrow = NormalInverseGamma(5.0, 0.01, 3.0, 2.0)
    fit = sampled(4, four, draws=20, weight_prior=prior, component_prior=narrow).fit_
    assert fit.model.n_components == 4
    (doubt,) = (doubt for doubt in fit.doubts if doubt.category is ComponentLimitWarning)
    assert "the last of 4 components" in doubt.message
    assert "has rows in 100 % of the draws" in doubt.message
    assert not fit.tells_components
    assert not [d for d in sampled(2, groups, draws=20).fit_.doubts if "rest" in d.message]
    enough = sampled(2, groups, draws=20, weight_prior=DirichletProcess(1.0)).fit_
    assert enough.model.n_components > 2
    assert not [d for d in enough.doubts if d.category is ComponentLimitWarning]


def test_consensus_finds_groups_that_are_well_apart(
    fitted: GaussianMixtureModel, groups: np.ndarray
) -> None:
    found = fitted.consensus()
    np.testing.assert_array_equal(found.labels, np.repeat([0, 1], [25, 15]))
    assert found.expected_loss == pytest.approx(0.0, abs=0.02)
    assert "2 groups" in repr(found)
    np.testing.assert_array_equal(fitted.consensus(groups[20:30]).labels, [0] * 5 + [1] * 5)
    np.testing.assert_array_equal(fitted.co_clustering(groups), fitted.co_clustering())


def test_too_many_rows_are_refused(fitted: GaussianMixtureModel) -> None:
    for name in ("consensus", "co_clustering", "plot_co_clustering"):
        with pytest.raises(InvalidArgumentError, match=r"at most 5,000 rows; got 5,001"):
            getattr(fitted, name)(np.zeros((5001, 2)))
    with pytest.raises(InvalidArgumentError, match="loss must be 'variation-of-information', 'b"):
        fitted.consensus(loss="rand")
    for level in (0.0, 1.5, "all"):
        with pytest.raises(InvalidArgumentError, match="level must be a number above 0"):
            fitted.consensus(level=level)


# -------------------------------------------------------------------------------- predictions


def test_leave_one_out_is_what_fits_without_each_row_say(groups: np.ndarray) -> None:
    # With one component variational Bayes is exact: Student's t, under a prior that is given.
    prior = NormalInverseGamma(2.0, 0.1, 3.0, 4.0)
    settings: dict[str, Any] = {"covariance_type": "diag", "component_prior": prior}
    rows = groups[:20]
    exact = [
        GaussianMixtureModel(1, inference="vb", **settings)
        .fit(np.delete(rows, i, axis=0))
        .score_samples(rows[[i]])[0]
        for i in range(len(rows))
    ]
    gmm = sampled(1, rows, draws=1000, component_prior=prior)
    found = gmm.loo()
    assert found.doubtful_rows.size == 0
    np.testing.assert_allclose(found.by_row, exact, rtol=0.02, atol=0.02)
    assert found.total == pytest.approx(sum(exact), abs=0.2)
    assert gmm.waic().total == pytest.approx(sum(exact), abs=0.3)
    assert "nats" in repr(found)


def test_blocks_of_rows_do_not_show(
    fitted: GaussianMixtureModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = fitted.loo()
    monkeypatch.setattr("mixtura.diagnostics.posterior_summaries.BLOCK", 1600 * 7)
    np.testing.assert_array_equal(fitted.loo().by_row, whole.by_row)
    np.testing.assert_array_equal(fitted.loo().diagnostic, whole.diagnostic)


def test_a_row_of_weight_two_is_two_rows(groups: np.ndarray) -> None:
    weights = np.ones(len(groups))
    weights[[0, 30]] = 2.0
    gmm = sampled(2, groups, draws=60, sample_weight=weights)
    found = gmm.loo()
    assert found.by_row.shape == (42,)
    assert found.by_row[0] == found.by_row[1]
    assert np.isfinite(gmm.log_evidence().log_evidence)
    with pytest.raises(InvalidArgumentError, match="weights included"):
        gmm.loo(groups)


def test_other_rows_than_those_fitted_are_refused(
    fitted: GaussianMixtureModel, groups: np.ndarray
) -> None:
    for name in ("loo", "waic", "log_evidence"):
        with pytest.raises(InvalidArgumentError, match=f"^{name} is about the rows that were"):
            getattr(fitted, name)(groups + 0.1)


def test_files_answer_where_rows_are_passed(
    fitted: GaussianMixtureModel, groups: np.ndarray, tmp_path: Any
) -> None:
    fitted.save(tmp_path / "model")
    twin = mixtura.load(tmp_path / "model")
    np.testing.assert_array_equal(twin.loo(groups).by_row, fitted.loo().by_row)
    assert twin.log_evidence(groups) == fitted.log_evidence()
    np.testing.assert_array_equal(twin.consensus(groups).labels, fitted.consensus().labels)
    with pytest.raises(InvalidArgumentError, match="pass X"):
        twin.loo()
    quantities = [row["quantity"] for row in twin.convergence().rows]
    assert "occupied components" not in quantities
    assert quantities[0] == "log joint density (nats)"


# -------------------------------------------------------------------------------- convergence


def test_convergence_is_that_of_the_draws(fitted: GaussianMixtureModel) -> None:
    posterior, told = fitted.posterior_, fitted.convergence()
    rows = {row["quantity"]: row for row in told.rows}
    assert len(rows) == 2 + 2 * (1 + 2 * 2)
    scales = np.sqrt(posterior.covariances)
    for name, draws in (
        ("log joint density (nats)", posterior.log_joint),
        ("component 1: weight", posterior.weights[:, :, 1]),
        ("component 0: mean of x1", posterior.means[:, :, 0, 1]),
        ("component 1: sd of x0", scales[:, :, 1, 0]),
    ):
        expected = convergence(draws)
        assert rows[name]["mean"] == pytest.approx(draws.mean(), rel=1e-12)
        for key in ("r_hat", "ess_bulk", "ess_tail", "mean_error"):
            assert rows[name][key] == pytest.approx(float(getattr(expected, key)), rel=1e-9)
    text = str(told)
    assert "after relabelling" in text
    assert "R-hat of the log joint" in text
    assert "<table" in told._repr_html_()


def test_number_of_occupied_components_is_that_of_drawn_allocations(groups: np.ndarray) -> None:
    gmm = sampled(6, groups, draws=100, weight_prior=Dirichlet(0.2))
    allocated = gmm.posterior_.allocations(
        mixtura.data.ArrayRows(groups), mixtura.engines.ReferenceEngine()
    )
    row = next(row for row in gmm.convergence().rows if row["quantity"] == "occupied components")
    assert row["mean"] == pytest.approx(occupied_components(allocated).mean(), abs=0.3)
    assert 2.0 <= row["mean"] <= 6.0


def test_many_parameters_are_cut_to_the_worst(fitted: GaussianMixtureModel) -> None:
    gmm = sampled(6, np.random.default_rng(0).normal(size=(60, 4)), draws=30)
    table = gmm.convergence().table()
    assert len(table.rows) == 2 + 24
    assert "Of 54 parameters of components the 24 with the largest R-hat." in table.note
    few = sampled(2, SIX, draws=3).convergence()
    assert "too few to judge" in few.sentences[0]
    assert str(few)


# ---------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize("method", ["map", "vb"])
@pytest.mark.parametrize("name", ABOUT_DRAWS)
def test_fits_without_draws_say_that_they_are_needed(
    name: str, method: str, groups: np.ndarray
) -> None:
    gmm = GaussianMixtureModel(2, inference=method).fit(groups)
    with pytest.raises(
        InvalidArgumentError, match=f"^{name} needs draws of the posterior"
    ) as caught:
        getattr(gmm, name)()
    assert "\n" not in str(caught.value)
    assert repr(method) in str(caught.value)


def test_every_picture_is_a_method(fitted: GaussianMixtureModel, groups: np.ndarray) -> None:
    assert len(fitted.plot_trace(feature=0)) == 3
    assert len(fitted.plot_rank()) == 5
    assert len(fitted.plot_posterior()) == 5
    assert fitted.plot_co_clustering().images
    assert len(fitted.plot_predictive_check(n_replicates=8)) == 2
    vb = GaussianMixtureModel(2, inference="vb").fit(groups)
    assert len(vb.plot_posterior()) == 5
    with pytest.raises(InvalidArgumentError, match="needs more than a point"):
        GaussianMixtureModel(2).fit(groups).plot_posterior()
