"""What was observed of rows that have missing cells or measurement errors."""

from collections.abc import Iterator
from dataclasses import astuple, dataclass, replace
from typing import final

import numpy as np

from mixtura.typing import Array, BooleanArray, IntegerArray


@final
@dataclass(frozen=True)
class Unobserved:
    """What was not observed of rows, in numbers.

    Parameters
    ----------
    n_cells : int
        Cells of all rows that have at least one.
    n_missing : int
        How many of these are missing.
    n_rows : int
        Rows that have a cell, but not all.
    n_blank : int
        Rows that have none, which were set aside.
    n_inexact : int
        Cells with measurement errors.
    """

    n_cells: int = 0
    n_missing: int = 0
    n_rows: int = 0
    n_blank: int = 0
    n_inexact: int = 0

    def __add__(self, other: "Unobserved") -> "Unobserved":
        numbers = zip(astuple(self), astuple(other), strict=True)
        return Unobserved(*(one + more for one, more in numbers))

    @property
    def sentences(self) -> tuple[str, ...]:
        """What a reader should know of it; none where all was observed."""
        told = []
        if self.n_missing:
            share = 100.0 * self.n_missing / self.n_cells
            verb, they = ("is", "it is") if self.n_missing == 1 else ("are", "they are")
            rows = "1 row" if self.n_rows == 1 else f"{self.n_rows:,} rows"
            told.append(
                f"{self.n_missing:,} of {self.n_cells:,} cells ({share:.2g} %) {verb} missing, in "
                f"{rows}; {they} taken as missing at random."
            )
        if self.n_blank:
            rows = "1 row has" if self.n_blank == 1 else f"{self.n_blank:,} rows have"
            told.append(f"{rows} no value at all and no part in the fit.")
        if self.n_inexact:
            told.append(
                f"{self.n_inexact:,} cells have measurement errors, which are taken out: the "
                "mixture is of true values."
            )
        return tuple(told)


@final
@dataclass(frozen=True, eq=False)
class Patterns:
    """Rows in groups of which the same cells were observed, with the same errors.

    Parameters
    ----------
    positions : integer array of shape (n,)
        Where the rows lie in the data, those of a group together, in ascending order within it.
    values : array of shape (n, D)
        The rows; zero where a cell is missing.
    weights : array of shape (n,), optional
        Their weights; None for one each.
    observed : boolean array of shape (G, D)
        Which cells the rows of each group have.
    starts : integer array of shape (G + 1,)
        Where the rows of a group begin, and at the end their number n.
    errors : array of shape (G, D) or (G, D, D), optional
        Variances or covariances of the errors of each group's observed cells, zero for missing
        ones; None where all cells are exact.
    """

    positions: IntegerArray
    values: Array
    weights: Array | None
    observed: BooleanArray
    starts: IntegerArray
    errors: Array | None = None

    @property
    def n_groups(self) -> int:
        """Number of groups G."""
        return len(self.observed)

    @property
    def sizes(self) -> IntegerArray:
        """Number of rows of each group, shape (G,)."""
        return np.diff(self.starts)

    @property
    def has_cells(self) -> BooleanArray:
        """Which cells the rows have, shape (n, D)."""
        return np.repeat(self.observed, self.sizes, axis=0)

    @property
    def row_weights(self) -> Array:
        """The weights, ones where there are none."""
        return np.ones(len(self.values)) if self.weights is None else self.weights

    def parts(self, most_groups: int, most_rows: int) -> Iterator["Patterns"]:
        """Yield the rows in order, in parts of at most so many groups and so many rows.

        Rows of a large group may come in several parts.
        """
        first, n_rows = 0, len(self.positions)
        while first < n_rows:
            group = int(np.searchsorted(self.starts, first, side="right")) - 1
            last_group = min(group + most_groups, self.n_groups)
            last = min(int(self.starts[last_group]), first + most_rows)
            last_group = int(np.searchsorted(self.starts, last, side="left"))
            groups, rows = slice(group, last_group), slice(first, last)
            starts = np.clip(self.starts[group : last_group + 1], first, last) - first
            yield Patterns(
                self.positions[rows],
                self.values[rows],
                None if self.weights is None else self.weights[rows],
                self.observed[groups],
                starts,
                None if self.errors is None else self.errors[groups],
            )
            first = last


@final
@dataclass(frozen=True, eq=False)
class Observation:
    """The rows of a table by what was observed of them.

    Parameters
    ----------
    complete : integer array of shape (n,)
        Positions of rows without missing cells and errors.
    patterns : tuple of Patterns
        All other rows: those with exact cells, and those with errors, where there are such.
    """

    complete: IntegerArray
    patterns: tuple[Patterns, ...]

    def reweighted(self, weights: Array) -> "Observation":
        """Return the same rows with other weights (N,)."""
        parts = [replace(one, weights=weights[one.positions]) for one in self.patterns]
        return Observation(self.complete, tuple(parts))


def observation_of(values: Array, weights: Array | None, errors: Array | None) -> Observation:
    """Return rows by what was observed of them.

    Parameters
    ----------
    values : array of shape (N, D)
        The rows, NaN where a cell is missing.
    weights : array of shape (N,), optional
        Their weights.
    errors : array of shape (N or 1, D) or (N or 1, D, D), optional
        Variances or covariances of the errors.
    """
    observed = ~np.isnan(values)
    n_rows = len(values)
    has_errors = np.zeros(n_rows, dtype=bool) if errors is None else _has_errors(observed, errors)
    is_complete = observed.all(axis=1) & ~has_errors
    complete = np.flatnonzero(is_complete)
    found = []
    exact = np.flatnonzero(~is_complete & ~has_errors)
    if exact.size:
        found.append(_patterns(values, weights, observed, exact, None))
    inexact = np.flatnonzero(has_errors)
    if inexact.size:
        found.append(_patterns(values, weights, observed, inexact, errors))
    return Observation(complete, tuple(found))


def _has_errors(observed: BooleanArray, errors: Array) -> BooleanArray:
    """Return which rows have an observed cell with an error, shape (N,)."""
    variances = errors if errors.ndim == 2 else np.einsum("ndd->nd", errors)
    return np.asarray((observed & (variances > 0.0)).any(axis=1))


def _patterns(
    values: Array,
    weights: Array | None,
    observed: BooleanArray,
    rows: IntegerArray,
    errors: Array | None,
) -> Patterns:
    """Return some of the rows sorted by their patterns; each on its own if it has own errors."""
    has = observed[rows]
    packed = np.packbits(has, axis=1)
    codes = packed.view(f"V{packed.shape[1]}").ravel() if packed.shape[1] > 1 else packed.ravel()
    _, first, group = np.unique(codes, return_index=True, return_inverse=True)
    order = np.argsort(group, kind="stable")
    positions = rows[order]
    own = errors is not None and len(errors) > 1
    if own:
        starts, kept = np.arange(rows.size + 1), has[order]
    else:
        counts = np.bincount(group, minlength=first.size)
        starts, kept = np.concatenate([[0], np.cumsum(counts)]), has[first]
    own_errors = None
    if errors is not None:
        taken = (
            errors[positions] if own else np.broadcast_to(errors, (len(kept), *errors.shape[1:]))
        )
        both = kept if taken.ndim == 2 else kept[:, :, None] & kept[:, None, :]
        own_errors = np.where(both, taken, 0.0)
    filled = values[positions].astype(np.float64, copy=False)
    filled[~has[order]] = 0.0
    own_weights = None if weights is None else weights[positions]
    return Patterns(positions, filled, own_weights, kept, starts, own_errors)
