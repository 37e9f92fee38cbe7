"""The command ``mixtura``; importing this package loads nothing of it."""

import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    Parameters
    ----------
    arguments : sequence of str, optional
        What follows the command's name; by default those of the process.

    Returns
    -------
    int
        0 ok, 1 a bug, 2 usage, 3 bad data, 4 not converged, 5 resource limit, 130 interrupted,
        141 nobody reads standard output any more.
    """
    from mixtura.cli.failures import guarded

    given = sys.argv[1:] if arguments is None else list(arguments)

    def command() -> None:
        from mixtura.cli.application import run

        run(given)

    return guarded(command)
