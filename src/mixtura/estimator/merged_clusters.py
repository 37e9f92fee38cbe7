"""Clusters made of one or several components of a fit."""

from dataclasses import dataclass, replace
from typing import Any, Self, final

import numpy as np

from mixtura.data import ArrayRows
from mixtura.diagnostics.density_modes import DensityModes, density_modes
from mixtura.diagnostics.entropy_merging import EntropyTree, entropy_tree
from mixtura.engines import Engine, best_engine
from mixtura.errors import InvalidArgumentError, Setting
from mixtura.estimator.known_parameters import fit_of_parameters
from mixtura.estimator.predictions import Predictions
from mixtura.families import FAMILIES
from mixtura.fit import Fit
from mixtura.messages.background import BACKGROUND
from mixtura.messages.validation import OneOf, Whole
from mixtura.posteriors import DrawsPosterior
from mixtura.typing import Array, IntegerArray

WAYS = OneOf(("entropy", "modes"))
"""How components may be merged."""

MOST_DRAWS = 200
"""Draws over which the density is averaged whose modes are sought."""


@final
@dataclass(frozen=True, eq=False, repr=False)
class MergedClusters:
    """Clusters of components, beside the components of the fit.

    Parameters
    ----------
    model : GaussianMixtureModel
        The fitted model, as it was when its components were merged.
    by : str
        "entropy" or "modes".
    component_clusters : integer array of shape (K,)
        Cluster of each component; clusters are numbered by their first components.
    labels : integer array of shape (N,)
        Most probable cluster of each row that was looked at, -2 for a background.
    tree : EntropyTree, optional
        Every merge, with the entropy of the assignments before and after; of "entropy" alone.
    modes : DensityModes, optional
        Where the modes of the density are; of "modes" alone.
    """

    model: Predictions
    by: str
    component_clusters: IntegerArray
    labels: IntegerArray
    _shares: Array
    _rows: ArrayRows
    tree: EntropyTree | None = None
    modes: DensityModes | None = None

    @property
    def n_clusters(self) -> int:
        """Number of clusters."""
        return int(self.component_clusters.max()) + 1

    @property
    def components(self) -> tuple[tuple[int, ...], ...]:
        """The components of each cluster."""
        of = self.component_clusters
        return tuple(tuple(np.flatnonzero(of == c).tolist()) for c in range(self.n_clusters))

    @property
    def weights(self) -> Array:
        """Weight of each cluster: that of its components together, shape (n_clusters,)."""
        found = np.bincount(self.component_clusters, weights=self.model.weights_)
        return np.asarray(found, dtype=np.float64)

    @property
    def entropies(self) -> Array:
        """Entropy of the assignments with 1 ... M clusters, in nats, shape (M,).

        Raises
        ------
        InvalidArgumentError
            If the components were merged by modes.
        """
        return self._entropy_tree("entropies").entropies

    @property
    def change_point(self) -> int:
        """Number of clusters at which two straight lines meet that fit the entropies best.

        Raises
        ------
        InvalidArgumentError
            If the components were merged by modes.
        """
        return self._entropy_tree("change_point").change_point

    def cut(self, n_clusters: int) -> Self:
        """Return another number of clusters of the same tree.

        Raises
        ------
        InvalidArgumentError
            If there are not as many components, or they were merged by modes.
        """
        tree = self._entropy_tree("cut")
        number = Whole(1, len(tree.merges) + 1).read(n_clusters, "n_clusters")
        clusters = tree.clusters(number)
        labels = _labels(_joined(self._shares, clusters), number)
        return replace(self, component_clusters=clusters, labels=labels)

    def predict_proba(self, X: Any, measurement_error: Any = None) -> Array:
        """Return the probability of each cluster for each row, shape (N, n_clusters).

        With a background there is a last column, its own.
        """
        shares = self.model.predict_proba(X, measurement_error)
        return _joined(shares, self.component_clusters)

    def predict(self, X: Any, measurement_error: Any = None) -> IntegerArray:
        """Return the most probable cluster of each row, shape (N,); -2 for a background."""
        return _labels(self.predict_proba(X, measurement_error), self.n_clusters)

    def plot(self, *, ax: Any = None) -> np.ndarray:
        """Plot entropies and merges; returns an array of two matplotlib Axes.

        Raises
        ------
        InvalidArgumentError
            If the components were merged by modes.
        """
        from mixtura.plots import merging

        tree = self._entropy_tree("plot")
        return merging(self.model.fit_, tree, self.n_clusters, ax=ax)

    def plot_clusters(self, X: Any = None, *, ax: Any = None) -> Any:
        """Plot the rows by cluster, with the ellipse of all components of each.

        Parameters
        ----------
        X : array or frame of shape (N, D), optional
            The rows; those whose ``labels`` these are where None.
        ax : matplotlib Axes or array of them, optional
            Where to draw.

        Returns
        -------
        matplotlib Axes, or an array of them, one for each pair of features, where D > 1
        """
        from mixtura.plots import clusters

        model, engine = self.model, best_engine(1)
        rows = self._rows if X is None else model._shown(X)
        shares = _joined(model.posterior_.responsibilities(rows, engine), self.component_clusters)
        labels = _labels(shares, self.n_clusters)
        values = model.posterior_.completed(rows, engine)
        inside = labels != BACKGROUND
        missing = np.isnan(rows.values)[inside]
        return clusters(
            self._as_fit(),
            values[inside],
            labels[inside],
            imputed=missing if missing.any() else None,
            ax=ax,
        )

    def _as_fit(self) -> Fit:
        """Return a mixture of one normal distribution for each cluster, of the same moments."""
        model, own = self.model.fit_.model, self.model.fit_.parameters
        matrices = model.family.expand(own.covariances, model.n_components, model.n_features)
        means, covariances = [], []
        for members in self.components:
            shares = own.weights[list(members)]
            shares = shares / shares.sum() if shares.sum() > 0.0 else np.full(len(shares), 1.0)
            centre = shares @ own.means[list(members)]
            apart = own.means[list(members)] - centre
            inner = matrices[list(members)] + apart[:, :, None] * apart[:, None, :]
            means.append(centre)
            covariances.append(np.tensordot(shares, inner, axes=1))
        names = self.model.fit_.feature_names
        weights = self.weights / self.weights.sum()
        whole = fit_of_parameters(
            weights, np.stack(means), np.stack(covariances), FAMILIES["full"], names
        )
        return whole.named([f"cluster {number}" for number in range(self.n_clusters)])

    @property
    def sentences(self) -> tuple[str, ...]:
        """What a reader should know of the clusters."""
        fit, how = self.model.fit_, "the modes of the density"
        if self.tree is not None:
            how = f"the entropy of the assignments (change point at {self.tree.change_point})"
        size = len(self.component_clusters)
        of = "cluster" if self.n_clusters == 1 else "clusters"
        what = "component" if size == 1 else "components"
        told = [f"{self.n_clusters} {of} of {size} {what}, merged by {how}."]
        for number, (members, weight) in enumerate(zip(self.components, self.weights, strict=True)):
            names = ", ".join(fit.component_name(k, short=True) for k in members)
            held = int((self.labels == number).sum())
            one = "component" if len(members) == 1 else "components"
            rows = "1 row" if held == 1 else f"{held:,} rows"
            told.append(f"Cluster {number}: {one} {names}; weight {weight:.3g}, {rows}.")
        return tuple(told)

    def __repr__(self) -> str:
        return "\n".join(self.sentences)

    def _entropy_tree(self, what: str) -> EntropyTree:
        if self.tree is None:
            raise InvalidArgumentError(
                f"{what} needs components that were merged by entropy",
                remedy="call merge_components(by='entropy')",
            )
        return self.tree


