"""The deterministic default: clusters split in two where that gains most."""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.random import SeedSequence

from mixtura.data import ArrayRows, Rows
from mixtura.engines import Engine
from mixtura.inference.starts.base import Initializer, standard_units
from mixtura.inference.starts.sample_statistics import sample_of, swept_statistics
from mixtura.messages.assignments import Hard
from mixtura.messages.potentials import Potentials
from mixtura.messages.statistics import SufficientStatistics
from mixtura.model import MixtureModel
from mixtura.typing import Array, IntegerArray

MOST_MOVES = 10
"""Steps of k-means after the splits."""

PIECES = 3
"""Clusters are split into so many times as many as are wanted, and then merged."""

CLOSE = 1e-6
"""Standard deviations of a column: k-means that moves by no more has ended."""

MOST_FEATURES, POWERS = 64, 20
"""Features up to which the scatter of a cluster is decomposed, and steps towards its principal
direction beyond."""

TINY, EPSILON = np.finfo(float).tiny, np.finfo(float).eps
ALIKE = 1e-6
"""Relative: directions in which rows vary so nearly equally are equal but for rounding."""

TIE = 1e-9
"""Relative: gains closer than this are equal but for rounding, which must not choose."""


@final
class Split(Initializer):
    """Clusters split in two along the direction in which they vary most, then moved by k-means.

    Of all clusters the one is split, at the best place, whose split most reduces the squared
    distances from the clusters' means, in standardised columns. A function of the weighted
    distribution of the rows alone: no randomness, equal rows in the same cluster, and a row of
    weight two does as two rows. Further starts split along directions that are drawn, the longer
    axes of a cluster the more likely.

    Of many rows a sample is clustered, chosen by the rows' contents; EM on the sample and one
    sweep over all rows then follow.
    """

    name = "split"

    def statistics(
        self, model: MixtureModel, rows: Rows, engine: Engine, number: int, seed: SeedSequence
    ) -> SufficientStatistics:
        sample = sample_of(model, rows, engine)
        rng = None if number == 0 else np.random.default_rng(seed)
        labels = cluster(sample, model.n_components, engine, rng)
        return swept_statistics(model, rows, sample, engine, labels)


def cluster(
    sample: ArrayRows, n_clusters: int, engine: Engine, rng: np.random.Generator | None
) -> IntegerArray:
    """Return the cluster of each row, 0 to K - 1; fewer where no more can be told apart."""
    centre, inverse = standard_units(sample, engine)
    rows = ArrayRows((sample.values - centre) * inverse, sample.weights)
    return moved_labels(rows, split_means(rows, n_clusters, engine, rng), engine)


def split_means(
    rows: ArrayRows, n_clusters: int, engine: Engine, rng: np.random.Generator | None = None
) -> Array:
    """Return the means (K, D) of clusters that splits and merges find; fewer of equal rows."""
    weights = np.ones(rows.n_rows) if rows.weights is None else rows.weights
    if rng is None and rows.n_features <= MOST_FEATURES:
        found = engine.split_means(rows.values, weights, PIECES * n_clusters)
        if found is not None:
            return merged_means(*found, n_clusters)
    pieces = split_clusters(rows.values, weights, PIECES * n_clusters, rng)
    mass = np.array([one.mass for one in pieces])
    return merged_means(np.stack([one.mean for one in pieces]), mass, n_clusters)


def moved_labels(rows: ArrayRows, means: Array, engine: Engine) -> IntegerArray:
    """Return the clusters (N,) of rows after steps of k-means from means (K, D)."""
    blank, factor = np.zeros(len(means)), np.ones((1, 1))
    for _ in range(MOST_MOVES):
        found = engine.sweep(rows, Potentials(blank, blank, means, factor), Hard())
        moved = found.mean()
        if np.abs(moved - means).max() <= CLOSE:
            break
        means = moved
    return nearest_labels(rows, means, engine)


def nearest_labels(rows: ArrayRows, means: Array, engine: Engine) -> IntegerArray:
    """Return which of some means (K, D) each row is nearest to, shape (N,)."""
    blank = np.zeros(len(means))
    return engine.labels(rows, Potentials(blank, blank, means, np.ones((1, 1))))


@final
@dataclass(frozen=True, eq=False)
class Cluster:
    """Rows that are together, and where they are best parted.

    Parameters
    ----------
    members : integer array
        Positions of the rows.
    mean, mass : array of shape (D,), float
        Their weighted mean and their weight.
    gain : float
        By how much the best cut reduces the squared distances; zero where there is none.
    below : boolean array
        Which members lie below that cut.
    """

    members: IntegerArray
    mean: Array
    mass: float
    gain: float
    below: np.ndarray


def split_clusters(
    values: Array, weights: Array, n_clusters: int, rng: np.random.Generator | None = None
) -> list[Cluster]:
    """Return at most so many clusters of standardised rows (N, D)."""
    clusters = [_examined(np.arange(len(values)), values, weights, rng)]
    while len(clusters) < n_clusters:
        gains = np.array([one.gain for one in clusters])
        if not gains.max() > 0:
            break
        chosen = int(np.argmax(gains >= (1.0 - TIE) * gains.max()))
        parted = clusters[chosen]
        clusters[chosen : chosen + 1] = [
            _examined(parted.members[inside], values, weights, rng)
            for inside in (parted.below, ~parted.below)
        ]
    return clusters


