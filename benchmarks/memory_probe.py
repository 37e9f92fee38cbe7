"""A process that fits once and prints how much memory that took.

Run as ``python -m benchmarks.memory_probe PACKAGE ROWS.npy K``.
"""

import contextlib
import json
import resource
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

ITERATIONS = 5


def main() -> None:
    """Load, warm up, fit, print."""
    package, file, n_components = sys.argv[1], sys.argv[2], int(sys.argv[3])
    rows = np.load(file)
    fit = {"mixtura": _mixtura, "scikit-learn": _scikit_learn}[package]
    warnings.simplefilter("ignore")
    fit(rows[: max(1000, 20 * n_components)].copy(), n_components)
    print(json.dumps({"above": peak_above(lambda: fit(rows, n_components))}))


def peak_above(call: Callable[[], object]) -> float:
    """Return the largest resident memory during a call minus that before it, in bytes."""
    _forget_largest()
    before = _resident("VmRSS")
    call()
    return max(0.0, _resident("VmHWM") - before)


def _forget_largest() -> None:
    """Let Linux count the largest resident memory anew; elsewhere the data count as reached."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _resident(field: str) -> float:
    """Return a field of Linux's status of this process in bytes; elsewhere the largest so far."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        unit = 1.0 if sys.platform == "darwin" else 1024.0
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    found = next(line for line in lines if line.startswith(f"{field}:"))
    return float(found.split()[1]) * 1024.0


def _mixtura(rows: np.ndarray, n_components: int) -> None:
    from mixtura import GaussianMixtureModel

    GaussianMixtureModel(n_components, max_iter=ITERATIONS).fit(rows)


def _scikit_learn(rows: np.ndarray, n_components: int) -> None:
    from sklearn.mixture import GaussianMixture

    GaussianMixture(n_components, max_iter=ITERATIONS, random_state=0).fit(rows)


if __name__ == "__main__":
    main()
