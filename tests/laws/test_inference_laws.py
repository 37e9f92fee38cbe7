"""Laws of every method that sweeps: with every optimizer, family and prior that go together.

The metamorphic laws say what a change of the rows must do to the answer.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.special import logsumexp

from laws.independent import (
    as_matrices,
    direct_statistics,
    flatten,
    log_joint,
    log_likelihood,
    unflatten,
)
from laws.running import METHODS, blobs, elicited, run
from mixtura.engines.reference import block_scores
from mixtura.errors import InvalidArgumentError
from mixtura.families import FAMILIES, CovarianceFamily
from mixtura.fit import Fit, Inference
from mixtura.inference import MAP, ML, VB
from mixtura.messages.parameters import MixtureParameters
from mixtura.model import MixtureModel
from mixtura.posteriors import VariationalPosterior
from mixtura.priors import (
    Dirichlet,
    FlatComponents,
    FlatWeights,
    Independent,
    InverseGamma,
    Normal,
    NormalInverseGamma,
    NormalInverseWishart,
    WeightPrior,
)

SAME_OBJECTIVE = 1e-10
"""Relative: what is left where two runs end in the same optimum by different roundings."""

SAME_PARAMETERS = 1e-8
"""Of a standard deviation: the objective, flat at its top, holds them to its root times this."""


@pytest.fixture(params=sorted(METHODS), scope="module")
def method(request: pytest.FixtureRequest) -> Inference:
    """Return every method with every optimizer."""
    return METHODS[request.param]


def rows_for(n_features: int, n_groups: int = 3, n_rows: int = 90, seed: int = 3) -> np.ndarray:
    return blobs(np.random.default_rng(seed), n_rows, n_features, n_groups)


def assert_same_fit(
    one: Fit, other: Fit, *, shift: float = 0.0, rtol: float = SAME_PARAMETERS
) -> None:
    assert one.objective == pytest.approx(
        other.objective + shift, rel=SAME_OBJECTIVE, abs=SAME_OBJECTIVE
    )
    assert_same_parameters(one.parameters, other.parameters, rtol)


def assert_same_parameters(one: MixtureParameters, other: MixtureParameters, rtol: float) -> None:
    K, D = one.means.shape
    matrices = as_matrices(one.covariances, K, D)
    width = np.sqrt(np.einsum("kdd->kd", matrices))
    np.testing.assert_allclose(one.weights, other.weights, rtol=0, atol=rtol)
    assert (np.abs(one.means - other.means) / width).max() <= rtol
    change = np.abs(matrices - as_matrices(other.covariances, K, D))
    assert (change / width[:, :, None] / width[:, None, :]).max() <= 2 * rtol


# --------------------------------------------------------------------------- the objective itself


def check_objective(fit: Fit, rows: np.ndarray, weights: np.ndarray | None = None) -> None:
    """Check value, monotonicity and stationarity of a fit's objective."""
    model, parameters = fit.model, fit.parameters
    if isinstance(fit.posterior, VariationalPosterior):
        expected = check_fixed_point(fit.posterior, rows, weights)
    else:
        expected = log_joint(model.weight_prior, model.component_prior, rows, parameters, weights)
        check_stationary(fit, rows, weights)
    assert fit.objective == pytest.approx(expected, rel=1e-10)
    assert fit.log_likelihood == pytest.approx(log_likelihood(rows, parameters, weights), rel=1e-10)
    for one in fit.runs:
        gains = np.diff(one.objectives)
        assert (gains >= -1e-10 * max(1.0, abs(one.objective))).all()
    assert fit.converged


def check_fixed_point(
    posterior: VariationalPosterior, rows: np.ndarray, weights: np.ndarray | None
) -> float:
    """Check that the rows' shares give the posterior back; return the bound by direct sums."""
    model, potentials = posterior.model, posterior.expected_potentials
    scores = block_scores(rows, potentials)
    normalizer = logsumexp(scores, axis=1)
    shares = np.exp(scores - normalizer[:, None])
    pivot = potentials.mean
    statistics = direct_statistics(rows, shares, pivot, model.structure, weights)
    again = VariationalPosterior(model, statistics)
    assert_same_parameters(again.parameters, posterior.parameters, 1e-7)
    data_term = normalizer.sum() if weights is None else weights @ normalizer
    return float(data_term - posterior.divergence())


