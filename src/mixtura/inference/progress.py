"""How far the sweeps of a sampler, or other steps, are, as a bar on standard error."""

import sys
from collections.abc import Callable
from functools import partial

WIDTH = 30
"""Characters of the bar."""


def teller(
    wanted: bool | Callable[[int, int], None] | None, what: str = "sweeps"
) -> Callable[[int, int], None] | None:
    """Return what is to be told of sweeps done and of all of them; None for nobody.

    Parameters
    ----------
    wanted : bool, callable or None
        True is a bar on standard error, a callable is itself.
    what : str
        What is done.
    """
    if wanted is None or isinstance(wanted, bool):
        return partial(draw_bar, what=what) if wanted else None
    return wanted


def draw_bar(done: int, total: int, what: str = "sweeps") -> None:
    """Draw over the last bar; the line ends where all is done."""
    filled = WIDTH * done // total
    bar = "#" * filled + "." * (WIDTH - filled)
    print(
        f"\r[{bar}] {done:,} of {total:,} {what}",
        end="\n" if done >= total else "",
        file=sys.stderr,
        flush=True,
    )
