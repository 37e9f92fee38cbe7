"""DATA that the command scans: large files, directories and patterns."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors import safe_open
from tests.cli.conftest import Run

from mixtura.data import memory

N_ROWS = 40_000

pytestmark = pytest.mark.filterwarnings("ignore::mixtura.errors.MixturaWarning")


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut rows into tiles of 65,536 numbers."""
    monkeypatch.setattr(memory, "TILE_BLOCKS", 1)


@pytest.fixture
def table(tmp_path: Path) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    means = np.array([[0.0] * 7, [6.0] * 7, [-6.0, 6.0] * 3 + [0.0], [6.0, 0.0] * 3 + [9.0]])
    values = means[rng.integers(4, size=N_ROWS)] + rng.standard_normal((N_ROWS, 7))
    frame = pd.DataFrame(values, columns=list("abcdefg"))
    (tmp_path / "parts").mkdir()
    frame[:15_000].to_parquet(tmp_path / "parts/1.parquet")
    frame[15_000:].to_parquet(tmp_path / "parts/2.parquet")
    frame.to_parquet(tmp_path / "whole.parquet")
    return frame


def arrays(path: str) -> dict[str, np.ndarray]:
    with safe_open(path, framework="numpy") as archive:
        return {name: archive.get_tensor(name) for name in archive.keys()}  # noqa: SIM118


def test_data_beyond_the_limit_are_streamed_to_the_same_model(
    run: Run, table: pd.DataFrame
) -> None:
    fit = ("fit", "-k", "4", "-q", "--save")
    assert run(*fit, "held", "whole.parquet").code == 0
    streamed = run(*fit, "streamed", "whole.parquet", "--memory", "500kB", "-q")
    assert streamed.code == 0
    assert f"of the {N_ROWS:,} rows of a scan" in " ".join(streamed.out.split())
    assert run(*fit, "parted", "parts", "--memory", "500kB").code == 0
    expected = arrays("held")
    for other in ("streamed", "parted"):
        found = arrays(other)
        assert all(np.array_equal(found[name], array) for name, array in expected.items())


def test_assignments_of_scanned_data_are_those_of_a_table(run: Run, table: pd.DataFrame) -> None:
    assert run("fit", "parts/*.parquet", "-k", "4", "-q", "--save", "model").code == 0
    assert run("predict", "model", "whole.parquet", "-o", "held.parquet", "--proba", "-q").code == 0
    said = run("predict", "model", "parts", "-o", "out.parquet", "--memory", "500 kB", "--proba")
    assert "Rows are read piece by piece, and at most 500 KB of them held." in said.err
    held, found = pd.read_parquet("held.parquet"), pd.read_parquet("out.parquet")
    pd.testing.assert_frame_equal(found, held, check_dtype=False, rtol=1e-12)
    printed = run("predict", "model", "parts", "--memory", "500kB", "-q").out.splitlines()
    assert printed[0] == "row,component"
    assert len(printed) == N_ROWS + 1
    assert printed[-1] == f"{N_ROWS},{held['component'].iloc[-1]}"


def test_progress_says_how_fast_rows_are_swept_and_what_is_held(
    run: Run, table: pd.DataFrame
) -> None:
    said = run("fit", "whole.parquet", "-k", "4", "--memory", "500kB", "--verbose").err
    assert "rows a second; 0 of 40,000 rows held in memory" in said


def test_memory_is_a_size_and_not_for_standard_input(run: Run, table: pd.DataFrame) -> None:
    assert (
        "memory must be a number of bytes" in run("fit", "whole.parquet", "--memory", "much").error
    )
    assert (
        "standard input cannot be read again"
        in run("fit", "-", "--memory", "1GB", stdin=b"x\n1\n2\n").error
    )


def test_blank_rows_and_digits_are_as_of_tables_that_are_read(run) -> None:
    rows = "x,y,l\n" + "".join(f"{i % 7}.25,{i % 5}.5,a\n" for i in range(60)) + ",,b\n1.5,2.5,a\n"
    Path("r1.csv").write_text(rows)
    assert run("fit", "r1.csv", "-k", 2, "--save", "m.mixtura").code == 0
    read = run("predict", "m.mixtura", "r1.csv", "--proba", "--score", "-q")
    scanned = run("predict", "m.mixtura", "r1*.csv", "--proba", "--score", "-q")
    assert scanned.out == read.out
    assert "\n61,," in scanned.out
    assert run("fit", "r1*.csv", "-k", 1, "--exclude", "l", "--exclude", "y").code == 0
    done = run("fit", "r1*.csv", "-k", 1, "--exclude", "zz")
    assert (done.code, "there is no column 'zz'" in done.error) == (3, True)
    for option in (("--keep", "l"), ("--outliers", "0.1")):
        done = run("predict", "m.mixtura", "r1*.csv", *option)
        assert (done.code, option[0] in done.error) == (2, True)


def test_scanned_rows_are_imputed_and_reported(run: Run, table: pd.DataFrame) -> None:
    table.loc[::5, "c"] = np.nan
    table.to_parquet("holes.parquet")
    assert run("fit", "whole.parquet", "-k", "4", "-q", "--save", "model").code == 0
    assert run("impute", "model", "holes.parquet", "-o", "held.parquet", "-q").code == 0
    said = run("impute", "model", "holes.parquet", "-o", "out.parquet", "--memory", "500kB")
    assert "Rows are read piece by piece" in said.err
    pd.testing.assert_frame_equal(pd.read_parquet("out.parquet"), pd.read_parquet("held.parquet"))
    printed = run("impute", "model", "parts", "--how", "draw", "--draws", "2", "-q").out
    assert printed.startswith("draw,row,a,b,c,d,e,f,g\n1,1,")
    assert len(printed.splitlines()) == 2 * N_ROWS + 1
    done = run("report", "model", "parts", "--memory", "500kB", "-o", "page.html", "-q")
    assert done.code == 0
    assert f"of the {N_ROWS:,} rows of a scan, chosen by their contents" in " ".join(
        Path("page.html").read_text().split()
    )


def test_workers_that_the_command_starts_give_the_same_model(
    run: Run, table: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    distributed = pytest.importorskip("distributed", reason="needs mixtura[dask]")
    fit = ("fit", "parts", "-k", "4", "-q", "--save")
    assert run(*fit, "held", "--memory", "500kB").code == 0
    options = {"threads_per_worker": 1, "dashboard_address": None, "processes": False}
    with distributed.LocalCluster(n_workers=2, **options) as cluster:
        done = run(
            "fit", "parts", "-k", "4", "--save", "swept", "--cluster", cluster.scheduler_address
        )
        assert "held and swept by 2 workers" in done.err
    expected, found = arrays("held"), arrays("swept")
    assert all(np.array_equal(found[name], array) for name, array in expected.items())
    assert "take one of them" in run(*fit, "x", "--cluster", "tcp://a:1", "--workers", "2").error
    monkeypatch.setattr("mixtura.cli.dask_workers.PATIENCE", 0.2)
    done = run(*fit, "x", "--cluster", "tcp://127.0.0.1:9")
    assert (done.code, "no scheduler answers" in done.error) == (3, True)
    assert "cannot read standard input" in run("fit", "-", "--workers", "1", stdin=b"x\n1\n").error
