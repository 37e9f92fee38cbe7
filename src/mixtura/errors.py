"""Errors and warnings; each message says what was found and what would be accepted.

Messages know where they name parameters, so that Python and the command each say them in their own
words: ``max_iter`` and ``inference='map'``, ``--max-iter`` and ``--inference map``.
"""

from abc import ABC
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self, TypeAlias, final


@final
@dataclass(frozen=True)
class Setting:
    """A parameter as a message names it, alone or with what it should be.

    Parameters
    ----------
    name : str
        The parameter.
    value : str or tuple of str
        The name that it should have, or several, any of which would do.
    also : str, optional
        A second parameter, which is named together with the first.
    spelled : str, optional
        How Python says it, where that is neither the name nor ``name='value'``.
    owner : str, default=""
        The class that has the parameter, where that is not the estimator.
    """

    name: str
    value: str | tuple[str, ...] = ()
    also: str | None = None
    spelled: str | None = None
    owner: str = ""

    @classmethod
    def of(cls, argument: str) -> Self:
        """Return a parameter alone, by its name: ``tol`` or, of another class, ``SVI steps``."""
        owner, _, name = argument.rpartition(" ")
        return cls(name, owner=owner)

    @property
    def values(self) -> tuple[str, ...]:
        """The names that it should have, any of which would do."""
        return (self.value,) if isinstance(self.value, str) else self.value

    def __str__(self) -> str:
        if self.spelled is not None:
            return self.spelled
        if self.values:
            return f"{self.name}={either([repr(value) for value in self.values])}"
        named = f"{self.owner} {self.name}" if self.owner else self.name
        return named if self.also is None else f"{named} and {self.also}"


Part: TypeAlias = str | Setting
"""A piece of a message."""

Remedy: TypeAlias = Part | tuple[Part, ...]
"""What is advised, in one piece or several."""


def either(names: Sequence[str]) -> str:
    """Return names as they stand in a sentence: ``a, b or c``."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


@final
class Message(str):
    """A text that knows where it names parameters; as a string, it is in Python's words.

    Parameters
    ----------
    *parts : str, Setting or Message
        The text, one after the other.
    argument : str, optional
        The argument that it is about, with which it begins: ``tol`` or ``SVI steps``. Where none
        is given it is the parameter with which the text begins, if it does.
    remedy : str, Setting, Message or tuple of them, optional
        What to do about it, with which it ends; after a colon, unless the text says what divides
        them by ending in a space.
    """

    parts: tuple[str | Setting, ...]
    argument: str | None
    remedy: "Message | None"

    def __new__(cls, *parts: Part, argument: str | None = None, remedy: Remedy = ()) -> Self:
        """Put the parts together."""
        said = [*parts] if argument is None else [Setting.of(argument), " ", *parts]
        advice = None
        if remedy:
            advice = Message(*remedy) if isinstance(remedy, tuple) else Message(remedy)
            said += [advice] if str(parts[-1]).endswith(" ") else [": ", advice]
        flat: list[str | Setting] = []
        for part in said:
            flat.extend(part.parts if isinstance(part, Message) else [part])
        self = super().__new__(cls, "".join(map(str, flat)))
        self.parts = tuple(flat)
        self.argument = flat[0].name if flat and isinstance(flat[0], Setting) else None
        self.remedy = advice
        return self

    def in_words(self, word: Callable[[Setting], str]) -> str:
        """Return the text with the parameters as another interface calls them."""
        return "".join(word(part) if isinstance(part, Setting) else part for part in self.parts)


class _Said(ABC):
    """What is raised or warned with a :class:`Message`.

    Parameters
    ----------
    *parts : str, Setting or Message
        The message.
    argument : str, optional
        The argument that it is about, with which it begins: ``tol`` or ``SVI steps``.
    remedy : str, Setting, Message or tuple of them, optional
        What to do about it, with which it ends.
    """

    args: tuple[Message]

    def __init__(self, *parts: Part, argument: str | None = None, remedy: Remedy = ()) -> None:
        is_whole = len(parts) == 1 and isinstance(parts[0], Message) and not (argument or remedy)
        said = parts[0] if is_whole else Message(*parts, argument=argument, remedy=remedy)
        super().__init__(said)  # type: ignore[call-arg]

    @property
    def message(self) -> Message:
        """What is said."""
        return self.args[0]

    @property
    def argument(self) -> str | None:
        """The argument that it is about, where it is about one."""
        return self.message.argument

    @property
    def remedy(self) -> Message | None:
        """What to do about it, where that is said."""
        return self.message.remedy


class MixturaError(_Said, Exception):
    """Base class of every error that mixtura raises on purpose."""


class InvalidArgumentError(MixturaError, ValueError):
    """An argument has a value that the model, method or option does not allow."""


class UnknownArgumentError(InvalidArgumentError, TypeError):
    """An argument has a name that is none of the parameters."""


class DataError(MixturaError, ValueError):
    """The data cannot be used as they are; the message names the file, row or column."""


class NotNumbersError(DataError, TypeError):
    """Something else was given where numbers are needed; the message says what was found."""


class ModelFileError(MixturaError, ValueError):
    """A model file is damaged, foreign or of a version that this release cannot read."""


class MissingExtraError(MixturaError, ImportError):
    """A feature needs an optional dependency; the message is the command that installs it."""


class MixturaWarning(_Said, UserWarning):
    """Base class of the warnings about an answer that is doubtful, or slow to come."""


class ConvergenceWarning(MixturaWarning):
    """The method stopped at its limit of iterations before its objective settled."""


class EmptyComponentWarning(MixturaWarning):
    """At least one component holds (almost) no row."""


class DegenerateComponentWarning(MixturaWarning):
    """A component has collapsed onto tied rows, single values of a column or a flat direction."""


class StartsDisagreeWarning(MixturaWarning):
    """Several starts ended in different optima; the best one was kept."""


class LabelsWarning(MixturaWarning):
    """Components of one draw cannot be told from those of another with confidence."""


class ComponentLimitWarning(MixturaWarning):
    """The rows may want more components than ``n_components`` allows."""


class InterruptedWarning(MixturaWarning):
    """The user stopped a sampler before its end; the draws so far are all there."""


class DataWarning(MixturaWarning):
    """The data are valid but questionable: no measurements, odd weights, few rows."""


class SlowEngineWarning(MixturaWarning):
    """Fits are slow: mixtura was installed without its native library."""


@final
@dataclass(frozen=True)
class Doubt:
    """Something about an answer that its reader should know.

    Parameters
    ----------
    category : type
        The warning by which it is announced.
    message : str
        One plain line; a :class:`Message` where it names parameters or a remedy.
    """

    category: type[MixturaWarning]
    message: str

    @property
    def argument(self) -> str | None:
        """The argument that it is about, where it is about one."""
        return self.message.argument if isinstance(self.message, Message) else None

    @property
    def remedy(self) -> Message | None:
        """What to do about it, where that is said."""
        return self.message.remedy if isinstance(self.message, Message) else None
