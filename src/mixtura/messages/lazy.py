"""Names and modules that are loaded when they are first used: a fit waits for no others."""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from types import ModuleType
from typing import Any, final


def lazy_attributes(package: str, module_of: Mapping[str, str]) -> Callable[[str], Any]:
    """Return the ``__getattr__`` of a package whose names are imported when first used.

    Parameters
    ----------
    package : str
        The package's ``__name__``.
    module_of : mapping of str to str
        The module in which each name is defined.
    """

    def find(name: str) -> Any:
        if name not in module_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(module_of[name]), name)
        setattr(sys.modules[package], name, value)
        return value

    return find


@final
class LazyModule(ModuleType):
    """A module that is imported when one of its attributes is first wanted.

    Parameters
    ----------
    name : str
        The module's full name.
    """

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the module itself, whatever it is by now."""
        return getattr(import_module(self.__name__), name)
