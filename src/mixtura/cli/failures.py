"""How the command ends: exit codes, and one line for whatever went wrong."""

import contextlib
import errno
import io
import os
import sys
import traceback
from collections.abc import Callable
from enum import IntEnum
from typing import Any

from mixtura.cli.streams import debugging, plain_warnings, tell
from mixtura.cli.wording import in_options
from mixtura.errors import DataError, InvalidArgumentError, MissingExtraError, ModelFileError


class ExitCode(IntEnum):
    """What the command returns to the shell."""

    OK = 0
    BUG = 1
    USAGE = 2
    BAD_DATA = 3
    NOT_CONVERGED = 4
    RESOURCE_LIMIT = 5
    INTERRUPTED = 130
    BROKEN_PIPE = 141


_SHORTAGES = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.ENOMEM, errno.EMFILE, errno.ENFILE}


def guarded(command: Callable[[], None]) -> int:
    """Run a command; print any error as one line and return the exit code.

    Parameters
    ----------
    command : callable
        Does the work; may raise anything.

    Returns
    -------
    int
        One of :class:`ExitCode`.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # what a terminal cannot show must not end us
            stream.reconfigure(errors="backslashreplace")
    code = _run(command)
    flushed = _run(lambda: sys.stdout and sys.stdout.flush())
    if flushed:
        _silence(sys.stdout)
    return int(code or flushed)


def _run(command: Callable[[], object]) -> int:
    try:
        with plain_warnings():
            command()
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):  # rich saw it first
            return ExitCode.BROKEN_PIPE
        return end.code if isinstance(end.code, int) else ExitCode.OK
    except BaseException as error:
        code, message = _judged(error)
        with contextlib.suppress(OSError):
            if debugging() and code != ExitCode.OK:
                traceback.print_exception(error)
            if message:
                tell(message)
        return code
    return ExitCode.OK


def _judged(error: BaseException) -> tuple[int, str]:
    """Return the exit code of an error and the line that explains it."""
    if hasattr(error, "exit_code"):
        return _judged_by_typer(error)
    if isinstance(error, KeyboardInterrupt):
        return ExitCode.INTERRUPTED, "interrupted"
    if isinstance(error, BrokenPipeError):
        return ExitCode.BROKEN_PIPE, ""
    if isinstance(error, DataError | ModelFileError):
        return ExitCode.BAD_DATA, f"error: {in_options(error)}"
    if isinstance(error, InvalidArgumentError | MissingExtraError):
        code = ExitCode.RESOURCE_LIMIT if _is_shortage(error.__context__) else ExitCode.USAGE
        return code, f"error: {in_options(error)}"
    if isinstance(error, MemoryError):
        hint = "fewer rows or components need less"
        return ExitCode.RESOURCE_LIMIT, f"error: not enough memory; {hint}"
    if _is_shortage(error):
        return ExitCode.RESOURCE_LIMIT, f"error: {getattr(error, 'strerror', error)}"
    kind = type(error).__name__
    advice = "this is a bug in mixtura: please report it, with what MIXTURA_DEBUG=1 shows"
    return ExitCode.BUG, f"error: {kind}: {error}; {advice}"


def _judged_by_typer(error: BaseException) -> tuple[int, str]:
    code = int(getattr(error, "exit_code", ExitCode.USAGE))
    described = getattr(error, "format_message", None)
    if described is None:
        return code, ""  # asked for by the command itself
    message = described().rstrip(".")
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "mixtura"
    return code, f"error: {message}; see {command} --help"


def _is_shortage(error: BaseException | None) -> bool:
    return isinstance(error, OSError) and error.errno in _SHORTAGES


def _silence(stream: Any) -> None:
    """Point a stream that cannot be written to at nothing, or Python complains as it exits."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
