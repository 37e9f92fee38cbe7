"""Whatever arrays it is given, the native engine answers as it should or raises a plain error."""

import mmap
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixtura.data import ArrayRows
from mixtura.engines import ReferenceEngine
from mixtura.engines.climb import Standing
from mixtura.engines.native import NativeEngine
from mixtura.engines.search import Extent, Leading, SearchPlan
from mixtura.engines.variation import Factors
from mixtura.inference.starts.plans import REACH
from mixtura.messages.assignments import Assignment, Given, Hard, Labelled, Sampled, Soft
from mixtura.messages.potentials import Potentials, ScaleMixtureTail, StudentTail, Tail
from mixtura.messages.prior_arrays import (
    ChainSteps,
    ClimbSteps,
    MatrixSteps,
    PartitionSteps,
    ScaleSteps,
    WeightSteps,
    cluster_steps_of,
    conjugate_steps,
    flat_steps,
    matrix_steps_of,
    steps_of,
)
from mixtura.messages.statistics import SufficientStatistics
from mixtura.messages.variational_prior_arrays import FactorKind, VariationalSteps

PLAIN_ERRORS = (TypeError, ValueError, IndexError, ZeroDivisionError, np.exceptions.ComplexWarning)
ENGINES = [NativeEngine(1, expanded_from=None), NativeEngine(2, expanded_from=0)]
ENGINE = ENGINES[0]
PLAN = SearchPlan(
    n_kept=3,
    n_improved=2,
    most_trials=6,
    n_rounds=3,
    relocation_steps=8,
    trial_steps=4,
    lasting_steps=5,
    scale_rounds=2,
    scale_steps=5,
    steps=(2, 3),
    factor=1.0,
    settled=1e-9,
    slack=1e-6,
    least_gain=0.01,
    hopeless=-100.0,
    same=0.01,
    fewest=0.25,
    scale_rest=1e-9,
    degenerate=10.0,
    reach=REACH,
)

# ------------------------------------------------------------------- the same numbers elsewhere


def at_odd_address(values: np.ndarray) -> np.ndarray:
    room = np.zeros(values.nbytes + 128, dtype=np.uint8)
    there = room[1 : values.nbytes + 1].view(values.dtype).reshape(values.shape)
    there[...] = values
    return there


def at_end_of_memory(values: np.ndarray) -> np.ndarray:
    """Return a copy that ends where a page does; what comes after it is another mapping or none."""
    size = -(-max(values.nbytes, 1) // mmap.PAGESIZE) * mmap.PAGESIZE
    room = np.frombuffer(mmap.mmap(-1, size), dtype=np.uint8)
    there = room[size - values.nbytes :].view(values.dtype).reshape(values.shape)
    there[...] = values
    return there


def in_steps(values: np.ndarray) -> np.ndarray:
    wide = np.full((*values.shape[:-1], 2 * values.shape[-1] + 1), np.nan)
    wide = wide.astype(values.dtype) if values.dtype.kind == "f" else wide.astype(int) * 0
    wide[..., 1::2] = values
    return wide[..., 1::2]


def backwards(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values[::-1])[::-1]


def read_only(values: np.ndarray) -> np.ndarray:
    values = values.copy()
    values.flags.writeable = False
    return values


SAME: dict[str, Callable[[np.ndarray], Any]] = {
    "by columns": np.asfortranarray,
    "in steps": in_steps,
    "backwards": backwards,
    "at an odd address": at_odd_address,
    "at the end of memory": at_end_of_memory,
    "read-only": read_only,
    "of the other byte order": lambda values: values.astype(values.dtype.newbyteorder()),
}
ROUNDED: dict[str, Callable[[np.ndarray], Any]] = {
    "float32": lambda values: values.astype(np.float32),
    "float16": lambda values: values.astype(np.float16),
    "long double": lambda values: values.astype(np.longdouble),
}
STRANGE: dict[str, Callable[[np.ndarray], Any]] = {
    "one more": lambda values: np.concatenate([values, values[:1]]),
    "one less": lambda values: values[:-1],
    "none": lambda values: values[:0],
    "a column less": lambda values: values[..., :-1],
    "a column more": lambda values: np.concatenate([values, values[..., :1]], axis=-1),
    "one more dimension": lambda values: values[..., None],
    "flat": lambda values: np.append(values, values),
    "one number": lambda values: values.reshape(-1)[:1].sum(),
    "masked": lambda values: np.ma.masked_array(values, np.arange(values.size) % 2 == 0),
    "complex": lambda values: values + 1j,
    "objects": lambda values: values.astype(object),
    "text": lambda values: values.astype(str),
    "dates": lambda values: np.zeros(values.shape, "datetime64[s]"),
}
HARSH: dict[str, Callable[[np.ndarray], Any]] = {
    "missing": lambda values: np.where(np.arange(values.size) % 3, values.flat, np.nan).reshape(
        values.shape
    ),
    "infinite": lambda values: np.where(np.arange(values.size) % 3, values.flat, -np.inf).reshape(
        values.shape
    ),
    "huge": lambda values: values * 1e300,
    "beyond": lambda values: np.full(values.shape, 1.7e308) * np.sign(values),
    "tiny": lambda values: values * 1e-300,
    "zero": lambda values: 0.0 * values,
    "below zero": lambda values: -np.abs(values),
}


@pytest.fixture(autouse=True)
def quiet() -> Any:
    with np.errstate(all="ignore"):
        yield


def near(found: Any, expected: Any) -> None:
    """Two structures of arrays are equal but for rounding."""
    for one, other in zip(found, expected, strict=True):
        size = np.abs(other).max(initial=0.0)
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9 * size)