def check_stationary(fit: Fit, rows: np.ndarray, weights: np.ndarray | None) -> None:
    """Check that the log joint has no slope along random directions, in standard errors."""
    model, best = fit.model, fit.parameters
    K, D, structure = model.n_components, model.n_features, model.structure
    rng = np.random.default_rng(0)
    mass = (np.ones(len(rows)) if weights is None else weights).sum() * best.weights + 1.0
    start = flatten(best.means, best.covariances)
    deviations = np.sqrt(np.einsum("kdd->kd", as_matrices(best.covariances, K, D)))
    unit = np.full(start.size, 0.3 / np.sqrt(mass.min()))
    unit[: K * D] = (deviations / np.sqrt(mass)[:, None]).ravel()
    if len(structure) == 3:
        entries = unit[K * D :].reshape(structure[0], -1)
        entries[:, D:] *= deviations.min()
    if model.component_prior.fixes_covariances:
        unit[K * D :] = 0.0
    coefficients = (4 / 5, -1 / 5, 4 / 105, -1 / 280)  # the eighth-order stencil
    for _ in range(2):
        of_weights, move = rng.standard_normal(K), rng.standard_normal(start.size) * unit
        of_weights /= np.sqrt(mass)

        def along(t: float, of_weights: np.ndarray = of_weights, move: np.ndarray = move) -> float:
            moved = best.weights * np.exp(t * of_weights)
            means, covariances = unflatten(start + t * move, K, D, structure)
            point = MixtureParameters(moved / moved.sum(), means, covariances)
            return log_joint(model.weight_prior, model.component_prior, rows, point, weights)

        step = 0.05
        slope = sum(
            c * (along(j * step) - along(-j * step)) for j, c in enumerate(coefficients, start=1)
        )
        # 1e-5 standard errors away from the top; the objective is then 1e-10 nats below it.
        assert abs(slope / step) <= 1e-5 * np.sqrt(start.size) + 1e-12 * abs(fit.objective) / step


@pytest.mark.parametrize("optimizer", sorted(METHODS))
def test_objective_with_every_prior(component_case: Any, optimizer: str) -> None:
    case, method = component_case, METHODS[optimizer]
    if method.uses_flat_priors:
        return
    weight_prior = Dirichlet(np.linspace(1.0, 3.0, case.n_components))
    model = MixtureModel(case.n_components, case.n_features, weight_prior, case.prior, case.family)
    rows = rows_for(case.n_features, case.n_components, 60)
    if isinstance(method, VB) and isinstance(case.prior, FlatComponents):
        with pytest.raises(InvalidArgumentError, match="FlatComponents has no variational"):
            run(model, rows, method)
        return
    if isinstance(method, MAP) and case.prior.unbounded(case.structure, case.n_features):
        with pytest.raises(InvalidArgumentError, match="no posterior mode"):
            run(model, rows, method)
        return
    # The weight prior tells the components apart: their numbers stay.
    fit = run(model, rows, method, keep_numbering=True)
    check_objective(fit, rows)
    assert (fit.method, fit.objective_name) in {
        ("map", "log joint density"),
        ("vb", "evidence lower bound"),
    }


def test_objective_with_default_priors_and_weights(
    family: CovarianceFamily, method: Inference, initializer: Any
) -> None:
    rows = rows_for(2)
    weights = np.random.default_rng(4).gamma(2.0, size=len(rows))
    fit = run(
        elicited(family, rows, 3, method, weights), rows, method, initializer, weights=weights
    )
    check_objective(fit, rows, weights)
    assert fit.total_weight == pytest.approx(weights.sum())
    if method.uses_flat_priors:
        assert fit.objective == fit.log_likelihood
    assert fit.history == fit.runs[fit.best].objectives
    assert fit.objective == pytest.approx(fit.history[-1], rel=1e-12)
    assert fit.n_iter == len(fit.history) - 1


@pytest.mark.parametrize("prior", [Dirichlet(1.0), Dirichlet(3.5), FlatWeights()], ids=repr)
def test_objective_with_every_weight_prior(
    family: CovarianceFamily, prior: WeightPrior, method: Inference
) -> None:
    if method.uses_flat_priors or (isinstance(method, VB) and isinstance(prior, FlatWeights)):
        return
    rows = rows_for(1)
    given = elicited(family, rows, 3)
    model = MixtureModel(3, 1, prior, given.component_prior, family)
    check_objective(run(model, rows, method), rows)


def test_optimizers_end_in_the_same_optimum(family: CovarianceFamily) -> None:
    rows = rows_for(3, n_rows=150)
    for cls in (MAP, ML):
        fits = [
            run(elicited(family, rows, 3, method), rows, method)
            for method in METHODS.values()
            if isinstance(method, cls)
        ]
        for fit in fits[1:]:
            assert_same_fit(fits[0], fit, rtol=1e-6)


