"""The objective of every run against its iterations."""

from typing import TYPE_CHECKING

import numpy as np

from mixtura.fit import Fit, Run
from mixtura.plots.canvas import single_axes
from mixtura.plots.style import COLOURS, legend, note, open_frame
from mixtura.typing import Array, IntegerArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

MAX_STEPS = 1_000
"""Iterations of one run that are drawn; of longer runs evenly spaced ones, and both ends."""

MAX_RUNS = 200
MAX_VERTICES = 5_000


def objective(
    fit: Fit,
    *,
    gap: bool = False,
    ax: "Axes | None" = None,
    figure: "FigureBase | None" = None,
) -> "Axes":
    """Draw the objective of every run, the one that was kept in colour.

    By default the scale leaves out what the runs went through in the first twentieth of their
    iterations, if that is far below the rest; the title says so. With ``gap=True`` the
    distance to the best value ever reached is drawn on a logarithmic scale instead, where the rate
    of convergence shows as a slope.

    Parameters
    ----------
    fit : Fit
        The fit.
    gap : bool, default=False
        Whether to draw the distance to the best value, in nats, on a logarithmic scale.
    ax : matplotlib Axes, optional
        Axes to draw on.
    figure : matplotlib Figure or SubFigure, optional
        Figure to add axes to where ``ax`` is not given; a new one by default.

    Returns
    -------
    matplotlib Axes
    """
    ax = single_axes(ax, figure, (6.4, 3.4))
    best, others = fit.runs[fit.best], _others(fit)
    top = max(_highest(run) for run in (best, *others))
    curves = [_curve(run, top if gap else None) for run in (*others, best)]
    handles, labels = _draw_others(ax, curves[:-1], [run.objective for run in others])
    steps, values = curves[-1]
    (line,) = ax.plot(steps, values, color=COLOURS[0], linewidth=1.8, zorder=3)
    ax.plot(steps[-1:], values[-1:], color=COLOURS[0], marker="o", markersize=5, zorder=3)
    ended = "converged" if best.converged else "not converged"
    handles.insert(0, line)
    labels.insert(0, f"run kept ({best.start}), {ended} at {best.objective:.10g}")
    if gap:
        ax.set_yscale("log")
        ax.set_ylabel(f"best {fit.objective_name} less this one (nats)")
        below = ""
    else:
        ax.set_ylabel(f"{fit.objective_name} (nats)")
        below = _limit_below(ax, [best, *others])
    _scale_iterations(ax, max(run.n_iter for run in (best, *others)))
    note(ax, below, _omission(fit, others))
    legend(ax, handles, labels, loc="best")
    open_frame(ax)
    return ax


def _others(fit: Fit) -> list[Run]:
    """Return the runs that were not kept, the best ones if there are many."""
    others = [run for position, run in enumerate(fit.runs) if position != fit.best]
    if len(others) <= MAX_RUNS:
        return others
    return sorted(others, key=lambda run: run.objective, reverse=True)[:MAX_RUNS]


def _highest(run: Run) -> float:
    return float(np.max(np.asarray(run.objectives)[np.isfinite(run.objectives)], initial=-np.inf))


def _curve(run: Run, top: float | None) -> tuple[IntegerArray, Array]:
    """Return iterations and objectives, or their distance to the top."""
    values = np.asarray(run.objectives, dtype=float)
    steps = np.arange(values.size)
    if values.size > MAX_STEPS:
        steps = np.unique(np.linspace(0, values.size - 1, MAX_STEPS).round().astype(np.intp))
    values = values[steps]
    if top is not None:
        distance = top - values
        # Where rounding is all that is left of the distance there is nothing to draw.
        resolution = 4.0 * np.finfo(float).eps * max(1.0, abs(top))
        values = np.where(distance > resolution, distance, np.nan)
    return steps, np.where(np.isfinite(values), values, np.nan)


def _draw_others(
    ax: "Axes", curves: list[tuple[IntegerArray, Array]], ends: list[float]
) -> tuple[list, list[str]]:
    if not curves:
        return [], []
    colour = "#999999"
    look = {
        "color": colour,
        "linewidth": 0.9,
        "alpha": max(0.25, min(0.9, 12.0 / len(curves))),
        "rasterized": sum(steps.size for steps, _ in curves) > MAX_VERTICES,
    }
    lines = [ax.plot(*curve, **look)[0] for curve in curves]
    ax.scatter(
        [steps[-1] for steps, _ in curves],
        [values[-1] for _, values in curves],
        s=9,
        color=colour,
        rasterized=len(curves) > MAX_RUNS // 2,
    )
    runs = "1 other run" if len(curves) == 1 else f"{len(curves)} other runs"
    return lines[:1], [f"{runs}, the best at {max(ends):.10g}"]


def _limit_below(ax: "Axes", runs: list[Run]) -> str:
    """Cut the first steep rise off the scale; return the sentence that says so."""
    later = [np.asarray(run.objectives)[-(-run.n_iter // 20) :] for run in runs]
    values = np.concatenate(later)
    values = values[np.isfinite(values)]
    if values.size == 0:
        return ""
    low, high = float(values.min()), float(values.max())
    lowest = min(min(run.objectives) for run in runs)
    spread = high - low
    if not spread > 0 or lowest >= low - spread:
        return ""
    ax.set_ylim(low - 0.15 * spread, high + 0.08 * spread)
    if not np.isfinite(lowest):
        return "some starts lie at minus infinity, below the scale"
    return f"starts as low as {lowest:.5g} lie below the scale"


def _scale_iterations(ax: "Axes", last: int) -> None:
    from matplotlib.ticker import MaxNLocator

    ax.set_xlabel("iteration")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    margin = max(0.02 * last, 0.5)
    ax.set_xlim(-margin, last + margin)


def _omission(fit: Fit, others: list[Run]) -> str:
    if len(others) + 1 == len(fit.runs):
        return ""
    return f"the best {len(others) + 1} of {len(fit.runs)} runs drawn"
