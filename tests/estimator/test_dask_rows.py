"""Rows of Dask collections: the same bytes for any number of workers, and after kills."""

import pickle
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixtura
from mixtura.data import memory
from mixtura.errors import DataError, InvalidArgumentError

dask = pytest.importorskip("dask", reason="Dask is not installed: pip install mixtura[dask]")
distributed = pytest.importorskip("distributed", reason="needs mixtura[dask]")
da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")

pytestmark = pytest.mark.filterwarnings("ignore")

N_ROWS, N_FEATURES, N_COMPONENTS = 60_000, 5, 4
CUTS = (10_000, 25_000, 5_000, 20_000)


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    rng = np.random.default_rng(0)
    means = 3.0 * rng.standard_normal((N_COMPONENTS, N_FEATURES))
    return means[rng.integers(N_COMPONENTS, size=N_ROWS)] + rng.standard_normal(
        (N_ROWS, N_FEATURES)
    )


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with (
        distributed.LocalCluster(
            n_workers=3, threads_per_worker=1, processes=False, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def model(inference: str = "map") -> mixtura.GaussianMixtureModel:
    return mixtura.GaussianMixtureModel(N_COMPONENTS, inference=inference)


def model_bytes(gmm: mixtura.GaussianMixtureModel, folder: Path) -> bytes:
    gmm.fit_ = replace(gmm.fit_, seconds=0.0)
    gmm.save(folder / "model", overwrite=True)
    return (folder / "model").read_bytes()


def test_without_a_client_the_local_scheduler_sweeps(rows: np.ndarray) -> None:
    collection = da.from_array(rows, chunks=(CUTS, 5))
    found = model().fit(collection).objective_
    assert found == pytest.approx(model().fit(rows).objective_, rel=1e-9)


def test_workers_do_not_show_and_a_scan_cut_alike_gives_the_same_bytes(
    rows: np.ndarray, tmp_path: Path, client: Any
) -> None:
    np.save(tmp_path / "rows.npy", rows)
    scan = mixtura.scan(tmp_path / "rows.npy", cuts=CUTS)
    collection = da.from_array(rows, chunks=(CUTS, 2))
    for inference in ("map", "vb"):
        expected = model_bytes(model(inference).fit(scan), tmp_path)
        assert model_bytes(model(inference).fit(collection), tmp_path) == expected
    whole = model().fit(rows).objective_
    assert model().fit(scan).objective_ == pytest.approx(whole, rel=1e-9)


def test_frames_stay_where_they_are_and_predictions_too(rows: np.ndarray, client: Any) -> None:
    frame = pd.DataFrame(rows, columns=list("abcde"))
    frame.iloc[::7, 1] = np.nan
    collection = dd.from_pandas(frame, npartitions=3)
    gmm = model().fit(collection)
    assert list(gmm.feature_names_in_) == list("abcde")
    assert gmm.fit_.unobserved.n_missing == len(frame.iloc[::7])
    assert gmm.objective_ == pytest.approx(model().fit(frame).objective_, rel=1e-9)
    found = gmm.predict(collection)
    assert found.npartitions == 3
    np.testing.assert_array_equal(found.compute(), gmm.predict(frame))
    shares = gmm.predict_proba(collection[list("edcba")])
    np.testing.assert_allclose(shares.compute(), gmm.predict_proba(frame), rtol=1e-9, atol=1e-14)
    array = da.from_array(rows, chunks=(CUTS, 5))
    gmm = model().fit(array)
    assert gmm.predict(array).chunks == (CUTS,)
    np.testing.assert_array_equal(gmm.predict(array).compute(), gmm.predict(rows))
    assert gmm.predict_proba(array).compute().shape == (N_ROWS, N_COMPONENTS)
    assert gmm.bic(array) == pytest.approx(gmm.bic(rows), rel=1e-12)


def test_weights_come_in_the_same_partitions(rows: np.ndarray) -> None:
    weights = np.random.default_rng(1).uniform(0.5, 2.0, N_ROWS)
    collection = da.from_array(rows, chunks=(CUTS, 5))
    found = model().fit(collection, sample_weight=da.from_array(weights, chunks=(CUTS,)))
    expected = model().fit(rows, sample_weight=weights)
    assert found.objective_ == pytest.approx(expected.objective_, rel=1e-9)
    with pytest.raises(InvalidArgumentError, match="sample_weight has 1 partitions where X has 4"):
        model().fit(collection, sample_weight=da.from_array(weights, chunks=-1))
    with pytest.raises(InvalidArgumentError, match="labels must be a Dask Series or array"):
        model().fit(collection, labels=np.zeros(N_ROWS))


@pytest.fixture(scope="module")
def described(rows: np.ndarray) -> pd.DataFrame:
    """Return rows with labels of some, errors, weights and groups that end where parts do."""
    rng = np.random.default_rng(3)
    own = mixtura.GaussianMixtureModel(N_COMPONENTS).fit(rows).labels_
    quarters = np.arange(N_ROWS) * 4 // N_ROWS
    order = np.lexsort((own, quarters))
    frame, own = pd.DataFrame(rows[order], columns=list("abcde")), own[order]
    frame["word"] = np.array(["far", "near", None, None], dtype=object)[own]
    frame.loc[rng.random(N_ROWS) < 0.9, "word"] = None
    frame["error"] = rng.uniform(0.0, 0.5, N_ROWS)
    frame["weight"] = rng.uniform(0.5, 2.0, N_ROWS)
    frame["group"] = np.arange(N_ROWS) // 5
    frame.loc[::3, "group"] = -1
    frame.iloc[::17, 1] = np.nan
    return frame


@pytest.mark.parametrize(
    "given",
    [
        {"labels": "word"},
        {"labels": "word", "measurement_error": {"c": "error"}, "sample_weight": "weight"},
        {"groups": "group"},
    ],
    ids=["labels", "errors", "groups"],
)
def test_what_is_known_of_rows_gives_the_bytes_of_a_scan_cut_alike(
    given: dict[str, Any], described: pd.DataFrame, tmp_path: Path, client: Any
) -> None:
    names = {"sample_weight": "weights", "measurement_error": "errors"}
    of_scan = {names.get(name, name): column for name, column in given.items()}
    some = described if "groups" not in given else described.drop(columns="b")
    some = some[::6] if "measurement_error" in given else some
    frame = some[[*(c for c in "abcde" if c in some), *_columns(given)]]
    frame.to_parquet(tmp_path / "rows.parquet")
    data = [name for name in "abcde" if name in frame]
    collection = dd.from_pandas(frame, npartitions=4)
    cuts = collection.map_partitions(len).compute().tolist()
    scan = mixtura.scan(tmp_path / "rows.parquet", columns=data, cuts=cuts, **of_scan)
    expected = model().fit(scan)
    found = model().fit(collection, **given)
    assert model_bytes(found, tmp_path) == model_bytes(expected, tmp_path)
    scan = mixtura.scan(
        tmp_path / "rows.parquet", columns=data, cuts=cuts, cluster=client, **of_scan
    )
    assert model_bytes(model().fit(scan), tmp_path) == model_bytes(expected, tmp_path)
    # Sums of weights differ in their last digits, and with them the cells of the incomplete rows
    # that are filled in for a start and the default prior, and which of them their sample has.
    beside = {name: _of_array(frame, column) for name, column in given.items()}
    whole = model().fit(frame[data], **beside)
    rel = 1e-5 if "sample_weight" in given else 1e-9
    assert found.objective_ == pytest.approx(whole.objective_, rel=rel)
    if "labels" in given:
        assert found.fit_.classes.names == ("far", "near")


def _columns(given: dict[str, Any]) -> list[str]:
    return list(
        dict.fromkeys(
            name
            for one in given.values()
            for name in (one.values() if isinstance(one, dict) else [one])
        )
    )


def _of_array(frame: pd.DataFrame, column: Any) -> Any:
    if not isinstance(column, dict):
        return frame[column].to_numpy()
    errors = pd.DataFrame(0.0, frame.index, list("abcde"))
    return errors.assign(**{of: frame[error] for of, error in column.items()})


def test_labels_come_as_collections_and_groups_in_one_partition(
    rows: np.ndarray, described: pd.DataFrame, client: Any
) -> None:
    collection = da.from_array(rows, chunks=(CUTS, 5))
    labels = mixtura.GaussianMixtureModel(N_COMPONENTS).fit(rows).labels_
    labels = np.where(np.arange(N_ROWS) % 2 == 0, -1, labels)
    found = model().fit(collection, labels=da.from_array(labels, chunks=(CUTS,)))
    expected = model().fit(rows, labels=labels)
    assert found.objective_ == pytest.approx(expected.objective_, rel=1e-9)
    with pytest.raises(InvalidArgumentError, match="rows of '0' lie in several"):
        model().fit(collection, groups=da.from_array(np.arange(N_ROWS) % 5_000, chunks=(CUTS,)))
    with pytest.raises(InvalidArgumentError, match="labels names a column 'z' that X has not"):
        model().fit(dd.from_pandas(described, npartitions=2), labels="z")


def test_a_partition_that_is_computed_otherwise_is_refused(rows: np.ndarray) -> None:
    from mixtura.engines.distributed.placed_rows import Partition, PartitionPlace, on_partition

    part = Partition(rows[:100].copy(), None, 0)
    place = PartitionPlace(3, 0, N_ROWS, part.checksum, False)
    assert on_partition(part, place, lambda tile: tile.stop) == 100
    turned = Partition(rows[99::-1].copy(), None, 0)
    with pytest.raises(DataError, match="partition 3 of the collection has other rows, or another"):
        on_partition(turned, place, lambda tile: tile.stop)


def test_columns_of_words_and_lost_workers_are_one_error(rows: np.ndarray) -> None:
    frame = pd.DataFrame({"a": rows[:100, 0], "b": ["x"] * 100})
    with pytest.raises(DataError, match="column 'b' is not numeric"):
        model().fit(dd.from_pandas(frame, npartitions=2))

    def broken(block: np.ndarray) -> np.ndarray:
        raise OSError("the disk is gone")

    array = da.from_array(rows, chunks=(CUTS, 5)).map_blocks(broken, dtype=float)
    with pytest.raises(DataError, match="the disk is gone"):
        model().fit(array)


def test_payloads_are_as_small_as_their_sums(rows: np.ndarray) -> None:
    from mixtura.data import ArrayRows, Tile
    from mixtura.engines import best_engine
    from mixtura.engines.tile_sweeps import _packed, _swept, unpacked
    from mixtura.messages.assignments import Soft
    from mixtura.messages.potentials import Potentials

    K, D = 20, 50
    values = np.random.default_rng(0).standard_normal((500, D))
    potentials = Potentials(
        np.zeros(K), np.zeros(K), values[:K], np.broadcast_to(np.eye(D), (K, D, D)).copy()
    )
    sweep = partial(_swept, best_engine(1), potentials, Soft())
    tile = Tile(0, 0, ArrayRows(values))
    packed, found = _packed(sweep, tile), sweep(tile)
    again = unpacked(packed, potentials)
    for name in ("count", "first", "second", "pivot", "log_normalizer"):
        np.testing.assert_array_equal(getattr(again, name), getattr(found, name))
    # Count, first moments and one triangle of each component, and less than a KB beside them.
    assert len(pickle.dumps(packed, protocol=5)) < 8 * K * (1 + D + D * (D + 1) // 2) + 1000


def test_workers_that_read_a_scan_give_the_bytes_of_this_process(
    rows: np.ndarray, tmp_path: Path, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "TILE_BLOCKS", 1)
    frame = pd.DataFrame(rows, columns=list("abcde")).assign(weight=np.linspace(0.5, 2.0, N_ROWS))
    frame.iloc[::9, 2] = np.nan
    frame.to_parquet(tmp_path / "rows.parquet", row_group_size=7_000)
    given = {"columns": list("abcde"), "weights": "weight"}
    expected = model_bytes(
        model().fit(mixtura.scan(tmp_path / "rows.parquet", memory=1, **given)), tmp_path
    )
    scan = mixtura.scan(tmp_path / "rows.parquet", cluster=client, **given)
    assert model_bytes(model().fit(scan), tmp_path) == expected
    frame.to_csv(tmp_path / "rows.csv", index=False)
    scan = mixtura.scan(tmp_path / "rows.csv", cluster=client, **given)
    gmm = model().fit(scan)
    assert model_bytes(gmm, tmp_path) == expected
    assert pd.read_parquet(gmm.predict(scan, to=tmp_path / "out.parquet")).shape == (N_ROWS, 2)


def test_large_potentials_go_to_each_worker_once(
    rows: np.ndarray, client: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from mixtura.engines.distributed import dask_rows

    collection = da.from_array(rows[:8_000], chunks=(2_000, 5))
    gmm = mixtura.GaussianMixtureModel(2, max_iter=2)
    expected = model_bytes(gmm.fit(collection), tmp_path)
    sent, scatter = [], client.scatter
    monkeypatch.setattr(dask_rows, "SCATTERED", 1)
    monkeypatch.setattr(client, "scatter", lambda *a, **b: sent.append(1) or scatter(*a, **b))
    monkeypatch.setattr(dask_rows, "client_that_is_there", lambda: client)
    assert model_bytes(gmm.fit(collection), tmp_path) == expected
    assert sent
