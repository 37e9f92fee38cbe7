"""The mathematics once more, by direct sums and scipy.stats: what the laws compare with.

Nothing here uses the package's formulas; only the shapes of its arrays are shared.
"""

from collections.abc import Callable
from math import comb

import numpy as np
from scipy import stats
from scipy.special import logsumexp

from mixtura.messages.parameters import MixtureParameters
from mixtura.messages.statistics import SufficientStatistics
from mixtura.priors import (
    ComponentPrior,
    Dirichlet,
    DirichletProcess,
    Gamma,
    Independent,
    MixtureOfFiniteMixtures,
    NormalInverseGamma,
    NormalInverseWishart,
    PitmanYor,
    Prior,
    WeightPrior,
    Wishart,
)

# ------------------------------------------------------------------------------- the mixture


def as_matrices(covariances: np.ndarray, n_components: int, n_features: int) -> np.ndarray:
    """Return covariances of any structure shape as (K, D, D)."""
    if covariances.ndim == 3:
        return np.array([covariances[k % len(covariances)] for k in range(n_components)])
    diagonals = covariances * np.ones((n_components, n_features))
    return np.array([np.diag(diagonal) for diagonal in diagonals])


def log_scores(rows: np.ndarray, parameters: MixtureParameters) -> np.ndarray:
    """Return log weight plus log density of every row under every component, by scipy."""
    K, D = parameters.means.shape
    matrices = as_matrices(parameters.covariances, K, D)
    scores = np.empty((len(rows), K))
    for k in range(K):
        normal = stats.multivariate_normal(parameters.means[k], matrices[k])
        with np.errstate(divide="ignore"):
            scores[:, k] = np.log(parameters.weights[k]) + normal.logpdf(rows)
    return scores


def log_likelihood(
    rows: np.ndarray, parameters: MixtureParameters, weights: np.ndarray | None = None
) -> float:
    """Return the log likelihood of (weighted) rows."""
    by_row = logsumexp(log_scores(rows, parameters), axis=1)
    return float(by_row.sum() if weights is None else weights @ by_row)


# -------------------------------------------------------------------------------- statistics


def reduce_matrices(matrices: np.ndarray, structure: tuple[int, ...]) -> np.ndarray:
    """Return second moments (K, D, D) summed to a structure shape."""
    if len(structure) == 3:
        return matrices.sum(axis=0)[None] if structure[0] == 1 else matrices
    diagonals = np.array([np.diag(matrix) for matrix in matrices])
    if structure[0] == 1:
        diagonals = diagonals.sum(axis=0)[None]
    return diagonals.sum(axis=1)[:, None] if structure[1] == 1 else diagonals


def direct_statistics(
    rows: np.ndarray,
    responsibilities: np.ndarray,
    pivot: np.ndarray,
    structure: tuple[int, ...],
    weights: np.ndarray | None = None,
) -> SufficientStatistics:
    """Return the moments of rows summed in long double."""
    wide = responsibilities.astype(np.longdouble)
    if weights is not None:
        wide = wide * weights[:, None]
    centred = rows.astype(np.longdouble)[:, None, :] - pivot.astype(np.longdouble)
    first = np.einsum("nk,nkd->kd", wide, centred)
    second = np.einsum("nk,nkd,nke->kde", wide, centred, centred)
    second = reduce_matrices(second, structure)
    parts = (wide.sum(axis=0), first, second)
    return SufficientStatistics(*(part.astype(np.float64) for part in parts), pivot)


# ------------------------------------------------------------------------------------ priors


def _dirichlet(prior: Dirichlet, weights: np.ndarray) -> float:
    return float(stats.dirichlet.logpdf(weights, prior.concentration * np.ones(weights.size)))


