"""A fit that was cut off goes on to the same bits, wherever it was cut."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import mixtura
from mixtura.data import memory
from mixtura.errors import ModelFileError
from mixtura.inference.sweep_journal import SweepJournal
from mixtura.messages.statistics import SufficientStatistics

pytestmark = pytest.mark.filterwarnings("ignore::mixtura.errors.MixturaWarning")

N_ROWS, N_FEATURES, N_COMPONENTS = 14_000, 20, 4


class CutOffError(Exception):
    """What stands for a kill."""


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut rows into tiles of 65,536 numbers."""
    monkeypatch.setattr(memory, "TILE_BLOCKS", 1)


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    rng = np.random.default_rng(0)
    means = 0.8 * rng.standard_normal((N_COMPONENTS, N_FEATURES))
    return means[rng.integers(N_COMPONENTS, size=N_ROWS)] + rng.standard_normal(
        (N_ROWS, N_FEATURES)
    )


def model_bytes(gmm: mixtura.GaussianMixtureModel, folder: Path) -> bytes:
    gmm.fit_ = replace(gmm.fit_, seconds=0.0)
    gmm.save(folder / "model", overwrite=True)
    return (folder / "model").read_bytes()


def cut_after(n_sweeps: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let a fit end after so many sweeps, in the middle of writing what the last one found."""
    keep: Callable[..., None] = SweepJournal.keep
    count = [0]

    def cut(self: SweepJournal, key: bytes, found: SufficientStatistics) -> None:
        keep(self, key, found)
        count[0] += 1
        if count[0] == n_sweeps:
            path = self._path
            path.write_bytes(path.read_bytes()[:-7])
            raise CutOffError

    monkeypatch.setattr(SweepJournal, "keep", cut)
    return count


@pytest.mark.parametrize("method", [mixtura.MAP, mixtura.ML, mixtura.VB])
def test_where_a_fit_is_cut_off_does_not_show(
    method: type, rows: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fitted(source: object, **options: object) -> bytes:
        gmm = mixtura.GaussianMixtureModel(
            N_COMPONENTS, covariance_type="diag", inference=method(**options), max_iter=12
        )
        return model_bytes(gmm.fit(source), tmp_path)

    expected, path = fitted(rows), tmp_path / "sweeps"
    np.save(tmp_path / "rows.npy", rows)
    scan = mixtura.scan(tmp_path / "rows.npy", memory=100_000)
    n_cuts = 0
    for n_sweeps, source in ((1, rows), (2, scan), (3, rows), (4, scan), (1000, scan)):
        with monkeypatch.context() as patched:
            count = cut_after(n_sweeps, patched)
            try:
                found = fitted(source, checkpoint=path)
            except CutOffError:
                assert path.exists()
                n_cuts += 1
                continue
        assert found == expected
        assert count[0] > 0
        break
    assert n_cuts >= 2
    assert not path.exists()


def test_what_was_swept_is_not_swept_again(
    rows: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "sweeps"
    method = mixtura.MAP(checkpoint=path, keep_checkpoint=True)
    gmm = mixtura.GaussianMixtureModel(
        N_COMPONENTS, covariance_type="diag", inference=method, max_iter=6
    )
    first = gmm.fit(rows).objective_
    size = path.stat().st_size
    count = cut_after(1000, monkeypatch)
    assert gmm.fit(rows).objective_ == first
    assert count == [0]
    assert path.stat().st_size == size
    # Statistics of a diagonal family are K (1 + 3 D) numbers, with their pivots, and the data term.
    n_sweeps = len(SweepJournal(path)._known)
    assert size < 60 + n_sweeps * (8 * (1 + N_COMPONENTS * (1 + 3 * N_FEATURES)) + 300)
    gmm.fit(rows[::-1].copy())
    assert count[0] > 0


def test_other_files_are_refused(rows: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "sweeps"
    path.write_text("something else")
    gmm = mixtura.GaussianMixtureModel(2, inference=mixtura.MAP(checkpoint=path))
    with pytest.raises(ModelFileError, match="is not a checkpoint of sweeps"):
        gmm.fit(rows)
    assert path.read_text() == "something else"
    path.write_text("")
    with pytest.raises(ModelFileError, match="is empty, no checkpoint: delete it"):
        gmm.fit(rows)
    assert path.exists()
