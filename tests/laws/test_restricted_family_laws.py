"""Laws of M-steps over all fourteen families of volume, shape and orientation."""

from itertools import pairwise

import numpy as np
import pytest
from scipy import stats
from scipy.linalg import expm

from mixtura.families import FAMILIES, MCLUST_NAMES, RestrictedFamily
from mixtura.families.plane_rotations import GeometricMeans, LogProducts, best_orientation
from mixtura.messages.covariance_terms import CovarianceTerms
from mixtura.messages.parameters import MixtureParameters
from mixtura.messages.statistics import SufficientStatistics
from mixtura.model import MixtureModel
from mixtura.priors import (
    Dirichlet,
    NormalInverseGamma,
    NormalInverseWishart,
)

RESTRICTED = [name for name, family in FAMILIES.items() if family.is_restricted]
NAMES = [*MCLUST_NAMES, *RESTRICTED]
LETTERS = {"I": 0, "E": 1, "V": 2}

# (K, D) of random problems; the last two have as few rows as matrices can have.
SIZES = [(1, 3), (3, 2), (4, 5), (2, 14)]


def own_or_shared(letter: str, K: int) -> int:
    return K if letter == "V" else 1


def terms_of(seed: int, K: int, D: int) -> CovarianceTerms:
    """Return matrices of a few common axes and some noise, so that no family is far off."""
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(rng.standard_normal((D, D)))[0]
    variances = rng.gamma(2.0, 1.0, (K, D)) * rng.gamma(2.0, 1.0, (K, 1))
    noise = 0.3 * rng.standard_normal((K, D, 3 * D))
    matrices = (axes * variances[:, None]) @ axes.T + noise @ noise.transpose(0, 2, 1)
    count = rng.uniform(20.0, 200.0, K)
    return CovarianceTerms(count, matrices * count[:, None, None])


