"""Laws of chains in pieces: where a chain is cut, stopped or read back shows in no bit of it."""

import numpy as np
import pytest

from laws.running import blobs, elicited
from mixtura.data import ArrayRows
from mixtura.engines import ENGINES, Engine, ReferenceEngine
from mixtura.families import FAMILIES, CovarianceFamily
from mixtura.inference.chains import Chain, ChainState, Plan, Sampler
from mixtura.initialization.given import GivenResponsibilities
from mixtura.model import MixtureModel
from mixtura.priors import Dirichlet, Independent, InverseGamma, LogNormal, Normal

COMPILED = ENGINES["compiled"](n_threads=1)
PLAN = Plan(draws=7, warmup=5, thin=3)

INDEPENDENT = {
    "compiled": Independent(Normal(0.0, 5.0), InverseGamma(1.0, 1.0)),
    "by sweeps": Independent(Normal(0.0, 5.0), LogNormal(0.0, 1.0)),
}


def begun(model: MixtureModel, rows: np.ndarray, engine: Engine) -> tuple[Sampler, ChainState]:
    data = ArrayRows(rows)
    shares = np.random.default_rng(4).dirichlet(np.ones(model.n_components), len(rows))
    start = GivenResponsibilities(shares)
    seed = np.random.SeedSequence(3)
    sampler = Sampler(model, data, engine, PLAN)
    return sampler, sampler.begin(start.statistics(model, data, engine, 0, seed), seed)


def in_pieces(sampler: Sampler, state: ChainState, *sizes: int) -> ChainState:
    for size in sizes:
        state = sampler.advance(state, size)
    return state


def assert_same_chain(one: Chain, other: Chain) -> None:
    for name in ("weights", "means", "covariances", "log_likelihood", "log_joint"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def assert_cuts_do_not_show(model: MixtureModel, rows: np.ndarray, engine: Engine) -> None:
    sampler, state = begun(model, rows, engine)
    whole = sampler.finished(in_pieces(sampler, state, 26), PLAN)
    assert whole.means.shape == (7, model.n_components, model.n_features)
    assert np.unique(whole.means[:, 0, 0]).size == 7
    for sizes in ([1] * 26, [4, 3, 1, 18], [25, 1]):
        assert_same_chain(sampler.finished(in_pieces(sampler, state, *sizes), PLAN), whole)
    part = PLAN.until(13)
    assert part == Plan(2, 5, 3)
    early = sampler.finished(in_pieces(sampler, state, 6, 7), part)
    np.testing.assert_array_equal(early.means, whole.means[:2])
    np.testing.assert_array_equal(early.log_likelihood, whole.log_likelihood[:11])
    np.testing.assert_allclose(early.log_joint, whole.log_joint[:11], rtol=1e-12)


@pytest.mark.parametrize("engine", [COMPILED, ReferenceEngine()], ids=["compiled", "reference"])
def test_cuts_do_not_show(family: CovarianceFamily, engine: Engine) -> None:
    rows = blobs(np.random.default_rng(51), 50, 2, 2)
    assert_cuts_do_not_show(elicited(family, rows, 2), rows, engine)


@pytest.mark.parametrize("prior", INDEPENDENT.values(), ids=INDEPENDENT)
def test_cuts_do_not_show_under_independent_priors(prior: Independent) -> None:
    rows = blobs(np.random.default_rng(52), 50, 2, 2)
    model = MixtureModel(2, 2, Dirichlet(1.0), prior, FAMILIES["diag"])
    assert_cuts_do_not_show(model, rows, COMPILED)
