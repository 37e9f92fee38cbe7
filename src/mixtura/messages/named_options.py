"""Objects whose fields are options that a grid search can name: ``weight_prior__concentration``."""

from abc import ABC
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, Self

from mixtura.errors import InvalidArgumentError


class NamedOptions(ABC):  # noqa: B024 - there is nothing to implement
    """What frozen dataclasses of options share: their options by name, and changed copies.

    An object never changes: what scikit-learn asks for by ``set_params`` is a new one.
    """

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the options by name.

        Parameters
        ----------
        deep : bool, default=True
            Whether options of options stand beside them, as ``scale__shape``.

        Returns
        -------
        dict of str to Any
        """
        own = {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
        if not deep:
            return own
        parts = {
            f"{name}__{inner}": value
            for name, part in own.items()
            if isinstance(part, NamedOptions)
            for inner, value in part.get_params().items()
        }
        return own | parts

    def set_params(self, **params: Any) -> Self:
        """Return the same with other options; this object stays as it is.

        Parameters
        ----------
        **params : Any
            The options by name; ``scale__shape`` is the option ``shape`` of the option ``scale``.

        Returns
        -------
        NamedOptions
            Of the same class.

        Raises
        ------
        InvalidArgumentError
            If there is no option of that name, or its value is not accepted.
        """
        return self.changed(params, "")

    def changed(self, params: Mapping[str, Any], prefix: str) -> Self:
        """Return the same with other options, which errors name with a prefix."""
        own = self.get_params(deep=False)
        changes: dict[str, Any] = {}
        for name, value in params.items():
            outer, _, inner = name.partition("__")
            part = changes.get(outer, own.get(outer))
            if isinstance(part, NamedOptions) and inner:
                changes[outer] = part.changed({inner: value}, f"{prefix}{outer}__")
            elif inner or outer not in own:
                raise InvalidArgumentError(
                    f"is no option of {type(self).__name__}, which has {', '.join(own)}",
                    argument=prefix + name,
                )
            else:
                changes[outer] = value
        return replace(self, **changes)  # type: ignore[type-var]

    def __sklearn_clone__(self) -> Self:
        """Return the object itself, which never changes."""
        return self
