"""Laws of NUTS: its trajectories run on the model's own density, and touch nothing else."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from laws.independent import log_joint
from laws.running import FREE, blobs, elicited, run
from mixtura.data import ArrayRows
from mixtura.datasets import load_iris
from mixtura.diagnostics.convergence_diagnostics import ess_mean
from mixtura.errors import ConvergenceWarning, InvalidArgumentError
from mixtura.families import FAMILIES
from mixtura.inference import ML
from mixtura.messages.parameters import MixtureParameters
from mixtura.model import MixtureModel
from mixtura.posteriors import DrawsPosterior
from mixtura.ppl import NUTS
from mixtura.priors import (
    Dirichlet,
    Independent,
    InverseGamma,
    Normal,
)

torch = pytest.importorskip("torch")
pyro = pytest.importorskip("pyro")

from pyro.infer.mcmc.util import initialize_model  # noqa: E402
from torch.autograd.functional import jacobian  # noqa: E402
from torch.distributions import biject_to  # noqa: E402

from mixtura.ppl import nuts_chains  # noqa: E402
from mixtura.ppl.isolation import isolated  # noqa: E402
from mixtura.ppl.matrices import MatrixOfVector, covariance_matrices  # noqa: E402
from mixtura.ppl.sites import from_sites  # noqa: E402

# ------------------------------------------------------------------- matrices as free numbers


def lower(matrix: torch.Tensor) -> torch.Tensor:
    """Return the entries of symmetric matrices that are free."""
    row, column = torch.tril_indices(*matrix.shape[-2:])
    return matrix[..., row, column]


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_volume_of_matrices_is_that_of_automatic_differentiation(
    size: int, rng: np.random.Generator
) -> None:
    transform = biject_to(covariance_matrices)
    assert isinstance(transform, MatrixOfVector)
    length = size * (size + 1) // 2
    vectors = torch.tensor(rng.standard_normal((3, length)))
    matrices = transform(vectors)
    found = transform.log_abs_det_jacobian(vectors, matrices)
    for vector, one in zip(vectors, found, strict=True):
        slopes = jacobian(lambda x: lower(transform(x)), vector)
        expected = torch.linalg.slogdet(slopes).logabsdet
        assert float(one) == pytest.approx(float(expected), abs=1e-10)


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_matrices_and_vectors_are_the_same_thing(size: int, rng: np.random.Generator) -> None:
    transform = MatrixOfVector()
    length = size * (size + 1) // 2
    vectors = torch.tensor(rng.standard_normal((2, 3, length)))
    matrices = transform(vectors)
    assert tuple(matrices.shape) == transform.forward_shape((2, 3, length)) == (2, 3, size, size)
    assert tuple(transform.inverse_shape(matrices.shape)) == (2, 3, length)
    assert bool(torch.distributions.constraints.positive_definite.check(matrices).all())
    torch.testing.assert_close(transform.inv(matrices), vectors, rtol=1e-9, atol=1e-9)
    root = rng.standard_normal((4, size, size)) + 2.0 * np.eye(size)
    given = torch.tensor(root @ root.transpose(0, 2, 1))
    torch.testing.assert_close(transform(transform.inv(given)), given, rtol=1e-12, atol=1e-12)


# --------------------------------------------------------------------------------- the target


@pytest.fixture
def model(component_case: Any) -> MixtureModel:
    """Return a model with every example of a component prior that has a program."""
    case = component_case
    if not case.is_proper:
        pytest.skip("an improper prior has no program")
    concentration = np.arange(1.0, case.n_components + 1.0) if case.n_components > 2 else 0.7
    weight_prior = Dirichlet(concentration)
    return MixtureModel(case.n_components, case.n_features, weight_prior, case.prior, case.family)


def free(name: str, value: torch.Tensor) -> torch.Tensor:
    """Return the numbers of a site with respect to which its density is."""
    if name == "p":
        return value[:-1]
    return (lower(value) if name == "Sigma" else value).reshape(-1)


def log_volume(name: str, decode: Callable[..., Any], at: torch.Tensor) -> float:
    """Return the log change of volume from a site's coordinates, by differentiation."""
    slopes = jacobian(lambda x: free(name, decode(x.reshape(at.shape))), at.reshape(-1))
    return float(torch.linalg.slogdet(slopes).logabsdet)


def gaps(
    model: MixtureModel,
    rows: np.ndarray,
    weights: np.ndarray | None,
    rng: np.random.Generator,
    **options: Any,
) -> np.ndarray:
    """Return the potential plus log likelihood, log prior and log volume at random points.

    In units of the largest sum's rounding: below one where all are the same, constants included.
    """
    program, arguments = nuts_chains.target_program(model, ArrayRows(rows, weights))
    found, joints = [], []
    with isolated(3, 1):
        first, potential, transforms, _ = initialize_model(
            program, arguments, max_plate_nesting=1, **options
        )
        for spread in (0.3, 1.0):
            at = {
                name: torch.tensor(spread * rng.standard_normal(value.shape))
                for name, value in first.items()
            }
            values = {name: transforms[name].inv(at[name]) for name in at}
            volume = sum(log_volume(name, transforms[name].inv, at[name]) for name in at)
            parameters = from_sites(model, values)
            joint = log_joint(model.weight_prior, model.component_prior, rows, parameters, weights)
            found.append(float(potential(at)) + joint + volume)
            joints.append(joint)
    return np.array(found) / (1e-9 * np.abs(joints).max())


