"""Laws of the partitions that a collapsed fit keeps: its own, for its own rows, in few bytes."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from laws.running import blobs, run
from laws.test_collapsed_laws import NATIVE, assert_same_fit, draws_of, method, process_model
from mixtura.data import ArrayRows
from mixtura.diagnostics.partition_draws import canonical_labels, occupied_components
from mixtura.diagnostics.posterior_summaries import allocations, occupied
from mixtura.errors import ModelFileError
from mixtura.fit import Fit
from mixtura.inference.mcmc.chain_methods import order_of
from mixtura.inference.mcmc.chain_runs import ChainPlan
from mixtura.inference.mcmc.partition_chains import PartitionSampler
from mixtura.inference.mcmc.stretches import joined
from mixtura.io.archive import read_archive, write_archive
from mixtura.io.model_file import PARTITIONS, StoredFit, load_fit, save_fit
from mixtura.posteriors.kept_partitions import KeptPartitions, fingerprints, narrowed, spacing
from mixtura.priors import DirichletProcess, Gamma

ROWS = blobs(np.random.default_rng(81), 40, 2, 3)
MODEL = process_model("diag", DirichletProcess(Gamma(2.0, 1.0)))


def fitted(rows: np.ndarray = ROWS, how: Any = None, **more: Any) -> Fit:
    return run(MODEL, rows, how or method(), **{"engine": NATIVE, **more})


def kept_of(fit: Fit) -> KeptPartitions:
    kept = draws_of(fit).partitions
    assert kept is not None
    return kept


def sampler(n_draws: int, most_labels: int) -> PartitionSampler:
    partitions, clusters = MODEL.weight_prior.partitions(2), MODEL.cluster_steps
    assert partitions is not None
    assert clusters is not None
    given = (NATIVE, ChainPlan(n_draws, 3, 2), partitions, clusters, 2)
    return PartitionSampler(MODEL, ArrayRows(ROWS), *given, most_labels=most_labels)


def test_the_partitions_are_those_of_the_chains() -> None:
    """One sweep at a time: the labels at which the chain stands after each kept draw."""
    one = sampler(6, 10_000)
    state = one.begin_at(np.arange(40) % 3, np.random.SeedSequence(5))
    seen = []
    for sweep in range(15):
        state = one.advance(state, 1)
        if one.plan.kept_before(sweep + 1) > one.plan.kept_before(sweep):
            seen.append(state.labels)
    past = joined(state.past)
    np.testing.assert_array_equal(past.labels, seen)
    np.testing.assert_array_equal(past.steps, np.arange(6))
    np.testing.assert_array_equal(past.occupied, occupied_components(np.array(seen)))
    assert past.labels.dtype == np.uint8


@pytest.mark.parametrize("most", [40, 100, 170, 10_000])
@pytest.mark.parametrize("pieces", [(1,) * 23, (23,), (4, 11, 8)])
def test_partitions_are_thinned_alike_however_a_chain_is_cut(
    most: int, pieces: tuple[int, ...]
) -> None:
    one = sampler(10, most)
    state = one.begin_at(np.arange(40) % 3, np.random.SeedSequence(5))
    whole = joined(one.advance(state, 23).past)
    for size in pieces:
        state = one.advance(state, size)
    found = joined(state.past)
    np.testing.assert_array_equal(found.steps, whole.steps)
    np.testing.assert_array_equal(found.labels, whole.labels)
    assert found.labels.size <= most
    assert np.unique(np.diff(found.steps)).size <= 1
    assert found.steps[0] == 0
    assert found.occupied.size == 10


def test_rows_without_room_leave_the_numbers_of_groups() -> None:
    one = sampler(5, 39)
    state = one.advance(one.begin_at(np.arange(40) % 3, np.random.SeedSequence(5)), 13)
    past = joined(state.past)
    assert past.labels.shape == (0, 40)
    assert past.occupied.shape == (5,)


@pytest.mark.parametrize("n_draws", [1, 7, 1000, 4097])
@pytest.mark.parametrize("n_rows", [1, 10, 999])
def test_spacing_keeps_as_much_as_there_is_room_for(n_rows: int, n_draws: int) -> None:
    every = spacing(n_rows, n_draws, 1000)
    assert -(-n_draws // every) * n_rows <= 1000
    assert every == 1 or -(-n_draws // (every // 2)) * n_rows > 1000
    assert spacing(1001, n_draws, 1000) == 0


# ------------------------------------------------------------------------- which rows are whose


def test_rows_are_found_in_any_order_and_in_parts() -> None:
    fit = fitted()
    posterior, kept = draws_of(fit), kept_of(fit)
    everything = posterior.allocations(ArrayRows(ROWS), NATIVE)
    order = np.random.default_rng(0).permutation(40)
    for some in (order, order[:7], np.array([3])):
        found = posterior.allocations(ArrayRows(ROWS[some]), NATIVE)
        np.testing.assert_array_equal(found, everything[:, :, some])
    single = posterior.allocations(ArrayRows(ROWS.astype(np.float64)), NATIVE)
    np.testing.assert_array_equal(single, everything)
    together = everything[:, :, :, None] == everything[:, :, None, :]
    own = kept.labels[:, :, :, None] == kept.labels[:, :, None, :]
    np.testing.assert_array_equal(together, own)


def test_components_of_rows_are_those_whose_moments_they_have() -> None:
    """Far groups: the drawn mean of a row's component lies near the row, in every draw."""
    centres = 100.0 * np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    rows = np.repeat(centres, 9, axis=0) + np.random.default_rng(1).standard_normal((27, 2))
    prior: Any = replace(MODEL.component_prior, mean=0.0, shrinkage=1e-4)
    fit = run(replace(MODEL, component_prior=prior), rows, method(warmup=60), engine=NATIVE)
    posterior = draws_of(fit)
    found = posterior.allocations(ArrayRows(rows), NATIVE)
    means = np.take_along_axis(posterior.means, found[..., None], axis=2)
    assert np.abs(means - rows).max() < 60.0


