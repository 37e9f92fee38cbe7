"""What the pictures of a report show, as tables."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from scipy.special import ndtr

from mixtura.fit import Fit
from mixtura.plots.bins import bin_edges
from mixtura.plots.curves import MarginalCurves
from mixtura.plots.missing_cells import MissingPatterns
from mixtura.plots.profile import MAX_FEATURES, standardised
from mixtura.plots.separation import best_features
from mixtura.plots.uncertainty import row_uncertainty
from mixtura.reports.numbers import exact, share, significant
from mixtura.reports.tables import Table, name, truncated
from mixtura.typing import Array, BooleanArray, IntegerArray

N_BINS = 12
MAX_STEPS = 12
MAX_COLUMNS = 6
MOST_DOUBTFUL = 10


def _edges(values: Array) -> Array:
    if not values.size:
        return np.array([0.0, 0.0])
    low, high = float(values.min()), float(values.max())
    edges = bin_edges(values, low, high, N_BINS)
    return np.array([low, high]) if edges is None else edges


def _intervals(edges: Array) -> list[str]:
    digits = 4
    while digits < 15 and len({significant(e, digits) for e in edges}) < np.unique(edges).size:
        digits += 1
    shown = [significant(edge, digits) for edge in edges]
    return [f"{low} to {high}" for low, high in pairwise(shown)]


def _counts(values: Array, edges: Array, weights: Array | None = None) -> Array:
    if edges.size == 2:
        return np.array([values.size if weights is None else weights.sum()], dtype=float)
    return np.histogram(values, bins=edges, weights=weights)[0].astype(float)


def swarm(values: Array) -> Table:
    """Return how many rows fall into equal intervals."""
    edges = _edges(values)
    counts = _counts(values, edges)
    rows = tuple(
        (interval, f"{int(number):,}")
        for interval, number in zip(_intervals(edges), counts, strict=True)
    )
    return Table("Rows by interval", ("interval", "rows"), rows)


def profile(fit: Fit) -> Table:
    """Return the components' means by feature, in standard deviations of all rows."""
    features, chosen = best_features(fit, MAX_FEATURES)
    means, _ = standardised(fit)
    n_shown = min(fit.model.n_components, MAX_COLUMNS)
    rows = tuple(
        (name(fit.feature_names[j]), *(f"{means[k, j]:.2f}" for k in range(n_shown)))
        for j in features
    )
    columns = ("feature", *(name(fit.component_name(k)) for k in range(n_shown)))
    left = fit.model.n_components - n_shown
    more = f"The first {n_shown} components; {left} more are in the picture." if left else ""
    notes = " ".join(part for part in (chosen[:1].upper() + chosen[1:], more) if part)
    return Table("Means in standard deviations of all rows", columns, rows, notes)


def objective(fit: Fit) -> Table:
    """Return the objective of the kept run by iteration."""
    steps = [(f"{i:,}", exact(value)) for i, value in enumerate(fit.history)]
    rows, note = truncated(steps, MAX_STEPS, "iterations")
    return Table(
        f"{fit.objective_name[:1].upper()}{fit.objective_name[1:]} of the run that was kept",
        ("iteration", f"{fit.objective_name} (nats)"),
        rows,
        note,
    )


def density(fit: Fit, x: Array, weights: Array | None) -> Table:
    """Return the observed and the fitted share of rows in equal intervals of one feature."""
    (feature,), chosen = best_features(fit, 1)
    there = ~np.isnan(x[:, feature])
    values = x[there, feature]
    edges = _edges(values)
    counts = _counts(values, edges, None if weights is None else weights[there])
    observed = counts / max(float(counts.sum()), np.finfo(float).tiny)
    total = _shares(MarginalCurves.predictive(fit, int(feature)), edges).sum(axis=1)
    by_component = _shares(MarginalCurves.of(fit, int(feature)), edges)
    n_components = by_component.shape[1] if fit.tells_components else 0
    listed = min(n_components, MAX_COLUMNS)
    columns = (
        "interval",
        "data",
        fit.total_name,
        *(name(fit.component_name(k), 32) for k in range(listed)),
    )
    rows = tuple(
        (interval, share(seen), share(float(whole)), *map(share, fitted[:listed].tolist()))
        for interval, seen, whole, fitted in zip(
            _intervals(edges), observed, total, by_component, strict=True
        )
    )
    notes = []
    if chosen:
        notes.append(f"Of {x.shape[1]} features, the one that separates the components best.")
    if listed < n_components:
        notes.append(f"The first {listed} of {n_components} components.")
    title = f"Shares of the rows by interval of {name(fit.feature_names[feature])}"
    return Table(title, columns, rows, " ".join(notes))


def _shares(marginals: MarginalCurves, edges: Array) -> Array:
    """Return the share of each component in intervals between E edges, shape (E - 1, K)."""
    standard = (edges[:, None] - marginals.means) / marginals.deviations
    return marginals.weights * np.diff(ndtr(standard), axis=0)


def missing(is_missing: BooleanArray, feature_names: Sequence[str]) -> Table:
    """Return how many rows lack which cells, the most frequent patterns first."""
    found = MissingPatterns.of(is_missing)
    rows = []
    for cells, count in zip(found.is_missing, found.counts.tolist(), strict=True):
        lacking = [name(feature_names[d], 24) for d in np.flatnonzero(cells).tolist()]
        told = ", ".join(lacking[:MAX_COLUMNS]) or "none"
        if len(lacking) > MAX_COLUMNS:
            told += f" and {len(lacking) - MAX_COLUMNS} more"
        rows.append((told, f"{count:,}"))
    kept, note = truncated(rows, 30, "patterns")
    return Table("Missing cells by pattern", ("missing", "rows"), kept, note)


def clusters(fit: Fit, x: Array, labels: IntegerArray) -> Table:
    """Return the range of the rows of each component."""
    features, chosen = best_features(fit, 5)
    columns = ["component", "rows"]
    columns += [f"{name(fit.feature_names[d], 32)}: median (range)" for d in features]
    rows = []
    for k in range(fit.n_parts):
        member = x[labels == k]
        cells = [_range(member[:, d]) for d in features]
        rows.append((name(fit.component_name(k, short=True), 32), f"{member.shape[0]:,}", *cells))
    kept, note = truncated(rows, 30, "components")
    sentences = [note, f"{chosen[:1].upper()}{chosen[1:]}." if chosen else ""]
    return Table("Rows by component", tuple(columns), kept, " ".join(s for s in sentences if s))


def _range(values: Array) -> str:
    if not values.size:
        return "-"
    low, middle, high = (significant(v) for v in np.percentile(values, [0, 50, 100]))
    return f"{middle} ({low} to {high})"


def uncertainty(fit: Fit, responsibilities: Array) -> Table:
    """Return the most doubtful rows."""
    doubt = row_uncertainty(responsibilities)
    doubtful = np.argsort(-doubt, kind="stable")[:MOST_DOUBTFUL]
    rows = []
    for row in doubtful:
        shares = responsibilities[row].tolist()
        first, second = np.argsort(-responsibilities[row], kind="stable")[:2].tolist()
        best, next_best = (name(fit.component_name(k, short=True), 32) for k in (first, second))
        rows.append((f"{int(row):,}", best, share(shares[first]), next_best, share(shares[second])))
    columns = ("row (from 0)", "best component", "probability", "second best", "probability")
    note = ""
    if doubt.size > MOST_DOUBTFUL:
        note = f"The {MOST_DOUBTFUL} most doubtful of {doubt.size:,} rows."
    return Table("Rows whose assignment is least certain", columns, tuple(rows), note)
