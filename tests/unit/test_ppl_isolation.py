"""A fit leaves the user's session exactly as it was."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mixtura import SVI, GaussianMixtureModel
from mixtura.errors import MixturaWarning

torch = pytest.importorskip("torch")
pyro = pytest.importorskip("pyro")

ROWS = np.array([0.0, 0.3, 0.1, 5.0, 5.2, 4.9])[:, None]


class StopError(Exception):
    """What the tests interrupt a fit with."""


def fit(printer: Callable[[str], None] = lambda line: None, **options: Any) -> Any:
    svi = SVI(steps=3, print_every=1, printer=printer, **options)
    with pytest.warns(MixturaWarning, match="not settled"):
        return GaussianMixtureModel(2, inference=svi, random_state=0).fit(ROWS)


def session() -> dict[str, Any]:
    """Return everything that a fit might disturb."""
    store = pyro.get_param_store()
    return {
        "names": list(store.keys()),
        "tensors": [id(tensor) for _, tensor in store.named_parameters()],
        "values": [tensor.detach().numpy().tolist() for _, tensor in store.named_parameters()],
        "names of tensors": [store.param_name(t) for _, t in store.named_parameters()],
        "links": [hasattr(tensor, "unconstrained") for _, tensor in store.named_parameters()],
        "constraints": {name: str(c) for name, c in store._constraints.items()},
        "settings": pyro.settings.get(),
        "validation": torch.distributions.Distribution._validate_args,
        "torch": torch.get_rng_state().numpy().tolist(),
        "numpy": [np.asarray(part).tolist() for part in np.random.get_state()],  # noqa: NPY002
        "random": random.getstate(),
        "dtype": torch.get_default_dtype(),
        "device": torch.get_default_device(),
        "threads": torch.get_num_threads(),
        "gradients": torch.is_grad_enabled(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
    }


@pytest.fixture
def _lived_in():
    """Give the session parameters, a position in its random numbers, and unusual settings."""
    before = {name: pyro.settings.get(name) for name in pyro.settings.get()}
    threads = torch.get_num_threads()
    with pyro.get_param_store().scope(), torch.random.fork_rng(devices=[]):
        pyro.param("a", torch.tensor([1.0, 2.0]))
        pyro.param(
            "AutoDelta.mu", torch.tensor(3.0), constraint=torch.distributions.constraints.positive
        )
        pyro.settings.set(validate_infer=False, validate_distributions_torch=False)
        torch.set_num_threads(2)
        torch.rand(3)
        yield
    torch.set_num_threads(threads)
    pyro.settings.set(**before)


@pytest.mark.filterwarnings("ignore::mixtura.errors.EmptyComponentWarning")
@pytest.mark.usefixtures("_lived_in")
@pytest.mark.parametrize("options", [{}, {"from_prior": True}, {"plain": True, "from_prior": True}])
def test_after_a_fit(options: dict[str, Any]) -> None:
    held = pyro.param("a")
    before = session()
    fit(**options)
    assert held.unconstrained() is held
    assert session() == before


@pytest.mark.usefixtures("_lived_in")
@pytest.mark.parametrize("error", [StopError, KeyboardInterrupt])
def test_after_an_exception(error: type[BaseException]) -> None:
    def interrupt(line: str) -> None:
        raise error

    before = session()
    with pytest.raises(error):
        GaussianMixtureModel(
            2, inference=SVI(print_every=1, printer=interrupt), random_state=0
        ).fit(ROWS)
    assert session() == before


def test_the_session_does_not_show_in_the_answer() -> None:
    expected = fit()
    torch.manual_seed(99)
    with pyro.get_param_store().scope():
        pyro.param("AutoDelta.mu", torch.tensor(3.0))
        torch.set_default_dtype(torch.float64)
        try:
            inside_float64 = fit()
        finally:
            torch.set_default_dtype(torch.float32)
        with torch.no_grad():
            without_gradients = fit()
        with torch.inference_mode():
            inferring = fit()
        with torch.device("meta"):
            elsewhere = fit()
        with pyro.poutine.trace() as seen, pyro.poutine.scale(scale=7.0):
            handled = fit()
    assert not seen.trace.nodes.keys() - {"_INPUT", "_RETURN"}
    for other in (inside_float64, without_gradients, inferring, elsewhere, handled):
        np.testing.assert_array_equal(other.means_, expected.means_)
        assert other.objective_ == expected.objective_


def test_fits_in_threads_take_turns() -> None:
    from concurrent.futures import ThreadPoolExecutor

    def quiet(number: int) -> float:
        model = GaussianMixtureModel(2, inference=SVI(), random_state=number)
        return model.fit(ROWS + number).means_[0, 0] - number

    with ThreadPoolExecutor(2) as pool:
        ends = list(pool.map(quiet, range(2)))
    np.testing.assert_allclose(ends, ends[0], atol=1e-6)
    assert len(pyro.get_param_store()) == 0
