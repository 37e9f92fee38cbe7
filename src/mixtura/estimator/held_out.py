"""The log density of rows that a fit has not seen: cross-validation of one candidate."""

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from mixtura.data import ArrayRows
from mixtura.estimator import GaussianMixtureModel, arguments
from mixtura.typing import IntegerArray

FOLDS = 0x666F_6C64
"""Key of the random numbers of folds."""


@final
@dataclass(frozen=True, eq=False)
class Folds:
    """Parts of the rows, each of which is left out once.

    Parameters
    ----------
    number : int
        How many.
    random_state : object
        Source of randomness; the same parts each time where None.
    """

    number: int
    random_state: Any = None

    def generator(self) -> np.random.Generator:
        """Return the stream from which parts are drawn, the same however often it is asked for."""
        if self.random_state is None:
            return np.random.default_rng(FOLDS)
        root = arguments.seed_sequence(self.random_state)
        return np.random.default_rng(
            np.random.SeedSequence(root.entropy, spawn_key=(*root.spawn_key, FOLDS))
        )

    def of(self, n_rows: int) -> IntegerArray:
        """Return the part of each row, shape (N,), each as evenly large."""
        return self.generator().permutation(np.arange(n_rows) % self.number)


def held_out_density(gmm: GaussianMixtureModel, rows: ArrayRows, folds: Folds) -> float:
    """Return the log density of all rows, each under a fit to the other parts, in nats.

    Parameters
    ----------
    gmm : GaussianMixtureModel
        The estimator, which knows the features.
    rows : ArrayRows
        The rows, which count by their weights.
    folds : Folds
        The parts.
    """
    parts, total = folds.of(rows.n_rows), 0.0
    for part in range(folds.number):
        own = GaussianMixtureModel(**gmm.get_params(deep=False))
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(gmm, name):
                setattr(own, name, getattr(gmm, name))
        own._fit_rows(rows.taken(np.flatnonzero(parts != part)))
        left = rows.taken(np.flatnonzero(parts == part)).with_cells
        by_row = own.posterior_.log_predictive(left, own._engine())
        total += float(by_row.sum() if left.weights is None else left.weights @ by_row)
    return total