def test_equal_rows_are_told_apart_by_their_order() -> None:
    rows = np.repeat(ROWS[:8], 3, axis=0)
    kept = kept_of(fitted(rows))
    np.testing.assert_array_equal(kept.places(fingerprints(rows)), np.arange(24))
    np.testing.assert_array_equal(kept.places(fingerprints(rows[:4])), np.arange(4))
    more = np.vstack([rows[:3], rows[:1]])
    np.testing.assert_array_equal(kept.places(fingerprints(more)), [0, 1, 2, -1])


def test_other_rows_are_drawn_given_the_parameters() -> None:
    fit = fitted()
    posterior = draws_of(fit)
    new = ROWS[:5] + 0.01
    bare = replace(posterior, partitions=None)
    found = posterior.allocations(ArrayRows(new), NATIVE)
    np.testing.assert_array_equal(found, bare.allocations(ArrayRows(new), NATIVE))
    both = posterior.allocations(ArrayRows(np.vstack([new, ROWS])), NATIVE)
    own = posterior.allocations(ArrayRows(ROWS), NATIVE)
    np.testing.assert_array_equal(both[:, :, 5:], own)
    assert posterior.occupied(ArrayRows(new)) is None


def test_assignments_are_drawn_from_the_partitions() -> None:
    """Each draw of the components of fitted rows is one of the partitions, others are beside it."""
    posterior = draws_of(fitted())
    both = ArrayRows(np.vstack([ROWS, ROWS[:3] + 0.01]))
    drawn = posterior.sample_assignments(both, NATIVE, 50, 4)
    every = posterior.allocations(ArrayRows(ROWS), NATIVE).reshape(-1, 40)
    same = (drawn[:, None, :40] == every).all(axis=2)
    assert same.any(axis=1).all()
    assert same.any(axis=0).sum() > 10
    assert drawn.shape == (50, 43)
    assert 0 <= drawn.min() <= drawn.max() < posterior.model.n_components
    again = posterior.sample_assignments(both, NATIVE, 50, 4)
    np.testing.assert_array_equal(again, drawn)


