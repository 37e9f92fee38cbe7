"""How far the sweeps of a sampler are, as a bar on standard error."""

import sys
from collections.abc import Callable

WIDTH = 30
"""Characters of the bar."""


def teller(wanted: bool | Callable[[int, int], None] | None) -> Callable[[int, int], None] | None:
    """Return what is to be told of sweeps done and of all of them; None for nobody.

    Parameters
    ----------
    wanted : bool, callable or None
        True is a bar on standard error, a callable is itself.
    """
    if wanted is None or isinstance(wanted, bool):
        return draw_bar if wanted else None
    return wanted


def draw_bar(done: int, total: int) -> None:
    """Draw over the last bar; the line ends where all is done."""
    filled = WIDTH * done // total
    bar = "#" * filled + "." * (WIDTH - filled)
    print(
        f"\r[{bar}] {done:,} of {total:,} sweeps",
        end="\n" if done >= total else "",
        file=sys.stderr,
        flush=True,
    )
