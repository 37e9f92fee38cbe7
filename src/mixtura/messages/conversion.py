"""What users give as numbers, as NumPy arrays: one rule wherever it is given."""

import numbers
import sys
from decimal import Decimal
from typing import Any

import numpy as np

from mixtura.errors import InvalidArgumentError, NotNumbersError
from mixtura.typing import Array

LONGEST_TOLD = 100
"""Characters of a value that a message shows."""


def unmasked(array: Any) -> np.ndarray:
    """Return an array without a mask: what was masked is missing, which is NaN.

    Parameters
    ----------
    array : array of any shape
        A NumPy array, masked or not; what is not masked is returned as it is.

    Returns
    -------
    array of the same shape
        Of the same precision where that is float32 or float64; integers become float64 where
        some are masked. What is no number becomes an object array, in which None is missing.
    """
    if not isinstance(array, np.ma.MaskedArray):
        return np.asarray(array)
    mask = np.ma.getmaskarray(array)
    if not mask.any():
        return np.asarray(array.data)
    if array.dtype.kind in "fiub":
        values = array.data.astype(np.result_type(array.dtype, np.float32))
        values[mask] = np.nan
        return values
    cells = array.data.astype(object)
    cells[mask] = None
    return cells


def as_array(value: Any) -> np.ndarray | None:
    """Return what holds numbers as a NumPy array; None where it is no array and no list.

    Masks count wherever they are: of masked arrays, of lists of them, and of whatever gives a
    masked array when it is asked for one, as a variable of a netCDF file does.
    """
    if isinstance(value, np.ndarray):
        return unmasked(value)
    if isinstance(value, list | tuple):
        masked = any(isinstance(part, np.ma.MaskedArray) for part in value)
        return unmasked(np.ma.array(value)) if masked else np.asarray(value)
    if hasattr(value, "__array__"):
        return unmasked(np.asanyarray(value))
    return None


def as_float64(value: Any) -> Array:
    """Return one number or many as a float64 array, what is masked or missing NaN.

    Raises
    ------
    NotNumbersError
        If the value holds something else than numbers.
    """
    try:
        array = as_array(value)
        array = np.asarray(value) if array is None else array
    except (TypeError, ValueError):
        raise NotNumbersError("rows of different lengths") from None
    return np.asarray(as_numbers(array), dtype=np.float64)


def as_numbers_of(value: Any, argument: str) -> Array:
    """Return an argument's numbers, of any shape, what is missing NaN.

    Raises
    ------
    InvalidArgumentError
        If the value holds anything else; it names the argument.
    """
    try:
        return as_float64(value)
    except NotNumbersError as error:
        raise InvalidArgumentError(
            f"must hold numbers; it holds {error}", argument=argument
        ) from None


def as_numbers(array: np.ndarray) -> np.ndarray:
    """Return an array of numbers as it is, and one of objects as float64, what is missing NaN.

    Booleans are numbers, 0 and 1, and so are decimals and fractions, as the nearest float64.

    Raises
    ------
    NotNumbersError
        If it holds texts, dates, durations, complex numbers or anything else.
    """
    kind = array.dtype.kind
    if kind in "fiub":
        return array
    if kind != "O":
        raise NotNumbersError(f"values of type {array.dtype}")
    values = np.empty(array.shape)
    for place, cell in np.ndenumerate(array):
        try:
            values[place] = cell_number(cell)
        except (TypeError, ValueError, OverflowError):
            labels = ("row", "column") if array.ndim <= 2 else ("axis",) * array.ndim
            where = ", ".join(f"{name} {at}" for name, at in zip(labels, place, strict=False))
            raise NotNumbersError(f"{short_repr(cell)}{' in ' if where else ''}{where}") from None
    return values


def cell_number(cell: Any) -> float:
    """Return the number that one object is; NaN where it stands for a missing one.

    Raises
    ------
    TypeError
        If it is no number.
    OverflowError
        If it is beyond float64.
    """
    if cell is None or cell is np.ma.masked or cell is _pandas_missing():
        return np.nan
    if isinstance(cell, numbers.Real | Decimal | np.bool_):
        return float(cell)
    raise TypeError(f"{type(cell).__name__} is no number")


def _pandas_missing() -> Any:
    """Return what pandas puts where a number is missing; nobody has it without pandas."""
    pandas = sys.modules.get("pandas")
    return np.ma.masked if pandas is None else pandas.NA


def short_repr(value: Any) -> str:
    """Return a value as messages show it: on one line, and cut where it is long."""
    text = " ".join(repr(value).split())
    text = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
    return text if len(text) <= LONGEST_TOLD else text[: LONGEST_TOLD - 1] + "…"
