"""Laws of chains that run until their draws suffice, and of the number that would."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from laws.running import blobs, elicited, run
from laws.test_collapsed_laws import NATIVE, assert_same_fit, draws_of, process_model
from mixtura.diagnostics.convergence_diagnostics import (
    AGREED,
    draws_wanted,
    ess_bulk,
    r_hat,
    suffice,
)
from mixtura.errors import ConvergenceWarning, InterruptedWarning, InvalidArgumentError
from mixtura.families import FAMILIES
from mixtura.fit import Fit
from mixtura.inference import CollapsedGibbs, Gibbs
from mixtura.inference.mcmc import chain_methods
from mixtura.inference.mcmc.chain_methods import ChainMethod
from mixtura.inference.mcmc.sufficiency import LEAST_GROWTH, MOST_GROWTH, Sufficiency
from mixtura.priors import DirichletProcess, MixtureOfFiniteMixtures

ROWS = blobs(np.random.default_rng(91), 40, 2, 2, apart=1.0)
METHODS: dict[str, type[ChainMethod[Any]]] = {"collapsed": CollapsedGibbs, "gibbs": Gibbs}


def chains(correlation: float, n_draws: int, seed: int = 0, n_chains: int = 4) -> np.ndarray:
    """Return chains of correlated normal draws, (1 + r) / (1 - r) of them to an effective one."""
    rng = np.random.default_rng(seed)
    values = np.empty((n_chains, n_draws))
    values[:, 0] = rng.standard_normal(n_chains)
    noise = np.sqrt(1.0 - correlation**2) * rng.standard_normal((n_chains, n_draws))
    for i in range(1, n_draws):
        values[:, i] = correlation * values[:, i - 1] + noise[:, i]
    return values


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9, 0.97])
@pytest.mark.parametrize("effective", [400, 2000])
def test_the_number_that_would_do_is_right_within_a_factor_of_two(
    correlation: float, effective: int
) -> None:
    """Against the closed form of autoregressive chains, from 240 effective draws on."""
    of_one = (1.0 + correlation) / (1.0 - correlation)
    for seed in range(5):
        told = draws_wanted(chains(correlation, 4000, seed), effective)
        assert 0.5 < told / (effective / 4 * of_one) < 2.0


def test_as_many_as_are_told_do_indeed() -> None:
    """Chains of as many draws as were told from few have R-hat and effective draws, mostly."""
    passed = 0
    for seed in range(12):
        wanted = draws_wanted(chains(0.95, 600, seed), 400)
        passed += suffice(chains(0.95, int(1.5 * wanted), 100 + seed), 400)
    assert passed >= 9


def test_draws_suffice_by_both_measures() -> None:
    good = chains(0.5, 1500)
    assert suffice(good, 400)
    assert not suffice(good, 10_000)
    apart = good + np.array([[0.0], [0.0], [0.0], [2.0]])
    assert r_hat(apart) > AGREED
    assert not suffice(apart, 1)
    assert draws_wanted(apart, 400) > 10.0 * 1500.0
    assert suffice(np.ones((4, 100)), 400)
    assert not suffice(good[:, :3], 1)
    assert np.isnan(draws_wanted(np.ones((4, 100)), 400))


def test_chains_grow_by_bounded_steps_until_they_suffice() -> None:
    goal = Sufficiency(400, 1000, 6000)
    good, slow = chains(0.3, 1000), chains(0.995, 1000)
    assert goal.next([good]) == 1000
    assert goal.next([good, slow]) == int(MOST_GROWTH * 1000)
    assert goal.next([chains(0.995, 5000), slow[:, :1].repeat(5000, axis=1)]) == 6000
    assert goal.next([chains(0.995, 6000)]) == 6000
    nearly = Sufficiency(int(ess_bulk(good)) + 2, 1000, 6000)
    assert nearly.next([good]) == int(LEAST_GROWTH * 1000)


# ---------------------------------------------------------------------------------- fits


def fitted(how: ChainMethod[Any], **more: Any) -> Fit:
    weights = DirichletProcess(1.0) if isinstance(how, CollapsedGibbs) else None
    model = elicited(FAMILIES["diag"], ROWS, 2)
    if weights is not None:
        model = process_model("diag", weights)
    return run(model, ROWS, how, **{"engine": NATIVE, "start": "random", "n_starts": 2, **more})


def until_enough(name: str, **more: Any) -> ChainMethod[Any]:
    given = {"chains": 2, "warmup": 10, "draws": None, "max_draws": 1000, "effective_draws": 100}
    return METHODS[name](**(given | more))


@pytest.fixture(autouse=True)
def early(monkeypatch: Any) -> None:
    """Chains are looked at from 20 draws on."""
    monkeypatch.setattr(chain_methods, "FIRST_LOOK", 20)


@pytest.mark.parametrize("name", METHODS)
def test_a_fit_stops_where_its_draws_suffice(name: str) -> None:
    fit = fitted(until_enough(name))
    posterior = draws_of(fit)
    n_draws = posterior.log_joint.shape[1]
    assert 20 < n_draws < 1000
    assert fit.converged
    assert suffice(posterior.log_joint, 100)
    if posterior.partitions is not None:
        assert suffice(posterior.partitions.occupied.astype(float), 100)
    assert not [d for d in fit.doubts if d.category is ConvergenceWarning]
    # The draws are those of a fit that was told their number.
    told = fitted(METHODS[name](chains=2, warmup=10, draws=n_draws))
    np.testing.assert_array_equal(draws_of(told).weights, posterior.weights)
    np.testing.assert_array_equal(draws_of(told).log_joint, posterior.log_joint)


@pytest.mark.parametrize("name", METHODS)
def test_a_fit_that_may_not_go_on_says_how_many_draws_would_do(name: str) -> None:
    fit = fitted(until_enough(name, max_draws=100, effective_draws=2000))
    assert draws_of(fit).log_joint.shape[1] == 100
    (doubt,) = (d for d in fit.doubts if d.category is ConvergenceWarning)
    assert "raise draws and warmup (about " in doubt.message
    assert "draws of each chain would do)" in doubt.message
    assert not fit.converged
    number = int(doubt.message.split("(about ")[1].split(" draws")[0].replace(",", ""))
    longer = fitted(METHODS[name](chains=2, warmup=10, draws=2 * number))
    assert suffice(draws_of(longer).log_joint, 2000)


@pytest.mark.parametrize("name", METHODS)
def test_neither_threads_nor_cuts_show_in_a_fit_that_stops_by_itself(
    name: str, tmp_path: Path
) -> None:
    whole, path = fitted(until_enough(name)), tmp_path / "chains"
    assert_same_fit(fitted(until_enough(name), n_jobs=2), whole)

    sweeps = [17, 45]

    def stop(done: int, total: int) -> None:
        if done >= sweeps[0]:
            raise KeyboardInterrupt

    while sweeps:
        more = {"checkpoint": path, "checkpoint_sweeps": 4, "progress": stop}
        part = fitted(until_enough(name, **more))
        assert [d for d in part.doubts if d.category is InterruptedWarning]
        sweeps.pop(0)
    assert_same_fit(fitted(until_enough(name, checkpoint=path, checkpoint_sweeps=7)), whole)
    assert not path.exists()


def test_progress_tells_how_far_the_chains_are_to_run() -> None:
    seen: list[tuple[int, int]] = []
    fit = fitted(until_enough("collapsed", progress=lambda *one: seen.append(one)))
    totals = [total for _, total in seen]
    assert totals[0] == 30
    assert totals == sorted(totals)
    assert seen[-1] == (10 + draws_of(fit).log_joint.shape[1],) * 2


def test_draws_of_many_numbers_are_not_made_without_being_asked_for(monkeypatch: Any) -> None:
    """Two chains of two components of five numbers each: 20 numbers for each draw of a chain."""
    monkeypatch.setattr(chain_methods, "MOST_NUMBERS", 20 * 44)
    how = until_enough("gibbs", effective_draws=5000)
    assert draws_of(fitted(how)).log_joint.shape[1] == 44
    monkeypatch.setattr(chain_methods, "MOST_NUMBERS", 20)
    assert draws_of(fitted(how)).log_joint.shape[1] == 20


def test_limits_do_not_show_where_the_draws_are_given(tmp_path: Path) -> None:
    """Neither in the draws nor in whose checkpoint it is, so that earlier ones are gone on with."""

    def stop(done: int, total: int) -> None:
        if done >= 20:
            raise KeyboardInterrupt

    path = tmp_path / "chains"
    fitted(Gibbs(2, 30, 10, checkpoint=path, checkpoint_sweeps=4, progress=stop))
    fitted(Gibbs(2, 30, 10, checkpoint=path, max_draws=77, effective_draws=5))
    fitted(until_enough("gibbs", checkpoint=path, checkpoint_sweeps=4, progress=stop))
    with pytest.raises(InvalidArgumentError, match="is of another fit"):
        fitted(until_enough("gibbs", checkpoint=path, effective_draws=61))


@pytest.mark.parametrize("option", ["max_draws", "effective_draws"])
@pytest.mark.parametrize("bad", [0, -1, 2.5, None, "many"])
def test_unlawful_limits_are_refused(option: str, bad: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=f"Gibbs {option} must be a whole number"):
        Gibbs(**{option: bad})


def test_the_number_of_groups_is_judged() -> None:
    """Chains whose joint density agrees while their partitions do not are not called converged."""
    model = process_model("diag", MixtureOfFiniteMixtures(1.0), 6)
    fit = run(model, ROWS, CollapsedGibbs(chains=2, draws=60, warmup=5), engine=NATIVE)
    posterior = draws_of(fit)
    assert posterior.partitions is not None
    found = [posterior.log_joint, posterior.used_components.astype(float)]
    found.append(posterior.partitions.occupied.astype(float))
    assert fit.converged == all(r_hat(one) <= AGREED for one in found)
