"""The program of rows that have missing cells or measurement errors."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyro
import torch

from mixtura.data import ArrayRows
from mixtura.model import MixtureModel
from mixtura.ppl.component_programs import ComponentProgram
from mixtura.ppl.program import parts_of
from mixtura.ppl.tensors import tensor

LOG_TWO_PI = float(np.log(2.0 * np.pi))

Observed = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]
"""Rows (N, D), zero where a cell is missing; which cells groups have (G, D); covariances of their
errors (G, D, D); the group of each row (N,); weights (N,)."""


def observed_arguments(rows: ArrayRows) -> Observed:
    """Return the arguments of the program: rows of weight above zero, in groups."""
    counted = rows if rows.weights is None else rows.taken(rows.weights > 0.0)
    has = ~counted.is_missing
    errors = counted.errors
    if errors is None or len(errors) == 1:
        patterns, group = np.unique(has, axis=0, return_inverse=True)
    else:
        patterns, group = has, np.arange(len(has))
    size = counted.n_features
    if errors is None:
        errors = np.zeros((1, size))
    if errors.ndim == 2:
        errors = errors[:, :, None] * np.eye(size)
    errors = np.broadcast_to(errors, (len(patterns), size, size))
    weights = np.ones(len(has)) if counted.weights is None else counted.weights
    values = np.where(has, counted.values, 0.0)
    numbers = (values, patterns.astype(np.float64), errors, weights)
    table, cells, spread, mass = (tensor(np.ascontiguousarray(part)) for part in numbers)
    return table, cells > 0.5, spread, torch.as_tensor(np.ravel(group)), mass


def build_observed_program(model: MixtureModel) -> Callable[..., Any]:
    """Return the program whose arguments are those of :func:`observed_arguments`.

    Components, missing cells and errors are summed and integrated out.
    """
    weights_of, components = parts_of(model)

    def program(
        rows: torch.Tensor,
        cells: torch.Tensor,
        errors: torch.Tensor,
        group: torch.Tensor,
        weights: torch.Tensor,
    ) -> None:
        p = pyro.sample("p", weights_of)
        means, factors = components.sample()
        covariances = _matrices(components, factors)
        both = (cells[:, :, None] & cells[:, None, :])[:, None]
        # Missing cells stand aside with variances of one, which touch nothing else.
        alone = torch.where(both, covariances + errors[:, None], torch.eye(cells.shape[1]).to(rows))
        lower = torch.linalg.cholesky(alone)
        apart = rows[:, None] - means.reshape(components.n_components, -1)
        apart = torch.where(cells[group][:, None], apart, torch.zeros_like(apart))
        own = lower[group].expand(-1, components.n_components, -1, -1)
        whitened = torch.linalg.solve_triangular(own, apart[..., None], upper=False)[..., 0]
        log_scale = lower.diagonal(dim1=-2, dim2=-1).log().sum(-1)[group]
        constant = 0.5 * LOG_TWO_PI * cells[group].to(rows).sum(-1, keepdim=True)
        density = -0.5 * (whitened * whitened).sum(-1) - log_scale - constant
        total = torch.logsumexp(density + p.log(), -1)
        pyro.factor("x", (weights * total).sum())

    return program


def _matrices(components: ComponentProgram[Any], factors: torch.Tensor) -> torch.Tensor:
    """Return the covariances of components as matrices, (K, D, D) or (1, D, D)."""
    size = components.n_features
    if components.is_matrix and size > 1:
        matrices = factors @ factors.transpose(-1, -2)
        return matrices.reshape(-1, size, size)
    n_spreads = 1 if components.is_tied else components.n_components
    variances = (factors * factors).reshape(n_spreads, -1).expand(n_spreads, size)
    return torch.diag_embed(variances)
