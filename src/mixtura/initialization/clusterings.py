"""Clusterings of a sample from which short runs of EM begin."""

from collections.abc import Iterator

import numpy as np

from mixtura.data import ArrayRows
from mixtura.engines import Engine
from mixtura.engines.content import fewer_rows
from mixtura.initialization.base import standard_units
from mixtura.initialization.hierarchy import ward_labels
from mixtura.initialization.split import moved_labels, nearest_labels, split_means
from mixtura.typing import Array, IntegerArray

HIERARCHY = 300
HIERARCHY_OF_COMPONENT = 20
"""Rows in which a hierarchy is sought, and rows for each component, whichever is more."""

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
    most = max(HIERARCHY, HIERARCHY_OF_COMPONENT * n_clusters)
    few = fewer_rows(sample, most)
    for centre, mapping in coordinates(sample, engine, correlated=correlated):
        rows = ArrayRows(_mapped(sample, centre, mapping), sample.weights)
        for labels in _in_coordinates(rows, _mapped(few, centre, mapping), few, n_clusters, engine):
            first, where = np.unique(labels, return_index=True, return_inverse=True)[1:]
            key = np.argsort(np.argsort(first))[where.ravel()].tobytes()
            if key not in seen:
                seen.add(key)
                yield labels


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


def _mapped(rows: ArrayRows, centre: Array, mapping: Array) -> Array:
    centred = rows.values - centre
    return np.ascontiguousarray(centred * mapping if mapping.ndim == 1 else centred @ mapping)


def _in_coordinates(
    rows: ArrayRows, values: Array, few: ArrayRows, n_clusters: int, engine: Engine
) -> Iterator[IntegerArray]:
    """Yield clusters of rows; ``values`` are those of the few in which a hierarchy is sought."""
    yield moved_labels(rows, split_means(rows, n_clusters, None), engine)
    weights = np.ones(len(values)) if few.weights is None else few.weights
    distinct, where = np.unique(values, axis=0, return_inverse=True)
    where = where.ravel()
    mass: Array = np.bincount(where, weights=weights, minlength=len(distinct)).astype(np.float64)
    heavy = np.flatnonzero(mass > 0.0)
    if heavy.size < n_clusters:
        return
    found = ward_labels(distinct[heavy], mass[heavy], n_clusters)
    means = np.stack(
        [
            np.average(distinct[heavy[found == k]], axis=0, weights=mass[heavy[found == k]])
            for k in range(n_clusters)
        ]
    )
    if few.n_rows == rows.n_rows:
        labels = np.zeros(len(distinct), dtype=np.intp)
        labels[heavy] = found
        yield labels[where]
    else:
        yield nearest_labels(rows, means, engine)
    yield moved_labels(rows, means, engine)
