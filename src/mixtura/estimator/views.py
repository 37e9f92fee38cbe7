"""What a fitted estimator shows, and where it can go."""

from abc import ABC
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sklearn.utils.validation import check_is_fitted

from mixtura.data import ArrayRows, PartedRows
from mixtura.data.row_scans import RowScan
from mixtura.errors import InvalidArgumentError
from mixtura.estimator import arguments
from mixtura.estimator.imputation import Imputation
from mixtura.estimator.scanned_rows import sample_sentence
from mixtura.fit import Fit
from mixtura.messages.lazy import LazyModule
from mixtura.messages.validation import FeatureIndex, FilePath, Flag, Text

if TYPE_CHECKING:
    from mixtura.diagnostics import posterior_summaries
    from mixtura.diagnostics.bootstrap_draws import Bootstrap
    from mixtura.estimator.merged_clusters import MergedClusters
else:  # a fit does not need it
    posterior_summaries = LazyModule("mixtura.diagnostics.posterior_summaries")


class FittedViews(Imputation, ABC):
    """Summary, report, pictures and files of an estimator that is fitted."""

    def summary(
        self, *, bootstrap: "Bootstrap | None" = None, clusters: "MergedClusters | None" = None
    ) -> Any:
        """Return a table by component that prints as text and shows as HTML.

        With what ``bootstrap`` returned it has intervals of a point fit, and with what
        ``merge_components`` returned the clusters.
        """
        from mixtura.reports import summarize

        check_is_fitted(self)
        self._check_own(bootstrap)
        self._check_clusters(clusters)
        told = () if clusters is None else clusters.sentences
        if not hasattr(self, "_training"):
            return summarize(self.fit_, bootstrap=bootstrap, told=told)
        rows, engine = self._shown(None).with_cells, self._engine()
        shares = self.posterior_.responsibilities(rows, engine)
        occupied = posterior_summaries.occupied(self.posterior_, rows, engine)
        if isinstance(self._training, PartedRows):
            labels = self.posterior_.labels(rows, engine)
            told = (*told, sample_sentence(rows.n_rows, self._training.n_rows))
        else:
            labels = rows.of_given(self.labels_)
        return summarize(
            self.fit_,
            labels,
            shares,
            weights=rows.weights,
            occupied=occupied,
            bootstrap=bootstrap,
            told=told,
        )

    def _check_own(self, bootstrap: Any) -> None:
        """Raise InvalidArgumentError unless a bootstrap is one of this fit."""
        if bootstrap is not None and getattr(bootstrap, "estimate", None) is not (
            self.fit_.parameters
        ):
            raise InvalidArgumentError(
                "must be None or what bootstrap() of this fit returned", argument="bootstrap"
            )

    def _check_clusters(self, clusters: Any) -> None:
        """Raise InvalidArgumentError unless clusters are of this fit's components."""
        own = getattr(getattr(clusters, "model", None), "fit_", None)
        if clusters is not None and own is not self.fit_:
            raise InvalidArgumentError(
                "must be None or what merge_components() of this fit returned",
                argument="clusters",
            )

    def _with_sample_told(self, shown: ArrayRows, n_rows: int) -> Fit:
        """Return the fit, which says that a sample of its rows is shown."""
        told = sample_sentence(shown.n_rows, n_rows)
        return replace(self.fit_, assumptions=(*self.fit_.assumptions, told))

    def report(
        self,
        X: Any = None,
        measurement_error: Any = None,
        labels: Any = None,
        *,
        title: str = "Gaussian mixture",
        component_names: Sequence[str] | None = None,
        bootstrap: "Bootstrap | None" = None,
        clusters: "MergedClusters | None" = None,
    ) -> Any:
        """Return the report of the fit on rows (the training rows where X is None).

        ``measurement_error`` and ``labels`` are those of the rows X, as ``fit`` takes them;
        ``title`` stands above, and ``component_names`` are K names in place of the numbers.
        ``bootstrap`` and ``clusters`` as for :meth:`summary`.
        """
        from mixtura.reports import build_report

        check_is_fitted(self)
        self._check_own(bootstrap)
        self._check_clusters(clusters)
        Text().read(title, "title")
        for name, value in (("measurement_error", measurement_error), ("labels", labels)):
            if X is None and value is not None:
                raise InvalidArgumentError(
                    "is that of the rows X, which are not given", argument=name, remedy="pass X"
                )
        rows = self._shown(X, measurement_error, labels).with_cells
        streamed = getattr(self, "_training", None) if X is None else None
        if isinstance(X, RowScan):
            streamed = X.opened(to_fit=False).rows
        fit = self.fit_
        if isinstance(streamed, PartedRows):
            fit = self._with_sample_told(rows, streamed.n_rows)
        return build_report(
            fit if component_names is None else fit.named(component_names),
            rows,
            labels=self.posterior_.labels(rows, self._engine()),
            responsibilities=self.posterior_.responsibilities(rows, self._engine()),
            weights=rows.weights,
            title=title,
            engine=self._engine(),
            notes=() if clusters is None else clusters.sentences,
            bootstrap=bootstrap,
        )

    def plot_swarm(self, X: Any = None, *, feature: int | str = 0, ax: Any = None) -> Any:
        """Plot one feature of the rows as a swarm; returns the matplotlib Axes."""
        from mixtura.plots import swarm

        values, _ = self._pictured(X)
        column = FeatureIndex(self.fit_.feature_names).read(feature, "feature")
        marks = self._imputed(X)
        return swarm(
            values[:, column],
            feature_name=self.fit_.feature_names[column],
            imputed=None if marks is None else marks[:, column],
            ax=ax,
        )

    def plot_missing(self, X: Any = None, *, ax: Any = None) -> Any:
        """Plot which cells of the rows are missing, pattern by pattern; returns the Axes."""
        from mixtura.plots import missing

        rows = self._shown(X)
        return missing(rows.values, feature_names=self.fit_.feature_names, ax=ax)

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

        rows = self._shown(X)
        values, weights = rows.values, rows.weights  # what is missing has no density of its own
        return density(self.fit_, values, weights=weights, feature=feature, ax=ax)

    def plot_clusters(self, X: Any = None, *, ax: Any = None) -> Any:
        """Plot the rows by their most probable component.

        Returns the matplotlib Axes; an array of them, one for each pair of features, where D > 1.
        """
        from mixtura.plots import clusters

        values, _ = self._pictured(X)
        labels = self.posterior_.labels(self._shown(X), self._engine())
        return clusters(self.fit_, values, labels, imputed=self._imputed(X), ax=ax)

    def plot_uncertainty(self, X: Any = None, *, ax: Any = None) -> Any:
        """Plot how uncertain each row's assignment is; returns the matplotlib Axes."""
        from mixtura.plots import uncertainty

        values, _ = self._pictured(X)
        shares = self.posterior_.responsibilities(self._shown(X), self._engine())
        return uncertainty(self.fit_, values, shares, imputed=self._imputed(X), ax=ax)

    def plot_profile(self, *, ax: Any = None) -> Any:
        """Plot each component's means over the features, in units of the whole mixture.

        Returns the matplotlib Axes.
        """
        from mixtura.plots import profile

        check_is_fitted(self)
        return profile(self.fit_, ax=ax)

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
        groups = tuple(sorted(vars(self).get("_groups_met", ())))
        own = (self.fit_, self.covariance_type, named)
        stored = StoredFit(*own, defaults, options, settings, groups)
        save_fit(stored, path, overwrite=overwrite)

    def write_report(
        self,
        path: str | Path,
        X: Any = None,
        *,
        measurement_error: Any = None,
        labels: Any = None,
        title: str = "Gaussian mixture",
        component_names: Sequence[str] | None = None,
        bootstrap: "Bootstrap | None" = None,
        clusters: "MergedClusters | None" = None,
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
        title : str
            What stands above.
        component_names : sequence of K str, optional
            What stands in place of the components' numbers.
        bootstrap, clusters : Bootstrap, MergedClusters, optional
            What is to be told, as for :meth:`summary`.
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
        told = self.report(
            *(X, measurement_error, labels),
            title=title,
            component_names=component_names,
            bootstrap=bootstrap,
            clusters=clusters,
        )
        return write_report(told, path, force=overwrite)

    def to_sklearn(self) -> Any:
        """Return a fitted :class:`sklearn.mixture.GaussianMixture` with the same density.

        "tied_diag" and "tied_spherical" become its "diag" and "spherical", and families that share
        volume, shape or orientation its "full" ("diag"), of the same density, but it counts every
        component's variances as parameters: take ``bic`` and ``aic`` of this class.
        It computes in the precision of the rows. Of float32 rows near 1e4 its log densities of
        families without correlations may be off by several nats, near 1e5 by hundreds: pass it
        float64 rows.
        """
        from mixtura.io.scikit_learn_objects import to_sklearn

        check_is_fitted(self)
        return to_sklearn(self.fit_, self.covariance_type)
