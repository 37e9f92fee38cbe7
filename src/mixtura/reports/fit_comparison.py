"""Several fits of the same rows side by side."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from mixtura.errors import InvalidArgumentError
from mixtura.fit import Fit
from mixtura.plots.separation import standard_deviations
from mixtura.reports.markup import fragment
from mixtura.reports.numbers import count, exact, significant
from mixtura.reports.tables import Table, name
from mixtura.reports.terminal import table_as_text

MAX_ROWS = 80
"""Parameters that the table lists; of more, the first and a note."""


@final
@dataclass(frozen=True)
class Comparison:
    """The same quantities of several fits.

    Parameters
    ----------
    names : tuple of str
        What the fits are called.
    quantities : tuple of str
        What each row is; feature names within are the user's text.
    values : tuple of tuples
        For each quantity, its value in each fit: a number, a text, or None where it has none.
    """

    names: tuple[str, ...]
    quantities: tuple[str, ...]
    values: tuple[tuple[float | str | None, ...], ...]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One dictionary for each quantity, in full precision."""
        return [
            {"quantity": quantity, **dict(zip(self.names, values, strict=True))}
            for quantity, values in zip(self.quantities, self.values, strict=True)
        ]

    def table(self) -> Table:
        """Return the comparison as a table of text."""
        rows = [
            (name(quantity, 64), *(_cell(quantity, value) for value in values))
            for quantity, values in zip(self.quantities, self.values, strict=True)
        ]
        note = ""
        if len(rows) > MAX_ROWS:
            note = f"The first {MAX_ROWS} of {len(rows)} quantities; the JSON report has all."
        columns = ("", *(name(fit) for fit in self.names))
        return Table("Side by side", columns, tuple(rows[:MAX_ROWS]), note)

    def __str__(self) -> str:
        return table_as_text(self.table())

    def __repr__(self) -> str:
        # What a REPL shows: the table rather than the fields.
        return str(self)

    def _repr_html_(self) -> str:
        return fragment([self.table()])


def comparison(fits: Mapping[str, Fit]) -> Comparison:
    """Return fits of the same rows side by side.

    The log joint density is taken at each fit's point estimate, whatever its method maximised, and
    so it can be compared between methods where the model is the same.

    Parameters
    ----------
    fits : mapping of str to Fit
        The fits by the names they are to be called.

    Raises
    ------
    InvalidArgumentError
        If there is no fit, or the fits have different features.
    """
    if not fits:
        raise InvalidArgumentError("comparison needs at least one fit")
    features = {fit.feature_names for fit in fits.values()}
    if len(features) > 1:
        raise InvalidArgumentError("comparison needs fits of the same features")
    by_fit = [_quantities(fit) for fit in fits.values()]
    quantities = list(dict.fromkeys(key for part in by_fit for key in part))
    # Parameters of a larger fit follow those of the smaller; the closing rows stay last.
    closing = [key for key in quantities if key in _CLOSING]
    quantities = [key for key in quantities if key not in _CLOSING] + closing
    values = tuple(tuple(part.get(key) for part in by_fit) for key in quantities)
    return Comparison(tuple(fits), tuple(quantities), values)


_CLOSING = (
    "log likelihood",
    "log joint density",
    "iterations",
    "converged",
    "seconds",
)


def _quantities(fit: Fit) -> dict[str, float | str | None]:
    parameters = fit.parameters
    deviations = standard_deviations(fit)
    found: dict[str, float | str | None] = {"method": fit.method}
    for k, weight in enumerate(parameters.weights):
        found[f"weight of component {k}"] = float(weight)
    several = len(fit.feature_names) > 1
    for label, table in (("mean", parameters.means), ("sd", deviations)):
        for k in range(parameters.n_components):
            for d, feature in enumerate(fit.feature_names):
                of = f"component {k}, {feature}" if several else f"component {k}"
                key = f"{label} of {of}"
                while key in found:  # two features of one name
                    key += " "
                found[key] = float(table[k, d])
    joint = fit.log_likelihood + fit.model.log_prior(parameters)
    ending = "yes" if fit.converged else "no"
    found |= dict(
        zip(
            _CLOSING,
            (fit.log_likelihood, float(joint), fit.n_iter, ending, fit.seconds),
            strict=True,
        )
    )
    return found


def _cell(quantity: str, value: float | str | None) -> str:
    if isinstance(value, str):
        return value
    if quantity in ("log likelihood", "log joint density"):
        return exact(value)
    if quantity == "iterations":
        return count(value)
    return significant(value, 3 if quantity == "seconds" else 6)