def minimum(name: str, terms: CovarianceTerms) -> np.ndarray:
    """Return the best covariances of a family as matrices (K, D, D)."""
    family, (K, D) = FAMILIES[name], terms.scatter.shape[:2]
    if isinstance(family, RestrictedFamily):
        of_family = CovarianceTerms(terms.count, family.compact(terms.scatter))
        return family.expand(family.best(of_family), K, D)
    structure = family.structure(K, D)
    count = terms.count.sum(keepdims=True) if structure[0] == 1 else terms.count
    if len(structure) == 2:
        count = count * (D // structure[1])
    mode = family.compact(terms.scatter) / count.reshape(-1, *(1,) * (len(structure) - 1))
    return family.expand(mode, K, D)


def parts(matrices: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return log volumes (K,), log shapes (K, D) and axes (K, D, D) of a family's matrices."""
    K, D = matrices.shape[:2]
    if name[2] == "I":
        axes, variances = np.broadcast_to(np.eye(D), matrices.shape), np.einsum("kdd->kd", matrices)
    elif name[2] == "E":
        one = np.linalg.eigh(np.tensordot(1.0 / (1.0 + np.arange(K)), matrices, axes=1))[1]
        axes = np.broadcast_to(one, matrices.shape)
        variances = np.einsum("kji,kjl,kli->ki", axes, matrices, axes)
    else:
        variances, axes = np.linalg.eigh(matrices)
    logs = np.log(variances)
    return logs.mean(axis=1), logs - logs.mean(axis=1, keepdims=True), axes


def curve(matrices: np.ndarray, name: str, seed: int):
    """Return a curve of matrices of a family through given ones, in a random direction."""
    rng = np.random.default_rng(seed)
    volumes, shapes, axes = parts(matrices, name)
    K, D = shapes.shape
    of_volume = np.resize(rng.standard_normal(own_or_shared(name[0], K)), K)
    of_shape = np.resize(rng.standard_normal((own_or_shared(name[1], K), D)), (K, D))
    of_shape = of_shape - of_shape.mean(axis=1, keepdims=True)
    of_shape = 0.0 * of_shape if name[1] == "I" else of_shape
    turn = np.resize(rng.standard_normal((own_or_shared(name[2], K), D, D)), (K, D, D))
    turn = 0.0 * turn if name[2] == "I" else turn - turn.transpose(0, 2, 1)

    def at(t: float) -> np.ndarray:
        variances = np.exp((volumes + t * of_volume)[:, None] + shapes + t * of_shape)
        moved = np.array([axes[k] @ expm(t * turn[k]) for k in range(K)])
        return (moved * variances[:, None]) @ moved.transpose(0, 2, 1)

    return at


def slope_and_height(function, at, step: float = 1e-4) -> tuple[float, float]:
    """Return a derivative at zero by Richardson's central differences, and the curvature there."""
    wide = (function(at(2 * step)) - function(at(-2 * step))) / (4 * step)
    near = (function(at(step)) - function(at(-step))) / (2 * step)
    bend = (function(at(step)) + function(at(-step)) - 2 * function(at(0.0))) / step**2
    return (4.0 * near - wide) / 3.0, bend


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_gradient_vanishes_on_the_familys_manifold(name: str, sizes: tuple[int, int]) -> None:
    terms = terms_of(1, *sizes)
    found = minimum(name, terms)
    size = terms.count.sum() * sizes[1]
    for seed in range(4):
        at = curve(found, name, seed)
        np.testing.assert_allclose(at(0.0), found, rtol=1e-9, atol=1e-12 * found.max())
        slope, bend = slope_and_height(terms.value, at)
        assert abs(slope) <= 2e-8 * size
        assert bend >= -1e-6 * size


@pytest.mark.parametrize("name", NAMES)
def test_nothing_of_the_family_near_or_far_is_lower(name: str) -> None:
    terms = terms_of(2, 3, 4)
    found = minimum(name, terms)
    lowest = terms.value(found)
    for seed in range(10):
        for t in (-1.0, -0.1, 0.1, 1.0):
            assert terms.value(curve(found, name, seed)(t)) >= lowest


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_a_family_within_another_is_no_lower(sizes: tuple[int, int]) -> None:
    terms = terms_of(3, *sizes)
    lowest = {name: terms.value(minimum(name, terms)) for name in NAMES}
    pairs = 0
    for small in NAMES:
        for large in NAMES:
            steps = [(LETTERS[a], LETTERS[b]) for a, b in zip(small, large, strict=True)]
            if small != large and all(a <= b for a, b in steps):
                pairs += 1
                assert lowest[small] >= lowest[large] - 1e-10 * abs(lowest[large])
    assert pairs == 61  # 25 of shapes and orientations, by 3 of volumes, less the 14 of equals
    if sizes[0] == 1:
        for suffix in ("I", "E"):
            alike = [n for n in NAMES if (n[2] == "I") == (suffix == "I") and n[1] != "I"]
            assert np.ptp([lowest[n] for n in alike]) <= 1e-9 * abs(lowest[alike[0]])


@pytest.mark.parametrize("name", RESTRICTED)
def test_steps_from_covariances_of_the_family_never_lead_up(name: str) -> None:
    family = FAMILIES[name]
    assert isinstance(family, RestrictedFamily)
    near = minimum(name, terms_of(20, 3, 4))
    for seed in range(21, 27):
        terms = terms_of(seed, 3, 4)
        of_family = CovarianceTerms(terms.count, family.compact(terms.scatter))
        found = family.expand(family.best(of_family, family.compact(near)), 3, 4)
        assert terms.value(found) <= terms.value(near)
        again = family.expand(family.best(of_family, family.compact(found)), 3, 4)
        np.testing.assert_allclose(again, found, rtol=1e-7, atol=1e-9 * found.max())
        near = found


@pytest.mark.parametrize("name", NAMES)
def test_maps_that_a_family_promises_to_bear(name: str) -> None:
    rng = np.random.default_rng(4)
    terms = terms_of(5, 3, 3)
    rotation = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    maps = [2.5 * np.eye(3)]
    if name[2] != "I" or name[1] == "I":
        maps.append(rotation)
    if not FAMILIES[name].has_common_unit:
        maps.append(np.diag([0.01, 1.0, 30.0]))
    if name in ("VEE", "EVV", "EEE", "VVV"):
        maps.append(rng.standard_normal((3, 3)) + 2.0 * np.eye(3))
    for matrix in maps:
        mapped = CovarianceTerms(terms.count, matrix @ terms.scatter @ matrix.T)
        expected = matrix @ minimum(name, terms) @ matrix.T
        # An orientation that is found twice is as near as a gradient of rounding leaves it.
        np.testing.assert_allclose(minimum(name, mapped), expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", ["VVE", "EVE"])
@pytest.mark.parametrize("sizes", [(3, 4), (5, 7), (2, 16)], ids=str)
def test_twenty_starts_find_no_better_orientation(name: str, sizes: tuple[int, int]) -> None:
    K, D = sizes
    terms = terms_of(6, K, D)
    objective = LogProducts(terms.count) if name == "VVE" else GeometricMeans(1.0, D)
    best = objective.value(best_orientation(objective, terms.scatter)[1])
    rng = np.random.default_rng(7)
    for _ in range(20):
        start = np.linalg.qr(rng.standard_normal((D, D)))[0]
        axes, variances = best_orientation(objective, terms.scatter, start)
        np.testing.assert_allclose(axes.T @ axes, np.eye(D), atol=1e-14)
        assert objective.value(variances) >= best - 1e-9 * abs(best)


@pytest.mark.parametrize("name", RESTRICTED)
@pytest.mark.parametrize("d", range(1, 7))
def test_numbers_of_parameters_are_mclusts(name: str, d: int) -> None:
    c = d * (d - 1) // 2
    for G in range(1, 7):
        published = {
            "VEI": G + d - 1,
            "EVI": 1 + G * (d - 1),
            "VEE": G + d - 1 + c,
            "EVE": 1 + G * (d - 1) + c,
            "VVE": G * d + c,
            "EEV": d + G * c,
            "VEV": G + d - 1 + G * c,
            "EVV": 1 - G + G * d * (d + 1) // 2,
        }
        assert FAMILIES[name].n_covariance_parameters(G, d) == published[name]


def test_mclusts_names_are_other_names_of_the_six() -> None:
    assert len(NAMES) == 14
    for name, own in MCLUST_NAMES.items():
        assert FAMILIES[name] is FAMILIES[own]
        assert name in FAMILIES
        assert name not in list(FAMILIES)


@pytest.mark.parametrize("name", RESTRICTED)
def test_a_component_without_rows_leaves_the_others_as_they_are(name: str) -> None:
    family = FAMILIES[name]
    assert isinstance(family, RestrictedFamily)
    terms = terms_of(8, 3, 3)
    scatter = family.compact(terms.scatter)
    count, blank = terms.count.copy(), scatter.copy()
    count[1], blank[1] = 0.0, 0.0
    found = family.best(CovarianceTerms(count, blank))
    assert np.isfinite(found).all()
    others = family.best(CovarianceTerms(terms.count[[0, 2]], scatter[[0, 2]]))
    np.testing.assert_allclose(found[[0, 2]], others, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", RESTRICTED)
def test_scatter_without_width_is_held_above_the_floor(name: str) -> None:
    family = FAMILIES[name]
    assert isinstance(family, RestrictedFamily)
    terms = terms_of(9, 3, 3)
    flat = terms.scatter.copy()
    flat[0, :, 2], flat[0, 2, :] = 0.0, 0.0
    floor = np.full(3, 1e-10)
    found = family.expand(
        family.best(CovarianceTerms(terms.count, family.compact(flat), floor)), 3, 3
    )
    assert np.isfinite(found).all()
    assert (np.linalg.eigvalsh(found) > 0.0).all()


def statistics_of(seed: int, K: int, D: int, is_matrix: bool) -> SufficientStatistics:
    rng = np.random.default_rng(seed)
    terms = terms_of(seed, K, D)
    pivot = rng.standard_normal((K, D))
    first = 3.0 * rng.standard_normal((K, D))
    second = terms.scatter + first[:, :, None] * first[:, None] / terms.count[:, None, None]
    if not is_matrix:
        second = np.einsum("kdd->kd", second).copy()
    return SufficientStatistics(terms.count, first, second, pivot)


def expected_log_joint(
    name: str, statistics: SufficientStatistics, prior: NormalInverseWishart | NormalInverseGamma
):
    """Return the log density of rows and parameters as a function of means and matrices.

    By scipy's distributions; the prior of each covariance counts as many times as the family has
    free parameters in units of one matrix, shared over the components.
    """
    K, D = statistics.first.shape
    c = D * (D - 1) // 2 * (name[2] != "I")
    volumes, shapes, axes = (own_or_shared(letter, K) for letter in name)
    share = (volumes + shapes * (D - 1) + axes * c) / (K * (D + c))
    about = statistics.about(np.zeros((K, D)))

    def density(means: np.ndarray, matrices: np.ndarray) -> float:
        total = 0.0
        for k in range(K):
            precision = np.linalg.inv(matrices[k])
            second = about.second[k] if about.second.ndim == 3 else np.diag(about.second[k])
            cross = np.outer(about.first[k], means[k])
            moments = second - cross - cross.T + about.count[k] * np.outer(means[k], means[k])
            logs = np.linalg.slogdet(2.0 * np.pi * matrices[k])[1]
            total -= 0.5 * (about.count[k] * logs + np.trace(precision @ moments))
            pull = matrices[k] / prior.shrinkage
            total += stats.multivariate_normal(np.full(D, prior.mean), pull).logpdf(means[k])
            if isinstance(prior, NormalInverseWishart):
                freedom = D + 2.0
                scale = np.atleast_2d(prior.scale)
                total += share * stats.invwishart(freedom, scale).logpdf(matrices[k])
            else:
                spread = stats.invgamma(prior.shape, scale=prior.scale)
                total += share * spread.logpdf(np.diag(matrices[k])).sum()
        return total

    return density


@pytest.mark.parametrize("name", RESTRICTED)
def test_modes_under_priors_by_numerical_differentiation(name: str) -> None:
    family, (K, D) = FAMILIES[name], (3, 3)
    is_matrix = len(family.structure(K, D)) == 3
    statistics = statistics_of(10, K, D, is_matrix)
    rng = np.random.default_rng(11)
    root = rng.standard_normal((D, 2 * D))
    prior = (
        NormalInverseWishart(0.5, 3.0, None, 20.0 * root @ root.T)
        if is_matrix
        else NormalInverseGamma(0.5, 3.0, 4.0, np.array([30.0, 80.0, 10.0]))
    )
    model = MixtureModel(K, D, Dirichlet(1.0), prior, family)
    found = model.mode(statistics)
    matrices = family.expand(found.covariances, K, D)
    joint = expected_log_joint(name, statistics, prior)
    size = statistics.count.sum() * D
    for seed in range(3):
        at = curve(matrices, name, seed)
        slope, bend = slope_and_height(lambda m: joint(found.means, m), at)
        assert abs(slope) <= 2e-8 * size
        assert bend <= 1e-6 * size
        toward = rng.standard_normal((K, D))
        slope, _ = slope_and_height(
            lambda t, toward=toward: joint(found.means + t * toward, matrices), float
        )
        assert abs(slope) <= 2e-8 * size
    # The density of the model is that one, but for what does not depend on the parameters.
    other = MixtureParameters(
        found.weights, found.means + 0.3, family.compact(curve(matrices, name, 9)(0.2))
    )
    change = model.log_prior(other) - model.log_prior(found)
    without = expected_log_joint(
        name, SufficientStatistics.zero(statistics.pivot, (K, D, D)), prior
    )
    expected = without(other.means, family.expand(other.covariances, K, D))
    expected -= without(found.means, matrices)
    assert change == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", RESTRICTED)
def test_one_component_has_the_prior_of_the_family_without_restrictions(name: str) -> None:
    family = FAMILIES[name]
    is_matrix = len(family.structure(1, 3)) == 3
    statistics = statistics_of(12, 1, 3, is_matrix)
    prior = NormalInverseWishart() if is_matrix else NormalInverseGamma()
    models = [
        MixtureModel(1, 3, Dirichlet(1.0), prior, FAMILIES[one])
        for one in (name, "full" if is_matrix else "diag")
    ]
    restricted, free = (model.mode(statistics) for model in models)
    np.testing.assert_allclose(restricted.covariances, free.covariances, rtol=1e-7, atol=1e-9)
    ours, plain = (model.log_prior(free) for model in models)
    assert ours == pytest.approx(plain, rel=1e-12)


def test_shares_lie_between_those_of_what_is_tied_and_what_is_free() -> None:
    for K, D in pairwise(range(2, 7)):
        for name in RESTRICTED:
            assert 1.0 / K < FAMILIES[name].share(K, D) < 1.0
        for name, own in MCLUST_NAMES.items():
            expected = 1.0 if name[0] == "V" else 1.0 / K
            assert FAMILIES[own].share(K, D) == pytest.approx(expected, rel=1e-15)


@pytest.mark.parametrize("name", FAMILIES)
def test_families_are_stateless(name: str) -> None:
    FAMILIES[name].n_parameters(2, 2)
    assert not vars(FAMILIES[name])
