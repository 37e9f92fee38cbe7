"""Laws of the modes: what every M-step rests on.

The mode maximises prior log density plus expected complete-data log likelihood, the latter
summed here from the rows, both differentiated numerically.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from laws.independent import (
    as_matrices,
    direct_statistics,
    flatten,
    gradient,
    log_prior,
    unflatten,
)
from mixtura.errors import InvalidArgumentError
from mixtura.families import FAMILIES
from mixtura.messages.statistics import SufficientStatistics
from mixtura.priors import (
    Dirichlet,
    FlatComponents,
    FlatWeights,
    Independent,
    InverseGamma,
    LogNormal,
    Normal,
    PositivePrior,
    WeightPrior,
    Wishart,
)
from mixtura.priors.dirichlet import SMALLEST_WEIGHT

seeds = st.integers(0, 2**32 - 1)


class Scene:
    """Responsibilities of rows under a case, and the objective of its M-step."""

    def __init__(self, case: Any, name: str, rng: np.random.Generator) -> None:
        self.case = case
        K, D = case.n_components, case.n_features
        rows = 1.0 + 1.5 * rng.standard_normal((40, D))
        shares = rng.dirichlet(np.ones(K), len(rows))
        if name == "one empty":
            shares[:, 0] = 0.0
        elif name == "tied rows":  # no scatter at all: only the prior holds the spread
            rows[:] = np.linspace(1.0, 2.0, D)
        elif name == "less than a row":
            shares *= 0.01
        elif name == "a million rows":
            shares *= 25_000.0
        elif name == "far from the prior":
            rows += 40.0
        self.name = name
        self.rows, self.shares = rows, shares
        pivot = np.broadcast_to(rows.mean(axis=0), (K, D)).copy()
        self.statistics = direct_statistics(rows, shares, pivot, case.structure)
        # Moments of each component about the middle of the rows, where no digits cancel.
        self.middle = rows.mean(axis=0)
        full = direct_statistics(rows - self.middle, shares, np.zeros((K, D)), (K, D, D))
        self.count, self.first, self.second = full.count, full.first, full.second

    def mode(self) -> tuple[np.ndarray, np.ndarray]:
        return self.case.prior.posterior(self.statistics).mode()

    def objective(self, means: np.ndarray, covariances: np.ndarray) -> float:
        K, D = means.shape
        matrices = as_matrices(covariances, K, D)
        shift = means - self.middle
        cross = shift[:, :, None] * self.first[:, None, :]
        scatter = self.second - cross - cross.transpose(0, 2, 1)
        scatter += self.count[:, None, None] * shift[:, :, None] * shift[:, None, :]
        log_dets = np.linalg.slogdet(matrices)[1] + D * np.log(2.0 * np.pi)
        distances = (np.linalg.inv(matrices) * scatter).sum(axis=(1, 2))
        # That the density is the right one is a law of its own, in `test_prior_laws.py`.
        of_prior = self.case.prior.log_density(means, covariances)
        return float(of_prior - 0.5 * (self.count @ log_dets + distances.sum()))

    def along(self) -> Callable[[np.ndarray], float]:
        K, D, structure = self.case.n_components, self.case.n_features, self.case.structure

        def function(point: np.ndarray) -> float:
            return self.objective(*unflatten(point, K, D, structure))

        return function

    def has_interior_mode(self) -> bool:
        """Whether the mode is held by the prior, not by a floor of the variance."""
        if self.case.prior.fixes_covariances:
            return False  # held by nothing that a density knows; see its own tests
        if isinstance(self.case.prior, FlatComponents):
            return self.name not in ("one empty", "tied rows")
        prior = self.case.prior
        if isinstance(prior, Independent) and not prior.spread.vanishes_at_zero:
            return False  # nothing holds a component of one row: refused by name under "map"
        if self.name == "tied rows" and isinstance(getattr(prior, "scale", None), Wishart):
            return False  # see "Bounds of learned scales" in docs/model.md
        means, covariances = self.mode()
        return bool(covariances.min() > (1e-12 * np.abs(means).max()) ** 2)


SCENES = [
    "plain",
    "one empty",
    "tied rows",
    "less than a row",
    "a million rows",
    "far from the prior",
]


def widths(function: Callable[[np.ndarray], float], point: np.ndarray, scene: Scene) -> np.ndarray:
    """Return each coordinate's standard deviation under a normal approximation at the mode."""
    K, D = scene.case.n_components, scene.case.n_features
    _, covariances = unflatten(point, K, D, scene.case.structure)
    deviations = np.sqrt(np.einsum("kdd->kd", as_matrices(covariances, K, D)))
    step = np.ones(point.size)
    step[: K * D] = deviations.ravel()
    if covariances.ndim == 3:
        diagonal = np.sqrt(np.einsum("kdd->kd", covariances))
        entries = step[K * D :].reshape(covariances.shape[0], -1)
        entries[:, D:] = diagonal[:, np.tril_indices(D, -1)[0]]
    step = step * 0.05
    centre = function(point)
    for i in range(point.size):
        move = np.zeros(point.size)
        move[i] = step[i]
        curvature = (2 * centre - function(point + move) - function(point - move)) / step[i] ** 2
        assert curvature > 0, "not a maximum along a coordinate"
        step[i] = 1.0 / np.sqrt(curvature)
    return step


