"""Laws of chains in pieces: where a chain is cut, stopped or read back shows in no bit of it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from laws.running import blobs, elicited, run
from mixtura.data import ArrayRows
from mixtura.engines import ENGINES, Engine, ReferenceEngine
from mixtura.errors import InterruptedWarning, InvalidArgumentError, ModelFileError
from mixtura.families import FAMILIES, CovarianceFamily
from mixtura.fit import Fit
from mixtura.inference import Gibbs
from mixtura.inference.mcmc.gibbs_chains import ChainPlan, ChainState, Sampler
from mixtura.inference.starts.given import GivenResponsibilities
from mixtura.io.archive import read_archive, write_archive
from mixtura.messages.draws import Draws
from mixtura.model import MixtureModel
from mixtura.posteriors import DrawsPosterior
from mixtura.priors import (
    Dirichlet,
    Independent,
    InverseGamma,
    LogNormal,
    Normal,
    NormalInverseGamma,
)

NATIVE = ENGINES["native"](n_threads=1)
PLAN = ChainPlan(draws=7, warmup=5, thin=3)

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


def assert_same_chain(one: Draws, other: Draws) -> None:
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
    assert part == ChainPlan(2, 5, 3)
    early = sampler.finished(in_pieces(sampler, state, 6, 7), part)
    np.testing.assert_array_equal(early.means, whole.means[:2])
    np.testing.assert_array_equal(early.log_likelihood, whole.log_likelihood[:11])
    np.testing.assert_allclose(early.log_joint, whole.log_joint[:11], rtol=1e-12)


@pytest.mark.parametrize("engine", [NATIVE, ReferenceEngine()], ids=["compiled", "reference"])
def test_cuts_do_not_show(family: CovarianceFamily, engine: Engine) -> None:
    rows = blobs(np.random.default_rng(51), 50, 2, 2)
    assert_cuts_do_not_show(elicited(family, rows, 2), rows, engine)


@pytest.mark.parametrize("name", ["diag", "spherical", "tied_diag", "tied_spherical"])
@pytest.mark.parametrize("prior", INDEPENDENT.values(), ids=INDEPENDENT)
def test_cuts_do_not_show_under_independent_priors(prior: Independent, name: str) -> None:
    rows = blobs(np.random.default_rng(52), 50, 2, 2)
    model = MixtureModel(2, 2, Dirichlet(1.0), prior, FAMILIES[name])
    assert_cuts_do_not_show(model, rows, NATIVE)


# ------------------------------------------------------------------------------------ checkpoints

FITTED = ChainPlan(draws=20, warmup=10, thin=2)


def method(path: Path | None = None, **more: Any) -> Gibbs:
    return Gibbs(chains=2, draws=20, warmup=10, thin=2, checkpoint=path, **more)


def stop_after(sweeps: int) -> Callable[[int, int], None]:
    """Return a progress callback that acts like Ctrl-C as soon as so many sweeps are done."""

    def progress(done: int, total: int) -> None:
        assert total == FITTED.sweeps
        if done >= sweeps:
            raise KeyboardInterrupt

    return progress


def stopped(path: Path | None, sweeps: int) -> Gibbs:
    """Return a method that stops after so many sweeps, or up to two more."""
    return method(path, checkpoint_sweeps=3, progress=stop_after(sweeps))


def draws_of(fit: Fit) -> DrawsPosterior:
    assert isinstance(fit.posterior, DrawsPosterior)
    return fit.posterior


def assert_same_fit(one: Fit, other: Fit) -> None:
    for name in ("weights", "means", "covariances", "log_likelihood", "log_joint", "numbers"):
        np.testing.assert_array_equal(getattr(one.posterior, name), getattr(other.posterior, name))
    assert one.runs == other.runs
    assert (one.objective, one.doubts) == (other.objective, other.doubts)


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("keep_numbering", [False, True])
def test_a_fit_goes_on_from_its_checkpoint(
    family: CovarianceFamily, tmp_path: Path, jobs: int, keep_numbering: bool
) -> None:
    rows, path = blobs(np.random.default_rng(53), 40, 2, 2), tmp_path / "chains"
    model, more = elicited(family, rows, 2), {"n_jobs": jobs, "keep_numbering": keep_numbering}
    whole = run(model, rows, method(), engine=NATIVE, **more)
    for sweeps in (1, 6):  # in the warm-up, there is nothing to return yet
        with pytest.raises(KeyboardInterrupt):
            run(model, rows, stopped(path, sweeps), engine=NATIVE, **more)
    part = run(model, rows, stopped(path, 30), engine=NATIVE, **more)
    doubt = part.doubts[0]
    assert doubt.category is InterruptedWarning
    assert f"had {draws_of(part).weights.shape[1]} of its 20 draws" in doubt.message
    assert repr(str(path)) in doubt.message
    resumed = run(model, rows, method(path), engine=NATIVE, **more)
    assert_same_fit(resumed, whole)
    assert not path.exists()


def test_a_finished_checkpoint_can_be_kept(tmp_path: Path) -> None:
    rows, path = blobs(np.random.default_rng(54), 40, 2, 2), tmp_path / "chains"
    model = elicited(FAMILIES["diag"], rows, 2)
    first = run(model, rows, method(path, keep_checkpoint=True), engine=NATIVE)
    written = path.stat()
    again = run(
        model, rows, method(path, keep_checkpoint=True, progress=stop_after(0)), engine=NATIVE
    )
    assert_same_fit(first, again)  # no sweep is run: the callback was not called
    assert path.exists()
    assert written.st_size == path.stat().st_size


def test_the_draws_so_far_are_those_of_the_whole(tmp_path: Path) -> None:
    rows = blobs(np.random.default_rng(55), 40, 2, 2)
    model = elicited(FAMILIES["full"], rows, 2)
    whole = run(model, rows, method(), keep_numbering=True)
    path = tmp_path / "chains"
    part = run(model, rows, stopped(path, 30), keep_numbering=True)
    drawn = draws_of(part).log_likelihood
    assert 10 <= drawn.shape[1] <= 11
    np.testing.assert_array_equal(drawn, draws_of(whole).log_likelihood[:, : drawn.shape[1]])
    without = run(model, rows, stopped(None, 20))
    assert without.doubts == () or "goes on" not in without.doubts[0].message


OTHERS: dict[str, dict[str, Any]] = {
    "rows": {"shift": 1e-9},
    "weights": {"weights": np.r_[2.0, np.ones(39)]},
    "seed": {"seed": 1},
    "prior": {"concentration": 2.0},
    "start": {"start": "quantile"},
    "numbering": {"keep_numbering": True},
    "thin": {"thin": 1},
    "chains": {"chains": 3},
    "draws": {"draws": 21},
    "warmup": {"warmup": 9},
}


@pytest.mark.parametrize("change", OTHERS.values(), ids=OTHERS)
def test_the_checkpoint_of_another_fit_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    rows, path = blobs(np.random.default_rng(56), 40, 2, 2), tmp_path / "chains"
    prior = NormalInverseGamma(0.0, 0.1, 2.0, 1.0)
    given: dict[str, Any] = {"shift": 0.0, "concentration": 1.0, "start": "split"}

    def fit(method: Gibbs, shift: float, concentration: float, **more: Any) -> Fit:
        model = MixtureModel(2, 2, Dirichlet(concentration), prior, FAMILIES["diag"])
        return run(model, rows + shift, method, **more)

    fit(stopped(path, 30), **given)
    options = {name: value for name, value in change.items() if hasattr(Gibbs, name)}
    rest = {name: value for name, value in change.items() if name not in options}
    kept = path.read_bytes()
    with pytest.raises(InvalidArgumentError, match=r"checkpoint '.*chains' is of another fit"):
        fit(replace(method(path), **options), **{**given, **rest})
    assert path.read_bytes() == kept


def broken(header: dict[str, Any], arrays: dict[str, np.ndarray], how: str) -> None:
    if how == "format":
        header["format"] = "mixtura"
    elif how == "generator":
        header["random"][0]["state"] = {"state": -1, "inc": "x"}
    elif how == "chains":
        header["random"].pop()
    elif how == "number":
        arrays["current_means"].flat[0] = np.nan
    elif how == "shape":
        arrays["current_weights"] = arrays["current_weights"][:, :1]
    elif how == "draws":
        arrays["means"] = arrays["means"][:, :-1]
    else:
        del arrays[how]


@pytest.mark.parametrize(
    "how",
    ["format", "generator", "chains", "number", "shape", "draws", "weights", "log_likelihood"],
)
def test_what_is_no_checkpoint_is_refused(tmp_path: Path, how: str) -> None:
    rows, path = blobs(np.random.default_rng(57), 30, 2, 2), tmp_path / "chains"
    model = elicited(FAMILIES["diag"], rows, 2)
    run(model, rows, stopped(path, 30))
    header, arrays = read_archive(path, "checkpoint")
    broken(header, arrays, how)
    write_archive(path, header, arrays, overwrite=True)
    with pytest.raises(ModelFileError, match=r"checkpoint|chains of this fit"):
        run(model, rows, method(path))


def test_a_damaged_checkpoint_and_a_folder_that_is_not_there_are_told(tmp_path: Path) -> None:
    rows = blobs(np.random.default_rng(58), 30, 2, 2)
    model = elicited(FAMILIES["diag"], rows, 2)
    path = tmp_path / "chains"
    path.write_bytes(b"no checkpoint")
    with pytest.raises(ModelFileError, match="not a checkpoint, or damaged"):
        run(model, rows, method(path))
    with pytest.raises(InvalidArgumentError, match="cannot be written: No such file"):
        run(model, rows, method(tmp_path / "nowhere" / "chains"))


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"checkpoint": 3}, "checkpoint must be None or the path of a file; got 3"),
        ({"checkpoint_seconds": -1.0}, "checkpoint_seconds must be a number of at least 0"),
        ({"checkpoint_seconds": "x"}, "checkpoint_seconds must be a number of at least 0"),
        (
            {"checkpoint_sweeps": 0},
            "checkpoint_sweeps must be None or a whole number",
        ),
    ],
)
def test_options_are_checked(options: dict[str, Any], part: str) -> None:
    with pytest.raises(InvalidArgumentError, match=part):
        Gibbs(**options)
