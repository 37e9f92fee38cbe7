"""Laws of every registered prior: densities, posteriors, rescaling and draws.

Modes have a file of their own, ``test_mode_laws.py``.
"""

import inspect
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.integrate import quad
from scipy.special import digamma

from laws.independent import DENSITIES, direct_statistics, log_prior
from laws.running import random_parameters
from mixtura.errors import InvalidArgumentError
from mixtura.families import Diagonal
from mixtura.messages.statistics import SufficientStatistics
from mixtura.priors import (
    PRIORS,
    ComponentPrior,
    Dirichlet,
    FlatWeights,
    Gamma,
    Independent,
    Normal,
    NormalInverseGamma,
    NormalInverseWishart,
    Prior,
    WeightPrior,
    Wishart,
)
from mixtura.priors.base import ComponentPosterior
from mixtura.priors.hierarchies import HierarchicalPrior

seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=5)  # for each of a hundred pairs of prior and family


def is_conjugate(prior: ComponentPrior) -> bool:
    """Whether posteriors are of the prior's form: not where a scale is to be learned."""
    learns = isinstance(prior, HierarchicalPrior) and prior.learns_scale
    return isinstance(prior, ComponentPosterior) and not learns


def is_improper(prior: Prior) -> bool:
    return type(prior).__name__.startswith("Flat")


def random_statistics(case: Any, rng: np.random.Generator, n_rows: int) -> SufficientStatistics:
    K, D = case.n_components, case.n_features
    rows = rng.standard_normal((n_rows, D)) * 1.5 + 1.0
    shares = rng.dirichlet(np.ones(K), n_rows)
    return direct_statistics(rows, shares, rng.standard_normal((K, D)), case.structure)


