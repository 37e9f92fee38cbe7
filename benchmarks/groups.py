"""Seeded groups of rows with known labels, shaped as a covariance family says."""

from dataclasses import dataclass
from typing import final

import numpy as np

FAMILIES = ("full", "tied", "diag", "spherical", "tied_diag", "tied_spherical")
SHARED = ("tied", "tied_diag", "tied_spherical")
MATRICES = ("full", "tied")
ROUND = ("spherical", "tied_spherical")


@final
@dataclass(frozen=True, eq=False)
class Groups:
    """Rows and the group of each.

    Parameters
    ----------
    rows : array of shape (N, D)
    labels : integer array of shape (N,)
        Numbers of the groups, from 0; -1 for rows of none.
    """

    rows: np.ndarray
    labels: np.ndarray

    @property
    def sizes(self) -> np.ndarray:
        """Rows of each group, shape (K,)."""
        return np.bincount(self.labels[self.labels >= 0])

    @property
    def means(self) -> np.ndarray:
        """Mean of each group's rows, shape (K, D)."""
        return np.stack([self.rows[self.labels == k].mean(axis=0) for k in range(self.sizes.size)])

    def deviations(self, family: str) -> np.ndarray:
        """Return the groups' own standard deviations (K, D), pooled as the family pools them.

        Sums of squares about the group's mean over the number of rows: what maximum likelihood
        gives where the groups are known.
        """
        sizes = self.sizes
        squares = [self.rows[self.labels == k].var(axis=0) for k in range(sizes.size)]
        variances = np.stack(squares)
        if family in SHARED:
            variances = np.tile(sizes @ variances / sizes.sum(), (sizes.size, 1))
        if family in ROUND:
            variances = np.tile(variances.mean(axis=1, keepdims=True), variances.shape[1])
        return np.sqrt(variances)

    def with_row(self, row: np.ndarray) -> "Groups":
        """Return the groups and one more row that belongs to none."""
        return Groups(np.vstack([self.rows, row]), np.append(self.labels, -1))


def family_covariances(
    family: str, scales: np.ndarray, n_features: int, rng: np.random.Generator
) -> np.ndarray:
    """Return covariances (K, D, D) of a family, whose sizes are the squares of scales (K,).

    Matrices have condition numbers around ten; columns of diagonal families differ by a factor of
    about two.
    """
    n_groups = 1 if family in SHARED else scales.size
    if family in MATRICES and n_features > 1:
        noise = rng.standard_normal((n_groups, n_features, n_features))
        factors = np.eye(n_features) + 0.5 * noise / np.sqrt(n_features)
        shapes = factors @ factors.transpose(0, 2, 1)
    else:
        spread = 0.0 if family in ROUND else 0.4
        variances = np.exp(spread * rng.standard_normal((n_groups, n_features)))
        shapes = variances[:, :, None] * np.eye(n_features)
    shapes = np.broadcast_to(shapes, (scales.size, n_features, n_features))
    sizes = np.full(scales.size, scales[0]) if family in SHARED else scales
    return sizes[:, None, None] ** 2 * shapes


def draw_groups(
    centres: np.ndarray, covariances: np.ndarray, sizes: list[int], rng: np.random.Generator
) -> Groups:
    """Return normal rows of each group, in an order drawn at random."""
    factors = np.linalg.cholesky(covariances)
    labels = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    noise = rng.standard_normal((labels.size, centres.shape[1]))
    return Groups(centres[labels] + np.einsum("nde,ne->nd", factors[labels], noise), labels)


def groups_apart(
    family: str,
    n_features: int,
    places: list[float],
    scales: list[float],
    sizes: list[int],
    seed: list[int],
) -> Groups:
    """Return groups on a line at given places, in units of the widest group along the line.

    Parameters
    ----------
    family : str
    n_features : int
    places, scales, sizes : list of K numbers
        Where each group lies, its relative width (in families that do not share one), its rows.
    seed : list of int
    """
    rng = np.random.default_rng(seed)
    covariances = family_covariances(family, np.asarray(scales), n_features, rng)
    line = rng.standard_normal(n_features)
    line /= np.linalg.norm(line)
    width = np.sqrt(np.einsum("d,kde,e->k", line, covariances, line).max())
    return draw_groups(np.outer(places, line) * width, covariances, sizes, rng)


def flat_groups(direction: tuple[float, float], seed: list[int]) -> Groups:
    """Return two groups of 200 rows, standard deviations 1 and .1, 10 apart in a direction."""
    centres = np.array([[0.0, 0.0], [10.0, 10.0]]) * direction / np.linalg.norm(direction)
    covariances = np.stack([np.diag([1.0, 0.01])] * 2)
    return draw_groups(centres, covariances, [200, 200], np.random.default_rng(seed))


FLAT_DIRECTIONS = {"along": (1.0, 0.0), "across": (0.0, 1.0), "oblique": (1.0, 1.0)}
"""Where the second of :func:`flat_groups` lies: along the wide column, the narrow one, or both."""
