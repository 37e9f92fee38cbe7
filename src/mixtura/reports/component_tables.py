"""The components of a fit as data and tables."""

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from mixtura.diagnostics.bootstrap_draws import Bootstrap
from mixtura.fit import Fit
from mixtura.plots.separation import feature_separation, standard_deviations
from mixtura.posteriors import DrawsPosterior, Intervals, VariationalPosterior
from mixtura.reports.numbers import count, measured, percent, ranged, share, significant
from mixtura.reports.tables import MAX_NAME, Table, name
from mixtura.typing import Array, IntegerArray

WIDE_FEATURES = 4
"""Features up to which each gets a column; more get a row each."""

WIDE_RANGED = 2
"""The same where each feature has two columns, a mean and a standard deviation with intervals."""

MAX_FEATURES = 30
"""Features that tables show; of more, those that separate the components best."""

MAX_CELLS = 400
"""Features times components that tables show, but for four features at least."""


@final
@dataclass(frozen=True, eq=False)
class Components:
    """What a reader wants to know about each component.

    Parameters
    ----------
    features : tuple of str
        Names of the features, as the user wrote them.
    weights : array of shape (K,)
        Mixture weights.
    means, deviations : arrays of shape (K, D)
        Mean and standard deviation of each feature, in the data's units.
    separation : array of shape (D,)
        Share of each feature's variance that lies between components.
    n_assigned : integer array of shape (K,), optional
        Rows assigned to each component; None without rows.
    expected : array of shape (K,), optional
        Sum of the (weighted) responsibilities of each component; None without them.
    intervals : Intervals, optional
        Where weights, means and standard deviations lie; None of a point estimate.
    n_empty : int, default=0
        Further components, left out here, that hold less than half a row: of fits whose prior
        finds the number of components itself.
    n_clusters : float, optional
        Posterior expectation of the number of components that hold a row, of such fits unless
        the next is known; of draws their mean.
    numbers : array of shape (K,), optional
        Posterior probabilities of 1 ... K components, where their number has a prior.
    groups : array of shape (K,), optional
        Posterior probabilities of 1 ... K components that hold a row; None without draws or rows.
    is_found : bool, default=False
        Whether the prior finds the number of components itself.
    knows_deviations : bool, default=False
        Whether the prior says what the standard deviations are.
    names : tuple of str
        Names of the first components, those of known labels; the others have numbers.
    interval_words : str
        What the intervals are, where they are not those of the posterior.
    """

    features: tuple[str, ...]
    weights: Array
    means: Array
    deviations: Array
    separation: Array
    n_assigned: IntegerArray | None = None
    expected: Array | None = None
    intervals: Intervals | None = None
    n_empty: int = 0
    n_clusters: float | None = None
    numbers: Array | None = None
    groups: Array | None = None
    is_found: bool = False
    knows_deviations: bool = False
    names: tuple[str, ...] = ()
    interval_words: str = ""

    @classmethod
    def of(
        cls,
        fit: Fit,
        labels: Any = None,
        responsibilities: Any = None,
        weights: Any = None,
        occupied: IntegerArray | None = None,
        bootstrap: Bootstrap | None = None,
    ) -> "Components":
        """Return the components of a fit, with the rows that they hold where these are known.

        ``occupied`` (C, S) is how many hold rows under each of some draws; a bootstrap has the
        intervals of a point.
        """
        n_components = fit.model.n_components
        if labels is None and responsibilities is not None:
            labels = np.asarray(responsibilities).argmax(axis=1)
        assigned = None
        if labels is not None:
            numbers = np.asarray(labels, dtype=np.intp)
            # Rows of a background are of no component.
            assigned = np.bincount(numbers[numbers >= 0], minlength=n_components)[:n_components]
        expected = None
        if responsibilities is not None:
            shares = np.asarray(responsibilities)
            expected = shares.sum(axis=0) if weights is None else np.asarray(weights) @ shares
            expected = expected[:n_components]
        parameters, shown = fit.parameters, slice(None)
        is_found = fit.model.weight_prior.finds_components
        if is_found:
            shown = slice(n_occupied(fit, assigned))
        groups = None
        if occupied is not None:
            groups = np.bincount(occupied.ravel(), minlength=n_components + 1)[1:] / occupied.size
        return cls(
            fit.feature_names,
            parameters.weights[shown],
            parameters.means[shown],
            standard_deviations(fit)[shown],
            feature_separation(fit),
            None if assigned is None else assigned[shown],
            None if expected is None else expected[shown],
            fit.posterior.intervals(n_first=shown.stop)
            if bootstrap is None
            else bootstrap.intervals().of_first(shown.stop),
            n_components - len(parameters.weights[shown]),
            _n_clusters(fit, responsibilities, weights, occupied),
            number_probabilities(fit),
            groups,
            is_found,
            fit.model.component_prior.fixes_covariances,
            fit.classes.component_names(),
            "" if bootstrap is None else bootstrap.interval_words,
        )

    @property
    def n_components(self) -> int:
        """Number of components K."""
        return self.weights.size

    def name(self, k: int, *, short: bool = False) -> str:
        """Return what a component is called: by the name of its label, or its number."""
        if k < len(self.names):
            return name(self.names[k], 32)
        return str(k) if short else f"component {k}"

    def tables(self, per_block: int = 8, *, wide: bool | None = None) -> tuple[Table, ...]:
        """Return the components as tables.

        Up to four features (two where intervals are known), one table with a row for each
        component. More features, one table of weights and, for every so many components, one with
        a row for each feature (two where intervals are known).

        Parameters
        ----------
        per_block : int, default=8
            Components side by side where features are rows; half as many, rounded up, where
            intervals are known.
        wide : bool, optional
            Whether features are columns; by default up to four (or two) are.
        """
        if wide is None:
            most = WIDE_FEATURES if self.intervals is None else WIDE_RANGED
            wide = len(self.features) <= most
        sizes = self._sizes()
        if wide:
            return (self._wide(sizes),)
        if self.intervals is not None:
            per_block = (per_block + 1) // 2
        blocks = range(0, self.n_components, per_block)
        return (
            sizes,
            *(self._block(range(b, min(b + per_block, self.n_components))) for b in blocks),
        )

    def _sizes(self) -> Table:
        columns, rows = ["component", "weight"], []
        for k in range(self.n_components):
            row = [self.name(k, short=True), self._weight(k)]
            if self.n_assigned is not None:
                row.append(count(float(self.n_assigned[k])))
            if self.expected is not None:
                row.append(count(round(float(self.expected[k]), 1)))
            rows.append(tuple(row))
        if self.n_assigned is not None:
            columns.append("rows")
        if self.expected is not None:
            columns.append("expected")
        notes = []
        if self.intervals is not None:
            notes.append(self.interval_words or bracket_words(self.intervals))
        if self.expected is not None:
            notes.append(
                "Rows: those most probably of the component. Expected: the sum of their "
                "probabilities."
            )
        note = " ".join(notes)
        listed = tuple(range(self.n_components))
        return Table("Components", tuple(columns), tuple(rows), note, components=listed)

    def _wide(self, sizes: Table) -> Table:
        features = range(len(self.features))
        columns = sizes.columns + tuple(
            self._label(d, what, 32) for d in features for what in self._kinds
        )
        rows = tuple(
            row + tuple(cell for d in features for cell in self._cells(k, d))
            for k, row in enumerate(sizes.rows)
        )
        told = "mean (standard deviation)"
        if self.intervals is not None:
            told = "mean and standard deviation (sd)"
        note = f"Features: {told}. {sizes.note}".rstrip()
        return Table(sizes.title, columns, rows, note, components=sizes.components)

    def _block(self, components: range) -> Table:
        shown, note = self.shown_features(max(4, min(MAX_FEATURES, MAX_CELLS // self.n_components)))
        head = "mean (sd) of" if self.intervals is None else "feature"
        columns = (head, *(self.name(k) for k in components))
        rows = tuple(
            (self._label(d, what), *(self._cells(k, d)[i] for k in components))
            for d in shown
            for i, what in enumerate(self._kinds)
        )
        span = f"component {components[0]}"
        if len(components) > 1:
            span = f"components {components[0]} to {components[-1]}"
        return Table(f"Features of {span}", columns, rows, note)

    def shown_features(self, limit: int) -> tuple[list[int], str]:
        """Return the features that tables show, in the data's order, and what is left out."""
        n_features = len(self.features)
        if n_features <= limit:
            return list(range(n_features)), ""
        order = np.argsort(-self.separation, kind="stable")[:limit]
        note = (
            f"The {limit} of {n_features} features that separate the components best; the JSON "
            "report has all."
        )
        return sorted(order.tolist()), note

    def measured(self, k: int, d: int) -> tuple[str, str]:
        """Return mean and standard deviation of a feature, to one place for all components."""
        finest = float(self.deviations[:, d].min())
        return measured(float(self.means[k, d]), float(self.deviations[k, d]), finest)

    @property
    def _kinds(self) -> tuple[str, ...]:
        """What is told of each feature, each in a cell of its own."""
        return ("",) if self.intervals is None else ("mean", "sd")

    def _label(self, d: int, what: str, limit: int = MAX_NAME) -> str:
        return f"{name(self.features[d], limit)} {what}".rstrip()

    def _cells(self, k: int, d: int) -> tuple[str, ...]:
        if self.intervals is None:
            mean, deviation = self.measured(k, d)
            return (f"{mean} ({deviation})",)
        mean = _ranged(self.means, self.intervals.means, k, d)
        if self.knows_deviations:
            return (mean, f"{significant(float(self.deviations[k, d]))} (known)")
        return (mean, _ranged(self.deviations, self.intervals.deviations, k, d))

    def _weight(self, k: int) -> str:
        told = share(float(self.weights[k]))
        if self.intervals is None or self.n_components == 1:
            return told
        low, high = (share(float(end)) for end in self.intervals.weights[:, k])
        return f"{told} [{low}, {high}]"

    def records(self) -> list[dict[str, Any]]:
        """Return one dictionary for each component, in full precision."""
        names = distinct_names(self.features)
        records = []
        for k in range(self.n_components):
            record: dict[str, Any] = {"component": k, "weight": float(self.weights[k])}
            if self.names:
                record["name"] = self.names[k] if k < len(self.names) else ""
            if self.n_assigned is not None:
                record["rows"] = int(self.n_assigned[k])
            if self.expected is not None:
                record["expected_rows"] = float(self.expected[k])
            for d, feature in enumerate(names):
                record[f"{feature} mean"] = float(self.means[k, d])
                record[f"{feature} sd"] = float(self.deviations[k, d])
            record |= self._ends(k, names)
            records.append(record)
        return records

    def _ends(self, k: int, names: list[str]) -> dict[str, float]:
        """Return the ends of a component's intervals by name; none of a point estimate."""
        if self.intervals is None:
            return {}
        ends: dict[str, float] = {}
        for i, probability in enumerate(self.intervals.probabilities):
            at = percent(probability)
            ends[f"weight {at}"] = float(self.intervals.weights[i, k])
            for d, feature in enumerate(names):
                ends[f"{feature} mean {at}"] = float(self.intervals.means[i, k, d])
                ends[f"{feature} sd {at}"] = float(self.intervals.deviations[i, k, d])
        return ends


def _ranged(values: Array, ends: Array, k: int, d: int) -> str:
    """Return a component's value of a feature with its interval, to one place for all of them."""
    narrowest = float(np.diff(ends[:, :, d], axis=0).min())
    return ranged(float(values[k, d]), float(ends[0, k, d]), float(ends[1, k, d]), narrowest)


def bracket_words(intervals: Intervals) -> str:
    """Return what the brackets of a table hold."""
    low, high = (percent(probability) for probability in intervals.probabilities)
    return f"In brackets: points below which the value lies with a probability of {low} and {high}."


def n_occupied(fit: Fit, assigned: IntegerArray | None) -> int:
    """Return how many components are shown: up to the last that holds half a row or more."""
    posterior = fit.posterior
    if isinstance(posterior, VariationalPosterior):
        count = posterior.statistics.count
    else:
        count = fit.total_weight * fit.parameters.weights
    holds = count > 0.5 * fit.total_weight / fit.n_rows
    if assigned is not None:  # of other rows than those that were fitted, perhaps
        holds = holds | (assigned > 0)
    return max(int(np.flatnonzero(holds).max(initial=0)) + 1, 1)


def number_probabilities(fit: Fit) -> Array | None:
    """Return the posterior probabilities (K,) of 1 ... K components; None where K is given."""
    posterior = fit.posterior
    if not fit.model.weight_prior.has_random_number or not isinstance(posterior, DrawsPosterior):
        return None
    return posterior.number_probabilities()


def _n_clusters(
    fit: Fit, responsibilities: Any, weights: Any, occupied: IntegerArray | None
) -> float | None:
    """Return the expected number of components with a row under a process, where it is known."""
    prior = fit.model.weight_prior
    if not prior.finds_components or prior.has_random_number:
        return None
    if isinstance(fit.posterior, DrawsPosterior):
        return None if occupied is None else float(occupied.mean())
    if responsibilities is None:
        return None
    return expected_clusters(np.asarray(responsibilities), weights)


def expected_clusters(responsibilities: Array, weights: Any = None) -> float:
    """Return the expected number of components that hold a row.

    ``sum_k [1 - prod_n (1 - r_nk)^w_n]``

    Parameters
    ----------
    responsibilities : array of shape (N, K)
        Probabilities of the components for each row.
    weights : array of shape (N,), optional
        Weights of the rows.
    """
    with np.errstate(divide="ignore"):
        logs = np.log1p(-np.minimum(responsibilities, 1.0))
    counted = np.ones(len(logs)) if weights is None else np.asarray(weights, dtype=float)
    seen = counted > 0.0
    return float(-np.expm1((counted[seen, None] * logs[seen]).sum(axis=0)).sum())


def distinct_names(features: tuple[str, ...]) -> list[str]:
    """Return the names with a number added to those that occur before."""
    taken: set[str] = set()
    names = []
    for feature in features:
        candidate, repeat = str(feature), 1
        while candidate in taken:
            repeat += 1
            candidate = f"{feature} ({repeat})"
        taken.add(candidate)
        names.append(candidate)
    return names