def _sticks(weights: np.ndarray, concentrations: np.ndarray, discount: float) -> np.ndarray:
    """Return the log density of sticks as scipy has betas, and of the change to weights."""
    left, total = 1.0, np.zeros(len(concentrations))
    for k, weight in enumerate(weights[:-1], start=1):
        second = concentrations + k * discount
        total += stats.beta.logpdf(weight / left, 1.0 - discount, second) - np.log(left)
        left = weights[k:].sum()
    return total


LOG_CONCENTRATIONS = np.linspace(-60.0, 8.0, 2001)


def _process(prior: DirichletProcess | PitmanYor, weights: np.ndarray) -> float:
    discount = prior.discount if isinstance(prior, PitmanYor) else 0.0
    if not isinstance(prior.concentration, Gamma):
        return float(_sticks(weights, np.array([prior.concentration]), discount)[0])
    # Over the logarithm, in which the density is smooth and falls off at both ends.
    gamma, values = prior.concentration, np.exp(LOG_CONCENTRATIONS)
    logs = stats.gamma.logpdf(values, gamma.shape, scale=1.0 / gamma.rate) + LOG_CONCENTRATIONS
    density = np.exp(logs + _sticks(weights, values, discount))
    return float(np.log(np.trapezoid(density, LOG_CONCENTRATIONS)))


def numbers_of(prior: MixtureOfFiniteMixtures, n_components: int) -> np.ndarray:
    """Return the probabilities of 1 ... K components, by scipy."""
    if prior.rate is None:
        return np.full(n_components, 1.0 / n_components)
    chances = stats.poisson.pmf(np.arange(n_components), prior.rate)
    return chances / chances.sum()


def _finite_mixtures(prior: MixtureOfFiniteMixtures, weights: np.ndarray) -> float:
    used = weights[weights > 0.0]
    chance = numbers_of(prior, weights.size)[used.size - 1] / comb(weights.size, used.size)
    of_used = stats.dirichlet.logpdf(used, np.full(used.size, prior.concentration))
    return float(np.log(chance) + (of_used if used.size > 1 else 0.0))


def over_scales(
    gamma: Gamma, width: int, log_given: Callable[[int, np.ndarray], np.ndarray]
) -> float:
    """Return the log of densities given a scale, averaged over a Gamma, for each of L features."""
    total = 0.0
    shape, rate, least = (
        np.broadcast_to(part, width) for part in (gamma.shape, gamma.rate, gamma.minimum)
    )
    for d in range(width):
        prior = stats.gamma(shape[d], scale=1.0 / rate[d])
        # Over log(scale - minimum), in which the density falls off at both ends.
        t = np.linspace(-60.0, 12.0, 20_001)
        scales = least[d] + np.exp(t)
        logs = log_given(d, scales) + prior.logpdf(scales) + t - prior.logsf(least[d])
        top = logs.max()
        total += top + np.log(np.trapezoid(np.exp(logs - top), t))
    return float(total)


def _independent(prior: Independent, means: np.ndarray, covariances: np.ndarray) -> float:
    values = covariances if prior.is_on_variance else np.sqrt(covariances)
    if prior.learns_scale:
        shape = np.broadcast_to(prior.spread.shape, values.shape[1])
        return over_scales(
            prior.spread.scale,
            values.shape[1],
            lambda d, s: sum(stats.invgamma.logpdf(v, shape[d], scale=s) for v in values[:, d]),
        ) + float(UNIVARIATE_DENSITIES["Normal"](prior.mean, means).sum())
    of_means = UNIVARIATE_DENSITIES[type(prior.mean).__name__](prior.mean, means)
    of_spread = UNIVARIATE_DENSITIES[type(prior.spread).__name__](prior.spread, values)
    return float(of_means.sum() + of_spread.sum())


