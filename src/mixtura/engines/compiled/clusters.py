"""Clusters that rows join and leave, their parameters integrated out, within compiled code.

``clusters`` has one row of numbers for each: how many rows n it has, what its posterior scale adds
to its log density, its posterior mean (D,), and the scale (W,): of variances, or the Cholesky
factor of a matrix, row by row. ``prior`` is (kind, numbers, constants): what the scale adds before
any row, location, shrinkage and shape (D,) and scale, one after the other; and the constants of a
further row and of n rows together, (2, N + 2). ``room`` is of length D.
"""

import numpy as np
from numba import njit

from mixtura.engines.compiled.options import INLINED, INNER

EACH, SHARED, KNOWN, MATRIX = range(4)
"""A variance for each feature, one for all, known ones, a matrix."""

COUNT, WORTH, MEAN = range(3)
"""Places in a cluster's row; the scale follows the mean."""

LEAST_LEFT = 1e-6
"""Share of a scale (of a squared pivot) that must be left when a row leaves it."""

LEAST_PIVOT = 1e-15
"""Of a factorisation, relative to the variance: about what float64 resolves."""


@njit(**INNER)
def weigh(k, prior, clusters, room):
    """Write what the scale of a cluster adds to its log density."""
    kind, numbers, _ = prior
    size = room.size
    n, spread, shape, scale = clusters[k, COUNT], MEAN + size, 1 + 2 * size, 1 + 3 * size
    result = 0.0
    if kind == EACH:
        for d in range(size):
            result -= (numbers[shape + d] + 0.5 * n) * np.log(clusters[k, spread + d])
    elif kind == SHARED:
        result = -(numbers[shape] + 0.5 * n * size) * np.log(clusters[k, spread])
    elif kind == KNOWN:
        for d in range(size):
            result -= 0.5 * clusters[k, spread + d] / numbers[scale + d]
    else:
        for d in range(size):
            result -= np.log(clusters[k, spread + d * size + d])
        result *= numbers[shape] + n
    clusters[k, WORTH] = result


@njit(**INNER)
def factorise(k, clusters, size):
    """Replace the lower triangle of a cluster's matrix by its Cholesky factor."""
    spread = MEAN + size
    for j in range(size):
        at = spread + j * size
        pivot = clusters[k, at + j]
        least = LEAST_PIVOT * pivot
        for i in range(j):
            pivot -= clusters[k, at + i] * clusters[k, at + i]
        root = np.sqrt(max(pivot, least))
        clusters[k, at + j] = root
        for m in range(j + 1, size):
            own = spread + m * size
            rest = clusters[k, own + j]
            for i in range(j):
                rest -= clusters[k, own + i] * clusters[k, at + i]
            clusters[k, own + j] = rest / root


@njit(**INNER)
def clear(k, prior, clusters, room):
    """Make a cluster one without rows."""
    kind, numbers, _ = prior
    size = room.size
    spread, scale = MEAN + size, 1 + 3 * size
    clusters[k, COUNT] = 0.0
    for d in range(size):
        clusters[k, MEAN + d] = numbers[1 + d]
    for i in range(clusters.shape[1] - spread):
        clusters[k, spread + i] = 0.0 if kind == KNOWN else numbers[scale + i]
    if kind == MATRIX:
        factorise(k, clusters, size)
    clusters[k, WORTH] = numbers[0]


@njit(**INLINED)
def score(rows, n, k, prior, clusters, room):
    """Return the log density of a row given those of a cluster."""
    kind, numbers, constants = prior
    size = room.size
    count, worth, spread = clusters[k, COUNT], clusters[k, WORTH], MEAN + size
    shape, scale = 1 + 2 * size, 1 + 3 * size
    constant = constants[0, int(count)]
    if kind == MATRIX:
        square = 0.0
        for i in range(size):
            own = spread + i * size
            rest = rows[n, i] - clusters[k, MEAN + i]
            for j in range(i):
                rest -= clusters[k, own + j] * room[j]
            room[i] = rest / clusters[k, own + i]
            square += room[i] * room[i]
        total, freedom = numbers[1 + size] + count, numbers[shape] + count
        square *= total / (total + 1.0)
        return constant + worth / freedom - 0.5 * (freedom + 1.0) * np.log(1.0 + square)
    if kind == EACH:
        result = constant - worth
        for d in range(size):
            total, apart = numbers[1 + size + d] + count, rows[n, d] - clusters[k, MEAN + d]
            more = 0.5 * total / (total + 1.0) * apart * apart
            power = numbers[shape + d] + 0.5 * (count + 1.0)
            result -= power * np.log(clusters[k, spread + d] + more)
        return result
    more = 0.0
    for d in range(size):
        total, apart = numbers[1 + size + d] + count, rows[n, d] - clusters[k, MEAN + d]
        square = total / (total + 1.0) * apart * apart
        more += square / numbers[scale + d] if kind == KNOWN else square
    if kind == KNOWN:
        return constant - 0.5 * more
    power = numbers[shape] + 0.5 * (count + 1.0) * size
    return constant - worth - power * np.log(clusters[k, spread] + 0.5 * more)


@njit(**INNER)
def evidence(k, prior, clusters):
    """Return the log density of all rows of a cluster."""
    _, numbers, constants = prior
    return constants[1, int(clusters[k, COUNT])] + clusters[k, WORTH] - numbers[0]


