"""Fits of different sizes and families as rows that a criterion puts in order."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf, isfinite, nan
from typing import final

from mixtura.errors import Message, Setting

SHORTFALL = 1.0
"""Nats of log likelihood by which a larger mixture may stay behind a smaller one unmentioned."""

DECIMALS = 6
"""Criteria that agree to so many decimals are equal: what is beyond is rounding."""


@final
@dataclass(frozen=True)
class Candidate:
    """One number of components with one family, and how well it does.

    Parameters
    ----------
    n_components : int
        Number of components K.
    covariance_type : str
        Name of the covariance family.
    log_likelihood : float
        Log predictive density of the (weighted) rows that were fitted, in nats; NaN after an error,
        like every criterion.
    n_parameters : int or None
        Number of free parameters.
    elbo : float or None
        Evidence lower bound in nats, where the method has one; larger is better.
    bic, icl, aic : float
        Criteria, all on the scale of -2 log likelihood; smaller is better.
    icl_hard : float
        ICL with each row assigned whole, as [Biernacki2000]_ define it; smaller is better.
    cv : float or None
        Log density of the rows, each under a fit to others, in nats; larger is better. None where
        it was not asked for.
    converged : bool
        Whether the run that was kept converged.
    n_iter : int
        Its number of iterations.
    seconds : float
        Wall-clock time of the fit.
    doubts : tuple of str
        What the fit itself warns of.
    collapsed : bool
        Whether a component has collapsed, so that the criteria measure the collapse.
    error : str
        Why there is no fit; empty where there is one.
    fewest_components : int
        The smallest number of components that labels of the rows allow.
    """

    n_components: int
    covariance_type: str
    log_likelihood: float = nan
    n_parameters: int | None = None
    elbo: float | None = None
    bic: float = nan
    icl: float = nan
    aic: float = nan
    icl_hard: float = nan
    cv: float | None = None
    converged: bool = False
    n_iter: int = 0
    seconds: float = 0.0
    doubts: tuple[str, ...] = ()
    collapsed: bool = False
    error: str = ""
    fewest_components: int = 1


@final
@dataclass(frozen=True)
class Criterion:
    """What puts candidates in order.

    Parameters
    ----------
    name : str
        The field of a candidate that holds it.
    label : str
        What readers call it.
    larger_is_better : bool
        The direction.
    decisive : float
        The lead below which the evidence is not worth more than a bare mention
        [KassRaftery1995]_: one nat, which is two on the scale of -2 log likelihood.
    is_shown : bool
        Whether tables show it where it does not choose.
    """

    name: str
    label: str
    larger_is_better: bool = False
    decisive: float = 2.0
    is_shown: bool = True

    @property
    def direction(self) -> str:
        """The direction in words."""
        return "larger is better" if self.larger_is_better else "smaller is better"

    def value(self, candidate: Candidate) -> float:
        """Return a candidate's value; NaN where it has none."""
        value = getattr(candidate, self.name)
        return nan if value is None else float(value)

    def loss(self, candidate: Candidate) -> float:
        """Return the value with the sign that makes smaller better; infinity where there is none.

        Minus infinity, the likelihood of a point mass, is no value either.
        """
        value = self.value(candidate)
        if not isfinite(value):
            return inf
        return -value if self.larger_is_better else value


CRITERIA = {
    criterion.name: criterion
    for criterion in (
        Criterion("bic", "BIC"),
        Criterion("icl", "ICL"),
        Criterion("aic", "AIC"),
        Criterion("elbo", "ELBO", larger_is_better=True, decisive=1.0),
        Criterion("icl_hard", "hard ICL", is_shown=False),
        Criterion("cv", "CV log density", larger_is_better=True, decisive=1.0),
    )
}
"""Every criterion by name."""

ALSO_CALLED = {"icl_soft": "icl"}
"""Further names of criteria."""

HELD_OUT = "cv"
"""The criterion that needs further fits."""


def rank(candidate: Candidate, criterion: Criterion) -> tuple[bool, bool, float]:
    """Return what sorts candidates from the best to the worst.

    Those without a value come last, and before them those with a collapsed component: their
    likelihood is unbounded or as large as ties make it, and says nothing about the number of
    components. mclust leaves singular fits out for the same reason [Scrucca2016]_.
    """
    loss = criterion.loss(candidate)
    return not isfinite(loss), candidate.collapsed, round(loss, DECIMALS)


def ordered(candidates: Sequence[Candidate], criterion: Criterion) -> list[int]:
    """Return the positions of the candidates, best first; the earlier of equals comes first."""
    return sorted(range(len(candidates)), key=lambda i: rank(candidates[i], criterion))


def is_at_limit(candidates: Sequence[Candidate], best: int) -> bool:
    """Return whether the best candidate has the largest number of components that was fitted.

    Where only one number was fitted, none is the largest.
    """
    fitted = {candidate.n_components for candidate in candidates if not candidate.error}
    return len(fitted) > 1 and candidates[best].n_components == max(fitted)


def is_at_start(candidates: Sequence[Candidate], best: int) -> bool:
    """Return whether the best candidate has the smallest number that was fitted, and may be less.

    It may be as few as one, or as known labels need. Those with a collapsed component do not count.
    """
    sound = [one for one in candidates if not (one.error or one.collapsed)]
    fitted = {one.n_components for one in sound}
    fewest = candidates[best].fewest_components
    return len(fitted) > 1 and candidates[best].n_components == min(fitted) > fewest


def with_shortfalls(candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """Return the candidates, with a doubt where fewer components of the family are more likely.

    The largest likelihood never falls with K, since a component can be split into two equal ones;
    where a fit's does, the reason is a local optimum, or else the prior. Under variational Bayes
    components may be given up for good reason, and nothing is said.
    """
    told = [_shortfall(candidate, candidates) for candidate in candidates]
    return tuple(
        replace(candidate, doubts=(*candidate.doubts, said)) if said else candidate
        for candidate, said in zip(candidates, told, strict=True)
    )


def _shortfall(candidate: Candidate, candidates: Sequence[Candidate]) -> str:
    if candidate.elbo is not None:
        return ""
    smaller = [
        (other.log_likelihood, other.n_components)
        for other in candidates
        if other.covariance_type == candidate.covariance_type
        and other.n_components < candidate.n_components
        and isfinite(other.log_likelihood)
        and not other.collapsed
    ]
    highest, n_components = max(smaller, default=(-inf, 0))
    lead = highest - candidate.log_likelihood
    if not lead > SHORTFALL:
        return ""
    return Message(
        f"its log likelihood is {lead:.2f} below that of K = {n_components}: it may be a local "
        "optimum, ",
        remedy=("which more starts (", Setting("n_init"), ") would find out"),
    )
