"""Laws of every engine under tails: scores equal scipy's and those of the reference engine."""

from collections.abc import Callable

import mpmath
import numpy as np
import pytest
from scipy import stats
from scipy.special import logsumexp

from mixtura.data import ArrayRows
from mixtura.engines import Engine
from mixtura.messages.assignments import Soft
from mixtura.messages.potentials import Potentials, ScaleMixtureTail, StudentTail, Tail

SIZES = [(150, 1, 2), (97, 2, 3), (61, 5, 1), (70, 9, 4)]
"""(N, D, K)."""

MakeTail = Callable[[np.random.Generator, int, int], Tail]


def shared_widths(rng: np.random.Generator, K: int, D: int) -> Tail:
    log_share = np.log(rng.dirichlet(np.ones(5), (K, 1)))
    return ScaleMixtureTail(log_share, rng.gamma(2.0, size=(K, D, 5)))


TAILS: dict[str, MakeTail] = {
    "t of distances": lambda rng, K, D: StudentTail(rng.uniform(1.0, 50.0, K)),
    "nearly Gaussian": lambda rng, K, D: StudentTail(rng.uniform(1e5, 1e9, K)),
    "t of features": lambda rng, K, D: StudentTail(
        np.broadcast_to(rng.uniform(1.0, 50.0, (K, 1)), (K, D))
    ),
    "unlike features": lambda rng, K, D: StudentTail(rng.uniform(1.0, 50.0, (K, D))),
    "widths of features": lambda rng, K, D: ScaleMixtureTail(
        np.log(rng.dirichlet(np.ones(5), (K, D))), rng.gamma(2.0, size=(K, D, 5))
    ),
    "shared widths": shared_widths,
}
STRUCTURES: dict[str, Callable[[int, int], tuple[int, ...]]] = {
    "full": lambda K, D: (K, D, D),
    "tied": lambda K, D: (1, D, D),
    "diag": lambda K, D: (K, D),
    "spherical": lambda K, D: (K, 1),
    "tied_diag": lambda K, D: (1, D),
}


@pytest.fixture(params=SIZES, ids=lambda s: "N{}D{}K{}".format(*s))
def sizes(request: pytest.FixtureRequest) -> tuple[int, int, int]:
    """Return N, D and K."""
    return request.param


@pytest.fixture(params=sorted(TAILS))
def tail(request: pytest.FixtureRequest) -> MakeTail:
    """Return what makes a tail."""
    return TAILS[request.param]


def scene(
    sizes: tuple[int, int, int], structure: str, tail: MakeTail, spread: float = 2.5
) -> tuple[Potentials, np.ndarray]:
    """Return potentials with a tail, and rows."""
    N, D, K = sizes
    rng = np.random.default_rng(N)
    shape = STRUCTURES[structure](K, D)
    if len(shape) == 3:
        factor = np.triu(0.3 * rng.standard_normal(shape), 1)
        factor += np.eye(D) * rng.uniform(0.5, 2.0, (shape[0], 1, D))
    else:
        factor = rng.uniform(0.5, 2.0, shape)
    log_weight = np.log(rng.dirichlet(np.ones(K)))
    potentials = Potentials(
        log_weight, rng.standard_normal(K), rng.standard_normal((K, D)), factor, tail(rng, K, D)
    )
    return potentials, spread * rng.standard_normal((N, D))


@pytest.mark.parametrize("structure", sorted(STRUCTURES))
def test_every_engine_equals_the_reference_under_tails(
    engine: Engine,
    reference_engine: Engine,
    sizes: tuple[int, int, int],
    structure: str,
    tail: MakeTail,
) -> None:
    potentials, values = scene(sizes, structure, tail)
    rows = ArrayRows(values)
    np.testing.assert_allclose(
        engine.log_density(rows, potentials),
        reference_engine.log_density(rows, potentials),
        rtol=1e-10,
        atol=1e-10,
    )
    np.testing.assert_allclose(
        engine.responsibilities(rows, potentials),
        reference_engine.responsibilities(rows, potentials),
        rtol=1e-10,
        atol=1e-14,
    )
    for ours, other in (
        (engine.labels(rows, potentials), reference_engine.labels(rows, potentials)),
        (
            engine.sample_labels(rows, potentials, 3, 5),
            reference_engine.sample_labels(rows, potentials, 3, 5),
        ),
    ):
        assert ours.dtype == np.intp
        np.testing.assert_array_equal(ours, other)
    swept, known = (e.sweep(rows, potentials, Soft()) for e in (engine, reference_engine))
    np.testing.assert_allclose(swept.count, known.count, rtol=1e-10)
    np.testing.assert_allclose(swept.second, known.second, rtol=1e-10, atol=1e-10)
    assert swept.log_normalizer == pytest.approx(known.log_normalizer, rel=1e-10)


