"""Laws of fits by collapsed Gibbs sampling: their draws, their pieces, and what they refuse."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from laws.independent import log_likelihood
from laws.running import blobs, elicited, run
from laws.test_allocation_laws import one_variance
from laws.test_gibbs_laws import (
    POINTS,
    SIX_ROWS,
    assert_same_draws,
    conjugate,
    enumerated_density,
)
from mixtura.data import ArrayRows
from mixtura.diagnostics.convergence_diagnostics import ess_mean
from mixtura.engines import ENGINES, ReferenceEngine
from mixtura.engines.reference_allocation import log_marginal
from mixtura.errors import InterruptedWarning, InvalidArgumentError, ModelFileError
from mixtura.families import FAMILIES, CovarianceFamily
from mixtura.fit import Fit
from mixtura.inference import ML, CollapsedGibbs, Gibbs
from mixtura.io.archive import read_archive, write_archive
from mixtura.model import MixtureModel
from mixtura.posteriors import DrawsPosterior
from mixtura.priors import (
    Dirichlet,
    DirichletProcess,
    Gamma,
    Independent,
    InverseGamma,
    Normal,
    NormalInverseGamma,
    PitmanYor,
    WeightPrior,
)

NATIVE = ENGINES["native"](n_threads=1)
FREE = ["full", "diag", "spherical"]
PROCESSES: dict[str, WeightPrior] = {
    "Dirichlet process": DirichletProcess(1.0),
    "unknown": DirichletProcess(Gamma(2.0, 1.0)),
    "Pitman-Yor": PitmanYor(1.0, 0.4),
}


def method(path: Path | None = None, **more: Any) -> CollapsedGibbs:
    given = {"chains": 2, "draws": 12, "warmup": 6, "thin": 2, "checkpoint": path, **more}
    return CollapsedGibbs(**given)


def fitted(model: MixtureModel, rows: np.ndarray, how: Any = None, **more: Any) -> Fit:
    return run(model, rows, how or method(), **{"engine": NATIVE, **more})


def draws_of(fit: Fit) -> DrawsPosterior:
    assert isinstance(fit.posterior, DrawsPosterior)
    return fit.posterior


def process_model(name: str, weights: WeightPrior, n_components: int = 2) -> MixtureModel:
    return MixtureModel(n_components, 2, weights, conjugate(FAMILIES[name], 2), FAMILIES[name])


# ------------------------------------------------------------------------------- the posterior


@pytest.mark.parametrize("name", FREE)
def test_predictive_density_is_that_of_all_assignments(name: str) -> None:
    """Six rows have 64 assignments to two components; under each all is in closed form."""
    family = FAMILIES[name]
    prior = conjugate(family, 2)
    model = MixtureModel(2, 2, Dirichlet(1.5), prior, family)
    posterior = draws_of(fitted(model, SIX_ROWS, CollapsedGibbs(chains=2, draws=600, warmup=20)))
    potentials = (model.potentials(posterior.draw(s)) for s in range(1200))
    densities = [NATIVE.log_density(ArrayRows(POINTS), one) for one in potentials]
    values = np.exp(densities).reshape(2, 600, len(POINTS))
    exact = enumerated_density(family)
    for i in range(len(POINTS)):
        error = values[..., i].std() / np.sqrt(ess_mean(values[..., i]))
        assert abs(values[..., i].mean() - exact[i]) < 5.0 * error


def test_the_rest_of_a_process_has_the_density_of_the_prior() -> None:
    """One row far from the prior's mean: the average density is the urn's, however it is cut."""
    row = np.array([[4.0, -3.0]])
    model = process_model("diag", DirichletProcess(2.0))
    averages = []
    for n_components in (2, 12):
        large = process_model("diag", DirichletProcess(2.0), n_components)
        fit = fitted(large, row, CollapsedGibbs(chains=2, draws=1500, warmup=1))
        posterior = draws_of(fit)
        potentials = (large.potentials(posterior.draw(s)) for s in range(3000))
        point = ArrayRows(np.array([[0.5, 0.5]]))
        averages.append(np.exp([NATIVE.log_density(point, one)[0] for one in potentials]))
    steps: Any = model.cluster_steps
    alone = np.exp(log_marginal(np.array([[0.5, 0.5]]), steps))
    both = np.vstack([row, [[0.5, 0.5]]])
    beside = np.exp(log_marginal(both, steps) - log_marginal(row, steps))
    exact = (beside + 2.0 * alone) / 3.0
    for values in averages:
        assert abs(values.mean() - exact) < 4.0 * values.std() / np.sqrt(values.size)


@pytest.mark.parametrize("weights", PROCESSES.values(), ids=PROCESSES)
@pytest.mark.parametrize("name", FREE)
def test_all_clusters_have_a_component_of_their_own(name: str, weights: WeightPrior) -> None:
    """Six groups far apart, of which the user thought as two."""
    rng = np.random.default_rng(61)
    centres = 50.0 * np.arange(6)[:, None] * np.array([1.0, -1.0])
    rows = np.repeat(centres, 8, axis=0) + 0.3 * rng.standard_normal((48, 2))
    prior: Any = replace(conjugate(FAMILIES[name], 2), mean=0.0, shrinkage=1e-5)
    model = MixtureModel(2, 2, weights, prior, FAMILIES[name])
    fit = fitted(model, rows, method(draws=30, warmup=150))
    posterior = draws_of(fit)
    assert fit.model.n_components >= 7
    assert posterior.weights.shape == (2, 30, fit.model.n_components)
    np.testing.assert_allclose(posterior.weights.sum(axis=2), 1.0, rtol=1e-12)
    assert (np.diff(fit.parameters.weights) <= 0.0).all()
    labels = posterior.labels(ArrayRows(rows), NATIVE)
    groups = labels.reshape(6, 8)
    assert (groups == groups[:, :1]).all()
    assert np.unique(groups[:, 0]).size == 6
    near = fit.parameters.means[groups[:, 0]]
    assert np.abs(near - centres).max() < 3.0


@pytest.mark.parametrize("name", FREE)
def test_densities_belong_to_their_draws(name: str) -> None:
    rows = blobs(np.random.default_rng(62), 30, 2, 2)
    weights = np.arange(30.0) % 3
    model = process_model(name, Dirichlet(1.5), 3)
    fit = fitted(model, rows, method(), weights=weights)
    posterior = draws_of(fit)
    for s in range(4):
        found = log_likelihood(rows, posterior.draw(s), weights)
        assert posterior.log_likelihood[0, s] == pytest.approx(found, rel=1e-9)
    assert len(fit.history) == 6 + 12 * 2
    np.testing.assert_array_equal(np.array(fit.history)[7::2], posterior.log_joint[fit.best])
    assert fit.objective == pytest.approx(posterior.log_joint.mean(), rel=1e-12)
    assert fit.objective_name == "mean log joint density of rows and partition"


def test_the_joint_density_is_that_of_rows_and_partition() -> None:
    """Two rows and one component: the partition is certain, the rows have a closed form."""
    rows = np.array([[0.3, 1.1], [2.0, -0.4]])
    prior = NormalInverseGamma([0.2, -0.1], [0.3, 0.7], 2.5, 0.5)
    model = MixtureModel(1, 2, Dirichlet(3.0), prior, FAMILIES["spherical"])
    assert fitted(model, rows).objective == pytest.approx(one_variance(rows), rel=1e-12)
    steps: Any = model.cluster_steps
    apart = np.array([[0.0, 0.0], [1e4, 1e4]])
    model = MixtureModel(1, 2, DirichletProcess(3.0), prior, FAMILIES["spherical"])
    expected = sum(log_marginal(row[None], steps) for row in apart) + np.log(3.0 / 4.0)
    together = log_marginal(apart, steps) + np.log(1.0 / 4.0)
    joints = draws_of(fitted(model, apart)).log_joint
    closest = np.minimum(np.abs(joints - expected), np.abs(joints - together))
    assert closest.max() < 1e-9


# --------------------------------------------------------------------------------- chains in pieces


def stopped(path: Path | None, sweeps: int) -> CollapsedGibbs:
    def progress(done: int, total: int) -> None:
        assert total == 30
        if done >= sweeps:
            raise KeyboardInterrupt

    return method(path, checkpoint_sweeps=3, progress=progress)


def assert_same_fit(one: Fit, other: Fit) -> None:
    names = ("weights", "means", "covariances", "log_likelihood", "log_joint", "numbers")
    for name in names:
        np.testing.assert_array_equal(getattr(one.posterior, name), getattr(other.posterior, name))
    assert one.runs == other.runs
    assert (one.objective, one.doubts) == (other.objective, other.doubts)


@pytest.mark.parametrize("weights", PROCESSES.values(), ids=PROCESSES)
@pytest.mark.parametrize(("name", "jobs"), [("full", 1), ("diag", 2), ("spherical", 2)])
def test_a_fit_goes_on_from_its_checkpoint(
    name: str, jobs: int, weights: WeightPrior, tmp_path: Path
) -> None:
    rows, path = blobs(np.random.default_rng(63), 30, 2, 2), tmp_path / "chains"
    model, more = process_model(name, weights), {"n_jobs": jobs}
    whole = fitted(model, rows)
    for sweeps in (1, 4):
        with pytest.raises(KeyboardInterrupt):
            fitted(model, rows, stopped(path, sweeps), **more)
    part = fitted(model, rows, stopped(path, 20), **more)
    assert part.doubts[0].category is InterruptedWarning
    np.testing.assert_array_equal(
        draws_of(part).log_joint,
        draws_of(whole).log_joint[:, : draws_of(part).log_joint.shape[1]],
    )
    resumed = fitted(model, rows, method(path), **more)
    assert_same_fit(resumed, whole)
    assert not path.exists()


@pytest.mark.parametrize("weights", PROCESSES.values(), ids=PROCESSES)
def test_threads_do_not_show_in_a_single_bit(weights: WeightPrior) -> None:
    rows = blobs(np.random.default_rng(64), 60, 2, 3)
    model = process_model("full", weights)
    fits = [
        fitted(model, rows, start="random", n_starts=2, n_jobs=jobs, engine=engine)
        for jobs, engine in ((1, NATIVE), (2, ENGINES["native"](n_threads=2)))
    ]
    assert_same_fit(*fits)
    other = fitted(model, rows, start="random", n_starts=2, seed=1)
    assert other.objective != fits[0].objective


def test_the_checkpoint_of_another_method_is_refused(tmp_path: Path) -> None:
    rows, path = blobs(np.random.default_rng(65), 30, 2, 2), tmp_path / "chains"
    model = process_model("diag", Dirichlet(1.0))
    fitted(model, rows, stopped(path, 20))
    for other in (method(path, moves=1), Gibbs(2, 12, 6, 2, checkpoint=path)):
        with pytest.raises(InvalidArgumentError, match="is of another fit"):
            fitted(model, rows, other)


BREAKS: dict[str, Callable[[dict[str, Any], dict[str, np.ndarray]], Any]] = {
    "generator": lambda header, arrays: header["random"].pop(),
    "label": lambda header, arrays: arrays["labels"].__setitem__((0, 3), 40.0),
    "sizes": lambda header, arrays: arrays["occupied"].__setitem__((0, 0), 2.5),
    "clusters": lambda header, arrays: arrays.update(mean=arrays["mean"][:-1]),
    "number": lambda header, arrays: arrays["second"].fill(np.nan),
    "concentration": lambda header, arrays: arrays["current"].fill(-1.0),
    "missing": lambda header, arrays: arrays.pop("count"),
}


@pytest.mark.parametrize("break_it", BREAKS.values(), ids=BREAKS)
def test_what_is_no_checkpoint_is_refused(break_it: Any, tmp_path: Path) -> None:
    rows, path = blobs(np.random.default_rng(66), 30, 2, 2), tmp_path / "chains"
    model = process_model("diag", DirichletProcess(1.0))
    fitted(model, rows, stopped(path, 20))
    header, arrays = read_archive(path, "checkpoint")
    arrays = {name: part.copy() for name, part in arrays.items()}
    break_it(header, arrays)
    write_archive(path, header, arrays, overwrite=True)
    with pytest.raises(ModelFileError, match="chains of this fit"):
        fitted(model, rows, method(path))


# ------------------------------------------------------------------------------ metamorphic laws


@pytest.mark.parametrize("name", FREE)
def test_integer_weights_are_repeated_rows(name: str) -> None:
    rows = blobs(np.random.default_rng(67), 30, 2, 2)
    times = np.random.default_rng(5).integers(0, 4, len(rows))
    model = process_model(name, DirichletProcess(1.0))
    repeated = np.repeat(rows, times, axis=0)
    weighted = fitted(model, rows, start="quantile", weights=times.astype(float))
    plain = fitted(model, repeated, start="quantile")
    assert weighted.total_weight == plain.total_weight
    assert_same_draws(draws_of(weighted), draws_of(plain), 1e-7)


@pytest.mark.parametrize("name", FREE)
def test_engines_give_the_same_draws(name: str) -> None:
    rows = blobs(np.random.default_rng(68), 12, 2, 2)
    model = process_model(name, PitmanYor(1.0, 0.3))
    short = method(draws=4, warmup=2)
    fits = [fitted(model, rows, short, engine=engine) for engine in (NATIVE, ReferenceEngine())]
    # Components without rows are alike: rounding may exchange their numbers.
    assert_same_draws(*(draws_of(fit).as_drawn() for fit in fits), rtol=1e-7)


@pytest.mark.parametrize("exponent", [500, -480])
@pytest.mark.parametrize("name", FREE)
def test_powers_of_two_scale_everything(name: str, exponent: int) -> None:
    rows = blobs(np.random.default_rng(69), 30, 2, 2)
    there = np.ldexp(rows, exponent)
    models = [elicited(FAMILIES[name], some, 2) for some in (rows, there)]
    plain, mapped = (
        draws_of(fitted(m, some)) for m, some in zip(models, (rows, there), strict=True)
    )
    np.testing.assert_allclose(np.ldexp(mapped.means, -exponent), plain.means, rtol=1e-7)
    shift = len(rows) * 2 * exponent * np.log(2.0)
    np.testing.assert_allclose(mapped.log_likelihood + shift, plain.log_likelihood, rtol=1e-7)
    np.testing.assert_allclose(mapped.log_joint + shift, plain.log_joint, rtol=1e-7)


# --------------------------------------------------------------------------------- what is refused


def test_what_cannot_be_integrated_out_is_refused(family: CovarianceFamily) -> None:
    rows = blobs(np.random.default_rng(70), 30, 2, 2)
    model = elicited(family, rows, 2)
    if family.structure(2, 2)[0] == 1:
        with pytest.raises(InvalidArgumentError, match=r"not tied: use inference='gibbs'"):
            fitted(model, rows)
        return
    unequal = MixtureModel(2, 2, Dirichlet([1.0, 2.0]), model.component_prior, family)
    with pytest.raises(InvalidArgumentError, match=r"one concentration.*use inference='gibbs'"):
        fitted(unequal, rows)
    with pytest.raises(InvalidArgumentError, match="use inference='gibbs'"):
        fitted(elicited(family, rows, 2, ML()), rows)
    with pytest.raises(InvalidArgumentError, match="inference='collapsed' assigns each copy"):
        fitted(model, rows, weights=np.full(30, 0.5))
    for limits in ({"max_iter": 3}, {"tol": 1e-3}):
        with pytest.raises(InvalidArgumentError, match=r"CollapsedGibbs\(draws=, warmup=\)"):
            fitted(model, rows, **limits)


def test_independent_priors_are_refused() -> None:
    rows = blobs(np.random.default_rng(71), 20, 2, 2)
    prior = Independent(Normal(0.0, 5.0), InverseGamma(1.0, 1.0))
    model = MixtureModel(2, 2, DirichletProcess(1.0), prior, FAMILIES["diag"])
    with pytest.raises(InvalidArgumentError, match="KnownScale component_prior"):
        fitted(model, rows)


@pytest.mark.parametrize("bad", [-1, 2.5, "many", True, None])
def test_unlawful_moves_are_refused(bad: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="CollapsedGibbs moves must be a whole number"):
        CollapsedGibbs(moves=bad)


def test_one_row_is_a_cluster() -> None:
    model = process_model("full", DirichletProcess(1.0))
    posterior = draws_of(fitted(model, np.array([[1.0, 2.0]])))
    assert posterior.parameters.is_finite()


def test_an_unknown_concentration_has_its_density() -> None:
    values, n_rows, discount = np.array([0.01, 0.7, 4.0]), 9, 0.2
    unknown = PitmanYor(Gamma(2.0, 3.0), discount).partitions(5)
    for value in values:
        known = PitmanYor(float(value), discount).partitions(5)
        found = unknown.log_constant(n_rows, value) - known.log_constant(n_rows, value)
        assert found == pytest.approx(stats.gamma(2.0, scale=1.0 / 3.0).logpdf(value), abs=1e-12)