@pytest.mark.parametrize("scene_name", SCENES)
def test_gradient_is_zero_at_the_mode_and_nothing_near_is_higher(
    component_case: Any, scene_name: str, rng: np.random.Generator
) -> None:
    scene = Scene(component_case, scene_name, rng)
    if not scene.has_interior_mode():
        return
    sizes = (component_case.n_components, component_case.n_features, component_case.structure)
    point = flatten(*scene.mode())
    function = scene.along()
    width = widths(function, point, scene)
    top = function(point)
    # In units of 0.05 posterior deviations; the stencil's truncation is below 1e-12 there, its
    # rounding some 1e-15 of the objective.
    slopes = gradient(function, point, 0.05 * width)
    rounding = 8.0 * np.finfo(float).eps * np.abs(point) / width
    assert (np.abs(slopes) <= 1e-10 + 1e-14 * abs(top) + rounding).all()
    for size in (1e-3, 0.1, 1.0, 5.0):
        for _ in range(2):
            other = point + size * width * rng.standard_normal(point.size)
            covariances = unflatten(other, *sizes)[1]
            if covariances.ndim == 3 and np.linalg.cond(covariances).max() > 1e8:
                continue  # its inverse is noise
            assert function(other) <= top + 1e-13 * abs(top)


def test_optimiser_finds_nothing_better(component_case: Any, rng: np.random.Generator) -> None:
    if component_case.n_features == 1:
        return  # enough, and slow
    scene = Scene(component_case, "plain", rng)
    if not scene.has_interior_mode():
        return
    point = flatten(*scene.mode())
    function = scene.along()
    width = widths(function, point, scene)
    top = function(point)
    for size in (0.5, 6.0) if isinstance(component_case.prior, Independent) else (1.0,):
        start = size * rng.standard_normal(point.size)
        found = minimize(
            lambda u: top - function(point + width * u), start, method="L-BFGS-B", tol=1e-12
        )
        assert found.fun >= -1e-8
        if not isinstance(component_case.prior, Independent):  # one mode, and it is found
            assert found.fun == pytest.approx(0.0, abs=1e-4)


# -------------------------------------------------------------- independent priors: two modes


def profile_maximum(
    prior: Independent, count: np.ndarray, mean: np.ndarray, scatter: float
) -> float:
    """Return the largest objective over one free variance, its means maximised out, on a grid."""

    def height(log_variances: np.ndarray) -> np.ndarray:
        variances = np.exp(log_variances)[:, None]
        # The normal prior of each mean times the likelihood of its rows.
        weight = count / variances
        own = 1.0 / np.broadcast_to(prior.mean.scale, mean.shape) ** 2
        location = np.broadcast_to(prior.mean.location, mean.shape)
        best = (weight * mean + own * location) / (weight + own)
        return objective(best, variances)

    def objective(means: np.ndarray, variances: np.ndarray) -> np.ndarray:
        values = variances if prior.is_on_variance else np.sqrt(variances)
        distance = scatter + (count * (mean - means) ** 2).sum(axis=1)
        of_rows = -0.5 * (count.sum() * np.log(variances[:, 0]) + distance / variances[:, 0])
        return (
            of_rows
            + log_prior(prior.mean, means).sum(axis=1)
            + log_prior(prior.spread, values[:, 0])
        )

    grid = np.linspace(-40.0, 40.0, 8001)
    for _ in range(3):
        heights = height(grid)
        top = int(heights.argmax())
        step = grid[1] - grid[0]
        grid = np.linspace(grid[top] - 2 * step, grid[top] + 2 * step, 401)
    return float(heights.max())