@njit(**INNER)
def turn(k, clusters, room, sign):
    """Add to a cluster's factor, or take away, a row; false where too little is left of it.

    By plane or hyperbolic rotations, the row being ``room``, which is used up
    [GillGolubMurraySaunders1974]_.
    """
    size = room.size
    spread = MEAN + size
    for j in range(size):
        at = spread + j * size + j
        old = clusters[k, at]
        square = old * old + sign * room[j] * room[j]
        if not square > LEAST_LEFT * old * old:
            return False
        root = np.sqrt(square)
        clusters[k, at] = root
        if sign > 0.0:
            cosine, sine = old / root, room[j] / root
            for i in range(j + 1, size):
                below = spread + i * size + j
                before = clusters[k, below]
                clusters[k, below] = cosine * before + sine * room[i]
                room[i] = cosine * room[i] - sine * before
            continue
        cosine, sine = root / old, room[j] / old
        for i in range(j + 1, size):
            below = spread + i * size + j
            clusters[k, below] = (clusters[k, below] - sine * room[i]) / cosine
            room[i] = cosine * room[i] - sine * clusters[k, below]
    return True


@njit(**INNER)
def join(rows, n, k, gain, prior, clusters, room):
    """Add a row, whose score was the gain, to a cluster."""
    kind, numbers, constants = prior
    size, count = room.size, clusters[k, COUNT]
    spread = MEAN + size
    for d in range(size):
        total, apart = numbers[1 + size + d] + count, rows[n, d] - clusters[k, MEAN + d]
        if kind == MATRIX:
            room[d] = np.sqrt(total / (total + 1.0)) * apart
        else:
            square = total / (total + 1.0) * apart * apart
            at = spread if kind == SHARED else spread + d
            clusters[k, at] += square if kind == KNOWN else 0.5 * square
        clusters[k, MEAN + d] += apart / (total + 1.0)
    if kind == MATRIX:
        turn(k, clusters, room, 1.0)
    clusters[k, COUNT] = count + 1.0
    # A score is the constant of one row more and what the scale adds, after less before.
    clusters[k, WORTH] += gain - constants[0, int(count)]


@njit(**INLINED)
def leave(rows, n, k, prior, clusters, room):
    """Take a row out of a cluster of several; false where too few digits are left of it."""
    kind, numbers, _ = prior
    size, count = room.size, clusters[k, COUNT] - 1.0
    spread = MEAN + size
    lawful = True
    for d in range(size):
        total = numbers[1 + size + d] + count
        clusters[k, MEAN + d] += (clusters[k, MEAN + d] - rows[n, d]) / total
        apart = rows[n, d] - clusters[k, MEAN + d]
        square = total / (total + 1.0) * apart * apart
        if kind == MATRIX:
            room[d] = np.sqrt(total / (total + 1.0)) * apart
        elif kind == KNOWN:
            clusters[k, spread + d] -= square
        else:
            at = spread if kind == SHARED else spread + d
            left = clusters[k, at] - 0.5 * square
            lawful = lawful and left > LEAST_LEFT * clusters[k, at]
            clusters[k, at] = left
    if kind == MATRIX:
        lawful = turn(k, clusters, room, -1.0)
    clusters[k, COUNT] = count
    if lawful:
        weigh(k, prior, clusters, room)
    return lawful


@njit(**INNER)
def gather(k, kind, clusters, room):
    """Add the squares of a row, or its products, to a cluster's scale."""
    size = room.size
    spread = MEAN + size
    for i in range(size):
        if kind == MATRIX:
            for j in range(i + 1):
                clusters[k, spread + i * size + j] += room[i] * room[j]
        else:
            clusters[k, spread if kind == SHARED else spread + i] += room[i] * room[i]


@njit(**INNER)
def complete(k, prior, clusters, room):
    """Make the posterior of a cluster from its mean and the squares about it."""
    kind, numbers, _ = prior
    size, count = room.size, clusters[k, COUNT]
    spread, scale = MEAN + size, 1 + 3 * size
    for d in range(size):
        location, shrinkage = numbers[1 + d], numbers[1 + size + d]
        share = count / (shrinkage + count)
        away = clusters[k, MEAN + d] - location
        room[d] = np.sqrt(shrinkage * share) * away
        clusters[k, MEAN + d] = location + share * away
    gather(k, kind, clusters, room)
    if kind != KNOWN:
        for i in range(clusters.shape[1] - spread):
            half = clusters[k, spread + i] * (1.0 if kind == MATRIX else 0.5)
            clusters[k, spread + i] = numbers[scale + i] + half
    if kind == MATRIX:
        factorise(k, clusters, size)
    weigh(k, prior, clusters, room)


@njit(**INNER)
def find(rows, labels, first, last, prior, clusters, room):
    """Find the clusters numbered from first to before last anew from their rows, in two passes."""
    size = room.size
    for k in range(first, last):
        for i in range(clusters.shape[1]):
            clusters[k, i] = 0.0
    for n in range(labels.size):
        k = labels[n]
        if first <= k < last:
            clusters[k, COUNT] += 1.0
            for d in range(size):
                clusters[k, MEAN + d] += rows[n, d]
    for k in range(first, last):
        for d in range(size):
            clusters[k, MEAN + d] /= clusters[k, COUNT]
    for n in range(labels.size):
        k = labels[n]
        if first <= k < last:
            for d in range(size):
                room[d] = rows[n, d] - clusters[k, MEAN + d]
            gather(k, prior[0], clusters, room)
    for k in range(first, last):
        complete(k, prior, clusters, room)


@njit(**INNER)
def copy(source, target, clusters):
    """Make one cluster as another is."""
    for i in range(clusters.shape[1]):
        clusters[target, i] = clusters[source, i]
