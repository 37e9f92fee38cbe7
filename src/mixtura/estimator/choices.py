"""What may be chosen by name; the names are known before any of it is loaded."""

from typing import TYPE_CHECKING

from mixtura.families import FAMILIES, families_like
from mixtura.inference.starts import INITIALIZERS
from mixtura.messages.lazy import Registry

if TYPE_CHECKING:
    from mixtura.fit import Inference

__all__ = ["FAMILIES", "INFERENCES", "INITIALIZERS", "families_like"]

INFERENCES: "Registry[type[Inference]]" = Registry(
    "mixtura",
    {
        "map": "inference.MAP",
        "vb": "inference.VB",
        "gibbs": "inference.Gibbs",
        "collapsed": "inference.CollapsedGibbs",
        "ml": "inference.ML",
        "svi": "ppl.SVI",
        "nuts": "ppl.NUTS",
    },
)
"""Every inference method by name; a new one is one file and one entry here."""
