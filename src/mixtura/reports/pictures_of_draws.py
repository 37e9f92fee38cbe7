"""What a report shows of draws: their pictures and the same as numbers."""

from dataclasses import dataclass
from typing import final

import numpy as np

from mixtura import plots
from mixtura.data import ArrayRows
from mixtura.diagnostics import posterior_summaries
from mixtura.diagnostics.checks import predictive_checks
from mixtura.diagnostics.consensus import Consensus, consensus_partition
from mixtura.diagnostics.partition_draws import VARIATION_OF_INFORMATION, co_clustering
from mixtura.engines import Engine
from mixtura.fit import Fit
from mixtura.plots.quantities import listed_components, quantities
from mixtura.plots.rank import rank_histograms
from mixtura.plots.separation import best_features
from mixtura.posteriors import DrawsPosterior
from mixtura.reports.numbers import count, significant
from mixtura.reports.pictures import Drawing
from mixtura.reports.tables import Table, name, truncated
from mixtura.typing import Array, IntegerArray

MOST_ROWS = 2_000
"""Rows up to which a report looks at every row under many draws."""

MOST_DRAWS = 200
"""Draws under which rows get components for a report, of all chains together."""

N_REPLICATES = 100
MAX_STEPS = 50
MAX_FEATURES = 2
MAX_GROUPS = 10
MAX_ROWS = 30
QUARTERS = 4


@final
@dataclass(frozen=True, eq=False)
class SampledRows:
    """What draws say of the rows of a report.

    Parameters
    ----------
    rows : array of shape (N, D)
        The rows, each as often as its weight says.
    allocations : integer array of shape (C, S, N)
        Components drawn for the rows.
    replicates : array of shape (R, N, D)
        Data drawn from the posterior predictive.
    consensus : Consensus
        Their consensus.
    together : array of shape (N, N)
        Share of draws in which two rows are together.
    """

    rows: Array
    allocations: IntegerArray
    replicates: Array
    consensus: Consensus
    together: Array

    @classmethod
    def of(cls, fit: Fit, given: ArrayRows, engine: Engine) -> "SampledRows | None":
        """Return what draws say of rows; None without draws, of no rows, or of too many."""
        posterior = fit.posterior
        if not isinstance(posterior, DrawsPosterior) or not 0 < given.n_rows <= MOST_ROWS:
            return None
        rows, weights = given, given.weights
        if weights is not None and (weights == np.rint(weights)).all():
            rows = posterior_summaries.counted_rows(given, "report")
        allocated = posterior.allocations(given, engine, MOST_DRAWS)
        draws = posterior_summaries.together(allocated)
        return cls(
            rows.values,
            allocated,
            posterior_summaries.replicates(posterior, rows, N_REPLICATES),
            # For a picture the two starts that chance has no part in will do.
            consensus_partition(draws, VARIATION_OF_INFORMATION, n_starts=0),
            co_clustering(draws),
        )


def draws_drawings(fit: Fit) -> list[Drawing]:
    """Return the drawings of draws alone, without rows."""
    listed, n_features = listed_components(fit), fit.model.n_features
    shown = min(n_features, MAX_FEATURES)
    n_panels = 1 + (fit.model.n_components > 1) + 1
    height = (0.6 + 0.17 * len(listed)) * (1 + shown) + 0.3
    return [
        Drawing(
            "posterior",
            "What is known of each component",
            "Median, 5 % and 95 % points of the draws, after the components were relabelled.",
            (6.4, min(height, 9.0)),
            lambda figure: plots.posterior(fit, max_features=shown, figure=figure),
            _posterior_numbers(fit, shown),
        ),
        Drawing(
            "trace",
            "The draws in their order",
            "Chains side by side. Chains that agree look alike, without steps or trends.",
            (6.4, 1.3 * n_panels + 0.7),
            lambda figure: plots.trace(fit, max_features=1, max_steps=MAX_STEPS, figure=figure),
            _trace_numbers(fit),
        ),
    ]