@pytest.mark.in_turn
def test_more_iterations_go_on_from_where_fewer_stopped(
    family: CovarianceFamily, method: Inference
) -> None:
    rows = rows_for(2)
    model = elicited(family, rows, 3, method)
    short, long = (run(model, rows, method, max_iter=n) for n in (2, 4))
    assert not short.converged
    assert short.history == long.history[:3]
    assert any("not converged" in doubt.message for doubt in short.doubts)


def test_the_best_of_several_starts_is_kept(method: Inference) -> None:
    rows = rows_for(2, n_groups=5, n_rows=120, seed=8)
    model = elicited(FAMILIES["full"], rows, 5, method)
    fit = run(model, rows, method, "random", n_starts=6, max_iter=50)
    assert len(fit.runs) == 6
    assert fit.best == int(np.argmax([one.objective for one in fit.runs]))
    assert fit.objective == pytest.approx(max(one.objective for one in fit.runs), rel=1e-12)


# -------------------------------------------------------------------------------- metamorphic laws


@pytest.mark.in_turn
def test_integer_weights_are_repeated_rows(family: CovarianceFamily, method: Inference) -> None:
    rows = rows_for(2)
    times = np.random.default_rng(5).integers(0, 4, len(rows))
    repeated = np.repeat(rows, times, axis=0)
    weighted = run(
        elicited(family, rows, 3, method, times.astype(float)),
        rows,
        method,
        weights=times.astype(float),
    )
    plain = run(elicited(family, repeated, 3, method), repeated, method)
    assert_same_fit(weighted, plain)
    assert weighted.total_weight == plain.total_weight


@pytest.mark.in_turn
def test_row_order_says_nothing(family: CovarianceFamily, method: Inference) -> None:
    rows = rows_for(2, n_rows=91)  # odd: the middle row lies on a slice's edge
    order = np.random.default_rng(6).permutation(len(rows))
    for K in (2, 3):
        fits = [
            run(elicited(family, some, K, method), some, method) for some in (rows, rows[order])
        ]
        assert_same_fit(*fits)


@pytest.mark.in_turn
def test_column_order_says_nothing(family: CovarianceFamily, method: Inference) -> None:
    rows = rows_for(3)
    order = [2, 0, 1]
    plain = run(elicited(family, rows, 3, method), rows, method)
    mapped = run(elicited(family, rows[:, order], 3, method), rows[:, order], method)
    assert mapped.objective == pytest.approx(plain.objective, rel=SAME_OBJECTIVE)
    parameters = plain.parameters
    covariances = parameters.covariances
    if covariances.ndim == 3:
        covariances = covariances[:, order][:, :, order]
    elif covariances.shape[1] > 1:
        covariances = covariances[:, order]
    expected = MixtureParameters(parameters.weights, parameters.means[:, order], covariances)
    # Components are numbered by their first feature, which is another one now.
    numbering = np.lexsort(expected.means.T[::-1])
    assert_same_parameters(mapped.parameters, expected.permuted(numbering), SAME_PARAMETERS)


def mapped_parameters(
    parameters: MixtureParameters, scale: np.ndarray, shift: np.ndarray
) -> MixtureParameters:
    scaled = parameters.rescaled(scale)
    return MixtureParameters(scaled.weights, scaled.means + shift, scaled.covariances)


@pytest.mark.in_turn
@pytest.mark.parametrize("D", [1, 3])
def test_units_and_origin_with_default_priors(
    family: CovarianceFamily, method: Inference, D: int
) -> None:
    rows = rows_for(D)
    scale, shift = np.array([2.54, 0.01, 1e4])[:D], np.array([-40.0, 3.0, 1e5])[:D]
    if len(family.structure(2, 2)) == 2 and family.structure(2, 2)[1] == 1:
        scale = np.full(D, 2.54)  # one variance for all features: one unit
    plain = run(elicited(family, rows, 3, method), rows, method)
    there = rows * scale + shift
    mapped = run(elicited(family, there, 3, method), there, method)
    log_det = np.log(scale).sum()
    assert mapped.log_likelihood == pytest.approx(
        plain.log_likelihood - len(rows) * log_det, rel=1e-9
    )
    if isinstance(method, VB):
        moved = plain.objective - len(rows) * log_det
        assert mapped.objective == pytest.approx(moved, rel=1e-9)
    expected = mapped_parameters(plain.parameters, scale, shift)
    assert_same_parameters(mapped.parameters, expected, 1e-7)


