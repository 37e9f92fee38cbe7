"""Starts and their registry."""

from mixtura.inference.starts.apart import StartApart, close_rows
from mixtura.inference.starts.base import Initializer
from mixtura.inference.starts.beside_fixed import StartBesideFixed
from mixtura.inference.starts.best_of_clusterings import Elicitation, Elicited, Search, after
from mixtura.inference.starts.given import given_start
from mixtura.inference.starts.kmeans import KMeans
from mixtura.inference.starts.labelled import LabelledStart
from mixtura.inference.starts.quantile import Quantile
from mixtura.inference.starts.random import RandomRows
from mixtura.inference.starts.split import Split

INITIALIZERS: dict[str, Initializer] = {
    start.name: start for start in (Search(), Split(), Quantile(), KMeans(), RandomRows())
}
"""Every registered start by name; a new one is one file and one entry here."""

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
]
