"""What is said, once, where large fits are slow for want of the native library."""

import warnings
from threading import Event

from mixtura.engines import has_native_library
from mixtura.errors import SlowEngineWarning

LARGE = 1_000_000
"""Size N K D of a fit from which on the native library saves more than an instant."""

MESSAGE = (
    "mixtura was installed without its native library, because no C++20 compiler was found: fits "
    "take many times as long. Install a wheel that has it, or GCC 11, Clang 14 or later and then "
    "mixtura anew: pip install --force-reinstall --no-deps --no-cache-dir mixtura"
)

_told = Event()


def tell_once(size: int) -> None:
    """Warn of the first slow fit, of a size N K D: who called ``fit``, which called the caller."""
    if size >= LARGE and not _told.is_set() and not has_native_library():
        _told.set()
        warnings.warn(MESSAGE, SlowEngineWarning, stacklevel=4)