def parts(found: SufficientStatistics) -> tuple[Any, ...]:
    return found.count, found.first, found.second, found.log_normalizer


def check_complete(rows: ArrayRows) -> None:
    """Refuse rows with missing cells, of which there are no whole runs."""
    if not rows.is_complete:
        raise ValueError("whole runs are of complete rows")


Arrays = dict[str, Any]
Answer = Callable[[Arrays], Any]


def check(data: st.DataObject, arrays: Arrays, native: Answer, reference: Answer | None) -> None:
    """Change one array in every way; ``reference`` is None where the native engine is its own."""
    name = data.draw(st.sampled_from(sorted(arrays)))
    plain = arrays[name]
    for way in SAME.values():
        near(native(arrays | {name: way(plain)}), native(arrays))
    for way in ROUNDED.values() if name in ("rows", "weights", "given") else ():
        rounded = way(plain)
        wide = arrays | {name: rounded.astype(np.float64)}
        if np.isfinite(wide[name]).all():
            near(native(arrays | {name: rounded}), native(wide))
    for label, way in (STRANGE | (HARSH if plain.dtype.kind == "f" else {})).items():
        try:
            strange = arrays | {name: way(plain)}
            found = native(strange)
        except PLAIN_ERRORS:
            continue
        if reference is not None and label not in HARSH and strange["rows"].size:
            near(found, reference(strange))


# ------------------------------------------------------------------------------ sweeps, tellings

STRUCTURES: list[Callable[[int, int], tuple[int, ...]]] = [
    lambda k, d: (k, d, d),
    lambda k, d: (1, d, d),
    lambda k, d: (k, d),
    lambda k, d: (k, 1),
    lambda k, d: (1, d),
    lambda k, d: (1, 1),
]
SIZES = st.tuples(st.integers(1, 70), st.integers(1, 5), st.integers(1, 5))
SEEDS = st.integers(0, 2**32 - 1)


def factor_of(rng: np.random.Generator, structure: tuple[int, ...]) -> np.ndarray:
    if len(structure) == 2:
        return rng.uniform(0.5, 2.0, structure)
    return np.triu(0.2 * rng.standard_normal(structure), 1) + np.eye(structure[-1])


def potentials_of(rng: np.random.Generator, structure: tuple[int, ...], k: int, d: int) -> Arrays:
    return {
        "log_weight": np.log(rng.dirichlet(np.ones(k))),
        "offset": rng.standard_normal(k),
        "mean": rng.standard_normal((k, d)),
        "precision_cholesky": factor_of(rng, structure),
    }


def potentials_in(arrays: Arrays, tail: Tail | None = None) -> Potentials:
    names = ("log_weight", "offset", "mean", "precision_cholesky")
    return Potentials(*(arrays[name] for name in names), tail)


ASSIGNMENTS: list[Callable[[Arrays], Assignment]] = [
    lambda arrays: Soft(),
    lambda arrays: Hard(),
    lambda arrays: Sampled(3, 1),
    lambda arrays: Given(arrays["given"]),
    lambda arrays: Labelled(arrays["labels"]),
]


