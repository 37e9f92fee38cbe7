"""Laws of the Pyro program: its density is the model's, for every prior with every family."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from laws.independent import log_joint, log_prior
from laws.running import random_parameters
from mixtura.data import ArrayRows
from mixtura.engines import ReferenceEngine
from mixtura.errors import InvalidArgumentError
from mixtura.families import FAMILIES
from mixtura.messages.assignments import Soft
from mixtura.messages.parameters import MixtureParameters
from mixtura.model import MixtureModel
from mixtura.ppl import to_pyro
from mixtura.priors import (
    Dirichlet,
    DirichletProcess,
    Gamma,
    KnownScale,
    MixtureOfFiniteMixtures,
    NormalInverseWishart,
)

torch = pytest.importorskip("torch")
pyro = pytest.importorskip("pyro")

import pyro.distributions as dist  # noqa: E402
from pyro import poutine  # noqa: E402
from pyro.infer import Trace_ELBO, TraceEnum_ELBO  # noqa: E402

from mixtura.ppl.component_programs import COMPONENT_PROGRAMS  # noqa: E402
from mixtura.ppl.inverse_wishart import InverseWishart  # noqa: E402
from mixtura.ppl.program import build_weighted_program  # noqa: E402
from mixtura.ppl.sites import from_sites, to_sites  # noqa: E402
from mixtura.ppl.weights import WEIGHT_PROGRAMS, weight_distribution  # noqa: E402

SAME = 1e-12
"""Relative: the program sums in another order than the engine."""


def delta_guide(program: Callable[..., Any], values: dict[str, Any]) -> Callable[..., None]:
    """Return a guide that puts every continuous site at a given value."""
    shape_of = poutine.trace(program).get_trace(None, 2).nodes

    def guide(*arguments: Any) -> None:
        plate = pyro.plate("components", shape_of["mu"]["fn"].batch_shape[0], dim=-1)
        for name, value in values.items():
            site = shape_of[name]
            with plate if site["cond_indep_stack"] else nullcontext():
                pyro.sample(name, dist.Delta(value, event_dim=site["fn"].event_dim))

    return guide


@pytest.fixture
def model(component_case: Any) -> MixtureModel:
    """Return a model with every example of a proper component prior."""
    if not component_case.is_proper:
        pytest.skip("an improper prior has no program")
    sizes = component_case.n_components, component_case.n_features
    concentration = np.arange(1.0, sizes[0] + 1.0) if sizes[0] > 2 else 0.7
    prior = component_case.prior
    return MixtureModel(*sizes, Dirichlet(concentration), prior, component_case.family)


@pytest.fixture
def parameters(model: MixtureModel, rng: np.random.Generator) -> MixtureParameters:
    return lawful_parameters(model, rng)


def lawful_parameters(model: MixtureModel, rng: np.random.Generator) -> MixtureParameters:
    """Return random parameters; covariances that are known are the known ones."""
    at = random_parameters(rng, model.family, model.n_components, model.n_features)
    prior = model.component_prior
    if not isinstance(prior, KnownScale):
        return at
    known = np.broadcast_to(np.square(prior.scale), model.structure)
    return replace(at, covariances=known)


def test_joint_density_is_that_of_the_model(
    model: MixtureModel, parameters: MixtureParameters, rng: np.random.Generator
) -> None:
    assert_same_joint_density(model, parameters, rng)


def assert_same_joint_density(
    model: MixtureModel, parameters: MixtureParameters, rng: np.random.Generator
) -> None:
    rows = 3.0 * rng.standard_normal((25, model.n_features))
    program = to_pyro(model)
    guide = delta_guide(program, to_sites(model, parameters))
    found = -TraceEnum_ELBO(max_plate_nesting=1).loss(program, guide, rows)
    engine = ReferenceEngine()
    statistics = engine.sweep(ArrayRows(rows), model.potentials(parameters), Soft())
    expected = statistics.log_normalizer + model.log_prior(parameters)
    assert found == pytest.approx(expected, rel=SAME)
    again = log_joint(model.weight_prior, model.component_prior, rows, parameters)
    assert found == pytest.approx(again, rel=1e-9)


def test_joint_density_under_every_weight_prior(
    weighted_model: MixtureModel, rng: np.random.Generator
) -> None:
    at = lawful_parameters(weighted_model, rng)
    assert_same_joint_density(weighted_model, at, rng)


@pytest.mark.parametrize("weights", [[0.2, 0.3, 0.5], [1e-9, 1.0, 1e-200], [1.0, 1e-200, 1e-9]])
def test_every_weight_prior_is_that_of_the_model(
    weighted_model: MixtureModel, weights: list[float]
) -> None:
    found = weight_distribution(weighted_model).log_prob(torch.tensor(weights, dtype=torch.float64))
    expected = weighted_model.weight_prior.log_density(np.array(weights))
    assert float(found) == pytest.approx(expected, rel=SAME, abs=SAME)


def test_weighted_density_is_that_of_the_model(
    model: MixtureModel, parameters: MixtureParameters, rng: np.random.Generator
) -> None:
    rows = 3.0 * rng.standard_normal((25, model.n_features))
    weights = rng.gamma(2.0, size=25)
    guide = delta_guide(to_pyro(model), to_sites(model, parameters))
    data = torch.tensor(rows[:, 0] if model.n_features == 1 else rows)
    program = build_weighted_program(model)
    loss = Trace_ELBO(max_plate_nesting=1).loss(program, guide, data, torch.tensor(weights))
    statistics = ReferenceEngine().sweep(
        ArrayRows(rows, weights), model.potentials(parameters), Soft()
    )
    expected = statistics.log_normalizer + model.log_prior(parameters)
    assert -loss == pytest.approx(expected, rel=SAME)


def test_each_prior_is_that_of_scipy(model: MixtureModel, parameters: MixtureParameters) -> None:
    values = to_sites(model, parameters)
    conditioned = poutine.condition(to_pyro(model), data=values)
    trace = poutine.trace(conditioned).get_trace(None, 3)
    trace.compute_log_prob()
    found = {name: float(trace.nodes[name]["log_prob_sum"]) for name in values}
    of_weights = log_prior(model.weight_prior, parameters.weights)
    assert found.pop("p") == pytest.approx(of_weights, rel=1e-10, abs=1e-10)
    of_components = log_prior(model.component_prior, parameters.means, parameters.covariances)
    assert sum(found.values()) == pytest.approx(of_components, rel=1e-10, abs=1e-10)


def test_draws_of_sticks_have_their_moments(weighted_model: MixtureModel) -> None:
    """Moments of the process given its concentration, averaged over that by direct sums."""
    prior: Any = weighted_model.weight_prior
    if isinstance(prior, Dirichlet):
        pytest.skip("a distribution of Pyro's")
    concentration, discount = prior.concentration, getattr(prior, "discount", 0.0)
    values, shares = np.array([concentration]), np.ones(1)
    if isinstance(concentration, Gamma):
        values = np.linspace(1e-4, 60.0, 60_001)
        shares = stats.gamma.pdf(values, concentration.shape, scale=1.0 / concentration.rate)
        shares /= shares.sum()
    sticks = [stats.beta(1.0 - discount, values + k * discount) for k in (1, 2)]
    first, left = shares @ sticks[0].mean(), 1.0 - sticks[0].mean()
    expected = [first, shares @ (left * sticks[1].mean())]
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(2)
        distribution = weight_distribution(weighted_model)
        draws = distribution.expand((2,)).sample((20_000,))
        assert distribution().shape == (3,)
    assert draws.shape == (20_000, 2, 3)
    torch.testing.assert_close(draws.sum(-1), torch.ones_like(draws[..., 0]))
    drawn = draws.reshape(-1, 3).numpy()
    error = drawn.std(axis=0) / np.sqrt(len(drawn))
    assert (np.abs(drawn[:, :2].mean(axis=0) - expected) < 4.5 * error[:2]).all()
    squares = drawn[:, 0] ** 2
    expected_square = shares @ (sticks[0].var() + sticks[0].mean() ** 2)
    assert abs(squares.mean() - expected_square) < 4.5 * squares.std() / np.sqrt(len(squares))


def test_sites_and_parameters_are_the_same_thing(
    model: MixtureModel, parameters: MixtureParameters
) -> None:
    values = to_sites(model, parameters)
    back = from_sites(model, values)
    np.testing.assert_allclose(back.weights, parameters.weights, rtol=1e-15)
    np.testing.assert_array_equal(back.means, parameters.means)
    np.testing.assert_allclose(back.covariances, parameters.covariances, rtol=1e-15)
    nodes = poutine.trace(to_pyro(model)).get_trace(None, 3).nodes
    assert {name: nodes[name]["value"].shape for name in values} == {
        name: value.shape for name, value in values.items()
    }
    deviations = nodes["sigma"]["value"].numpy()
    drawn = from_sites(model, {name: nodes[name]["value"] for name in values})
    variances = model.family.variances(drawn.covariances, *drawn.means.shape)
    wide = np.sqrt(variances).reshape(nodes["mu"]["value"].shape)
    if deviations.shape == (model.n_components,) and wide.ndim == 2:
        deviations = deviations[:, None]
    np.testing.assert_allclose(np.broadcast_to(deviations, wide.shape), wide, rtol=1e-12)


# ------------------------------------------------------------------ the inverse Wishart


@pytest.mark.parametrize("size", [1, 2, 5])
@pytest.mark.parametrize("excess", [-0.5, 0.5, 7.3])
def test_inverse_wishart_is_that_of_scipy(
    size: int, excess: float, rng: np.random.Generator
) -> None:
    root, other = rng.standard_normal((2, size, size)) + 2.0 * np.eye(size)
    scale, value = root @ root.T, other @ other.T
    freedom = size + excess
    factor = torch.linalg.cholesky(torch.tensor(scale))
    found = InverseWishart(freedom, factor).log_prob(torch.tensor(value))
    expected = stats.invwishart.logpdf(value, freedom, scale)
    assert float(found) == pytest.approx(expected, rel=1e-12)


def test_inverse_wishart_keeps_its_digits_at_any_scale_of_the_columns() -> None:
    prior = NormalInverseWishart(0.0, 1.0, 6.0, [[2.0, 0.6], [0.6, 1.0]])
    value = np.array([[1.5, -0.4], [-0.4, 0.7]])
    units = np.array([1e-60, 1e60])

    def density(factor: np.ndarray) -> float:
        lower = torch.tensor(np.linalg.cholesky(prior.scale) * factor[:, None])
        distribution = InverseWishart(6.0, lower)
        return float(distribution.log_prob(torch.tensor(value * factor * factor[:, None])))

    shift = -3.0 * np.log(units).sum()
    assert density(units) - density(np.ones(2)) == pytest.approx(shift, abs=1e-9)


def test_inverse_wishart_draws_have_its_moments() -> None:
    factor = torch.tensor([[1.0, 0.0], [0.5, 2.0]], dtype=torch.float64)
    distribution = InverseWishart(9.0, factor)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(1)
        draws = distribution.sample((40_000,))
        batch = distribution.expand((3,)).sample((2,))
    assert batch.shape == (2, 3, 2, 2)
    torch.testing.assert_close(draws.mean(0), distribution.mean, rtol=0.02, atol=0.01)
    # The inverse is Wishart distributed: its mean is the degrees of freedom times S^-1.
    expected = 9.0 * torch.linalg.inv(factor @ factor.T)
    torch.testing.assert_close(torch.linalg.inv(draws).mean(0), expected, rtol=0.02, atol=0.01)
    assert bool(distribution.support.check(draws).all())


def test_inverse_wishart_is_a_proper_pyro_distribution() -> None:
    factor = torch.eye(2, dtype=torch.float64)
    distribution = InverseWishart(3.5, factor)
    wide = distribution.expand((4,))
    assert (wide.batch_shape, wide.event_shape) == ((4,), (2, 2))
    assert wide.log_prob(wide()).shape == (4,)
    assert bool(torch.isfinite(wide.mean).all())
    none = InverseWishart(2.5, factor)
    assert bool(torch.isnan(none.mean).all()), "no mean at D + 1 degrees of freedom or fewer"
    with pytest.raises(ValueError, match="found invalid values"):
        InverseWishart(0.5, factor, validate_args=True)
    with pytest.raises(ValueError, match="within the support"):
        wide.log_prob(-wide())


def test_priors_without_a_program_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    model = MixtureModel(2, 1, DirichletProcess(1.0), KnownScale(0.5), FAMILIES["diag"])
    with monkeypatch.context() as without:
        without.delitem(COMPONENT_PROGRAMS, KnownScale)
        with pytest.raises(InvalidArgumentError, match="a KnownScale prior has no Pyro program"):
            to_pyro(model)
    monkeypatch.delitem(WEIGHT_PROGRAMS, DirichletProcess)
    with pytest.raises(InvalidArgumentError, match="a DirichletProcess prior has no Pyro program"):
        to_pyro(model)


def test_weights_that_may_be_zero_are_left_to_gibbs() -> None:
    model = MixtureModel(2, 1, MixtureOfFiniteMixtures(), KnownScale(0.5), FAMILIES["diag"])
    with pytest.raises(InvalidArgumentError, match="has no Pyro program: use inference='gibbs'"):
        to_pyro(model)
