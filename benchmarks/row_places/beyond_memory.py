"""A file many times larger than the memory that a scan may take: time of a sweep, peak memory."""

import argparse
import resource
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.row_places.written_rows import said


def decoding_seconds(path: Path) -> float:
    """Return how long pyarrow takes to decode all columns, batch by batch."""
    import pyarrow.parquet as pq

    began = time.perf_counter()
    for _ in pq.ParquetFile(path).iter_batches(1 << 16):
        pass
    return time.perf_counter() - began


def potentials_of(n_components: int, n_features: int) -> Any:
    """Return the potentials that the groups of the rows have, full covariances."""
    from mixtura.messages.potentials import Potentials

    means = 3.0 * np.random.default_rng(7).standard_normal((n_components, n_features))
    log_weight = np.full(n_components, -np.log(n_components))
    offset = np.full(n_components, -0.5 * n_features * np.log(2.0 * np.pi))
    factor = np.broadcast_to(np.eye(n_features), (n_components, n_features, n_features)).copy()
    return Potentials(log_weight, offset, means, factor)


def swept_seconds(rows: Any, potentials: Any, n_threads: int) -> float:
    """Return how long a sweep of rows takes."""
    from mixtura.engines import best_engine
    from mixtura.messages.assignments import Soft

    began = time.perf_counter()
    best_engine(n_threads).sweep(rows, potentials, Soft())
    return time.perf_counter() - began


def sweeps(path: Path, memory: str, n_components: int, rounds: int, n_threads: int) -> None:
    """Measure decoding, a sweep in memory and a sweep of the file, in turns."""
    import mixtura
    from mixtura.data import ArrayRows

    scan = mixtura.scan(path, memory=memory)
    rows = scan.opened(to_fit=True).rows
    potentials = potentials_of(n_components, len(scan.names))
    first = next(iter(rows.tiles())).rows.values
    in_memory = ArrayRows(np.concatenate([first] * 20))
    share = rows.n_rows / in_memory.n_rows
    for _ in range(rounds):
        decode = decoding_seconds(path)
        held = share * min(swept_seconds(in_memory, potentials, n_threads) for _ in range(3))
        streamed = swept_seconds(rows, potentials, n_threads)
        ratio = streamed / (decode + held)
        said("sweep", decode=decode, in_memory=held, streamed=streamed, ratio=ratio, memory=memory)


def fit(path: Path, memory: str, n_components: int, n_iterations: int) -> None:
    """Measure the largest resident memory of a fit, imports included."""
    import mixtura

    warnings.simplefilter("ignore")
    began = time.perf_counter()
    scan = mixtura.scan(path, memory=memory)
    mixtura.GaussianMixtureModel(n_components, max_iter=n_iterations).fit(scan)
    spent = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    said("fit", seconds=spent, peak=peak, limit=scan.limit, above=peak - scan.limit)


def main() -> None:
    """Measure sweeps, or a fit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("sweeps", "fit"))
    parser.add_argument("path", type=Path)
    parser.add_argument("--memory", default="400MB")
    parser.add_argument("-k", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--iterations", type=int, default=1)
    given = parser.parse_args()
    if given.what == "fit":
        fit(given.path, given.memory, given.k, given.iterations)
    else:
        sweeps(given.path, given.memory, given.k, given.rounds, given.threads)


if __name__ == "__main__":
    main()
