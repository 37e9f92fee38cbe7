"""The class that users see, what becomes of its arguments, and the choice among fits."""

from typing import TYPE_CHECKING

from mixtura.messages.lazy import lazy_attributes

if TYPE_CHECKING:
    from mixtura.estimator.mixture import GaussianMixtureModel, load
    from mixtura.estimator.selection import Selection, select

__all__ = ["GaussianMixtureModel", "Selection", "load", "select"]

__getattr__ = lazy_attributes(
    __name__,
    {
        "GaussianMixtureModel": "mixtura.estimator.mixture",
        "Selection": "mixtura.estimator.selection",
        "load": "mixtura.estimator.mixture",
        "select": "mixtura.estimator.selection",
    },
)
