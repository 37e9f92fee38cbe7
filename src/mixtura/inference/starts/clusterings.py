"""Clusterings of a sample from which short runs of EM begin."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import final

import numpy as np

from mixtura.data import ArrayRows
from mixtura.engines import Engine
from mixtura.engines.content_keys import fewer_rows, in_order
from mixtura.inference.starts.base import standard_units
from mixtura.inference.starts.hierarchy import ward_labels
from mixtura.inference.starts.split import (
    CLOSE,
    MOST_FEATURES,
    MOST_MOVES,
    PIECES,
    moved_labels,
    nearest_labels,
    split_means,
)
from mixtura.typing import Array, IntegerArray

HIERARCHY = 300
HIERARCHY_OF_COMPONENT = 20
"""Rows in which a hierarchy is sought, and rows for each component, whichever is more."""

SPLIT = 1 << 10
SPLIT_OF_COMPONENT = 64
"""Rows whose clusters are split, and rows for each component, whichever is more."""

FLAT = 1e-8
"""Share of the largest eigenvalue of the correlations below which a direction is left out."""


def clusterings(
    sample: ArrayRows, n_clusters: int, engine: Engine, *, correlated: bool
) -> Iterator[IntegerArray]:
    """Yield different partitions of a sample into at most K clusters, each of shape (N,).

    In each system of coordinates: splits and Ward's hierarchy, both before and after steps of
    k-means. Functions of the weighted distribution of the rows: no randomness, equal rows
    together, a row of weight two as two rows.

    Parameters
    ----------
    sample : ArrayRows
        The rows.
    n_clusters : int
        Number of clusters K.
    engine : Engine
        What sweeps the rows.
    correlated : bool
        Whether components may be correlated, so that uncorrelated columns are tried as well.
    """
    seen: set[bytes] = set()
    for number, system in enumerate(coordinates(sample, engine, correlated=correlated)):
        # Of the first two, which do not hang on the correlations, the clusters are the same.
        found = sample.once(
            ("clusters", number, n_clusters, engine),
            partial(_found_in, sample, system, n_clusters, engine),
        )
        for labels in found:
            key = labels.tobytes()
            if key not in seen:
                seen.add(key)
                yield labels


def _numbered_by_appearance(labels: IntegerArray) -> IntegerArray:
    """Return labels (N,) numbered by the rows where they appear first."""
    numbers = np.flatnonzero(np.bincount(labels))
    first = [int((labels == number).argmax()) for number in numbers]
    renumbered = np.zeros(int(numbers[-1]) + 1, dtype=np.intp)
    renumbered[numbers] = np.argsort(np.argsort(first))
    return renumbered[labels]


@final
@dataclass(frozen=True, eq=False)
class FewRows:
    """Distinct rows, in which a hierarchy is sought.

    Parameters
    ----------
    values : array of shape (M, D)
        The rows.
    mass : array of shape (M,)
        How much they weigh, above zero.
    positions : integer array of shape (N,), optional
        Which of them each row of the sample is; None where they are not all there is. A row
        without weight is the first.
    """

    values: Array
    mass: Array
    positions: IntegerArray | None


def _different(rows: ArrayRows, *, is_all: bool) -> FewRows:
    ordered = in_order(rows)
    if not is_all or np.array_equal(ordered.values, rows.values):
        mass = np.ones(ordered.n_rows) if ordered.weights is None else ordered.weights
        return FewRows(ordered.values, mass, np.arange(ordered.n_rows) if is_all else None)
    weights = np.ones(rows.n_rows) if rows.weights is None else rows.weights
    distinct, where = np.unique(rows.values, axis=0, return_inverse=True)
    where = where.ravel()
    mass = np.bincount(where, weights=weights, minlength=len(distinct)).astype(np.float64)
    heavy = mass > 0.0
    positions = np.where(heavy, np.cumsum(heavy) - 1, 0)[where]
    return FewRows(distinct[heavy], mass[heavy], positions)


def coordinates(
    sample: ArrayRows, engine: Engine, *, correlated: bool
) -> list[tuple[Array, Array]]:
    """Return centres (D,) and mappings, (D,) or (D, M), to columns that distances are taken in.

    Standardised columns, the columns as they are, and, for correlated components, uncorrelated
    ones.
    """
    centre, inverse = standard_units(sample, engine)
    n_features = centre.size
    systems = [(centre, inverse)]
    varied = inverse > 0.0
    if n_features == 1 or not varied.any():
        return systems
    # The columns as they are, in one unit that makes their variances about one.
    variances = np.where(varied, 1.0 / np.where(varied, inverse, 1.0) ** 2, 0.0)
    systems.append((centre, np.full(n_features, 1.0 / np.sqrt(variances.mean()))))
    if correlated:
        overall = engine.overall(sample, matrix=True)
        moments = overall.second[0] / max(overall.total, np.finfo(float).tiny)
        values, vectors = np.linalg.eigh(moments * inverse[:, None] * inverse)
        kept = values > FLAT * values[-1]
        systems.append((centre, inverse[:, None] * vectors[:, kept] / np.sqrt(values[kept])))
    return systems


def _mapped(values: Array, centre: Array, mapping: Array) -> Array:
    centred = values - centre
    return np.ascontiguousarray(centred * mapping if mapping.ndim == 1 else centred @ mapping)


def _found_in(
    sample: ArrayRows, system: tuple[Array, Array], n_clusters: int, engine: Engine
) -> list[IntegerArray]:
    """Return the clusters of a sample in a system of coordinates."""
    most = max(HIERARCHY, HIERARCHY_OF_COMPONENT * n_clusters)
    few = sample.once(
        ("different rows", min(most, sample.n_rows)),
        lambda: _different(fewer_rows(sample, most), is_all=sample.n_rows <= most),
    )
    most = max(SPLIT, SPLIT_OF_COMPONENT * n_clusters)
    rows = ArrayRows(_mapped(sample.values, *system), sample.weights)
    split = rows
    if sample.n_rows > most:
        part = fewer_rows(sample, most)
        split = ArrayRows(_mapped(part.values, *system), part.weights)
    values = _mapped(few.values, *system)
    return list(_in_coordinates(rows, split, values, few, n_clusters, engine))


def _in_coordinates(
    rows: ArrayRows,
    split: ArrayRows,
    values: Array,
    few: FewRows,
    n_clusters: int,
    engine: Engine,
) -> Iterator[IntegerArray]:
    """Yield clusters of rows, numbered by the rows where they appear first.

    Clusters of ``split`` are split; ``values`` are those of the few rows in which a hierarchy is
    sought.
    """
    if values.shape[1] <= MOST_FEATURES:
        limits = (n_clusters, PIECES, MOST_MOVES, CLOSE)
        run = engine.clusters(rows, split, (values, few.mass, few.positions), limits)
        if run is not None:
            yield from run
            return
    found = moved_labels(rows, split_means(split, n_clusters, engine), engine)
    yield _numbered_by_appearance(found)
    if few.mass.size < n_clusters:
        return
    found = ward_labels(values, few.mass, n_clusters, engine)
    members = np.equal.outer(np.arange(n_clusters), found) * few.mass
    means = (members @ values) / members.sum(axis=1, keepdims=True)
    if few.positions is None:
        yield _numbered_by_appearance(nearest_labels(rows, means, engine))
    else:
        yield _numbered_by_appearance(found[few.positions])
    yield _numbered_by_appearance(moved_labels(rows, means, engine))