def test_fingerprints_know_values_and_places() -> None:
    rows = np.random.default_rng(3).integers(0, 4, (3000, 3)).astype(float)
    _, expected = np.unique(rows, axis=0, return_inverse=True)
    marks = fingerprints(rows)
    _, found = np.unique(marks, return_inverse=True)
    assert np.unique(np.stack([expected.ravel(), found.ravel()]), axis=1).shape[1] == 64
    np.testing.assert_array_equal(fingerprints(-0.0 * rows), fingerprints(0.0 * rows))
    np.testing.assert_array_equal(fingerprints(rows.astype(np.float32)), marks)
    assert (fingerprints(rows[:, ::-1]) != marks)[rows[:, 0] != rows[:, 2]].all()


def test_weights_stand_for_rows() -> None:
    """Rows of weight zero were not fitted, others by the first of their copies."""
    times = np.arange(40) % 3
    fit = fitted(start="quantile", weights=times.astype(float))
    plain = fitted(np.repeat(ROWS, times, axis=0), start="quantile")
    kept, repeated = kept_of(fit), kept_of(plain)
    first = (np.cumsum(times) - times)[times > 0]
    np.testing.assert_array_equal(kept.labels, repeated.labels[:, :, first])
    np.testing.assert_array_equal(kept.occupied, repeated.occupied)
    weighed = ArrayRows(ROWS, times.astype(float))
    np.testing.assert_array_equal(
        occupied(fit.posterior, weighed, NATIVE), repeated.occupied.astype(int)
    )
    found = allocations(draws_of(fit), ArrayRows(ROWS), NATIVE)
    assert found.shape == (2, 12, 40)


def test_thinned_draws_keep_their_partitions() -> None:
    fit = fitted()
    posterior, kept = draws_of(fit), kept_of(fit)
    few = posterior.thinned(8)
    assert few.partitions is not None
    at = posterior.kept(8)
    np.testing.assert_array_equal(few.partitions.labels, kept.labels[:, at])
    np.testing.assert_array_equal(few.partitions.occupied, kept.occupied[:, at])
    np.testing.assert_array_equal(
        few.allocations(ArrayRows(ROWS), NATIVE),
        posterior.allocations(ArrayRows(ROWS), NATIVE)[:, at],
    )
    sparse = replace(posterior, partitions=kept.thinned(np.arange(12)))
    assert sparse.allocations(ArrayRows(ROWS), NATIVE, 6).shape == (2, 3, 40)
    half = replace(kept, steps=kept.steps[::2], labels=kept.labels[:, ::2])
    rare = replace(posterior, partitions=half)
    np.testing.assert_array_equal(
        rare.allocations(ArrayRows(ROWS), NATIVE),
        posterior.allocations(ArrayRows(ROWS), NATIVE)[:, ::2],
    )


def test_as_few_bytes_as_hold_the_largest() -> None:
    for largest, width in ((0, 1), (255, 1), (256, 2), (65_536, 4)):
        found = narrowed(np.array([0, largest]))
        assert found.itemsize == width
        assert found.tolist() == [0, largest]


# --------------------------------------------------------------------------------- files


def stored(fit: Fit) -> StoredFit:
    return StoredFit(fit, "diag", False, ())


def test_model_files_keep_the_partitions(tmp_path: Path) -> None:
    fit, path = fitted(), tmp_path / "fit.mixtura"
    save_fit(stored(fit), path, overwrite=False)
    loaded = load_fit(path).fit
    kept, found = kept_of(fit), kept_of(loaded)
    for name in PARTITIONS:
        np.testing.assert_array_equal(getattr(found, name), getattr(kept, name))
        assert getattr(found, name).dtype == getattr(kept, name).dtype


def without_partitions(path: Path) -> None:
    """Make a file what it was before partitions were kept."""
    header, arrays = read_archive(path, "file")
    old = {name: part for name, part in arrays.items() if not name.startswith("partition_")}
    assert len(old) < len(arrays)
    write_archive(path, header, old, overwrite=True)


