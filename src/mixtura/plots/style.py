"""Colours, marker shapes and labels that all plots share."""

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from mixtura.fit import Fit
from mixtura.plots.text import MAX_LENGTH, printable, shortened
from mixtura.typing import BooleanArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase
    from matplotlib.legend import Legend

COLOURS = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#CC79A7",
    "#56B4E9",
    "#F0E442",
    "#999999",
)
"""Okabe and Ito's colours, which most colour-blind readers can tell apart.

Grey stands in for their black, which is the colour of axes and text.
"""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "p")
"""Nine shapes beside eight colours: the pairs repeat after 72 components only."""

MOST_LETTERS = 24
"""Letters of a component's name that a legend shows."""

PLAIN_TEXT: dict[str, Any] = {"parse_math": False, "usetex": False}
"""Properties of every text that a user wrote: a dollar sign is a dollar sign."""

RASTER_THRESHOLD = 2_000
"""Points of one picture above which vector files hold them as an image."""

MAX_NOTE = 70
"""Characters of a note above the axes that fit on one line."""

MAX_LEGEND = 50
MANY_COMPONENTS = 10
"""Components above which legends give numbers only."""

COMPACT: dict[str, Any] = {
    "title_fontsize": "small",
    "alignment": "left",
    "columnspacing": 1.0,
    "handletextpad": 0.2,
}
"""Style of a legend with many short entries."""

MAX_ENTRY = 90
"""Characters of a legend's entry, which may be a sentence of ours."""


def component_colour(component: int) -> str:
    """Return the colour of a component."""
    return COLOURS[component % len(COLOURS)]


def component_marker(component: int) -> str:
    """Return the marker shape of a component."""
    return MARKERS[component % len(MARKERS)]


IMPUTED_SENTENCE = "hollow: imputed values"


def point_look(component: int, hollow: BooleanArray | None, **look: Any) -> dict[str, Any]:
    """Return the look of a component's points, those of imputed values hollow.

    Parameters
    ----------
    component : int
        The component.
    hollow : boolean array of shape (n,), optional
        Which of the points are hollow.
    **look
        How they look otherwise, as ``scatter`` takes it.
    """
    colour = component_colour(component)
    if hollow is None or not hollow.any():
        return {"color": colour, **look}
    from matplotlib.colors import to_rgba

    faces = np.tile(to_rgba(colour), (hollow.size, 1))
    faces[hollow, 3] = 0.0
    return look | {"facecolors": faces, "edgecolors": colour, "linewidths": 0.7, "alpha": None}


def ink() -> str:
    """Return the colour of text and axes in the style in use."""
    from matplotlib import rcParams

    return rcParams["text.color"]


def paper() -> str:
    """Return the colour behind the data in the style in use."""
    from matplotlib import rcParams

    return rcParams["axes.facecolor"]


def shown(text: object, limit: int = MAX_LENGTH) -> str:
    """Return a user's text as a label can show it: visible, short, and within the font.

    Characters that the fonts in use lack become a replacement character. Where text is left to the
    viewer of the picture (``svg.fonttype: none``) they stay, for the viewer has fonts of its own.
    """
    from matplotlib import rcParams

    label = shortened(printable(text), limit)
    if label.isascii() or rcParams["svg.fonttype"] == "none":
        return label
    known = _characters(tuple(rcParams["font.family"]))
    missing = "\N{REPLACEMENT CHARACTER}" if 0xFFFD in known else "?"
    joiners = "\N{ZERO WIDTH JOINER}\N{VARIATION SELECTOR-15}\N{VARIATION SELECTOR-16}"
    return "".join(c if ord(c) in known else missing for c in label if c not in joiners)


@lru_cache(maxsize=8)
def _characters(families: tuple[str, ...]) -> frozenset[int]:
    """Return the code points that the fonts of the families have: matplotlib takes one of each."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    paths = {findfont(FontProperties(family=[family])) for family in families}
    return frozenset(point for path in sorted(paths) for point in get_font(path).get_charmap())


def label_x(ax: "Axes", text: object, limit: int = MAX_LENGTH) -> None:
    """Put a user's text on the horizontal axis."""
    ax.set_xlabel(shown(text, limit), **PLAIN_TEXT)


def label_y(ax: "Axes", text: object, limit: int = MAX_LENGTH) -> None:
    """Put a user's text on the vertical axis."""
    ax.set_ylabel(shown(text, limit), **PLAIN_TEXT)


def note(ax: "Axes", *sentences: str) -> None:
    """Say above the axes what the reader should know about the drawing; nothing if all empty."""
    said = [sentence for sentence in sentences if sentence]
    text = "; ".join(said)
    if len(text) > MAX_NOTE:
        text = "\n".join(said)
    if text:
        ax.set_title(text, loc="left", fontsize="small", **PLAIN_TEXT)


def open_frame(*axes: "Axes") -> None:
    """Remove the two sides of the frames that carry no scale."""
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)


def legend(
    ax: "Axes | FigureBase", handles: Sequence[Any], labels: Sequence[object], **place: Any
) -> "Legend":
    """Return a legend whose labels may be any text.

    matplotlib drops labels with a leading underscore, so texts are set after the fact.
    """
    columns = 1 + (len(handles) - 1) // 14
    settings: dict[str, Any] = {"frameon": False, "fontsize": "small", "ncols": columns}
    settings |= place
    drawn = ax.legend(list(handles), [f"entry {i}" for i in range(len(handles))], **settings)
    for entry, label in zip(drawn.get_texts(), labels, strict=True):
        entry.set(text=shown(label, MAX_ENTRY), **PLAIN_TEXT)
    return drawn


def place_legend(
    ax: "Axes", handles: Sequence[Any], labels: Sequence[object], **style: Any
) -> "Legend":
    """Return a legend where there is room for it: in the axes if it is short, else beside them."""
    place: dict[str, Any] = {"loc": "best"}
    if len(handles) > 8:
        place = {"loc": "upper left", "bbox_to_anchor": (1.0, 1.0)}
    return legend(ax, handles, labels, **(place | style))


def component_legend(ax: "Axes", fit: Fit, **style: Any) -> "Legend":
    """Return a legend of components that are drawn as points."""
    from matplotlib.lines import Line2D

    n_components = fit.n_parts
    listed = range(min(n_components, MAX_LEGEND))
    looks: list[dict[str, Any]] = [
        {"marker": component_marker(k), "color": component_colour(k)} for k in listed
    ]
    handles = [Line2D([], [], linestyle="none", markersize=6, **look) for look in looks]
    many = n_components > MANY_COMPONENTS
    labels = [shown(fit.component_name(k, short=many), MOST_LETTERS) for k in listed]
    if n_components > MAX_LEGEND:
        handles.append(Line2D([], [], linestyle="none"))
        labels.append(f"and {n_components - MAX_LEGEND} more")
    if many:
        style = COMPACT | {"title": "component"} | style
    return place_legend(ax, handles, labels, **style)