MAPPED_PRIORS: list[Callable[[int], Any]] = [
    lambda D: NormalInverseGamma(np.linspace(-1.0, 2.0, D), 0.5, 2.0, 1.5),
    lambda D: NormalInverseWishart(np.linspace(-1.0, 2.0, D), 0.5, D + 3.0, np.eye(D) + 0.2),
    lambda D: Independent(Normal(0.5, 8.0), InverseGamma(1.5, 2.0)),
    lambda D: Independent(Normal(0.5, 8.0), variance=InverseGamma(1.5, 2.0)),
    lambda D: FlatComponents(1e-9),
]


@pytest.mark.parametrize("number", range(len(MAPPED_PRIORS)))
def test_units_with_mapped_priors(family: CovarianceFamily, number: int) -> None:
    D = 2
    prior = MAPPED_PRIORS[number](D)
    if len(family.structure(2, D)) not in prior.structure_dimensions:
        return
    scale = np.array([3.7, 0.2])
    if family.structure(2, D)[-1] == 1:
        scale[:] = 3.7
    rows = rows_for(D)
    model = MixtureModel(3, D, Dirichlet(2.0), prior, family)
    plain = run(model, rows)
    mapped = run(model.rescaled(scale), rows * scale)
    log_det = np.log(scale).sum()
    assert mapped.log_likelihood == pytest.approx(plain.log_likelihood - 90 * log_det, rel=1e-9)
    expected = mapped_parameters(plain.parameters, scale, np.zeros(D))
    assert_same_parameters(mapped.parameters, expected, 1e-7)
    # The log prior shifts by its own Jacobian: the same for any parameters.
    jacobian = plain.objective - plain.log_likelihood - (mapped.objective - mapped.log_likelihood)
    other = elicited(family, rows, 3)
    somewhere = run(other, rows).parameters
    there = model.rescaled(scale).log_prior(somewhere.rescaled(scale))
    assert model.log_prior(somewhere) - there == pytest.approx(jacobian, rel=1e-8, abs=1e-8)


@pytest.mark.parametrize("name", ["full", "tied"])
def test_any_affine_map_of_matrix_families(name: str, method: Inference) -> None:
    rng = np.random.default_rng(7)
    rows = rows_for(3)
    A = rng.standard_normal((3, 3)) + 2 * np.eye(3)
    shift = np.array([5.0, -3.0, 100.0])
    there = rows @ A.T + shift
    # A start near the groups: the first principal component is not the same in both units.
    shares = np.eye(3)[(rows[:, 0] / 4.5).round().clip(0, 2).astype(int)] * 0.9 + 0.1 / 3
    family = FAMILIES[name]
    model, mapped_model = elicited(family, rows, 3, method), elicited(family, there, 3, method)
    if not method.uses_flat_priors:
        # The default prior looks at single columns; a given one is mapped like the rows.
        prior = NormalInverseWishart(0.5, 0.1, 6.0, np.diag([0.4, 0.5, 0.6]))
        image = NormalInverseWishart(
            A @ np.full(3, 0.5) + shift, 0.1, 6.0, A @ np.diag([0.4, 0.5, 0.6]) @ A.T
        )
        model = replace(model, component_prior=prior)
        mapped_model = replace(mapped_model, component_prior=image)
    plain = run(model, rows, method, shares, keep_numbering=True)
    mapped = run(mapped_model, there, method, shares, keep_numbering=True)
    log_det = np.linalg.slogdet(A)[1]
    assert mapped.log_likelihood == pytest.approx(
        plain.log_likelihood - len(rows) * log_det, rel=1e-9
    )
    expected = MixtureParameters(
        plain.parameters.weights,
        plain.parameters.means @ A.T + shift,
        A @ plain.parameters.covariances @ A.T,
    )
    assert_same_parameters(mapped.parameters, expected, 1e-6)


def test_rotations_of_spherical_families(family: CovarianceFamily) -> None:
    if family.structure(2, 3)[1:] != (1,):
        return
    rng = np.random.default_rng(9)
    rows = rows_for(3)
    Q = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    shares = np.eye(3)[rng.integers(3, size=len(rows))] * 0.6 + 0.4 / 3
    model = MixtureModel(3, 3, Dirichlet(1.0), NormalInverseGamma(0.0, 0.1, 2.0, 1.0), family)
    plain = run(model, rows, start=shares, keep_numbering=True)
    mapped = run(model, rows @ Q.T, start=shares, keep_numbering=True)
    assert mapped.objective == pytest.approx(plain.objective, rel=1e-10)
    expected = MixtureParameters(
        plain.parameters.weights, plain.parameters.means @ Q.T, plain.parameters.covariances
    )
    assert_same_parameters(mapped.parameters, expected, 1e-7)


