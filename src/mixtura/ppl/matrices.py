"""Positive definite matrices as vectors of unconstrained numbers, with the change of volume."""

import math
from typing import Any, final

import torch
from torch.distributions import biject_to, constraints, transform_to
from torch.distributions.transforms import Transform


@final
class _Matrices(type(constraints.positive_definite)):  # type: ignore[misc]
    """Positive definite matrices for which torch knows a bijection: this module's."""


covariance_matrices = _Matrices()
"""Support of distributions of covariance matrices."""


@final
class MatrixOfVector(Transform):
    """``L L^T`` of the lower triangle L whose entries, row by row, are the vector's.

    The diagonal of L is exponentiated. Vectors have D (D + 1) / 2 numbers.
    """

    domain = constraints.real_vector
    codomain = constraints.positive_definite
    bijective = True

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MatrixOfVector)

    __hash__ = Transform.__hash__

    def _call(self, x: torch.Tensor) -> torch.Tensor:
        size = _matrix_size(x.shape[-1])
        row, column = torch.tril_indices(size, size)
        triangle = x.new_zeros((*x.shape[:-1], size, size))
        triangle[..., row, column] = x
        root = triangle.tril(-1) + torch.diag_embed(triangle.diagonal(dim1=-2, dim2=-1).exp())
        return root @ root.mT

    def _inverse(self, y: torch.Tensor) -> torch.Tensor:
        root = torch.linalg.cholesky(y)
        triangle = root.tril(-1) + torch.diag_embed(root.diagonal(dim1=-2, dim2=-1).log())
        row, column = torch.tril_indices(y.shape[-1], y.shape[-1])
        return triangle[..., row, column]

    def log_abs_det_jacobian(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Return ``D log 2 + sum_i (D + 2 - i) log L_ii``, i from 1 [Muirhead1982]_."""
        size = y.shape[-1]
        numbers = torch.arange(size)
        logs = x[..., numbers * (numbers + 3) // 2]
        powers = size + 1.0 - numbers.to(x.dtype)
        return size * math.log(2.0) + (logs * powers).sum(-1)

    def forward_shape(self, shape: Any) -> torch.Size:
        """Return the shape of matrices of vectors of a shape."""
        size = _matrix_size(shape[-1])
        return torch.Size((*shape[:-1], size, size))

    def inverse_shape(self, shape: Any) -> torch.Size:
        """Return the shape of vectors of matrices of a shape."""
        return torch.Size((*shape[:-2], shape[-1] * (shape[-1] + 1) // 2))


def _matrix_size(length: int) -> int:
    return (math.isqrt(8 * length + 1) - 1) // 2


@biject_to.register(_Matrices)
def _bijection(constraint: _Matrices) -> MatrixOfVector:
    return MatrixOfVector()


@transform_to.register(_Matrices)
def _transform(constraint: _Matrices) -> Any:
    return transform_to(constraints.positive_definite)
