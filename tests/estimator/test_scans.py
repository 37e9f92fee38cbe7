"""Rows of a scan: the same bytes as those of an array, wherever they lie."""

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

import mixtura
from mixtura import GaussianMixtureModel
from mixtura.data import delimited, memory, scan_text
from mixtura.data.memory_limits import memory_limit
from mixtura.data.streamed_rows import StreamedRows
from mixtura.data.table_scans import TableScan
from mixtura.engines import tile_sweeps
from mixtura.errors import InvalidArgumentError
from mixtura.estimator import scanned_rows

N_ROWS, N_FEATURES, N_COMPONENTS = 70_000, 4, 6
NAMES = list("abcd")

pytestmark = pytest.mark.filterwarnings("ignore::mixtura.errors.MixturaWarning")

LITTLE = 100_000
"""Bytes of memory that hold hardly a tile."""


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut rows into tiles of 65,536 numbers, of which there are five here."""
    monkeypatch.setattr(memory, "TILE_BLOCKS", 1)


def rows_of(seed: int, n_rows: int = N_ROWS) -> np.ndarray:
    rng = np.random.default_rng(seed)
    means = 4.0 * rng.standard_normal((N_COMPONENTS, N_FEATURES))
    return means[rng.integers(N_COMPONENTS, size=n_rows)] + rng.standard_normal(
        (n_rows, N_FEATURES)
    )


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return pd.DataFrame(rows_of(1), columns=NAMES)


def model_bytes(gmm: mixtura.GaussianMixtureModel, folder: Path) -> bytes:
    """Return the model file, but for how long the fit took."""
    gmm.fit_ = replace(gmm.fit_, seconds=0.0)
    gmm.save(folder / "model", overwrite=True)
    return (folder / "model").read_bytes()


def model(inference: object = "map", **given: object) -> mixtura.GaussianMixtureModel:
    return mixtura.GaussianMixtureModel(N_COMPONENTS, inference=inference, random_state=0, **given)


def is_streamed(scan: TableScan) -> bool:
    return isinstance(scan.opened(to_fit=True).rows, StreamedRows)


def test_formats_parts_and_memory_do_not_show_in_the_model_file(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    expected = model_bytes(model().fit(frame), tmp_path)
    table = pa.table(frame)
    for n_groups in (1, 7):
        pq.write_table(
            table, tmp_path / f"{n_groups}.parquet", row_group_size=-(-N_ROWS // n_groups)
        )
    frame.to_csv(tmp_path / "rows.csv", index=False)
    frame.to_feather(tmp_path / "rows.arrow")
    (tmp_path / "parts").mkdir()
    for number, start in enumerate((0, 10_001, 10_001, 30_000)):
        stop = (10_001, 10_001, 30_000, N_ROWS)[number]
        pq.write_table(table.slice(start, stop - start), tmp_path / f"parts/{number}.parquet")
    sources = [
        (tmp_path / "1.parquet", 300_000),
        (tmp_path / "7.parquet", LITTLE),
        (tmp_path / "rows.csv", LITTLE),
        (tmp_path / "rows.arrow", "1.2 MB"),
        (tmp_path / "parts", LITTLE),
        (pl.scan_parquet(tmp_path / "7.parquet"), LITTLE),
    ]
    for source, limit in sources:
        scan = mixtura.scan(source, memory=limit)
        assert is_streamed(scan)
        assert model_bytes(model().fit(scan), tmp_path) == expected, source


@pytest.mark.parametrize("inference", ["vb", "ml"])
def test_methods_give_the_same_bytes_of_a_scan(
    inference: str, frame: pd.DataFrame, tmp_path: Path
) -> None:
    pq.write_table(pa.table(frame), tmp_path / "rows.parquet", row_group_size=9_999)
    scan = mixtura.scan(tmp_path / "rows.parquet", memory=LITTLE)
    found = model_bytes(model(inference, n_jobs=2).fit(scan), tmp_path)
    assert found == model_bytes(model(inference, n_jobs=2).fit(frame), tmp_path)


def test_gibbs_sweeps_of_a_scan_draw_what_those_of_an_array_do(tmp_path: Path) -> None:
    values = rows_of(2)
    np.save(tmp_path / "rows.npy", values)
    method = mixtura.Gibbs(chains=1, draws=4, warmup=4)
    scan = mixtura.scan(tmp_path / "rows.npy", memory=LITTLE)
    found = model_bytes(model(method).fit(scan), tmp_path)
    assert found == model_bytes(model(method).fit(values), tmp_path)


def test_arrays_of_files_are_scanned_in_their_own_precision(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    values = rows_of(3).astype(np.float32)
    expected = model_bytes(model().fit(values), tmp_path)
    with h5py.File(tmp_path / "rows.h5", "w") as file:
        file.create_dataset("rows", data=values, chunks=(1_000, 4))
        scan = mixtura.scan(file["rows"], memory=LITTLE)
        assert is_streamed(scan)
        assert model_bytes(model().fit(scan), tmp_path) == expected
    mapped = np.memmap(tmp_path / "raw", np.float32, "w+", shape=values.shape)
    mapped[:] = values
    assert model_bytes(model().fit(mixtura.scan(mapped, memory=LITTLE)), tmp_path) == expected


def observed(n_rows: int = 40_000) -> pd.DataFrame:
    """Return rows with missing cells, weights and errors; some have no cell at all."""
    rng = np.random.default_rng(5)
    values = rows_of(4, n_rows)
    values[rng.random(values.shape) < 0.1] = np.nan
    values[rng.random(n_rows) < 0.01] = np.nan
    frame = pd.DataFrame(values, columns=NAMES)
    frame["weight"] = rng.uniform(0.5, 2.0, n_rows)
    frame["a_error"] = rng.uniform(0.1, 0.5, n_rows)
    return frame


@pytest.mark.parametrize("what", ["missing", "errors", "background"])
def test_what_was_observed_of_rows_gives_the_same_bytes(what: str, tmp_path: Path) -> None:
    frame = observed()
    pq.write_table(pa.table(frame), tmp_path / "rows.parquet", row_group_size=7_000)
    errors = {"a": "a_error"} if what == "errors" else None
    background = "uniform" if what == "background" else None
    scan = mixtura.scan(
        tmp_path / "rows.parquet", NAMES, weights="weight", errors=errors, memory=LITTLE
    )
    given = {"sample_weight": frame["weight"]}
    if errors:
        deviations = np.zeros((len(frame), N_FEATURES))
        deviations[:, 0] = frame["a_error"]
        given["measurement_error"] = deviations
    gmm = model(background=background, max_iter=3)
    other = model(background=background, max_iter=3)
    gmm.fit(frame[NAMES], **given)
    other.fit(scan)
    assert is_streamed(scan)
    assert gmm.fit_.unobserved.n_blank > 0
    assert model_bytes(other, tmp_path) == model_bytes(gmm, tmp_path)


def test_answers_about_a_scan_are_those_about_its_rows(tmp_path: Path) -> None:
    frame = observed(20_000)[NAMES]
    pq.write_table(pa.table(frame), tmp_path / "rows.parquet", row_group_size=3_000)
    gmm = model().fit(frame)
    scan = mixtura.scan(tmp_path / "rows.parquet", ["d", "c", "b", "a"], memory=LITTLE)
    assert is_streamed(scan)
    np.testing.assert_array_equal(gmm.predict(scan), gmm.predict(frame))
    shares = gmm.predict_proba(frame)
    np.testing.assert_allclose(gmm.predict_proba(scan), shares, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(gmm.score_samples(scan), gmm.score_samples(frame), rtol=1e-12)
    for name in ("score", "bic", "aic", "icl"):
        ask = getattr(gmm, name)
        assert ask(scan) == pytest.approx(ask(frame), rel=1e-12)
    np.testing.assert_allclose(gmm.impute(scan), gmm.impute(frame), rtol=1e-9)


def test_predictions_are_written_piece_by_piece(tmp_path: Path) -> None:
    frame = observed(20_000)[NAMES]
    pq.write_table(pa.table(frame), tmp_path / "rows.parquet")
    gmm = model().fit(frame)
    scan = mixtura.scan(tmp_path / "rows.parquet", missing="drop", memory=LITTLE)
    complete = frame.notna().all(axis=1)
    for ending in ("parquet", "arrow", "csv"):
        path = gmm.predict(scan, to=tmp_path / f"out.{ending}")
        read = {"parquet": pd.read_parquet, "arrow": pd.read_feather, "csv": pd.read_csv}
        found = read[ending](path)
        np.testing.assert_array_equal(found["row"], np.flatnonzero(complete) + 1)
        np.testing.assert_array_equal(found["component"], gmm.predict(frame[complete]))
    shares = pd.read_parquet(gmm.predict_proba(frame, to=tmp_path / "shares.parquet"))
    np.testing.assert_array_equal(shares.to_numpy()[:, 1:], gmm.predict_proba(frame))
    with pytest.raises(mixtura.errors.InvalidArgumentError, match=r"to must end in one of"):
        gmm.predict(scan, to=tmp_path / "out.xlsx")


def test_a_streamed_fit_shows_a_sample_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanned_rows, "PICTURED", 300)
    values = rows_of(6)
    np.save(tmp_path / "rows.npy", values)
    gmm = model(max_iter=200).fit(mixtura.scan(tmp_path / "rows.npy", memory=LITTLE))
    assert not hasattr(gmm, "labels_")
    said = gmm.write_report(tmp_path / "report.json").read_text()
    assert f"of the {N_ROWS:,} rows of a scan" in said
    assert "component" in str(gmm.summary())
    assert gmm.plot_clusters() is not None


def test_rows_of_a_scan_can_be_added_and_swept_in_minibatches(tmp_path: Path) -> None:
    values = rows_of(7)
    np.save(tmp_path / "rows.npy", values)
    scan = mixtura.scan(tmp_path / "rows.npy", memory=LITTLE)
    method = mixtura.MAP(batch_size=17_000)
    found = model(method, max_iter=200).fit(scan).objective_
    assert found == pytest.approx(model(method, max_iter=200).fit(values).objective_, rel=1e-12)
    added = model().fit(values[:20_000]).partial_fit(scan)
    again = model().fit(values[:20_000]).partial_fit(values)
    assert added.objective_ == pytest.approx(again.objective_, rel=1e-12)
    assert added.fit_.n_rows == N_ROWS + 20_000


def test_select_compares_models_of_a_scan(tmp_path: Path) -> None:
    values = rows_of(8, 30_000)
    np.save(tmp_path / "rows.npy", values)
    scan = mixtura.scan(tmp_path / "rows.npy", memory=LITTLE)
    found = mixtura.select(scan, [2, 6])
    other = mixtura.select(values, [2, 6])
    assert [one.bic for one in found.table] == pytest.approx(
        [one.bic for one in other.table], rel=1e-10
    )


def test_labels_of_a_scan_give_the_bytes_of_those_of_an_array(tmp_path: Path) -> None:
    frame = pd.DataFrame(rows_of(9, 20_000), columns=NAMES)
    frame["kind"] = np.where(frame["a"] > 0, "right", None)
    frame.loc[::1_000, NAMES] = np.nan
    pq.write_table(pa.table(frame), tmp_path / "rows.parquet")
    scan = mixtura.scan(tmp_path / "rows.parquet", labels="kind")
    found = model().fit(scan)
    expected = model().fit(frame[NAMES], labels=frame["kind"])
    assert model_bytes(found, tmp_path) == model_bytes(expected, tmp_path)
    scan = mixtura.scan(tmp_path / "rows.parquet", labels="kind", memory=LITTLE)
    assert is_streamed(scan)
    streamed = model().fit(scan)
    assert model_bytes(streamed, tmp_path) == model_bytes(expected, tmp_path)
    assert streamed.fit_.classes.names == ("right",)
    frame["kind"] = np.where(frame["a"] > 0, "right", "left")
    pq.write_table(pa.table(frame), tmp_path / "rows.parquet")
    scan = mixtura.scan(tmp_path / "rows.parquet", labels="kind", memory=LITTLE)
    with pytest.raises(InvalidArgumentError, match="labels needs 2 names"):
        mixtura.GaussianMixtureModel(1).fit(scan)


def test_groups_of_a_streamed_scan_lie_between_cuts(tmp_path: Path) -> None:
    frame = pd.DataFrame(rows_of(9, 20_000), columns=NAMES)
    frame["visit"] = np.arange(20_000) // 3
    pq.write_table(pa.table(frame), tmp_path / "rows.parquet")
    given = {"groups": "visit", "memory": LITTLE}
    with pytest.raises(mixtura.errors.DataError, match="rows of group '5461' lie in several par"):
        model().fit(mixtura.scan(tmp_path / "rows.parquet", **given))
    scan = mixtura.scan(tmp_path / "rows.parquet", cuts=[9_999, 10_001], **given)
    assert is_streamed(scan)
    streamed = model(max_iter=3).fit(scan)
    assert streamed.fit_.log_likelihood < 0.0
    rows = streamed._training
    assert (rows.is_grouped, rows.held.size) == (True, 0)


def test_a_query_that_tells_other_rows_later_is_refused(tmp_path: Path) -> None:
    values = rows_of(12, 500)
    scan = mixtura.scan(values)
    first = model().fit(scan).objective_
    assert model().fit(scan).objective_ == first
    values[7, 2] += 1.0
    with pytest.raises(mixtura.errors.DataError, match="has changed while it was read"):
        model().fit(scan)


def test_columns_that_only_number_the_rows_are_left_out(tmp_path: Path) -> None:
    frame = pd.DataFrame(rows_of(12, 50), columns=NAMES)
    frame.to_csv(tmp_path / "rows.csv")
    assert list(mixtura.scan(tmp_path / "rows.csv").names) == NAMES
    table = pa.table(frame).append_column("__index_level_0__", pa.array(np.arange(50)))
    pq.write_table(table, tmp_path / "rows.parquet")
    assert list(mixtura.scan(tmp_path / "rows.parquet").names) == NAMES
    assert mixtura.scan(tmp_path / "rows.parquet", columns=["__index_level_0__"]).names


def test_keys_of_patterns_and_of_lists_are_columns_too(tmp_path: Path) -> None:
    paths = []
    for year in (2023, 2024):
        (tmp_path / f"year={year}").mkdir()
        paths.append(tmp_path / f"year={year}/rows.csv")
        paths[-1].write_text("x\n1.5\n2.5\n")
    for source in (str(tmp_path / "year=*/*.csv"), paths):
        rows = mixtura.scan(source, columns=["x", "year"]).opened(to_fit=True).rows
        assert rows.values[:, 1].tolist() == [2023.0, 2023.0, 2024.0, 2024.0]


def test_a_file_that_is_cut_short_while_it_is_swept_is_refused(tmp_path: Path) -> None:
    values = rows_of(12, 60_000)
    np.save(tmp_path / "rows.npy", values)
    scan = mixtura.scan(tmp_path / "rows.npy", memory=LITTLE)
    tiles = scan.opened(to_fit=True).rows.tiles()
    next(tiles)
    with (tmp_path / "rows.npy").open("r+b") as file:
        file.truncate(100_000)
    with pytest.raises(mixtura.errors.DataError, match="has changed while it was read"):
        list(tiles)


def test_rows_are_imputed_into_a_file_piece_by_piece(tmp_path: Path) -> None:
    frame = pd.DataFrame(rows_of(12, 40_000), columns=NAMES)
    frame.loc[::3, "b"] = np.nan
    pq.write_table(pa.table(frame), tmp_path / "rows.parquet")
    scan = mixtura.scan(tmp_path / "rows.parquet", memory=LITTLE)
    gmm = model().fit(frame)
    written = pd.read_parquet(gmm.impute(scan, to=tmp_path / "mean.parquet"))
    pd.testing.assert_frame_equal(written[NAMES], gmm.impute(frame))
    assert written["row"].tolist() == list(range(1, 40_001))
    path = gmm.impute(scan, "draw", 2, to=tmp_path / "draws.parquet")
    drawn = pd.read_parquet(path).sort_values(["draw", "row"])
    assert drawn[["draw", "row"]].drop_duplicates().shape == (80_000, 2)
    known = frame["b"].notna().to_numpy()
    both = drawn["b"].to_numpy().reshape(2, -1)
    np.testing.assert_array_equal(both[:, known], np.tile(frame["b"][known], (2, 1)))
    assert (both[0] != both[1])[~known].all()


def test_no_two_columns_of_imputed_rows_share_a_name(tmp_path: Path) -> None:
    frame = pd.DataFrame(rows_of(12, 30)[:, :2], columns=["row", "draw"])
    gmm = model().fit(frame)
    for how, n_draws in (("mean", 1), ("draw", 2)):
        path = gmm.impute(frame, how, n_draws, to=tmp_path / f"{how}.parquet")
        names = pq.read_table(path).column_names
        assert len(set(names)) == len(names)
        assert "row_kept" in names


def test_label_blanks_of_large_texts_are_those_of_small_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = "".join(f"{i % 7}.5,{word}\n" for i, word in enumerate([" a ", "", " ", "NA", "b"] * 9))
    (tmp_path / "rows.csv").write_text("x,kind\n" + rows)
    labels = []
    for size in (1 << 26, 1):
        monkeypatch.setattr(scan_text, "READ_WHOLE", size)
        opened = mixtura.scan(tmp_path / "rows.csv", labels="kind").opened(to_fit=True)
        labels.append(opened.labels.tolist())
    assert labels[0] == ["a", None, None, None, "b"] * 9
    assert labels[1] == labels[0]


def test_filters_and_projections_reach_the_reader(tmp_path: Path) -> None:
    frame = pd.DataFrame(rows_of(10), columns=NAMES)
    pq.write_table(pa.table(frame), tmp_path / "rows.parquet", row_group_size=5_000)
    expected = model_bytes(model().fit(frame.loc[frame["d"] > -8.0, ["b", "a"]]), tmp_path)
    filtered = ds.dataset(tmp_path / "rows.parquet").filter(ds.field("d") > -8.0)
    lazy = pl.scan_parquet(tmp_path / "rows.parquet").filter(pl.col("d") > -8.0)
    for source in (filtered, lazy):
        scan = mixtura.scan(source, columns=["b", "a"], memory="1GB")
        assert model_bytes(model().fit(scan), tmp_path) == expected


def test_partitions_that_differ_are_refused(tmp_path: Path) -> None:
    frame = pd.DataFrame(rows_of(1, 100), columns=NAMES)
    frame.to_parquet(tmp_path / "1.parquet")
    frame.rename(columns={"d": "e"}).to_parquet(tmp_path / "2.parquet")
    with pytest.raises(mixtura.errors.DataError, match=r"2\.parquet: has a column 'e', which .*1"):
        mixtura.scan(tmp_path)
    with pytest.raises(mixtura.errors.DataError, match=r"2\.parquet: there is no column 'd'"):
        mixtura.scan(tmp_path, NAMES)
    frame.assign(d="word").to_parquet(tmp_path / "2.parquet")
    with pytest.raises(mixtura.errors.DataError, match=r"2\.parquet: column 'd' has values of typ"):
        mixtura.scan(tmp_path)
    frame.assign(d=1).to_parquet(tmp_path / "2.parquet")
    assert len(model_rows(mixtura.scan(tmp_path))) == 200


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize("blank", [1, 2])
def test_the_order_of_files_drops_no_column(ending: str, blank: int, tmp_path: Path) -> None:
    frame = pd.DataFrame(rows_of(1, 100), columns=NAMES)
    whole, without = frame[:60], frame[60:].assign(b=None)
    for number in (1, 2):
        part = without if number == blank else whole
        if ending == "csv":
            part.to_csv(tmp_path / f"{number}.csv", index=False)
        else:
            pq.write_table(pa.Table.from_pandas(part), tmp_path / f"{number}.parquet")
    scan = mixtura.scan(tmp_path)
    assert scan.names == tuple(NAMES)
    parts = (without, whole) if blank == 1 else (whole, without)
    expected = pd.concat([part.astype(float) for part in parts]).to_numpy()
    np.testing.assert_array_equal(model_rows(scan), expected)
    without.assign(b="word").to_csv(tmp_path / f"{blank}.csv", index=False)
    whole.to_csv(tmp_path / f"{3 - blank}.csv", index=False)
    with pytest.raises(mixtura.errors.DataError, match=rf"{blank}\.csv: column 'b' has values of"):
        mixtura.scan(tmp_path / "*.csv")


@pytest.mark.parametrize("row", [5, 900])
def test_ragged_rows_of_large_texts_are_refused(
    row: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan_text, "READ_WHOLE", 100)
    monkeypatch.setattr(delimited, "_BLOCK_BYTES", 4_000)
    lines = pd.DataFrame(rows_of(1, 1_000), columns=NAMES).to_csv(index=False).splitlines()
    lines[row] = "1,2,3"
    (tmp_path / "rows.csv").write_text("\n".join(lines))
    with pytest.raises(mixtura.errors.DataError, match=r"rows\.csv: .*parsed: .*4 col.* got 3"):
        model().fit(mixtura.scan(tmp_path / "rows.csv"))


def test_an_interrupted_sweep_leaves_no_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.save(tmp_path / "rows.npy", rows_of(1))
    gmm = model(max_iter=2).fit(rows_of(1, 1_000))
    rows = mixtura.scan(tmp_path / "rows.npy", memory=LITTLE).opened(to_fit=True).rows

    def interrupted(*given: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(tile_sweeps, "_swept", interrupted)
    # The traceback is kept, as an interactive session does.
    with pytest.raises(KeyboardInterrupt) as kept:
        tile_sweeps.swept_in_tiles(gmm._engine(), rows, None, None)
    assert kept.traceback
    assert not [one for one in threading.enumerate() if one.name == "mixtura-scan"]


def model_rows(scan: TableScan) -> np.ndarray:
    return scan.opened(to_fit=True).rows.values


def test_files_without_rows_are_passed_over(tmp_path: Path) -> None:
    frame = pd.DataFrame(rows_of(1, 100), columns=NAMES)
    frame[:0].to_parquet(tmp_path / "1.parquet")
    frame.to_parquet(tmp_path / "2.parquet")
    frame[:0].to_parquet(tmp_path / "3.parquet")
    np.testing.assert_array_equal(model_rows(mixtura.scan(tmp_path)), frame.to_numpy())
    with pytest.raises(mixtura.errors.DataError, match=r"1\.parquet: has no rows"):
        model().fit(mixtura.scan(tmp_path / "1.parquet"))
    (tmp_path / "4.parquet").write_bytes(b"")
    with pytest.raises(mixtura.errors.DataError, match=r"4\.parquet: is empty"):
        mixtura.scan(tmp_path)


def test_files_that_change_are_refused(tmp_path: Path) -> None:
    frame = pd.DataFrame(rows_of(1), columns=NAMES)
    pq.write_table(pa.table(frame), tmp_path / "rows.parquet")
    gmm = model(max_iter=3).fit(frame)
    rows = mixtura.scan(tmp_path / "rows.parquet", memory=LITTLE).opened(to_fit=True).rows
    pq.write_table(pa.table(frame[::-1]), tmp_path / "rows.parquet")
    with pytest.raises(mixtura.errors.DataError, match=r"rows\.parquet: has changed while"):
        gmm.posterior_.log_predictive(rows, gmm._engine())


@pytest.mark.parametrize("ending", ["parquet", "arrow", "csv", "npy"])
def test_files_that_change_before_a_fit_are_refused(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"rows.{ending}"

    def write(n_rows: int) -> None:
        frame = pd.DataFrame(rows_of(1, n_rows), columns=NAMES)
        if ending == "npy":
            np.save(path, frame.to_numpy())
        elif ending == "csv":
            frame.to_csv(path, index=False)
        else:
            {"parquet": frame.to_parquet, "arrow": frame.to_feather}[ending](path)

    write(300)
    scan = mixtura.scan(path)
    assert len(model_rows(scan)) == 300
    # The old file stays, as it does where a new one takes its place.
    path.rename(tmp_path / "old")
    write(900)
    for asked in (scan, scan.with_columns(scan.names[::-1])):
        with pytest.raises(mixtura.errors.DataError, match=rf"rows\.{ending}: has changed since"):
            model().fit(asked)
    assert len(model_rows(mixtura.scan(path))) == 900


def identity_of(source: object, **given: object) -> object:
    """Return what a checkpoint knows the rows of a scan by."""
    rows = mixtura.scan(source, memory=LITTLE, **given).opened(to_fit=True).rows
    assert isinstance(rows, StreamedRows)
    return rows.identity


@pytest.mark.parametrize("kind", [pa.table, pd.DataFrame, pl.DataFrame])
def test_tables_in_memory_are_known_by_their_numbers(kind: type) -> None:
    values = rows_of(1)
    # Neither the sums nor the greatest numbers of the columns tell the two apart.
    other = np.concatenate((values[1::-1], values[2:]))
    tables = [kind(dict(zip(NAMES, rows.T, strict=True))) for rows in (values, values, other)]
    first, again, changed = map(identity_of, tables)
    assert first == again
    assert first != changed


def test_arrays_of_one_file_are_told_apart(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    values = rows_of(1)
    with h5py.File(tmp_path / "rows.h5", "w") as file:
        file["one"], file["two"] = values, values[::-1]
    with h5py.File(tmp_path / "rows.h5", "r") as file:
        assert identity_of(file["one"]) == identity_of(file["one"])
        assert identity_of(file["one"]) != identity_of(file["two"])


def test_rows_are_known_by_what_their_columns_are(tmp_path: Path) -> None:
    frame = pd.DataFrame(rows_of(1), columns=NAMES).assign(error=0.5)
    frame.to_parquet(tmp_path / "rows.parquet")
    given = [{name: "error"} for name in NAMES]
    found = [
        identity_of(tmp_path / "rows.parquet", columns=NAMES, errors=errors) for errors in given
    ]
    assert all(one != other for i, one in enumerate(found) for other in found[:i])
    rules = [identity_of(tmp_path / "rows.parquet", missing=rule) for rule in ("integrate", "drop")]
    assert rules[0] != rules[1]


def test_a_query_whose_rows_change_is_refused() -> None:
    values = rows_of(1)

    class Changing:
        shape, dtype = values.shape, values.dtype

        def __init__(self) -> None:
            self.n_read = 0

        def __getitem__(self, some: slice) -> np.ndarray:
            self.n_read += len(values[some])
            # Of the second time on two rows have changed places.
            found = values[some].copy()
            if self.n_read > len(values):
                found[:2] = found[1::-1]
            return found

    with pytest.raises(mixtura.errors.DataError, match="the array: has changed while it was read"):
        model().fit(mixtura.scan(Changing(), memory=LITTLE))


def test_odd_cells_are_named_by_file_row_group_and_row(tmp_path: Path) -> None:
    frame = pd.DataFrame(rows_of(1, 1_000), columns=NAMES)
    frame.loc[716, "c"] = np.inf
    pq.write_table(pa.table(frame), tmp_path / "rows.parquet", row_group_size=100)
    with pytest.raises(
        mixtura.errors.DataError,
        match=r"rows\.parquet: row group 8, row 717, column 'c': inf is infinite",
    ):
        model().fit(mixtura.scan(tmp_path / "rows.parquet"))
    frame.loc[716, "c"] = np.nan
    frame.loc[3] = np.nan
    pq.write_table(pa.table(frame), tmp_path / "rows.parquet", row_group_size=100)
    with pytest.raises(
        mixtura.errors.DataError, match=r"row group 1, row 4, column 'a': the value is missing"
    ):
        model().fit(mixtura.scan(tmp_path / "rows.parquet", missing="refuse"))
    dropped = mixtura.scan(tmp_path / "rows.parquet", missing="drop")
    np.testing.assert_array_equal(model_rows(dropped), frame.dropna().to_numpy())
    kept = mixtura.scan(tmp_path / "rows.parquet").opened(to_fit=True)
    assert (kept.rows.n_rows, kept.n_blank) == (999, 1)


def test_damage_is_told_with_its_row_group(tmp_path: Path) -> None:
    frame = pd.DataFrame(rows_of(1, 60_000), columns=NAMES)
    path = tmp_path / "rows.parquet"
    pq.write_table(
        pa.table(frame),
        path,
        row_group_size=10_000,
        compression="snappy",
        write_page_checksum=True,
        use_dictionary=False,
    )
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)
    with pytest.raises(
        mixtura.errors.DataError, match=r"rows\.parquet: row group 4, from row 30001 on"
    ):
        model().fit(mixtura.scan(path))


def test_directories_name_keys(tmp_path: Path) -> None:
    frame = pd.DataFrame(rows_of(1, 300), columns=NAMES)
    for number, year in enumerate((2023, 2024)):
        folder = tmp_path / f"year={year}" / "kind=x"
        folder.mkdir(parents=True)
        frame[number * 100 : (number + 1) * 100].to_parquet(folder / "part.parquet")
    assert mixtura.scan(tmp_path).names == tuple(NAMES)
    found = model_rows(mixtura.scan(tmp_path, ["year", "b"]))
    np.testing.assert_array_equal(found[:, 0], np.repeat([2023.0, 2024.0], 100))
    np.testing.assert_array_equal(found[:, 1], frame["b"][:200])
    with pytest.raises(mixtura.errors.DataError, match="kind=x is not a number"):
        mixtura.scan(tmp_path, ["a", "kind"])


@pytest.mark.parametrize(
    ("value", "number", "word"),
    [
        ("01", 1.0, 1),
        ("-2.5", -2.5, "-2.5"),
        ("2024_01", None, "2024_01"),
        ("99999999999999999999", 1e20, "99999999999999999999"),
        ("9" * 60, 1e60, None),
        ("__HIVE_DEFAULT_PARTITION__", np.nan, None),
    ],
)
def test_values_of_keys_are_numbers_texts_or_missing(
    value: str, number: float | None, word: object, tmp_path: Path
) -> None:
    (tmp_path / f"key={value}").mkdir()
    frame = pd.DataFrame(rows_of(1, 20), columns=NAMES)
    frame.to_parquet(tmp_path / f"key={value}/part.parquet")
    if number is None:
        with pytest.raises(mixtura.errors.DataError, match=f"key={value} is not a number"):
            mixtura.scan(tmp_path, ["a", "key"])
    else:
        found = mixtura.scan(tmp_path, ["a", "key"]).opened(to_fit=False).rows.values
        np.testing.assert_array_equal(found[:, 1], [number] * 20)
    if len(value) < 40:
        opened = mixtura.scan(tmp_path, labels="key").opened(to_fit=True)
        assert opened.labels.tolist() == [word] * 20


@pytest.mark.parametrize("packing", ["gzip", "bz2", "xz", "zstd"])
def test_compressed_files_of_a_directory_are_read(packing: str, tmp_path: Path) -> None:
    frame = pd.DataFrame(rows_of(1, 100), columns=NAMES)
    ending = {"gzip": "gz", "zstd": "zst"}.get(packing, packing)
    if packing == "zstd":
        with pa.output_stream(tmp_path / "1.csv.zst", compression="zstd") as file:
            file.write(frame[:50].to_csv(index=False).encode())
    else:
        frame[:50].to_csv(tmp_path / f"1.csv.{ending}", index=False, compression=packing)
    frame[50:].to_csv(tmp_path / "2.csv", index=False)
    (tmp_path / f"notes.{ending}").write_bytes(b"not a table")
    np.testing.assert_array_equal(model_rows(mixtura.scan(tmp_path)), frame.to_numpy())


@pytest.mark.parametrize(
    ("memory_given", "expected"),
    [(1000, 1000), ("2GB", 2 * 10**9), ("1.5 GiB", 3 << 29), ("500 mb", 5 * 10**8), ("7k", 7168)],
)
def test_sizes_of_memory_are_read(memory_given: object, expected: int) -> None:
    assert memory_limit(memory_given) == expected


@pytest.mark.parametrize("memory_given", ["much", "2 apples", -1, 0, True, "1e9"])
def test_what_is_no_size_of_memory_is_refused(memory_given: object) -> None:
    with pytest.raises(mixtura.errors.InvalidArgumentError, match="memory must be a number of by"):
        memory_limit(memory_given)


def test_free_memory_is_that_of_control_groups() -> None:
    available = int(Path("/proc/meminfo").read_text().split("MemAvailable:")[1].split()[0]) << 10
    assert 0 < memory_limit(None) <= 1.05 * available / 4


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (3.0, "source must be a path"),
        ([], "source must be a path"),
        ("no such file", "no such file: no such file or directory"),
        ("no*such", "no file has such a name"),
    ],
)
def test_what_cannot_be_scanned_is_refused(source: object, said: str) -> None:
    with pytest.raises(mixtura.errors.MixturaError, match=said):
        mixtura.scan(source)


def test_arguments_beside_a_scan_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", rows_of(1, 100))
    scan = mixtura.scan(tmp_path / "rows.npy")
    with pytest.raises(mixtura.errors.InvalidArgumentError, match="sample_weight belongs to the s"):
        model().fit(scan, sample_weight=np.ones(100))


@pytest.mark.parametrize("inference", ["collapsed"])
def test_what_needs_all_rows_at_once_says_so(inference: str, tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", rows_of(1, 20_000))
    scan = mixtura.scan(tmp_path / "rows.npy", memory=LITTLE)
    with pytest.raises(
        mixtura.errors.InvalidArgumentError, match="needs all rows in memory, and these 20,000 rows"
    ):
        model(inference).fit(scan)


def test_weights_of_a_scan_are_too_many_for_copies(tmp_path: Path) -> None:
    frame = pd.DataFrame(rows_of(1, 20_000), columns=NAMES).assign(weight=2)
    pq.write_table(pa.table(frame), tmp_path / "rows.parquet")
    scan = mixtura.scan(tmp_path / "rows.parquet", NAMES, weights="weight", memory=LITTLE)
    with pytest.raises(mixtura.errors.InvalidArgumentError, match="'gibbs' with weights needs all"):
        model(mixtura.Gibbs(chains=1, draws=4, warmup=4)).fit(scan)


def test_duckdb_and_zarr_are_scanned(frame: pd.DataFrame, tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    zarr = pytest.importorskip("zarr")
    expected = model_bytes(model().fit(frame), tmp_path)
    pq.write_table(pa.table(frame), tmp_path / "rows.parquet", row_group_size=9_000)
    relation = duckdb.sql(f"select * from '{tmp_path}/rows.parquet'")
    scan = mixtura.scan(relation, memory=LITTLE)
    assert model_bytes(model().fit(scan), tmp_path) == expected
    array = zarr.create_array(tmp_path / "z", shape=frame.shape, dtype=float, chunks=(999, 4))
    array[:] = frame.to_numpy()
    expected = model_bytes(model().fit(frame.to_numpy()), tmp_path)
    assert model_bytes(model().fit(mixtura.scan(array, memory=LITTLE)), tmp_path) == expected


def test_rows_are_numbered_by_the_columns_that_are_predicted(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.standard_normal((300, 2)), columns=["w", "z"])
    gmm = GaussianMixtureModel(1).fit(frame[["w"]])
    frame.loc[290, "w"] = frame.loc[5, "z"] = np.nan
    frame.to_parquet(tmp_path / "f.parquet")
    scan = mixtura.scan(tmp_path / "f.parquet", ["z"], missing="drop")
    found = pd.read_csv(gmm.predict(scan, to=tmp_path / "out.csv"))
    assert sorted(set(range(1, 301)) - set(found["row"])) == [291]


def test_an_index_of_pandas_is_no_data() -> None:
    frame = pd.DataFrame({"x": [1.0, 2.0, 4.0], "y": [1.0, 0.0, 3.0]})
    assert mixtura.scan(frame[frame.x > 1.0]).names == ("x", "y")


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"cuts": 5}, "cuts"),
        ({"cuts": ["a"]}, "cuts"),
        ({"cuts": [0, 5]}, "cuts"),
        ({"cuts": [1.5]}, "cuts"),
        ({"errors": "y"}, "errors"),
        ({"missing": []}, "missing"),
    ],
)
def test_wrong_arguments_of_scans_are_named(options: dict, name: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        mixtura.scan(pd.DataFrame({"x": [1.0, 2.0], "y": [1.0, 0.0]}), **options)
    assert caught.value.argument == name


def test_streamed_rows_are_labelled_after_their_fit(tmp_path: Path) -> None:
    rows = np.random.default_rng(1).standard_normal((400, 2))
    np.save(tmp_path / "rows.npy", rows)
    gmm = GaussianMixtureModel(2, random_state=0)
    labels = gmm.fit_predict(mixtura.scan(tmp_path / "rows.npy", memory=1))
    np.testing.assert_array_equal(labels, gmm.predict(rows))


def test_groups_of_batches_that_are_scanned_come_once(tmp_path: Path) -> None:
    frame = pd.DataFrame(rows_of(9, 600), columns=NAMES)
    frame["visit"] = np.arange(600) // 3
    frame[:300].to_parquet(tmp_path / "1.parquet")
    frame[299:].to_parquet(tmp_path / "2.parquet")
    gmm = mixtura.GaussianMixtureModel(2)
    gmm.partial_fit(mixtura.scan(tmp_path / "1.parquet", groups="visit"))
    with pytest.raises(InvalidArgumentError, match="has '99', of which an earlier batch had rows"):
        gmm.partial_fit(mixtura.scan(tmp_path / "2.parquet", groups="visit"))
