"""What arguments that plots have in common may be, checked before anything is drawn."""

from collections.abc import Callable
from functools import wraps
from inspect import signature
from typing import Any, final

from mixtura.diagnostics.bootstrap_draws import Bootstrap
from mixtura.fit import Fit
from mixtura.messages.validation import Flag, Instance, Parameter, Text, Texts, Whole


@final
class FigureOrNone(Parameter):
    """A figure of matplotlib, or None."""

    @property
    def accepted(self) -> str:
        return "None or a matplotlib Figure or SubFigure"

    def accepts(self, value: Any) -> bool:
        if value is None:
            return True
        from matplotlib.figure import FigureBase

        return isinstance(value, FigureBase)


PARAMETERS: dict[str, Parameter] = {
    "fit": Instance(Fit, "a Fit, such as the fit_ of an estimator"),
    "bootstrap": Instance(Bootstrap, "what bootstrap() returned", optional=True),
    "figure": FigureOrNone(),
    "max_features": Whole(1),
    "max_patterns": Whole(1),
    "max_steps": Whole(1),
    "gap": Flag(),
    "feature_name": Text(optional=True),
    "feature_names": Texts("names, one for each column", optional=True),
}
"""What arguments of these names may be, of whatever plot."""


def declared(plot: Callable[..., Any]) -> Callable[..., Any]:
    """Return a plot that checks its arguments first.

    Raises
    ------
    InvalidArgumentError
        From the plot, if an argument has a value that is not allowed; it names the first.
    """
    own = signature(plot)
    kinds = {name: PARAMETERS[name] for name in own.parameters if name in PARAMETERS}

    @wraps(plot)
    def checked(*args: Any, **kwargs: Any) -> Any:
        given = own.bind(*args, **kwargs).arguments
        for name, kind in kinds.items():
            if name in given:
                kind.read(given[name], name)
        return plot(*args, **kwargs)

    return checked
