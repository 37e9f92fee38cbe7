"""The sampled posterior by Pyro's no-U-turn sampler."""

from dataclasses import dataclass
from typing import final

import numpy as np

from mixtura.assignments import Soft
from mixtura.data import Rows
from mixtura.diagnostics.components import Doubt
from mixtura.errors import ConvergenceWarning, InvalidArgumentError
from mixtura.fit import Fit, Inference, Problem, Start
from mixtura.model import MixtureModel
from mixtura.parameters import MixtureParameters
from mixtura.ppl.extra import require_pyro

STREAM = 0x4E555453
"""Key of this method's random streams among those of the problem's seed."""

CLIMB = 50
"""EM steps from a start to near its mode, where a chain begins."""

TELL_EVERY = 100


@final
@dataclass(frozen=True)
class NUTS(Inference):
    """Draws from the posterior by the no-U-turn sampler of Pyro [HoffmanGelman2014]_.

    The trajectories run on the program of :func:`mixtura.ppl.to_pyro` with the assignments
    summed out. Each chain begins at one of the estimator's starts, taken near its mode by EM and
    then to a draw given its rows. Of the two samplers this is the slow one, by a factor of
    thousands; it shares no code with ``Gibbs`` and is there as a second opinion, and for priors
    that have no conditional to draw from. Chains take turns, since Pyro's state belongs to the
    process.

    Parameters
    ----------
    chains : int, default=4
        Number of chains.
    draws : int, default=500
        Draws that are kept of each chain.
    warmup : int, default=500
        Draws of each chain before those, in which step size and masses are adapted.
    target_accept : float, default=0.8
        Acceptance probability at which the step size aims: higher for fewer divergences.
    max_tree_depth : int, default=10
        Trajectories have fewer than two to this power steps.

    Raises
    ------
    InvalidArgumentError
        If an option is out of its range.
    """

    chains: int = 4
    draws: int = 500
    warmup: int = 500
    target_accept: float = 0.8
    max_tree_depth: int = 10

    name = "nuts"
    objective_name = "mean log joint density"
    default_max_iter = 0

    def __post_init__(self) -> None:
        least = {"chains": 1, "draws": 1, "warmup": 1, "max_tree_depth": 1}
        for name, smallest in least.items():
            value = getattr(self, name)
            whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
            if not whole or value < smallest:
                raise InvalidArgumentError(
                    f"NUTS {name} must be a whole number of at least {smallest}; got {value!r}"
                )
        if not 0.0 < self.target_accept < 1.0:
            raise InvalidArgumentError(
                f"NUTS target_accept must lie between 0 and 1; got {self.target_accept!r}"
            )