@pytest.mark.in_turn
def test_numbers_of_components_say_nothing(family: CovarianceFamily, method: Inference) -> None:
    rows = rows_for(2)
    shares = np.random.default_rng(10).dirichlet(np.ones(3), len(rows))
    order = np.array([2, 0, 1])
    model = elicited(family, rows, 3, method)
    plain = run(model, rows, method, shares)
    permuted = run(model, rows, method, shares[:, order])
    assert_same_fit(plain, permuted)
    means = plain.parameters.means
    assert (np.lexsort(means.T[::-1]) == np.arange(3)).all()  # numbered by the first feature
    kept = run(model, rows, method, shares, keep_numbering=True)
    again = run(model, rows, method, shares[:, order], keep_numbering=True)
    assert_same_parameters(again.parameters, kept.parameters.permuted(order), SAME_PARAMETERS)


@pytest.mark.in_turn
def test_rows_of_weight_zero_are_as_if_absent(family: CovarianceFamily, method: Inference) -> None:
    rows = rows_for(2)
    weights = np.ones(len(rows))
    weights[::4] = 0.0
    strange = rows.copy()
    strange[::4] = 1e6
    kept = np.ascontiguousarray(rows[weights > 0])
    fit = run(elicited(family, strange, 3, method, weights), strange, method, weights=weights)
    alone = run(elicited(family, kept, 3, method), kept, method)
    assert_same_fit(fit, alone)


@pytest.mark.parametrize("exponent", [500, -480])
def test_powers_of_two_scale_everything(
    family: CovarianceFamily, method: Inference, initializer: Any, exponent: int
) -> None:
    rows = rows_for(2)
    there = np.ldexp(rows, exponent)
    fits = [
        run(elicited(family, some, 3, method), some, method, initializer) for some in (rows, there)
    ]
    plain, mapped = fits
    expected = plain.parameters.rescaled(np.full(2, 2.0**exponent))
    assert_same_parameters(mapped.parameters, expected, 1e-8)
    shift = len(rows) * 2 * exponent * np.log(2.0)
    assert mapped.log_likelihood + shift == pytest.approx(plain.log_likelihood, rel=1e-9)
    if isinstance(method, VB):  # a probability of the rows, whose parameters are integrated out
        assert mapped.objective + shift == pytest.approx(plain.objective, rel=1e-9)


def test_engines_give_the_same_fit(family: CovarianceFamily, engine: Any) -> None:
    rows = rows_for(2)
    plain = run(elicited(family, rows, 3), rows)
    other = run(elicited(family, rows, 3, engine=engine), rows, engine=engine)
    assert_same_fit(plain, other)


def test_the_same_seed_gives_the_same_bits(
    family: CovarianceFamily, method: Inference, initializer: Any
) -> None:
    rows = rows_for(2)
    model = elicited(family, rows, 3, method)
    one, other = (run(model, rows, method, initializer, seed=4, max_iter=15) for _ in range(2))
    assert one.history == other.history
    np.testing.assert_array_equal(one.parameters.means, other.parameters.means)
    np.testing.assert_array_equal(one.parameters.covariances, other.parameters.covariances)


def test_threads_do_not_show_in_a_single_bit(initializer: Any, method: Inference) -> None:
    rows = rows_for(2)
    model = elicited(FAMILIES["full"], rows, 3, method)
    one, other = (
        run(model, rows, method, initializer, n_starts=2, n_jobs=jobs, max_iter=8)
        for jobs in (1, 2)
    )
    assert one.best == other.best
    assert [r.objectives for r in one.runs] == [r.objectives for r in other.runs]
    np.testing.assert_array_equal(one.parameters.covariances, other.parameters.covariances)


def test_one_component_has_the_closed_form(family: CovarianceFamily) -> None:
    rows = rows_for(3)
    fit = run(elicited(family, rows, 1, ML()), rows, ML())
    covariance = np.cov(rows.T, bias=True)
    np.testing.assert_allclose(fit.parameters.means[0], rows.mean(axis=0), rtol=1e-12)
    expected = family.compact(covariance[None])
    if expected.shape[-1] == 1:
        expected = expected / 3  # one variance of three features: their average
    np.testing.assert_allclose(fit.parameters.covariances, expected, rtol=1e-10)
    np.testing.assert_array_equal(fit.parameters.weights, [1.0])
