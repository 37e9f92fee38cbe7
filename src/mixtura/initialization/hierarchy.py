"""Ward's hierarchical clustering of weighted rows."""

import numpy as np

from mixtura.typing import Array, IntegerArray


def ward_labels(values: Array, mass: Array, n_clusters: int) -> IntegerArray:
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
    """
    steps = _merges(values, mass)
    steps.sort(key=lambda step: step[0])
    parent = np.arange(len(values))
    for _, kept, gone in steps[: len(values) - n_clusters]:
        one, other = _root(parent, kept), _root(parent, gone)
        parent[max(one, other)] = min(one, other)
    roots = [_root(parent, position) for position in range(len(values))]
    return np.unique(roots, return_inverse=True)[1].astype(np.intp)


def _merges(values: Array, mass: Array) -> list[tuple[float, int, int]]:
    """Return cost and members of every merge, along chains of nearest neighbours."""
    squares = np.square(values).sum(axis=1)
    costs = np.maximum(squares[:, None] + squares - 2.0 * values @ values.T, 0.0)
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
        nearest = int(costs[last].argmin())
        before = chain[-2] if len(chain) > 1 else -1
        if before < 0 or costs[last, before] > costs[last, nearest]:
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
    return steps


def _root(parent: IntegerArray, position: int) -> int:
    while parent[position] != position:
        parent[position] = parent[parent[position]]
        position = int(parent[position])
    return position
