"""What analysts do with a fit: clusters of components, and how sure its parameters are."""

from abc import ABC
from copy import copy
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from mixtura.errors import InvalidArgumentError, either
from mixtura.estimator import arguments
from mixtura.estimator.posterior_views import SampledViews
from mixtura.fit import Fit
from mixtura.messages.conversion import as_numbers_of
from mixtura.messages.lazy import LazyModule
from mixtura.messages.validation import FeatureIndex, Whole
from mixtura.typing import Array

if TYPE_CHECKING:
    from mixtura.diagnostics import projections
    from mixtura.diagnostics.bootstrap_draws import Bootstrap
    from mixtura.diagnostics.projections import Projection
    from mixtura.estimator import bootstrapping, marginal_distribution, merged_clusters
    from mixtura.estimator.marginal_distribution import MarginalDistribution
    from mixtura.estimator.merged_clusters import MergedClusters
else:  # a fit needs none of them
    projections = LazyModule("mixtura.diagnostics.projections")
    bootstrapping = LazyModule("mixtura.estimator.bootstrapping")
    merged_clusters = LazyModule("mixtura.estimator.merged_clusters")
    marginal_distribution = LazyModule("mixtura.estimator.marginal_distribution")

BOOTSTRAP = 0x626F_6F74
"""Key of the random numbers of replicates."""

MOST_NAMED = 5
"""Columns that a message names at most."""


