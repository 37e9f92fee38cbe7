"""Passes over rows of which some cells are missing or have errors."""

from typing import Any, final

import numpy as np

from mixtura.data import Block, Patterns
from mixtura.engines.native.exact import LOWEST_CONSTANT
from mixtura.engines.native.library import POINTER, WHOLE, address, native_function
from mixtura.engines.native.passes import (
    DOUBLE,
    LABEL,
    SOFT,
    Threads,
    address_of,
    assigned,
    check_structure,
    contiguous,
    weights_of,
)
from mixtura.engines.observed.kernels import log_determinants
from mixtura.engines.observed.parts import covariances_of
from mixtura.engines.observed.regressions import LOG_TWO_PI
from mixtura.messages.assignments import Assignment, Sampled
from mixtura.messages.potentials import Potentials
from mixtura.messages.statistics import SufficientStatistics
from mixtura.typing import Array, IntegerArray

NO_ERRORS, VARIANCES, COVARIANCES = 0, 1, 2
"""Numbers of the kinds of errors."""

_sweep = native_function("sweep_observed", WHOLE, POINTER, WHOLE, *(POINTER,) * 8)
_tell = native_function("tell_observed", WHOLE, POINTER, WHOLE, *(POINTER,) * 7)


@final
class ObservedPasses:
    """Gaussian components under which rows are swept and told as far as they were observed.

    Parameters
    ----------
    potentials : Potentials
        Gaussian components.
    threads : callable
        Returns how many threads may share so many multiplications.
    """

    def __init__(self, potentials: Potentials, threads: Threads) -> None:
        mean, factor = potentials.mean, potentials.precision_cholesky
        check_structure(factor.shape, *mean.shape)
        rest = 0.5 * mean.shape[1] * LOG_TWO_PI - log_determinants(potentials)
        constant = np.maximum(potentials.log_weight + potentials.offset + rest, LOWEST_CONSTANT)
        parts = (constant, mean.ravel(), covariances_of(potentials).ravel())
        self.potentials = potentials
        self._threads = threads
        self._numbers = np.concatenate(parts, dtype=np.float64)
        self._shape = (*mean.shape, len(factor), int(factor.ndim == 3))

    def sweep(self, patterns: Patterns, assignment: Assignment) -> SufficientStatistics | None:
        """Return the statistics of rows; an assignment that was given is in their order.

        None where the library has no such pass, or a matrix of covariances has no factor.
        """
        if isinstance(assignment, Sampled) or not self._knows(patterns):
            return None
        n_components, n_features, n_factors, is_matrix = self._shape
        piece = Block(0, patterns.values, patterns.weights)
        number, _, handed = assigned(assignment, piece, n_components)
        n_first = 1 + n_components
        n_second = n_first + n_components * n_features
        size = n_features * n_features if is_matrix else n_features
        found = np.zeros(n_second + n_factors * size)
        rows, observed, starts, errors = _held(patterns, n_features)
        weights = weights_of(piece)
        sizes = self._sizes(patterns, number)
        done = _sweep(
            address(rows),
            len(rows),
            address_of(weights),
            address(observed),
            address(starts),
            address_of(errors),
            address(sizes),
            address(self._numbers),
            address_of(handed),
            address(found),
        )
        if not done:
            return None
        second = found[n_second:].reshape(n_factors, *(n_features,) * (2 if is_matrix else 1))
        if not is_matrix and self.potentials.precision_cholesky.shape[1] < n_features:
            second = second.sum(axis=1, keepdims=True)
        return SufficientStatistics(
            found[1:n_first],
            found[n_first:n_second].reshape(n_components, n_features),
            second,
            self.potentials.mean,
            float(found[0]),
        )

    def responsibilities(self, patterns: Patterns) -> Array | None:
        """Return the shares of the components in each row, shape (n, K), in the rows' order."""
        found = np.empty((len(patterns.values), self._shape[0]))
        return found if self._tell(patterns, (found, None)) else None

    def log_density(self, patterns: Patterns) -> Array | None:
        """Return the log density of what was observed of each row, shape (n,)."""
        found = np.empty(len(patterns.values))
        return found if self._tell(patterns, (None, found)) else None

    def _tell(self, patterns: Patterns, to: tuple[Array | None, Array | None]) -> bool:
        if not self._knows(patterns):
            return False
        rows, observed, starts, errors = _held(patterns, self._shape[1])
        sizes = self._sizes(patterns, SOFT)
        done = _tell(
            address(rows),
            len(rows),
            address(observed),
            address(starts),
            address_of(errors),
            address(sizes),
            address(self._numbers),
            *map(address_of, to),
        )
        return bool(done)

    def _knows(self, patterns: Patterns) -> bool:
        """Whether there is a pass: errors that depend on one another need covariance matrices."""
        has_covariances = patterns.errors is not None and patterns.errors.ndim == 3
        return bool(self._shape[3]) or not has_covariances

    def _sizes(self, patterns: Patterns, number: int) -> IntegerArray:
        n_components, n_features, n_factors, is_matrix = self._shape
        kind = NO_ERRORS
        if patterns.errors is not None:
            kind = COVARIANCES if patterns.errors.ndim == 3 else VARIANCES
        size = n_features * n_features if is_matrix else n_features
        n_threads = self._threads(len(patterns.values) * n_components * (4 * size + 8))
        return np.array(
            [
                len(patterns.observed),
                n_components,
                n_features,
                n_factors,
                is_matrix,
                kind,
                number,
                n_threads,
            ],
            dtype=np.int64,
        )


def _held(patterns: Patterns, n_features: int) -> tuple[Array, Any, IntegerArray, Array | None]:
    """Return rows, observed cells, starts and errors as the library takes them."""
    rows = contiguous(patterns.values, DOUBLE)
    observed = np.ascontiguousarray(patterns.observed, dtype=np.uint8)
    starts = contiguous(patterns.starts, LABEL)
    errors = None if patterns.errors is None else contiguous(patterns.errors, DOUBLE)
    n_groups = len(observed)
    shapes = ((n_groups, n_features), (n_groups, n_features, n_features))
    steps = np.diff(starts)
    if (
        rows.shape[1:] != (n_features,)
        or observed.shape != shapes[0]
        or starts.shape != (n_groups + 1,)
        or (starts[0], starts[-1]) != (0, len(rows))
        or (steps < 1).any()
        or (errors is not None and errors.shape not in shapes)
    ):
        raise ValueError(
            f"rows {rows.shape} in groups {observed.shape} that start at {starts.shape} places"
        )
    return rows, observed, starts, errors
