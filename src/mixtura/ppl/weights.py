"""Weight priors as distributions; a new prior is one function and one registry entry here."""

from collections.abc import Callable
from typing import Any, final

import numpy as np
import pyro.distributions as dist
import torch
from pyro.distributions import TorchDistribution
from torch.distributions import constraints

from mixtura.model import MixtureModel
from mixtura.ppl.tensors import tensor, without_program
from mixtura.priors import Dirichlet, DirichletProcess, Gamma, PitmanYor, WeightPrior
from mixtura.priors.concentration import concentration_terms


@final
class Sticks(TorchDistribution):
    """Distribution of the weights of a truncated Pitman-Yor process.

    ``weight[k] = v[k] prod_{j<k} (1 - v[j])`` with ``v[k] ~ Beta(1 - d, a + k d)`` for k = 1 ...
    K - 1, and the last weight takes the rest. The density is that of the weights; an unknown
    concentration is integrated out of it.

    Parameters
    ----------
    concentration : float or Gamma
        Concentration a, or its prior.
    discount : float
        Discount d, from 0 to below 1.
    n_components : int
        Number of weights K.
    """

    support = constraints.simplex
    arg_constraints: dict[str, constraints.Constraint] = {}  # noqa: RUF012 - torch's name

    def __init__(
        self,
        concentration: float | Gamma,
        discount: float,
        n_components: int,
        validate_args: bool | None = None,
    ) -> None:
        self.concentration, self.discount = concentration, discount
        terms = concentration_terms(concentration, discount, n_components - 1)
        self.values, self.log_factors = (tensor(term) for term in terms)
        super().__init__((), (n_components,), validate_args=validate_args)

    def expand(self, batch_shape, _instance=None):
        new = self._get_checked_instance(Sticks, _instance)
        for name in ("concentration", "discount", "values", "log_factors"):
            setattr(new, name, getattr(self, name))
        super(Sticks, new).__init__(torch.Size(batch_shape), self.event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    def sample(self, sample_shape=()):
        *shape, size = self._extended_shape(sample_shape)
        if isinstance(self.concentration, Gamma):
            prior = dist.Gamma(tensor(self.concentration.shape), tensor(self.concentration.rate))
            concentration = prior.sample(shape)
        else:
            concentration = tensor(self.concentration).expand(shape)
        number = torch.arange(1.0, size, dtype=torch.float64)
        second = concentration[..., None] + number * self.discount
        first = torch.full_like(second, 1.0 - self.discount)
        # Share and rest as the two parts of a Dirichlet draw: neither is rounded to zero.
        share, rest = dist.Dirichlet(torch.stack([first, second], -1)).sample().unbind(-1)
        one = share.new_ones((*shape, 1))
        return torch.cat([one, rest.cumprod(-1)], -1) * torch.cat([share, one], -1)

    def log_prob(self, value: torch.Tensor) -> torch.Tensor:
        if self._validate_args:
            self._validate_sample(value)
        n_sticks = self.event_shape[0] - 1
        log_last = value[..., -1].log()
        total = torch.logsumexp(self.log_factors + self.values * log_last[..., None], -1)
        total = total + (n_sticks * self.discount - 1.0) * log_last
        if self.discount > 0.0:
            total = total - self.discount * value[..., :-1].log().sum(-1)
        # Each stick's share is a weight over what was left before it.
        left = value.flip(-1).cumsum(-1).flip(-1)
        return total - left[..., 1:-1].log().sum(-1)


def _dirichlet(prior: Dirichlet, n_components: int) -> Any:
    return dist.Dirichlet(tensor(np.broadcast_to(prior.concentration, (n_components,))))


WEIGHT_PROGRAMS: dict[type[WeightPrior], Callable[[Any, int], Any]] = {
    Dirichlet: _dirichlet,
    DirichletProcess: lambda prior, size: Sticks(prior.concentration, 0.0, size),
    PitmanYor: lambda prior, size: Sticks(prior.concentration, prior.discount, size),
}
"""Every weight prior that has a program; a new one is one function and one entry here."""


def weight_distribution(model: MixtureModel) -> Any:
    """Return the distribution of a model's weights."""
    program = WEIGHT_PROGRAMS.get(type(model.weight_prior))
    if program is None:
        raise without_program(model.weight_prior)
    return program(model.weight_prior, model.n_components)
