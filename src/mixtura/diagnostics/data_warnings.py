"""Doubts about data before anything is fitted: numbers that are no measurements.

Each check takes what is known of the rows and returns a doubt or None; ``CHECKS`` is all of them.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import final

import numpy as np

from mixtura.data import ArrayRows
from mixtura.diagnostics.component_warnings import named_columns
from mixtura.diagnostics.dependence import Dependence, dependences
from mixtura.engines.resolution import resolution
from mixtura.engines.sorting import SortedColumns, sorted_columns
from mixtura.errors import DataWarning, Doubt, Message, Setting
from mixtura.priors.elicitation import OverallMoments
from mixtura.typing import Array

MOST_LABELS = 10
"""Distinct values of a column that may be labels."""

ROWS_OF_A_LABEL = 10.0
"""Weight of the rows that every value of a column of labels holds."""

ROWS_OF_A_SENTINEL = 3.0
"""Weight of the rows that a number holds which stands for missing cells."""

MOST_SENTINELS = 3
"""Columns that are named."""

FEWEST_IDENTIFIERS = 21
TIES_OF_MEASUREMENTS = 10.0
"""Ties that are expected where as many whole numbers are spread at random over their range: none
at all, where so many are expected, has a probability below 1e-4."""

SAME_RANGE = 2e-3
"""How far the range of a sample of consecutive numbers may be from that of all."""

NAMES_OF_IDENTIFIERS = {
    *("id", "ids", "identifier", "uuid", "guid", "index", "idx", "key", "unnamed", "rowid"),
    *("rownumber", "serial"),
}

LIGHTEST, HEAVIEST, HEAVIEST_FRACTION = 0.1, 1e3, 10.0
"""Average weights of rows beyond which weights are doubtful; fractions are doubtful earlier."""


@final
@dataclass(frozen=True, eq=False)
class DataFacts:
    """What is known of rows before a fit.

    Parameters
    ----------
    columns : SortedColumns
        Of the rows or a sample of them.
    moments : OverallMoments
        Mean and covariance of the rows.
    spacing : array of shape (D,)
        Resolution of each column, as :func:`mixtura.engines.resolution.resolution` finds it.
    n_components : int
        Number of components K that is to be fitted.
    names : tuple of str
        Names of the D columns.
    dependences : tuple of Dependence
        Linear equations among columns.
    """

    columns: SortedColumns
    moments: OverallMoments
    spacing: Array
    n_components: int
    names: tuple[str, ...]
    dependences: tuple[Dependence, ...]

    @property
    def dependent(self) -> tuple[int, ...]:
        """Columns that are tied together by linear equations."""
        return tuple(sorted(column for one in self.dependences for column in one.columns))

    def named(self, columns: Iterable[int]) -> str:
        """Return columns in words."""
        return named_columns([self.names[column] for column in columns])


def facts_of(
    columns: SortedColumns,
    moments: OverallMoments,
    spacing: Array,
    n_components: int,
    names: tuple[str, ...],
) -> DataFacts:
    """Return what is known of rows; see :class:`DataFacts`."""
    found: tuple[Dependence, ...] = ()
    if columns.n_rows > 2:  # two rows are always on a line
        units = 1.0 if moments.factor is None else moments.factor
        rounding = (spacing * units) ** 2 / 12.0 / moments.variances
        found = dependences(moments.correlations, rounding, columns.n_distinct_rows)
    return DataFacts(columns, moments, spacing, n_components, names, found)


def data_doubts(facts: DataFacts) -> tuple[Doubt, ...]:
    """Return every doubt about the data, in the order of ``CHECKS``."""
    said = (check(facts) for check in CHECKS)
    return tuple(Doubt(DataWarning, message) for message in said if message)


def spacing(values: Array) -> float:
    """Return how far apart the numbers are that a column of values (N,) can hold; 0 for any."""
    columns = sorted_columns(ArrayRows(values[:, np.newaxis]), values.size, float(values.size))
    return float(resolution(columns)[0])


def too_few_rows(facts: DataFacts) -> str:
    """Return the doubt that there are fewer rows than components."""
    n_rows, n_components = facts.columns.n_rows, facts.n_components
    if n_rows >= n_components:
        return ""
    return fewer_rows(n_rows, n_components)


def fewer_rows(n_rows: int, n_components: int) -> Message:
    """Return what is said where there are fewer rows than components."""
    return Message(
        f"there are fewer rows ({n_rows}) than components ({n_components})",
        remedy=("lower ", Setting("n_components")),
    )


def constant_columns(facts: DataFacts) -> str:
    """Return the doubt that columns are constant."""
    constant = facts.moments.constant
    if facts.columns.n_rows < 2 or not constant.any():
        return ""
    which = facts.named(np.flatnonzero(constant))
    return Message(f"constant {which}: nothing to tell clusters apart by", remedy="leave out")


def repeated_columns(facts: DataFacts) -> str:
    """Return the doubt that columns are one another in other units."""
    alike = [one.columns for one in facts.dependences if one.is_repetition]
    if not alike:
        return ""
    which = facts.named(sorted(column for group in alike for column in group))
    return Message(
        f"{which}: each has a correlation of 1 or -1 with another of them",
        remedy="keep one of those alike, or look for an outlier",
    )


def dependent_columns(facts: DataFacts) -> str:
    """Return the doubt that columns follow from others: parts of a whole, codes, sums."""
    tied = [one for one in facts.dependences if not one.is_repetition]
    if not tied:
        return ""
    listed = "; ".join(facts.named(one.columns) for one in tied)
    left_out = sum(one.n_equations for one in tied)
    number = "one" if left_out == 1 else str(left_out)
    each = " of each set" if left_out == len(tied) > 1 else ""
    number = "one" if each else number
    return Message(
        f"{listed}: linearly dependent (parts that add to a whole, codes of one category, or a "
        "sum beside its terms)",
        remedy=f"leave out {number} of them{each}",
    )


def identifiers(facts: DataFacts) -> str:
    """Return the doubt that columns number the rows."""
    numbers = enumerate(facts.columns.n_distinct.tolist())
    several = [column for column, n_distinct in numbers if n_distinct >= FEWEST_IDENTIFIERS]
    which = [column for column in several if _numbers_rows(facts, column)]
    if not which:
        return ""
    return Message(
        f"{facts.named(which)}: whole numbers or even steps that all differ, as identifiers, row "
        "numbers and dates do",
        remedy="leave out, or groups are cut along them",
    )


def _numbers_rows(facts: DataFacts, column: int) -> bool:
    columns = facts.columns
    if columns.weights is None and len(columns.values) % columns.n_distinct[column]:
        return False  # not all values are of as many rows
    values, mass = columns.distinct(column)
    if not (np.abs(mass - mass[0]) <= 1e-9 * mass[0]).all():
        return False
    step = float(facts.spacing[column])
    are_whole = bool((values == np.round(values)).all())
    if step == 0.0 and not are_whole:
        return False
    n_steps = (values[-1] - values[0]) / (step or 1.0)
    n_values = values.size
    if n_values * (n_values - 1) / (2.0 * n_steps) >= TIES_OF_MEASUREMENTS:
        return True
    # A sample of very many consecutive numbers has their range, and no ties.
    n_steps_of_all = facts.columns.total_weight / mass[0] - 1.0
    if are_whole and abs(n_steps / n_steps_of_all - 1.0) <= SAME_RANGE:
        return True
    words = re.split(r"[\W_]+|(?<=[a-z])(?=[A-Z])", facts.names[column])
    return are_whole and bool(NAMES_OF_IDENTIFIERS & {word.lower() for word in words})


def labels(facts: DataFacts) -> str:
    """Return the doubt that columns hold labels or codes."""
    numbers = enumerate(facts.columns.n_distinct.tolist())
    few = [column for column, n_distinct in numbers if 1 < n_distinct <= MOST_LABELS]
    which = [column for column in few if facts.spacing[column] > 0 and _holds_labels(facts, column)]
    if not which:
        return ""
    return Message(
        f"{facts.named(which)}: few distinct values, each held by many rows, as labels and codes "
        "are",
        remedy="leave out, or groups follow them; of ratings and counts, distrust components that "
        "sit on single values",
    )


def _holds_labels(facts: DataFacts, column: int) -> bool:
    values, mass = facts.columns.distinct(column)
    are_whole = bool((values == np.round(values)).all())
    return values.size == 2 or (are_whole and bool(mass.min() >= ROWS_OF_A_LABEL))


def sentinels(facts: DataFacts) -> str:
    """Return the doubt that a number stands for missing cells: -999, or 9999.

    Several rows hold it, it is a whole number, and it is farther from all other values than these
    are from one another.
    """
    found = []
    for column, n_distinct in enumerate(facts.columns.n_distinct.tolist()):
        if n_distinct <= MOST_LABELS:
            continue
        values, mass = facts.columns.distinct(column)
        values = values if facts.moments.factor is None else values / facts.moments.factor[column]
        gaps = (values[1] - values[0], values[-1] - values[-2])
        ranges = (values[-1] - values[1], values[-2] - values[0])
        for end, gap, others in zip((0, -1), gaps, ranges, strict=True):
            is_whole = values[end] == np.round(values[end])
            if is_whole and mass[end] >= ROWS_OF_A_SENTINEL and gap > others:
                found.append(f"{facts.named([column])}: {values[end]:g}")
    if not found:
        return ""
    return Message(
        f"{'; '.join(found[:MOST_SENTINELS])}, which several rows hold, far from all other values",
        remedy="if it stands for a missing value, make it NaN",
    )


def odd_weights(facts: DataFacts) -> str:
    """Return the doubt that weights do not count rows."""
    columns = facts.columns
    if columns.weights is None or columns.n_rows < 3:
        return ""
    total, n_rows = columns.total_weight, columns.n_rows
    average = total / n_rows
    are_whole = bool((columns.weights[:, 0] == np.round(columns.weights[:, 0])).all())
    heaviest = HEAVIEST if are_whole else HEAVIEST_FRACTION
    is_normalised = abs(total - 1.0) < 1e-6
    if not is_normalised and LIGHTEST <= average <= heaviest:
        return ""
    return Message(
        f"the weights of {n_rows} rows add up to {total:.4g}: a weight of 2 counts as two rows, so "
        "that priors, criteria and uncertainty are those of so many rows; ",
        remedy="unless that is meant, divide the weights by their mean",
    )


CHECKS: tuple[Callable[[DataFacts], str], ...] = (
    too_few_rows,
    constant_columns,
    repeated_columns,
    dependent_columns,
    identifiers,
    labels,
    sentinels,
    odd_weights,
)
"""What is checked before every fit; each returns its message, empty where there is no doubt."""
