"""The reference engine: plain NumPy, the oracle that every other engine is held against."""

from typing import final

import numpy as np
from scipy.special import logsumexp

from mixtura.data import Block, Rows
from mixtura.engines.base import Engine, incomplete
from mixtura.engines.beside_background import (
    array_rows,
    background_logs,
    drawn_beside_background,
    labels_of_shares,
    shares_beside_background,
    swept_beside_background,
)
from mixtura.engines.far_rows import told_draws, told_labels, told_shares
from mixtura.engines.known import (
    densities_known,
    drawn_known,
    labelled,
    labels_known,
    shares_known,
    swept_known,
)
from mixtura.engines.observed.integration import swept
from mixtura.engines.observed.telling import (
    drawn_components,
    told_components,
    told_densities,
    told_responsibilities,
)
from mixtura.engines.tile_sweeps import in_tiles, swept_in_tiles, told_in_tiles
from mixtura.messages.assignments import Assignment, Sampled, shares
from mixtura.messages.potentials import Potentials
from mixtura.messages.statistics import SufficientStatistics
from mixtura.typing import Array, IntegerArray, StructureShape

FARTHEST = 1e150
"""Standardised distances are held below this, so that their squares stay finite."""


@final
class ReferenceEngine(Engine):
    """Rows in blocks, one component at a time."""

    def sweep(
        self, rows: Rows, potentials: Potentials, assignment: Assignment
    ) -> SufficientStatistics:
        if (parted := in_tiles(rows, potentials)) is not None:
            return swept_in_tiles(self, parted, potentials, assignment)
        if (known := labelled(rows)) is not None:
            return swept_known(self, known, potentials, assignment)
        if potentials.background is not None:
            return swept_beside_background(self, rows, potentials, assignment)
        if (some := incomplete(rows)) is not None:
            return swept(self, some, potentials, assignment)
        total = SufficientStatistics.zero(potentials.mean, potentials.structure)
        for block in rows.blocks():
            total = total + _block_statistics(block, potentials, assignment)
        return total

    def responsibilities(self, rows: Rows, potentials: Potentials) -> Array:
        if (parted := in_tiles(rows, potentials)) is not None:
            return told_in_tiles(self.responsibilities, parted, potentials)
        if (known := labelled(rows)) is not None:
            return shares_known(self, known, potentials)
        if potentials.background is not None:
            return shares_beside_background(self, rows, potentials)
        if (some := incomplete(rows)) is not None:
            return told_responsibilities(self, some, potentials)
        result = np.empty((rows.n_rows, potentials.mean.shape[0]))
        for block in rows.blocks():
            scores = block_scores(block.values, potentials)
            result[block.start : block.start + len(scores)] = shares(scores)
        return told_shares(rows, potentials, result)

    def log_density(self, rows: Rows, potentials: Potentials) -> Array:
        if (parted := in_tiles(rows, potentials)) is not None:
            return told_in_tiles(self.log_density, parted, potentials)
        if (known := labelled(rows)) is not None:
            return densities_known(self, known, potentials)
        if potentials.background is not None:
            return background_logs(self, array_rows(rows), potentials)[0]
        if (some := incomplete(rows)) is not None:
            return told_densities(self, some, potentials)
        parts = [_log_normalizer(block_scores(b.values, potentials)) for b in rows.blocks()]
        return np.concatenate(parts)

    def labels(self, rows: Rows, potentials: Potentials) -> IntegerArray:
        if (parted := in_tiles(rows, potentials)) is not None:
            return told_in_tiles(self.labels, parted, potentials)
        if (known := labelled(rows)) is not None:
            return labels_known(self, known, potentials)
        if potentials.background is not None:
            return labels_of_shares(self.responsibilities(rows, potentials))
        if (some := incomplete(rows)) is not None:
            return told_components(self, some, potentials)
        parts = [block_scores(b.values, potentials).argmax(axis=1) for b in rows.blocks()]
        return told_labels(rows, potentials, np.concatenate(parts))

    def sample_labels(
        self, rows: Rows, potentials: Potentials, n_draws: int, seed: int
    ) -> IntegerArray:
        if (known := labelled(rows)) is not None:
            return drawn_known(self, known, potentials, n_draws, seed)
        if potentials.background is not None:
            return drawn_beside_background(self, rows, potentials, n_draws, seed)
        if (some := incomplete(rows)) is not None:
            return drawn_components(self, some, potentials, n_draws, seed)
        drawn = np.empty((n_draws, rows.n_rows), dtype=np.intp)
        for block in rows.blocks():
            scores = block_scores(block.values, potentials)
            normalizer = _log_normalizer(scores)
            where = slice(block.start, block.start + len(scores))
            for sweep in range(n_draws):
                chosen = Sampled(seed, sweep).assign(scores, normalizer, block.start)
                drawn[sweep, where] = chosen.argmax(axis=1)
        return told_draws(rows, potentials, drawn, seed)


def block_scores(values: Array, potentials: Potentials) -> Array:
    """Return the scores of a block of rows, shape (n, K)."""
    n_components, n_features = potentials.mean.shape
    factor = potentials.precision_cholesky
    if factor.ndim == 2:
        factor = np.broadcast_to(factor, (n_components, n_features))
    else:
        factor = np.broadcast_to(factor, (n_components, n_features, n_features))
    scores = np.empty((values.shape[0], n_components))
    for k in range(n_components):
        with np.errstate(over="ignore", invalid="ignore"):
            centred = values - potentials.mean[k]
            whitened = centred * factor[k] if factor.ndim == 2 else centred @ factor[k]
        lost = np.isnan(whitened)  # past the end of float64: differences of infinities
        if lost.any():
            whitened[lost & np.all(np.isfinite(values), axis=1, keepdims=True)] = FARTHEST
        np.clip(whitened, -FARTHEST, FARTHEST, out=whitened)
        scores[:, k] = (
            -0.5 * np.einsum("nd,nd->n", whitened, whitened)
            if potentials.tail is None
            else potentials.tail.log_kernel(k, whitened)
        )
    return scores + (potentials.log_weight + potentials.offset)


def _log_normalizer(scores: Array) -> Array:
    return np.asarray(logsumexp(scores, axis=1))


def _block_statistics(
    block: Block, potentials: Potentials, assignment: Assignment
) -> SufficientStatistics:
    scores = block_scores(block.values, potentials)
    normalizer = _log_normalizer(scores)
    mass = assignment.assign(scores, normalizer, block.start) * block.row_weights[:, None]
    data_term = float(block.row_weights @ assignment.data_term(scores, normalizer))
    first = np.empty_like(potentials.mean)
    moments = []
    for k in range(potentials.mean.shape[0]):
        centred = block.values - potentials.mean[k]
        weighted = centred * mass[:, k : k + 1]
        first[k] = weighted.sum(axis=0)
        moments.append(_second_moment(centred, weighted, potentials.structure))
    second = np.stack(moments)
    if potentials.structure[0] == 1:
        second = second.sum(axis=0, keepdims=True)
    return SufficientStatistics(mass.sum(axis=0), first, second, potentials.mean, data_term)


def _second_moment(centred: Array, weighted: Array, structure: StructureShape) -> Array:
    if len(structure) == 3:
        return weighted.T @ centred
    diagonal = np.einsum("nd,nd->d", weighted, centred)
    return diagonal.sum(keepdims=True) if structure[1] == 1 else diagonal
