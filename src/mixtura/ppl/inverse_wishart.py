"""The inverse Wishart distribution, which neither torch nor Pyro has."""

import math
from typing import final

import torch
from pyro.distributions import TorchDistribution
from torch.distributions import constraints

from mixtura.ppl.matrices import covariance_matrices


@final
class InverseWishart(TorchDistribution):
    """Distribution of a matrix whose inverse is Wishart distributed.

    Density ``det(S)^(f/2) det(X)^(-(f+D+1)/2) exp(-tr(S X^-1) / 2) / (2^(f D/2) Gamma_D(f/2))``
    with S the scale matrix and f the degrees of freedom.

    Parameters
    ----------
    df : tensor or float
        Degrees of freedom, above D - 1.
    scale_tril : tensor of shape (..., D, D)
        Lower-triangular Cholesky factor of the scale matrix.
    """

    support = covariance_matrices
    has_rsample = True

    @property
    def arg_constraints(self) -> dict[str, constraints.Constraint]:
        return {
            "df": constraints.greater_than(self.event_shape[-1] - 1),
            "scale_tril": constraints.lower_cholesky,
        }

    def __init__(
        self,
        df: torch.Tensor | float,
        scale_tril: torch.Tensor,
        validate_args: bool | None = None,
    ) -> None:
        df = torch.as_tensor(df, dtype=scale_tril.dtype, device=scale_tril.device)
        batch_shape = torch.broadcast_shapes(df.shape, scale_tril.shape[:-2])
        event_shape = scale_tril.shape[-2:]
        self.df = df.expand(batch_shape)
        self.scale_tril = scale_tril.expand(batch_shape + event_shape)
        super().__init__(batch_shape, event_shape, validate_args=validate_args)

    def expand(self, batch_shape, _instance=None):
        new = self._get_checked_instance(InverseWishart, _instance)
        batch_shape = torch.Size(batch_shape)
        new.df = self.df.expand(batch_shape)
        new.scale_tril = self.scale_tril.expand(batch_shape + self.event_shape)
        super(InverseWishart, new).__init__(batch_shape, self.event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    @property
    def mean(self) -> torch.Tensor:
        """Expected matrix; not a number where the degrees of freedom are at most D + 1."""
        excess = self.df - self.event_shape[-1] - 1.0
        excess = torch.where(excess > 0, excess, math.nan)
        return self.scale_tril @ self.scale_tril.mT / excess[..., None, None]

    def rsample(self, sample_shape=()):
        size = self.event_shape[-1]
        shape = self._extended_shape(sample_shape)
        # Bartlett: W = T T^T with T lower triangular is Wishart of the identity.
        below = torch.randn(shape, dtype=self.df.dtype, device=self.df.device).tril(-1)
        freedom = self.df[..., None] - torch.arange(
            size, dtype=self.df.dtype, device=self.df.device
        )
        chi = torch.distributions.Chi2(freedom, validate_args=False).rsample(sample_shape).sqrt()
        triangle = below + torch.diag_embed(chi)
        # root = L T^-T, hence root^T = T^-1 L^T
        root = torch.linalg.solve_triangular(triangle, self.scale_tril.mT, upper=False).mT
        return root @ root.mT

    def log_prob(self, value: torch.Tensor) -> torch.Tensor:
        if self._validate_args:
            self._validate_sample(value)
        size = self.event_shape[-1]
        factor = torch.linalg.cholesky(value)
        log_det = 2.0 * factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        scale_log_det = 2.0 * self.scale_tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        # Triangular solves on both factors are safe at any scale of the columns.
        whitened = torch.linalg.solve_triangular(factor, self.scale_tril, upper=False)
        trace = whitened.square().sum((-2, -1))
        return (
            0.5 * self.df * (scale_log_det - size * math.log(2.0))
            - torch.mvlgamma(0.5 * self.df, size)
            - 0.5 * (self.df + size + 1.0) * log_det
            - 0.5 * trace
        )
