"""Sweeps until a Dirichlet process has found the clusters, against scikit-learn."""

import statistics
import time
import warnings
from dataclasses import dataclass
from typing import final

import numpy as np
from sklearn.metrics import normalized_mutual_info_score
from sklearn.mixture import BayesianGaussianMixture

from benchmarks.context import Context
from benchmarks.table import Table
from mixtura import GaussianMixtureModel
from mixtura.priors import DirichletProcess, NormalInverseWishart

TRUNCATION = 50
SIZES = ((10_000, 6), (10_000, 20), (1_000_000, 6), (1_000_000, 20))
SEEDS = {10_000: 20, 1_000_000: 3}
OCCUPIED = 0.5

NOTES = [
    "Clusters in two dimensions, at least 7 of their standard deviations apart, under a Dirichlet "
    f"process of concentration 1 truncated at {TRUNCATION} components; the same weakly "
    "informative prior of means and covariances for both, mixtura's default.",
    "Sweeps: passes over all rows until convergence, median over the seeds. mixtura stops at its "
    "default tolerance, after its moves; scikit-learn at tol=1e-3, max_iter=2000.",
    "Right: seeds with exactly the true number of components of more than half a row and a "
    "normalised mutual information with the truth of 0.99 or more.",
    "Bound: mixtura's evidence lower bound at its own end minus that at the responsibilities of "
    "scikit-learn's, in nats, median over the seeds. Time ratio: of whole fits, median.",
]

COLUMNS = [
    "N",
    "clusters",
    "seeds",
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
    """

    is_right: bool
    sweeps: int
    seconds: float
    bound: float


def measure_process(context: Context) -> Table:
    """Return the table of Dirichlet process fits."""
    table = Table("process", "Dirichlet process, clusters found", NOTES, COLUMNS)
    for n_rows, n_clusters in SIZES:
        pairs = []
        for seed in range(SEEDS[n_rows]):
            context.report(f"process: {n_rows:,} rows, {n_clusters} clusters, seed {seed}")
            pairs.append(outcomes(n_rows, n_clusters, seed))
        ours, theirs = zip(*pairs, strict=True)
        table.add(
            [
                f"{n_rows:,}",
                str(n_clusters),
                str(len(pairs)),
                str(sum(one.is_right for one in ours)),
                str(sum(one.is_right for one in theirs)),
                f"{statistics.median(one.sweeps for one in ours):g}",
                f"{statistics.median(one.sweeps for one in theirs):g}",
                f"{statistics.median(one.seconds for one in ours):.2f}",
                f"{statistics.median(b.seconds / a.seconds for a, b in pairs):.1f}",
                f"{statistics.median(a.bound - b.bound for a, b in pairs):.1f}",
            ]
        )
    return table


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


def outcomes(n_rows: int, n_clusters: int, seed: int) -> tuple[Outcome, Outcome]:
    """Return what mixtura's fit and scikit-learn's came to."""
    rows, labels = clusters(n_rows, n_clusters, seed)
    covariance = np.cov(rows.T, bias=True) / TRUNCATION
    prior = NormalInverseWishart(rows.mean(axis=0), 0.01, 4.0, covariance)
    given = {"weight_prior": DirichletProcess(1.0), "component_prior": prior, "inference": "vb"}
    began = time.perf_counter()
    fit = GaussianMixtureModel(TRUNCATION, random_state=seed, **given).fit(rows)
    seconds = time.perf_counter() - began
    occupied = int((fit.posterior_.statistics.count > OCCUPIED).sum())
    same = normalized_mutual_info_score(labels, fit.labels_)
    right = occupied == n_clusters and same >= 0.99
    ours = Outcome(right, fit.n_iter_ + 1, seconds, fit.objective_)
    peer = BayesianGaussianMixture(
        n_components=TRUNCATION,
        weight_concentration_prior_type="dirichlet_process",
        weight_concentration_prior=1.0,
        mean_prior=prior.mean,
        mean_precision_prior=0.01,
        degrees_of_freedom_prior=4.0,
        covariance_prior=covariance,
        max_iter=2000,
        tol=1e-3,
        reg_covar=0.0,
        random_state=seed,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        began = time.perf_counter()
        peer.fit(rows)
        seconds = time.perf_counter() - began
        shares = peer.predict_proba(rows)
        there = GaussianMixtureModel(TRUNCATION, init=shares, max_iter=1, **given).fit(rows)
    found = shares.argmax(axis=1)
    same = normalized_mutual_info_score(labels, found)
    right = int((shares.sum(axis=0) > OCCUPIED).sum()) == n_clusters and same >= 0.99
    return ours, Outcome(right, peer.n_iter_, seconds, there.fit_.history[0])