def merged_means(means: Array, mass: Array, n_clusters: int) -> Array:
    """Return the means (K, D) after merging pairs, those that part least first [Ward1963]_."""
    while len(means) > n_clusters:
        apart = np.square(means[:, None] - means).sum(axis=-1)
        cost = apart * mass[:, None] * mass / np.maximum(mass[:, None] + mass, TINY)
        cost[np.tri(len(means), dtype=bool)] = np.inf
        first = int(np.argmax(cost <= (1.0 + TIE) * cost.min()))
        one, other = divmod(first, len(means))
        total = max(mass[one] + mass[other], TINY)
        means[one] = (mass[one] * means[one] + mass[other] * means[other]) / total
        mass[one] += mass[other]
        kept = np.arange(len(means)) != other
        means, mass = means[kept], mass[kept]
    return means


def _examined(
    members: IntegerArray, values: Array, weights: Array, rng: np.random.Generator | None
) -> Cluster:
    own, mass = values[members], weights[members]
    total = mass.sum()
    mean = (mass @ own) / total if total > 0 else own.mean(axis=0)
    centred = own - mean
    direction = _direction(centred, mass, rng)
    # A sum along each row, not a matrix product: equal rows must give equal bits.
    projected = (centred * direction).sum(axis=1)
    gain, cut = best_cut(projected, mass)
    return Cluster(members, mean, float(total), gain, projected <= cut)


def _direction(centred: Array, mass: Array, rng: np.random.Generator | None) -> Array:
    """Return the direction (D,) in which centred rows vary most, or one that is drawn."""
    n_features = centred.shape[1]
    if rng is None and n_features == 1:
        return np.ones(1)
    if n_features > MOST_FEATURES:
        return _long_direction(centred, mass, rng)
    values, vectors = np.linalg.eigh((centred * mass[:, None]).T @ centred)
    if rng is None:
        return _flattest(centred, mass, vectors[:, values >= (1.0 - ALIKE) * values[-1]])
    # The first of the largest entries is positive.
    size = np.abs(vectors)
    largest = np.argmax(size > (1.0 - ALIKE) * size.max(axis=0), axis=0)
    vectors = vectors * np.sign(np.take_along_axis(vectors, largest[None], axis=0))
    drawn = rng.standard_normal(len(values)) * np.sqrt(np.maximum(values, 0.0))
    length = np.linalg.norm(drawn)
    return vectors @ (drawn / (length if length > 0 else 1.0))


def _flattest(centred: Array, mass: Array, vectors: Array) -> Array:
    """Return a direction (D,) of those in which rows vary most, an orthonormal basis (D, M).

    Of several the one in which rows are flattest: that of least sum of w |y|^2 y y^T over the rows
    y within them.
    """
    if vectors.shape[1] > 1:
        along = centred @ vectors
        fourth = (along * (mass * np.square(along).sum(axis=1))[:, None]).T @ along
        values, turned = np.linalg.eigh(np.trace(fourth) * np.eye(len(fourth)) - fourth)
        vectors = vectors @ turned[:, values >= (1.0 - ALIKE) * values[-1]]
    sizes = np.square(vectors).sum(axis=1)
    # The axis closest to what is left. Of two features both are equally close but for rounding,
    # which must not choose: hence the tolerance.
    axis = np.argmax(sizes > (1.0 - 2.0 * ALIKE) * sizes.max())
    return vectors @ vectors[axis] / np.sqrt(sizes[axis])


def _long_direction(centred: Array, mass: Array, rng: np.random.Generator | None) -> Array:
    """Return the direction of many features: by powers of the scatter, which is never formed."""
    lengths = np.square(centred).sum(axis=1)
    if not lengths.max() > 0.0:
        return np.eye(1, centred.shape[1])[0]
    if rng is None:
        direction = centred[np.argmax(lengths >= (1.0 - TIE) * lengths.max())]
    else:
        direction = centred.T @ (np.sqrt(mass) * rng.standard_normal(len(mass)))
    direction = direction / np.linalg.norm(direction)
    for _ in range(POWERS if rng is None else 0):
        moved = centred.T @ (mass * (centred @ direction))
        length = np.linalg.norm(moved)
        if not length > 0.0:
            break
        direction = moved / length
    return direction


def best_cut(values: Array, weights: Array) -> tuple[float, float]:
    """Return the largest reduction of squared distances by a cut, and the highest value below it.

    No reduction where all values of positive weight are equal.
    """
    order = values.argsort()
    ordered, mass = values[order], weights[order]
    below, moment = mass.cumsum(), (mass * ordered).cumsum()
    total, whole = below[-1], moment[-1]
    above = total - below
    resolution = 8.0 * EPSILON * max(abs(ordered[0]), abs(ordered[-1]))
    parted = ordered[1:] - ordered[:-1] > resolution
    apart = np.flatnonzero(parted & (below[:-1] > 0) & (above[:-1] > TIE * total))
    if not apart.size:
        return 0.0, float(ordered[-1])
    low, high, moment = below[apart], above[apart], moment[apart]
    gains = np.square(moment * total - low * whole) / (total * low * high)
    first = (gains >= (1.0 - TIE) * gains.max()).argmax()
    return float(gains[first]), float(ordered[apart[first]])
