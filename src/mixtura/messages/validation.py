"""Parameters as they are declared: what each may be, in one place, and in the words of its error.

The estimator, the methods' options and the command read the same declarations.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from mixtura.errors import InvalidArgumentError
from mixtura.messages.conversion import short_repr

MOST = 1_000_000_000
"""The largest count, where no smaller one is declared."""

LARGEST = float(np.finfo(float).max)


class Parameter(ABC):
    """What an argument may be."""

    @property
    @abstractmethod
    def accepted(self) -> str:
        """What would be accepted, as an error says it after "must be"."""

    @abstractmethod
    def accepts(self, value: Any) -> bool:
        """Return whether a value may be taken."""

    def converted(self, value: Any) -> Any:
        """Return a valid value as it is used."""
        return value

    def read(self, value: Any, name: str) -> Any:
        """Return a value as it is used.

        Parameters
        ----------
        value : object
            What the user gave.
        name : str
            What messages call the argument.

        Raises
        ------
        InvalidArgumentError
            If the value is not valid.
        """
        if not self.accepts(value):
            raise InvalidArgumentError(
                f"must be {self.accepted}; got {short_repr(value)}", argument=name
            )
        return self.converted(value)


@final
@dataclass(frozen=True, eq=False)
class Whole(Parameter):
    """A whole number, or None where it is optional.

    Parameters
    ----------
    smallest, largest : int
        The numbers between which it lies.
    optional : bool
        Whether it may be None.
    """

    smallest: int
    largest: int = MOST
    optional: bool = False

    @property
    def accepted(self) -> str:
        none = "None or " if self.optional else ""
        if self.smallest == self.largest:
            return f"{none}{self.smallest}"
        return f"{none}a whole number of at least {self.smallest}"

    def accepts(self, value: Any) -> bool:
        if value is None:
            return self.optional
        return is_whole(value) and bool(self.smallest <= value <= self.largest)

    def converted(self, value: Any) -> int | None:
        return None if value is None else int(value)

    def read(self, value: Any, name: str) -> Any:
        if is_whole(value) and value > self.largest > self.smallest:
            raise InvalidArgumentError(
                f"must be {self.accepted} and at most {self.largest:,}; got {short_repr(value)}",
                argument=name,
            )
        return super().read(value, name)


@final
@dataclass(frozen=True, eq=False)
class MappingOrNone(Parameter):
    """A mapping, or None."""

    @property
    def accepted(self) -> str:
        return "None or a mapping of 'weights', 'means' and 'covariances'"

    def accepts(self, value: Any) -> bool:
        return value is None or isinstance(value, Mapping)


@final
@dataclass(frozen=True, eq=False)
class Volume(Parameter):
    """What a background may be: None, uniform on the rows' box, or a volume."""

    @property
    def accepted(self) -> str:
        return "None, 'uniform' or a volume above 0"

    def accepts(self, value: Any) -> bool:
        if value is None or (isinstance(value, str) and value == "uniform"):
            return True
        return not isinstance(value, str) and Real(0.0, above=True).accepts(value)


@final
@dataclass(frozen=True, eq=False)
class PairAbove(Parameter):
    """Two numbers above zero, or None."""

    @property
    def accepted(self) -> str:
        return "None or two numbers above 0, as (1.0, 9.0)"

    def accepts(self, value: Any) -> bool:
        if value is None:
            return True
        is_listed = isinstance(value, tuple | list) or getattr(value, "ndim", 0) == 1
        if not is_listed or len(value) != 2:
            return False
        return all(Real(0.0, above=True).accepts(number) for number in value)

    def converted(self, value: Any) -> tuple[float, float] | None:
        return None if value is None else (float(value[0]), float(value[1]))


@final
@dataclass(frozen=True, eq=False)
class WholeByName(Parameter):
    """A whole number for all, or a mapping with one for each.

    Parameters
    ----------
    smallest : int
        The smallest number.
    """

    smallest: int

    @property
    def accepted(self) -> str:
        return f"{Whole(self.smallest).accepted}, or a mapping with such numbers"

    def accepts(self, value: Any) -> bool:
        numbers = value.values() if isinstance(value, Mapping) else [value]
        return all(Whole(self.smallest).accepts(number) for number in numbers)


@final
@dataclass(frozen=True, eq=False)
class Real(Parameter):
    """A finite number, or None where it is optional.

    Parameters
    ----------
    low, high : float
        The numbers between which it lies; ``high`` may be infinite.
    above : bool
        Whether it must be above ``low``.
    below : bool
        Whether it must be below ``high``.
    optional : bool
        Whether it may be None.
    """

    low: float = 0.0
    high: float = np.inf
    above: bool = False
    below: bool = False
    optional: bool = False

    @property
    def accepted(self) -> str:
        none = "None or " if self.optional else ""
        low = f"above {self.low:g}" if self.above else f"of at least {self.low:g}"
        if np.isinf(self.high):
            return f"{none}a number {low}"
        return f"{none}a number {low} and {'below' if self.below else 'at most'} {self.high:g}"

    def accepts(self, value: Any) -> bool:
        if value is None:
            return self.optional
        if not is_real(value) or not abs(value) <= LARGEST:  # nor is what is not a number
            return False
        begins = value > self.low if self.above else value >= self.low
        ends = value < self.high if self.below else value <= self.high
        return bool(begins and ends)

    def converted(self, value: Any) -> float | None:
        return None if value is None else float(value)


@final
class Flag(Parameter):
    """True or False."""

    @property
    def accepted(self) -> str:
        return "True or False"

    def accepts(self, value: Any) -> bool:
        return isinstance(value, bool | np.bool_)

    def converted(self, value: Any) -> bool:
        return bool(value)


