"""Names, modules and members that are loaded when first used: a fit waits for no others."""

import sys
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from importlib import import_module
from types import ModuleType
from typing import Any, Generic, TypeVar, final

Member = TypeVar("Member")


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


@final
class Registry(MutableMapping[str, Member], Generic[Member]):
    """Members by name, of which the names are known before any of them is loaded.

    Parameters
    ----------
    package : str
        The package's ``__name__``.
    members : mapping of str to str
        Where each member's class is, as seen from the package: ``module.Class``.
    make : callable, optional
        Makes a member of the class; by default the class is the member.
    aliases : mapping of str to str, optional
        Further names by which members are found; they are not listed.
    """

    def __init__(
        self,
        package: str,
        members: Mapping[str, str],
        make: Callable[[Any], Member] = lambda found: found,
        aliases: Mapping[str, str] | None = None,
    ) -> None:
        self._aliases = {} if aliases is None else aliases
        self._package = package
        self._places = dict(members)
        self._make = make
        self._loaded: dict[str, Member] = {}

    def name(self, name: str) -> str:
        """Return the name under which a member is listed, of that or an alias."""
        return name if name in self._places else self._aliases.get(name, name)

    @property
    def modules(self) -> dict[str, str]:
        """The module in which each member's class is, by the name of the member."""
        places = {name: place.rpartition(".")[0] for name, place in self._places.items()}
        return {name: f"{self._package}.{module}" for name, module in places.items() if module}

    def __getitem__(self, name: str) -> Member:
        name = self.name(name)
        if name not in self._loaded:
            module, _, attribute = self._places[name].rpartition(".")
            found = getattr(import_module(f"{self._package}.{module}"), attribute)
            self._loaded[name] = self._make(found)
        return self._loaded[name]

    def __setitem__(self, name: str, member: Member) -> None:
        self._places.setdefault(name, "")
        self._loaded[name] = member

    def __delitem__(self, name: str) -> None:
        del self._places[name]
        self._loaded.pop(name, None)

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, name: object) -> bool:
        return name in self._places or name in self._aliases

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self)})"
