"""The evidence of a mixture from draws of its posterior, by bridge sampling.

A bridge joins the posterior to a proposal of known density. The posterior of a mixture has K! equal
copies, one for each numbering of the components; the proposal must have them too, or the estimate
is wrong by up to log K! [FruehwirthSchnatter2004]_ [FruehwirthSchnatter2019]_. ``log_symmetrized``
makes any proposal so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from scipy.special import gammaln, logsumexp

from mixtura.diagnostics.convergence_diagnostics import FEWEST_DRAWS, ess_mean, halves, r_hat
from mixtura.errors import InvalidArgumentError
from mixtura.typing import Array

MOST_ROUNDS = 1000
"""Rounds of the fixed point, which takes some ten."""

SETTLED = 1e-10
"""Change of the log evidence at which it has been reached."""

MOST_COMPONENTS = 16
"""Beyond which the sum over numberings takes 2^K terms too many."""


MOST_REDUCTION = 1.05
"""R-hat from which on chains differ by so much that their spread tells no error."""

MISSED = 2.0
"""Deviations of the draws' log joint density by which it must be higher elsewhere to be told."""

MISSED_REMEDY = (
    "the chains never came to a part of the posterior where the log joint density is some {:.0f} "
    "nats higher: the evidence is too low by about as much; raise warmup, or start elsewhere, with "
    "init='split' or another random_state"
)

REMEDY = (
    "the chains stay in different parts of the posterior (R-hat {:.2f}), whose shares they do not "
    "tell: the evidence may be off by more than its error; raise draws and warmup, or use "
    "inference='collapsed', whose chains change over more readily"
)


@final
@dataclass(frozen=True)
class Evidence:
    """An estimate of the log evidence.

    Parameters
    ----------
    log_evidence : float
        Logarithm of the probability (density) of the data under the model, in nats.
    error : float
        Its Monte Carlo standard error: of independent draws, of as many effective ones as there
        are, or from the differences between halves of the chains, whichever is larger.
    r_hat : float
        R-hat of what the bridge averages over the draws; NaN where it does not vary.
    by_half : tuple of float
        The log evidence by each half of each chain alone, in nats.
    missed : float
        Nats by which the log joint density is higher, on average, in a part of the posterior that
        the chains never came to; zero where none was found.
    """

    log_evidence: float
    error: float
    r_hat: float = np.nan
    by_half: tuple[float, ...] = ()
    missed: float = 0.0

    @property
    def warning(self) -> str:
        """What its reader should know before relying on it, with a remedy; empty if nothing."""
        said = [MISSED_REMEDY.format(self.missed)] if self.missed > 0.0 else []
        if self.r_hat > MOST_REDUCTION:
            said.append(REMEDY.format(self.r_hat))
        return "; ".join(said)

    def __repr__(self) -> str:
        said = f"<Evidence: {self.log_evidence:.6g} nats, standard error {self.error:.2g}"
        return f"{said}; {self.warning}>" if self.warning else f"{said}>"


def averaged(estimates: Sequence[Evidence]) -> Evidence:
    """Return the average of estimates from different draws, such as a bridge in both directions.

    The error is theirs together, or what their differences say, whichever is larger.
    """
    logs = np.array([one.log_evidence for one in estimates])
    together = np.sqrt(sum(one.error**2 for one in estimates)) / len(estimates)
    apart = logs.std(ddof=1) / np.sqrt(logs.size) if logs.size > 1 else 0.0
    return Evidence(
        float(logs.mean()),
        float(max(together, apart)),
        float(np.max(np.nan_to_num([one.r_hat for one in estimates], nan=1.0))),
        tuple(log for one in estimates for log in one.by_half),
    )


