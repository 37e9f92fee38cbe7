"""Starts and their registry."""

from mixtura.initialization.base import Initializer
from mixtura.initialization.best_of_clusterings import Elicitation, Elicited, Search, after
from mixtura.initialization.given import given_start
from mixtura.initialization.kmeans import KMeans
from mixtura.initialization.quantile import Quantile
from mixtura.initialization.random import RandomRows
from mixtura.initialization.split import Split

INITIALIZERS: dict[str, Initializer] = {
    start.name: start for start in (Search(), Split(), Quantile(), KMeans(), RandomRows())
}
"""Every registered start by name; a new one is one file and one entry here."""

__all__ = [
    "INITIALIZERS",
    "Elicitation",
    "Elicited",
    "Initializer",
    "Search",
    "after",
    "given_start",
]