class AnalysisViews(SampledViews, ABC):
    """Further answers of a fitted estimator."""

    def merge_components(
        self, X: Any = None, *, by: str = "entropy", n_clusters: int | None = None
    ) -> "MergedClusters":
        """Return clusters that are made of one or several components.

        A group that is not Gaussian takes several components. ``by="entropy"`` joins, two at a
        time, those whose union lowers the entropy of the assignments most [Baudry2010]_, down to
        ``n_clusters``, or to the change point of the entropies. ``by="modes"`` joins components
        from whose means the density rises to the same mode [CarreiraPerpinan2000]_. The mixture
        stays as it is; of draws probabilities and density are averages over them.

        Parameters
        ----------
        X : array or frame of shape (N, D), optional
            The rows whose assignments are meant; the training rows where None.
        by : {"entropy", "modes"}
            What says that components are one cluster.
        n_clusters : int, optional
            How many clusters, with "entropy" alone.

        Returns
        -------
        MergedClusters
            With ``labels`` (N,), ``component_clusters`` (K,), ``predict`` and ``predict_proba``.

        Raises
        ------
        InvalidArgumentError
            If an argument has a value that is not allowed, or the components of draws cannot be
            told apart.
        """
        way = merged_clusters.WAYS.read(by, "by")
        rows, engine = self._shown(X), self._engine()
        model = copy(self)
        if way == "entropy":
            return merged_clusters.merged_by_entropy(model, rows, engine, n_clusters)
        return merged_clusters.merged_by_modes(model, rows, engine, n_clusters)

    def plot_merging(
        self, X: Any = None, *, n_clusters: int | None = None, ax: Any = None
    ) -> np.ndarray:
        """Plot entropies by number of clusters, and the tree of merges of the components.

        The parameters are those of :meth:`merge_components`. Returns an array of two matplotlib
        Axes.
        """
        return self.merge_components(X, n_clusters=n_clusters).plot(ax=ax)

    def cdf(self, values: Any, *, feature: int | str | None = None) -> Array:
        """Return the probability that a row's value is at most each of some.

        Exact for fits of a point; for draws and "vb" averaged over 400 draws of the parameters.

        Parameters
        ----------
        values : float or array
            Where the distribution function is taken, in the data's units.
        feature : int or str, optional
            Number or name of the column; needed where there are several.

        Returns
        -------
        array of the shape of ``values``

        Raises
        ------
        InvalidArgumentError
            If there is no such column, values are no numbers, or a background has a given volume.
        """
        given = _numbers(values, "values")
        return self._marginal(feature).cdf(given)

    def quantile(self, probabilities: Any, *, feature: int | str | None = None) -> Array:
        """Return the values below which a row's value lies with given probabilities.

        The parameters are those of :meth:`cdf`, of which it is the inverse.

        Parameters
        ----------
        probabilities : float or array
            From 0 to 1.
        feature : int or str, optional
            Number or name of the column; needed where there are several.

        Returns
        -------
        array of the shape of ``probabilities``
        """
        given = _numbers(probabilities, "probabilities")
        if not ((given >= 0.0) & (given <= 1.0)).all():
            raise InvalidArgumentError("must lie from 0 to 1", argument="probabilities")
        return self._marginal(feature).quantile(given)

    def _marginal(self, feature: int | str | None) -> "MarginalDistribution":
        names = self._checked_fit().feature_names
        if feature is None and len(names) > 1:
            raise InvalidArgumentError(
                f"must be one of {either([repr(name) for name in names[:MOST_NAMED]])}",
                argument="feature",
            )
        column = FeatureIndex(names).read(0 if feature is None else feature, "feature")
        return marginal_distribution.MarginalDistribution.of(self.fit_, column)

    def projection(self, n_directions: int | None = None) -> "Projection":
        """Return the directions along which the components differ most [Scrucca2010]_.

        By means and by covariances, whatever the number of features; ``of_rows`` gives coordinates.

        Parameters
        ----------
        n_directions : int, optional
            How many; all in which components differ where None.

        Raises
        ------
        InvalidArgumentError
            If the number is not allowed, or the components of draws cannot be told apart.
        """
        merged_clusters.refuse_mixed(self._checked_fit(), "projection")
        fit = self.fit_
        Whole(1, fit.model.n_features, optional=True).read(n_directions, "n_directions")
        sizes = (fit.model.n_components, fit.model.n_features)
        own = fit.parameters
        matrices = fit.model.family.expand(own.covariances, *sizes)
        found = projections.projection(own.weights, own.means, matrices)
        return found if n_directions is None else found.first(n_directions)

    def plot_projection(
        self, X: Any = None, *, labels: Any = None, n_directions: int = 2, ax: Any = None
    ) -> Any:
        """Plot the rows along the directions that tell the components apart.

        Parameters
        ----------
        X : array or frame of shape (N, D), optional
            The rows; the training rows where None.
        labels : integer array of shape (N,), optional
            Component by which each row is drawn; the most probable one where None.
        n_directions : int, default=2
            Number of directions at most.
        ax : matplotlib Axes or array of them, optional
            Where to draw.

        Returns
        -------
        matplotlib Axes, or an array of them, one for each pair of directions
        """
        from mixtura.plots import projection

        number = Whole(1).read(n_directions, "n_directions")
        directions = self.projection().first(number)
        rows, engine = self._shown(X), self._engine()
        shown = self.posterior_.labels(rows, engine) if labels is None else labels
        values = self.posterior_.completed(rows, engine)
        return projection(self.fit_, values, shown, directions, ax=ax)

    def _checked_fit(self) -> Fit:
        check_is_fitted(self)
        return self.fit_

    def bootstrap(
        self,
        X: Any = None,
        *,
        n_replicates: int = 999,
        method: str = "nonparametric",
        random_state: Any = None,
        n_jobs: int | None = None,
        progress: "bootstrapping.Progress" = False,
    ) -> "Bootstrap":
        """Return how sure the parameters of a point fit are, by fits to replicates of the rows.

        Each replicate is fitted under the same model and priors, from the fit's parameters, and its
        components are numbered as those of the fit that are closest. Missing cells, measurement
        errors, labels, groups and a background are as in the fit: rows of one label are drawn among
        themselves, groups whole. A row of weight 2 is two rows: it is drawn twice as often, and has
        the random weight of two rows. Weights that are no whole numbers stay as factors of rows
        that are drawn, or weighted, alike.

        Parameters
        ----------
        X : array or frame of shape (N, D), optional
            The rows that were fitted, where they are not kept.
        n_replicates : int, default=999
            Number of replicates B.
        method : {"nonparametric", "weighted", "parametric"}
            Rows drawn with replacement; random weights of the rows, Dirichlet(1, ..., 1) times N
            [Rubin1981]_; or rows drawn from the fit, for weights that are whole numbers.
        random_state : int, Generator, SeedSequence, RandomState or None
            The estimator's own where None.
        n_jobs : int, optional
            Number of replicates at a time; the estimator's own where None. Answers do not depend
            on it: each replicate has random numbers of its own.
        progress : bool or callable, default=False
            True draws a bar; a function is called with the replicates that are done and all.

        Returns
        -------
        Bootstrap
            With ``standard_errors``, ``intervals(level, kind)``, ``bias``, and the replicates'
            ``weights``, ``means`` and ``covariances``. ``summary`` and ``report`` show it.

        Raises
        ------
        InvalidArgumentError
            If an argument has a value that is not allowed, or the method is not "map" or "ml".
        """
        rows = self._shown(X)
        if X is not None:
            bootstrapping.check_fitted_rows(self.fit_, rows, self._engine())
        root = arguments.seed_sequence(self.random_state if random_state is None else random_state)
        seed = np.random.SeedSequence(root.entropy, spawn_key=(*root.spawn_key, BOOTSTRAP))
        jobs = arguments.number_of_jobs(self.n_jobs if n_jobs is None else n_jobs)
        return bootstrapping.bootstrap(
            self.get_params(deep=False), self.fit_, rows, method, n_replicates, seed, jobs, progress
        )


def _numbers(value: Any, argument: str) -> Array:
    found = as_numbers_of(value, argument)
    if np.isnan(found).any():
        raise InvalidArgumentError("must be numbers, none of them NaN", argument=argument)
    return found
