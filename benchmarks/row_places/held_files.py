"""A file that fits into memory: whole fits of the scan against those of the array."""

import argparse
import time
import warnings
from pathlib import Path

from benchmarks.row_places.written_rows import said


def main() -> None:
    """Measure whole fits in turns, after the first read."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("-k", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    import mixtura

    warnings.simplefilter("ignore")
    began = time.perf_counter()
    scan = mixtura.scan(given.path, memory="20GB")
    rows = scan.opened(to_fit=True).rows
    said("first read", seconds=time.perf_counter() - began)
    values = rows.values.copy()
    for _ in range(given.rounds):
        spent = []
        for one in (values, scan):
            gmm = mixtura.GaussianMixtureModel(given.k)
            began = time.perf_counter()
            gmm.fit(one)
            spent.append(time.perf_counter() - began)
        said("fit", array=spent[0], scan=spent[1], ratio=spent[1] / spent[0])


if __name__ == "__main__":
    main()
