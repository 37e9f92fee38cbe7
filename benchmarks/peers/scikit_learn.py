"""scikit-learn's mixtures: one iteration, one scoring pass, or a climb to a given likelihood.

An iteration is its own ``_e_step`` and ``_m_step``, called as its ``fit`` calls them, from
parameters set beforehand. With one feature its full, diagonal and spherical forms are the same
model, and the fastest is taken; so is the better of one and several BLAS threads.
"""

import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture

from benchmarks.starts import StartParameters
from benchmarks.timing import NotRunError

SAME_WITH_ONE_FEATURE = ("full", "diag", "spherical")


def forms(structure: str, n_features: int) -> tuple[str, ...]:
    """Return the covariance types that are this structure's model."""
    if n_features == 1 and structure in SAME_WITH_ONE_FEATURE:
        return SAME_WITH_ONE_FEATURE
    return (structure,)


def thread_numbers(threads: int) -> tuple[int, ...]:
    """Return the numbers of BLAS threads of which the better counts."""
    return (1, threads) if threads > 1 else (1,)


def fitted_mixture(start: StartParameters, form: str) -> GaussianMixture:
    """Return a mixture that stands at given parameters and does not regularise."""
    mixture = GaussianMixture(len(start.weights), covariance_type=form, reg_covar=0.0)
    mixture.weights_, mixture.means_ = start.weights.copy(), start.means.copy()
    mixture.covariances_ = start.structured(form)
    mixture.precisions_cholesky_ = _precision_factors(mixture.covariances_, form)
    mixture.n_features_in_ = start.means.shape[1]
    return mixture


def fitted_variational(
    start: StartParameters, form: str, rows: np.ndarray
) -> BayesianGaussianMixture:
    """Return a variational mixture that stands where given parameters lead in one step."""
    mixture = BayesianGaussianMixture(
        n_components=len(start.weights),
        covariance_type=form,
        reg_covar=0.0,
        weight_concentration_prior_type="dirichlet_distribution",
    )
    mixture.n_features_in_ = rows.shape[1]
    mixture._check_parameters(rows)
    _, log_shares = fitted_mixture(start, form)._e_step(rows)
    mixture._initialize(rows, np.exp(log_shares))
    return mixture


def gaussian_iteration(start: StartParameters, form: str, rows: np.ndarray) -> "Iteration":
    """Return one iteration of ``GaussianMixture``."""
    return Iteration(fitted_mixture(start, form), rows)


def variational_iteration(start: StartParameters, form: str, rows: np.ndarray) -> "Iteration":
    """Return one iteration of ``BayesianGaussianMixture``."""
    return Iteration(fitted_variational(start, form, rows), rows)


@final
class Iteration:
    """One E-step and one M-step, always from the same parameters."""

    def __init__(self, mixture: Any, rows: np.ndarray) -> None:
        self.mixture, self._rows = mixture, rows
        self._start = dict(vars(mixture))

    def __call__(self) -> None:
        """Run the iteration."""
        vars(self.mixture).update(self._start)
        mean_log_normalizer, log_shares = self.mixture._e_step(self._rows)
        self.mixture._m_step(self._rows, log_shares)
        self.mixture._compute_lower_bound(log_shares, mean_log_normalizer)


def log_likelihood(mixture: GaussianMixture, rows: np.ndarray) -> float:
    """Return the log likelihood of the rows under a mixture's present parameters."""
    return float(mixture._e_step(rows)[0]) * len(rows)


@final
@dataclass
class Climb:
    """EM until a log likelihood is reached, watched from outside so that no step is wasted.

    Parameters
    ----------
    rows : array of shape (N, D)
    form : str
        Covariance type.
    means : array of shape (K, D) or None
        The start: equal weights and the overall variances over K^(2/D), as in mixtura's start
        from means. None for scikit-learn's own start, k-means, which is then part of the climb.
    n_components : int
    target : float
        Log likelihood to reach.
    limit : float
        Seconds after which to give up.
    """

    rows: np.ndarray
    form: str
    means: np.ndarray | None
    n_components: int
    target: float
    limit: float

    def __post_init__(self) -> None:
        self.iterations = 0
        self.ran_out = False
        self.log_likelihood = -np.inf
        self.start_seconds = self.iteration_seconds = np.nan

    def __call__(self) -> None:
        """Climb, or raise NotRunError where the target is not reached within the limit."""
        began = time.perf_counter()
        for iterations, value in enumerate(self.steps()):
            self.iterations, self.log_likelihood = iterations, value
            seconds = time.perf_counter() - began
            if self.iterations == 0:
                self.start_seconds = seconds
            else:
                self.iteration_seconds = (seconds - self.start_seconds) / self.iterations
            if self.log_likelihood >= self.target:
                return
            if self.iterations and seconds > self.limit:
                self.ran_out = True
                raise NotRunError(
                    f"not there after {seconds:.0f} s and {self.iterations} iterations, "
                    f"{self.target - self.log_likelihood:.3g} nats below"
                )

    def steps(self) -> Iterator[float]:
        """Yield the log likelihood before each iteration's M-step, for ever."""
        mixture = self._start()
        while True:
            mean_log_normalizer, log_shares = mixture._e_step(self.rows)
            yield float(mean_log_normalizer) * len(self.rows)
            mixture._m_step(self.rows, log_shares)

    def first(self) -> StartParameters:
        """Return the parameters of the first E-step."""
        mixture = self._start()
        factors = np.asarray(mixture.precisions_cholesky_).reshape(self.n_components, -1)
        n_features = self.rows.shape[1]
        if self.form == "full" or n_features == 1:
            factors = factors.reshape(self.n_components, n_features, n_features)
            covariances = np.linalg.inv(factors @ factors.transpose(0, 2, 1))
            return StartParameters(mixture.weights_, mixture.means_, covariances)
        raise ValueError("only full covariances, or one feature")

    def _start(self) -> GaussianMixture:
        mixture = GaussianMixture(
            self.n_components, covariance_type=self.form, reg_covar=0.0, random_state=0
        )
        mixture.n_features_in_ = self.rows.shape[1]
        if self.means is not None:
            precisions = self.n_components ** (2.0 / self.rows.shape[1]) / self.rows.var(axis=0)
            shape = (self.n_components, self.rows.shape[1])
            mixture.weights_init = np.full(self.n_components, 1.0 / self.n_components)
            mixture.means_init = self.means
            mixture.precisions_init = _in_form(np.broadcast_to(precisions, shape), self.form)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            mixture._initialize_parameters(self.rows, np.random.RandomState(0))
        return mixture


def _precision_factors(covariances: np.ndarray, form: str) -> np.ndarray:
    if form not in ("full", "tied"):
        return 1.0 / np.sqrt(covariances)
    # The factor P is upper triangular with P P^T the precision: the inverse of L^T.
    return np.linalg.inv(np.linalg.cholesky(covariances)).swapaxes(-1, -2)


def _in_form(precisions: np.ndarray, form: str) -> np.ndarray:
    if form == "full":
        return precisions[:, :, None] * np.eye(precisions.shape[1])
    return precisions[:, 0].copy() if form == "spherical" else precisions.copy()