def bridge_evidence(
    posterior_log_joint: Array,
    posterior_log_proposal: Array,
    proposal_log_joint: Array,
    proposal_log_proposal: Array,
) -> Evidence:
    """Return the log evidence by the best bridge between posterior and proposal [MengWong1996]_.

    Log joint density and proposal are densities of the same coordinates, with every constant. The
    proposal must not be made of the draws that are passed: halve the draws, or warm-up would do.

    Parameters
    ----------
    posterior_log_joint, posterior_log_proposal : array of shape (C, S)
        Log joint density, and log density of the proposal, at draws of the posterior.
    proposal_log_joint, proposal_log_proposal : array of shape (R,)
        The same at independent draws of the proposal.
    """
    at_draws = posterior_log_joint - posterior_log_proposal
    at_proposals = proposal_log_joint - proposal_log_proposal
    if not np.isfinite(at_draws).all() or np.isnan(at_proposals).any():
        raise InvalidArgumentError(
            "log densities must be numbers, and finite at draws of the posterior; "
            f"{int((~np.isfinite(at_draws)).sum() + np.isnan(at_proposals).sum())} are not"
        )
    estimate, variance = _solved(at_draws, at_proposals)
    found = float(np.sqrt(variance))
    if at_draws.shape[1] < 2 * FEWEST_DRAWS:
        return Evidence(estimate, found)
    # Chains that stay where they are have errors that no draw of theirs knows of.
    by_half = [_solved(half[None], at_proposals)[0] for half in halves(at_draws)]
    between = float(np.std(by_half, ddof=1) / np.sqrt(len(by_half)))
    return Evidence(estimate, max(found, between), float(r_hat(at_draws)), tuple(by_half))


def _solved(at_draws: Array, at_proposals: Array) -> tuple[float, float]:
    """Return the log evidence by the best bridge, and the variance of its error."""
    size = _effective(at_draws)
    log_shares = np.log([size, at_proposals.size]) - np.log(size + at_proposals.size)
    estimate = float(np.median(at_draws))
    for _ in range(MOST_ROUNDS):
        top, bottom = _bridge(at_draws, at_proposals, log_shares, estimate)
        change = _log_mean(top) - _log_mean(bottom) - estimate
        estimate += change
        if abs(change) < SETTLED:
            break
    top, bottom = _bridge(at_draws, at_proposals, log_shares, estimate)
    of_top, of_bottom = np.exp(top - top.max()), np.exp(bottom - bottom.max())
    variance = _relative_variance(of_top) / of_top.size
    variance += _relative_variance(of_bottom) / _effective(of_bottom)
    return estimate, variance


def log_symmetrized(log_factors: Array) -> Array:
    """Return the log average over all numberings of a product of one factor for each component.

    ``log(1 / K! sum over permutations of prod_j factors[..., j, permutation(j)])``: a permanent,
    summed over subsets of the numbers, in 2^K K steps instead of K! and without cancellation.

    Parameters
    ----------
    log_factors : array of shape (..., K, K)
        Log density of component j of a draw under factor k of a proposal.

    Returns
    -------
    array of shape (...)
    """
    n_components = log_factors.shape[-1]
    if n_components > MOST_COMPONENTS or log_factors.shape[-2] != n_components:
        raise InvalidArgumentError(
            f"must have shape (..., K, K) with K of at most {MOST_COMPONENTS}; "
            f"got shape {log_factors.shape}",
            argument="log_factors",
        )
    totals = {0: np.zeros(log_factors.shape[:-2])}
    for j in range(n_components):
        terms: dict[int, list[Array]] = {}
        for used, total in totals.items():
            for k in range(n_components):
                if not used >> k & 1:
                    terms.setdefault(used | 1 << k, []).append(total + log_factors[..., j, k])
        totals = {used: np.logaddexp.reduce(parts) for used, parts in terms.items()}
    (total,) = totals.values()
    return total - gammaln(n_components + 1.0)


def _bridge(
    at_draws: Array, at_proposals: Array, log_shares: Array, estimate: float
) -> tuple[Array, Array]:
    """Return logs of the terms averaged over the proposal, and over the posterior."""
    own, other = log_shares
    top = at_proposals - np.logaddexp(own + at_proposals, other + estimate)
    return top, -np.logaddexp(own + at_draws, other + estimate)


def _log_mean(logs: Array) -> float:
    return float(logsumexp(logs) - np.log(logs.size))


def _relative_variance(values: Array) -> float:
    return float(values.var() / values.mean() ** 2)


def _effective(draws: Array) -> float:
    """Return the effective sample size of draws (C, S); their number where they do not vary."""
    return float(np.nan_to_num(ess_mean(draws), nan=draws.size))
