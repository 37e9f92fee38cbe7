"""How far the default start ends below the best that is known."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.best_known import BestKnown, Known, Target, search
from benchmarks.context import Context
from benchmarks.groups import MATRICES, ROUND
from benchmarks.table import Table
from benchmarks.varied import HELD_BACK, TUNING, varied_sets
from mixtura.priors import NormalInverseGamma, NormalInverseWishart

SHORT, FAR = 0.01, 10.0
"""Nats below the best known from which a fit misses it, and misses it by far."""

REAL = (
    ("banknote", "tied", 3, 6),
    ("thyroid", "spherical", 3, 5),
    ("thyroid", "spherical", 5, 5),
    ("thyroid", "diag", 2, 5),
    ("diabetes", "tied_diag", 3, 3),
    ("galaxies", "full", 4, 1),
    ("galaxies", "full", 5, 1),
)
"""File, family, K and the number of leading columns that are features."""

SECONDS = 3.0
"""Processor time of a search where nothing is known, and none is asked for."""

REAL_SECONDS = 6.0
"""The least of real data, which are searched anew: their prior may be another each time."""

QUICK_COMPONENTS = 8
"""The most of the sets for a first look."""

NOTES = [
    "Short: nats by which the fit with the default start is below the best known end; negative "
    "where it is above it. Best known: of the start from the true groups ('labels'), the hierarchy "
    "of R's mclust where R is installed, 20 k-means starts, 20 split starts (5 from K = 10 on) and "
    "up to 200 random starts of mixtura at commit 789ee12, as many as the time allowed ('random "
    "run' counts them); kept in best-known.json, and searched on where more time is given. The "
    "columns of the starts say how far the best of each kind is below the best of all.",
    "Under map the prior is given: degrees of freedom D + 2 (diagonal: shape 2), mode at the "
    "harmonic mean of the groups' own covariances, so that it does not depend on the default. "
    "Real data: the prior is the default fit's own, given to every start.",
    "Ends count only where each component that has a covariance of its own has more than D rows "
    "(map; otherwise the prior alone makes it) or 2 D rows (ml; otherwise chance does), and under "
    "ml none is reported as collapsed. 'degenerate': the default fit ends otherwise.",
    "The held-back sets come from other generators than those of tuning, and are run only where "
    "--only names held-back.",
]

COLUMNS = ["set", "method", "short", "best known by", "mclust", "split", "k-means"]
COLUMNS += ["random", "random run"]


def measure_starts(context: Context, store: BestKnown | None = None) -> Table:
    """Return the table of default starts; what is known is kept in the file unless told where."""
    table = Table("starts", "default starts against the best known ends", NOTES, COLUMNS)
    settings = context.settings
    store = BestKnown() if store is None else store
    seconds = SECONDS if settings.search is None else settings.search
    short: dict[str, list[float]] = {}
    for target in simulated_targets(context):
        known = store.known(target)
        if settings.search is not None or not math.isfinite(known.best):
            known = search(target, known, seconds)
            store.keep(target, known)
        _add(context, table, target, known, short)
    for target in _real(context):
        known = search(target, Known(), max(seconds, REAL_SECONDS))
        _add(context, table, target, known, short)
    for group, values in short.items():
        table.add([group, *_counts(values), *[""] * (len(COLUMNS) - 4)])
    return table


def _counts(values: list[float]) -> tuple[str, str, str]:
    misses = sum(not value <= SHORT for value in values)
    far = sum(not value <= FAR for value in values)
    below = f"{misses} of {len(values)} below by more than {SHORT}"
    return below, f"{far} by more than {FAR:g}", f"worst {max(values):.4g}"


def _add(
    context: Context, table: Table, target: Target, known: Known, short: dict[str, list[float]]
) -> None:
    """Fit with the default start and add its line."""
    context.report(f"starts: {target.name}, {target.inference}")
    try:
        model = target.fit()
    except Exception as error:  # a fit that fails is a finding, not the end of the table
        value, shown = math.inf, f"failed: {type(error).__name__}"
    else:
        value = known.best - model.objective_
        shown = f"{value:.4f}"
        if not target.is_sound(model):
            shown = f"{shown} (degenerate)"
            value = math.inf if value > SHORT else value
    part = target.name.split()[0]
    short.setdefault(f"{part}, {target.inference}", []).append(value)
    ends = (_below(known, kind) for kind in ("mclust", "split", "kmeans", "random"))
    tried = known.tried.get("random", 0)
    table.add([target.name, target.inference, shown, known.by, *ends, str(tried)])
    table.details.append(
        {"set": target.name, "method": target.inference, "best known": known.best, "found": shown}
    )


def _below(known: Known, kind: str) -> str:
    return f"{known.best - known.ends[kind]:.2f}" if kind in known.ends else "–"


def simulated_targets(context: Context) -> Iterator[Target]:
    """Yield the simulated sets that are asked for; those held back only by that name."""
    for part in (TUNING, HELD_BACK):
        if part == HELD_BACK and not any(HELD_BACK in text for text in context.settings.only):
            continue
        for one in varied_sets(part):
            for method in ("ml", "map"):
                if not context.settings.wants(f"{one.name} {method}"):
                    continue
                if context.settings.quick and one.n_groups > QUICK_COMPONENTS:
                    continue
                rows, labels = one.groups.rows, one.groups.labels
                prior = given_prior(rows, labels, one.family) if method == "map" else None
                yield Target(one.name, rows, one.n_groups, one.family, method, prior, labels)


def _real(context: Context) -> Iterator[Target]:
    for file, family, number, n_features in REAL:
        rows = real_rows(file, n_features, context.settings.data)
        for method in ("ml", "map"):
            name = f"real {file} {family} K={number}"
            if rows is None or not context.settings.wants(f"{name} {method}"):
                continue
            target = Target(name, rows, number, family, method)
            if method == "map":
                # Starts can only be compared under one prior, whatever the default takes it from.
                prior = target.fit(max_iter=1).fit_.model.component_prior
                target = Target(name, rows, number, family, method, prior)
            yield target


def real_rows(file: str, n_features: int, folder: Path) -> np.ndarray | None:
    """Return the features of a file, shape (N, D), or None where it is not there."""
    path = folder / f"{file}.csv"
    if not path.exists():
        return None
    rows = np.loadtxt(path, delimiter=",", skiprows=1, ndmin=2)
    return np.ascontiguousarray(rows[:, :n_features])


def given_prior(rows: np.ndarray, labels: np.ndarray, family: str) -> Any:
    """Return a prior whose mode is the harmonic mean of the groups' own covariances.

    With its mode elsewhere, components of few rows would go there: in ten features the density at
    a mode that is a twentieth of the groups' covariances is worth hundreds of nats.
    """
    n_features = rows.shape[1]
    numbers, sizes = np.unique(labels, return_counts=True)
    covariances = [np.atleast_2d(np.cov(rows[labels == k].T, bias=True)) for k in numbers]
    units = np.sqrt(np.mean([np.diag(one) for one in covariances], axis=0))
    precisions = [np.linalg.inv(one / np.outer(units, units)) for one in covariances]
    average = np.tensordot(sizes / sizes.sum(), precisions, axes=1)
    # Six digits, which any linear algebra agrees on, so that the prior can be recognised.
    scale = _six_digits(np.linalg.inv(average) * np.outer(units, units))
    mean = _six_digits(rows.mean(axis=0))
    if family in MATRICES:
        freedom = n_features + 2.0
        matrix = 0.5 * (freedom + n_features + 2.0) * (scale + scale.T)
        return NormalInverseWishart(mean, 0.01, freedom, matrix)
    variances = float(np.mean(np.diag(scale))) if family in ROUND else np.diag(scale)
    return NormalInverseGamma(mean, 0.01, 2.0, 3.5 * variances)


def _six_digits(values: np.ndarray) -> np.ndarray:
    return np.array([float(f"{value:.6g}") for value in values.ravel()]).reshape(values.shape)