def _normal_inverse_gamma(
    prior: NormalInverseGamma, means: np.ndarray, covariances: np.ndarray
) -> float:
    if prior.learns_scale:
        shape = np.broadcast_to(prior.shape, covariances.shape[1])
        of_variances = over_scales(
            prior.scale,
            covariances.shape[1],
            lambda d, s: sum(
                stats.invgamma.logpdf(v, shape[d], scale=s) for v in covariances[:, d]
            ),
        )
    else:
        of_variances = stats.invgamma.logpdf(covariances, prior.shape, scale=prior.scale).sum()
    deviations = np.sqrt(covariances / prior.shrinkage) * np.ones(means.shape)
    return float(of_variances + stats.norm.logpdf(means, prior.mean, deviations).sum())


def over_matrices(prior: Wishart, freedom: float, covariances: np.ndarray) -> float:
    """Return the log density of inverse Wishart matrices, their scale averaged over a Wishart.

    By Bayes: density given a scale, times the scale's, over its posterior density, at any scale.
    """
    D = covariances.shape[-1]
    scale = prior.scale if np.ndim(prior.scale) >= 2 else np.eye(D) * prior.scale
    precisions = np.linalg.inv(covariances)
    updated = np.linalg.inv(np.linalg.inv(scale) + precisions.sum(axis=0))
    more = prior.degrees_of_freedom + len(covariances) * freedom
    at = more * updated
    given = sum(stats.invwishart.logpdf(matrix, freedom, at) for matrix in covariances)
    of_scale = stats.wishart.logpdf(at, prior.degrees_of_freedom, scale)
    return float(given + of_scale - stats.wishart.logpdf(at, more, updated))


def over_diagonals(prior: Gamma, freedom: float, covariances: np.ndarray) -> float:
    """Return the same, of a diagonal scale whose entries have gamma distributions."""
    D = covariances.shape[-1]
    unit = sum(stats.invwishart.logpdf(matrix, freedom, np.eye(D)) for matrix in covariances)
    diagonal = np.linalg.inv(covariances).sum(axis=0).diagonal()
    power = 0.5 * freedom * len(covariances)
    # A diagonal scale s enters as prod s^power exp(-s pull), relative to one of all ones.
    return float(unit) + over_scales(
        prior, D, lambda d, s: power * np.log(s) - 0.5 * (s - 1.0) * diagonal[d]
    )


def _normal_inverse_wishart(
    prior: NormalInverseWishart, means: np.ndarray, covariances: np.ndarray
) -> float:
    K, D = means.shape
    freedom = D + 2 if prior.degrees_of_freedom is None else prior.degrees_of_freedom
    if isinstance(prior.scale, Wishart):
        total = over_matrices(prior.scale, freedom, covariances)
    elif isinstance(prior.scale, Gamma):
        total = over_diagonals(prior.scale, freedom, covariances)
    else:
        scale = prior.scale if np.ndim(prior.scale) >= 2 else np.eye(D) * prior.scale
        total = sum(stats.invwishart.logpdf(matrix, freedom, scale) for matrix in covariances)
    centre = prior.mean * np.ones(D)
    for mean, matrix in zip(means, as_matrices(covariances, K, D), strict=True):
        total += stats.multivariate_normal.logpdf(mean, centre, matrix / prior.shrinkage)
    return float(total)


