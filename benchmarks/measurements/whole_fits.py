"""Time of whole default fits of sixty data sets, beside scikit-learn's."""

import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from benchmarks.context import Context
from benchmarks.table import Table, factor_cell, seconds_cell

N_SETS, N_QUICK = 60, 6
SIZES = (300, 1_000, 3_000, 10_000, 30_000, 100_000)
"""Rows of the sets, in turn."""

MOST_FEATURES, MOST_COMPONENTS = 20, 10

NOTES = [
    "Whole calls of `fit` with all defaults, in turn within one process; medians of rounds. The "
    "ratio is scikit-learn's time over ours: above one we are faster.",
    "Separation: the least distance between two means, in standard deviations of the groups; the "
    "sets are drawn, none was chosen.",
    'Higher by: our log likelihood under "ml" less scikit-learn\'s, in nats.',
]

COLUMNS = ["N", "D", "K", "separation", "map", "ml", "scikit-learn", "map ratio", "ml ratio"]


@final
@dataclass(frozen=True, eq=False)
class DataSet:
    """Rows of equally wide groups.

    Parameters
    ----------
    rows : array of shape (N, D)
        The rows.
    n_components : int
        Number of groups K.
    separation : float
        The least distance of two means, in standard deviations.
    """

    rows: np.ndarray
    n_components: int
    separation: float


def data_set(number: int) -> DataSet:
    """Return one of the sets."""
    rng = np.random.default_rng([2026, number])
    n_rows, n_features = SIZES[number % len(SIZES)], int(rng.integers(1, MOST_FEATURES + 1))
    n_components, separation = int(rng.integers(2, MOST_COMPONENTS + 1)), rng.uniform(1.0, 4.0)
    means = rng.normal(size=(n_components, n_features))
    apart = np.linalg.norm(means[:, None] - means, axis=-1) + np.diag([np.inf] * n_components)
    means *= separation / apart.min()
    own = rng.integers(n_components, size=n_rows)
    return DataSet(means[own] + rng.normal(size=(n_rows, n_features)), n_components, separation)


def contenders(given: DataSet) -> dict[str, Callable[[], Any]]:
    """Return what is timed, by name; each returns a fitted model."""
    from sklearn.mixture import GaussianMixture

    from mixtura import GaussianMixtureModel

    n = given.n_components
    return {
        "map": lambda: GaussianMixtureModel(n).fit(given.rows),
        "ml": lambda: GaussianMixtureModel(n, inference="ml").fit(given.rows),
        "scikit-learn": lambda: GaussianMixture(n, random_state=0).fit(given.rows),
    }


def measure_whole_fits(context: Context) -> Table:
    """Return the table of whole fits."""
    settings = context.settings
    table = Table(
        "whole_fits", "whole default fits of drawn sets", list(NOTES), [*COLUMNS, "higher by"]
    )
    ratios: dict[str, list[float]] = {"map": [], "ml": []}
    n_higher, n_sets = 0, N_QUICK if settings.quick else N_SETS
    for number in range(n_sets):
        given = data_set(number)
        sizes = (*given.rows.shape, given.n_components, f"{given.separation:.1f}")
        context.report(f"whole_fits: {sizes}")
        calls = contenders(given)
        seconds: dict[str, list[float]] = {name: [] for name in calls}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            models = {name: call() for name, call in calls.items()}
            for _ in range(settings.plan.runs):
                for name, call in calls.items():
                    begin = time.perf_counter()
                    call()
                    seconds[name].append(time.perf_counter() - begin)
        middle = {name: statistics.median(found) for name, found in seconds.items()}
        found = {name: middle["scikit-learn"] / middle[name] for name in ratios}
        likelihoods = [float(models[name].score(given.rows)) for name in ("ml", "scikit-learn")]
        higher = (likelihoods[0] - likelihoods[1]) * len(given.rows)
        n_higher += higher > -0.01
        for name, ratio in found.items():
            ratios[name].append(ratio)
        table.add(
            [
                *(str(size) for size in sizes),
                *(seconds_cell(middle[name]) for name in calls),
                *(factor_cell(found[name]) for name in ratios),
                f"{higher:.3g}",
            ]
        )
        table.details.append({"set": number, "seconds": seconds, "higher": higher})
    for name, values in ratios.items():
        tenth, half = np.quantile(values, (0.1, 0.5))
        table.notes.append(
            f'"{name}": {factor_cell(tenth)} times as fast or more in nine of ten, '
            f"{factor_cell(half)} in the median, {factor_cell(min(values))} at least."
        )
    table.notes.append(f'The log likelihood under "ml" is as high in {n_higher} of {n_sets}.')
    return table
