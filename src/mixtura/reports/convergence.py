"""How far draws can be believed, as a table."""

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from mixtura.diagnostics.convergence_diagnostics import AGREED, FEWEST_DRAWS, reduction_words
from mixtura.diagnostics.convergence_diagnostics import convergence as diagnosed
from mixtura.diagnostics.posterior_summaries import draws_of
from mixtura.fit import Fit
from mixtura.reports.component_tables import distinct_names
from mixtura.reports.markup import fragment
from mixtura.reports.numbers import UNKNOWN, count, significant
from mixtura.reports.tables import Table, name
from mixtura.reports.terminal import WIDTH, grid, literal, plain, terminal_width
from mixtura.typing import Array, IntegerArray

FEWEST_EFFECTIVE = 400
"""Effective draws below which R-hat itself is unsteady [Vehtari2021]_: 100 of each of 4 chains."""

MAX_ROWS = 24
"""Quantities of components that a table shows: those of the largest R-hat."""

RELABELLED = (
    "What is said of single components is after relabelling: the components of every draw were "
    "given the numbers under which the draws agree best, which means something only where "
    "components can be told apart."
)


@final
@dataclass(frozen=True, eq=False)
class ConvergenceTable:
    """What ``convergence()`` returns: print it, display it, or take its ``rows``.

    Parameters
    ----------
    quantities : tuple of str
        What was drawn, Q names.
    n_general : int
        How many of them, at the front, do not depend on the components' numbers.
    mean, r_hat, ess_bulk, ess_tail, mean_error : arrays of shape (Q,)
        Average, rank-normalised split R-hat, effective sample sizes of bulk and tails, and Monte
        Carlo standard error of the average; NaN of what does not vary.
    n_chains, n_draws : int
        Number of chains, and of draws in each.
    is_relabelled : bool
        Whether there are numbers that could have been others.
    """

    quantities: tuple[str, ...]
    n_general: int
    mean: Array
    r_hat: Array
    ess_bulk: Array
    ess_tail: Array
    mean_error: Array
    n_chains: int
    n_draws: int
    is_relabelled: bool

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One dictionary for each quantity: ``DataFrame(convergence.rows)``."""
        return [
            {
                "quantity": quantity,
                "mean": float(self.mean[i]),
                "mean_error": float(self.mean_error[i]),
                "r_hat": float(self.r_hat[i]),
                "ess_bulk": float(self.ess_bulk[i]),
                "ess_tail": float(self.ess_tail[i]),
            }
            for i, quantity in enumerate(self.quantities)
        ]

    @property
    def sentences(self) -> tuple[str, ...]:
        """What the numbers say, in words."""
        told = f"{self.n_chains} chains" if self.n_chains > 1 else "1 chain"
        opening = f"{told} of {self.n_draws:,} draws"
        if self.n_draws < FEWEST_DRAWS:
            return (f"{opening}: too few to judge.",)
        general, own = np.split(self.r_hat, [self.n_general])
        words = f"{opening}; R-hat of the log joint {reduction_words(float(general[0]))}"
        if own.size and np.isfinite(own).any():
            largest = reduction_words(float(np.nanmax(own)))
            words += f", the largest of a component's parameter {largest}"
        least = np.nanmin(np.concatenate([self.ess_bulk, self.ess_tail, [np.inf]]))
        verdict = f"R-hat up to {AGREED:g} and {FEWEST_EFFECTIVE} effective draws or more are fine."
        if np.isfinite(least):
            words += f"; at least {count(float(np.floor(least)))} effective draws"
        said = f"{words}. {verdict}"
        return (said, RELABELLED) if self.is_relabelled else (said,)

    def table(self) -> Table:
        """Return the table: of many quantities of components those of the largest R-hat."""
        own = np.arange(self.n_general, len(self.quantities))
        note = ""
        if own.size > MAX_ROWS:
            worst = np.argsort(-np.nan_to_num(self.r_hat[own], nan=-1.0), kind="stable")[:MAX_ROWS]
            note = (
                f"Of {own.size:,} parameters of components the {MAX_ROWS} with the largest R-hat."
            )
            own = own[np.sort(worst)]
        listed = [*range(self.n_general), *own.tolist()]
        rows = tuple(
            (
                self.quantities[i],
                significant(float(self.mean[i]), 5),
                _known(float(self.mean_error[i])),
                UNKNOWN if np.isnan(self.r_hat[i]) else reduction_words(float(self.r_hat[i])),
                *(_whole(float(size[i])) for size in (self.ess_bulk, self.ess_tail)),
            )
            for i in listed
        )
        columns = ("quantity", "mean", "its error", "R-hat", "bulk ESS", "tail ESS")
        return Table("Convergence of the chains", columns, rows, note)

    def to_text(self, width: int | None = None) -> str:
        """Return the table and its sentences as plain text, as wide as the terminal by default."""
        from rich.console import Group

        width = terminal_width() if width is None else width
        parts = [literal(sentence) for sentence in self.sentences]
        return plain(Group(*parts, "", grid(self.table(), titled=False)), width)

    def __str__(self) -> str:
        return self.to_text(max(terminal_width(), WIDTH))

    def __repr__(self) -> str:
        # What a REPL shows: the table rather than the fields.
        return str(self)

    def _repr_html_(self) -> str:
        return fragment((self.table(),), self.sentences)


def convergence(fit: Fit, occupied: IntegerArray | None = None) -> ConvergenceTable:
    """Return how far the draws of a fit can be believed.

    Parameters
    ----------
    fit : Fit
        A fit whose posterior holds draws.
    occupied : integer array of shape (C, S), optional
        How many components hold rows under each draw, or each of some.

    Raises
    ------
    InvalidArgumentError
        If the fit has no draws.
    """
    posterior = draws_of(fit, "convergence")
    quantities, drawn = ["log joint density (nats)"], [posterior.log_joint[:, :, None]]
    parts = [_judged(drawn[0])]
    if occupied is not None:
        quantities.append("occupied components")
        parts.append(_judged(occupied[:, :, None].astype(np.float64)))
    if fit.model.weight_prior.has_random_number:
        quantities.append("number of components")
        parts.append(_judged(posterior.used_components[:, :, None].astype(np.float64)))
    n_general = len(quantities)
    names = [name(feature, 32) for feature in distinct_names(fit.feature_names)]
    for k in range(fit.model.n_components):
        if fit.model.n_components > 1:
            quantities.append(f"{name(fit.component_name(k), 32)}: weight")
            parts.append(_judged(posterior.weights[:, :, [k]]))
        for what, values in (("mean", posterior.means), ("sd", posterior.scales)):
            quantities += [
                f"{name(fit.component_name(k), 32)}: {what} of {feature}" for feature in names
            ]
            parts.append(_judged(values[:, :, k]))
    mean, reduction, bulk, tail, error = np.concatenate(parts, axis=1)
    n_chains, n_draws = posterior.log_joint.shape
    order = np.arange(fit.model.n_components)
    relabelled = fit.model.weight_prior.is_exchangeable or (posterior.numbers != order).any()
    relabelled = bool(relabelled) and fit.model.n_components > 1
    judged = (mean, reduction, bulk, tail, error)
    return ConvergenceTable(tuple(quantities), n_general, *judged, n_chains, n_draws, relabelled)


def _judged(draws: Array) -> Array:
    """Return average, R-hat, sizes and error (5, Q) of draws (C, S, Q)."""
    mean = draws.mean(axis=(0, 1))
    if draws.shape[1] < FEWEST_DRAWS:
        return np.stack([mean, *np.full((4, mean.size), np.nan)])
    found = diagnosed(draws)
    return np.stack([mean, found.r_hat, found.ess_bulk, found.ess_tail, found.mean_error])


def _known(value: float) -> str:
    return UNKNOWN if np.isnan(value) else significant(value, 2)


def _whole(value: float) -> str:
    return UNKNOWN if np.isnan(value) else count(np.floor(value))
