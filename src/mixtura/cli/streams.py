"""What is said on standard output and standard error, and how."""

import os
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from typing import Any, TypeAlias, final

from mixtura.cli.wording import in_options, one_line, printable
from mixtura.errors import MixturaWarning

DEBUG = "MIXTURA_DEBUG"
"""Environment variable that asks for tracebacks and for other libraries' warnings."""

PIECE = 1 << 15
"""Characters that are written at a time."""


Progress: TypeAlias = Callable[[int, int], None]
"""Is told how much has been done, and of how much."""


def debugging() -> bool:
    """Whether the user asked for tracebacks."""
    return os.environ.get(DEBUG, "") not in ("", "0")


def tell(text: str) -> None:
    """Print one line ``mixtura: ...`` on standard error."""
    if sys.stderr is not None:  # closed by the shell; print would take standard output instead
        print(f"mixtura: {one_line(text)}", file=sys.stderr)


def result(text: str) -> None:
    """Print lines on standard output, without control characters."""
    pour(f"{printable(text)}\n")


def pour(text: str) -> None:
    """Write text of any length on standard output as it is."""
    if sys.stdout is None:
        return
    # Where Python does not buffer, the rest of a long text is lost without a word when the reader
    # goes away in the middle; the next piece finds out.
    for begin in range(0, len(text), PIECE):
        sys.stdout.write(text[begin : begin + PIECE])


def result_width() -> int:
    """Return how many characters a line on standard output may have: 80 unless on a terminal."""
    return shutil.get_terminal_size().columns if _is_terminal(sys.stdout) else 80


def heading(text: str) -> None:
    """Print one line on standard output, bold on a terminal that can."""
    if not is_decorated(sys.stdout):
        result(text)
        return
    from rich.text import Text

    show(Text(printable(text), style="bold"))


def show(renderable: Any) -> None:
    """Print something of rich's on standard output, in colour on a terminal that can."""
    from rich.console import Console

    Console(highlight=False, markup=False, emoji=False).print(renderable)


@final
@dataclass(frozen=True)
class Talk:
    """How much is said on standard error; warnings and errors always are.

    Parameters
    ----------
    quiet : bool
        Say nothing else.
    verbose : bool
        Say what the method reports on its way.
    """

    quiet: bool = False
    verbose: bool = False

    def note(self, text: str) -> None:
        """Print one line, unless quiet."""
        if not self.quiet:
            tell(text)

    @contextmanager
    def working(self, on: str) -> Iterator[Progress]:
        """Keep standard output free of progress, and show a sign of life on a terminal.

        Yields what may be told how far the work is.
        """
        if self.quiet or self.verbose or not is_decorated(sys.stderr):
            with redirect_stdout(sys.stderr):
                yield lambda done, total: None
            return
        from rich.console import Console
        from rich.text import Text

        spinner = Console(stderr=True).status(Text(f"mixtura: {one_line(on)}"))

        def progress(done: int, total: int) -> None:
            spinner.update(Text(f"mixtura: {one_line(on)}, {100 * done // total} %"))

        with spinner, redirect_stdout(sys.stderr):
            yield progress

    @contextmanager
    def counting(self, on: str, total: int) -> Iterator[Callable[[], None]]:
        """Like :meth:`working`, with a bar; yields what is to be called after each of the steps."""
        if self.quiet or self.verbose or not is_decorated(sys.stderr):
            with redirect_stdout(sys.stderr):
                yield lambda: None
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            console=Console(stderr=True),
            transient=True,
            redirect_stdout=False,
        )
        with bar, redirect_stdout(sys.stderr):
            task = bar.add_task(f"mixtura: {one_line(on)}", total=total)
            yield lambda: bar.advance(task)


@contextmanager
def plain_warnings() -> Iterator[None]:
    """Show mixtura's warnings as one line each, and those of other libraries to debuggers only."""
    with warnings.catch_warnings():
        warnings.simplefilter("default" if debugging() else "ignore")
        warnings.simplefilter("always", MixturaWarning)
        warnings.showwarning = _show_warning
        yield


def _show_warning(message: Warning | str, category: type[Warning], *_: Any) -> None:
    if issubclass(category, MixturaWarning):
        tell(f"warning: {in_options(message)}")
    elif debugging():
        tell(f"{category.__name__}: {message}")


def is_decorated(stream: Any) -> bool:
    """Whether escape sequences may go there: a terminal, and the user does not object."""
    if not _is_terminal(stream) or os.environ.get("NO_COLOR"):
        return False
    return os.environ.get("TERM", "") not in ("", "dumb", "unknown")


def _is_terminal(stream: Any) -> bool:
    return stream is not None and stream.isatty()
