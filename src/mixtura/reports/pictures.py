"""The drawings of a report, each with its numbers."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np

from mixtura import plots
from mixtura.data import ArrayRows
from mixtura.fit import Fit
from mixtura.plots.missing_cells import MissingPatterns
from mixtura.plots.profile import MAX_FEATURES
from mixtura.plots.style import RASTER_THRESHOLD
from mixtura.plots.swarm import lanes_size
from mixtura.reports import figures_as_numbers as numbers_of
from mixtura.reports.content import Picture
from mixtura.reports.svg import INK, PAPER, svg_of
from mixtura.reports.tables import Table
from mixtura.typing import Array, BooleanArray, IntegerArray

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIZE_BUDGET = 88_000
"""Bytes that the drawings of one report may take together."""

RESOLUTION = 110.0
"""Dots per inch of clouds of points."""

COARSER = (80.0, 60.0)
"""Dots per inch of whole drawings, where the budget asks for them."""

SHOWN_PATTERNS = 12
"""Patterns of missing cells that are drawn at most."""

MANY_COMPONENTS = 12
"""Components above which a drawing holds one feature fewer."""


@final
@dataclass(frozen=True, eq=False)
class PictureData:
    """A fit and the rows it is shown with.

    Parameters
    ----------
    fit : Fit
        The fit.
    given : ArrayRows
        The rows.
    x : array of shape (N, D)
        Their values, missing ones as they are expected.
    labels : integer array of shape (N,)
        Component of each row.
    responsibilities : array of shape (N, K)
        Probability of each component for each row.
    weights : array of shape (N,), optional
        Weights of the rows.
    max_features : int, default=4
        Features in one drawing.
    is_alone : bool, default=True
        Whether the report has no other fit.
    """

    fit: Fit
    given: ArrayRows
    x: Array
    labels: IntegerArray
    responsibilities: Array
    weights: Array | None = None
    max_features: int = 4
    is_alone: bool = True

    @property
    def imputed(self) -> BooleanArray | None:
        """Which values were missing, (N, D); None where none were."""
        return self.given.is_missing if self.given.has_missing else None


@final
@dataclass(frozen=True, eq=False)
class Drawing:
    """How one picture is made.

    Parameters
    ----------
    name, title, caption : str
        Name of the plot, and what stands above and below it.
    size : (float, float)
        Width and height in inches.
    draw : callable
        Draws on a figure.
    table : Table
        The same as numbers.
    """

    name: str
    title: str
    caption: str
    size: tuple[float, float]
    draw: Callable[["Figure"], Any]
    table: Table


def data_drawings(x: Array, feature_names: Sequence[str]) -> list[Drawing]:
    """Return the drawings of rows alone: a swarm of a single feature, none of several."""
    if x.shape[1] != 1 or not x.shape[0]:
        return []
    return [
        Drawing(
            "swarm",
            "The data",
            "Every row as a point; only the horizontal position has a meaning.",
            (6.0, 2.3),
            lambda figure: plots.swarm(x, feature_name=feature_names[0], figure=figure),
            numbers_of.swarm(x[:, 0]),
        )
    ]


def objective_drawing(fit: Fit) -> Drawing:
    """Return the drawing of how the objective rose."""
    return Drawing(
        "objective",
        "How the estimate was found",
        f"The {fit.objective_name} of every start by iteration; higher is better.",
        (6.0, 3.0),
        lambda figure: plots.objective(fit, figure=figure),
        numbers_of.objective(fit),
    )


def fit_drawings(evidence: PictureData) -> list[Drawing]:
    """Return the drawings of a fit with its rows."""
    drawings = [_density(evidence), _clusters(evidence)]
    if evidence.given.has_missing:
        drawings.insert(0, _missing(evidence))
    if evidence.fit.model.n_components > 1:
        drawings.append(_uncertainty(evidence))
        if evidence.x.shape[1] > 2 and evidence.fit.tells_components:
            drawings.append(_profile(evidence.fit))
    return drawings


def _missing(evidence: PictureData) -> Drawing:
    rows, names = evidence.given, evidence.fit.feature_names
    found = MissingPatterns.of(rows.is_missing)
    lines = min(found.counts.size, SHOWN_PATTERNS)
    return Drawing(
        "missing",
        "Missing cells",
        "A line for each pattern: filled squares are cells that are there, empty ones are missing.",
        (min(2.2 + 0.42 * rows.n_features, 8.0), 1.4 + 0.24 * lines),
        lambda figure: plots.missing(
            rows.values, feature_names=names, max_patterns=SHOWN_PATTERNS, figure=figure
        ),
        numbers_of.missing(rows.is_missing, names),
    )


def _density(evidence: PictureData) -> Drawing:
    fit, x = evidence.fit, evidence.x
    there = x if evidence.imputed is None else np.where(evidence.imputed, np.nan, x)
    one = x.shape[1] == 1
    caption = (
        "The area under a component's line is its weight; the area under the dashed sum is one."
    )
    if not fit.tells_components:
        caption = (
            "The dashed line is the predictive density of a new row. Its components are not drawn: "
            "their numbers mean nothing in these draws."
        )
    is_narrow = fit.model.n_components <= 6 or not fit.tells_components
    return Drawing(
        "density",
        "Fitted density",
        caption,
        (6.2 if is_narrow else 8.6, 3.4) if one else (6.6, 5.0),
        lambda figure: plots.density(
            fit, there, weights=evidence.weights, max_features=evidence.max_features, figure=figure
        ),
        numbers_of.density(fit, there, evidence.weights),
    )


def _clusters(evidence: PictureData) -> Drawing:
    fit, x = evidence.fit, evidence.x
    n_features = min(x.shape[1], evidence.max_features)
    if n_features == 1:
        size = lanes_size(fit.model.n_components)
    else:
        side = 5.0 if n_features == 2 else 1.7 * n_features + 0.6
        size = (side + 0.3, side)
    return Drawing(
        "clusters",
        "Rows by most probable component",
        "Each row in the component that it most probably belongs to.",
        size,
        lambda figure: plots.clusters(
            fit,
            x,
            evidence.labels,
            imputed=evidence.imputed,
            max_features=evidence.max_features,
            figure=figure,
        ),
        numbers_of.clusters(fit, x, evidence.labels),
    )


def _uncertainty(evidence: PictureData) -> Drawing:
    fit, x = evidence.fit, evidence.x
    return Drawing(
        "uncertainty",
        "How certain the assignments are",
        "Uncertainty is one minus the probability of the row's most probable component.",
        (6.0, 3.0) if x.shape[1] == 1 else (6.2, 4.2),
        lambda figure: plots.uncertainty(
            fit, x, evidence.responsibilities, imputed=evidence.imputed, figure=figure
        ),
        numbers_of.uncertainty(fit, evidence.responsibilities),
    )


def _profile(fit: Fit) -> Drawing:
    n_features = min(fit.model.n_features, MAX_FEATURES)
    return Drawing(
        "profile",
        "What sets the components apart",
        "Means by feature: 0 is the mean of all rows and 1 their standard deviation; bars are one "
        "standard deviation of the component to either side.",
        (max(4.8, 0.45 * n_features + 2.6), 3.6),
        lambda figure: plots.profile(fit, figure=figure),
        numbers_of.profile(fit),
    )


def draw(
    drawings: Sequence[Drawing], prefix: str, budget: int = SIZE_BUDGET
) -> tuple[Picture, ...]:
    """Return the pictures, within a budget of bytes.

    Where all pictures together hold more than 2,000 points, points become images. If the budget
    is not met yet, the largest picture becomes an image but for its text, then the next one; then
    the resolution falls. Legends keep their marks.
    """
    if not drawings:
        return ()
    with report_style():
        figures = [_figure(drawing) for drawing in drawings]
        if sum(_n_points(figure) for figure in figures) > RASTER_THRESHOLD:
            for figure in figures:
                _rasterize(figure, points_only=True)
        done = [_svg(drawings, figures, prefix, i, RESOLUTION) for i in range(len(figures))]
        for resolution in COARSER:
            left = sorted(range(len(done)), key=lambda i: -len(done[i]))
            while left and sum(map(len, done)) > budget:
                largest = left.pop(0)
                _rasterize(figures[largest], points_only=False)
                smaller = _svg(drawings, figures, prefix, largest, resolution)
                done[largest] = min(done[largest], smaller, key=len)
    return tuple(
        Picture(drawing.name, drawing.title, drawing.caption, svg, drawing.table)
        for drawing, svg in zip(drawings, done, strict=True)
    )


def _svg(
    drawings: Sequence[Drawing], figures: list["Figure"], prefix: str, i: int, resolution: float
) -> str:
    svg = svg_of(figures[i], f"{prefix}{i}-", drawings[i].title, resolution)
    # The layout costs most of the time, and must not change from one resolution to the next.
    figures[i].set_layout_engine("none")
    return svg


@contextmanager
def report_style() -> Iterator[None]:
    """Draw in one style whatever the user's settings, with text as text and colours of the page."""
    from matplotlib import style

    ink = ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color")
    settings: dict[str, Any] = {
        "svg.fonttype": "none",
        "svg.hashsalt": "mixtura",
        "path.simplify_threshold": 0.3,
        "font.size": 9.0,
        "axes.facecolor": PAPER,
        **dict.fromkeys(ink, INK),
    }
    with style.context(["default", settings]), warnings.catch_warnings():
        # The page's fonts draw the text; that matplotlib's lack a character does not matter.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def _figure(drawing: Drawing) -> "Figure":
    from matplotlib.figure import Figure

    figure = Figure(figsize=drawing.size, layout="constrained")
    drawing.draw(figure)
    figure.patch.set_visible(False)
    for ax in figure.axes:
        ax.patch.set_visible(False)
    return figure


def _clouds(figure: "Figure") -> Iterator[tuple[Any, int]]:
    """Yield the artists that draw markers, and how many."""
    for ax in figure.axes:
        for collection in ax.collections:
            yield collection, len(np.asarray(collection.get_offsets()))
        for line in ax.lines:
            if line.get_linestyle() == "None":
                yield line, np.size(line.get_xdata())


def _n_points(figure: "Figure") -> int:
    return sum(size for _, size in _clouds(figure))


def _rasterize(figure: "Figure", *, points_only: bool) -> None:
    """Draw points, or everything inside the axes, as images; text and scales stay as they are."""
    for artist, _ in list(_clouds(figure)):
        artist.set_rasterized(True)
    if not points_only:
        for ax in figure.axes:
            for artist in (*ax.lines, *ax.patches):
                artist.set_rasterized(True)
