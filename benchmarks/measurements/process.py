"""Sweeps until a Dirichlet process has found the clusters, against scikit-learn."""

import statistics
import time
import warnings
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from sklearn.metrics import normalized_mutual_info_score
from sklearn.mixture import BayesianGaussianMixture

from benchmarks.context import Context
from benchmarks.table import Table
from benchmarks.threads import ThreadLimit
from mixtura import GaussianMixtureModel
from mixtura.priors import DirichletProcess, NormalInverseWishart

TRUNCATION = 50
SIZES = ((10_000, 6), (10_000, 20), (1_000_000, 6), (1_000_000, 20))
SEEDS = 20
PEER_SEEDS, PEER_ROWS = 5, 200_000
"""Seeds that scikit-learn is run for up to so many rows; it is run for the first one beyond."""

CHUNK = 10
"""Iterations of scikit-learn between two looks at the time limit."""

MOST_ITERATIONS = 2000
OCCUPIED = 0.5

NOTES = [
    "Clusters in two dimensions, at least 7 of their standard deviations apart, under a Dirichlet "
    f"process of concentration 1 truncated at {TRUNCATION} components; the same weakly "
    "informative prior of means and covariances for both (covariance over 50).",
    "Sweeps: passes over all rows until convergence, median over the seeds. mixtura stops at its "
    "default tolerance, after its moves; scikit-learn at tol=1e-3, after 2,000 iterations or at "
    "the time limit, which a > says.",
    "Right: seeds with exactly the true number of components of more than half a row and a "
    "normalised mutual information with the truth of 0.99 or more.",
    "Bound: mixtura's evidence lower bound at its own end minus that at the responsibilities of "
    "scikit-learn's, in nats, median over the seeds that both were run for. Time ratio: of whole "
    "fits, median over the same seeds. scikit-learn runs with one BLAS "
    "thread.",
]

COLUMNS = [
    "N",
    "clusters",
    "right",
    "right, sklearn",
    "sweeps",
    "sweeps, sklearn",
    "time, s",
    "time ratio",
    "bound",
]


@final
@dataclass(frozen=True)
class Outcome:
    """What one fit came to.

    Parameters
    ----------
    is_right : bool
        Whether the clusters were found.
    sweeps : int
        Passes over the rows.
    seconds : float
        Time of the whole fit.
    bound : float
        Evidence lower bound at its end, in nats.
    is_cut : bool
        Whether a limit ended it.
    """

    is_right: bool
    sweeps: int
    seconds: float
    bound: float
    is_cut: bool = False


def measure_process(context: Context) -> Table:
    """Return the table of Dirichlet process fits."""
    table = Table("process", "Dirichlet process, clusters found", NOTES, COLUMNS)
    most = context.settings.rows_at_most
    for n_rows, n_clusters in SIZES:
        if most is None or n_rows <= most:
            table.add(_line(context, n_rows, n_clusters))
    return table


def _line(context: Context, n_rows: int, n_clusters: int) -> list[str]:
    ours, theirs = [], []
    for seed in range(SEEDS):
        context.report(f"process: {n_rows:,} rows, {n_clusters} clusters, seed {seed}")
        rows, labels = clusters(n_rows, n_clusters, seed)
        ours.append(outcome(rows, labels, n_clusters, seed))
        if seed < (PEER_SEEDS if n_rows <= PEER_ROWS else 1):
            limit = context.settings.plan.limit
            theirs.append(outcome_of_peer(rows, labels, n_clusters, seed, limit))
    pairs = list(zip(ours, theirs, strict=False))
    mark = ">" if any(one.is_cut for one in theirs) else ""
    return [
        f"{n_rows:,}",
        str(n_clusters),
        f"{sum(one.is_right for one in ours)} of {len(ours)}",
        f"{sum(one.is_right for one in theirs)} of {len(theirs)}",
        _middle_and_range([one.sweeps for one in ours]),
        mark + _middle_and_range([one.sweeps for one in theirs]),
        f"{statistics.median(one.seconds for one in ours):.2f}",
        f"{mark}{statistics.median(b.seconds / a.seconds for a, b in pairs):.1f}",
        f"{statistics.median(a.bound - b.bound for a, b in pairs):.1f}",
    ]