def test_the_target_is_the_posterior(model: MixtureModel, rng: np.random.Generator) -> None:
    rows = 3.0 * rng.standard_normal((12, model.n_features))
    assert (np.abs(gaps(model, rows, None, rng)) < 1.0).all()


def test_the_weighted_target_is_the_posterior(
    model: MixtureModel, rng: np.random.Generator
) -> None:
    rows = 3.0 * rng.standard_normal((12, model.n_features))
    assert (np.abs(gaps(model, rows, rng.gamma(2.0, size=12), rng)) < 1.0).all()
    weights = np.arange(12.0) % 3  # rows of weight zero are left out
    assert (np.abs(gaps(model, rows, weights, rng)) < 1.0).all()


@pytest.mark.parametrize("weighted", [False, True])
def test_the_target_under_every_weight_prior(
    weighted_model: MixtureModel, weighted: bool, rng: np.random.Generator
) -> None:
    rows = 3.0 * rng.standard_normal((12, 2))
    weights = rng.gamma(2.0, size=12) if weighted else None
    assert (np.abs(gaps(weighted_model, rows, weights, rng)) < 1.0).all()


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch")
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", FREE)
def test_the_traced_target_is_the_posterior(
    name: str, weighted: bool, rng: np.random.Generator
) -> None:
    rows = blobs(rng, 12, 2, 2)
    model = elicited(FAMILIES[name], rows, 2)
    weights = rng.gamma(2.0, size=12) if weighted else None
    found = gaps(model, rows, weights, rng, jit_compile=True, skip_jit_warnings=True)
    # torch rounds D log(2 pi) to float32 as it traces: one constant, which no step notices.
    assert (np.abs(found) < 100.0).all()
    assert np.ptp(found) < 1.0


# ------------------------------------------------------------------------------------ the draws


def article_model() -> MixtureModel:
    prior = Independent(mean=Normal(0.0, 10.0), scale=InverseGamma(1.0, 1.0))
    return MixtureModel(2, 1, Dirichlet(1.0), prior, FAMILIES["diag"])


def draws_of(fit: Any) -> DrawsPosterior:
    assert isinstance(fit.posterior, DrawsPosterior)
    return fit.posterior


def test_article_posterior_of_petal_lengths() -> None:
    """A short chain against the averages of 80,000 Gibbs draws by a separate program."""
    rows = load_iris().column("petal_length").reshape(-1, 1)
    posterior = draws_of(run(article_model(), rows, NUTS(chains=1, draws=60, warmup=30)))
    drawn = (
        (posterior.weights[0], (0.3349, 0.6651), (0.0384, 0.0384)),
        (posterior.means[0, ..., 0], (1.4615, 4.9037), (0.0263, 0.0840)),
        (np.sqrt(posterior.covariances[0, ..., 0]), (0.1847, 0.8353), (0.0196, 0.0613)),
    )
    for values, means, deviations in drawn:
        for k in range(2):
            error = deviations[k] / np.sqrt(max(float(ess_mean(values[None, :, k])), 5.0))
            assert abs(values[:, k].mean() - means[k]) < 5.0 * error
            assert 0.5 < values[:, k].std() / deviations[k] < 1.7
    for s in (0, 59):
        joint = log_joint(Dirichlet(1.0), article_model().component_prior, rows, posterior.draw(s))
        assert posterior.log_joint[0, s] == pytest.approx(joint, rel=1e-9)


FEW = NUTS(chains=1, draws=3, warmup=3, max_tree_depth=4)


def test_one_seed_one_chain_whatever_the_session() -> None:
    rows = blobs(np.random.default_rng(51), 30, 1, 2)
    model = elicited(FAMILIES["full"], rows, 2)
    first = draws_of(run(model, rows, FEW))
    with pyro.get_param_store().scope(), torch.random.fork_rng(devices=[]):
        held = pyro.param("p", torch.tensor([1.0, 2.0]))
        torch.rand(3)
        before = torch.get_rng_state(), pyro.settings.get(), torch.get_num_threads()
        with pyro.poutine.trace() as seen, pyro.poutine.scale(scale=7.0), torch.no_grad():
            again = draws_of(run(model, rows, FEW))
        after = torch.get_rng_state(), pyro.settings.get(), torch.get_num_threads()
        assert torch.equal(before[0], after[0])
        assert before[1:] == after[1:]
        assert list(pyro.get_param_store()) == ["p"]
        assert pyro.param("p") is held
    assert not seen.trace.nodes.keys() - {"_INPUT", "_RETURN"}
    for name in ("weights", "means", "covariances", "log_joint"):
        np.testing.assert_array_equal(getattr(again, name), getattr(first, name))
    other = draws_of(run(model, rows, FEW, seed=1))
    assert (other.means != first.means).any()