def merged_by_entropy(
    model: Predictions, rows: ArrayRows, engine: Engine, n_clusters: int | None
) -> MergedClusters:
    """Return clusters of components that lower the entropy of the assignments most.

    Parameters
    ----------
    model : GaussianMixtureModel
        The fitted model.
    rows : ArrayRows
        The rows whose entropy is meant.
    engine : Engine
        Where they are swept.
    n_clusters : int, optional
        How many clusters; where the entropies have their change point by default.
    """
    fit = model.fit_
    refuse_mixed(fit, "merge_components")
    size = fit.model.n_components
    Whole(1, size, optional=True).read(n_clusters, "n_clusters")
    shares = fit.posterior.responsibilities(rows, engine)
    counted = rows.with_cells
    seen = fit.posterior.responsibilities(counted, engine)
    weights = counted.weights
    if fit.model.background is not None:
        # How sure it is which component a row is of, if it is of any.
        inside = seen[:, :size].sum(axis=1)
        seen = seen[:, :size] / np.where(inside > 0.0, inside, 1.0)[:, None]
        weights = inside if weights is None else weights * inside
    tree = entropy_tree(seen, weights, size)
    number = tree.change_point if n_clusters is None else n_clusters
    clusters = tree.clusters(number)
    labels = _labels(_joined(shares, clusters), number)
    return MergedClusters(model, "entropy", clusters, labels, shares, rows, tree=tree)


