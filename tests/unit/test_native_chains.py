"""Native chains and allocators beyond their laws: bits, cuts, sizes, and the draws themselves."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from scipy import special, stats

from mixtura.data import ArrayRows
from mixtura.engines import ReferenceEngine
from mixtura.engines.native import NativeEngine
from mixtura.engines.native.allocation_calls import NativeAllocator
from mixtura.engines.native.chain_calls import draw_numbers
from mixtura.engines.native.library import AVX2, AVX512, BASELINE, use_instruction_set
from mixtura.engines.reference_allocation import ReferenceAllocator
from mixtura.families import FAMILIES
from mixtura.messages.parameters import MixtureParameters
from mixtura.messages.prior_arrays import ChainDraws
from mixtura.model import MixtureModel
from mixtura.priors import (
    Dirichlet,
    DirichletProcess,
    Independent,
    InverseGamma,
    KnownScale,
    MixtureOfFiniteMixtures,
    Normal,
    NormalInverseGamma,
    NormalInverseWishart,
)

UNLIKELY = 1e-6
"""Seeds are fixed; a p-value below this, about five sigma, is a fault."""

NORMAL, GAMMA, LOG_GAMMA = range(3)
ENGINE = NativeEngine(1)


@pytest.fixture(autouse=True)
def widest() -> Iterator[None]:
    yield
    use_instruction_set(-1)


def uses(number: int) -> None:
    if use_instruction_set(number) != number:
        pytest.skip("an instruction set that this machine has not")


# ------------------------------------------------------------------------------------ numbers


def test_normal_numbers_are_normal_far_out_as_well() -> None:
    drawn = draw_numbers(NORMAL, 1_000_000, (), np.random.default_rng(1))
    assert stats.kstest(drawn, "norm").pvalue > UNLIKELY
    for side in (drawn, -drawn):
        beyond = side[side > 3.2] - 3.2  # the tail has a way of its own from 3.44 on
        exact = float(stats.norm.sf(3.2))
        assert stats.binomtest(beyond.size, drawn.size, exact).pvalue > UNLIKELY
        uniform = stats.norm.sf(beyond + 3.2) / exact
        assert stats.kstest(uniform, "uniform").pvalue > UNLIKELY
    signs = np.sign(drawn[:-1]) * np.sign(drawn[1:])
    assert stats.binomtest(int((signs > 0).sum()), signs.size).pvalue > UNLIKELY


@pytest.mark.parametrize("shape", [0.05, 0.7, 1.0, 1.3, 7.5, 1e5])
def test_gamma_numbers_and_their_logarithms_are_those_of_the_shape(shape: float) -> None:
    drawn = draw_numbers(GAMMA, 200_000, (shape,), np.random.default_rng(2))
    assert stats.kstest(drawn, stats.gamma(shape).cdf).pvalue > UNLIKELY
    logs = draw_numbers(LOG_GAMMA, 200_000, (shape,), np.random.default_rng(3))
    uniform = special.gammainc(shape, np.exp(logs))
    assert stats.kstest(uniform, "uniform").pvalue > UNLIKELY


def test_logarithms_of_gamma_numbers_lie_below_all_float64() -> None:
    shape = 1e-4
    logs = draw_numbers(LOG_GAMMA, 100_000, (shape,), np.random.default_rng(4))
    # P(G < g) is g^shape / gamma(shape + 1) for small g: -shape log G is exponential.
    assert stats.kstest(-shape * logs, "expon").pvalue > UNLIKELY
    assert logs.min() < -1e4


# ------------------------------------------------------------------------------------- chains

VARIANCES = NormalInverseGamma(0.0, 0.5, 2.0, 1.0)
SCALES = Independent(Normal(0.0, 3.0), InverseGamma(2.0, 1.0))


def model_of(name: str, n_features: int) -> MixtureModel:
    matrices = NormalInverseWishart(0.0, 0.5, n_features + 2.0, np.eye(n_features))
    prior, family, weights = {
        "full": (matrices, "full", Dirichlet(0.8)),
        "tied": (matrices, "tied", Dirichlet(np.array([0.5, 2.0, 1.0]))),
        "variances": (VARIANCES, "diag", Dirichlet(1.0)),
        "scales": (SCALES, "diag", Dirichlet(1.0)),
        "spherical": (VARIANCES, "spherical", Dirichlet(1.0)),
        "tied scales": (SCALES, "tied_diag", Dirichlet(1.0)),
        "numbers": (VARIANCES, "diag", MixtureOfFiniteMixtures(concentration=1.0)),
    }[name]
    return MixtureModel(3, n_features, weights, prior, FAMILIES[family])


def rows_of(n_features: int) -> np.ndarray:
    """Return eighty rows in two groups."""
    rows = np.random.default_rng(5).standard_normal((80, n_features))
    rows[40:] += 3.0
    return rows


def chain(
    name: str, n_features: int, span: tuple[int, int], rng: Any = None, current: Any = None
) -> ChainDraws:
    """Return sweeps over eighty rows, two before the first draw, one in two kept."""
    rows, model = rows_of(n_features), model_of(name, n_features)
    assert model.steps is not None
    if current is None:
        structure = model.structure[: model.steps.components.dimensions]
        scales = np.ones(structure)
        if len(structure) == 3:
            scales = np.tile(np.eye(n_features), (structure[0], 1, 1))
        current = (np.full(3, 1.0 / 3.0), rows[[0, 40, 60]], scales)
    rng = np.random.default_rng(6) if rng is None else rng
    found = ENGINE.chain(ArrayRows(rows), model.steps, current, (*span, 2, 2), 7, rng)
    assert found is not None
    return found


def parts(*found: ChainDraws) -> list[np.ndarray]:
    names = ("weights", "means", "variances", "log_likelihood", "log_prior")
    return [np.concatenate([getattr(one, name) for one in found]) for name in names]


CHAINS = pytest.mark.parametrize(
    ("name", "n_features"),
    [
        *(("full", n) for n in (2, 3, 5)),
        *(("tied", n) for n in (2, 4)),
        *(("variances", n) for n in (1, 3)),
        *((name, 2) for name in ("scales", "spherical", "tied scales", "numbers")),
    ],
)


@CHAINS
def test_bits_of_chains_do_not_depend_on_the_width_of_registers(name: str, n_features: int) -> None:
    found = []
    for number in (AVX512, AVX2):
        uses(number)
        found.append(chain(name, n_features, (0, 30)))
    for one, other in zip(*map(parts, found), strict=True):
        np.testing.assert_array_equal(one, other)
    use_instruction_set(BASELINE)
    plain = chain(name, n_features, (0, 3))
    np.testing.assert_allclose(plain.log_likelihood, found[0].log_likelihood[:3], rtol=1e-11)
    np.testing.assert_allclose(plain.log_prior, found[0].log_prior[:3], rtol=1e-10, atol=1e-10)


@CHAINS
def test_where_a_chain_is_cut_shows_in_no_bit(name: str, n_features: int) -> None:
    whole = chain(name, n_features, (0, 25))
    rng, current, pieces = np.random.default_rng(6), None, []
    for span in ((0, 1), (1, 4), (4, 17), (17, 25)):
        pieces.append(chain(name, n_features, span, rng, current))
        current = pieces[-1].last
    for one, other in zip(parts(whole), parts(*pieces), strict=True):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(whole.last, pieces[-1].last, strict=True):
        np.testing.assert_array_equal(one, other)


@CHAINS
def test_log_likelihoods_of_chains_are_those_of_their_draws(name: str, n_features: int) -> None:
    found, rows = chain(name, n_features, (0, 12)), rows_of(n_features)
    model = model_of(name, n_features)
    for s in range(len(found.weights)):
        covariances = found.variances[s].reshape(model.structure)
        current = MixtureParameters(found.weights[s], found.means[s], covariances)
        exact = ReferenceEngine().log_density(ArrayRows(rows), model.potentials(current)).sum()
        assert found.log_likelihood[3 + 2 * s] == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize("n_groups", [2, 3, 5])
def test_chains_of_groups_far_apart_have_the_conjugate_expectations(n_groups: int) -> None:
    """No row changes its component: means and covariances follow one distribution."""
    D, labels = 5, np.arange(400) % n_groups
    rows = np.random.default_rng(13).standard_normal((400, D)) + 60.0 * labels[:, None]
    prior = NormalInverseWishart(1.0, 0.001, D + 2.0, np.eye(D))
    model = MixtureModel(n_groups, D, Dirichlet(1.0), prior, FAMILIES["full"])
    assert model.steps is not None
    centres = np.stack([rows[labels == k].mean(axis=0) for k in range(n_groups)])
    current = (np.full(n_groups, 1.0 / n_groups), centres, np.tile(np.eye(D), (n_groups, 1, 1)))
    plan = (0, 4001, 0, 1)
    found = ENGINE.chain(ArrayRows(rows), model.steps, current, plan, 14, np.random.default_rng(14))
    assert found is not None
    for k in range(n_groups):
        own = rows[labels == k]
        n, apart, away = len(own), own - centres[k], centres[k] - 1.0
        scale = np.eye(D) + apart.T @ apart + 0.001 * n / (0.001 + n) * np.outer(away, away)
        expected = [
            (n + 1.0) / (400.0 + n_groups),
            (0.001 + n * centres[k]) / (0.001 + n),
            scale / (D + 2.0 + n - D - 1.0),
        ]
        drawn = (found.weights[1:, k], found.means[1:, k], found.variances[1:, k])
        for draws, exact in zip(drawn, expected, strict=True):
            error = draws.std(axis=0) / np.sqrt(len(draws))
            assert (np.abs(draws.mean(axis=0) - exact) < 5.0 * error).all()


def test_weights_of_tiny_concentrations_are_numbers() -> None:
    rows = np.random.default_rng(8).standard_normal((20, 1))
    model = MixtureModel(30, 1, Dirichlet(1e-5), VARIANCES, FAMILIES["diag"])
    assert model.steps is not None
    current = (np.full(30, 1.0 / 30.0), np.zeros((30, 1)), np.ones((30, 1)))
    found = ENGINE.chain(
        ArrayRows(rows), model.steps, current, (0, 50, 0, 1), 9, np.random.default_rng(9)
    )
    assert found is not None
    np.testing.assert_allclose(found.weights.sum(axis=1), 1.0, rtol=1e-12)
    assert np.isfinite(found.log_likelihood).all()
    assert np.isfinite(found.log_prior).all()


# --------------------------------------------------------------------------------- allocators


def clusters_of(name: str, n_features: int) -> Any:
    shapes: Any = 2.0 + 0.1 * np.arange(n_features)
    matrices = NormalInverseWishart(0.0, 0.2, n_features + 2.0, np.eye(n_features))
    prior, family = {
        "variances": (NormalInverseGamma(0.0, 0.2, 2.0, 1.0), "diag"),
        "unlike variances": (NormalInverseGamma(0.0, 0.2, shapes, 1.0 / shapes), "diag"),
        "one variance": (NormalInverseGamma(0.0, 0.2, 2.0, 1.0), "spherical"),
        "known": (KnownScale([1.0] * n_features, Normal(0.0, [3.0] * n_features)), "diag"),
        "matrices": (matrices, "full"),
    }[name]
    return MixtureModel(2, n_features, Dirichlet(1.0), prior, FAMILIES[family]).cluster_steps


KINDS = pytest.mark.parametrize(
    "name", ["variances", "unlike variances", "one variance", "known", "matrices"]
)


def allocated(
    kind: type[NativeAllocator] | type[ReferenceAllocator],
    name: str,
    rows: np.ndarray,
    concentration: float,
    plans: list[tuple[int, int, int]],
) -> tuple[np.ndarray, np.ndarray]:
    """Return labels after some runs of sweeps from five clusters on, and what all were worth."""
    allocator = kind(rows, clusters_of(name, rows.shape[1]))
    made: Any = DirichletProcess(concentration).partitions(2)
    partition = made.steps(len(rows), concentration)
    rng, labels, worth = np.random.default_rng(10), np.arange(len(rows)) % 5, []
    for plan in plans:
        labels, found = allocator.run(labels, partition, plan, rng)
        worth.append(found)
    return labels, np.concatenate(worth)


@KINDS
@pytest.mark.parametrize("n_features", [1, 3, 9])
@pytest.mark.parametrize("concentration", [0.5, 1e6], ids=["few", "many"])
def test_allocators_agree_for_all_sizes(name: str, n_features: int, concentration: float) -> None:
    rows = np.random.default_rng(11).standard_normal((26, n_features))
    rows[13:] += 2.0
    rows[7] = rows[8]
    native, reference = (
        allocated(kind, name, rows, concentration, [(2, 1, 3)])
        for kind in (NativeAllocator, ReferenceAllocator)
    )
    np.testing.assert_array_equal(native[0], reference[0])
    np.testing.assert_allclose(native[1], reference[1], rtol=1e-11)
    if concentration > 1.0:
        assert native[0].max() >= 8  # more than stand side by side


@KINDS
def test_bits_of_partitions_do_not_depend_on_registers_nor_cuts(name: str) -> None:
    rng = np.random.default_rng(12)
    rows = np.concatenate([rng.normal(c, 1.0, (150, 4)) for c in (0.0, 2.0, 6.0)])
    whole = allocated(NativeAllocator, name, rows, 1.0, [(6, 1, 2)])
    cut = allocated(NativeAllocator, name, rows, 1.0, [(1, 1, 2), (2, 1, 2), (3, 1, 2)])
    uses(AVX512)
    uses(AVX2)
    narrow = allocated(NativeAllocator, name, rows, 1.0, [(6, 1, 2)])
    for other in (cut, narrow):
        np.testing.assert_array_equal(whole[0], other[0])
        np.testing.assert_array_equal(whole[1], other[1])


def test_one_row_is_one_cluster() -> None:
    labels, worth = allocated(NativeAllocator, "matrices", np.ones((1, 3)), 1.0, [(3, 1, 2)])
    np.testing.assert_array_equal(labels, [0])
    assert np.isfinite(worth).all()