@pytest.mark.parametrize("n_features", [1, 2, 6])
def test_densities_are_those_of_scipy(engine: Engine, n_features: int) -> None:
    rng = np.random.default_rng(1)
    K, D = 2, n_features
    potentials, values = scene((80, D, K), "full", TAILS["t of distances"])
    assert isinstance(potentials.tail, StudentTail)
    freedom = potentials.tail.degrees_of_freedom
    scores = np.empty((80, K))
    for k in range(K):
        root = potentials.precision_cholesky[k]
        shape = np.linalg.inv(root @ root.T)
        student = stats.multivariate_t(potentials.mean[k], shape, df=freedom[k])
        at_mean = student.logpdf(potentials.mean[k])
        scores[:, k] = potentials.log_weight[k] + potentials.offset[k]
        scores[:, k] += student.logpdf(values) - at_mean
    density = engine.log_density(ArrayRows(values), potentials)
    np.testing.assert_allclose(density, logsumexp(scores, axis=1), rtol=1e-9)
    # Products of univariate distributions.
    freedom = rng.uniform(1.0, 9.0, (K, D))
    potentials, _ = scene((80, D, K), "diag", lambda *_: StudentTail(freedom))
    z = (values[:, None, :] - potentials.mean) * potentials.precision_cholesky
    logs = stats.t(freedom).logpdf(z) - stats.t(freedom).logpdf(0.0)
    scores = logs.sum(axis=2) + potentials.log_weight + potentials.offset
    density = engine.log_density(ArrayRows(values), potentials)
    np.testing.assert_allclose(density, logsumexp(scores, axis=1), rtol=1e-10)


@pytest.mark.parametrize("spread", [1e20, 1e60, 1e100, 1e140])
def test_far_rows_are_told_apart_under_tails(
    engine: Engine,
    reference_engine: Engine,
    sizes: tuple[int, int, int],
    tail: MakeTail,
    spread: float,
) -> None:
    # Where products of features leave float64, their logarithms do not.
    potentials, values = scene(sizes, "diag", tail, spread)
    rows = ArrayRows(values)
    expected = reference_engine.log_density(rows, potentials)
    np.testing.assert_allclose(engine.log_density(rows, potentials), expected, rtol=1e-10)
    np.testing.assert_array_equal(
        engine.labels(rows, potentials), reference_engine.labels(rows, potentials)
    )


def test_rows_at_the_end_of_float64_have_densities_under_tails(
    engine: Engine, tail: MakeTail
) -> None:
    for structure in ("full", "diag"):
        potentials, _ = scene((9, 3, 2), structure, tail)
        far = np.array([[1.7e308, -1.7e308, 1.7e308], [1e300, 0.0, 0.0], [0.0, 0.0, -1e160]])
        assert np.isfinite(engine.log_density(ArrayRows(far), potentials)).all()
        shares = engine.responsibilities(ArrayRows(far), potentials)
        np.testing.assert_allclose(shares.sum(axis=1), 1.0)


