"""Rows of well-known mixtures, written to Parquet files piece by piece."""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

PIECE = 250_000
"""Rows of a row group."""


def mixture_rows(n_rows: int, n_features: int, n_groups: int, seed: int) -> np.ndarray:
    """Return rows (N, D) of so many groups of equal weight and unit covariance."""
    rng = np.random.default_rng(seed)
    means = 3.0 * np.random.default_rng(7).standard_normal((n_groups, n_features))
    rows = rng.standard_normal((n_rows, n_features))
    rows += means[rng.integers(n_groups, size=n_rows)]
    return rows


def write_rows(path: Path, n_rows: int, n_features: int, n_groups: int) -> None:
    """Write such rows to a Parquet file, snappy, in row groups of a quarter of a million."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = [f"x{column}" for column in range(n_features)]
    schema = pa.schema([(name, pa.float64()) for name in names])
    with pq.ParquetWriter(path, schema, compression="snappy") as writer:
        for start in range(0, n_rows, PIECE):
            size = min(PIECE, n_rows - start)
            rows = mixture_rows(size, n_features, n_groups, start)
            columns = [pa.array(np.ascontiguousarray(column)) for column in rows.T]
            writer.write_table(pa.table(columns, schema=schema))


def said(what: str, **found: Any) -> None:
    """Print a measurement as one line of JSON."""
    print(json.dumps({"what": what, **found}), flush=True)


def main() -> None:
    """Write a file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--size", default="1e6,10,5", help="N,D,K")
    given = parser.parse_args()
    n_rows, n_features, n_groups = (int(float(one)) for one in given.size.split(","))
    write_rows(given.path, n_rows, n_features, n_groups)
    said("written", size=given.size, bytes=given.path.stat().st_size)


if __name__ == "__main__":
    main()
