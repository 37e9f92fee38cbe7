"""What analysts do with a fit: clusters of components, and how sure its parameters are."""

from abc import ABC
from copy import copy
from typing import TYPE_CHECKING, Any

import numpy as np

from mixtura.estimator.posterior_views import SampledViews
from mixtura.messages.lazy import LazyModule

if TYPE_CHECKING:
    from mixtura.estimator import merged_clusters
    from mixtura.estimator.merged_clusters import MergedClusters
else:  # a fit needs none of them
    merged_clusters = LazyModule("mixtura.estimator.merged_clusters")


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
