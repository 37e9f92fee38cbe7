"""Laws of every registered covariance family."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.integrate import quad

from laws.independent import as_matrices, log_scores, reduce_matrices
from laws.running import random_parameters
from mixtura.engines.reference import block_scores
from mixtura.families import FAMILIES, CovarianceFamily, Full, RestrictedFamily, univariate
from mixtura.messages.covariance_terms import CovarianceTerms
from mixtura.messages.parameters import MixtureParameters
from mixtura.model import draw_rows

seeds = st.integers(0, 2**32 - 1)
sizes = st.tuples(st.integers(1, 4), st.integers(1, 5))

# Free covariance parameters by mclust's published names (Scrucca, Fop, Murphy and Raftery 2016,
# The R Journal 8(1), table 3), for G components of d features.
MCLUST = {
    "VVV": lambda G, d: G * d * (d + 1) // 2,
    "EEE": lambda G, d: d * (d + 1) // 2,
    "VVI": lambda G, d: G * d,  # mclust writes G + G (d - 1)
    "EEI": lambda G, d: d,
    "VII": lambda G, d: G,
    "EII": lambda G, d: 1,
}
MCLUST_NAMES = {
    "full": "VVV",
    "tied": "EEE",
    "diag": "VVI",
    "tied_diag": "EEI",
    "spherical": "VII",
    "tied_spherical": "EII",
}


@pytest.fixture(params=sorted(FAMILIES), scope="module")
def family(request: pytest.FixtureRequest) -> CovarianceFamily:
    """Return every registered covariance family."""
    return FAMILIES[request.param]


def positive_point(family: CovarianceFamily, K: int, D: int) -> np.ndarray:
    return random_parameters(np.random.default_rng(1), family, K, D).covariances


def test_registry_names_are_the_families_own() -> None:
    assert all(name == family.name for name, family in FAMILIES.items())
    assert all(family.description for family in FAMILIES.values())


@given(seeds, sizes)
def test_scores_equal_full_and_scipy(
    family: CovarianceFamily, seed: int, sizes: tuple[int, int]
) -> None:
    rng = np.random.default_rng(seed)
    parameters = random_parameters(rng, family, *sizes)
    rows = 2.0 * rng.standard_normal((20, sizes[1]))
    scores = block_scores(rows, family.potentials(parameters))
    expanded = MixtureParameters(
        parameters.weights, parameters.means, family.expand(parameters.covariances, *sizes)
    )
    as_full = block_scores(rows, Full().potentials(expanded))
    np.testing.assert_allclose(scores, as_full, rtol=1e-11)
    np.testing.assert_allclose(scores, log_scores(rows, parameters), rtol=1e-10)


@given(seeds, sizes)
def test_expansion_and_variances_are_of_the_structure(
    family: CovarianceFamily, seed: int, sizes: tuple[int, int]
) -> None:
    parameters = random_parameters(np.random.default_rng(seed), family, *sizes)
    matrices = family.expand(parameters.covariances, *sizes)
    np.testing.assert_array_equal(matrices, as_matrices(parameters.covariances, *sizes))
    variances = family.variances(parameters.covariances, *sizes)
    np.testing.assert_array_equal(variances, np.einsum("kdd->kd", matrices))


@given(seeds, sizes)
def test_compact_sums_what_the_family_shares(
    family: CovarianceFamily, seed: int, sizes: tuple[int, int]
) -> None:
    rng = np.random.default_rng(seed)
    root = rng.standard_normal((*sizes, sizes[1]))
    moments = root @ root.transpose(0, 2, 1)
    compact = family.compact(moments)
    assert compact.shape == family.structure(*sizes)
    np.testing.assert_allclose(compact, reduce_matrices(moments, compact.shape), rtol=1e-13)
    # The likelihood sees the moments through the structure alone: tr(precision moments).
    parameters = random_parameters(rng, family, *sizes)
    precision = np.linalg.inv(family.expand(parameters.covariances, *sizes))
    factor = family.precision_cholesky(parameters.covariances)
    if factor.ndim == 3:
        through = np.einsum("kde,kfe,kdf->", factor, factor, compact)
    else:
        through = (factor**2 * compact).sum()
    assert through == pytest.approx(np.einsum("kde,kde->", precision, moments), rel=1e-9)


@given(seeds, sizes)
def test_precision_factor_times_itself_is_the_inverse(
    family: CovarianceFamily, seed: int, sizes: tuple[int, int]
) -> None:
    K, D = sizes
    covariances = random_parameters(np.random.default_rng(seed), family, K, D).covariances
    factor = family.precision_cholesky(covariances)
    assert factor.shape == family.structure(K, D)
    matrices = as_matrices(covariances, K, D)
    if factor.ndim == 3:
        assert not np.tril(factor, -1).any()
        assert (np.einsum("kdd->kd", factor) > 0).all()
        factors = as_matrices(factor, K, D)
    else:
        factors = np.array([np.diag(f) for f in factor * np.ones((K, D))])
    precisions = factors @ factors.transpose(0, 2, 1)
    np.testing.assert_allclose(precisions @ matrices, np.eye(D) + np.zeros((K, 1, 1)), atol=1e-9)
    log_det = family.log_determinant(factor, D) * np.ones(K)
    expected = -0.5 * np.linalg.slogdet(matrices)[1]
    np.testing.assert_allclose(log_det, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("unit", [1e-140, 1e-8, 1e8, 1e140])
def test_factors_survive_columns_of_very_different_units(
    family: CovarianceFamily, unit: float
) -> None:
    K, D = 2, 3
    parameters = random_parameters(np.random.default_rng(5), family, K, D)
    common = parameters.covariances.ndim == 2 and parameters.covariances.shape[1] == 1
    scale = np.full(D, unit) if common else np.array([unit, 1.0, 1.0 / unit])
    scaled = parameters.rescaled(scale)
    plain = family.potentials(parameters)
    mapped = family.potentials(scaled)
    assert np.isfinite(mapped.precision_cholesky).all()
    jacobian = np.log(scale).sum()
    np.testing.assert_allclose(mapped.offset + jacobian, plain.offset, rtol=1e-10, atol=1e-10)
    rows = np.random.default_rng(6).standard_normal((10, D))
    np.testing.assert_allclose(
        block_scores(rows * scale, mapped) + jacobian, block_scores(rows, plain), rtol=1e-9
    )


@pytest.mark.parametrize(("K", "D"), [(1, 1), (3, 1), (1, 4), (2, 2), (3, 4)])
def test_number_of_parameters(family: CovarianceFamily, K: int, D: int) -> None:
    at = positive_point(family, K, D)
    # The rank of the map from stored numbers (symmetric where matrices) to matrices; of those
    # that a restricted family is free to hold, which an M-step finds, whatever it is told.
    if isinstance(family, RestrictedFamily):
        free = FAMILIES["full" if at.ndim == 3 else "diag"]
        at = random_parameters(np.random.default_rng(2), free, K, D).covariances

    def held(moved: np.ndarray) -> np.ndarray:
        if isinstance(family, RestrictedFamily):
            moved = family.best(CovarianceTerms(1.0 + np.arange(K), moved))
        return family.expand(moved, K, D)

    columns, step = [], 1e-5
    for index in np.ndindex(at.shape):
        moved, back = at.copy(), at.copy()
        moved[index] += step
        back[index] -= step
        if at.ndim == 3 and index[1] != index[2]:
            moved[index[0], index[2], index[1]] += step
            back[index[0], index[2], index[1]] -= step
        columns.append((held(moved) - held(back)).ravel() / (2.0 * step))
    rank = np.linalg.matrix_rank(np.array(columns), tol=1e-5)
    assert family.n_covariance_parameters(K, D) == rank
    assert family.n_parameters(K, D) == rank + K * D + K - 1
    if family.name in MCLUST_NAMES:
        assert rank == MCLUST[MCLUST_NAMES[family.name]](K, D)


def test_densities_of_one_feature_integrate_to_one(family: CovarianceFamily) -> None:
    parameters = random_parameters(np.random.default_rng(8), family, 3, 1)
    potentials = family.potentials(parameters)
    for k in range(3):
        centre = float(parameters.means[k, 0])

        def density(x: float, k: int = k) -> float:
            score = block_scores(np.array([[x]]), potentials)[0, k]
            return float(np.exp(score - potentials.log_weight[k]))

        integral, _ = quad(density, centre - 15.0, centre + 15.0, points=[centre])
        assert integral == pytest.approx(1.0, abs=1e-10)


def test_public_shapes_are_scikit_learns(family: CovarianceFamily) -> None:
    K, D = 3, 2
    public = family.public(positive_point(family, K, D))
    known = {
        "full": (K, D, D),
        "tied": (D, D),
        "diag": (K, D),
        "spherical": (K,),
        "tied_diag": (D,),
        "tied_spherical": (),
    }
    if family.name in known:
        assert np.shape(public) == known[family.name]
    # Whatever the shape, the numbers are the stored ones.
    np.testing.assert_array_equal(np.ravel(public), positive_point(family, K, D).ravel())


def test_one_feature_families_coincide_but_for_what_is_tied(family: CovarianceFamily) -> None:
    for dimensions in ((2,), (3,), (2, 3)):
        replacement = univariate(family, dimensions)
        structure = replacement.structure(4, 1)
        assert len(structure) in dimensions
        shares = family.shares_volume or family.structure(4, 1)[0] == 1
        assert (structure[0] == 1) == shares
        assert replacement.n_parameters(4, 1) == family.n_parameters(4, 1)


def test_rescaled_and_permuted_parameters(family: CovarianceFamily) -> None:
    K, D = 3, 2
    parameters = random_parameters(np.random.default_rng(9), family, K, D)
    common = parameters.covariances.ndim == 2 and parameters.covariances.shape[1] == 1
    scale = np.full(D, 2.5) if common else np.array([2.5, 0.3])
    matrices = as_matrices(parameters.covariances, K, D)
    scaled = parameters.rescaled(scale)
    np.testing.assert_allclose(scaled.means, parameters.means * scale)
    np.testing.assert_allclose(
        as_matrices(scaled.covariances, K, D), matrices * np.outer(scale, scale), rtol=1e-14
    )
    order = np.array([2, 0, 1])
    permuted = parameters.permuted(order)
    np.testing.assert_array_equal(permuted.weights, parameters.weights[order])
    np.testing.assert_array_equal(permuted.means, parameters.means[order])
    np.testing.assert_array_equal(as_matrices(permuted.covariances, K, D), matrices[order])
    assert parameters.is_finite()
    assert not MixtureParameters(
        parameters.weights, parameters.means * np.inf, matrices
    ).is_finite()


def test_drawn_rows_have_the_components_moments(family: CovarianceFamily) -> None:
    K, D, N = 2, 3, 20_000
    parameters = random_parameters(np.random.default_rng(10), family, K, D)
    rows, labels = draw_rows(family, parameters, N, np.random.default_rng(11))
    share = np.bincount(labels, minlength=K) / N
    error = np.sqrt(parameters.weights * (1 - parameters.weights) / N)
    assert (np.abs(share - parameters.weights) < 5 * error).all()
    matrices = as_matrices(parameters.covariances, K, D)
    for k in range(K):
        member = rows[labels == k]
        # Whitened by an independent factor, the rows are standard normal in every coordinate.
        root = np.linalg.inv(np.linalg.cholesky(matrices[k]))
        white = (member - parameters.means[k]) @ root.T
        n = len(member)
        assert (np.abs(white.mean(axis=0)) < 5 / np.sqrt(n)).all()
        off = np.cov(white.T, bias=True) - np.eye(D)
        assert (np.abs(off) < 5 * np.sqrt(2 / n)).all()
        # 1e-6: about 5 standard deviations.
        assert min(stats.kstest(white[:, d], "norm").pvalue for d in range(D)) > 1e-6