@given(SIZES, st.sampled_from(STRUCTURES), st.integers(0, 4), st.booleans(), SEEDS, st.data())
def test_sweeps(sizes, structure, number: int, weighted: bool, seed: int, data) -> None:
    n, d, k = sizes
    rng = np.random.default_rng(seed)
    arrays = {"rows": rng.standard_normal((n, d)), **potentials_of(rng, structure(k, d), k, d)}
    if weighted:
        arrays["weights"] = rng.uniform(0.5, 2.0, n)
    if number == 3:
        arrays["given"] = rng.dirichlet(np.ones(k), n)
    if number == 4:
        arrays["labels"] = rng.integers(k, size=n)

    def swept(engine) -> Answer:
        def answer(given: Arrays) -> Any:
            rows = ArrayRows(given["rows"], given.get("weights"))
            assignment = ASSIGNMENTS[number](given)
            return parts(engine.sweep(rows, potentials_in(given), assignment))

        return answer

    engine = data.draw(st.sampled_from(ENGINES))
    near(swept(engine)(arrays), swept(ReferenceEngine())(arrays))
    check(data, arrays, swept(engine), swept(ReferenceEngine()))


def tail_of(arrays: Arrays) -> Tail | None:
    if "freedom" in arrays:
        return StudentTail(arrays["freedom"])
    return ScaleMixtureTail(arrays["share"], arrays["precision"]) if "share" in arrays else None


@given(SIZES, st.sampled_from(STRUCTURES), st.integers(0, 4), SEEDS, st.data())
def test_what_rows_are_told(sizes, structure, kind: int, seed: int, data) -> None:
    n, d, k = sizes
    rng = np.random.default_rng(seed)
    arrays = {"rows": rng.standard_normal((n, d)), **potentials_of(rng, structure(k, d), k, d)}
    if kind in (1, 2):
        arrays["freedom"] = rng.uniform(2.0, 9.0, (k, d)[:kind])
    if kind > 2:
        arrays["share"] = np.log(rng.dirichlet(np.ones(4), (k, d if kind == 4 else 1)))
        arrays["precision"] = rng.uniform(0.5, 2.0, (k, d, 4))

    def told(engine) -> Answer:
        def answer(given: Arrays) -> Any:
            rows, potentials = ArrayRows(given["rows"]), potentials_in(given, tail_of(given))
            return (
                engine.responsibilities(rows, potentials),
                engine.log_density(rows, potentials),
                engine.labels(rows, potentials),
                engine.sample_labels(rows, potentials, 2, seed),
            )

        return answer

    engine = data.draw(st.sampled_from(ENGINES))
    if not (kind in (2, 4) and arrays["precision_cholesky"].ndim == 3 and d > 1):
        near(told(engine)(arrays), told(ReferenceEngine())(arrays))
        check(data, arrays, told(engine), told(ReferenceEngine()))


@given(SIZES, st.sampled_from(STRUCTURES), st.integers(1, 4), SEEDS, st.data())
def test_many_mixtures(sizes, structure, times: int, seed: int, data) -> None:
    n, d, k = sizes
    rng = np.random.default_rng(seed)
    potentials = potentials_of(rng, structure(times * k, d), times * k, d)
    arrays = {"rows": rng.standard_normal((n, d)), **potentials}
    arrays["weights"] = rng.uniform(0.5, 2.0, n)

    def answer(given: Arrays) -> Any:
        rows, potentials = ArrayRows(given["rows"], given["weights"]), potentials_in(given)
        return (
            ENGINE.log_likelihoods(rows, potentials, k),
            ENGINE.summed_responsibilities(rows, potentials, k),
        )

    check(data, arrays, answer, None)


