"""Exact posteriors of few rows, by trying every partition of them into clusters.

Nothing here uses the package: what a cluster's rows are worth comes from closed forms and
scipy.stats, what a partition is worth beforehand from the published formulas.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
from scipy import stats
from scipy.special import betaln, gammaln, logsumexp, multigammaln, poch

MOST_ROWS = 9
"""Of which there are 21,147 partitions."""


def partitions(n_rows: int) -> np.ndarray:
    """Return every partition, groups numbered in the order of their first rows, (B, n_rows)."""
    grown = np.zeros((1, 1), dtype=np.intp)
    for _ in range(n_rows - 1):
        choices = grown.max(axis=1) + 2
        repeated = np.repeat(grown, choices, axis=0)
        last = np.concatenate([np.arange(n) for n in choices])
        grown = np.column_stack([repeated, last])
    return grown


# ------------------------------------------------- what a partition is worth before any row is seen

LogPartitionPrior = Callable[[np.ndarray], float]
"""Log probability of one partition of sizes n_1 ... n_k."""


def symmetric_dirichlet(n_components: int, concentration: float) -> LogPartitionPrior:
    """Return the prior of K weights from Dirichlet(concentration, ..., concentration)."""
    K, a = n_components, concentration

    def log_prior(sizes: np.ndarray) -> float:
        if sizes.size > K:
            return -np.inf
        ways = gammaln(K + 1) - gammaln(K - sizes.size + 1)
        of_total = gammaln(K * a) - gammaln(K * a + sizes.sum())
        return float(ways + of_total + (gammaln(a + sizes) - gammaln(a)).sum())

    return log_prior


def pitman_yor(concentration: float, discount: float = 0.0) -> LogPartitionPrior:
    """Return the two-parameter prior of Pitman (1995); without discount the Dirichlet process."""
    c, d = concentration, discount

    def log_prior(sizes: np.ndarray) -> float:
        of_groups = np.log(c + d * np.arange(1, sizes.size)).sum()
        of_total = np.log(c + np.arange(1, sizes.sum())).sum()
        of_sizes = sum(np.log(np.arange(1, n) - d).sum() for n in sizes)
        return float(of_groups + of_sizes - of_total)

    return log_prior


def finite_mixtures(
    concentration: float, log_probability: Callable[[int], float], most: int = 2000
) -> LogPartitionPrior:
    """Return the prior of a random number of components (Miller and Harrison 2018, equation 3.2).

    Given K components, weights are Dirichlet(concentration, ..., concentration).
    """
    k = np.arange(1, most + 1)
    log_k = np.array([log_probability(int(each)) for each in k])

    def log_prior(sizes: np.ndarray) -> float:
        ways = np.where(k >= sizes.size, gammaln(k + 1.0) - gammaln(k - sizes.size + 1.0), -np.inf)
        of_total = gammaln(concentration * k) - gammaln(concentration * k + sizes.sum())
        return float(logsumexp(log_k + ways + of_total) + np.log(poch(concentration, sizes)).sum())

    return log_prior


# ------------------------------------------------------------------- what the rows of a cluster are


@dataclass(frozen=True)
class Cluster:
    """Log marginal likelihood of rows (n, D) of one cluster, and its mean after them, (D,)."""

    log_marginal: Callable[[np.ndarray], float]
    mean: Callable[[np.ndarray], np.ndarray]


def known_scale(location: float, spread: float, scale: float) -> Cluster:
    """Return clusters Normal(theta, scale) with theta from Normal(location, spread); D = 1."""

    def log_marginal(rows: np.ndarray) -> float:
        n = len(rows)
        covariance = scale**2 * np.eye(n) + spread**2
        return float(stats.multivariate_normal.logpdf(rows[:, 0], np.full(n, location), covariance))

    def mean(rows: np.ndarray) -> np.ndarray:
        precision = len(rows) / scale**2 + 1.0 / spread**2
        return (rows.sum(axis=0) / scale**2 + location / spread**2) / precision

    return Cluster(log_marginal, mean)


def _conjugate_mean(location: np.ndarray, shrinkage: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda rows: (shrinkage * location + rows.sum(axis=0)) / (shrinkage + len(rows))


def normal_inverse_gamma(
    location: np.ndarray, shrinkage: float, shape: np.ndarray, scale: np.ndarray
) -> Cluster:
    """Return clusters with a variance for each feature: rows of a column are multivariate t."""
    columns = list(zip(location, shape, scale, strict=True))

    def log_marginal(rows: np.ndarray) -> float:
        n = len(rows)
        correlations = np.eye(n) + 1.0 / shrinkage
        return float(
            sum(
                stats.multivariate_t.logpdf(
                    rows[:, d], np.full(n, m), correlations * (b / a), df=2.0 * a
                )
                for d, (m, a, b) in enumerate(columns)
            )
        )

    return Cluster(log_marginal, _conjugate_mean(np.asarray(location), shrinkage))


def normal_inverse_wishart(
    location: np.ndarray, shrinkage: float, freedom: float, scale: np.ndarray
) -> Cluster:
    """Return clusters with a covariance matrix: Murphy (2007), equation 266."""
    D = len(location)

    def log_marginal(rows: np.ndarray) -> float:
        n = len(rows)
        kappa, nu = shrinkage + n, freedom + n
        apart = rows.mean(axis=0) - location
        centred = rows - rows.mean(axis=0)
        after = scale + centred.T @ centred + shrinkage * n / kappa * np.outer(apart, apart)
        return float(
            -0.5 * n * D * np.log(np.pi)
            + multigammaln(0.5 * nu, D)
            - multigammaln(0.5 * freedom, D)
            + 0.5 * freedom * np.linalg.slogdet(scale)[1]
            - 0.5 * nu * np.linalg.slogdet(after)[1]
            + 0.5 * D * np.log(shrinkage / kappa)
        )

    return Cluster(log_marginal, _conjugate_mean(np.asarray(location), shrinkage))


def normal_inverse_gamma_balls(
    location: np.ndarray, shrinkage: float, shape: float, scale: float
) -> Cluster:
    """Return clusters with one variance for all features: all entries are multivariate t."""
    D = len(location)

    def log_marginal(rows: np.ndarray) -> float:
        n = len(rows)
        correlations = np.kron(np.eye(D), np.eye(n) + 1.0 / shrinkage)
        centre = np.repeat(location, n)
        return float(
            stats.multivariate_t.logpdf(
                rows.T.ravel(), centre, correlations * (scale / shape), df=2.0 * shape
            )
        )

    return Cluster(log_marginal, _conjugate_mean(np.asarray(location), shrinkage))


# ---------------------------------------------------- rows of components that share their scales


@dataclass(frozen=True)
class Together:
    """Log density of rows (N, D) of which each component has those told (N, K), and its mean.

    The mean of a component, given its rows (n, D), does not depend on the scales.
    """

    log_marginal: Callable[[np.ndarray, np.ndarray], float]
    mean: Callable[[np.ndarray], np.ndarray]


def _among_rows(members: np.ndarray, shrinkage: float) -> np.ndarray:
    """Return the covariance of rows of variance one, component means integrated out, (N, N)."""
    return np.eye(len(members)) + members @ members.T / shrinkage


def tied_normal_inverse_gamma(
    location: np.ndarray, shrinkage: float, shape: float, scale: float, *, balls: bool
) -> Together:
    """Return components that share one variance for each feature, or one (``balls``) for all.

    Entries that share a variance are multivariate t.
    """
    D = len(location)

    def log_marginal(rows: np.ndarray, members: np.ndarray) -> float:
        N, among = len(rows), _among_rows(members, shrinkage) * (scale / shape)
        if balls:
            centre, every = np.repeat(location, N), np.kron(np.eye(D), among)
            return float(stats.multivariate_t.logpdf(rows.T.ravel(), centre, every, 2.0 * shape))
        columns = zip(rows.T, location, strict=True)
        parts = [
            stats.multivariate_t.logpdf(column, np.full(N, m), among, 2.0 * shape)
            for column, m in columns
        ]
        return float(sum(parts))

    return Together(log_marginal, _conjugate_mean(np.asarray(location), shrinkage))


def tied_normal_inverse_wishart(
    location: np.ndarray, shrinkage: float, freedom: float, scale: np.ndarray
) -> Together:
    """Return components that share a covariance matrix: rows are matrix-variate t.

    By the integral of a normal over an inverse Wishart, Dawid (1981).
    """
    D = len(location)

    def log_marginal(rows: np.ndarray, members: np.ndarray) -> float:
        N, among = len(rows), _among_rows(members, shrinkage)
        apart = rows - location
        after = scale + apart.T @ np.linalg.solve(among, apart)
        return float(
            -0.5 * N * D * np.log(np.pi)
            + multigammaln(0.5 * (freedom + N), D)
            - multigammaln(0.5 * freedom, D)
            - 0.5 * D * np.linalg.slogdet(among)[1]
            + 0.5 * freedom * np.linalg.slogdet(scale)[1]
            - 0.5 * (freedom + N) * np.linalg.slogdet(after)[1]
        )

    return Together(log_marginal, _conjugate_mean(np.asarray(location), shrinkage))


# ------------------------------------------------------------------------------ the exact posterior


@dataclass(frozen=True)
class ExactPosterior:
    """What is known of rows when every partition has been tried.

    ``partitions`` (B, N) have ``probabilities`` (B,); ``n_clusters[k]`` is the probability of k + 1
    clusters, ``co_clustering`` (N, N) that of two rows in one, ``means`` (N, D) are the expected
    means of the rows' clusters.
    """

    log_evidence: float
    partitions: np.ndarray
    probabilities: np.ndarray
    n_clusters: np.ndarray
    co_clustering: np.ndarray
    means: np.ndarray


def exact_posterior(
    rows: np.ndarray, log_prior: LogPartitionPrior, cluster: Cluster
) -> ExactPosterior:
    """Return the posterior of rows (N, D), N of at most nine."""
    N, D = rows.shape
    assert N <= MOST_ROWS
    members = (np.arange(2**N)[:, None] >> np.arange(N)) & 1 == 1
    log_marginal = np.array([cluster.log_marginal(rows[m]) if m.any() else 0.0 for m in members])
    mean = np.array([cluster.mean(rows[m]) if m.any() else np.zeros(D) for m in members])

    every = partitions(N)
    inside = every[:, None, :] == np.arange(N)[:, None]
    subsets = inside @ (1 << np.arange(N))
    sizes = inside.sum(axis=2)
    known: dict[tuple[int, ...], float] = {}
    of_sizes = np.empty(len(every))
    for b, each in enumerate(sizes):
        key = tuple(sorted(each[each > 0].tolist()))
        if key not in known:
            known[key] = log_prior(np.array(key))
        of_sizes[b] = known[key]
    log_joint = of_sizes + log_marginal[subsets].sum(axis=1)
    log_evidence = float(logsumexp(log_joint))
    probabilities = np.exp(log_joint - log_evidence)
    together = every[:, :, None] == every[:, None, :]
    own = mean[np.take_along_axis(subsets, every, axis=1)]
    return ExactPosterior(
        log_evidence,
        every,
        probabilities,
        np.bincount(every.max(axis=1), probabilities, N),
        np.tensordot(probabilities, together.astype(float), axes=1),
        np.tensordot(probabilities, own, axes=1),
    )


# ------------------------------------------------------------- components that have numbers

AllocationPrior = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Of counts (B, K): log probability of one allocation (B,), expected weights after it (B, K)."""


