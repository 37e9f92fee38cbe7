"""Errors and warnings; each message says what was found and what would be accepted."""

from dataclasses import dataclass
from typing import final


class MixturaError(Exception):
    """Base class of every error that mixtura raises on purpose."""


class InvalidArgumentError(MixturaError, ValueError):
    """An argument has a value that the model, method or option does not allow."""


class DataError(MixturaError, ValueError):
    """The data cannot be used as they are; the message names the file, row or column."""


class NotNumbersError(DataError, TypeError):
    """Something else was given where numbers are needed; the message says what was found."""


class ModelFileError(MixturaError, ValueError):
    """A model file is damaged, foreign or of a version that this release cannot read."""


class MissingExtraError(MixturaError, ImportError):
    """A feature needs an optional dependency; the message is the command that installs it."""


class MixturaWarning(UserWarning):
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
    """The data are lawful but doubtful: columns that are no measurements, odd weights, few rows."""


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
        One plain line.
    """

    category: type[MixturaWarning]
    message: str