def _middle_and_range(values: list[int]) -> str:
    return f"{statistics.median(values):g} ({min(values)}\u2013{max(values)})"


def clusters(n_rows: int, n_clusters: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return rows (N, 2) of separated clusters and the cluster of each (N,)."""
    rng = np.random.default_rng(seed)
    centres: list[np.ndarray] = []
    while len(centres) < n_clusters:
        point = rng.uniform(-6.0, 6.0, 2) * np.sqrt(n_clusters)
        if all(np.linalg.norm(point - other) > 7.0 for other in centres):
            centres.append(point)
    mixing = np.eye(2) + 0.3 * rng.standard_normal((n_clusters, 2, 2))
    labels = rng.integers(n_clusters, size=n_rows)
    noise = rng.standard_normal((n_rows, 2))
    return np.array(centres)[labels] + np.einsum("nd,nde->ne", noise, mixing[labels]), labels


def outcome(rows: np.ndarray, labels: np.ndarray, n_clusters: int, seed: int) -> Outcome:
    """Return what mixtura's fit came to."""
    began = time.perf_counter()
    gmm = GaussianMixtureModel(TRUNCATION, random_state=seed, **_model(rows)).fit(rows)
    seconds = time.perf_counter() - began
    right = _is_right(gmm.predict_proba(rows), labels, n_clusters)
    return Outcome(right, gmm.n_iter_ + 1, seconds, gmm.objective_)


def outcome_of_peer(
    rows: np.ndarray, labels: np.ndarray, n_clusters: int, seed: int, limit: float
) -> Outcome:
    """Return what scikit-learn's fit came to, and mixtura's bound at its end."""
    model = _model(rows)
    prior = model["component_prior"]
    peer = BayesianGaussianMixture(
        n_components=TRUNCATION,
        weight_concentration_prior_type="dirichlet_process",
        weight_concentration_prior=1.0,
        mean_prior=prior.mean,
        mean_precision_prior=prior.shrinkage,
        degrees_of_freedom_prior=prior.degrees_of_freedom,
        covariance_prior=prior.scale,
        max_iter=CHUNK,
        tol=1e-3,
        reg_covar=0.0,
        random_state=seed,
        warm_start=True,
    )
    sweeps, began = 0, time.perf_counter()
    with warnings.catch_warnings(), ThreadLimit().held_to(1):
        warnings.simplefilter("ignore")
        while not getattr(peer, "converged_", False) and sweeps < MOST_ITERATIONS:
            sweeps += peer.fit(rows).n_iter_
            if time.perf_counter() - began > limit:
                break
        seconds = time.perf_counter() - began
        shares = peer.predict_proba(rows)
        there = GaussianMixtureModel(TRUNCATION, init=shares, max_iter=1, **model).fit(rows)
    right = _is_right(shares, labels, n_clusters)
    return Outcome(right, sweeps, seconds, there.fit_.history[0], not peer.converged_)


def _is_right(shares: np.ndarray, labels: np.ndarray, n_clusters: int) -> bool:
    """Return whether responsibilities (N, K) say as many clusters as there are, and the same."""
    same = normalized_mutual_info_score(labels, shares.argmax(axis=1))
    return int((shares.sum(axis=0) > OCCUPIED).sum()) == n_clusters and same >= 0.99


def _model(rows: np.ndarray) -> dict[str, Any]:
    """Return the model of both: weakly informative priors of components, a Dirichlet process."""
    covariance = np.cov(rows.T, bias=True) / TRUNCATION
    prior = NormalInverseWishart(rows.mean(axis=0), 0.01, 4.0, covariance)
    return {"weight_prior": DirichletProcess(1.0), "component_prior": prior, "inference": "vb"}