def dirichlet_allocations(concentration: np.ndarray) -> AllocationPrior:
    """Return the prior of allocations under Dirichlet weights."""
    a = concentration

    def prior(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        n = counts.sum(axis=1)
        log_prior = gammaln(a.sum()) - gammaln(a.sum() + n)
        log_prior = log_prior + (gammaln(a + counts) - gammaln(a)).sum(axis=1)
        return log_prior, (a + counts) / (a.sum() + n)[:, None]

    return prior


def stick_allocations(concentration: float, discount: float, n_components: int) -> AllocationPrior:
    """Return the prior of allocations under a Pitman-Yor process, truncated at K components.

    Stick k has Beta(1 - discount, concentration + k discount) beforehand.
    """
    number = np.arange(1, n_components)
    first, second = np.full(number.size, 1.0 - discount), concentration + number * discount

    def prior(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        beyond = counts[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:]
        one, other = first + counts[:, :-1], second + beyond
        log_prior = (betaln(one, other) - betaln(first, second)).sum(axis=1)
        rests = np.cumprod(other / (one + other), axis=1)
        every = np.ones((len(counts), 1))
        shares = np.hstack([one / (one + other), every])
        return log_prior, shares * np.hstack([every, rests])

    return prior


def face_allocations(concentration: float, chances: np.ndarray) -> AllocationPrior:
    """Return the prior of allocations where 1 ... K weights are above zero with given chances (K,).

    Face by face of the simplex: each choice of so many weights is as probable as any other, and
    has a symmetric Dirichlet distribution of its own.
    """
    K = chances.size
    faces = [face for M in range(1, K + 1) for face in combinations(range(K), M)]

    def prior(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        logs = np.full((len(faces), len(counts)), -np.inf)
        weights = np.zeros((len(faces), *counts.shape))
        for number, face in enumerate(faces):
            M, used = len(face), list(face)
            own = dirichlet_allocations(np.full(M, concentration))
            inside = counts[:, used].sum(axis=1) == counts.sum(axis=1)
            log_prior, weights[number][:, used] = own(counts[:, used])
            logs[number, inside] = log_prior[inside] + np.log(chances[M - 1] / comb(K, M))
        log_prior = logsumexp(logs, axis=0)
        return log_prior, np.einsum("fb,fbk->bk", np.exp(logs - log_prior), weights)

    return prior


@dataclass(frozen=True)
class ExactMixture:
    """What is known of rows and numbered components when every allocation has been tried.

    Expected ``weights`` (K,) and ``means`` (K, D), and the means ``of_rows`` (N, D) of the rows'
    components; ``n_occupied[k]`` is the probability of k + 1 components with rows,
    ``co_clustering`` (N, N) that of two rows in one.
    """

    weights: np.ndarray
    means: np.ndarray
    of_rows: np.ndarray
    n_occupied: np.ndarray
    co_clustering: np.ndarray


def exact_mixture(
    rows: np.ndarray, n_components: int, prior: AllocationPrior, cluster: Cluster | Together
) -> ExactMixture:
    """Return the posterior of rows (N, D) and K components, N and K of few."""
    N, K = len(rows), n_components
    every = np.indices((K,) * N).reshape(N, -1).T
    inside = every[:, None, :] == np.arange(K)[:, None]
    subsets = inside @ (1 << np.arange(N))
    members = (np.arange(2**N)[:, None] >> np.arange(N)) & 1 == 1
    if isinstance(cluster, Together):
        of_rows = np.array([cluster.log_marginal(rows, each.T.astype(float)) for each in inside])
    else:
        parts = [cluster.log_marginal(rows[m]) if m.any() else 0.0 for m in members]
        of_rows = np.array(parts)[subsets].sum(axis=1)
    mean = np.array([cluster.mean(rows[m]) for m in members])
    counts = inside.sum(axis=2)
    log_prior, weights = prior(counts)
    log_joint = log_prior + of_rows
    probabilities = np.exp(log_joint - logsumexp(log_joint))
    together = every[:, :, None] == every[:, None, :]
    return ExactMixture(
        probabilities @ weights,
        np.tensordot(probabilities, mean[subsets], axes=1),
        np.tensordot(probabilities, mean[np.take_along_axis(subsets, every, axis=1)], axes=1),
        np.bincount((counts > 0).sum(axis=1) - 1, probabilities, K),
        np.tensordot(probabilities, together.astype(float), axes=1),
    )