@pytest.mark.parametrize("engine", ENGINES, ids=["triangular", "expanded"])
@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize("sizes", [(0, 2, 2), (3, 0, 2), (3, 2, 0)])
def test_nothing_at_all(engine, structure, sizes: tuple[int, int, int]) -> None:
    n, d, k = sizes
    rng = np.random.default_rng(0)
    potentials = potentials_in(
        {
            "log_weight": np.zeros(k),
            "offset": np.zeros(k),
            "mean": np.zeros((k, d)),
            "precision_cholesky": factor_of(rng, structure(k, d)),
        }
    )
    rows = ArrayRows(np.zeros((n, d)))
    calls = [
        lambda: engine.sweep(rows, potentials, Soft()),
        lambda: engine.responsibilities(rows, potentials),
        lambda: engine.log_density(rows, potentials),
        lambda: engine.labels(rows, potentials),
        lambda: engine.sample_labels(rows, potentials, 2, 0),
    ]
    if n == 0:
        assert not parts(calls[0]())[0].any()
        assert [call().size for call in calls[1:]] == [0, 0, 0, 0]
        return
    for call in calls:
        with pytest.raises(PLAIN_ERRORS):
            call()


@pytest.mark.parametrize("labels", [[0, 1, 2], [0, -1, 0], [0.0, 1.0, 0.5], [0, 1, 2**62]])
def test_labels_of_no_component(labels: list[float]) -> None:
    rng = np.random.default_rng(0)
    potentials = potentials_in(potentials_of(rng, (2, 2), 2, 2))
    with pytest.raises(PLAIN_ERRORS):
        ENGINE.sweep(ArrayRows(np.zeros((3, 2))), potentials, Labelled(np.array(labels)))


# ------------------------------------------------------------------------------- runs of EM


@given(SIZES, st.sampled_from(STRUCTURES), st.booleans(), SEEDS, st.data())
def test_runs_of_em(sizes, structure, is_conjugate: bool, seed: int, data) -> None:
    n, d, k = sizes
    shape = structure(k, d)
    rng = np.random.default_rng(seed)
    scale = np.eye(d) if len(shape) == 3 else np.ones(shape[1])
    freedom = np.full(1 if len(shape) == 3 else shape[1], d + 2.0)
    arrays = {
        "rows": rng.standard_normal((n, d)),
        "count": np.full(k, n / k),
        "first": 0.1 * rng.standard_normal((k, d)),
        "second": np.broadcast_to(n / k * scale, shape).copy(),
        "pivot": rng.standard_normal((k, d)),
        "weights": rng.uniform(0.5, 2.0, n),
        "mean": np.zeros(d),
        "scale": scale,
        "floor": np.full(d, 1e-9),
    }

    def ascended(given: Arrays) -> Any:
        begin = SufficientStatistics(
            *(given[name] for name in ("count", "first", "second", "pivot"))
        )
        if is_conjugate:
            steps = conjugate_steps(d, given["mean"], 0.1, freedom, given["scale"])
        else:
            steps = replace(flat_steps(np.zeros(d), shape), floor=given["floor"])
        rows = ArrayRows(given["rows"], given["weights"])
        found = ENGINE.ascent(rows, begin, (steps, None), (3, 1.0, 0.0))
        if found is None:
            return ()
        return *parts(found.statistics), found.weights, found.means, found.covariances

    check(data, arrays, ascended, None)


# ------------------------------------------------------------- climbs and variational Bayes


def standing_of(rng: np.random.Generator, n: int, d: int, k: int, shape: tuple[int, ...]) -> Arrays:
    """Return rows, weights, and what a sweep might have found."""
    scale = np.eye(d) if len(shape) == 3 else np.ones(shape[1])
    return {
        "rows": rng.standard_normal((n, d)),
        "weights": rng.uniform(0.5, 2.0, n),
        "count": np.full(k, n / k),
        "first": 0.1 * rng.standard_normal((k, d)),
        "second": np.broadcast_to(n / k * scale, shape).copy(),
        "pivot": rng.standard_normal((k, d)),
        "scale": scale,
    }


def statistics_in(given: Arrays) -> SufficientStatistics:
    return SufficientStatistics(*(given[name] for name in ("count", "first", "second", "pivot")))