def test_model_files_without_partitions_are_read(tmp_path: Path) -> None:
    fit, path = fitted(), tmp_path / "fit.mixtura"
    save_fit(stored(fit), path, overwrite=False)
    without_partitions(path)
    posterior = draws_of(load_fit(path).fit)
    assert posterior.partitions is None
    np.testing.assert_array_equal(posterior.weights, draws_of(fit).weights)
    assert allocations(posterior, ArrayRows(ROWS), NATIVE).shape == (2, 12, 40)


def stop(done: int, total: int) -> None:
    if done >= 16:
        raise KeyboardInterrupt


def test_checkpoints_without_partitions_are_gone_on_with(tmp_path: Path) -> None:
    whole, path = fitted(), tmp_path / "chains"
    fitted(how=method(path, checkpoint_sweeps=4, progress=stop))
    without_partitions(path)
    found = fitted(how=method(path))
    kept, late = kept_of(whole), kept_of(found)
    np.testing.assert_array_equal(draws_of(found).log_joint, draws_of(whole).log_joint)
    np.testing.assert_array_equal(late.occupied, kept.occupied)
    assert 0 < late.steps.size < 12
    np.testing.assert_array_equal(late.labels, kept.labels[:, late.steps])


def test_checkpoints_keep_the_partitions(tmp_path: Path) -> None:
    whole, path = fitted(), tmp_path / "chains"
    fitted(how=method(path, checkpoint_sweeps=4, progress=stop))
    found = fitted(how=method(path))
    assert_same_fit(found, whole)
    for name in PARTITIONS:
        np.testing.assert_array_equal(getattr(kept_of(found), name), getattr(kept_of(whole), name))


BREAKS: dict[str, Any] = {
    "rows": lambda arrays: arrays.update(partition_rows=arrays["partition_rows"][:-1]),
    "labels": lambda arrays: arrays["partition_labels"].fill(200),
    "signs": lambda arrays: arrays.update(
        partition_labels=arrays["partition_labels"].astype(np.int64)
    ),
    "steps": lambda arrays: arrays["partition_steps"].__setitem__(0, 12),
    "order": lambda arrays: arrays["partition_steps"].fill(1),
    "numbers": lambda arrays: arrays["partition_occupied"].fill(0),
    "missing": lambda arrays: arrays.pop("partition_occupied"),
}


@pytest.mark.parametrize("break_it", BREAKS.values(), ids=BREAKS)
def test_partitions_that_are_none_are_refused(break_it: Any, tmp_path: Path) -> None:
    path = tmp_path / "fit.mixtura"
    save_fit(stored(fitted()), path, overwrite=False)
    header, arrays = read_archive(path, "file")
    arrays = {name: part.copy() for name, part in arrays.items()}
    break_it(arrays)
    write_archive(path, header, arrays, overwrite=True)
    with pytest.raises(ModelFileError):
        load_fit(path)


CHECKPOINT_BREAKS: dict[str, Any] = {
    "rows": lambda arrays: arrays.update(partition_labels=arrays["partition_labels"][..., :-1]),
    "labels": lambda arrays: arrays["partition_labels"].fill(200),
    "draws": lambda arrays: arrays["partition_steps"].fill(40),
    "chains": lambda arrays: arrays["partition_steps"].__setitem__((0, 0), 1),
    "missing": lambda arrays: arrays.pop("partition_steps"),
}


@pytest.mark.parametrize("break_it", CHECKPOINT_BREAKS.values(), ids=CHECKPOINT_BREAKS)
def test_chains_with_other_partitions_are_refused(break_it: Any, tmp_path: Path) -> None:
    path = tmp_path / "chains"
    fitted(how=method(path, checkpoint_sweeps=4, progress=stop))
    header, arrays = read_archive(path, "checkpoint")
    arrays = {name: part.copy() for name, part in arrays.items()}
    break_it(arrays)
    write_archive(path, header, arrays, overwrite=True)
    with pytest.raises(ModelFileError, match="chains of this fit"):
        fitted(how=method(path))


def test_labels_are_numbered_by_first_rows() -> None:
    kept = kept_of(fitted())
    for chain in kept.labels.astype(np.intp)[:, :, order_of(ROWS)]:  # as chains have the rows
        np.testing.assert_array_equal(chain, canonical_labels(chain))
