"""Figures and axes to draw on, with and without pyplot."""

import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from mixtura.errors import InvalidArgumentError
from mixtura.messages.conversion import short_repr

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

Size = tuple[float, float]


def new_figure(size: Size) -> "FigureBase":
    """Return an empty figure of the given size in inches.

    A session that uses pyplot expects its figures to appear, so they are made with it; elsewhere
    a plain figure is made, which needs neither a display nor to be closed.
    """
    if "matplotlib.pyplot" in sys.modules:
        return sys.modules["matplotlib.pyplot"].figure(figsize=size, layout="constrained")
    from matplotlib.figure import Figure

    return Figure(figsize=size, layout="constrained")


def single_axes(ax: "Axes | None", figure: "FigureBase | None", size: Size) -> "Axes":
    """Return the axes given, or new ones in the figure given, or in a new figure."""
    if ax is not None:
        return _checked(ax, "matplotlib Axes")
    return (new_figure(size) if figure is None else figure).add_subplot()


def axes_grid(
    ax: Any, figure: "FigureBase | None", shape: tuple[int, int], size: Size, **layout: Any
) -> np.ndarray:
    """Return an array of axes of the given shape: the array given, or a new one.

    Raises
    ------
    InvalidArgumentError
        If an array of another size was given.
    """
    if ax is not None:
        given = _flat(ax)
        if given.size != shape[0] * shape[1]:
            raise InvalidArgumentError(
                f"must hold {shape[0]} x {shape[1]} axes for this plot; got {given.size}",
                argument="ax",
            )
        for one in given.ravel():
            _checked(one, "matplotlib Axes, or an array of them")
        return given.reshape(shape)
    figure = new_figure(size) if figure is None else figure
    return figure.subplots(*shape, squeeze=False, gridspec_kw=layout or None)


def _flat(ax: Any) -> np.ndarray:
    """Return what may be axes, in whatever array or lists, one after the other."""
    try:
        return np.asarray(ax, dtype=object).ravel()
    except ValueError:  # lists of different lengths
        return np.array([None], dtype=object)


def _checked(ax: Any, accepted: str) -> Any:
    from matplotlib.axes import Axes

    if not isinstance(ax, Axes):
        raise InvalidArgumentError(
            f"must be None or {accepted}; got {short_repr(ax)}", argument="ax"
        )
    return ax


def size_in_points(ax: "Axes") -> Size:
    """Return width and height of the axes in points, before any layout engine has moved them."""
    box = ax.get_window_extent()
    dots = ax.figure.dpi
    return 72.0 * box.width / dots, 72.0 * box.height / dots