@given(SIZES, st.sampled_from(STRUCTURES), st.booleans(), st.booleans(), SEEDS, st.data())
def test_climbs(sizes, structure, is_conjugate: bool, by_em: bool, seed: int, data) -> None:
    n, d, k = sizes
    shape = structure(k, d)
    rng = np.random.default_rng(seed)
    freedom = np.full(1 if len(shape) == 3 else shape[1], d + 2.0)
    arrays = standing_of(rng, n, d, k, shape) | {
        "shares": np.full(k, 1.0 / k),
        "covariances": np.broadcast_to(np.eye(d) if len(shape) == 3 else 1.0, shape).copy(),
        "excess": np.full(k, 0.5),
        "mean": np.zeros(d),
        "floor": np.full(d, 1e-9),
    }

    def climbed(given: Arrays) -> Any:
        found = replace(statistics_in(given), pivot=given["pivot"])
        if is_conjugate:
            components = conjugate_steps(d, given["mean"], 0.1, freedom, given["scale"])
        else:
            components = replace(flat_steps(np.zeros(d), shape), floor=given["floor"])
        steps = ClimbSteps(components, given["excess"], (1.0, 3.0))
        begin = Standing(given["shares"], given["pivot"], given["covariances"], found, -1e3)
        rows = ArrayRows(given["rows"], given["weights"])
        run = ENGINE.climb(rows, begin, steps, (9, 0.0), by_em=by_em)
        check_complete(rows)
        assert run is not None
        end = run.standing
        return *parts(end.statistics), end.weights, end.means, end.covariances

    check(data, arrays, climbed, None)


@given(SIZES, st.sampled_from(STRUCTURES), st.sampled_from(FactorKind), SEEDS, st.data())
def test_variations(sizes, structure, kind: FactorKind, seed: int, data) -> None:
    n, d, k = sizes
    shape = structure(k, d)
    kind = FactorKind.CONJUGATE if len(shape) == 3 else kind
    rng = np.random.default_rng(seed)
    is_independent = kind is FactorKind.INDEPENDENT_SCALES
    arrays = standing_of(rng, n, d, k, shape) | {
        "found": rng.uniform(0.0, 1.0, k),
        "concentration": np.ones(k),
        "mean": np.zeros(d),
        "precision": np.full(d, 0.1),
        "freedom": np.full(1 if len(shape) == 3 else shape[1], d + 2.0),
        "spreads": rng.uniform(0.5, 2.0, (shape[1] if is_independent else 0, 8)),
    }
    if not is_independent:
        del arrays["spreads"]

    def varied(given: Arrays) -> Any:
        names = ("mean", "precision", "freedom", "scale")
        spreads = given.get("spreads", np.empty((0, 8)))
        numbers = (given[name] for name in names)
        steps = VariationalSteps(given["concentration"], kind, *numbers, spreads)
        basis = statistics_in(given)
        begin = Factors(basis, replace(basis, count=given["found"]), -1e3)
        rows = ArrayRows(given["rows"], given["weights"])
        run = ENGINE.variation(rows, begin, steps, (5, 0.0))
        check_complete(rows)
        assert run is not None
        return *parts(run.factors.basis), *parts(run.factors.found)

    check(data, arrays, varied, None)


# ------------------------------------------------------------------------------- clusterings


@given(SIZES, SEEDS, st.data())
def test_hierarchies_and_splits(sizes, seed: int, data) -> None:
    n, d, k = sizes
    rng = np.random.default_rng(seed)
    arrays = {"rows": rng.standard_normal((n, d)), "weights": rng.uniform(0.5, 2.0, n)}
    check(data, arrays, lambda given: [ENGINE.ward_merges(given["rows"], given["weights"])], None)
    check(
        data, arrays, lambda given: ENGINE.split_means(given["rows"], given["weights"], 2 * k), None
    )
    with pytest.raises(PLAIN_ERRORS):
        ENGINE.split_means(arrays["rows"], arrays["weights"], -k + 1)


