"""A matrix of scatter plots with the components' ellipses."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np

from mixtura.fit import Fit
from mixtura.plots.canvas import axes_grid
from mixtura.plots.curves import MarginalCurves, draw_components
from mixtura.plots.observations import subsample
from mixtura.plots.separation import best_features
from mixtura.plots.style import (
    IMPUTED_SENTENCE,
    MANY_COMPONENTS,
    MAX_LEGEND,
    PLAIN_TEXT,
    RASTER_THRESHOLD,
    component_colour,
    component_legend,
    component_marker,
    ink,
    label_x,
    label_y,
    open_frame,
    paper,
    point_look,
)
from mixtura.plots.text import MAX_LENGTH
from mixtura.typing import Array, BooleanArray, IntegerArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

MAX_POINTS = 10_000
ELLIPSE_SENTENCE = "ellipses at 2 standard deviations"


@final
@dataclass(frozen=True, eq=False)
class Cloud:
    """Assigned rows that are drawn, and the components' covariance matrices.

    Parameters
    ----------
    fit : Fit
        The fit.
    rows : array of shape (n, D)
        The rows drawn.
    labels : integer array of shape (n,)
        Component of each of them.
    sentence : str
        What was left out, if anything.
    imputed : boolean array of shape (n, D), optional
        Which of their values were missing and are imputed.
    """

    fit: Fit
    rows: Array
    labels: IntegerArray
    sentence: str
    imputed: BooleanArray | None = None

    @classmethod
    def of(
        cls, fit: Fit, rows: Array, labels: IntegerArray, imputed: BooleanArray | None = None
    ) -> "Cloud":
        """Return the cloud of at most 10,000 of the rows."""
        kept, sentence = subsample(rows.shape[0], MAX_POINTS)
        marks = None if imputed is None else imputed[kept]
        return cls(fit, rows[kept], labels[kept], sentence, marks)

    def hollow(self, *features: int) -> BooleanArray:
        """Return which rows have an imputed value in some features, shape (n,)."""
        if self.imputed is None:
            return np.zeros(len(self.rows), dtype=bool)
        return np.asarray(self.imputed[:, list(features)].any(axis=1))

    def covariances(self, first: int, second: int) -> Array:
        """Return the components' covariance matrices of two features, shape (K, 2, 2)."""
        model = self.fit.model
        matrices = model.family.expand(
            self.fit.parameters.covariances, model.n_components, model.n_features
        )
        return matrices[:, [first, second]][:, :, [first, second]]


def draw_pairs(cloud: Cloud, max_features: int, ax: Any, figure: "FigureBase | None") -> np.ndarray:
    """Draw features against each other; return the (n, n) array of axes."""
    features, chosen = best_features(cloud.fit, max_features)
    n = features.size
    # Two features get one large scatter plot with the marginal densities at its edges.
    ratios = {"width_ratios": (3, 1), "height_ratios": (1, 3)} if n == 2 else {}
    side = 5.6 if n == 2 else 2.1 * n + 0.4
    axes = axes_grid(ax, figure, (n, n), (side + 0.4, side), **ratios)
    for i, row in enumerate(features):
        for j, column in enumerate(features):
            if j > i:
                axes[i, j].set_axis_off()
            elif i == j:
                _draw_marginal(axes[i, i], cloud, int(row), upright=n != 2 or i == 0)
            else:
                draw_scatter(axes[i, j], cloud, int(column), int(row), small=n > 2)
    _share_scales(axes)
    _label_edges(axes, [cloud.fit.feature_names[f] for f in features])
    _explain(axes[0, n - 1], cloud, n, chosen)
    return axes


def draw_scatter(ax: "Axes", cloud: Cloud, first: int, second: int, *, small: bool) -> None:
    """Draw rows and ellipses in two features."""
    many = cloud.labels.size > RASTER_THRESHOLD
    size = 3.0 if many else (4.0 if small else 5.5)
    hollow = cloud.hollow(first, second)
    for k in range(cloud.fit.n_parts):
        member = cloud.labels == k
        ax.scatter(
            cloud.rows[member, first],
            cloud.rows[member, second],
            s=size**2,
            marker=component_marker(k),
            rasterized=many,
            **point_look(
                k,
                hollow[member],
                edgecolors="none" if many else paper(),
                linewidths=0.0 if many else 0.3,
                alpha=0.5 if many else 0.85,
            ),
        )
    ax.autoscale_view()
    draw_ellipses(ax, cloud, first, second)
    open_frame(ax)