def random_point(case: Any, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    parameters = random_parameters(rng, case.family, case.n_components, case.n_features)
    return parameters.means, parameters.covariances


# ------------------------------------------------------------------------------- the registry


def test_every_registered_prior_has_an_example(
    prior_examples: dict[str, list[Callable[[int, int], Prior]]],
) -> None:
    for name, cls in PRIORS.items():
        assert name == cls.__name__
        assert prior_examples.get(name), f"add an example of {name} to tests/conftest.py"
        assert name in DENSITIES, f"add a density of {name} to tests/laws/independent.py"
        for example in prior_examples[name]:
            assert type(example(3, 3)) is cls


def test_every_family_has_a_conjugate_and_a_flat_prior(family: Any) -> None:
    length = len(family.structure(3, 2))
    fitting = [
        cls
        for cls in PRIORS.values()
        if issubclass(cls, ComponentPrior) and length in cls.structure_dimensions
    ]
    assert len(fitting) >= 2
    assert any(issubclass(cls, ComponentPosterior) for cls in fitting)


def test_hyperparameters_rebuild_every_prior(
    prior_examples: dict[str, list[Callable[[int, int], Prior]]],
) -> None:
    for name, examples in prior_examples.items():
        for example in examples:
            prior = example(3, 2)
            again = PRIORS[name].from_hyperparameters(prior.hyperparameters())
            assert repr(again) == repr(prior)
            assert set(prior.hyperparameters()) == set(inspect.signature(type(prior)).parameters)


MAY_BE_ZERO = {"location", "mean", "count", "discount", "minimum"}
MAY_BE_NONE = {
    ("NormalInverseWishart", "degrees_of_freedom"),
    ("Independent", "variance"),
    ("MixtureOfFiniteMixtures", "rate"),
}


@pytest.mark.parametrize("bad", [np.nan, np.inf, "wide", [[[1.0]]], [], None])
def test_unlawful_hyperparameters_are_refused(
    prior_examples: dict[str, list[Callable[[int, int], Prior]]], bad: Any
) -> None:
    for name, examples in prior_examples.items():
        values = examples[0](3, 2).hyperparameters()
        for field, value in values.items():
            # None stands for the default degrees of freedom, for the one of scale= and
            # variance= that is not given, and for numbers of components that are all alike.
            if bad is None and (name, field) in MAY_BE_NONE:
                continue
            if np.shape(bad) == (1, 1, 1) and (name, field) == ("NormalInverseWishart", "scale"):
                continue  # posteriors hold one matrix for each component; `check` refuses it
            with pytest.raises(InvalidArgumentError):
                PRIORS[name].from_hyperparameters({**values, field: bad})
            if isinstance(value, float) and field not in MAY_BE_ZERO:
                with pytest.raises(InvalidArgumentError):
                    PRIORS[name].from_hyperparameters({**values, field: 0.0})


# ---------------------------------------------------------------------------------- densities


@few
@given(seeds)
def test_component_log_density_equals_scipy(component_case: Any, seed: int) -> None:
    means, covariances = random_point(component_case, np.random.default_rng(seed))
    ours = component_case.prior.log_density(means, covariances)
    assert isinstance(ours, float)
    assert ours == pytest.approx(
        log_prior(component_case.prior, means, covariances), rel=1e-11, abs=1e-11
    )


@given(seeds)
def test_weight_log_density_equals_scipy(weight_prior: WeightPrior, seed: int) -> None:
    weights = np.random.default_rng(seed).dirichlet(np.ones(3))
    ours = weight_prior.log_density(weights)
    assert ours == pytest.approx(log_prior(weight_prior, weights), rel=1e-12, abs=1e-12)


@given(seeds)
def test_univariate_log_density_equals_scipy(univariate_prior: Any, seed: int) -> None:
    values = np.random.default_rng(seed).gamma(1.0, size=(4, 3)) + 1e-3
    ours = univariate_prior.log_density(values)
    np.testing.assert_allclose(ours, log_prior(univariate_prior, values), rtol=1e-11, atol=1e-11)


def test_univariate_densities_integrate_to_one(univariate_prior: Any) -> None:
    for d in range(3):

        def log_density(x: float, d: int = d) -> float:
            return float(np.broadcast_to(univariate_prior.log_density(np.full(3, x)), 3)[d])

        if isinstance(univariate_prior, Normal):
            centre = float(np.broadcast_to(univariate_prior.location, 3)[d])
            width = 12.0 * float(np.broadcast_to(univariate_prior.scale, 3)[d])
            bounds = (centre - width, centre + width)
            integral = quad(lambda x: np.exp(log_density(x)), *bounds, points=[centre])[0]
        else:  # in the logarithm, where no tail is heavy
            points = np.linspace(-60.0, 60.0, 25)
            if isinstance(univariate_prior, Gamma) and univariate_prior.is_truncated:
                least = np.broadcast_to(univariate_prior.minimum, 3)[d]
                points = np.append(np.log(np.maximum(least, 1e-20)), points)
                points = points[points >= points[0]]
            integral = sum(
                quad(lambda t: np.exp(log_density(np.exp(t)) + t), a, b, epsabs=1e-12)[0]
                for a, b in pairwise(points)
            )
        assert integral == pytest.approx(1.0, abs=1e-8)


@pytest.mark.parametrize("is_on_variance", [False, True])
def test_densities_are_in_the_stated_coordinates(is_on_variance: bool) -> None:
    # Integrated over the standard deviation (or the variance) the density is one; with a change
    # of variables it would not be.
    from mixtura.priors import InverseGamma

    spread = InverseGamma(3.0, 2.0)
    prior = Independent(Normal(), **{"variance" if is_on_variance else "scale": spread})
    mean = np.zeros((1, 1))
    at_zero = stats.norm.logpdf(0.0)

    def density(value: float) -> float:
        variance = value if is_on_variance else value**2
        return float(np.exp(prior.log_density(mean, np.array([[variance]])) - at_zero))

    assert quad(density, 0.0, np.inf)[0] == pytest.approx(1.0, abs=1e-7)


def test_conjugate_densities_are_in_variances_and_matrices() -> None:
    gamma = NormalInverseGamma(0.0, 1.0, 3.0, 2.0)
    wishart = NormalInverseWishart(0.0, 1.0, 6.0, 4.0)  # the same prior of one feature
    grid = np.linspace(-8.0, 8.0, 4001)
    logs = grid[:, None]

    def inner(variance: float, prior: ComponentPrior, shape: tuple[int, ...]) -> float:
        # The mean integrates out of a normal density: peak value over peak density.
        peak = prior.log_density(np.zeros((1, 1)), np.full(shape, variance))
        return np.exp(peak - stats.norm.logpdf(0.0, scale=np.sqrt(variance)))

    for prior, shape in ((gamma, (1, 1)), (wishart, (1, 1, 1))):
        variances = np.exp(logs[:, 0])
        values = np.array([inner(v, prior, shape) for v in variances]) * variances
        assert np.trapezoid(values, grid) == pytest.approx(1.0, abs=1e-6)


def test_dirichlet_density_integrates_to_one() -> None:
    # Two components: over the first weight, by Gauss-Jacobi-like substitution p = sin^2.
    for concentration in (0.5, 1.0, np.array([2.5, 0.7])):
        prior = Dirichlet(concentration)

        def density(t: float, prior: Dirichlet = prior) -> float:
            p = np.sin(t) ** 2
            jacobian = 2.0 * np.sin(t) * np.cos(t)
            return float(np.exp(prior.log_density(np.array([p, 1.0 - p])))) * jacobian

        assert quad(density, 0.0, np.pi / 2)[0] == pytest.approx(1.0, abs=1e-8)


# ---------------------------------------------------------------------------------- gradients


@few
@given(seeds)
def test_component_gradient_is_the_derivative_of_the_log_density(
    component_case: Any, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    means, covariances = random_point(component_case, rng)
    of_means, of_covariances = component_case.prior.gradient(means, covariances)
    assert of_means.shape == means.shape
    assert of_covariances.shape == covariances.shape
    if covariances.ndim == 3:
        flipped = of_covariances.transpose(0, 2, 1)
        atol = 1e-12 * np.abs(flipped).max()
        np.testing.assert_allclose(of_covariances, flipped, rtol=0, atol=atol)
    moves = rng.standard_normal(means.shape), rng.standard_normal(covariances.shape)
    if covariances.ndim == 3:
        moves = moves[0], moves[1] + moves[1].transpose(0, 2, 1)
    steps = np.array([4 / 5, -1 / 5, 4 / 105, -1 / 280])  # the eighth-order stencil
    smallest = 0.05 * np.linalg.eigvalsh(covariances).min() if covariances.ndim == 3 else 0.0
    size = (smallest or 0.05 * covariances.min()) / 4.0
    for gradient, which in ((of_means, 0), (of_covariances, 1)):
        directional = 0.0
        for j, c in enumerate(steps, start=1):
            for sign in (1.0, -1.0):
                point = [means, covariances]
                point[which] = point[which] + sign * j * size * moves[which] / 5.0
                directional += sign * c * component_case.prior.log_density(*point) / (size / 5.0)
        expected = (gradient * moves[which]).sum()
        assert directional == pytest.approx(expected, rel=1e-6, abs=1e-6 * (1 + abs(expected)))


def test_weight_gradient_is_the_derivative_in_the_logarithms(
    weight_prior: WeightPrior, rng: np.random.Generator
) -> None:
    # Of the density as a function of all K weights, off the simplex as well.
    weights = rng.dirichlet(np.ones(3))
    gradient = weight_prior.log_weight_gradient(weights)
    for k in range(3):
        up, down = weights.copy(), weights.copy()
        up[k] *= np.exp(1e-4)
        down[k] *= np.exp(-1e-4)
        slope = (weight_prior.log_density(up) - weight_prior.log_density(down)) / 2e-4
        assert slope == pytest.approx(gradient[k], abs=1e-8)


# ---------------------------------------------------------------------------------- posteriors


@few
@given(seeds)
def test_posterior_given_nothing_is_itself(component_case: Any, seed: int) -> None:
    prior = component_case.prior
    if not is_conjugate(prior):
        return  # not of its own form: then its modes are held against scipy
    rng = np.random.default_rng(seed)
    point = random_point(component_case, rng)
    pivot = rng.standard_normal((component_case.n_components, component_case.n_features))
    nothing = SufficientStatistics.zero(pivot, component_case.structure)
    same = prior.posterior(nothing)
    assert same.log_density(*point) == pytest.approx(prior.log_density(*point), rel=1e-13)


@few
@given(seeds)
def test_posterior_of_a_sum_is_the_posterior_of_the_posterior(
    component_case: Any, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    first = random_statistics(component_case, rng, 12)
    second = random_statistics(component_case, rng, 7)
    prior = component_case.prior
    at_once = prior.posterior(first + second)
    in_turn = prior.posterior(first).posterior(second)
    for one, other in zip(at_once.mode(), in_turn.mode(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)
    if isinstance(at_once, ComponentPrior) and isinstance(in_turn, ComponentPrior):
        point = random_point(component_case, rng)
        expected = at_once.log_density(*point)
        assert in_turn.log_density(*point) == pytest.approx(expected, rel=1e-11)


@few
@given(seeds)
def test_conjugate_posterior_is_prior_times_likelihood(component_case: Any, seed: int) -> None:
    # Bayes: log posterior - log prior - log likelihood is the same for any parameters.
    prior = component_case.prior
    if not is_conjugate(prior):
        return
    rng = np.random.default_rng(seed)
    K, D = component_case.n_components, component_case.n_features
    rows, shares = rng.standard_normal((15, D)) + 1.0, rng.dirichlet(np.ones(K), 15)
    statistics = direct_statistics(rows, shares, np.zeros((K, D)), component_case.structure)
    posterior = prior.posterior(statistics)

    def constant() -> float:
        means, covariances = random_point(component_case, rng)
        matrices = component_case.family.expand(covariances, K, D)
        likelihood = sum(
            shares[:, k] @ stats.multivariate_normal(means[k], matrices[k]).logpdf(rows)
            for k in range(K)
        )
        return (
            posterior.log_density(means, covariances)
            - log_prior(prior, means, covariances)
            - likelihood
        )

    assert constant() == pytest.approx(constant(), rel=1e-9, abs=1e-9)


@given(seeds)
def test_weight_posteriors_add_up(weight_prior: WeightPrior, seed: int) -> None:
    rng = np.random.default_rng(seed)
    first, second = rng.gamma(1.0, size=(2, 3)) * 10.0
    nothing = weight_prior.posterior(np.zeros(3))
    weights = rng.dirichlet(np.ones(3))
    assert nothing.log_density(weights) == weight_prior.log_density(weights)
    at_once = weight_prior.posterior(first + second)
    in_turn = weight_prior.posterior(first).posterior(second)
    np.testing.assert_allclose(at_once.typical(3), in_turn.typical(3), rtol=1e-13)
    assert at_once.log_density(weights) == pytest.approx(in_turn.log_density(weights), rel=1e-12)


def test_exchangeability_of_weight_priors(weight_prior: WeightPrior) -> None:
    weights = np.array([0.1, 0.3, 0.6])
    values = {round(weight_prior.log_density(weights[list(o)]), 9) for o in ORDERS}
    assert weight_prior.is_exchangeable == (len(values) == 1)


ORDERS = [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)]


# ------------------------------------------------------------------------------------ rescaling


def log_jacobian(prior: ComponentPrior, case: Any, factor: np.ndarray) -> float:
    """Return the log Jacobian of (means, spread) -> those of ``x * factor``."""
    K, D, structure = case.n_components, case.n_features, case.structure
    logs = np.log(factor)
    of_means = K * logs.sum()
    if len(structure) == 3:  # the D (D + 1) / 2 entries s_ij f_i f_j
        return of_means + structure[0] * (D + 1) * logs.sum()
    if prior.fixes_covariances:
        return of_means
    power = 1.0 if isinstance(prior, Independent) and not prior.is_on_variance else 2.0
    return of_means + structure[0] * power * logs[: structure[1]].sum()


@few
@given(seeds)
def test_rescaling_shifts_the_log_density_by_the_jacobian(component_case: Any, seed: int) -> None:
    case, prior = component_case, component_case.prior
    rng = np.random.default_rng(seed)
    common = len(case.structure) == 2 and case.structure[1] < case.n_features
    factor = np.exp(rng.normal(size=case.n_features) * 2.0)
    if common or rng.random() < 0.3:
        factor[:] = factor[0]
    rescaled = prior.rescaled(factor)
    expected = 0.0 if is_improper(prior) else log_jacobian(prior, case, factor)
    rescaled.check(case.structure, case.n_components, case.n_features)
    for _ in range(2):
        parameters = random_parameters(rng, case.family, case.n_components, case.n_features)
        mapped = parameters.rescaled(factor)
        before = prior.log_density(parameters.means, parameters.covariances)
        after = rescaled.log_density(mapped.means, mapped.covariances)
        assert before - after == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("unit", [1e-150, 1e150])
def test_rescaling_to_extreme_units_is_lawful(component_case: Any, unit: float) -> None:
    # Twice: from units in which the hyperparameters were extreme already. (Matrices only once
    # upwards: their entries have nowhere to go.)
    case, factor = component_case, np.full(component_case.n_features, unit)
    priors = [case.prior.rescaled(factor)]
    scale = case.prior.hyperparameters().get("scale")
    if unit < 1.0 or np.ndim(scale.scale if isinstance(scale, Wishart) else scale) < 2:
        priors.append(priors[0].rescaled(factor))
    for prior in priors:
        prior.check(case.structure, case.n_components, case.n_features)


@few
@given(seeds)
def test_rescaling_maps_the_mode(component_case: Any, seed: int) -> None:
    case, rng = component_case, np.random.default_rng(seed)
    common = len(case.structure) == 2 and case.structure[1] < case.n_features
    factor = np.exp(rng.normal(size=case.n_features) * 2.0)
    if common:
        factor[:] = factor[0]
    rows = rng.standard_normal((12, case.n_features))
    shares = rng.dirichlet(np.ones(case.n_components), 12)
    pivot = np.zeros((case.n_components, case.n_features))
    plain = direct_statistics(rows, shares, pivot, case.structure)
    scaled = direct_statistics(rows * factor, shares, pivot, case.structure)
    means, covariances = case.prior.posterior(plain).mode()
    mapped_means, mapped = case.prior.rescaled(factor).posterior(scaled).mode()
    np.testing.assert_allclose(mapped_means, means * factor, rtol=1e-9, atol=1e-9)
    width = case.structure[-1]
    outer = np.outer(factor, factor) if covariances.ndim == 3 else factor[:width] ** 2
    np.testing.assert_allclose(mapped, covariances * outer, rtol=1e-9)


@given(seeds)
def test_univariate_rescaling(univariate_prior: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    factor = np.exp(rng.normal(size=3))
    values = rng.gamma(2.0, size=(2, 3))
    if isinstance(univariate_prior, Gamma):
        values = values + univariate_prior.minimum  # below it there is no density to compare
    difference = univariate_prior.log_density(values) - univariate_prior.rescaled(
        factor
    ).log_density(values * factor)
    np.testing.assert_allclose(difference, np.log(factor) + np.zeros((2, 3)), rtol=0, atol=1e-10)
    same = univariate_prior.rescaled(np.full(3, 2.0))
    for name, value in univariate_prior.hyperparameters().items():
        assert np.ndim(getattr(same, name)) == np.ndim(value)


# ---------------------------------------------------------------------------------------- draws


def within_five_sigma(values: np.ndarray, expected: np.ndarray | float) -> bool:
    """Whether averages over the first axis are what they should be (false alarm: 6e-7 each)."""
    error = values.std(axis=0) / np.sqrt(len(values))
    return bool((np.abs(values.mean(axis=0) - expected) <= 5.0 * error + 1e-12).all())


def test_improper_priors_refuse_to_draw(component_case: Any, rng: np.random.Generator) -> None:
    case = component_case
    if is_improper(case.prior):
        with pytest.raises(InvalidArgumentError, match="improper"):
            case.prior.draw(rng, case.structure, case.n_components, case.n_features)


def test_weight_draws(weight_prior: WeightPrior, rng: np.random.Generator) -> None:
    if is_improper(weight_prior):
        with pytest.raises(InvalidArgumentError, match="improper"):
            weight_prior.draw(rng, 3)
        return
    draws = np.array([weight_prior.draw(rng, 3) for _ in range(1000)])
    np.testing.assert_allclose(draws.sum(axis=1), 1.0, rtol=1e-12)
    # Normalisation along a path of densities: E[p(m(w)) |dm| / p(w)] = 1 has the derivative
    # E[d log p + d log |J|] = 0; for the softmax coordinates w_k e^(t v_k) / sum. Weights that are
    # zero stay so: the law then holds face by face.
    assert ((draws > 1e-290).all(axis=1) | weight_prior.has_random_number).all()
    for direction in np.eye(3)[:2]:  # along all three at once nothing moves
        slope = np.empty(len(draws))
        for i, weights in enumerate(draws):
            # d w_k = w_k (v_k - w.v); in softmax coordinates the density gains prod w_k.
            def along(t: float, weights: np.ndarray = weights, v: np.ndarray = direction) -> float:
                moved = weights * np.exp(t * v)
                moved /= moved.sum()
                return weight_prior.log_density(moved) + np.log(moved[moved > 0.0]).sum()

            slope[i] = (along(1e-4) - along(-1e-4)) / 2e-4
        assert within_five_sigma(slope, 0.0)
    if isinstance(weight_prior, Dirichlet):
        a = weight_prior.concentration * np.ones(3)
        assert within_five_sigma(draws, a / a.sum())
        assert within_five_sigma(np.log(draws), digamma(a) - digamma(a.sum()))


class above:  # noqa: N801 - beside scipy's names
    """A distribution of scipy's, cut off below."""

    def __init__(self, distribution: Any, least: Any) -> None:
        self.distribution, self.least = distribution, least

    def cdf(self, x: np.ndarray) -> np.ndarray:
        return 1.0 - self.distribution.sf(x) / self.distribution.sf(self.least)


def test_univariate_draws(univariate_prior: Any, rng: np.random.Generator) -> None:
    draws = univariate_prior.draw(rng, (4000, 3))
    distribution = {
        "Normal": lambda p: stats.norm(p.location, p.scale),
        "Gamma": lambda p: above(stats.gamma(p.shape, scale=1.0 / p.rate), p.minimum),
        "HalfNormal": lambda p: stats.halfnorm(scale=p.scale),
        "InverseGamma": lambda p: stats.invgamma(p.shape, scale=p.scale),
        "LogNormal": lambda p: stats.lognorm(p.scale, scale=np.exp(p.location)),
    }[type(univariate_prior).__name__](univariate_prior)
    uniform = np.broadcast_to(distribution.cdf(draws), draws.shape)
    for d in range(3):
        assert stats.kstest(uniform[:, d], "uniform").pvalue > 1e-6  # about 5 sigma


def repeated_draws(case: Any, rng: np.random.Generator, n_draws: int) -> tuple[np.ndarray, ...]:
    sizes = (case.structure, case.n_components, case.n_features)
    pairs = [case.prior.draw(rng, *sizes) for _ in range(n_draws)]
    return np.array([p[0] for p in pairs]), np.array([p[1] for p in pairs])


def test_draws_agree_with_the_log_density(component_case: Any, rng: np.random.Generator) -> None:
    # For any density, E[d/dt log p(T_t theta) + log |J_t|] = 0 at t = 0: shifts of the means and
    # scalings of the spread. Holds for members whose moments nobody has worked out.
    case = component_case
    if is_improper(case.prior):
        return
    means, covariances = repeated_draws(case, rng, 300)
    assert means.shape[1:] == (case.n_components, case.n_features)
    assert covariances.shape[1:] == case.structure
    D = case.n_features
    log_density, step = case.prior.log_density, 1e-5
    scaling, shifting, tilting = (np.empty(len(means)) for _ in range(3))
    per_unit = log_jacobian(case.prior, case, np.full(D, np.e)) - case.n_components * D
    for i, (mean, covariance) in enumerate(zip(means, covariances, strict=True)):
        up = log_density(mean, covariance * np.exp(2 * step))
        down = log_density(mean, covariance * np.exp(-2 * step))
        scaling[i] = (up - down) / (2 * step) + per_unit
        # Shifts in units of the draw's own width, whose Jacobian is one given the covariance.
        width = np.sqrt(case.family.variances(covariance, case.n_components, D))
        up, down = (
            log_density(mean + step * width, covariance),
            log_density(mean - step * width, covariance),
        )
        shifting[i] = (up - down) / (2 * step)
        # A draw's mean stretched away from a point: the Jacobian is e^t for every coordinate.
        stretch = step * (mean - mean.mean() - 1.0)
        up, down = log_density(mean + stretch, covariance), log_density(mean - stretch, covariance)
        centred = 1.0 - 1.0 / mean.size  # trace of the projection that mean.mean() takes out
        tilting[i] = (up - down) / (2 * step) + mean.size * centred
    assert within_five_sigma(scaling, 0.0)
    assert within_five_sigma(shifting, 0.0)
    assert within_five_sigma(tilting, 0.0)


def test_conjugate_draws_have_the_known_moments(
    component_case: Any, rng: np.random.Generator
) -> None:
    case, prior = component_case, component_case.prior
    if not isinstance(prior, (NormalInverseGamma, NormalInverseWishart)) or prior.learns_scale:
        return
    K, D = case.n_components, case.n_features
    means, covariances = repeated_draws(case, rng, 500)
    if isinstance(prior, NormalInverseWishart):
        freedom = D + 2 if prior.degrees_of_freedom is None else prior.degrees_of_freedom
        scale = prior.scale if np.ndim(prior.scale) == 2 else np.eye(D) * prior.scale
        # Of a Wishart matrix: E[precision] = freedom scale^-1, and E log det by digammas.
        assert within_five_sigma(np.linalg.inv(covariances), freedom * np.linalg.inv(scale))
        log_det = (
            np.linalg.slogdet(scale)[1]
            - D * np.log(2.0)
            - digamma(0.5 * (freedom - np.arange(D))).sum()
        )
        assert within_five_sigma(np.linalg.slogdet(covariances)[1], log_det)
    else:
        assert within_five_sigma(1.0 / covariances, prior.shape / np.asarray(prior.scale))
        expected = np.log(prior.scale) - digamma(prior.shape)
        assert within_five_sigma(np.log(covariances), expected)
    for k in range(K):
        matrices = np.array([case.family.expand(c, K, D)[k] for c in covariances])
        lower = np.linalg.cholesky(matrices)
        centred = (means[:, k] - prior.mean) * np.sqrt(prior.shrinkage)
        white = np.linalg.solve(lower, centred[:, :, None])[:, :, 0]
        assert min(stats.kstest(white[:, d], "norm").pvalue for d in range(D)) > 1e-6


# ------------------------------------------------------------------------------------- misfits


def test_priors_refuse_structures_that_they_are_not_for(
    component_case: Any, rng: np.random.Generator
) -> None:
    case = component_case
    K, D = case.n_components, case.n_features
    for structure in ((K, D), (K, D, D)):
        if len(structure) in case.prior.structure_dimensions:
            continue
        with pytest.raises(InvalidArgumentError, match="is for"):
            case.prior.check(structure, K, D)


@pytest.mark.parametrize(
    "prior",
    [
        Independent(Normal([0.0, 1.0]), variance=None, scale=PRIORS["InverseGamma"]()),
        NormalInverseGamma([0.0, 1.0]),
    ],
)
def test_priors_refuse_the_wrong_number_of_features(prior: ComponentPrior) -> None:
    with pytest.raises(InvalidArgumentError, match="3 features"):
        prior.check(Diagonal().structure(2, 3), 2, 3)


@pytest.mark.parametrize(
    "prior",
    [
        NormalInverseWishart(scale=np.array([[1.0, 2.0], [2.0, 1.0]])),  # indefinite
        NormalInverseWishart(scale=np.array([[1.0, 0.5], [0.2, 1.0]])),  # not symmetric
        NormalInverseWishart(scale=np.eye(3)),
        NormalInverseWishart(degrees_of_freedom=1.0),  # must be above D - 1 = 1
        NormalInverseWishart(shrinkage=np.ones(2)),
        NormalInverseWishart(np.zeros((2, 2))),
        NormalInverseWishart(scale=np.ones((2, 2, 2))),
    ],
    ids=["indefinite", "asymmetric", "size", "freedom", "shrinkage", "mean", "stack"],
)
def test_wishart_refuses_what_is_no_scale(prior: NormalInverseWishart) -> None:
    with pytest.raises(InvalidArgumentError, match="NormalInverseWishart"):
        prior.check((2, 2, 2), 2, 2)


def test_dirichlet_refuses_the_wrong_number_of_components() -> None:
    with pytest.raises(InvalidArgumentError, match="4 components"):
        Dirichlet([1.0, 2.0]).check(4)
    FlatWeights().check(4)
