"""The optional dependency."""

from importlib.util import find_spec

from mixtura.errors import MissingExtraError

INSTALL = 'pip install "mixtura[pyro]"'
"""The command that installs what this package needs."""


def require_pyro() -> None:
    """Raise MissingExtraError, which names the install command, unless Pyro can be imported."""
    for name in ("torch", "pyro"):
        try:
            found = find_spec(name) is not None
        except ValueError:  # a module without a spec, as a block of imports leaves it
            found = False
        if not found:
            raise MissingExtraError(f"this needs Pyro: {INSTALL}")