def rank_drawing(fit: Fit) -> Drawing:
    """Return the drawing of rank histograms."""
    n_panels = min(9, 1 + len(listed_components(fit)) * (1 + (fit.model.n_components > 1)))
    return Drawing(
        "rank",
        "Whether the chains agree",
        "How each chain's draws rank among those of all. Where chains agree every line is flat; "
        "the grey band is for independent draws.",
        (6.4, 1.35 * -(-n_panels // 3) + 0.7),
        lambda figure: plots.rank(fit, figure=figure),
        _rank_numbers(fit),
    )


def rows_drawings(fit: Fit, sampled: SampledRows) -> list[Drawing]:
    """Return the drawings of what draws say of rows."""
    features = best_features(fit, MAX_FEATURES)[0].tolist()
    drawings = [
        Drawing(
            "predictive_check",
            "Whether the model makes data like these",
            "Counts of the rows beside those of data drawn from the fitted model.",
            (6.4, 2.0 * -(-len(features) // 2) + 0.5),
            lambda figure: plots.predictive_check(
                sampled.rows,
                sampled.replicates,
                feature_names=fit.feature_names,
                features=features,
                figure=figure,
            ),
            _check_numbers(fit, sampled, features),
        )
    ]
    if fit.model.n_components > 1:
        drawings.append(
            Drawing(
                "co_clustering",
                "Which rows belong together",
                "In what share of the draws each two rows are together, whatever the components' "
                "numbers; rows by the groups of the consensus.",
                (4.6, 3.8),
                lambda figure: plots.co_clustering(
                    np.round(10.0 * sampled.together) / 10.0,
                    sampled.consensus.labels,
                    figure=figure,
                ),
                _group_numbers(sampled),
            )
        )
    return drawings


def _trace_numbers(fit: Fit) -> Table:
    draws = quantities(fit, "report", None, 1)[0].draws
    rows = [
        (str(chain), *(significant(float(f(values)), 6) for f in (np.mean, np.std, np.min, np.max)))
        for chain, values in enumerate(draws)
    ]
    kept, note = truncated(rows, MAX_ROWS, "chains")
    columns = ("chain", "mean", "standard deviation", "smallest", "largest")
    return Table("Log joint density of the draws (nats)", columns, kept, note)


def _rank_numbers(fit: Fit) -> Table:
    draws = quantities(fit, "report", None, 1)[0].draws
    counts, _ = rank_histograms(draws, QUARTERS)
    rows = [(str(chain), *(f"{number:,}" for number in line)) for chain, line in enumerate(counts)]
    kept, note = truncated(rows, MAX_ROWS, "chains")
    n_bins = counts.shape[1]
    columns = ("chain", *(f"part {i + 1} of {n_bins}" for i in range(n_bins)))
    return Table("Draws by the rank of their log joint density", columns, kept, note)


def _posterior_numbers(fit: Fit, n_features: int) -> Table:
    posterior = posterior_summaries.draws_of(fit, "report")
    features = best_features(fit, n_features)[0].tolist()
    parts = [("weight", posterior.weights)]
    for d in features:
        told = name(fit.feature_names[d], 24)
        parts.append((f"mean of {told}", posterior.means[:, :, :, d]))
        parts.append((f"sd of {told}", posterior.scales[:, :, :, d]))
    rows = [
        (
            f"{name(fit.component_name(k), 24)}: {what}",
            *(significant(float(q)) for q in np.quantile(draws[:, :, k], (0.05, 0.5, 0.95))),
        )
        for k in listed_components(fit)
        for what, draws in parts
    ]
    kept, note = truncated(rows, MAX_ROWS, "parameters")
    return Table("Points of the draws", ("parameter", "5 %", "median", "95 %"), kept, note)


def _check_numbers(fit: Fit, sampled: SampledRows, features: list[int]) -> Table:
    found = predictive_checks(sampled.rows[:, features], sampled.replicates[:, :, features])
    rows = [
        (
            f"{statistic} of {name(fit.feature_names[feature], 24)}",
            significant(float(check.observed[i])),
            *(significant(float(q)) for q in np.quantile(check.replicated[:, i], (0.05, 0.95))),
            f"{check.p_values[i]:.2f}",
        )
        for i, feature in enumerate(features)
        for statistic, check in found.items()
    ]
    columns = ("statistic", "data", "replicated, 5 %", "95 %", "share above the data")
    note = "A share near 0 or 1: the model does not make data like these in this respect."
    return Table("Statistics of the data and of replicates", columns, tuple(rows), note)


def _group_numbers(sampled: SampledRows) -> Table:
    labels = sampled.consensus.labels
    sizes = np.bincount(labels)
    inside = labels[:, None] == np.arange(sizes.size)
    shares = inside.T @ sampled.together @ inside / np.outer(sizes, sizes)
    listed = np.argsort(-sizes, kind="stable")[:MAX_GROUPS]
    rows = tuple(
        (str(g), count(float(sizes[g])), *(f"{shares[g, h]:.2f}" for h in listed)) for g in listed
    )
    note = f"The {MAX_GROUPS} largest of {sizes.size} groups." if sizes.size > MAX_GROUPS else ""
    columns = ("group", "rows", *(f"with {h}" for h in listed))
    return Table("Share of draws in which rows of two groups are together", columns, rows, note)
