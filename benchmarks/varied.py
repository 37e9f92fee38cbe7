"""Seeded sets of many kinds on which a start may fail: some to tune with, some held back.

Seven kinds: separated, overlapping, unequal (numbers of rows), nested (one group inside another),
elongated, heavy-tailed (no group is normal) and mixed-scales (columns of very different units,
groups of very different widths). The sets that are held back are of the same kinds, but come from
other generators: look at them only when nothing is tuned any more.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias, final

import numpy as np

from benchmarks.groups import Groups, draw_groups

TUNING, HELD_BACK = "tuning", "held-back"

Generator: TypeAlias = Callable[[int, int, np.random.Generator], Groups]
"""From D, K and a stream to rows with labels."""


@final
@dataclass(frozen=True, eq=False)
class VariedSet:
    """One set, and the family that is fitted.

    Parameters
    ----------
    part : str
        Whether one may tune with it.
    kind : str
    family : str
    groups : Groups
    """

    part: str
    kind: str
    family: str
    groups: Groups

    @property
    def n_groups(self) -> int:
        """Number of groups, K."""
        return int(self.groups.sizes.size)

    @property
    def name(self) -> str:
        """What it is called, in words that can be asked for."""
        n_rows, n_features = self.groups.rows.shape
        return f"{self.part} {self.kind} D={n_features} K={self.n_groups} N={n_rows} {self.family}"


def rows_per_group(n_features: int) -> int:
    """Return how many rows a group has on average: enough for a covariance matrix of its own."""
    return max(60, 10 * (n_features + 1))


def _sizes(n_groups: int, n_features: int, rng: np.random.Generator) -> list[int]:
    shares = rng.dirichlet(np.full(n_groups, 10.0))
    return [int(size) for size in np.ceil(shares * n_groups * rows_per_group(n_features))]


def _round_factors(
    n_groups: int, n_features: int, rng: np.random.Generator, noise: float = 0.5
) -> np.ndarray:
    off = rng.standard_normal((n_groups, n_features, n_features))
    return np.eye(n_features) + noise * off / np.sqrt(n_features)


def _covariances(factors: np.ndarray, scales: np.ndarray) -> np.ndarray:
    return np.asarray(scales[:, None, None] ** 2 * (factors @ factors.transpose(0, 2, 1)))


def _centres_apart(
    n_groups: int, n_features: int, apart: float, rng: np.random.Generator
) -> np.ndarray:
    """Return normal points of which no pair is closer than said, as close as chance has them."""
    centres, spread = np.zeros((n_groups, n_features)), apart / 4.0
    while True:
        between = np.linalg.norm(centres[:, None] - centres, axis=2)
        if between[np.triu_indices(n_groups, 1)].min(initial=np.inf) >= apart:
            return centres
        spread *= 1.02
        centres = spread * rng.standard_normal((n_groups, n_features))


def _rotation(n_features: int, rng: np.random.Generator) -> np.ndarray:
    return np.asarray(np.linalg.qr(rng.standard_normal((n_features, n_features)))[0])


def separated(n_features: int, n_groups: int, rng: np.random.Generator) -> Groups:
    """Return groups at least 6 standard deviations apart."""
    return _plain(n_features, n_groups, 6.0, rng)


def overlapping(n_features: int, n_groups: int, rng: np.random.Generator) -> Groups:
    """Return groups from 2.5 standard deviations apart."""
    return _plain(n_features, n_groups, 2.5, rng)


def _plain(n_features: int, n_groups: int, apart: float, rng: np.random.Generator) -> Groups:
    scales = np.exp(0.3 * rng.standard_normal(n_groups))
    covariances = _covariances(_round_factors(n_groups, n_features, rng), scales)
    centres = _centres_apart(n_groups, n_features, apart, rng)
    return draw_groups(centres, covariances, _sizes(n_groups, n_features, rng), rng)


def unequal(n_features: int, n_groups: int, rng: np.random.Generator) -> Groups:
    """Return groups whose numbers of rows fall by a factor, down to a third of the average."""
    shares = 0.55 ** np.arange(n_groups)
    usual = rows_per_group(n_features)
    sizes = np.maximum(shares / shares.sum() * n_groups * usual, usual // 3).astype(int)
    scales = np.exp(0.3 * rng.standard_normal(n_groups))
    covariances = _covariances(_round_factors(n_groups, n_features, rng), scales)
    centres = _centres_apart(n_groups, n_features, 4.0, rng)
    return draw_groups(centres, covariances, sizes.tolist(), rng)


def nested(n_features: int, n_groups: int, rng: np.random.Generator) -> Groups:
    """Return pairs of a wide and a narrow group of one centre."""
    n_pairs = -(-n_groups // 2)
    pairs = np.repeat(_centres_apart(n_pairs, n_features, 25.0, rng), 2, axis=0)[:n_groups]
    scales = np.where(np.arange(n_groups) % 2, 0.8, 5.0)
    covariances = _covariances(_round_factors(n_groups, n_features, rng, 0.3), scales)
    return draw_groups(pairs, covariances, _sizes(n_groups, n_features, rng), rng)


def elongated(n_features: int, n_groups: int, rng: np.random.Generator) -> Groups:
    """Return groups that are 12 times as long as they are thick, in all directions."""
    lengths = np.full(n_features, 1.0)
    lengths[0] = 12.0
    factors = np.stack([_rotation(n_features, rng) * lengths for _ in range(n_groups)])
    covariances = _covariances(factors, np.ones(n_groups))
    centres = _centres_apart(n_groups, n_features, 14.0, rng)
    return draw_groups(centres, covariances, _sizes(n_groups, n_features, rng), rng)


def heavy_tailed(n_features: int, n_groups: int, rng: np.random.Generator) -> Groups:
    """Return groups of Student's t with 3 degrees of freedom."""
    groups = _plain(n_features, n_groups, 8.0, rng)
    centres = groups.means[groups.labels]
    stretch = 1.0 / np.sqrt(rng.chisquare(3.0, len(centres)) / 3.0)
    return Groups(centres + stretch[:, None] * (groups.rows - centres), groups.labels)


