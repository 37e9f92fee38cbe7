"""The program in Pyro's own hands, as the documentation shows it."""

import numpy as np
import pytest

from mixtura import GaussianMixtureModel
from mixtura.datasets import load_iris
from mixtura.ppl import to_pyro
from mixtura.priors import Dirichlet, Independent, InverseGamma, Normal

torch = pytest.importorskip("torch")
pyro = pytest.importorskip("pyro")


@pytest.fixture
def x() -> np.ndarray:
    return np.asarray(load_iris().data)[:, 2:3].astype(float)


@pytest.fixture
def gmm(x: np.ndarray) -> GaussianMixtureModel:
    return GaussianMixtureModel(
        2,
        weight_prior=Dirichlet(1.0),
        component_prior=Independent(Normal(0.0, 10.0), InverseGamma(1.0, 1.0)),
    ).fit(x)


@pytest.fixture(params=[torch.float32, torch.float64], ids=str)
def _default_dtype(request: pytest.FixtureRequest):
    before = torch.get_default_dtype()
    torch.set_default_dtype(request.param)
    with pyro.get_param_store().scope(), torch.random.fork_rng(devices=[]):
        yield
    torch.set_default_dtype(before)


@pytest.mark.usefixtures("_default_dtype")
def test_trace_block_replay_and_infer_discrete(gmm: GaussianMixtureModel, x: np.ndarray) -> None:
    """The paragraph for the documentation, line by line."""
    from pyro import poutine
    from pyro.infer import SVI, TraceEnum_ELBO, infer_discrete
    from pyro.infer.autoguide import AutoDelta
    from pyro.infer.autoguide.initialization import init_to_value

    from mixtura.ppl.sites import to_sites

    program = to_pyro(gmm.fit_.model)  # or gmm.to_pyro()

    # A draw of everything from the prior.
    draw = poutine.trace(program).get_trace(n_rows=150)
    assert draw.nodes["mu"]["value"].shape == (2,)
    assert draw.nodes["x"]["value"].shape == (150,)

    # A guide over weights, means and deviations; the assignments are summed out.
    start = to_sites(gmm.fit_.model, gmm.fit_.parameters)
    guide = AutoDelta(poutine.block(program, hide=["z"]), init_loc_fn=init_to_value(values=start))
    adam = pyro.optim.Adam({"lr": 1e-3})
    svi = SVI(program, guide, adam, TraceEnum_ELBO(max_plate_nesting=1))
    losses = [svi.step(x) for _ in range(3)]
    assert losses[0] == pytest.approx(-gmm.objective_, rel=1e-12)
    assert set(guide.median()) == {"p", "mu", "sigma"}

    # The guide's values in the model: the most probable cluster of each row ...
    point = poutine.trace(guide).get_trace(x)
    fitted = poutine.replay(program, trace=point)
    decoded = infer_discrete(fitted, first_available_dim=-2, temperature=0)
    labels = poutine.trace(decoded).get_trace(x).nodes["z"]["value"]
    np.testing.assert_array_equal(labels.numpy(), gmm.predict(x))

    # ... a draw of the clusters, and new rows.
    drawn = poutine.trace(infer_discrete(fitted, first_available_dim=-2)).get_trace(x)
    assert (drawn.nodes["z"]["value"].numpy() == gmm.predict(x)).mean() > 0.9
    new = poutine.trace(fitted).get_trace(n_rows=1000).nodes["x"]["value"]
    assert abs(new.detach().numpy().mean() - x.mean()) < 0.25


@pytest.mark.usefixtures("_default_dtype")
def test_an_estimate_can_be_put_into_the_program(gmm: GaussianMixtureModel, x: np.ndarray) -> None:
    from pyro import poutine
    from pyro.infer import infer_discrete

    from mixtura.ppl.sites import to_sites

    values = to_sites(gmm.fit_.model, gmm.fit_.parameters)
    fitted = poutine.condition(to_pyro(gmm.fit_.model), data=values)
    decoded = infer_discrete(fitted, first_available_dim=-2, temperature=0)
    labels = poutine.trace(decoded).get_trace(x).nodes["z"]["value"]
    np.testing.assert_array_equal(labels.numpy(), gmm.predict(x))


@pytest.mark.usefixtures("_default_dtype")
@pytest.mark.parametrize("family", ["full", "tied", "diag", "spherical", "tied_diag"])
def test_autodelta_steps_through_every_kind_of_site(family: str) -> None:
    """AutoDelta from its own start, in whatever default dtype, for matrices and vectors."""
    from pyro import poutine
    from pyro.infer import SVI, TraceEnum_ELBO
    from pyro.infer.autoguide import AutoDelta

    rows = np.asarray(load_iris().data, dtype=float)
    model = GaussianMixtureModel(3, covariance_type=family).fit(rows).fit_.model
    program = to_pyro(model)
    guide = AutoDelta(poutine.block(program, hide=["z"]))
    adam = pyro.optim.Adam({"lr": 0.01})
    svi = SVI(program, guide, adam, TraceEnum_ELBO(max_plate_nesting=1))
    losses = [svi.step(rows) for _ in range(10)]
    assert losses[-1] < losses[0]
    assert all(value.dtype == torch.float64 for value in guide.median().values())