def test_draws_know_no_units() -> None:
    rows = blobs(np.random.default_rng(52), 30, 2, 2)
    found = {}
    for exponent in (500, -480):
        there = np.ldexp(rows, exponent)
        model = elicited(FAMILIES["full"], there, 2)
        found[exponent] = draws_of(run(model, there, FEW))
        at = found[exponent].draw(1)
        joint = model.log_prior(at) + found[exponent].log_likelihood[0, 1]
        assert found[exponent].log_joint[0, 1] == pytest.approx(joint, rel=1e-9)
    large, small = found.values()
    np.testing.assert_allclose(np.ldexp(small.means, 980), large.means, rtol=1e-9)
    back = np.ldexp(np.ldexp(small.covariances, 980), 980)
    np.testing.assert_allclose(back, large.covariances, rtol=1e-9)
    shift = rows.size * 980 * np.log(2.0)
    np.testing.assert_allclose(large.log_likelihood + shift, small.log_likelihood, rtol=1e-9)
    assert np.isfinite(large.log_joint).all()


# --------------------------------------------------------------------- chains without trajectories


@dataclasses.dataclass
class Recorded:
    """What chains were asked for."""

    starts: list[MixtureParameters] = dataclasses.field(default_factory=list)
    seeds: list[int] = dataclasses.field(default_factory=list)
    plans: list[Any] = dataclasses.field(default_factory=list)


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Recorded:
    """Replace trajectories by draws that stay at the start, two of which diverge."""
    seen = Recorded()

    def stand_still(
        model: Any, rows: Any, start: Any, seed: int, plan: Any, tell: Callable[[int], None]
    ) -> tuple[tuple[np.ndarray, np.ndarray, np.ndarray], int]:
        seen.starts.append(start)
        seen.seeds.append(seed)
        seen.plans.append(plan)
        parts = (start.weights, start.means, start.covariances)
        weights, means, covariances = (np.repeat(part[None], plan.draws, axis=0) for part in parts)
        return (weights, means, covariances), 2

    monkeypatch.setattr(nuts_chains, "draw_chain", stand_still)
    return seen


def test_chains_have_seeds_and_starts_of_their_own(recorded: Recorded) -> None:
    rows = blobs(np.random.default_rng(53), 60, 2, 3)
    model = elicited(FAMILIES["diag"], rows, 3)
    fit = run(model, rows, NUTS(chains=3, draws=5, target_accept=0.9), "random", n_starts=3)
    assert len(set(recorded.seeds)) == 3
    assert len({start.means.tobytes() for start in recorded.starts}) == 3
    plan = recorded.plans[0]
    assert (plan.draws, plan.warmup, plan.target_accept, plan.max_tree_depth) == (5, 500, 0.9, 10)
    posterior = draws_of(fit)
    assert posterior.log_joint.shape == (3, 5)
    at = posterior.draw(7)
    joint = log_joint(model.weight_prior, model.component_prior, rows, at)
    assert posterior.log_joint[1, 2] == pytest.approx(joint, rel=1e-9)
    assert (fit.method, fit.objective_name) == ("nuts", "mean log joint density")


def test_divergences_are_a_doubt(recorded: Recorded) -> None:
    rows = blobs(np.random.default_rng(54), 30, 1, 2)
    fit = run(elicited(FAMILIES["diag"], rows, 2), rows, NUTS(chains=2, draws=5))
    doubts = [doubt for doubt in fit.doubts if "diverged" in doubt.message]
    assert [doubt.category for doubt in doubts] == [ConvergenceWarning]
    assert doubts[0].message.startswith("4 of 10 trajectories diverged")


# --------------------------------------------------------------------------------- what is refused


def test_what_cannot_be_sampled_is_refused() -> None:
    rows = blobs(np.random.default_rng(55), 30, 1, 2)
    model = elicited(FAMILIES["full"], rows, 2)
    for limits in ({"max_iter": 3}, {"tol": 1e-3}):
        with pytest.raises(InvalidArgumentError, match="neither max_iter nor tol"):
            run(model, rows, FEW, **limits)
    with pytest.raises(InvalidArgumentError, match="improper"):
        run(elicited(FAMILIES["full"], rows, 2, ML()), rows, FEW)


@pytest.mark.parametrize("bad", [0, -1, 2.5, "many", True, None])
@pytest.mark.parametrize("name", ["chains", "draws", "warmup", "max_tree_depth"])
def test_unlawful_options_are_refused(name: str, bad: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=f"NUTS {name} must be a whole number"):
        NUTS(**{name: bad})


@pytest.mark.parametrize("bad", [0.0, 1.0, -0.5, np.nan])
def test_acceptance_is_a_probability(bad: float) -> None:
    with pytest.raises(InvalidArgumentError, match="must be a number above 0 and below 1"):
        NUTS(target_accept=bad)