@final
@dataclass(frozen=True)
class Text(Parameter):
    """Any text, or None where it is optional."""

    optional: bool = False

    @property
    def accepted(self) -> str:
        return "None or a text" if self.optional else "a text"

    def accepts(self, value: Any) -> bool:
        return isinstance(value, str) or (self.optional and value is None)


@final
@dataclass(frozen=True, eq=False)
class Texts(Parameter):
    """Several texts in a list, a tuple, an array or an index; or None where they are optional.

    Parameters
    ----------
    what : str
        What messages call them.
    optional : bool
        Whether there may be none.
    """

    what: str
    optional: bool = False

    @property
    def accepted(self) -> str:
        return f"None or {self.what}" if self.optional else self.what

    def accepts(self, value: Any) -> bool:
        if value is None:
            return self.optional
        is_listed = isinstance(value, list | tuple) or getattr(value, "ndim", 0) == 1
        return is_listed and all(isinstance(one, str) for one in value)


@final
@dataclass(frozen=True, eq=False)
class Instance(Parameter):
    """An object of a class, or None where it is optional.

    Parameters
    ----------
    kind : type
        The class.
    what : str
        What messages call it.
    optional : bool
        Whether it may be None.
    """

    kind: type
    what: str
    optional: bool = False

    @property
    def accepted(self) -> str:
        return f"None or {self.what}" if self.optional else self.what

    def accepts(self, value: Any) -> bool:
        return isinstance(value, self.kind) or (self.optional and value is None)


@final
@dataclass(frozen=True, eq=False)
class OneOf(Parameter):
    """One of several names, which may be those of a registry, and become more."""

    names: Collection[str]

    @property
    def accepted(self) -> str:
        return ", ".join(repr(name) for name in self.names)

    def accepts(self, value: Any) -> bool:
        return isinstance(value, str) and value in self.names


@final
@dataclass(frozen=True, eq=False)
class FeatureIndex(Parameter):
    """A column by its number or its name, taken as its number."""

    names: tuple[str, ...]

    @property
    def accepted(self) -> str:
        return f"a number from 0 to {len(self.names) - 1} or one of {short_repr(list(self.names))}"

    def accepts(self, value: Any) -> bool:
        if isinstance(value, str):
            return value in self.names
        return is_whole(value) and bool(0 <= value < len(self.names))

    def converted(self, value: Any) -> int:
        return self.names.index(value) if isinstance(value, str) else int(value)


@final
@dataclass(frozen=True, eq=False)
class FilePath(Parameter):
    """The path of a file, or None where it is optional."""

    optional: bool = False

    @property
    def accepted(self) -> str:
        return "None or the path of a file" if self.optional else "the path of a file"

    def accepts(self, value: Any) -> bool:
        if value is None:
            return self.optional
        if not isinstance(value, str | os.PathLike):
            return False
        text = os.fspath(value)
        return isinstance(text, str) and text not in ("", ".") and "\0" not in text


@final
@dataclass(frozen=True, eq=False)
class Called(Parameter):
    """A function; None where it is optional; with ``or_flag`` True or False.

    Parameters
    ----------
    of : str
        What the function is called with.
    optional, or_flag : bool
        Whether it may be None, or True or False.
    """

    of: str
    optional: bool = True
    or_flag: bool = False

    @property
    def accepted(self) -> str:
        parts = ["None"] if self.optional else []
        parts += ["True", "False"] if self.or_flag else []
        function = f"a function of {self.of}"
        return f"{', '.join(parts)} or {function}" if parts else function

    def accepts(self, value: Any) -> bool:
        if value is None:
            return self.optional
        if isinstance(value, bool):
            return self.or_flag
        return callable(value) and not isinstance(value, type)


@final
class Jobs(Parameter):
    """A number of threads, counted from all processors where it is negative."""

    @property
    def accepted(self) -> str:
        return "None or a whole number but 0, between -1,000,000 and 1,000,000"

    def accepts(self, value: Any) -> bool:
        return value is None or (is_whole(value) and 0 < abs(int(value)) <= 1_000_000)

    def converted(self, value: Any) -> int | None:
        return None if value is None else int(value)


@final
class Seed(Parameter):
    """A source of randomness."""

    @property
    def accepted(self) -> str:
        return "None, a whole number of at least 0, or a NumPy generator"

    def accepts(self, value: Any) -> bool:
        sources = np.random.SeedSequence | np.random.RandomState | np.random.Generator
        return value is None or isinstance(value, sources) or (is_whole(value) and value >= 0)


@final
class Verbosity(Parameter):
    """Whether lines of progress are printed."""

    @property
    def accepted(self) -> str:
        return "True, False or a whole number of at least 0"

    def accepts(self, value: Any) -> bool:
        return isinstance(value, bool | np.bool_) or (is_whole(value) and value >= 0)

    def converted(self, value: Any) -> bool:
        return bool(value)


def is_whole(value: Any) -> bool:
    """Return whether a value is a whole number; True and False are none, nor is what is masked."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def is_real(value: Any) -> bool:
    """Return whether a value is a real number; True and False are none, nor is what is masked."""
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def whole_number(value: Any, name: str, smallest: int) -> int:
    """Return a validated whole number.

    Raises
    ------
    InvalidArgumentError
        If it is no whole number, or below the smallest one that is allowed, or above a billion.
    """
    return Whole(smallest).read(value, name)


def whole_number_or_none(value: Any, name: str, smallest: int) -> int | None:
    """Return a validated whole number, or None.

    Raises
    ------
    InvalidArgumentError
        If it is neither None nor a whole number, or outside what is allowed.
    """
    return Whole(smallest, optional=True).read(value, name)