def mixed_scales(n_features: int, n_groups: int, rng: np.random.Generator) -> Groups:
    """Return groups whose widths differ up to 20 times, in columns of very different units."""
    scales = np.exp(rng.uniform(0.0, 3.0, n_groups))
    centres = _centres_apart(n_groups, n_features, 5.0, rng) * np.sqrt(scales)[:, None]
    covariances = _covariances(_round_factors(n_groups, n_features, rng), scales)
    groups = draw_groups(centres, covariances, _sizes(n_groups, n_features, rng), rng)
    return Groups(groups.rows * 10.0 ** rng.uniform(-3.0, 4.0, n_features), groups.labels)


def lattice(n_features: int, n_groups: int, rng: np.random.Generator) -> Groups:
    """Return separated groups on different points of a lattice 7 standard deviations wide."""
    points = np.unique(rng.integers(0, 4, (50 * n_groups, n_features)), axis=0)
    while len(points) < n_groups:  # one feature has four points
        points = np.arange(n_groups)[:, None]
    centres = 7.0 * rng.permutation(points)[:n_groups]
    covariances = _covariances(_round_factors(n_groups, n_features, rng, 0.2), np.ones(n_groups))
    return draw_groups(centres, covariances, _sizes(n_groups, n_features, rng), rng)


def ring(n_features: int, n_groups: int, rng: np.random.Generator) -> Groups:
    """Return overlapping groups, 3 standard deviations from each neighbour on a circle."""
    angles = 2.0 * np.pi * np.arange(n_groups) / n_groups
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    radius = 1.5 / np.sin(np.pi / max(n_groups, 2))
    plane = np.linalg.qr(rng.standard_normal((max(n_features, 2), 2)))[0][:n_features]
    covariances = _covariances(_round_factors(n_groups, n_features, rng, 0.3), np.ones(n_groups))
    sizes = _sizes(n_groups, n_features, rng)
    return draw_groups(radius * circle @ plane.T, covariances, sizes, rng)


