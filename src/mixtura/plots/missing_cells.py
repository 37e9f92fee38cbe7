"""Which cells of the rows are missing, pattern by pattern."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np

from mixtura.errors import InvalidArgumentError
from mixtura.messages.conversion import as_numbers_of
from mixtura.plots.canvas import single_axes
from mixtura.plots.style import COLOURS, PLAIN_TEXT, ink, note, shown
from mixtura.typing import BooleanArray, IntegerArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

MAX_PATTERNS = 20
MAX_FEATURES = 24
"""Patterns and columns that are drawn at most."""


@final
@dataclass(frozen=True, eq=False)
class MissingPatterns:
    """Which cells rows have, the most frequent patterns first.

    Parameters
    ----------
    is_missing : boolean array of shape (G, D)
        The cells that rows of each pattern lack.
    counts : integer array of shape (G,)
        How many rows have it.
    """

    is_missing: BooleanArray
    counts: IntegerArray

    @classmethod
    def of(cls, is_missing: BooleanArray) -> "MissingPatterns":
        """Return the patterns of rows (N, D), of equally frequent ones the fuller first."""
        packed, first, counts = np.unique(
            np.packbits(is_missing, axis=1), axis=0, return_index=True, return_counts=True
        )
        patterns = is_missing[first]
        keys = (*packed.T[::-1], patterns.sum(axis=1), -counts)
        order = np.lexsort(keys)
        return cls(patterns[order], counts[order])


def missing(
    x: Any,
    *,
    feature_names: Sequence[str] | None = None,
    max_patterns: int = MAX_PATTERNS,
    ax: "Axes | None" = None,
    figure: "FigureBase | None" = None,
) -> "Axes":
    """Draw which cells of the rows are missing: a line for each pattern, the most frequent first.

    A filled square is a cell that the rows of a pattern have, an empty one a cell that they lack;
    how many rows there are stands beside the line, and above each column what share of its cells
    is missing. Of more than 24 columns those with most missing cells are drawn, and rows that
    differ elsewhere alone are one pattern then.

    Parameters
    ----------
    x : array of shape (N, D), or (N,) for one feature
        The rows; NaN where a cell is missing.
    feature_names : sequence of D names, optional
        Names of the features; x0, x1, ... by default.
    max_patterns : int, default=20
        Patterns that are drawn at most; the rest are counted.
    ax : matplotlib Axes, optional
        Axes to draw on.
    figure : matplotlib Figure or SubFigure, optional
        Figure to add axes to where ``ax`` is not given; a new one by default.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    InvalidArgumentError
        If there are no rows, or not one name for each column.
    """
    rows = as_numbers_of(x, "x")
    rows = rows[:, None] if rows.ndim == 1 else rows
    if rows.ndim != 2 or not rows.size:
        raise InvalidArgumentError(f"must hold rows; got shape {rows.shape}", argument="x")
    n_features = rows.shape[1]
    names = [f"x{d}" for d in range(n_features)] if feature_names is None else list(feature_names)
    if len(names) != n_features:
        raise InvalidArgumentError(
            f"must be one for each of the {n_features} columns", argument="feature_names"
        )
    is_missing = np.isnan(rows)
    shares = is_missing.mean(axis=0)
    listed = np.arange(n_features)
    if n_features > MAX_FEATURES:
        listed = np.sort(np.argsort(-shares, kind="stable")[:MAX_FEATURES])
    found = MissingPatterns.of(is_missing[:, listed])
    drawn = min(found.counts.size, max_patterns)
    size = (1.9 + 0.42 * listed.size, 1.7 + 0.24 * drawn)
    ax = single_axes(ax, figure, (min(max(size[0], 4.2), 12.0), size[1]))
    _draw_squares(ax, found.is_missing[:drawn])
    _label_columns(ax, [shown(names[d], 20) for d in listed], shares[listed].tolist())
    labels = [f"{count:,} row{'s' if count > 1 else ''}" for count in found.counts[:drawn].tolist()]
    ax.set_yticks(range(drawn), labels=labels)
    told = f"{int(is_missing.sum()):,} of {is_missing.size:,} cells missing"
    rest = int(found.counts[drawn:].sum())
    more = f"{found.counts.size - drawn:,} more patterns, of {rest:,} rows" if rest else ""
    note(ax, told, more, "columns with most missing cells" if listed.size < n_features else "")
    return ax


def _draw_squares(ax: "Axes", is_missing: BooleanArray) -> None:
    n_patterns, n_features = is_missing.shape
    for empty in (False, True):
        lines, columns = np.nonzero(is_missing == empty)
        ax.scatter(
            columns,
            lines,
            s=60,
            marker="s",
            facecolors="none" if empty else COLOURS[0],
            edgecolors=ink() if empty else COLOURS[0],
            linewidths=0.8,
        )
    ax.set_xlim(-0.6, n_features - 0.4)
    ax.set_ylim(n_patterns - 0.4, -1.2)
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)


def _label_columns(ax: "Axes", names: list[str], shares: list[float]) -> None:
    """Name the columns below, and say above which share of each is missing."""
    places = range(len(names))
    is_long = max(len(name) for name in names) > 4 or len(names) > 12
    turned: dict[str, Any] = {"rotation": 45, "ha": "right"} if is_long else {}
    ax.set_xticks(places, labels=names, **turned, **PLAIN_TEXT)
    for place, share in zip(places, shares, strict=True):
        ax.annotate(
            f"{100.0 * share:.0f} %" if share == 0.0 or share >= 0.01 else "< 1 %",
            (place, -0.8),
            ha="center",
            va="center",
            fontsize="x-small",
            annotation_clip=False,
        )
