"""Rows that come in batches: partial_fit on top of problem, method and fit."""

from abc import abstractmethod
from dataclasses import replace
from typing import Any, Self

from sklearn.utils.metaestimators import available_if

from mixtura.data import ArrayRows, Classes
from mixtura.data.kept_rows import KeptRows
from mixtura.data.known_labels import group_names
from mixtura.errors import InvalidArgumentError
from mixtura.estimator import arguments, row_validation, slowness
from mixtura.estimator.posterior_views import SampledViews
from mixtura.estimator.problem import build_problem, build_update
from mixtura.estimator.views import FittedViews
from mixtura.fit import Fit


def _adds_rows(estimator: Any) -> bool:
    """Return whether the method can add rows to a fit; of what is no method it is said later."""
    value = estimator.inference
    known = arguments.PARAMETERS["inference"].is_lawful(value)
    return not known or arguments.inference_method(value).adds_rows


def classes_of(rows: ArrayRows, earlier: Classes) -> Classes:
    """Return what the labels of rows are, or were before."""
    return earlier if rows.labels is None else rows.labels.classes


class OnlineFitting(FittedViews, SampledViews):
    """An estimator that also takes its rows batch by batch."""

    @abstractmethod
    def _checked_rows(
        self,
        X: Any,
        sample_weight: Any,
        measurement_error: Any,
        labels: Any,
        groups: Any,
        *,
        reset: bool,
    ) -> ArrayRows:
        """Return checked rows with their weights, errors, labels and groups."""

    @abstractmethod
    def _feature_names(self) -> tuple[str, ...]:
        """Return the names of the D features."""

    def _fit_rows(self, rows: ArrayRows) -> Fit:
        """Fit the model to checked rows, and return the fit that was adopted."""
        engine = self._engine()
        vars(self).pop("_groups_met", None)
        seen = rows.with_cells
        method, problem = build_problem(vars(self), seen, engine, self._feature_names())
        slowness.tell_once(rows.values.size * problem.model.n_components)
        fit = replace(
            method.fit(problem), unobserved=rows.unobserved, classes=classes_of(rows, Classes())
        )
        self._adopt(fit)
        self.labels_ = fit.posterior.labels(rows, engine)
        self._training = rows.once("kept", lambda: KeptRows.of(rows))
        return fit

    def _met(self, groups: Any, earlier: Fit | None) -> frozenset[str]:
        """Return the names of the groups of all batches; refuse those that come again."""
        before: frozenset[str] = vars(self).get("_groups_met", frozenset())
        before = frozenset() if earlier is None else before
        now = frozenset() if groups is None else group_names(groups)
        again = sorted(before & now)
        if again:
            raise InvalidArgumentError(
                f"groups has {again[0]!r}, of which an earlier batch had rows: a group must lie in "
                "one batch"
            )
        return before | now

    @available_if(_adds_rows)
    def partial_fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        measurement_error: Any = None,
        labels: Any = None,
        groups: Any = None,
    ) -> Self:
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
        measurement_error : array, optional
            Standard deviations or covariances of the rows' errors, as for ``fit``.
        labels : array of shape (N,), optional
            Known components, as for ``fit``; names are those of the first batch that had some.
        groups : array of shape (N,), optional
            Rows that share a component, as for ``fit``: all rows of a group must be in one batch.

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
        rows = self._checked_rows(
            *(X, sample_weight, measurement_error, labels, groups), reset=earlier is None
        )
        met = self._met(groups, earlier)
        engine, given = self._engine(), self.get_params(deep=False)
        seen = rows.with_cells
        if earlier is None:
            method, problem = build_problem(given, seen, engine, self._feature_names())
        elif not seen.n_rows:
            self.labels_ = earlier.posterior.labels(rows, engine)
            return self
        else:
            method, problem = build_update(given, earlier, seen, engine)
        before = rows.unobserved if earlier is None else earlier.unobserved + rows.unobserved
        classes = classes_of(rows, Classes() if earlier is None else earlier.classes)
        fit = replace(method.update(problem, earlier), unobserved=before, classes=classes)
        labels = fit.posterior.labels(rows, engine)
        self._adopt(fit)
        self._groups_met, self.labels_ = met, labels
        vars(self).pop("_training", None)
        row_validation.warn_of(fit.doubts)
        return self
