"""What a fitted estimator answers and shows from draws of its posterior."""

from abc import ABC
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from mixtura.data import ArrayRows
from mixtura.estimator import arguments
from mixtura.estimator.views import FittedViews
from mixtura.messages.lazy import LazyModule
from mixtura.messages.validation import whole_number, whole_number_or_none
from mixtura.typing import Array, IntegerArray

if TYPE_CHECKING:
    from mixtura.diagnostics import partition_draws, posterior_summaries, predictive
    from mixtura.diagnostics.bootstrap_draws import Bootstrap
    from mixtura.diagnostics.consensus import Grouping
    from mixtura.diagnostics.evidence import Evidence
    from mixtura.diagnostics.predictive import PredictiveAccuracy
    from mixtura.posteriors import DrawsPosterior
else:  # a fit needs none of them
    posterior_summaries = LazyModule("mixtura.diagnostics.posterior_summaries")
    partition_draws = LazyModule("mixtura.diagnostics.partition_draws")
    predictive = LazyModule("mixtura.diagnostics.predictive")


class SampledViews(FittedViews, ABC):
    """Answers and pictures of an estimator whose ``posterior_`` holds draws.

    Where the posterior holds none every method but ``plot_posterior`` raises InvalidArgumentError.
    """

    def convergence(self) -> Any:
        """Return how far the draws can be believed, as a table that prints and has ``rows``.

        Rank R-hat, effective sample sizes and the Monte Carlo error of the mean [Vehtari2021]_: of
        the log joint density, the number of occupied components (where the training rows are at
        hand) and that of all (where it has a prior), which do not depend on numbers; and of
        weights, means and standard deviations of each component *after relabelling*.
        """
        from mixtura.reports import convergence

        posterior = self._draws("convergence")
        if not hasattr(self, "_training"):
            return convergence(self.fit_)
        rows = self._shown(None)
        return convergence(self.fit_, posterior_summaries.occupied(posterior, rows, self._engine()))

    def consensus(
        self, X: Any = None, *, loss: Any = "variation-of-information", level: float = 0.95
    ) -> "Grouping":
        """Return the one partition of the rows that stands for all draws, and how sure it is.

        It knows nothing of the components' numbers, nor of their number: ``labels`` has as many
        groups as the draws support.

        Parameters
        ----------
        X : array or frame of shape (N, D), optional
            At most 5000 rows; the training rows where None.
        loss : {"variation-of-information", "binder"}
            The distance between partition_draws that is small on average [WadeGhahramani2018]_.
        level : float, default=0.95
            Share of the draws in the credible ball.

        Returns
        -------
        Grouping
            With ``labels`` (N,), ``n_groups``, ``expected_loss`` and ``ball``. Variation of
            information is in nats (divided by log 2: in bits), Binder's loss a number of pairs.
        """
        posterior = self._draws("consensus")
        distance, level = arguments.partition_loss(loss), arguments.share(level, "level")
        rows = self._shown(X)
        posterior_summaries.check_pairs(rows.n_rows, "consensus")
        return posterior_summaries.grouping(self._allocated(posterior, rows), distance, level)

    def co_clustering(self, X: Any = None) -> Array:
        """Return the share of draws in which two rows are together, shape (N, N).

        X, at most 5000 rows, is the training rows where None.
        """
        posterior = self._draws("co_clustering")
        rows = self._shown(X)
        posterior_summaries.check_pairs(rows.n_rows, "co_clustering")
        return partition_draws.co_clustering(
            posterior_summaries.together(self._allocated(posterior, rows))
        )

    def loo(self, X: Any = None) -> "PredictiveAccuracy":
        """Return the expected log density of new rows by leave-one-out [VehtariGelmanGabry2017]_.

        Its ``total`` and ``error`` are in nats, and larger is better; ``difference`` compares two
        fits of the same rows; ``doubtful_rows`` are those whose estimate is not to be believed. A
        row of weight 2 is two rows; of rows in groups each group is left out as a whole, and what
        is told row by row is told of groups, and of rows on their own after them. X, where the
        training rows are not kept, must be those rows.
        """
        return self._accuracy(predictive.loo, "loo", X)

    def waic(self, X: Any = None) -> "PredictiveAccuracy":
        """Return the widely applicable information criterion as a log density [Watanabe2010]_.

        As :meth:`loo`, which is the more robust of the two.
        """
        return self._accuracy(predictive.waic, "waic", X)

    def score_errors(self, X: Any = None) -> Array:
        """Return the Monte Carlo standard error of ``score_samples`` of each row, shape (N,).

        In nats: how far the average over the draws may be from that over the posterior. Takes some
        times as long as ``score_samples``. X is the training rows where None.
        """
        posterior = self._draws("score_errors")
        return posterior_summaries.score_errors(posterior, self._shown(X), self._engine())

    def log_evidence(self, X: Any = None) -> "Evidence":
        """Return the log evidence by bridge sampling, with its Monte Carlo error, in nats.

        All numberings of the components count [FruehwirthSchnatter2019]_. Differences of two
        models' values are logs of Bayes factors. Not available where the number of components is
        found (processes, finite mixtures), with weights of unequal concentrations, known scales or
        more than 16 components. X, where the training rows are not kept, must be those rows.
        """
        posterior = self._draws("log_evidence")
        rows, engine = self._shown(X), self._engine()
        posterior_summaries.check_rows(posterior, rows, engine, "log_evidence")
        return posterior_summaries.log_evidence(posterior, rows, engine)

    def to_arviz(self, X: Any = None, *, n_draws: int | None = None) -> Any:
        """Return the draws as an ``xarray.DataTree`` in the groups that ArviZ expects.

        Groups posterior, sample_stats, log_prior, log_likelihood and posterior_predictive, all of
        the same draws; prior and prior_predictive, of one chain; and observed_data. Dimensions
        chain, draw, component, feature and obs, without those of length 1; components after
        relabelling. Needs the extra ``arviz``. A row of weight 2 is two rows.

        Parameters
        ----------
        X : array or frame of shape (N, D), optional
            The rows that were fitted, where they are not kept.
        n_draws : int, optional
            Draws of each chain, evenly spaced; all where there are no more. By default as many as
            give at most 20 million numbers for the rows.

        Raises
        ------
        MissingExtraError
            If xarray is not installed.
        """
        from mixtura.io.arviz import to_datatree

        posterior = self._draws("to_arviz")
        n_draws = whole_number_or_none(n_draws, "n_draws", 1)
        rows = self._shown(X)
        posterior_summaries.check_rows(posterior, rows, self._engine(), "to_arviz")
        counted = posterior_summaries.counted_rows(rows, "to_arviz")
        return to_datatree(self.fit_, counted, self._engine(), n_draws)

    def plot_trace(self, *, feature: int | str | None = None, ax: Any = None) -> np.ndarray:
        """Plot the draws of each chain in their order; returns an array of matplotlib Axes."""
        from mixtura.plots import trace

        self._draws("plot_trace")
        return trace(self.fit_, feature=feature, ax=ax)

    def plot_rank(self, *, feature: int | str | None = None, ax: Any = None) -> np.ndarray:
        """Plot rank histograms of the chains; returns an array of matplotlib Axes."""
        from mixtura.plots import rank

        self._draws("plot_rank")
        return rank(self.fit_, feature=feature, ax=ax)

    def plot_posterior(self, *, bootstrap: "Bootstrap | None" = None, ax: Any = None) -> np.ndarray:
        """Plot medians and 5 % and 95 % points of weights, means and standard deviations.

        Also of a variational posterior, and of a point fit with what :meth:`bootstrap` returned.
        Returns an array of matplotlib Axes.
        """
        from mixtura.plots import posterior

        check_is_fitted(self)
        self._check_own(bootstrap)
        return posterior(self.fit_, bootstrap=bootstrap, ax=ax)

    def plot_co_clustering(self, X: Any = None, *, ax: Any = None) -> Any:
        """Plot how often each two rows are together, ordered by the consensus.

        Returns the matplotlib Axes.
        """
        from mixtura.plots import co_clustering

        posterior = self._draws("plot_co_clustering")
        rows = self._shown(X)
        posterior_summaries.check_pairs(rows.n_rows, "plot_co_clustering")
        allocated = self._allocated(posterior, rows)
        found = posterior_summaries.grouping(
            allocated, partition_draws.VARIATION_OF_INFORMATION, 0.95
        )
        together = partition_draws.co_clustering(posterior_summaries.together(allocated))
        return co_clustering(together, found.labels, ax=ax)

    def plot_predictive_check(
        self, X: Any = None, *, n_replicates: int = 100, ax: Any = None
    ) -> np.ndarray:
        """Plot histograms of the rows over those of data drawn from the posterior predictive.

        Of more than four features those that separate the components best. Returns an array of
        matplotlib Axes.
        """
        from mixtura.plots import predictive_check
        from mixtura.plots.separation import best_features

        posterior = self._draws("plot_predictive_check")
        number = whole_number(n_replicates, "n_replicates", 1)
        rows = posterior_summaries.counted_rows(self._shown(X), "plot_predictive_check")
        return predictive_check(
            rows.values,
            posterior_summaries.replicates(posterior, rows, number),
            feature_names=self.fit_.feature_names,
            features=best_features(self.fit_, 4)[0].tolist(),
            ax=ax,
        )

    def _draws(self, what: str) -> "DrawsPosterior":
        check_is_fitted(self)
        return posterior_summaries.draws_of(self.fit_, what)

    def _allocated(self, posterior: "DrawsPosterior", rows: ArrayRows) -> IntegerArray:
        return posterior_summaries.allocations(posterior, rows, self._engine())

    def _accuracy(
        self, judge: "posterior_summaries.Judge", what: str, X: Any
    ) -> "PredictiveAccuracy":
        posterior = self._draws(what)
        rows, engine = self._shown(X), self._engine()
        posterior_summaries.check_rows(posterior, rows, engine, what)
        counted = posterior_summaries.counted_rows(rows, what)
        return posterior_summaries.accuracy(judge, posterior, counted, engine)
