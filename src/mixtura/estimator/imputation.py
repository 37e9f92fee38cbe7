"""Complete rows, and true values, of an estimator that is fitted."""

from abc import ABC
from functools import partial
from typing import Any

import numpy as np

from mixtura.data import ArrayRows, PartedRows
from mixtura.data.frames import framed, framed_like
from mixtura.errors import InvalidArgumentError
from mixtura.estimator import arguments
from mixtura.estimator.predictions import Predictions
from mixtura.estimator.scanned_rows import missing_cells, told, values_of
from mixtura.messages import validation
from mixtura.typing import Array, BooleanArray

HOW = validation.OneOf(("mean", "draw"))
"""How missing cells are filled in."""


class Imputation(Predictions, ABC):
    """Answers of a fitted estimator about what was not observed of rows."""

    def _pictured(self, X: Any) -> tuple[Array, Array | None]:
        """Return values (N, D), missing ones as they are expected, and weights for pictures."""
        rows = self._shown(X)
        return self.posterior_.completed(rows, self._engine()), rows.weights

    def _imputed(self, X: Any) -> BooleanArray | None:
        """Return which of these values are missing, (N, D); None where none are."""
        rows = self._shown(X)
        return rows.is_missing if rows.has_missing else None

    def impute(
        self,
        X: Any,
        how: str = "mean",
        n_draws: int = 1,
        *,
        measurement_error: Any = None,
        random_state: Any = None,
    ) -> Any:
        """Return rows with their missing cells filled in, given what was observed of each.

        Parameters
        ----------
        X : array or frame of shape (N, D)
            Rows; NaN, null or masked where a cell is missing.
        how : {"mean", "draw"}, default="mean"
            The expectation of each cell, which is best for a single guess; or draws, whose spread
            says how sure it is, and of which other quantities are to be averaged (multiple
            imputation [Rubin1987]_).
        n_draws : int, default=1
            Number of draws.
        measurement_error : array, optional
            Errors of the observed values, as for ``fit``. These values are returned as they are:
            their true values are those of ``posterior_mean``.
        random_state : int, Generator, SeedSequence, RandomState or None
            Of the draws; the estimator's own where None.

        Returns
        -------
        array of shape (N, D), or (n_draws, N, D) for draws
            Of expectations a frame where the rows are one, of the same kind and with its names; or
            of the kind that ``set_output(transform=...)`` says. Draws are always an array.
        """
        rows = self._rows(X, measurement_error)
        n_draws = validation.whole_number(n_draws, "n_draws", 1)
        if HOW.read(how, "how") == "mean":
            arguments.PARAMETERS["random_state"].read(random_state, "random_state")
            if n_draws != 1:
                raise InvalidArgumentError(
                    "is for how='draw': of expectations there is one", argument="n_draws"
                )
            engine = self._engine()
            filled = told(rows, lambda some: self.posterior_.completed(some, engine).copy())
            return self._framed(X, filled)
        drawn = self._drawn(rows, n_draws, random_state)
        missing, values = (told(rows, one) for one in (missing_cells, values_of))
        return np.where(missing, drawn, values)

    def _framed(self, X: Any, filled: Array) -> Any:
        """Return complete rows in the container that was asked for, or else in that of X."""
        kind = self._output_kind()
        if kind == "default":
            return framed_like(X, filled)
        return framed(filled, self._feature_names(), kind)

    def posterior_mean(self, X: Any, measurement_error: Any = None) -> Array:
        """Return the expected true values of rows, given what was observed of them, (N, D).

        Measured values are drawn towards where the mixture has its rows, the more the larger their
        errors are [Bovy2011]_; missing ones are filled in.
        """
        rows = self._rows(X, measurement_error)
        engine = self._engine()
        return told(rows, lambda some: self.posterior_.expected_rows(some, engine))

    def sample_values(
        self,
        X: Any,
        measurement_error: Any = None,
        *,
        n_draws: int = 1,
        random_state: Any = None,
    ) -> Array:
        """Draw the true values of rows, given what was observed, shape (n_draws, N, D)."""
        return self._drawn(self._rows(X, measurement_error), n_draws, random_state)

    def _drawn(self, rows: ArrayRows | PartedRows, n_draws: int, random_state: Any) -> Array:
        n_draws = validation.whole_number(n_draws, "n_draws", 1)
        rng = self._generator(random_state, "values")
        engine = self._engine()
        draw = partial(self.posterior_.sample_rows, engine=engine, n_draws=n_draws, rng=rng)
        return told(rows, draw, axis=1)
