"""A criterion against the number of components."""

from collections.abc import Sequence
from math import isfinite
from typing import TYPE_CHECKING, Any

from mixtura.diagnostics.candidates import Candidate, Criterion, is_at_limit, is_at_start
from mixtura.plots.canvas import single_axes
from mixtura.plots.style import COLOURS, MARKERS, ink, note, open_frame, paper, place_legend

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

RING = 15
"""Size in points of the ring around the best candidate."""


def selection(
    candidates: Sequence[Candidate],
    criterion: Criterion,
    best: int | None = None,
    *,
    ax: "Axes | None" = None,
    figure: "FigureBase | None" = None,
) -> "Axes":
    """Draw a criterion against the number of components, one line for each family.

    Candidates with a collapsed component have hollow markers and no part in the lines. The scale is
    that of the others, where there are any. Where the best K is the largest that was tried, a note
    says so.

    Parameters
    ----------
    candidates : sequence of Candidate
        The fits.
    criterion : Criterion
        What is drawn.
    best : int, optional
        Position of the candidate that gets a ring.
    ax : matplotlib Axes, optional
        Axes to draw on.
    figure : matplotlib Figure or SubFigure, optional
        Figure to add axes to where ``ax`` is not given; a new one by default.

    Returns
    -------
    matplotlib Axes
    """
    from matplotlib.ticker import MaxNLocator

    ax = single_axes(ax, figure, (6.4, 3.6))
    drawn = [c for c in candidates if isfinite(criterion.value(c))]
    families = list(dict.fromkeys(c.covariance_type for c in candidates))
    handles = [
        _draw_family(ax, [c for c in drawn if c.covariance_type == family], criterion, number)
        for number, family in enumerate(families)
    ]
    labels: list[str] = list(families)
    collapsed = [c for c in drawn if c.collapsed]
    if collapsed:
        _hollow(ax, collapsed, families, criterion)
    if best is not None:
        winner = candidates[best]
        look: dict[str, Any] = {"marker": "o", "markersize": RING, "fillstyle": "none"}
        look |= {"color": ink(), "linestyle": "none", "zorder": 4}
        handles += ax.plot([winner.n_components], [criterion.value(winner)], **look)
        labels.append(f"best: {winner.covariance_type}, K = {winner.n_components}")
    ax.set_xlabel("number of components K")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    ax.set_ylabel(f"{criterion.label} ({criterion.direction})")
    _limit(ax, [criterion.value(c) for c in drawn if not c.collapsed], collapsed)
    note(ax, *_remarks(len(candidates) - len(drawn), len(collapsed), _edge(candidates, best)))
    place_legend(ax, handles, labels, markerscale=0.7)
    open_frame(ax)
    return ax


def _draw_family(
    ax: "Axes", members: Sequence[Candidate], criterion: Criterion, number: int
) -> Any:
    """Draw the line through the members that can be compared."""
    members = sorted((c for c in members if not c.collapsed), key=lambda c: c.n_components)
    (line,) = ax.plot(
        [c.n_components for c in members],
        [criterion.value(c) for c in members],
        color=COLOURS[number % len(COLOURS)],
        marker=MARKERS[number % len(MARKERS)],
        markersize=6,
        linewidth=1.4,
        zorder=3,
    )
    return line


def _hollow(
    ax: "Axes", collapsed: Sequence[Candidate], families: Sequence[str], criterion: Criterion
) -> None:
    for candidate in collapsed:
        number = families.index(candidate.covariance_type)
        ax.plot(
            [candidate.n_components],
            [criterion.value(candidate)],
            marker=MARKERS[number % len(MARKERS)],
            markerfacecolor=paper(),
            markeredgecolor=COLOURS[number % len(COLOURS)],
            markersize=6,
            zorder=4,
        )


def _limit(ax: "Axes", values: Sequence[float], collapsed: Sequence[Candidate]) -> None:
    """Keep to the scale of the values that can be compared."""
    if not collapsed or not values:
        return
    low, high = min(values), max(values)
    margin = 0.08 * (high - low) or 1.0
    ax.set_ylim(low - margin, high + margin)


def _edge(candidates: Sequence[Candidate], best: int | None) -> str:
    """Return what is said of a best K at the edge of what was tried."""
    if best is not None and is_at_limit(candidates, best):
        return "the best K is the largest that was tried: try more"
    if best is not None and is_at_start(candidates, best):
        return "the best K is the smallest that was tried: try fewer"
    return ""


def _remarks(n_failed: int, n_collapsed: int, edge: str) -> tuple[str, str, str]:
    failed = f"{n_failed} without a value"
    collapsed = f"{n_collapsed} with a collapsed component (hollow, or off the scale)"
    return edge, failed if n_failed else "", collapsed if n_collapsed else ""
