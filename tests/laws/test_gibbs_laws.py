"""Laws of the Gibbs sampler: its draws are the posterior, whatever the family and the prior."""

from functools import cache
from itertools import product
from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.special import gammaln, logsumexp

from laws.independent import (
    as_matrices,
    direct_statistics,
    log_joint,
    log_likelihood,
    log_prior,
    log_scores,
)
from laws.running import blobs, elicited, run
from mixtura.data import ArrayRows
from mixtura.diagnostics.convergence_diagnostics import ess_mean
from mixtura.engines import ENGINES, ReferenceEngine
from mixtura.errors import ConvergenceWarning, InvalidArgumentError
from mixtura.families import FAMILIES, CovarianceFamily
from mixtura.fit import Fit
from mixtura.inference import ML, Gibbs
from mixtura.messages.parameters import MixtureParameters
from mixtura.messages.statistics import SufficientStatistics
from mixtura.model import MixtureModel
from mixtura.posteriors import DrawsPosterior
from mixtura.priors import (
    Dirichlet,
    HalfNormal,
    Independent,
    InverseGamma,
    MixtureOfFiniteMixtures,
    Normal,
    NormalInverseGamma,
    NormalInverseWishart,
)

NATIVE = ENGINES["native"](n_threads=1)
SHORT = Gibbs(chains=2, draws=30, warmup=10)


def sampled(
    model: MixtureModel,
    rows: np.ndarray,
    method: Gibbs = SHORT,
    start: str | np.ndarray = "split",
    **more: Any,
) -> Fit:
    return run(model, rows, method, start, **{"engine": NATIVE, **more})


def draws_of(fit: Fit) -> DrawsPosterior:
    assert isinstance(fit.posterior, DrawsPosterior)
    return fit.posterior


