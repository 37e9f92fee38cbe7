"""What a fitted estimator shows, and where it can go."""

from abc import ABC
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sklearn.utils.validation import check_is_fitted

from mixtura.data import ArrayRows, PartedRows
from mixtura.data.row_scans import RowScan
from mixtura.estimator import arguments
from mixtura.estimator.imputation import Imputation
from mixtura.estimator.scanned_rows import sample_sentence
from mixtura.fit import Fit
from mixtura.messages.lazy import LazyModule
from mixtura.messages.validation import FeatureIndex, FilePath, Flag

if TYPE_CHECKING:
    from mixtura.diagnostics import posterior_summaries
else:  # a fit does not need it
    posterior_summaries = LazyModule("mixtura.diagnostics.posterior_summaries")


class FittedViews(Imputation, ABC):
    """Summary, report, pictures and files of an estimator that is fitted."""

    def summary(self) -> Any:
        """Return a table by component that prints as text and shows as HTML."""
        from mixtura.reports import summarize

        check_is_fitted(self)
        if not hasattr(self, "_training"):
            return summarize(self.fit_)
        rows, engine = self._shown(None).with_cells, self._engine()
        shares = self.posterior_.responsibilities(rows, engine)
        occupied = posterior_summaries.occupied(self.posterior_, rows, engine)
        if isinstance(self._training, PartedRows):
            labels = self.posterior_.labels(rows, engine)
            known = {"weights": rows.weights, "occupied": occupied}
            summary = summarize(self.fit_, labels, shares, **known)
            told = sample_sentence(rows.n_rows, self._training.n_rows)
            return replace(summary, sentences=(*summary.sentences, told))
        labels = rows.of_given(self.labels_)
        return summarize(self.fit_, labels, shares, weights=rows.weights, occupied=occupied)

    def _with_sample_told(self, shown: ArrayRows, n_rows: int) -> Fit:
        """Return the fit, which says that a sample of its rows is shown."""
        told = sample_sentence(shown.n_rows, n_rows)
        return replace(self.fit_, assumptions=(*self.fit_.assumptions, told))

    def report(self, X: Any = None, measurement_error: Any = None, labels: Any = None) -> Any:
        """Return the report of the fit on rows (the training rows where X is None).

        ``measurement_error`` and ``labels`` are those of the rows X, as ``fit`` takes them.
        """
        from mixtura.reports import build_report

        rows = self._shown(X, measurement_error, labels).with_cells
        streamed = getattr(self, "_training", None) if X is None else None
        if isinstance(X, RowScan):
            streamed = X.opened(to_fit=False).rows
        fit = self.fit_
        if isinstance(streamed, PartedRows):
            fit = self._with_sample_told(rows, streamed.n_rows)
        return build_report(
            fit,
            rows,
            labels=self.posterior_.labels(rows, self._engine()),
            responsibilities=self.posterior_.responsibilities(rows, self._engine()),
            weights=rows.weights,
            engine=self._engine(),
        )

    def plot_swarm(self, X: Any = None, *, feature: int | str = 0, ax: Any = None) -> Any:
        """Plot one feature of the rows as a swarm; returns the matplotlib Axes."""
        from mixtura.plots import swarm

        values, _ = self._pictured(X)
        column = FeatureIndex(self.fit_.feature_names).read(feature, "feature")
        return swarm(values[:, column], feature_name=self.fit_.feature_names[column], ax=ax)

    def plot_objective(self, *, ax: Any = None) -> Any:
        """Plot the objective of every start; returns the matplotlib Axes."""
        from mixtura.plots import objective

        check_is_fitted(self)
        return objective(self.fit_, ax=ax)

    def plot_density(
        self, X: Any = None, *, feature: int | str | None = None, ax: Any = None
    ) -> Any:
        """Plot component and mixture densities over the rows.

        Of draws the mixture density is what ``score_samples`` gives; components are left out where
        they cannot be told apart.

        Returns the matplotlib Axes; an array of them, one for each feature, where D > 1.
        """
        from mixtura.plots import density

        values, weights = self._pictured(X)
        return density(self.fit_, values, weights=weights, feature=feature, ax=ax)

    def plot_clusters(self, X: Any = None, *, ax: Any = None) -> Any:
        """Plot the rows by their most probable component.

        Returns the matplotlib Axes; an array of them, one for each pair of features, where D > 1.
        """
        from mixtura.plots import clusters

        values, _ = self._pictured(X)
        labels = self.posterior_.labels(self._shown(X), self._engine())
        return clusters(self.fit_, values, labels, ax=ax)

    def plot_uncertainty(self, X: Any = None, *, ax: Any = None) -> Any:
        """Plot how uncertain each row's assignment is; returns the matplotlib Axes."""
        from mixtura.plots import uncertainty

        values, _ = self._pictured(X)
        shares = self.posterior_.responsibilities(self._shown(X), self._engine())
        return uncertainty(self.fit_, values, shares, ax=ax)

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write the fitted model to a file that holds numbers and JSON, and no code.

        :func:`mixtura.load` restores the fit and the parameters, but for an ``init`` that is no
        name, a ``random_state`` that is no number, and what of the inference method shows in no
        answer (its checkpoint, its progress). These come back as their defaults.

        Parameters
        ----------
        path : str or Path
        overwrite : bool, default=False
            Whether an existing file may be replaced.

        Raises
        ------
        InvalidArgumentError
            If the file exists and ``overwrite`` is False.
        """
        from mixtura.io.model_file import StoredFit, save_fit, settings_of

        check_is_fitted(self)
        FilePath().read(path, "path")
        Flag().read(overwrite, "overwrite")
        named = hasattr(self, "feature_names_in_")
        priors = ("weight_prior", "component_prior")
        defaults = tuple(name for name in priors if getattr(self, name) is None)
        options = arguments.options_of(self.inference)
        settings = settings_of(self.get_params(deep=False))
        stored = StoredFit(self.fit_, self.covariance_type, named, defaults, options, settings)
        save_fit(stored, path, overwrite=overwrite)

    def write_report(
        self,
        path: str | Path,
        X: Any = None,
        *,
        measurement_error: Any = None,
        labels: Any = None,
        overwrite: bool = False,
    ) -> Path:
        """Write the report of the fit to a file.

        Parameters
        ----------
        path : str or Path
            Its ending says how: ``.html`` (one page that needs nothing else), ``.txt`` or
            ``.json``.
        X : array or frame of shape (N, D), optional
            The rows to report on; the training rows where None.
        measurement_error, labels : array, optional
            Of the rows X, as for ``fit``.
        overwrite : bool, default=False
            Whether an existing file may be replaced.

        Raises
        ------
        InvalidArgumentError
            If the ending is unknown, or the file exists and ``overwrite`` is False.
        """
        from mixtura.reports import write_report

        FilePath().read(path, "path")
        Flag().read(overwrite, "overwrite")
        return write_report(self.report(X, measurement_error, labels), path, force=overwrite)

    def to_sklearn(self) -> Any:
        """Return a fitted :class:`sklearn.mixture.GaussianMixture` with the same density.

        "tied_diag" and "tied_spherical" become its "diag" and "spherical", of the same density, but
        it counts every component's variances as parameters: take ``bic`` and ``aic`` of this class.
        It computes in the precision of the rows. Of float32 rows near 1e4 its log densities of
        families without correlations may be off by several nats, near 1e5 by hundreds: pass it
        float64 rows.
        """
        from mixtura.io.scikit_learn_objects import to_sklearn

        check_is_fitted(self)
        return to_sklearn(self.fit_, self.covariance_type)
