"""Starts and their registry."""

from typing import TYPE_CHECKING

from mixtura.messages.lazy import Registry, lazy_attributes

if TYPE_CHECKING:
    from mixtura.inference.starts.apart import StartApart, close_rows, units_of_box
    from mixtura.inference.starts.base import Initializer
    from mixtura.inference.starts.beside_fixed import StartBesideFixed
    from mixtura.inference.starts.best_of_clusterings import Elicitation, Elicited, Search, after
    from mixtura.inference.starts.given import given_start
    from mixtura.inference.starts.labelled import LabelledStart

__all__ = [
    "INITIALIZERS",
    "Elicitation",
    "Elicited",
    "Initializer",
    "LabelledStart",
    "Search",
    "StartApart",
    "StartBesideFixed",
    "after",
    "close_rows",
    "given_start",
    "units_of_box",
]

INITIALIZERS: "Registry[Initializer]" = Registry(
    __name__,
    {
        "search": "best_of_clusterings.Search",
        "split": "split.Split",
        "quantile": "quantile.Quantile",
        "kmeans": "kmeans.KMeans",
        "random": "random.RandomRows",
    },
    make=lambda start: start(),
)
"""Every registered start by name; a new one is one file and one entry here."""

__getattr__ = lazy_attributes(
    __name__,
    {
        "Elicitation": "mixtura.inference.starts.best_of_clusterings",
        "Elicited": "mixtura.inference.starts.best_of_clusterings",
        "Initializer": "mixtura.inference.starts.base",
        "LabelledStart": "mixtura.inference.starts.labelled",
        "Search": "mixtura.inference.starts.best_of_clusterings",
        "StartApart": "mixtura.inference.starts.apart",
        "StartBesideFixed": "mixtura.inference.starts.beside_fixed",
        "after": "mixtura.inference.starts.best_of_clusterings",
        "close_rows": "mixtura.inference.starts.apart",
        "given_start": "mixtura.inference.starts.given",
        "units_of_box": "mixtura.inference.starts.apart",
    },
)
