"""Output files: judged before anything is computed, written whole or not at all."""

import os
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from mixtura.cli.wording import quoted
from mixtura.errors import InvalidArgumentError
from mixtura.io.files import write_atomically

STANDARD_STREAM = "-"


@final
@dataclass(frozen=True)
class Output:
    """A file that the user asked for.

    Parameters
    ----------
    option : str
        The option that named it.
    path : str
        Where it goes, as the user wrote it.
    suffixes : tuple of str
        How its name may end; any ending where empty.
    may_exist : bool
        Whether it goes on from what is there, or replaces what an interrupted run wrote.
    """

    option: str
    path: str
    suffixes: tuple[str, ...] = ()
    may_exist: bool = False

    @property
    def target(self) -> Path:
        """Where it goes, links followed."""
        return Path(os.path.realpath(self.path))

    @property
    def label(self) -> str:
        """Option and path, for messages."""
        return f"{self.option} {quoted(self.path)}"


def check_outputs(outputs: Iterable[Output], inputs: Sequence[str], *, force: bool) -> None:
    """Refuse what could not be written, before any work is done.

    Parameters
    ----------
    outputs : iterable of Output
        Every file that is to be written.
    inputs : sequence of str
        The files that are read.
    force : bool
        Whether existing files may be replaced.

    Raises
    ------
    InvalidArgumentError
        If a file exists, two outputs are the same file, one of them is an input, or its folder
        cannot be written to.
    """
    read = {os.path.realpath(path) for path in inputs if path != STANDARD_STREAM}
    taken: dict[Path, Output] = {}
    for output in outputs:
        _check_name(output)
        if output.target in taken:
            first = taken[output.target].option
            raise InvalidArgumentError(f"{first} and {output.label} are the same file")
        if str(output.target) in read:
            raise InvalidArgumentError(f"{output.label} would replace an input: name another file")
        taken[output.target] = output
        _check_place(output, force=force or output.may_exist)


def write_output(output: Output, content: str | bytes, *, force: bool) -> None:
    """Write a file under a temporary name, then rename it."""
    encoded = content.encode(errors="backslashreplace") if isinstance(content, str) else content
    write_atomically(output.target, encoded, overwrite=force or output.may_exist)


def _check_name(output: Output) -> None:
    if output.path in ("", STANDARD_STREAM):
        raise InvalidArgumentError(f"{output.label}: a file is needed here, not standard output")
    if output.suffixes and Path(output.path).suffix.lower() not in output.suffixes:
        endings = " or ".join(output.suffixes)
        raise InvalidArgumentError(f"{output.label} must end in {endings}")


def _check_place(output: Output, *, force: bool) -> None:
    path, folder = output.target, output.target.parent
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        mode = None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InvalidArgumentError(f"{output.label}: {reason[:1].lower()}{reason[1:]}") from None
    if mode is not None and stat.S_ISDIR(mode):
        raise InvalidArgumentError(f"{output.label} is a directory: name a file in it")
    if mode is not None and not stat.S_ISREG(mode):
        raise InvalidArgumentError(f"{output.label} is not a regular file")
    if mode is not None and not force:
        raise InvalidArgumentError(
            f"{output.label} exists: name another file, or add --force to replace it"
        )
    if not folder.is_dir():
        raise InvalidArgumentError(f"{output.label}: there is no directory {quoted(folder)}")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InvalidArgumentError(f"{output.label}: the directory may not be written to")
