"""Where the points of a one-dimensional cloud go, so that they hide each other little."""

from collections.abc import Sequence
from typing import final

import numpy as np

from mixtura.errors import InvalidArgumentError
from mixtura.messages.conversion import short_repr
from mixtura.typing import Array, IntegerArray

BEESWARM_LIMIT = 2_000
"""Rows up to which points are laid side by side; more are spread as wide as they are dense."""

DIAMETERS = (6.0, 5.0, 4.0, 3.2, 2.6, 2.0)
"""Sizes of points that are tried, in printer's points, the largest that fits wins."""

N_BINS = 128


@final
class Lanes:
    """Horizontal lanes of one height, in which points spread about the middle.

    Parameters
    ----------
    values : array of shape (N,)
        Positions along the lanes, in the data's units.
    lanes : integer array of shape (N,)
        Lane of each point.
    n_lanes : int
        Number of lanes.
    width, height : float
        Size of all lanes together, in printer's points.
    """

    def __init__(
        self, values: Array, lanes: IntegerArray, n_lanes: int, width: float, height: float
    ) -> None:
        low, high = (values.min(), values.max()) if values.size else (0.0, 0.0)
        # Halves, because a range may overflow where its ends do not.
        half_range = 0.5 * high - 0.5 * low
        unit = half_range if half_range > 0 else 1.0
        self.positions: Array = width * (0.5 * values - 0.5 * low) / unit
        self.members = [np.flatnonzero(lanes == lane) for lane in range(n_lanes)]
        self.half_height = 0.42 * height / n_lanes
        self.pitch = height / n_lanes

    def arrange(self) -> tuple[Array, float, bool]:
        """Return offsets in lanes, the diameter of points, and whether they lie side by side."""
        if self.positions.size <= BEESWARM_LIMIT:
            for diameter in DIAMETERS:
                offsets = self._beeswarm(diameter)
                if offsets is not None:
                    return offsets / self.pitch, diameter, True
        return self._spread() / self.pitch, DIAMETERS[-2], False

    def _beeswarm(self, diameter: float) -> Array | None:
        offsets = np.zeros(self.positions.size)
        for member in self.members:
            part = beeswarm(self.positions[member] / diameter, self.half_height / diameter)
            if part is None:
                return None
            offsets[member] = part * diameter
        return offsets

    def _spread(self) -> Array:
        offsets = np.zeros(self.positions.size)
        peak = max(density_along(self.positions[m]).max(initial=0.0) for m in self.members)
        for member in self.members:
            ranked = member[np.argsort(self.positions[member], kind="stable")]
            density = density_along(self.positions[ranked]) / max(peak, 1e-300)
            # The square root keeps sparse lanes from shrinking to a line.
            offsets[ranked] = self.half_height * np.sqrt(density) * even_sequence(ranked.size)
        return offsets


def beeswarm(positions: Array, half_height: float) -> Array | None:
    """Return offsets at which discs of diameter one do not overlap; None if they do not fit.

    From left to right, each disc takes the place nearest to the middle that touches none.
    """
    order = np.argsort(positions, kind="stable")
    along = positions[order]
    first = np.searchsorted(along, along - 1.0, side="right")
    crowd = np.arange(along.size) - first
    if crowd.size and crowd.max() > 4.0 * half_height + 4.0:
        return None  # more neighbours than a stack of this height holds
    across = np.zeros(along.size)
    for i in range(along.size):
        across[i] = _nearest_free(along[i] - along[first[i] : i], across[first[i] : i])
        if abs(across[i]) > half_height:
            return None
    offsets = np.empty_like(across)
    offsets[order] = across
    return offsets


def _nearest_free(distance: Array, across: Array) -> float:
    """Return the free place nearest to the middle, given neighbours at a distance below one."""
    if not distance.size:
        return 0.0
    reach = np.sqrt(1.0 - distance * distance)
    places = np.concatenate(([0.0], across + reach, across - reach))
    free = (np.abs(places[:, None] - across) >= reach - 1e-9).all(axis=1)
    places = places[free]
    return float(places[np.argmin(np.abs(places))])


def density_along(positions: Array) -> Array:
    """Return a smoothed density at each position, up to a constant factor."""
    if positions.size < 2 or np.ptp(positions) == 0:
        return np.full(positions.size, float(positions.size))
    counts, edges = np.histogram(positions, bins=N_BINS)
    smooth = np.convolve(np.pad(counts, 3, mode="edge"), [1, 2, 3, 4, 3, 2, 1], "valid") / 16.0
    middles = 0.5 * (edges[1:] + edges[:-1])
    return np.interp(positions, middles, smooth) / (edges[1] - edges[0])


def even_sequence(size: int) -> Array:
    """Return van der Corput's sequence on (-1, 1): consecutive values lie far apart."""
    index = np.arange(1, size + 1)
    total, fraction = np.zeros(size), 0.5
    while index.any():
        total += fraction * (index & 1)
        index = index >> 1
        fraction *= 0.5
    return 2.0 * total - 1.0


def lane_numbers(labels: Sequence[object]) -> tuple[list[object], IntegerArray]:
    """Return the distinct labels, sorted where they can be, and each row's place among them."""
    try:
        values = np.asarray(labels)
    except ValueError:
        values = np.empty(())
    if values.ndim != 1:
        raise InvalidArgumentError(
            f"must be one for each row; got {short_repr(labels)}", argument="labels"
        )
    if values.dtype == object:
        of_rows = list(values)
        distinct = list(dict.fromkeys(of_rows))
        position = {label: lane for lane, label in enumerate(distinct)}
        return distinct, np.array([position[label] for label in of_rows], dtype=np.intp)
    names, lanes = np.unique(values, return_inverse=True)
    return list(names.tolist()), lanes.reshape(-1)
