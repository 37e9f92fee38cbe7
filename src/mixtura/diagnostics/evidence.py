"""The evidence of a mixture from draws of its posterior, by bridge sampling.

A bridge joins the posterior to a proposal of known density. The posterior of a mixture has K! equal
copies, one for each numbering of the components; the proposal must have them too, or the estimate
is wrong by up to log K! [FruehwirthSchnatter2004]_ [FruehwirthSchnatter2019]_. ``log_symmetrized``
makes any proposal so.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from scipy.special import gammaln, logsumexp

from mixtura.diagnostics.sampling import ess_mean
from mixtura.errors import InvalidArgumentError
from mixtura.typing import Array

MOST_ROUNDS = 1000
"""Rounds of the fixed point, which takes some ten."""

SETTLED = 1e-10
"""Change of the log evidence at which it has been reached."""

MOST_COMPONENTS = 16
"""Beyond which the sum over numberings takes 2^K terms too many."""


@final
@dataclass(frozen=True)
class Evidence:
    """An estimate of the log evidence.

    Parameters
    ----------
    log_evidence : float
        Logarithm of the probability (density) of the data under the model, in nats.
    error : float
        Its Monte Carlo standard error.
    """

    log_evidence: float
    error: float


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
    return Evidence(estimate, float(np.sqrt(variance)))


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
            f"log_factors must have shape (..., K, K) with K of at most {MOST_COMPONENTS}; "
            f"got shape {log_factors.shape}"
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
