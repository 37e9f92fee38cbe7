"""Fits by Dask's workers: time, bytes for any number of workers, kills, the scheduler's share."""

import argparse
import hashlib
import os
import pickle
import random
import signal
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.row_places.beyond_memory import potentials_of
from benchmarks.row_places.written_rows import mixture_rows, said


@contextmanager
def workers(number: int) -> Iterator[Any]:
    """Yield a client of so many worker processes of one thread."""
    import distributed

    options = {"threads_per_worker": 1, "dashboard_address": None, "memory_limit": 0}
    with (
        distributed.LocalCluster(n_workers=number, **options) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def digest(gmm: Any) -> str:
    """Return a digest of the model file, but for the seconds that the fit took."""
    gmm.fit_ = replace(gmm.fit_, seconds=0.0)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        gmm.save(path)
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def local_side(path: Path, n_components: int) -> None:
    """Time a fit of the files by two threads of this process, the rows in memory."""
    import mixtura

    began = time.perf_counter()
    scan = mixtura.scan(path, memory="20GB")
    scan.opened(to_fit=True)
    read = time.perf_counter() - began
    began = time.perf_counter()
    gmm = mixtura.GaussianMixtureModel(n_components, n_jobs=2).fit(scan)
    spent = time.perf_counter() - began
    said("local", read=read, fit=spent, n_iter=gmm.n_iter_, objective=gmm.objective_)


def dask_side(path: Path, n_components: int, *, is_scan: bool) -> None:
    """Time a fit of the same files by two workers of one thread, the rows persisted."""
    import dask.dataframe as dd

    import mixtura
    from mixtura.estimator import collections

    seconds: dict[str, float] = {}
    with workers(2) as client:
        if is_scan:
            rows: Any = mixtura.scan(path, cluster=client)
        else:
            rows = dd.read_parquet(path, split_row_groups=5)
        prepare = collections.collection_rows

        def timed(*given: Any, **more: Any) -> Any:
            began = time.perf_counter()
            found = prepare(*given, **more)
            seconds["read"] = time.perf_counter() - began
            return found

        import mixtura.estimator.predictions as predictions

        predictions.collection_rows = timed
        began = time.perf_counter()
        if is_scan:
            from mixtura.engines.distributed.dask_rows import computed
            from mixtura.estimator.scanned_rows import opened_scan

            found = opened_scan(mixtura.GaussianMixtureModel(1), rows, {}, reset=True).rows
            computed(found._parts, client)
            seconds["read"] = time.perf_counter() - began
            began = time.perf_counter() - seconds["read"]
        gmm = mixtura.GaussianMixtureModel(n_components).fit(rows)
        spent = time.perf_counter() - began - seconds["read"]
        what = "scan by workers" if is_scan else "dask"
        said(what, **seconds, fit=spent, n_iter=gmm.n_iter_, objective=gmm.objective_)


def same_bytes(n_rows: int) -> None:
    """Fit by 1, 2, 3 and 4 workers, and by this process a scan that is cut alike."""
    import dask.array as da

    import mixtura

    values = mixture_rows(n_rows, 5, 4, 0)
    cuts = (n_rows // 4, n_rows // 2, n_rows - n_rows // 4 - n_rows // 2)
    cuts = tuple(one for one in (*cuts[:2], *(cuts[2] // 2, cuts[2] - cuts[2] // 2)) if one)
    with TemporaryDirectory() as folder:
        np.save(Path(folder) / "rows.npy", values)
        scan = mixtura.scan(Path(folder) / "rows.npy", cuts=cuts)
        found = {"scan": digest(mixtura.GaussianMixtureModel(4).fit(scan))}
    for number in (1, 2, 3, 4):
        with workers(number):
            collection = da.from_array(values, chunks=(cuts, 5))
            found[f"{number} workers"] = digest(mixtura.GaussianMixtureModel(4).fit(collection))
    said("same bytes", is_same=len(set(found.values())) == 1, found=found)


def kills(n_rows: int, number: int) -> None:
    """Fit again and again while a worker is killed at a random moment."""
    import dask.array as da

    import mixtura

    values = mixture_rows(n_rows, 5, 4, 0)
    dice = random.Random(os.getpid())
    with workers(2) as client:
        collection = da.from_array(values, chunks=(n_rows // 8, 5))
        began = time.perf_counter()
        expected = digest(mixtura.GaussianMixtureModel(4).fit(collection))
        plain = time.perf_counter() - began
        found, spent, n_killed = [], [], 0
        while n_killed < number:
            done = threading.Event()

            def kill(done: threading.Event = done) -> None:
                nonlocal n_killed
                if done.wait(dice.uniform(0.05, 0.6 * min([plain, *spent]))):
                    return
                named = client.run(os.getpid)
                with suppress(ProcessLookupError):
                    os.kill(dice.choice(list(named.values())), signal.SIGKILL)
                    n_killed += 1

            killer = threading.Thread(target=kill)
            began = time.perf_counter()
            killer.start()
            found.append(digest(mixtura.GaussianMixtureModel(4).fit(collection)))
            spent.append(time.perf_counter() - began)
            done.set()
            killer.join()
        n_same = found.count(expected)
        said(
            "worker kills",
            fits=len(found),
            killed=n_killed,
            same=n_same,
            plain=plain,
            seconds=spent,
        )


def payload(n_components: int, n_features: int) -> None:
    """Say how many bytes a partition returns in a sweep, and how many go out."""
    from mixtura.data import ArrayRows, Tile
    from mixtura.engines import best_engine
    from mixtura.engines.tile_sweeps import _packed, _swept
    from mixtura.messages.assignments import Soft

    potentials = potentials_of(n_components, n_features)
    sweep = partial(_swept, best_engine(1), potentials, Soft())
    task = partial(_packed, sweep)
    tile = Tile(0, 0, ArrayRows(mixture_rows(1000, n_features, n_components, 0)))
    back = len(pickle.dumps(task(tile), protocol=5))
    plan = 8 * n_components * (1 + n_features + n_features * (n_features + 1) // 2)
    out = len(pickle.dumps(task, protocol=5))
    said("payload", K=n_components, D=n_features, back=back, formula=plan, out=out)


def shares(n_sweeps: int, rows_of_worker: int, partitions_of_worker: int) -> None:
    """Measure what scheduler and client spend in a sweep by 1 to 4 workers, work grown with them.

    Both are in this process, whose time on a processor is therefore theirs.
    """
    import dask.array as da

    from mixtura.engines import best_engine
    from mixtura.engines.distributed.dask_rows import dask_rows
    from mixtura.messages.assignments import Soft

    potentials = potentials_of(5, 10)
    for number in (1, 2, 3, 4):
        with workers(number):
            size = rows_of_worker // partitions_of_worker
            parts = number * partitions_of_worker
            values = da.concatenate(
                [da.from_array(mixture_rows(size, 10, 5, part)) for part in range(parts)]
            )
            rows = dask_rows(values, None, to_fit=True)
            engine = best_engine(2)
            engine.sweep(rows, potentials, Soft())
            began, busy = time.perf_counter(), time.process_time()
            for _ in range(n_sweeps):
                engine.sweep(rows, potentials, Soft())
            wall = (time.perf_counter() - began) / n_sweeps
            own = (time.process_time() - busy) / n_sweeps
            said("share", workers=number, partitions=parts, wall=wall, scheduler=own)


def main() -> None:
    """Measure one thing."""
    parser = argparse.ArgumentParser(description=__doc__)
    names = ("local", "dask", "scan", "bytes", "kills", "payload", "shares")
    parser.add_argument("what", choices=names)
    parser.add_argument("path", type=Path, nargs="?")
    parser.add_argument("-k", type=int, default=10)
    parser.add_argument("--rows", type=float, default=400_000)
    parser.add_argument("--number", type=int, default=20)
    parser.add_argument("--partitions", type=int, default=4)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    n_rows = int(given.rows)
    run = {
        "local": lambda: local_side(given.path, given.k),
        "dask": lambda: dask_side(given.path, given.k, is_scan=False),
        "scan": lambda: dask_side(given.path, given.k, is_scan=True),
        "bytes": lambda: same_bytes(n_rows),
        "kills": lambda: kills(n_rows, given.number),
        "payload": lambda: payload(20, 50),
        "shares": lambda: shares(given.number, n_rows, given.partitions),
    }
    run[given.what]()


if __name__ == "__main__":
    main()
