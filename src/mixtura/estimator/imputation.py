"""Complete rows, and true values, of an estimator that is fitted."""

from abc import ABC
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mixtura.data import ArrayRows, PartedRows
from mixtura.data.frames import framed, framed_like
from mixtura.data.row_scans import RowScan
from mixtura.errors import InvalidArgumentError
from mixtura.estimator import arguments
from mixtura.estimator.collections import is_collection, told_of_collection
from mixtura.estimator.predictions import Predictions
from mixtura.estimator.scanned_rows import scan_for, told, written
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
        to: str | Path | None = None,
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
        to : str or Path, optional
            A file that is written in place of what would be returned: ``.parquet``, ``.arrow`` or
            ``.csv``, with the rows' numbers from 1 and, of several draws, theirs. Of a scan it is
            written piece by piece, the draws of some rows after those of others.

        Returns
        -------
        array of shape (N, D), or (n_draws, N, D) for draws, or the Path of the file
            Of expectations a frame where the rows are one, of the same kind and with its names; or
            of the kind that ``set_output(transform=...)`` says. Draws are always an array.
        """
        n_draws = validation.whole_number(n_draws, "n_draws", 1)
        is_mean = HOW.read(how, "how") == "mean"
        arguments.PARAMETERS["random_state"].read(random_state, "random_state")
        if is_mean and n_draws != 1:
            raise InvalidArgumentError(
                "is for how='draw': of expectations there is one", argument="n_draws"
            )
        if is_collection(X) and is_mean and to is None:
            self._check_fitted()
            names = list(self._feature_names())
            tell = self.posterior_.completed
            return told_of_collection(self, X, tell, names, self._engine(), is_named=True)
        fill = self._filling(n_draws, random_state, is_mean=is_mean)
        rows = self._rows(X, measurement_error)
        if to is not None:
            source = scan_for(self, X) if isinstance(X, RowScan) else X
            return written(source, rows, fill, list(self._feature_names()), to, n_draws)
        if is_mean:
            return self._framed(X, told(rows, fill))
        return told(rows, fill, axis=1)

    def _filling(
        self, n_draws: int, random_state: Any, *, is_mean: bool
    ) -> Callable[[ArrayRows], Array]:
        """Return what fills in rows: (n, D) by expectations, (n_draws, n, D) by draws."""
        self._check_fitted()
        engine, posterior = self._engine(), self.posterior_
        if is_mean:
            return lambda some: posterior.completed(some, engine).copy()
        rng = self._generator(random_state, "values")

        def draw(some: ArrayRows) -> Array:
            drawn = posterior.sample_rows(some, engine=engine, n_draws=n_draws, rng=rng)
            return np.where(some.is_missing, drawn, some.values)

        return draw

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