def merged_by_modes(
    model: Predictions, rows: ArrayRows, engine: Engine, n_clusters: int | None
) -> MergedClusters:
    """Return clusters of components from whose means the density rises to the same mode.

    The parameters are those of :func:`merged_by_entropy`. Of draws the density is their average.
    """
    if n_clusters is not None:
        raise InvalidArgumentError(
            "must be None with by='modes', where the density says how many there are",
            argument="n_clusters",
        )
    fit = model.fit_
    refuse_mixed(fit, "merge_components")
    found = density_modes(*_density(fit), fit.parameters.means)
    clusters = np.unique(found.of_start, return_inverse=True)[1]
    shares = fit.posterior.responsibilities(rows, engine)
    labels = _labels(_joined(shares, clusters), int(clusters.max()) + 1)
    return MergedClusters(model, "modes", clusters, labels, shares, rows, modes=found)


def refuse_mixed(fit: Fit, what: str) -> None:
    """Raise InvalidArgumentError where averages by component mean nothing."""
    if not fit.tells_components:
        raise InvalidArgumentError(
            f"{what} needs components that keep their meaning from draw to draw, and "
            "those of this fit are not told apart (label switching)",
            remedy=("take consensus(), or fit with ", Setting("inference", ("map", "vb"))),
        )


def _density(fit: Fit) -> tuple[Array, Array, Array]:
    """Return weights, means and matrices of the mixture whose modes are sought.

    Of draws those of up to 200 of them together.
    """
    model, posterior = fit.model, fit.posterior
    sizes = (model.n_components, model.n_features)
    if not isinstance(posterior, DrawsPosterior):
        own = fit.parameters
        return own.weights, own.means, model.family.expand(own.covariances, *sizes)
    some = posterior.thinned(MOST_DRAWS)
    drawn = [some.draw(number) for number in range(some.n_draws)]
    matrices = [model.family.expand(one.covariances, *sizes) for one in drawn]
    weights = np.concatenate([one.weights for one in drawn]) / len(drawn)
    return weights, np.concatenate([one.means for one in drawn]), np.concatenate(matrices)


def _joined(shares: Array, clusters: IntegerArray) -> Array:
    """Return shares of components (N, P), and of a background, as those of clusters."""
    n_clusters = int(clusters.max()) + 1
    found = np.zeros((len(shares), n_clusters + shares.shape[1] - len(clusters)))
    for k, cluster in enumerate(clusters):
        found[:, cluster] += shares[:, k]
    found[:, n_clusters:] = shares[:, len(clusters) :]
    return found


def _labels(shares: Array, n_clusters: int) -> IntegerArray:
    best = shares.argmax(axis=1)
    return np.where(best == n_clusters, BACKGROUND, best)
