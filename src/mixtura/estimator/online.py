"""Rows that come in batches: partial_fit on top of problem, method and fit."""

from abc import abstractmethod
from typing import Any, Self

from sklearn.utils.metaestimators import available_if

from mixtura.data import ArrayRows
from mixtura.data.kept_rows import KeptRows
from mixtura.estimator import arguments, row_validation, slowness
from mixtura.estimator.posterior_views import SampledViews
from mixtura.estimator.problem import build_problem, build_update
from mixtura.estimator.views import FittedViews
from mixtura.fit import AddsRows, Fit
from mixtura.typing import Array


def _adds_rows(estimator: Any) -> bool:
    """Return whether the method can add rows to a fit; of what is no method it is said later."""
    value = estimator.inference
    known = arguments.PARAMETERS["inference"].is_lawful(value)
    return not known or isinstance(arguments.inference_method(value), AddsRows)


class OnlineFitting(FittedViews, SampledViews):
    """An estimator that also takes its rows batch by batch."""

    @abstractmethod
    def _weights(self, sample_weight: Any, values: Array) -> Array:
        """Return checked weights of the rows, shape (N,)."""

    @abstractmethod
    def _feature_names(self) -> tuple[str, ...]:
        """Return the names of the D features."""

    def _fit_rows(self, rows: ArrayRows) -> Fit:
        """Fit the model to checked rows, and return the fit that was adopted."""
        engine = self._engine()
        method, problem = build_problem(vars(self), rows, engine, self._feature_names())
        slowness.tell_once(rows.values.size * problem.model.n_components)
        fit = method.fit(problem)
        self._adopt(fit)
        self.labels_ = fit.posterior.labels(rows, engine)
        self._training = rows.once("kept", lambda: KeptRows.of(rows.values, rows.weights))
        return fit

    @available_if(_adds_rows)
    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Add rows to those seen so far; earlier rows are not needed again.

        The first call, on an estimator that is not fitted, is ``fit`` on the batch: it needs
        enough rows for a start, and priors left to their defaults are taken from it and stay.
        Later calls, also after ``fit`` and ``load``, keep the model and the components' numbers:
        the batch's statistics are found under the posterior so far, added to those of the rows
        before, and found anew until both agree, so that the batch counts once [NealHinton1998]_
        [CappeMoulines2009]_. ``MAP``, ``VB`` and ``ML`` have the options ``decay``, by which
        earlier rows fade, and ``n_rows``, for rows that come more than once [Hoffman2013]_.
        Without ``n_rows`` a row that comes again counts again: for several rounds over rows that
        are held use ``fit``, if need be with ``batch_size``.

        Afterwards ``labels_`` are of this batch, ``n_iter_`` and ``objective_history_`` of this
        call, and ``fit_.n_rows`` counts all rows (with ``n_rows`` it is that number).
        ``objective_`` and ``fit_.log_likelihood`` are what the responsibilities say that each
        batch had in its time: where every row counts alike, bounds from below.

        Parameters
        ----------
        X : array or frame of shape (N, D), or one named column
            The batch, with the features of the first one.
        y : ignored
        sample_weight : array of shape (N,), optional
            Non-negative weights; a weight of two counts as two rows.

        Returns
        -------
        self

        Raises
        ------
        InvalidArgumentError
            If a parameter changed that makes another model.
        AttributeError
            If the method cannot add rows: it can with "map", "vb" and "ml".
        ValueError
            If the data are not finite numbers in two dimensions, or float64 cannot hold them
            beside the earlier ones. What was fitted before stays as it was.
        """
        earlier: Fit | None = getattr(self, "fit_", None)
        values = self._validated(X, reset=earlier is None)
        weights = None if sample_weight is None else self._weights(sample_weight, values)
        rows, engine, given = (
            ArrayRows(values, weights),
            self._engine(),
            self.get_params(deep=False),
        )
        if earlier is None:
            method, problem = build_problem(given, rows, engine, self._feature_names())
        else:
            method, problem = build_update(given, earlier, rows, engine)
        assert isinstance(method, AddsRows)  # else there is no partial_fit
        fit = method.update(problem, earlier)
        labels = fit.posterior.labels(rows, engine)
        self._adopt(fit)
        self.labels_ = labels
        vars(self).pop("_training", None)
        row_validation.warn_of(fit.doubts)
        return self