UNIVARIATE_DENSITIES: dict[str, Callable[..., np.ndarray]] = {
    "Normal": lambda prior, x: stats.norm.logpdf(x, prior.location, prior.scale),
    "Gamma": lambda prior, x: np.where(
        x >= prior.minimum,
        stats.gamma.logpdf(x, prior.shape, scale=1.0 / prior.rate)
        - stats.gamma.logsf(prior.minimum, prior.shape, scale=1.0 / prior.rate),
        -np.inf,
    ),
    "HalfNormal": lambda prior, x: stats.halfnorm.logpdf(x, scale=prior.scale),
    "InverseGamma": lambda prior, x: stats.invgamma.logpdf(x, prior.shape, scale=prior.scale),
    "LogNormal": lambda prior, x: stats.lognorm.logpdf(
        x, prior.scale, scale=np.exp(prior.location)
    ),
}
WEIGHT_DENSITIES: dict[str, Callable[..., float]] = {
    "Dirichlet": _dirichlet,
    "DirichletProcess": _process,
    "PitmanYor": _process,
    "MixtureOfFiniteMixtures": _finite_mixtures,
    "FlatWeights": lambda prior, weights: 0.0,
}
COMPONENT_DENSITIES: dict[str, Callable[..., float]] = {
    "FlatComponents": lambda prior, means, covariances: 0.0,
    "Independent": _independent,
    "KnownScale": lambda prior, means, covariances: float(
        UNIVARIATE_DENSITIES["Normal"](prior.mean, means).sum()
    ),
    "NormalInverseGamma": _normal_inverse_gamma,
    "NormalInverseWishart": _normal_inverse_wishart,
}
MATRIX_DENSITIES: dict[str, Callable[..., float]] = {
    "Wishart": lambda prior, x: stats.wishart.logpdf(
        x,
        prior.degrees_of_freedom,
        np.eye(len(x)) * prior.scale if np.ndim(prior.scale) < 2 else prior.scale,
    ),
}
DENSITIES = MATRIX_DENSITIES | UNIVARIATE_DENSITIES | WEIGHT_DENSITIES | COMPONENT_DENSITIES
"""Log densities of every registered prior by class name."""


def log_prior(prior: Prior, *values: np.ndarray) -> float | np.ndarray:
    """Return a prior's log density by scipy.stats."""
    return DENSITIES[type(prior).__name__](prior, *values)


def log_joint(
    weight_prior: WeightPrior,
    component_prior: ComponentPrior,
    rows: np.ndarray,
    parameters: MixtureParameters,
    weights: np.ndarray | None = None,
) -> float:
    """Return log likelihood plus log prior density."""
    return (
        log_likelihood(rows, parameters, weights)
        + log_prior(weight_prior, parameters.weights)
        + log_prior(component_prior, parameters.means, parameters.covariances)
    )


# ---------------------------------------------------------------- free coordinates and slopes


def flatten(means: np.ndarray, covariances: np.ndarray) -> np.ndarray:
    """Return unconstrained coordinates: means, log Cholesky factors or log deviations."""
    if covariances.ndim == 2:
        return np.concatenate([means.ravel(), 0.5 * np.log(covariances).ravel()])
    D = means.shape[1]
    parts = [means.ravel()]
    for matrix in covariances:
        lower = np.linalg.cholesky(matrix)
        parts += [np.log(np.diag(lower)), lower[np.tril_indices(D, -1)]]
    return np.concatenate(parts)


def unflatten(
    point: np.ndarray, n_components: int, n_features: int, structure: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Return means and covariances at unconstrained coordinates."""
    K, D = n_components, n_features
    means, rest = point[: K * D].reshape(K, D), point[K * D :]
    if len(structure) == 2:
        return means, np.exp(2.0 * rest).reshape(structure)
    rest = rest.reshape(structure[0], -1)
    lower = np.zeros(structure)
    lower[:, np.arange(D), np.arange(D)] = np.exp(rest[:, :D])
    rows, columns = np.tril_indices(D, -1)
    lower[:, rows, columns] = rest[:, D:]
    return means, lower @ lower.transpose(0, 2, 1)


def gradient(
    function: Callable[[np.ndarray], float], point: np.ndarray, step: np.ndarray
) -> np.ndarray:
    """Return central differences of order eight, in units of each coordinate's step."""
    # Coefficients of the standard eighth-order stencil (Fornberg 1988, table 1).
    coefficients = (4 / 5, -1 / 5, 4 / 105, -1 / 280)
    slopes = np.empty(point.size)
    for i in range(point.size):
        move = np.zeros(point.size)
        move[i] = step[i]
        slopes[i] = sum(
            c * (function(point + j * move) - function(point - j * move))
            for j, c in enumerate(coefficients, start=1)
        )
    return slopes
