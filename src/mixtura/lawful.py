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
    is_whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not is_whole or value < smallest:
        raise InvalidArgumentError(
            f"{name} must be a whole number of at least {smallest}; got {value!r}"
        )
    return int(value)
