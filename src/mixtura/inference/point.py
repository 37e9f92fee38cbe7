"""Point estimates: the posterior mode and the maximum of the likelihood."""

from dataclasses import dataclass
from typing import Any, final

from mixtura.errors import InvalidArgumentError
from mixtura.fit import Fit, Inference, Problem
from mixtura.inference.driver import Limits, limits_of, optimise
from mixtura.inference.expectation_maximization import CoordinateAscent, Optimizer
from mixtura.inference.quasi_newton import QuasiNewton

OPTIMIZERS: dict[str, Optimizer[Any]] = {"quasi-newton": QuasiNewton(), "em": CoordinateAscent()}
"""Every registered optimizer by name."""


@final
@dataclass(frozen=True)
class MAP(Inference):
    """Exact maximum a posteriori.

    The mode of the joint density of weights, means and covariances (or standard deviations, where
    the prior is stated on them) given the rows, assignments summed out, in the parameters as the
    user reads them: no change of variables enters.

    Parameters
    ----------
    optimizer : str, default="quasi-newton"
        "quasi-newton" (a few EM steps, then limited-memory BFGS at one sweep a step, with EM
        steps wherever it would not gain) or "em" (plain EM). Both end in the same optimum.
    """

    optimizer: str = "quasi-newton"
    name = "map"
    default_max_iter = 10_000

    def fit(self, problem: Problem) -> Fit:
        return optimise(
            problem, self.name, self.objective_name, _limits(self, self.optimizer, problem)
        )


@final
@dataclass(frozen=True)
class ML(Inference):
    """Maximum likelihood: flat priors, and a floor of 1e-12 of each column's variance.

    Parameters
    ----------
    optimizer : str, default="quasi-newton"
        As for :class:`MAP`.
    """

    optimizer: str = "quasi-newton"
    name = "ml"
    objective_name = "log likelihood"
    uses_flat_priors = True
    default_max_iter = 10_000

    def fit(self, problem: Problem) -> Fit:
        return optimise(
            problem, self.name, self.objective_name, _limits(self, self.optimizer, problem)
        )


def _limits(method: Inference, optimizer: str, problem: Problem) -> Limits:
    if optimizer not in OPTIMIZERS:
        names = ", ".join(repr(name) for name in OPTIMIZERS)
        raise InvalidArgumentError(f"optimizer must be {names}; got {optimizer!r}")
    return limits_of(method, problem, OPTIMIZERS[optimizer])