def satellites(n_features: int, n_groups: int, rng: np.random.Generator) -> Groups:
    """Return one large group and small ones around it, 5 of its standard deviations away."""
    directions = rng.standard_normal((n_groups, n_features))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    directions[0] = 0.0
    far = 5.0 + 2.0 * np.arange(n_groups)
    usual = rows_per_group(n_features)
    sizes = [usual // 3] * n_groups
    sizes[0] = n_groups * usual
    scales = np.full(n_groups, 0.7)
    scales[0] = 1.5
    covariances = _covariances(_round_factors(n_groups, n_features, rng, 0.3), scales)
    return draw_groups(far[:, None] * directions, covariances, sizes, rng)


def inside(n_features: int, n_groups: int, rng: np.random.Generator) -> Groups:
    """Return small dense groups anywhere inside a wide one."""
    scales = rng.uniform(0.3, 0.8, n_groups)
    scales[0] = 8.0
    centres = _centres_apart(n_groups, n_features, 4.0, rng)
    covariances = _covariances(_round_factors(n_groups, n_features, rng, 0.3), scales)
    return draw_groups(centres, covariances, _sizes(n_groups, n_features, rng), rng)


def parallel(n_features: int, n_groups: int, rng: np.random.Generator) -> Groups:
    """Return long thin groups side by side, 5 standard deviations from one to the next."""
    across = np.zeros((n_groups, n_features))
    across[:, -1] = 5.0 * np.arange(n_groups)
    across[:, 0] += 10.0 * rng.standard_normal(n_groups) * (n_features > 1)
    lengths = np.ones(n_features)
    lengths[: max(1, n_features // 2)] = 15.0 if n_features > 1 else 1.0
    turn = _rotation(n_features, rng)
    factors = np.stack([turn * lengths] * n_groups)
    covariances = _covariances(factors, np.ones(n_groups))
    return draw_groups(across @ turn.T, covariances, _sizes(n_groups, n_features, rng), rng)


def contaminated(n_features: int, n_groups: int, rng: np.random.Generator) -> Groups:
    """Return normal groups of which one row in twenty is eight times as far out."""
    groups = _plain(n_features, n_groups, 9.0, rng)
    centres = groups.means[groups.labels]
    stretch = np.where(rng.random(len(centres)) < 0.05, 8.0, 1.0)
    return Groups(centres + stretch[:, None] * (groups.rows - centres), groups.labels)


def growing(n_features: int, n_groups: int, rng: np.random.Generator) -> Groups:
    """Return groups that are the wider the farther out they are, each by half, in mixed units."""
    scales = 1.5 ** np.arange(n_groups)
    directions = rng.standard_normal((n_groups, n_features))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    if n_features == 1:
        directions = np.ones((n_groups, 1))
    covariances = _covariances(_round_factors(n_groups, n_features, rng, 0.3), scales)
    centres = 9.0 * scales[:, None] * directions
    groups = draw_groups(centres, covariances, _sizes(n_groups, n_features, rng), rng)
    return Groups(groups.rows * 10.0 ** rng.uniform(-2.0, 3.0, n_features), groups.labels)


GENERATORS: dict[str, dict[str, Generator]] = {
    TUNING: {
        "separated": separated,
        "overlapping": overlapping,
        "unequal": unequal,
        "nested": nested,
        "elongated": elongated,
        "heavy-tailed": heavy_tailed,
        "mixed-scales": mixed_scales,
    },
    HELD_BACK: {
        "separated": lattice,
        "overlapping": ring,
        "unequal": satellites,
        "nested": inside,
        "elongated": parallel,
        "heavy-tailed": contaminated,
        "mixed-scales": growing,
    },
}
"""The generator of every kind, of either part."""

SIZES: dict[str, tuple[tuple[int, int, str], ...]] = {
    TUNING: (
        (1, 4, "full"),
        (2, 6, "full"),
        (2, 15, "full"),
        (4, 20, "diag"),
        (5, 5, "full"),
        (10, 8, "full"),
        (20, 3, "full"),
    ),
    HELD_BACK: ((2, 9, "full"), (3, 16, "full"), (6, 4, "full"), (12, 2, "full")),
}
"""D, K and the family of each set of a kind."""


LONG = {(4, 20, "diag"): (3, 10, "full")}
"""Sizes that elongated groups have instead: diagonal covariances cannot hold them."""


def varied_sets(part: str) -> Iterator[VariedSet]:
    """Yield the sets of a part, kind by kind."""
    seed = {TUNING: 31, HELD_BACK: 32}[part]
    for kind_number, (kind, generator) in enumerate(GENERATORS[part].items()):
        for size_number, sizes in enumerate(SIZES[part]):
            is_long = kind == "elongated"
            if is_long and sizes[0] == 1:
                continue
            n_features, n_groups, family = LONG.get(sizes, sizes) if is_long else sizes
            rng = np.random.default_rng([seed, kind_number, size_number])
            yield VariedSet(part, kind, family, generator(n_features, n_groups, rng))
