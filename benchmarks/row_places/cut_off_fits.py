"""Whole processes that are killed in the middle of a fit with a checkpoint, and started again."""

import argparse
import os
import random
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.row_places.dask_places import digest
from benchmarks.row_places.written_rows import said


def fit(path: Path, checkpoint: Path, inference: str, n_components: int) -> None:
    """Fit a scan that does not fit into its memory, and print the digest of the model."""
    import mixtura

    warnings.simplefilter("ignore")
    method = {"map": mixtura.MAP, "vb": mixtura.VB, "ml": mixtura.ML}[inference]
    scan = mixtura.scan(path, memory="1MB")
    gmm = mixtura.GaussianMixtureModel(n_components, inference=method(checkpoint=checkpoint))
    print(digest(gmm.fit(scan)))


def kills(path: Path, inference: str, number: int, n_components: int) -> None:
    """Kill such fits at random moments, and start each again until it ends."""
    dice = random.Random(os.getpid())
    with TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "sweeps"
        again = [sys.executable, "-m", "benchmarks.row_places.cut_off_fits", "fit"]
        again += [str(path), "--checkpoint", str(checkpoint)]
        again += ["--inference", inference, "-k", str(n_components)]
        began = time.perf_counter()
        expected = subprocess.run(again, capture_output=True, text=True, check=True).stdout
        plain = time.perf_counter() - began
        n_killed = n_same = n_kept = 0
        while n_killed < number:
            process = subprocess.Popen(again, stdout=subprocess.PIPE, text=True)
            try:
                found = process.communicate(timeout=dice.uniform(0.3, 1.0) * plain)[0]
                n_same += found == expected
                continue
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.communicate()
                n_killed += 1
            n_kept += checkpoint.exists() and checkpoint.stat().st_size > 100
            if dice.random() < 0.5:
                found = subprocess.run(again, capture_output=True, text=True, check=True).stdout
                n_same += found == expected
                assert found == expected
        last = subprocess.run(again, capture_output=True, text=True, check=True).stdout
        said(
            "process kills",
            inference=inference,
            killed=n_killed,
            with_sweeps_kept=n_kept,
            ended_the_same=n_same + (last == expected),
            last_is_same=last == expected,
            plain=plain,
        )


def main() -> None:
    """Kill fits, or be one of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("fit", "kills"))
    parser.add_argument("path", type=Path)
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--inference", default="map")
    parser.add_argument("--number", type=int, default=7)
    parser.add_argument("-k", type=int, default=5)
    given = parser.parse_args()
    if given.what == "fit":
        fit(given.path, given.checkpoint, given.inference, given.k)
    else:
        kills(given.path, given.inference, given.number, given.k)


if __name__ == "__main__":
    main()
