"""Rows of Spark DataFrames: the same bytes as a scan that is cut alike."""

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixtura
from mixtura.errors import DataError, InvalidArgumentError

pytest.importorskip("pyspark", reason="PySpark is not installed: pip install mixtura[spark]")

pytestmark = [
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(shutil.which("java") is None, reason="there is no Java runtime"),
]

N_ROWS, N_COMPONENTS = 20_000, 3


@pytest.fixture(scope="module")
def session() -> Iterator[Any]:
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = sys.executable
    builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    session = builder.config("spark.driver.bindAddress", "127.0.0.1").getOrCreate()
    yield session
    session.stop()


def model_bytes(gmm: mixtura.GaussianMixtureModel, folder: Path) -> bytes:
    gmm.fit_ = replace(gmm.fit_, seconds=0.0)
    gmm.save(folder / "model", overwrite=True)
    return (folder / "model").read_bytes()


@pytest.mark.calibrate  # a session of Spark takes a minute
def test_partitions_are_swept_where_they_lie(session: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    means = 4.0 * rng.standard_normal((N_COMPONENTS, 5))
    values = means[rng.integers(N_COMPONENTS, size=N_ROWS)] + rng.standard_normal((N_ROWS, 5))
    values[::11, 3] = np.nan
    frame = pd.DataFrame(values, columns=list("abcde"))
    frame.to_parquet(tmp_path / "rows.parquet")
    spark = session.read.parquet(str(tmp_path / "rows.parquet")).repartition(3, "a").persist()
    gmm = mixtura.GaussianMixtureModel(N_COMPONENTS).fit(spark)
    assert list(gmm.feature_names_in_) == list("abcde")
    assert gmm.fit_.unobserved.n_missing == len(frame[::11])
    # The same rows in the order of the partitions, cut where these end.
    parts = spark.rdd.glom().collect()
    ordered = pd.DataFrame([list(row) for part in parts for row in part], columns=frame.columns)
    ordered = ordered.astype(float)
    ordered.to_parquet(tmp_path / "ordered.parquet")
    scan = mixtura.scan(tmp_path / "ordered.parquet", cuts=[len(part) for part in parts])
    expected = mixtura.GaussianMixtureModel(N_COMPONENTS).fit(scan)
    assert model_bytes(gmm, tmp_path) == model_bytes(expected, tmp_path)
    told = gmm.predict(spark).toPandas()
    assert list(told.columns) == [*"abcde", "component"]
    np.testing.assert_array_equal(told["component"], gmm.predict(ordered))
    shares = gmm.predict_proba(spark).toPandas()
    np.testing.assert_allclose(
        shares.iloc[:, 5:].to_numpy(), gmm.predict_proba(ordered), rtol=1e-9, atol=1e-14
    )
    with pytest.raises(DataError, match="column 'f' is not numeric"):
        gmm.fit(spark.selectExpr("*", "'x' as f"))


@pytest.mark.calibrate
def test_what_is_known_of_rows_gives_the_bytes_of_a_scan_cut_alike(
    session: Any, tmp_path: Path
) -> None:
    rng = np.random.default_rng(1)
    means = 4.0 * rng.standard_normal((N_COMPONENTS, 3))
    own = rng.integers(N_COMPONENTS, size=N_ROWS)
    frame = pd.DataFrame(means[own] + rng.standard_normal((N_ROWS, 3)), columns=list("abc"))
    frame["word"] = np.array(["far", None, None], dtype=object)[own]
    frame["error"] = rng.uniform(0.0, 0.3, N_ROWS)
    frame["visit"] = np.where(np.arange(N_ROWS) % 4 == 0, None, "v")
    frame.loc[frame["visit"].notna(), "visit"] = [
        f"v{row // 2}" for row in np.flatnonzero(frame["visit"].notna())
    ]
    half = N_ROWS // 2
    for part in range(2):
        frame[part * half : (part + 1) * half].to_parquet(tmp_path / f"{part}.parquet")
    session.conf.set("spark.sql.files.openCostInBytes", str(1 << 30))
    spark = session.read.parquet(str(tmp_path))
    parts = spark.rdd.glom().collect()
    ordered = pd.DataFrame([tuple(row) for part in parts for row in part], columns=frame.columns)
    ordered.to_parquet(tmp_path / "all.parquet")
    cuts = [len(part) for part in parts]
    for of_fit, of_scan in (
        ({"labels": "word", "measurement_error": {"a": "error"}}, ("word", "error", None)),
        ({"labels": "word", "groups": "visit"}, ("word", None, "visit")),
    ):
        labels, errors, groups = of_scan
        beside = {"labels": labels, "groups": groups}
        beside["errors"] = None if errors is None else {"a": errors}
        used = [name for name in of_scan if name]
        gmm = mixtura.GaussianMixtureModel(N_COMPONENTS, max_iter=5)
        found = model_bytes(gmm.fit(spark.select(*"abc", *used), **of_fit), tmp_path)
        source = tmp_path / "all.parquet"
        scan = mixtura.scan(source, columns=list("abc"), cuts=cuts, **beside)
        gmm = mixtura.GaussianMixtureModel(N_COMPONENTS, max_iter=5)
        assert found == model_bytes(gmm.fit(scan), tmp_path)
    with pytest.raises(InvalidArgumentError, match="name of a column of a Spark DataFrame"):
        gmm.fit(spark, labels=np.zeros(N_ROWS))