@given(st.integers(2, 40), st.integers(1, 3), SEEDS)
def test_clusters_of_rows_past_the_end_of_numbers(n: int, d: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.choice([0.0, 1.0, -1e155, 1e200, 1.7e308, -1.7e308, 1e-310], (n, d))
    weights = rng.choice([0.0, 1e-310, 1.0, 1e200, 1.7e308], n)
    merges = ENGINE.ward_merges(rows, weights)
    assert sorted(merges[:, 2]) == sorted(set(range(n)) - {int(merges[-1, 1])})
    means, masses = ENGINE.split_means(rows, weights, 9)
    assert len(means) == len(masses) <= 9


@given(SIZES, st.booleans(), SEEDS, st.data())
def test_clusterings(sizes, is_whole: bool, seed: int, data) -> None:
    n, d, k = sizes
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((n, d))
    arrays = {
        "rows": rows,
        "weights": rng.uniform(0.5, 2.0, n),
        "few": rows[: max(1, n // 2)].copy(),
        "mass": np.ones(max(1, n // 2)),
    }
    if is_whole:
        arrays["positions"] = rng.integers(len(arrays["few"]), size=n)

    def clustered(given: Arrays) -> Any:
        sample = ArrayRows(given["rows"], given["weights"])
        few = given["few"], given["mass"], given.get("positions")
        found = ENGINE.clusters(sample, sample, few, (k, 3, 10, 1e-6))
        assert found.min() >= 0
        assert found.max() < k
        return found

    check(data, arrays, clustered, None)


# ------------------------------------------------------------------------- searches for starts


@given(SIZES, st.sampled_from(STRUCTURES), st.integers(0, 2), st.booleans(), SEEDS, st.data())
def test_searches(sizes, structure, kind: int, by_labels: bool, seed: int, data) -> None:
    n, d, k = sizes
    shape = structure(k, d)
    rng = np.random.default_rng(seed)
    scale = np.eye(d) if len(shape) == 3 else np.ones(shape[1])
    freedom = np.full(1 if len(shape) == 3 else shape[1], d + 2.0)
    width = d if len(shape) == 3 else shape[1]
    arrays = {
        "rows": rng.standard_normal((n, d)),
        "weights": rng.uniform(0.5, 2.0, n),
        "mean": np.zeros(d),
        "prior": scale,
        "floor": np.full(d, 1e-9),
        "scale": scale,
        "overall": np.ones(d),
        "covariance": np.eye(d) if len(shape) == 3 else np.empty((0, 0)),
    }
    if by_labels:
        arrays["labels"] = rng.integers(k, size=(3, n))
    else:
        arrays |= {
            "count": np.full(k, n / k),
            "first": 0.1 * rng.standard_normal((k, d)),
            "second": np.broadcast_to(n / k * scale, shape).copy(),
            "pivot": rng.standard_normal((k, d)),
        }

    def searched(given: Arrays) -> Any:
        modes, scales = conjugate_steps(d, given["mean"], 0.1, freedom, given["prior"]), None
        if kind == 1:
            modes = replace(flat_steps(np.zeros(d), shape), floor=given["floor"])
        if kind == 2:
            small = np.full(width, 1e-20)
            numbers = (d + 2.0, 0.1, 0.01, 1e-6, 0.0, small, small, np.ones(width))
            scales = ScaleSteps(*numbers, given["overall"], given["scale"])
        extent = Extent(5.0, 5, 0.01, given["covariance"] if kind == 2 else np.empty((0, 0)))
        starts = given.get("labels")
        if starts is None:
            names = ("count", "first", "second", "pivot")
            starts = [SufficientStatistics(*(given[name] for name in names))]
        rows, plan = ArrayRows(given["rows"], given["weights"]), PLAN
        found = ENGINE.search(rows, starts, (k, shape), Leading(modes, scales, extent), plan)
        parameters = [(end.weights, end.means, end.covariances) for end in found]
        return [part for parts in parameters for part in parts]

    check(data, arrays, searched, None)


# ------------------------------------------------------------------------- chains, allocators


@given(SIZES, st.sampled_from(STRUCTURES), st.integers(0, 2), st.booleans(), SEEDS, st.data())
def test_chains(sizes, structure, kind: int, random_number: bool, seed: int, data) -> None:
    n, d, k = sizes
    shape = structure(k, d)
    rng = np.random.default_rng(seed)
    variances = np.ones(shape)
    components: Any = steps_of(d, 0.0, 0.5, 2.0, 1.0, relative=kind == 0, power=2 - kind // 2)
    if len(shape) == 3:
        variances = np.broadcast_to(np.eye(d), shape).copy()
        components = matrix_steps_of(d, 0.0, 0.5, d + 2.0, np.eye(d))
    arrays = {
        "rows": rng.standard_normal((n, d)),
        "weights": np.full(k, 1.0 / k),
        "means": rng.standard_normal((k, d)),
        "variances": variances,
        "concentration": np.ones(k),
        "log_numbers": np.full(k, -np.log(k)) if random_number else np.empty(0),
        "location": components.location,
        "scale": components.scale,
    }
    if not random_number:
        del arrays["log_numbers"]

    def run(given: Arrays) -> Any:
        log_numbers = given.get("log_numbers", np.empty(0))
        steps = ChainSteps(
            WeightSteps(given["concentration"], log_numbers),
            replace(components, location=given["location"], scale=given["scale"]),
        )
        current = given["weights"], given["means"], given["variances"]
        rows = ArrayRows(given["rows"])
        found = ENGINE.chain(rows, steps, current, (0, 3, 1, 1), 5, np.random.default_rng(seed))
        check_complete(rows)
        assert found is not None
        return found.weights, found.means, found.variances, found.log_likelihood, found.log_prior

    check(data, arrays, run, None)


@pytest.mark.parametrize("span", [(0, 3, 0, 0), (3, 0, 0, 1), (0, 3, -1, 1), (-2, 1, 0, 1)])
def test_spans_of_no_chain(span: tuple[int, int, int, int]) -> None:
    steps = ChainSteps(
        WeightSteps(np.ones(2), np.empty(0)),
        steps_of(1, 0.0, 0.5, 2.0, 1.0, relative=True, power=2),  # type: ignore[arg-type]
    )
    current = np.full(2, 0.5), np.zeros((2, 1)), np.ones((2, 1))
    rows = ArrayRows(np.zeros((4, 1)))
    with pytest.raises(PLAIN_ERRORS):
        ENGINE.chain(rows, steps, current, span, 5, np.random.default_rng(0))


@given(SIZES, st.integers(0, 3), SEEDS, st.data())
def test_allocators(sizes, kind: int, seed: int, data) -> None:
    n, d, _ = sizes
    rng = np.random.default_rng(seed)
    clusters: Any = cluster_steps_of(d, 0.0, 0.2, 2.0, 1.0, is_shared=kind == 1, is_known=kind == 2)
    if kind == 3:
        clusters = matrix_steps_of(d, 0.0, 0.2, d + 2.0, np.eye(d))
        assert isinstance(clusters, MatrixSteps)
    arrays = {
        "rows": rng.standard_normal((n, d)),
        "labels": np.arange(n) % 3,
        "location": clusters.location,
        "scale": clusters.scale,
        "log_new": np.zeros(n + 1),
    }

    def run(given: Arrays) -> Any:
        own = replace(clusters, location=given["location"], scale=given["scale"])
        partition = PartitionSteps.of(0.0, given["log_new"])
        allocator = ENGINE.allocator(ArrayRows(given["rows"]), own)
        statistics = allocator.statistics(given["labels"])
        plan, source = (2, 1, 2), np.random.default_rng(seed)
        found = allocator.stretch(given["labels"], partition, plan, source, (1, 1))
        _, together = allocator.moments(found[1])
        return *parts(statistics), *found, *parts(together)

    check(data, arrays, run, None)


@pytest.mark.parametrize("labels", [[0, 1, 3], [0, -1, 0], [0, 1]])
def test_labels_of_no_cluster(labels: list[int]) -> None:
    clusters: Any = cluster_steps_of(1, 0.0, 0.2, 2.0, 1.0)
    allocator = ENGINE.allocator(ArrayRows(np.zeros((3, 1))), clusters)
    partition = PartitionSteps.of(0.0, np.zeros(4))
    with pytest.raises(PLAIN_ERRORS):
        allocator.run(np.array(labels), partition, (1, 1, 1), np.random.default_rng(0))
    with pytest.raises(PLAIN_ERRORS):
        allocator.statistics(np.array(labels))
    with pytest.raises(PLAIN_ERRORS):
        allocator.moments(np.array([[0, 0, 0], labels], dtype=object).astype(int))


@pytest.mark.parametrize("kept", [(0, 1), (1, 0), (1, -1), (-2, 3)])
def test_sweeps_that_are_kept_are_counted_from_one(kept: tuple[int, int]) -> None:
    clusters: Any = cluster_steps_of(1, 0.0, 0.2, 2.0, 1.0)
    allocator = ENGINE.allocator(ArrayRows(np.zeros((3, 1))), clusters)
    partition, rng = PartitionSteps.of(0.0, np.zeros(4)), np.random.default_rng(0)
    with pytest.raises(ValueError, match="counted from 1"):
        allocator.stretch(np.zeros(3, dtype=int), partition, (3, 1, 1), rng, kept)
