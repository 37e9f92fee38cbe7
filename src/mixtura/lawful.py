"""Values of arguments and options that are lawful, wherever they are given."""

from typing import Any

import numpy as np

from mixtura.errors import InvalidArgumentError


def whole_number(value: Any, name: str, smallest: int) -> int:
    """Return a validated whole number.

    Raises
    ------
    InvalidArgumentError
        If it is no whole number, or below the smallest one that is allowed.
    """
    if not _is_whole(value, smallest):
        raise InvalidArgumentError(
            f"{name} must be a whole number of at least {smallest}; got {value!r}"
        )
    return int(value)


def whole_number_or_none(value: Any, name: str, smallest: int) -> int | None:
    """Return a validated whole number, or None.

    Raises
    ------
    InvalidArgumentError
        If it is neither None nor a whole number, or below the smallest one that is allowed.
    """
    if value is None:
        return None
    if not _is_whole(value, smallest):
        raise InvalidArgumentError(
            f"{name} must be None or a whole number of at least {smallest}; got {value!r}"
        )
    return int(value)


def _is_whole(value: Any, smallest: int) -> bool:
    is_number = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    return bool(is_number and value >= smallest)
