"""Ward's hierarchical clustering of weighted rows."""

import numpy as np

from mixtura.engines import Engine
from mixtura.typing import Array, IntegerArray

TIE = 1e-9
"""Relative: costs closer than this are equal but for rounding, which must not choose."""


def ward_labels(values: Array, mass: Array, n_clusters: int, engine: Engine) -> IntegerArray:
    """Return the clusters of Ward's method [Ward1963]_, 0 to K - 1, shape (N,).

    A row of mass two does as two rows. Time and memory grow with N^2.

    Parameters
    ----------
    values : array of shape (N, D)
        Distinct rows, N at least ``n_clusters``.
    mass : array of shape (N,)
        Their weights, above zero.
    n_clusters : int
        Number of clusters K.
    engine : Engine
        What finds the merges.
    """
    found = engine.ward_merges(values, mass)
    steps = _merges(values, mass) if found is None else found
    steps = steps[np.lexsort((steps[:, 2], steps[:, 1], steps[:, 0]))]
    n_steps = len(values) - n_clusters
    parent = list(range(len(values)))
    if n_steps > 0:
        # Of merges that cost alike but for rounding the first in the order of the rows are made.
        most = steps[n_steps - 1, 0]
        cheap = steps[steps[:, 0] < (1.0 - TIE) * most]
        alike = steps[(steps[:, 0] >= (1.0 - TIE) * most) & (steps[:, 0] <= (1.0 + TIE) * most)]
        steps = np.concatenate([cheap, alike[np.lexsort((alike[:, 2], alike[:, 1]))]])
    for kept, gone in steps[: max(n_steps, 0), 1:].astype(np.intp).tolist():
        one, other = _root(parent, kept), _root(parent, gone)
        parent[max(one, other)] = min(one, other)
    roots = [_root(parent, position) for position in range(len(values))]
    return np.unique(roots, return_inverse=True)[1].astype(np.intp)


def _merges(values: Array, mass: Array) -> Array:
    """Return cost and members of every merge, along chains of nearest neighbours, (N - 1, 3)."""
    costs = np.zeros((len(values), len(values)))
    for column in values.T:
        costs += np.square(column[:, None] - column)
    costs *= mass[:, None] * mass / (mass[:, None] + mass)
    np.fill_diagonal(costs, np.inf)
    size = mass.astype(np.float64)
    gone = np.zeros(len(values), dtype=bool)
    chain: list[int] = []
    steps: list[tuple[float, int, int]] = []
    while len(steps) < len(values) - 1:
        if not chain:
            chain.append(int(np.argmin(gone)))
        last = chain[-1]
        row = costs[last]
        least = (1.0 + TIE) * row.min()
        nearest = int((row <= least).argmax())
        before = chain[-2] if len(chain) > 1 else -1
        if before < 0 or row[before] > least:
            chain.append(nearest)
            continue
        del chain[-2:]
        kept, lost = min(last, before), max(last, before)
        cost = float(costs[kept, lost])
        steps.append((cost, kept, lost))
        # Costs of a merged cluster follow from those of its parts (Lance and Williams).
        total = size[kept] + size[lost]
        row = (size[kept] + size) * costs[kept] + (size[lost] + size) * costs[lost] - size * cost
        row /= total + size
        row[kept] = row[lost] = np.inf
        costs[kept] = costs[:, kept] = row
        costs[lost] = costs[:, lost] = np.inf
        size[kept] = total
        gone[lost] = True
    return np.array(steps).reshape(len(values) - 1, 3)


def _root(parent: list[int], position: int) -> int:
    while parent[position] != position:
        parent[position] = parent[parent[position]]
        position = parent[position]
    return position
