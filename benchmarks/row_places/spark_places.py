"""Spark: its own GaussianMixture against fits by Dask and by Spark's Python workers; bytes."""

import argparse
import os
import sys
import time
import warnings
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.row_places.dask_places import digest, workers
from benchmarks.row_places.written_rows import mixture_rows, said


def session(cores: int) -> Any:
    """Return a local session of Spark."""
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = sys.executable
    builder = SparkSession.builder.master(f"local[{cores}]").config("spark.ui.enabled", "false")
    builder = builder.config("spark.driver.memory", "6g").config("spark.log.level", "ERROR")
    return builder.config("spark.driver.bindAddress", "127.0.0.1").getOrCreate()


def frame_of(spark: Any, path: Path, n_partitions: int) -> Any:
    """Return the rows of a file in so many cached partitions."""
    frame = spark.read.parquet(str(path)).repartition(n_partitions).persist()
    frame.count()
    return frame


def of_spark(path: Path, n_components: int, n_iterations: int) -> None:
    """Time Spark's own mixture, its vectors cached as it asks for."""
    from pyspark.ml.clustering import GaussianMixture
    from pyspark.ml.feature import VectorAssembler

    spark = session(2)
    frame = spark.read.parquet(str(path)).repartition(2)
    assembler = VectorAssembler(inputCols=frame.columns, outputCol="features")
    vectors = assembler.transform(frame).select("features").persist()
    vectors.count()
    spent = {}
    for number in (1, n_iterations):
        began = time.perf_counter()
        model = GaussianMixture(k=n_components, maxIter=number, tol=0.0, seed=1).fit(vectors)
        spent[model.summary.numIter] = time.perf_counter() - began
    (few, one), (many, all_) = spent.items()
    per = (all_ - one) / max(many - few, 1)
    said("Spark's GaussianMixture", seconds=spent, iterations=many, per_iteration=per)
    spark.stop()


def swept(rows: Any, n_components: int, n_features: int, n_iterations: int) -> float:
    """Return the seconds of an iteration of EM: a sweep by any engine, and the next parameters."""
    from benchmarks.row_places.beyond_memory import potentials_of
    from mixtura.engines import best_engine
    from mixtura.messages.assignments import Soft

    engine, potentials = best_engine(2), potentials_of(n_components, n_features)
    engine.sweep(rows, potentials, Soft())
    began = time.perf_counter()
    for _ in range(n_iterations):
        found = engine.sweep(rows, potentials, Soft()).about(potentials.mean)
        weights = found.count / found.count.sum()
        means = found.mean()
        centred = found.about(means)
        covariances = centred.second / centred.count[:, None, None]
        factor = np.linalg.cholesky(np.linalg.inv(covariances))
        offset = np.log(np.einsum("kii->ki", factor)).sum(axis=1)
        offset = offset - 0.5 * n_features * np.log(2.0 * np.pi)
        potentials = replace(
            potentials,
            log_weight=np.log(weights),
            offset=offset,
            mean=means,
            precision_cholesky=factor,
        )
    return (time.perf_counter() - began) / n_iterations


def by_spark(path: Path, n_components: int, n_iterations: int) -> None:
    """Time our iterations in Spark's Python workers, the frame cached."""
    from mixtura.engines.distributed.spark_rows import Columns, spark_rows

    spark = session(2)
    frame = frame_of(spark, path, 2)
    began = time.perf_counter()
    rows = spark_rows(frame, Columns(tuple(frame.columns)), to_fit=True)
    ready = time.perf_counter() - began
    per = swept(rows, n_components, len(frame.columns), n_iterations)
    said("by Spark's Python workers", prepare=ready, per_iteration=per)
    spark.stop()


def by_dask(path: Path, n_components: int, n_iterations: int) -> None:
    """Time our iterations by two workers of Dask, the rows persisted."""
    import dask.dataframe as dd

    from mixtura.engines.distributed.dask_rows import dask_rows

    with workers(2):
        frame = dd.read_parquet(path).repartition(npartitions=2)
        began = time.perf_counter()
        rows = dask_rows(frame, None, to_fit=True)
        ready = time.perf_counter() - began
        per = swept(rows, n_components, len(frame.columns), n_iterations)
        said("by Dask", prepare=ready, per_iteration=per)


def same_bytes(n_rows: int) -> None:
    """Fit on one core and on two."""
    import pandas as pd

    import mixtura

    found = {}
    with TemporaryDirectory() as folder:
        for part in range(3):
            rows = mixture_rows(n_rows // 3, 5, 4, part)
            frame = pd.DataFrame(rows, columns=list("abcde"))
            frame.to_parquet(Path(folder) / f"{part}.parquet")
        for cores in (1, 2):
            spark = session(cores)
            spark.conf.set("spark.sql.files.openCostInBytes", str(1 << 30))
            frame = spark.read.parquet(folder)
            n_partitions = frame.rdd.getNumPartitions()
            found[f"{cores} cores"] = digest(mixtura.GaussianMixtureModel(4).fit(frame))
            spark.stop()
    is_same = len(set(found.values())) == 1
    said("same bytes by Spark", is_same=is_same, partitions=n_partitions, found=found)


def main() -> None:
    """Measure one thing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("own", "spark", "dask", "bytes"))
    parser.add_argument("path", type=Path, nargs="?")
    parser.add_argument("-k", type=int, default=4)
    parser.add_argument("--iterations", type=int, default=20)
    parser.add_argument("--rows", type=float, default=60_000)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    if given.what == "bytes":
        same_bytes(int(given.rows))
        return
    run = {"own": of_spark, "spark": by_spark, "dask": by_dask}[given.what]
    run(given.path, given.k, given.iterations)


if __name__ == "__main__":
    main()