def exact_scores(potentials: Potentials, row: np.ndarray, k: int) -> mpmath.mpf:
    """Return a row's score of a component in 1,000 digits, as its formula says."""
    tail, factor = potentials.tail, potentials.precision_cholesky
    own = factor[0 if len(factor) == 1 else k]
    centred = [
        mpmath.mpf(float(x)) - mpmath.mpf(float(m))
        for x, m in zip(row, potentials.mean[k], strict=True)
    ]
    if own.ndim == 2:
        z = [sum(c * float(p) for c, p in zip(centred, column, strict=True)) for column in own.T]
    else:
        z = [c * float(p) for c, p in zip(centred, np.broadcast_to(own, row.shape), strict=True)]
    total = mpmath.mpf(float(potentials.log_weight[k])) + float(potentials.offset[k])
    squares = [one * one for one in z]
    if tail is None:
        return total - sum(squares) / 2
    if isinstance(tail, StudentTail):
        freedom = [mpmath.mpf(float(one)) for one in np.atleast_1d(tail.degrees_of_freedom[k])]
        if tail.degrees_of_freedom.ndim == 1:
            (nu,) = freedom
            return total - (nu + len(z)) / 2 * mpmath.log(1 + sum(squares) / nu)
        return total - sum(
            (nu + 1) / 2 * mpmath.log(1 + one / nu)
            for nu, one in zip(freedom, squares, strict=True)
        )
    share, precision = tail.log_share[k], tail.precision[k]
    groups = [range(len(z))] if len(share) == 1 else [[d] for d in range(len(z))]
    for logs, group in zip(share, groups, strict=True):
        widths = [
            mpmath.exp(float(log) - sum(squares[d] * float(precision[d, j]) for d in group) / 2)
            for j, log in enumerate(logs)
        ]
        total += mpmath.log(sum(widths))
    return total


def exact_shares(potentials: Potentials, values: np.ndarray) -> np.ndarray:
    """Return responsibilities of rows, shape (N, K), found in 1,000 digits."""
    with mpmath.workdps(1000):
        each = range(len(potentials.mean))
        scores = [[exact_scores(potentials, row, k) for k in each] for row in values]
        relative = [[mpmath.exp(one - max(row)) for one in row] for row in scores]
        return np.array([[float(one / sum(row)) for one in row] for row in relative])


@pytest.mark.parametrize("size", [1e8, 1e50, 1e160, 1e200, 1e300])
@pytest.mark.parametrize("structure", sorted(STRUCTURES))
@pytest.mark.parametrize("kind", ["none", *sorted(TAILS)])
def test_rows_at_the_end_of_float64_go_where_nearer_ones_go(
    engine: Engine, structure: str, kind: str, size: float
) -> None:
    """Against the scores themselves in 1,000 digits, which have no end of float64."""
    make: MakeTail = TAILS.get(kind, lambda rng, K, D: None)  # type: ignore[arg-type]
    potentials, _ = scene((9, 2, 3), structure, make)
    values = size * np.array([[1.0, 0.0], [-0.3, 0.9], [0.2, -1.0], [0.0, 0.7]])
    values[3, 0] = 0.7
    rows = ArrayRows(values)
    shares = exact_shares(potentials, values)
    np.testing.assert_allclose(engine.responsibilities(rows, potentials), shares, atol=1e-9)
    np.testing.assert_array_equal(engine.labels(rows, potentials), shares.argmax(axis=1))
    certain = shares.max(axis=1) > 1.0 - 1e-9
    drawn = engine.sample_labels(rows, potentials, 5, 3)
    assert (drawn == shares.argmax(axis=1))[:, certain].all()


@pytest.mark.parametrize("size", [1e8, 1e160])
@pytest.mark.parametrize("structure", sorted(STRUCTURES))
def test_far_rows_go_where_nearer_ones_go_under_each_of_many_mixtures(
    engine: Engine, structure: str, size: float
) -> None:
    """The components of each mixture may be equally wide, which those of all are not."""
    each = [scene((n_rows, 2, 3), structure, lambda rng, K, D: None)[0] for n_rows in (9, 10)]  # type: ignore[arg-type,return-value]
    values = size * np.array([[1.0, 0.3], [-0.3, 0.9], [0.2, -1.0]])
    names = ("log_weight", "offset", "mean")
    parts = [np.concatenate([getattr(one, name) for one in each]) for name in names]
    factors = [one.precision_cholesky for one in each]
    factors = [np.repeat(one, 3 // len(one), axis=0) for one in factors]
    together = Potentials(*parts, np.concatenate(factors))
    found = engine.summed_responsibilities(ArrayRows(values), together, 3)
    shares = sum(exact_shares(one, values) for one in each)
    np.testing.assert_allclose(found, shares, atol=1e-9)


def test_tails_leave_components_of_weight_zero_alone(engine: Engine, tail: MakeTail) -> None:
    potentials, values = scene((50, 2, 3), "diag", tail)
    potentials.log_weight[1] = -np.inf
    rows = ArrayRows(values)
    assert not engine.responsibilities(rows, potentials)[:, 1].any()
    assert not (engine.labels(rows, potentials) == 1).any()
    assert not (engine.sample_labels(rows, potentials, 20, 0) == 1).any()