@pytest.fixture(params=[True, False], ids=["compiled", "by sweeps"])
def whole_chains(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Return whether chains run whole in compiled code; otherwise they go sweep by sweep."""
    if not request.param:
        go_by_sweeps(monkeypatch)
    return request.param


def go_by_sweeps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MixtureModel, "steps", None)


# ------------------------------------------------------------------- the posterior, by enumeration

SIX_ROWS = np.array([[-1.2, 0.3], [-0.8, -0.4], [-1.0, 0.1], [0.9, 0.2], [1.3, -0.1], [0.2, 1.0]])
POINTS = np.array([[-1.0, 0.0], [0.0, 0.0], [1.2, 0.5], [2.0, -0.8]])


def conjugate(family: CovarianceFamily, n_features: int) -> Any:
    if len(family.structure(2, 2)) == 3:
        return NormalInverseWishart(0.2, 0.3, n_features + 2.5, 0.4)
    return NormalInverseGamma(0.2, 0.3, 2.5, 0.5)


def test_predictive_density_is_that_of_all_assignments(
    family: CovarianceFamily, whole_chains: bool
) -> None:
    """Six rows have 64 assignments; under each everything is conjugate and in closed form."""
    prior, weight_prior = conjugate(family, 2), Dirichlet([1.5, 1.5])
    model = MixtureModel(2, 2, weight_prior, prior, family)
    assert (model.steps is not None) == whole_chains
    n_draws = 400 if whole_chains else 300
    posterior = draws_of(sampled(model, SIX_ROWS, Gibbs(chains=2, draws=n_draws, warmup=50)))
    potentials = (model.potentials(posterior.draw(s)) for s in range(2 * n_draws))
    densities = [NATIVE.log_density(ArrayRows(POINTS), one) for one in potentials]
    values = np.exp(densities).reshape(2, n_draws, len(POINTS))
    exact = enumerated_density(family)
    for i in range(len(POINTS)):
        error = values[..., i].std() / np.sqrt(ess_mean(values[..., i]))
        assert abs(values[..., i].mean() - exact[i]) < 5.0 * error


@cache
def enumerated_density(family: CovarianceFamily) -> np.ndarray:
    """Return the predictive density at the points, averaged over all assignments."""
    prior = conjugate(family, 2)
    log_shares, densities = [], []
    for labels in product(range(2), repeat=len(SIX_ROWS)):
        shares = np.eye(2)[list(labels)]
        count = shares.sum(axis=0)
        statistics = statistics_of(SIX_ROWS, shares, family)
        after = prior.posterior(statistics)
        log_weights = dirichlet_evidence(np.array([1.5, 1.5]), count)
        log_shares.append(log_weights + log_evidence(prior, after, SIX_ROWS, labels, family))
        weights = (1.5 + count) / (3.0 + count.sum())
        at_points = np.zeros(len(POINTS))
        for k, point in product(range(2), range(len(POINTS))):
            with_point = after.posterior(one_row(POINTS[point], k, family))
            more = log_evidence(after, with_point, POINTS[point][None], (k,), family)
            at_points[point] += weights[k] * np.exp(more)
        densities.append(at_points)
    shares = np.exp(np.array(log_shares) - logsumexp(log_shares))
    return shares @ np.array(densities)


def statistics_of(
    rows: np.ndarray, shares: np.ndarray, family: CovarianceFamily
) -> SufficientStatistics:
    return direct_statistics(rows, shares, np.zeros((2, 2)), family.structure(2, 2))


def one_row(row: np.ndarray, component: int, family: CovarianceFamily) -> SufficientStatistics:
    return statistics_of(row[None], np.eye(2)[[component]], family)


def dirichlet_evidence(concentration: np.ndarray, count: np.ndarray) -> float:
    """Return the log probability of one assignment with these counts."""
    after = concentration + count
    return float(
        gammaln(concentration.sum())
        - gammaln(after.sum())
        + (gammaln(after) - gammaln(concentration)).sum()
    )


def log_evidence(
    before: Any, after: Any, rows: np.ndarray, labels: tuple[int, ...], family: CovarianceFamily
) -> float:
    """Return the log density of assigned rows: prior times likelihood over posterior, anywhere."""
    means = np.array([[-0.9, 0.1], [0.7, 0.3]])
    structure = family.structure(2, 2)
    covariances = np.broadcast_to(0.6 * np.eye(2) if len(structure) == 3 else 0.6, structure)
    likelihood = sum(
        stats.multivariate_normal.logpdf(row, means[k], as_matrices(covariances, 2, 2)[k])
        for row, k in zip(rows, labels, strict=True)
    )
    at = (means, covariances.copy())
    return float(log_density_of(before, *at) + likelihood - log_density_of(after, *at))


def log_density_of(prior: Any, means: np.ndarray, covariances: np.ndarray) -> float:
    """Return a conjugate density by scipy, of a posterior as well (one matrix at a time)."""
    if isinstance(prior, NormalInverseGamma):
        return log_prior(prior, means, covariances)
    total, D = 0.0, means.shape[1]
    freedom = D + 2.5 if prior.degrees_of_freedom is None else prior.degrees_of_freedom
    for k, matrix in enumerate(covariances):
        scale = np.broadcast_to(np.asarray(prior.scale), np.shape(prior.scale))
        scale = scale * np.eye(D) if scale.ndim < 2 else scale[k] if scale.ndim == 3 else scale
        own = float(np.broadcast_to(freedom, len(covariances))[k])
        total += stats.invwishart.logpdf(matrix, own, scale)
    for k in range(len(means)):
        matrix = covariances[k % len(covariances)]
        centre = np.broadcast_to(prior.mean, means.shape)[k]
        shrinkage = np.broadcast_to(prior.shrinkage, len(means))[k]
        total += stats.multivariate_normal.logpdf(means[k], centre, matrix / shrinkage)
    return float(total)


@pytest.mark.parametrize("name", ["spherical", "tied_diag", "tied_spherical"])
@pytest.mark.parametrize("on", ["scale", "variance"])
def test_compiled_chains_and_sweeps_agree_where_nothing_is_conjugate(
    name: str, on: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prior = Independent(Normal(0.2, 1.5), **{on: InverseGamma(2.5, 1.0)})
    model = MixtureModel(2, 2, Dirichlet([1.5, 1.5]), prior, FAMILIES[name])
    assert model.steps is not None
    whole = draws_of(sampled(model, SIX_ROWS, Gibbs(chains=2, draws=1000, warmup=50)))
    go_by_sweeps(monkeypatch)
    swept = draws_of(sampled(model, SIX_ROWS, Gibbs(chains=2, draws=300, warmup=50)))
    for one, other in zip(*map(unnumbered, (whole, swept)), strict=True):
        error = np.hypot(*(each.std() / np.sqrt(ess_mean(each)) for each in (one, other)))
        assert abs(one.mean() - other.mean()) < 5.0 * error


def unnumbered(posterior: DrawsPosterior) -> list[np.ndarray]:
    """Return averages over components and features of each draw, (C, S)."""
    logs, means = np.log(posterior.covariances), posterior.means
    products = (posterior.weights[..., None] * means).sum(axis=2)
    return [
        posterior.log_likelihood,
        logs.mean(axis=(2, 3)),
        (logs**2).mean(axis=(2, 3)),
        (means**2).mean(axis=(2, 3)),
        products[..., 0],
        products[..., 1],
    ]


# ------------------------------------------------------------------------------- what is recorded


def test_densities_belong_to_their_draws(component_case: Any) -> None:
    case = component_case
    if isinstance(getattr(case.prior, "spread", None), HalfNormal):
        return  # the rows are tied, which it does not bear
    if not case.is_proper:
        return
    rows = blobs(np.random.default_rng(31), 40, case.n_features, 2)
    weights = np.arange(40.0) % 3
    weight_prior = Dirichlet(np.linspace(1.0, 2.0, case.n_components))
    model = MixtureModel(case.n_components, case.n_features, weight_prior, case.prior, case.family)
    method = Gibbs(chains=1, draws=4, warmup=3, thin=2)
    fit = sampled(model, rows, method, weights=weights)
    posterior = draws_of(fit)
    for s in range(4):
        at = posterior.draw(s)
        joint = log_joint(model.weight_prior, model.component_prior, rows, at, weights)
        assert posterior.log_joint[0, s] == pytest.approx(joint, rel=1e-9)
        likelihood = log_likelihood(rows, at, weights)
        assert posterior.log_likelihood[0, s] == pytest.approx(likelihood, rel=1e-9)
    assert len(fit.history) == 3 + 4 * 2
    np.testing.assert_array_equal(np.array(fit.history)[[4, 6, 8, 10]], posterior.log_joint[0])
    assert fit.objective == pytest.approx(posterior.log_joint.mean(), rel=1e-12)
    assert fit.log_likelihood == pytest.approx(
        log_likelihood(rows, fit.parameters, weights), rel=1e-9
    )
    assert (fit.method, fit.objective_name) == ("gibbs", "mean log joint density")


AWKWARD = {
    "one row": SIX_ROWS[:1],
    "equal rows": np.full((12, 2), 3.7),
    "two values": np.repeat(SIX_ROWS[:2], 6, axis=0),
}


@pytest.mark.parametrize("name", AWKWARD)
def test_awkward_rows_and_weights_of_zero_have_lawful_draws(
    family: CovarianceFamily, name: str
) -> None:
    rows, weight_prior = AWKWARD[name], MixtureOfFiniteMixtures(1.0)
    model = MixtureModel(4, 2, weight_prior, conjugate(family, 2), family)
    posterior = draws_of(sampled(model, rows))
    assert posterior.parameters.is_finite()
    assert (posterior.weights == 0.0).any()
    for s in range(0, 30, 3):
        at = posterior.draw(s)
        assert np.linalg.eigvalsh(as_matrices(at.covariances, 4, 2)).min() > 0.0
        joint = log_joint(model.weight_prior, model.component_prior, rows, at)
        assert posterior.log_joint[0, s] == pytest.approx(joint, rel=1e-9)


def test_chains_that_do_not_agree_are_a_doubt(family: CovarianceFamily) -> None:
    rows = blobs(np.random.default_rng(32), 60, 2, 2)
    model = elicited(family, rows, 2)
    short = sampled(model, rows, Gibbs(chains=2, draws=3, warmup=0))
    assert not short.converged
    assert [doubt.category for doubt in short.doubts] == [ConvergenceWarning]
    assert "too few draws" in short.doubts[0].message
    long = sampled(model, rows, Gibbs(chains=3, draws=600, warmup=100))
    assert long.converged
    assert long.doubts == ()


# ------------------------------------------------------------------------------- metamorphic laws


def assert_same_draws(one: DrawsPosterior, other: DrawsPosterior, rtol: float) -> None:
    for name in ("weights", "means", "covariances", "log_joint", "log_likelihood"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=rtol, atol=rtol)


def test_integer_weights_are_repeated_rows(family: CovarianceFamily) -> None:
    rows = blobs(np.random.default_rng(33), 60, 2, 2)
    times = np.random.default_rng(5).integers(0, 4, len(rows))
    repeated = np.repeat(rows, times, axis=0)
    model = elicited(family, repeated, 2)
    weighted = sampled(model, rows, weights=times.astype(float))
    plain = sampled(model, repeated)
    assert_same_draws(draws_of(weighted), draws_of(plain), 1e-7)
    assert weighted.total_weight == plain.total_weight


@pytest.mark.usefixtures("whole_chains")
def test_threads_and_repeats_do_not_show_in_a_single_bit(family: CovarianceFamily) -> None:
    rows = blobs(np.random.default_rng(34), 80, 2, 3)
    model = elicited(family, rows, 3)
    method = Gibbs(chains=3, draws=20, warmup=5)
    fits = [
        sampled(model, rows, method, "random", n_starts=3, n_jobs=jobs, engine=engine)
        for jobs, engine in ((1, NATIVE), (3, ENGINES["native"](n_threads=3)))
    ]
    assert_same_draws(*(draws_of(fit) for fit in fits), rtol=0.0)
    other = sampled(model, rows, method, "random", n_starts=3, seed=1)
    assert other.objective != fits[0].objective


@pytest.mark.parametrize("exponent", [500, -480])
def test_powers_of_two_scale_everything(family: CovarianceFamily, exponent: int) -> None:
    rows = blobs(np.random.default_rng(35), 60, 2, 2)
    there = np.ldexp(rows, exponent)
    plain, mapped = (draws_of(sampled(elicited(family, some, 2), some)) for some in (rows, there))
    np.testing.assert_allclose(np.ldexp(mapped.means, -exponent), plain.means, rtol=1e-7)
    back = np.ldexp(np.ldexp(mapped.covariances, -exponent), -exponent)
    np.testing.assert_allclose(back, plain.covariances, rtol=1e-6, atol=1e-9)
    shift = len(rows) * 2 * exponent * np.log(2.0)
    np.testing.assert_allclose(mapped.log_likelihood + shift, plain.log_likelihood, rtol=1e-7)
    at = mapped.draw(7)
    model = elicited(family, there, 2)
    joint = model.log_prior(at) + mapped.log_likelihood.flat[7]
    assert mapped.log_joint.flat[7] == pytest.approx(joint, rel=1e-9)


def test_engines_give_the_same_draws(
    family: CovarianceFamily, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = blobs(np.random.default_rng(36), 60, 2, 2)
    model = elicited(family, rows, 2)
    go_by_sweeps(monkeypatch)  # compiled chains have random numbers of their own
    fits = [sampled(model, rows, engine=engine) for engine in (NATIVE, ReferenceEngine())]
    assert_same_draws(*(draws_of(fit) for fit in fits), rtol=1e-7)


def test_components_are_numbered_alike_in_every_draw(family: CovarianceFamily) -> None:
    rows = blobs(np.random.default_rng(37), 90, 2, 3, apart=8.0)
    model = elicited(family, rows, 3)
    # At most seeds some chain stays with two groups in one component for long; at this one none.
    method = Gibbs(chains=4, draws=40, warmup=60)
    fit = sampled(model, rows, method, "random", n_starts=4, seed=3)
    posterior = draws_of(fit)
    raw = posterior.as_drawn()
    assert (raw.numbers == np.arange(3)).all()
    assert (posterior.numbers != np.arange(3)).any()
    assert_same_draws(raw.relabelled(posterior.numbers), posterior, rtol=0.0)
    assert (np.diff(posterior.means[..., 0], axis=2) > 0).all()  # groups lie apart along x0
    shares = np.eye(3)[(rows[:, 0] / 12.0).round().clip(0, 2).astype(int)[:]]
    order = [2, 0, 1]
    kept = sampled(model, rows, SHORT, shares[:, order] * 0.9 + 0.1 / 3, keep_numbering=True)
    plain = sampled(model, rows, SHORT, shares * 0.9 + 0.1 / 3)
    given = kept.parameters.means[:, 0]
    np.testing.assert_allclose(given, plain.parameters.means[order, 0], atol=0.5)


def test_components_without_rows_are_drawn_from_the_prior(family: CovarianceFamily) -> None:
    rows = blobs(np.random.default_rng(38), 30, 2, 1)
    model = elicited(family, rows, 6)
    fit = sampled(model, rows, Gibbs(chains=2, draws=100, warmup=20))
    assert draws_of(fit).parameters.is_finite()
    assert not [doubt for doubt in fit.doubts if "less than half a row" in doubt.message]


# --------------------------------------------------------------------------- what the draws answer


def test_answers_are_averages_over_the_draws(family: CovarianceFamily) -> None:
    rows = blobs(np.random.default_rng(39), 50, 2, 2)
    posterior = draws_of(sampled(elicited(family, rows, 2), rows))
    assert posterior.n_draws == 60
    data = ArrayRows(rows)
    scores = np.array([log_scores(rows, posterior.draw(s)) for s in range(60)])
    by_draw = logsumexp(scores, axis=2)
    expected = np.log(np.exp(by_draw).mean(axis=0))
    np.testing.assert_allclose(posterior.log_predictive(data, NATIVE), expected, rtol=1e-9)
    shares = np.exp(scores - by_draw[:, :, None]).mean(axis=0)
    found = posterior.responsibilities(data, NATIVE)
    np.testing.assert_allclose(found, shares, atol=1e-12)
    np.testing.assert_array_equal(posterior.labels(data, NATIVE), shares.argmax(axis=1))
    drawn = posterior.sample_assignments(data, NATIVE, 1500, seed=3)
    error = np.sqrt(shares * (1.0 - shares) / 1500) + 1e-3
    for k in range(2):
        assert (np.abs((drawn == k).mean(axis=0) - shares[:, k]) < 5.5 * error[:, k]).all()


def test_marginals_are_those_of_the_draws(family: CovarianceFamily) -> None:
    rows = blobs(np.random.default_rng(40), 50, 2, 2)
    posterior = draws_of(sampled(elicited(family, rows, 2), rows))
    together = [posterior.draw(s) for s in range(60)]
    diagonals = [np.einsum("kdd->kd", as_matrices(one.covariances, 2, 2)) for one in together]
    for known, values in (
        (posterior.weight_marginals(), [one.weights for one in together]),
        (posterior.mean_marginals(), [one.means for one in together]),
        (posterior.covariance_marginals(), [one.covariances for one in together]),
        (posterior.scale_marginals(), np.sqrt(diagonals)),
    ):
        np.testing.assert_allclose(known.mean, np.mean(values, axis=0), rtol=1e-12)
        np.testing.assert_allclose(known.deviation, np.std(values, axis=0, ddof=1), rtol=1e-9)
        np.testing.assert_allclose(known.quantiles[1], np.median(values, axis=0), rtol=1e-12)
    for one in posterior.sample_parameters(5, np.random.default_rng(0)):
        assert any(np.array_equal(one.means, other.means) for other in together)


def test_drawn_rows_follow_the_predictive(family: CovarianceFamily) -> None:
    rows = blobs(np.random.default_rng(41), 50, 1, 2)
    posterior = draws_of(sampled(elicited(family, rows, 2), rows))
    drawn, labels = posterior.sample(3000, np.random.default_rng(26))
    below = np.zeros(3000)
    for s in range(60):
        at = posterior.draw(s)
        deviations = np.sqrt(as_matrices(at.covariances, 2, 1))[:, 0, 0]
        below += stats.norm(at.means[:, 0], deviations).cdf(drawn) @ at.weights / 60
    assert stats.kstest(below, "uniform").pvalue > 1e-6
    assert labels.shape == (3000,)


# --------------------------------------------------------------------------------- what is refused


def test_what_cannot_be_sampled_is_refused() -> None:
    rows = blobs(np.random.default_rng(42), 30, 1, 2)
    model = elicited(FAMILIES["full"], rows, 2)
    with pytest.raises(InvalidArgumentError, match="whole numbers"):
        sampled(model, rows, weights=np.full(30, 0.5))
    with pytest.raises(InvalidArgumentError, match="together"):
        sampled(model, rows, weights=np.full(30, 1e9))
    for limits in ({"max_iter": 3}, {"tol": 1e-3}):
        with pytest.raises(InvalidArgumentError, match="neither max_iter nor tol"):
            sampled(model, rows, **limits)
    with pytest.raises(InvalidArgumentError, match="improper"):
        sampled(elicited(FAMILIES["full"], rows, 2, ML()), rows)


@pytest.mark.parametrize("bad", [0, -1, 2.5, "many", True, None])
@pytest.mark.parametrize("name", ["chains", "draws", "warmup", "thin"])
def test_unlawful_options_are_refused(name: str, bad: Any) -> None:
    if (name, bad) in (("warmup", 0), ("draws", None)):  # no warm-up; as many draws as suffice
        return
    told = f"Gibbs {name} must be (None or )?a whole number"
    with pytest.raises(InvalidArgumentError, match=told):
        Gibbs(**{name: bad})


def test_independent_prior_has_the_posterior_by_quadrature() -> None:
    """One component: the article's prior, integrated over a grid of mean and scale."""
    rows = np.array([[0.3], [1.9], [2.2], [4.0], [2.6]])
    prior = Independent(Normal(0.0, 2.0), scale=InverseGamma(1.0, 1.0))
    model = MixtureModel(1, 1, Dirichlet(1.0), prior, FAMILIES["diag"])
    posterior = draws_of(sampled(model, rows, Gibbs(chains=2, draws=800, warmup=20)))
    mean, scale = np.meshgrid(np.linspace(-6, 8, 701), np.geomspace(0.2, 40, 701), indexing="ij")
    logs = stats.norm.logpdf(mean, 0.0, 2.0) + stats.invgamma.logpdf(scale, 1.0, scale=1.0)
    logs = logs + stats.norm.logpdf(rows[:, 0, None, None], mean, scale).sum(axis=0)
    shares = np.exp(logs - logs.max()) * scale  # the grid is even in the logarithm of the scale
    shares /= shares.sum()
    found = posterior.means[..., 0, 0], np.log(posterior.covariances[..., 0, 0]) / 2
    for values, grid in zip(found, (mean, np.log(scale)), strict=True):
        error = values.std() / np.sqrt(ess_mean(values))
        assert abs(values.mean() - (shares * grid).sum()) < 5.0 * error
        squares = values**2
        error = squares.std() / np.sqrt(ess_mean(squares))
        assert abs(squares.mean() - (shares * grid**2).sum()) < 5.0 * error


def test_parameters_are_those_of_a_mixture(family: CovarianceFamily) -> None:
    rows = blobs(np.random.default_rng(43), 50, 2, 2)
    parameters = sampled(elicited(family, rows, 2), rows).parameters
    assert isinstance(parameters, MixtureParameters)
    assert parameters.weights.sum() == pytest.approx(1.0, abs=1e-15)
    assert np.linalg.eigvalsh(as_matrices(parameters.covariances, 2, 2)).min() > 0
