"""Spreads of all components under a learned scale, which is integrated out of their density."""

import math
from typing import Any, final

import numpy as np
import torch
from pyro.distributions import TorchDistribution
from torch.distributions import constraints

from mixtura.model import MixtureModel
from mixtura.ppl.matrices import covariance_matrices
from mixtura.ppl.tensors import tensor
from mixtura.priors import NormalInverseWishart
from mixtura.priors.hierarchies import HierarchicalPrior
from mixtura.priors.learned_scales import GammaScales, LearnedScale, WishartScale

FAR = 30.0
"""Beyond its shape and ten deviations by this much a gamma distribution is told by a continued
fraction, which its probability there would be too small for."""

TERMS = 80
"""Of the fraction, which at such points is then exact to rounding."""


@final
class SharedScaleSpreads(TorchDistribution):
    """Joint distribution of the spreads of all components: one event.

    Parameters
    ----------
    model : MixtureModel
        A model whose component prior learns its scale.
    shape : tuple of int
        Shape of the event: of the program's site.
    is_deviation : bool
        Whether the site holds standard deviations rather than variances.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}  # noqa: RUF012 - as torch has it
    has_rsample = False

    def __init__(
        self,
        model: MixtureModel,
        shape: tuple[int, ...],
        is_deviation: bool,
        batch_shape: tuple[int, ...] = (),
    ) -> None:
        prior = model.component_prior
        assert isinstance(prior, HierarchicalPrior)
        self.model, self.prior, self.is_deviation = model, prior, is_deviation
        self.structure = model.structure
        self.learned, self.power = prior.learned_scale(model.structure)
        super().__init__(torch.Size(batch_shape), torch.Size(shape), validate_args=False)

    @constraints.dependent_property
    def support(self) -> Any:
        """Positive numbers, or positive definite matrices."""
        depth = len(self.event_shape)
        if len(self.structure) == 2:
            return constraints.independent(constraints.positive, depth)
        return constraints.independent(covariance_matrices, depth - 2)

    def expand(self, batch_shape, _instance=None):
        shape = tuple(self.event_shape)
        return SharedScaleSpreads(self.model, shape, self.is_deviation, tuple(batch_shape))

    def sample(self, sample_shape=()):
        shape = self._extended_shape(sample_shape)
        leading = shape[: len(shape) - len(self.event_shape)]
        rng = np.random.default_rng(int(torch.randint(1 << 62, ())))
        sizes = (self.structure, self.model.n_components, self.model.n_features)
        drawn = [self.prior.draw(rng, *sizes)[1] for _ in range(math.prod(leading))]
        values = np.sqrt(drawn) if self.is_deviation else np.array(drawn)
        return tensor(values).reshape(shape)

    def log_prob(self, value: torch.Tensor) -> torch.Tensor:
        leading = value.shape[: value.dim() - len(self.event_shape)]
        spreads = value.reshape(leading + torch.Size(self.structure))
        if len(self.structure) == 2:
            return self._of_numbers(spreads)
        return self._of_matrices(spreads)

    def _of_numbers(self, values: torch.Tensor) -> torch.Tensor:
        shape = tensor(self.power / self.structure[0])
        constant = -self.structure[0] * torch.lgamma(shape).sum()
        logs = ((shape + 1.0) * values.log()).sum((-2, -1))
        return constant - logs + self._evidence(values.reciprocal().sum(-2))

    def _of_matrices(self, matrices: torch.Tensor) -> torch.Tensor:
        assert isinstance(self.prior, NormalInverseWishart)
        n_matrices, size = self.structure[0], self.structure[-1]
        freedom = tensor(self.power.flat[0] * 2.0 / n_matrices)
        factor = torch.linalg.cholesky(matrices)
        log_det = 2.0 * factor.diagonal(dim1=-2, dim2=-1).log().sum((-2, -1))
        precisions = torch.cholesky_inverse(factor).sum(-3)
        constant = 0.5 * freedom * size * math.log(2.0) + torch.mvlgamma(0.5 * freedom, size)
        of_matrices = -n_matrices * constant - 0.5 * (freedom + size + 1.0) * log_det
        if isinstance(self.learned, GammaScales):
            pull = 0.5 * precisions.diagonal(dim1=-2, dim2=-1)
            return of_matrices + self._evidence(pull)
        return of_matrices + self._matrix_evidence(self.learned, 0.5 * precisions)

    def _evidence(self, pull: torch.Tensor) -> torch.Tensor:
        """Return the log expectation of ``s^power exp(-s pull)``, features summed."""
        learned = self.learned
        assert isinstance(learned, GammaScales)
        prior, least = (tensor(learned.shape), tensor(learned.rate)), tensor(learned.minimum)
        shape, rate = prior[0] + tensor(self.power), prior[1] + pull
        parts = ((shape, rate, 1.0), (*prior, -1.0))
        totals = [
            sign * (log_upper_gamma(a, b * least) - a * b.log()).sum(-1) for a, b, sign in parts
        ]
        return totals[0] + totals[1]

    def _matrix_evidence(self, learned: LearnedScale, pull: torch.Tensor) -> torch.Tensor:
        assert isinstance(learned, WishartScale)
        size, power = pull.shape[-1], tensor(self.power)
        inverse, freedom = tensor(learned.inverse), tensor(learned.freedom)
        more = freedom + 2.0 * power
        ratio = more * _log_det(inverse + 2.0 * pull) - freedom * _log_det(inverse)
        constants = torch.mvlgamma(0.5 * more, size) - torch.mvlgamma(0.5 * freedom, size)
        return constants + power * size * math.log(2.0) - 0.5 * ratio


def _log_det(matrix: torch.Tensor) -> torch.Tensor:
    factor = torch.linalg.cholesky(matrix)
    return 2.0 * factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)


def log_upper_gamma(shape: torch.Tensor, least: torch.Tensor) -> torch.Tensor:
    """Return the log of the integral of ``x^(shape - 1) exp(-x)`` over x above ``least``."""
    is_far = least > shape + 10.0 * shape.sqrt() + FAR
    near = torch.where(is_far, shape, least)
    shape, near = torch.broadcast_tensors(shape, near)
    of_near = torch.lgamma(shape) + torch.special.gammaincc(shape, near).log()
    far = torch.where(is_far, least, shape + 10.0 * shape.sqrt() + FAR)
    value = far + 1.0 - shape + 2.0 * TERMS
    for term in range(TERMS, 0, -1):
        value = far + 1.0 - shape + 2.0 * (term - 1) - term * (term - shape) / value
    return torch.where(is_far, shape * far.log() - far - value.log(), of_near)