def conflict(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Return counts, means and scatter of ``n`` means that share one variance."""
    count = 10.0 ** rng.uniform(-1.0, 3.0, n)
    mean = 10.0 ** rng.uniform(-1.0, 3.0, n) * rng.choice([-1.0, 1.0], n)
    return count, mean, float(10.0 ** rng.uniform(-6.0, 2.0) * count.sum())


SPREADS = [
    InverseGamma(1.0, 1.0),
    InverseGamma(8.0, 0.05),
    InverseGamma(30.0, 100.0),
    LogNormal(0.0, 2.0),
    LogNormal(-2.0, 0.5),
]


@pytest.mark.parametrize("is_on_variance", [False, True])
@pytest.mark.parametrize("spread", SPREADS, ids=repr)
@pytest.mark.parametrize("sharing", [1, 2, 4])
def test_independent_mode_is_the_highest_of_several(
    is_on_variance: bool, spread: PositivePrior, sharing: int
) -> None:
    # One free variance shared by `sharing` means (tied components of one feature), each of which
    # may lie near its rows or near its prior: several modes.
    rng = np.random.default_rng(sharing)
    family = FAMILIES["tied_diag"]
    for _ in range(12):
        prior = Independent(
            Normal(0.0, 10.0 ** rng.uniform(-2.0, 1.0)),
            **{"variance" if is_on_variance else "scale": spread},
        )
        count, mean, scatter = conflict(rng, sharing)
        structure = family.structure(sharing, 1)
        statistics = SufficientStatistics(
            count, np.zeros((sharing, 1)), np.full(structure, scatter), mean[:, None]
        )
        means, variances = prior.posterior(statistics).mode()
        values = variances if is_on_variance else np.sqrt(variances)
        distance = scatter + (count * (mean - means[:, 0]) ** 2).sum()
        reached = (
            -0.5 * (count.sum() * np.log(variances[0, 0]) + distance / variances[0, 0])
            + log_prior(prior.mean, means).sum()
            + log_prior(spread, values).sum()
        )
        best = profile_maximum(prior, count, mean, scatter)
        assert reached >= best - 1e-9 * abs(best)


@pytest.mark.parametrize(
    ("prior", "count", "mean", "scatter"),
    [
        # Found by search: three modes and more, the middle one highest; ascents from the rows and
        # from the prior both miss it.
        (
            Independent(Normal(0.0, 3.723), InverseGamma(0.9245, 22.0554)),
            [0.95987, 2860.411, 0.50494, 5645.633, 6538.762],
            [10.5762, 0.0151135, 3270.649, 1221.909, 101.4265],
            0.00149311,
        ),
        (
            Independent(Normal(0.0, 1.37689), LogNormal(6.40181, 0.252326)),
            [0.399476, 424.447, 52.9011, 7899.885],
            [1846.525, 0.695253, 6.106794, 308.3912],
            0.0101941,
        ),
    ],
    ids=["inverse gamma", "log-normal"],
)
def test_independent_mode_between_rows_and_prior_is_found(
    prior: Independent, count: list[float], mean: list[float], scatter: float
) -> None:
    statistics = SufficientStatistics(
        np.array(count), np.zeros((len(count), 1)), np.array([[scatter]]), np.array(mean)[:, None]
    )
    means, variances = prior.posterior(statistics).mode()
    distance = scatter + (count * (mean - means[:, 0]) ** 2).sum()
    reached = -0.5 * (
        np.sum(count) * np.log(variances[0, 0]) + distance / variances[0, 0]
    ) + log_prior(prior, means, variances)
    best = profile_maximum(prior, np.array(count), np.array(mean), scatter)
    assert reached >= best - 1e-9 * abs(best)


def test_independent_mode_with_two_modes_is_scipys_best(rng: np.random.Generator) -> None:
    # Thirty rows within 0.1 of 5, a prior that wants the mean within 0.05 of 0: one mode near
    # the rows, one near the prior with a spread of 5.
    rows = 5.0 + 0.1 * rng.standard_normal((30, 1))
    statistics = direct_statistics(rows, np.ones((30, 1)), np.array([[5.0]]), (1, 1))
    modes = []
    for scale in (0.05, 1.0):
        prior = Independent(Normal(0.0, scale), InverseGamma(1.0, 1.0))

        def lost(u: np.ndarray, prior: Independent = prior) -> float:
            means, deviation = u[:1][None], np.exp(u[1:])[None]
            fit = -0.5 * (((rows - means) / deviation) ** 2).sum() - 30 * u[1]
            return -float(fit + prior.log_density(means, deviation**2))

        starts = [(m, s) for m in (0.0, 2.5, 5.0) for s in (-2.0, 0.0, 2.0)]
        ends = [minimize(lost, start, tol=1e-12).x for start in starts]
        best = min(ends, key=lost)
        means, variances = prior.posterior(statistics).mode()
        mine = np.array([means[0, 0], 0.5 * np.log(variances[0, 0])])
        assert lost(mine) <= lost(best) + 1e-9
        np.testing.assert_allclose(mine, best, atol=1e-4)
        modes.append(mine[0])
    assert modes[0] < 1.0 < 4.0 < modes[1]  # the first near the prior, the second near the rows


# -------------------------------------------------------------------- closed forms at extremes


def bisected_log_deviation(
    power: np.ndarray, scatter: np.ndarray, location: np.ndarray, variance: np.ndarray
) -> np.ndarray:
    """Return t with ``scatter exp(-2 t) = power + (t - location) / variance`` by bisection.

    In long double, over u = log of the common value, where the equation is monotone:
    ``u + 2 (location + variance (exp(u) - power)) = log(scatter)``.
    """
    power, location, variance = (
        np.broadcast_to(v, scatter.shape).astype(np.longdouble) for v in (power, location, variance)
    )
    scatter = scatter.astype(np.longdouble)
    none = scatter == 0
    log_scatter = np.log(np.where(none, 1, scatter))
    low = np.full(scatter.shape, -1e12, dtype=np.longdouble)
    high = np.log(power + (1e4 + np.abs(location)) / variance)
    for _ in range(200):
        u = (low + high) / 2
        above = u + 2 * (location + variance * (np.exp(u) - power)) > log_scatter
        low, high = np.where(above, low, u), np.where(above, u, high)
    from_value = location + variance * (np.exp(u) - power)
    from_scatter = (log_scatter - u) / 2
    t = np.where(np.exp(u) > power / 2, from_scatter, from_value)
    return np.where(none, location - variance * power, t)


@pytest.mark.parametrize("is_on_variance", [False, True])
def test_log_normal_modes_equal_bisection(is_on_variance: bool) -> None:
    scale = np.array([0.01, 0.1, 0.5, 1.0, 2.0, 7.0, 20.0])
    location = np.array([-20.0, -1.0, 0.0, 3.0, 20.0])
    count = np.array([0.0, 1e-9, 0.3, 1.0, 10.0, 1e4, 1e9])
    scatter = np.array([0.0, 1e-300, 1e-20, 1e-6, 0.1, 1.0, 50.0, 1e6, 1e12])
    grid = np.meshgrid(scale, location, count, scatter, indexing="ij")
    sigma, m, n, S = (part.ravel() for part in grid)
    if is_on_variance:
        # With t = log(variance) / 2: location m / 2, scale sigma / 2; the density in the
        # variance has 1 / variance of its own and the rows' variance^(-n / 2).
        t = bisected_log_deviation(n + 2.0, S, m / 2, sigma**2 / 4)
    else:
        t = bisected_log_deviation(n + 1.0, S, m, sigma**2)
    within = t > -150.0  # below it the square of the deviation is no normal float64
    assert within.mean() > 0.7
    ours = np.zeros(sigma.size)
    for value in np.unique(sigma):
        here = sigma == value
        for centre in np.unique(m):
            now = here & (m == centre) & within
            prior = LogNormal(float(centre), float(value))
            method = prior.variance_mode if is_on_variance else prior.deviation_mode
            result = np.asarray(method(n[now], S[now]))
            ours[now] = 0.5 * np.log(result) if is_on_variance else np.log(result)
    error = np.abs(ours - t)[within]
    # A few roundings of the terms that t is made of.
    assert (error <= 1e-14 * (30.0 + np.abs(t[within]))).all()


@pytest.mark.parametrize("prior", [*SPREADS, LogNormal(0.0, 20.0), InverseGamma(1e-3, 1e-30)])
@pytest.mark.parametrize("is_on_variance", [False, True])
def test_spread_of_tied_rows_is_never_below_their_rounding(
    family: Any, prior: PositivePrior, is_on_variance: bool
) -> None:
    # A log-normal prior has no hold on many tied rows: its mode is exp(-n), which underflows.
    if len(family.structure(2, 2)) != 2:
        return
    independent = Independent(
        Normal(0.0, 5.0), **{"variance" if is_on_variance else "scale": prior}
    )
    structure = family.structure(2, 2)
    for value in (0.0, 0.1, 5.6, -1e8):
        for n in (1.0, 400.0, 1e9):
            at = np.full((2, 2), value)
            tied = SufficientStatistics(np.array([n, 0.0]), 0 * at, np.zeros(structure), at)
            means, variances = independent.posterior(tied).mode()
            resolution = np.spacing(abs(value)) ** 2
            assert np.isfinite(means).all()
            assert np.isfinite(variances).all()
            assert (variances[:1] >= max(resolution, 1e-300)).all()


@given(seeds)
def test_inverse_gamma_modes_have_slope_zero(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape, scale = 10.0 ** rng.uniform(-2, 2), 10.0 ** rng.uniform(-8, 8)
    count, scatter = 10.0 ** rng.uniform(-3, 9), 10.0 ** rng.uniform(-8, 8)
    prior = InverseGamma(shape, scale)
    s = float(prior.deviation_mode(np.array(count), np.array(scatter)))
    v = float(prior.variance_mode(np.array(count), np.array(scatter)))
    # d/ds and d/dv of the log density, term by term, times s and v.
    terms = np.array([-(count + shape + 1.0), scale / s, scatter / s**2])
    assert abs(terms.sum()) <= 1e-13 * np.abs(terms).max()
    terms = np.array([-(0.5 * count + shape + 1.0), (scale + 0.5 * scatter) / v])
    assert abs(terms.sum()) <= 1e-13 * np.abs(terms).max()


# -------------------------------------------------------------------------- flat priors' floor


@settings(max_examples=5)
@given(seeds)
def test_flat_mode_on_its_floor_is_the_constrained_maximum(family: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    K, D, floor = 2, 3, np.array([0.5, 1.0, 2.0])
    structure = family.structure(K, D)
    if len(structure) == 2 and structure[1] < D:
        floor = np.ones(D)
    rows = rng.standard_normal((30, D)) * np.array([1.5, 0.4, 1.2])
    shares = rng.dirichlet(np.ones(K), 30)
    statistics = direct_statistics(rows, shares, np.zeros((K, D)), structure)
    means, covariances = FlatComponents(floor).posterior(statistics).mode()
    matrices = as_matrices(covariances, K, D)
    assert (np.linalg.eigvalsh(matrices - np.diag(floor)) >= -1e-12).all()

    def likelihood(matrices: np.ndarray) -> float:
        total = 0.0
        for k in range(K):
            centred = rows - means[k]
            distances = np.einsum("nd,de,ne->n", centred, np.linalg.inv(matrices[k]), centred)
            total -= 0.5 * shares[:, k] @ (distances + np.linalg.slogdet(matrices[k])[1])
        return total

    top = likelihood(matrices)
    for _ in range(30):  # towards any other valid covariances it only falls
        other = covariances + 0.1 * rng.standard_normal(structure) * np.sqrt(rng.random())
        if len(structure) == 3:
            root = rng.standard_normal(structure)
            other = np.diag(floor) + root @ root.transpose(0, 2, 1) * 0.2
            mix = rng.random() * 0.2
            other = (1 - mix) * covariances + mix * other
        else:
            other = np.maximum(other, floor[: structure[1]])
        assert likelihood(as_matrices(other, K, D)) <= top + 1e-9


def test_flat_mode_of_an_empty_component_takes_the_pooled_covariance(
    family: Any, rng: np.random.Generator
) -> None:
    rows = rng.standard_normal((20, 2))
    shares = np.zeros((20, 3))
    shares[:12, 0] = shares[12:, 2] = 1.0
    structure = family.structure(3, 2)
    statistics = direct_statistics(rows, shares, np.zeros((3, 2)), structure)
    prior = FlatComponents(1e-12)
    means, covariances = prior.posterior(statistics).mode()
    np.testing.assert_array_equal(means[1], 0.0)  # its pivot
    matrices = as_matrices(covariances, 3, 2)
    if structure[0] > 1:
        pooled = (12 * matrices[0] + 8 * matrices[2]) / 20
        np.testing.assert_allclose(matrices[1], pooled, rtol=1e-12, atol=1e-15)


# ------------------------------------------------------------------------------------- weights


@given(seeds)
def test_weight_mode_is_the_maximum_over_the_simplex(weight_prior: WeightPrior, seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = rng.gamma(2.0, size=3) * 10.0 + 1.0  # so that every mode is inside
    posterior = weight_prior.posterior(count)
    if weight_prior.has_random_number:  # heights on faces of different dimension do not compare
        with pytest.raises(InvalidArgumentError, match="no mode"):
            posterior.mode(3)
        return
    mode = posterior.mode(3)
    assert mode.sum() == pytest.approx(1.0, rel=1e-15)

    def height(weights: np.ndarray) -> float:
        return weight_prior.log_density(weights) + float(count @ np.log(weights))

    for direction in np.eye(3):
        slope = (
            height(mode * np.exp(1e-4 * direction) / (mode * np.exp(1e-4 * direction)).sum())
            - height(mode * np.exp(-1e-4 * direction) / (mode * np.exp(-1e-4 * direction)).sum())
        ) / 2e-4
        assert abs(slope) <= 1e-7 * count.sum()
    for other in rng.dirichlet(count, 20):
        assert height(other) <= height(mode) + 1e-12 * abs(height(mode))


@pytest.mark.parametrize(
    ("concentration", "count", "expected"),
    [
        # n_k + a - 1, in proportion: 5.5, 2.5, 0 after the floor; the floored one keeps 1e-12.
        (0.5, [6.0, 3.0, 0.2], [5.5 / 8.0, 2.5 / 8.0, SMALLEST_WEIGHT]),
        (0.5, [0.1, 0.2, 0.3], [1 / 3, 1 / 3, 1 / 3]),
        (1.0, [0.0, 0.0, 0.0], [1 / 3, 1 / 3, 1 / 3]),
        (1.0, [3.0, 1.0, 0.0], [0.75, 0.25, 0.0]),
        ([1.0, 2.0, 3.0], [0.0, 0.0, 0.0], [0.0, 1 / 3, 2 / 3]),
    ],
)
def test_dirichlet_modes_on_the_edge(
    concentration: Any, count: list[float], expected: list[float]
) -> None:
    prior = Dirichlet(concentration)
    mode = prior.posterior(np.array(count)).mode(3)
    np.testing.assert_allclose(mode, expected, rtol=1e-11)
    on_edge = np.min(mode) <= 2 * SMALLEST_WEIGHT
    assert prior.is_unbounded_at(mode) == (on_edge and np.min(concentration) < 1.0)


def test_flat_weights_are_proportional_to_counts() -> None:
    np.testing.assert_allclose(
        FlatWeights().posterior(np.array([3.0, 1.0, 0.0])).mode(3), [0.75, 0.25, 0.0]
    )
    np.testing.assert_allclose(FlatWeights().mode(4), 0.25)
