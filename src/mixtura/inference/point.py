"""Point estimates: the posterior mode and the maximum of the likelihood."""

from dataclasses import dataclass
from typing import final

from mixtura.fit import Fit, Inference, Problem
from mixtura.inference.driver import Limits, optimise

DEFAULT_TOL = 1e-10


@final
@dataclass(frozen=True)
class MAP(Inference):
    """Exact maximum a posteriori.

    The mode of the joint density of weights, means and covariances (or standard deviations, where
    the prior is stated on them) given the rows, assignments summed out, in the parameters as the
    user reads them: no change of variables enters.
    """

    name = "map"
    default_max_iter = 10_000

    def fit(self, problem: Problem) -> Fit:
        return optimise(problem, self.name, self.objective_name, _limits(self, problem))


@final
@dataclass(frozen=True)
class ML(Inference):
    """Maximum likelihood: flat priors, and a floor of 1e-12 of each column's variance."""

    name = "ml"
    objective_name = "log likelihood"
    uses_flat_priors = True
    default_max_iter = 10_000

    def fit(self, problem: Problem) -> Fit:
        return optimise(problem, self.name, self.objective_name, _limits(self, problem))


def _limits(method: Inference, problem: Problem) -> Limits:
    return Limits(
        method.default_max_iter if problem.max_iter is None else problem.max_iter,
        DEFAULT_TOL if problem.tol is None else problem.tol,
    )