def draw_ellipses(ax: "Axes", cloud: Cloud, first: int, second: int, *, means: bool = True) -> None:
    """Draw the components' ellipses at two standard deviations, and (by default) their means."""
    from matplotlib.patches import Ellipse

    centres = cloud.fit.parameters.means[:, [first, second]]
    for k, matrix in enumerate(cloud.covariances(first, second)):
        width, height, angle = _ellipse_axes(matrix)
        ellipse = Ellipse(
            centres[k], 4.0 * width, 4.0 * height, angle=angle, fill=False, linewidth=1.3
        )
        ellipse.set_edgecolor(component_colour(k))
        ax.add_patch(ellipse)
        if not means:
            continue
        ax.plot(
            *centres[k],
            marker=component_marker(k),
            color=component_colour(k),
            markeredgecolor=ink(),
            markersize=7,
            markeredgewidth=1.0,
            zorder=4,
        )


def _ellipse_axes(matrix: Array) -> tuple[float, float, float]:
    """Return the standard deviations along the principal axes, and the first one's angle."""
    values, vectors = np.linalg.eigh(matrix)
    deviations = np.sqrt(np.maximum(values, 0.0))
    angle = float(np.degrees(np.arctan2(vectors[1, 1], vectors[0, 1])))
    return float(deviations[1]), float(deviations[0]), angle


def _draw_marginal(ax: "Axes", cloud: Cloud, feature: int, *, upright: bool) -> None:
    marginals = MarginalCurves.of(cloud.fit, feature)
    draw_components(ax, marginals, upright=upright)
    top = 1.1 * marginals.ceiling(total=False)[0]
    if upright:
        ax.set_ylim(0.0, top)
        ax.set_yticks([])
        ax.spines["left"].set_visible(False)
    else:
        ax.set_xlim(0.0, top)
        ax.set_xticks([])
        ax.spines["bottom"].set_visible(False)
    open_frame(ax)


def _share_scales(axes: np.ndarray) -> None:
    """Give every column one horizontal scale and every row of scatter plots one vertical scale."""
    n = axes.shape[0]
    for i in range(n):
        along = [axes[r, i] for r in range(i + 1, n)]
        across = [axes[i, c] for c in range(i)]
        limits = [ax.get_xlim() for ax in along] + [ax.get_ylim() for ax in across]
        low, high = min(pair[0] for pair in limits), max(pair[1] for pair in limits)
        for ax in along:
            ax.set_xlim(low, high)
        for ax in across:
            ax.set_ylim(low, high)
        if n == 2 and i == 1:
            axes[i, i].set_ylim(low, high)
        else:
            axes[i, i].set_xlim(low, high)


def _label_edges(axes: np.ndarray, names: list[str]) -> None:
    n = axes.shape[0]
    limit = MAX_LENGTH if n == 2 else 20
    for i in range(n):
        for j in range(i + 1):
            if i < n - 1:
                axes[i, j].tick_params(labelbottom=False)
            if j > 0:
                axes[i, j].tick_params(labelleft=False)
        if i > 0:
            label_y(axes[i, 0], names[i], limit)
        if n > 2 or i == 0:
            label_x(axes[n - 1, i], names[i], limit)
        axes[n - 1, i].tick_params(axis="x", labelrotation=30 if n > 2 else 0)


def _explain(corner: "Axes", cloud: Cloud, n_features: int, chosen: str) -> None:
    """Put the legend into the empty upper right corner."""
    n_components = cloud.fit.n_parts
    marked = IMPUTED_SENTENCE if cloud.hollow(*range(cloud.rows.shape[1])).any() else ""
    sentences = [s for s in (ELLIPSE_SENTENCE, marked, chosen, cloud.sentence) if s]
    drawn = component_legend(
        corner,
        cloud.fit,
        title="\n".join(sentences),
        title_fontsize="small",
        alignment="right",
        loc="upper right",
        bbox_to_anchor=(1.0, 1.0),
        ncols=-(-min(n_components, MAX_LEGEND) // 7),
    )
    drawn.get_title().set(**PLAIN_TEXT, multialignment="right")
    # The legend spreads over its empty neighbours; the layout must not make room for it.
    drawn.set_in_layout(n_features == 2 and n_components <= MANY_COMPONENTS)
