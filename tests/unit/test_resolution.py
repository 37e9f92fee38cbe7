"""The resolution of columns: found where values are rounded, nothing where they are not."""

import numpy as np
import pytest

from mixtura.data import ArrayRows
from mixtura.datasets import load_faithful, load_iris
from mixtura.engines import ENGINES
from mixtura.engines.resolution import resolution

RNG = np.random.default_rng(20)
NORMAL = RNG.normal(0.0, 1.0, 400)
LARGE = 60_000


def found(values, weights=None, engine="reference"):
    values = np.asarray(values, dtype=float)
    values = values[:, None] if values.ndim == 1 else values
    return resolution(ENGINES[engine]().sorted_columns(ArrayRows(values, weights)))


ROUNDED = {
    "counts": (RNG.poisson(3.0, 200), 1.0),
    "answers": (RNG.integers(1, 6, 60), 1.0),
    "decimals": (NORMAL.round(1), 0.1),
    "hundredths of large numbers": (1e6 + NORMAL.round(2), 0.01),
    "halves": (np.round(2.0 * NORMAL) / 2.0, 0.5),
    "inches in centimetres": (NORMAL.round(1) * 2.54, 0.254),
    "codes of two values": (RNG.integers(0, 2, 50) * 3.0, 3.0),
    "off the grid, but tied": (np.log1p(RNG.integers(0, 4, 100)), np.log(4.0 / 3.0)),
    "differences of decimals": (NORMAL.round(1) - np.roll(NORMAL, 1).round(1), 0.1),
}


@pytest.mark.parametrize("name", ROUNDED)
def test_rounded_columns_have_the_spacing_of_their_values(name):
    values, spacing = ROUNDED[name]
    assert found(values) == pytest.approx([spacing], rel=1e-6)


CONTINUOUS = {
    "normal": NORMAL,
    "lognormal": np.exp(3.0 * NORMAL),
    "far from zero": 1e9 + NORMAL,
    "single precision": NORMAL.astype(np.float32),
    "a few ties": np.concatenate([np.full(5, 3.0), NORMAL[:50]]),
    "many zeros": np.concatenate([np.zeros(50), np.abs(NORMAL[:120])]),
    "constant": np.full(50, 7.0),
    "six rows of two values": np.array([1.0, 1.0, 1.0, 10.0, 10.0, 10.0]),
}


@pytest.mark.parametrize("name", CONTINUOUS)
def test_continuous_columns_have_none(name):
    assert found(CONTINUOUS[name]) == [0.0]


def test_published_measurements_have_the_last_digit_that_was_written_down():
    assert found(load_iris().data) == pytest.approx([0.1] * 4)
    assert found(load_faithful().data) == pytest.approx([0.001, 1.0])


@pytest.mark.parametrize("name", [*ROUNDED, *CONTINUOUS])
def test_order_weights_and_units_do_as_they_should(name):
    values = ROUNDED[name][0] if name in ROUNDED else CONTINUOUS[name]
    values = np.asarray(values, dtype=float)
    spacing = found(values)
    weights = np.random.default_rng(1).integers(1, 4, len(values)).astype(float)
    weighted = found(values, weights)
    assert np.array_equal(found(values[::-1]), spacing)
    assert np.array_equal(found(np.repeat(values, weights.astype(int))), weighted)
    assert np.array_equal(found(np.append(values, 0.123), np.append(weights, 0.0)), weighted)
    assert found(values * 1024.0) == pytest.approx(1024.0 * spacing, rel=1e-12)
    assert found(values * -3.7 + 11.0) == pytest.approx(3.7 * spacing, rel=1e-6)


def test_columns_have_it_each_for_itself():
    values = np.column_stack([NORMAL, NORMAL.round(1), NORMAL.round(0)])
    assert found(values) == pytest.approx([0.0, 0.1, 1.0])


@pytest.mark.parametrize("engine", ["reference", "native"])
def test_of_many_rows_a_sample_tells_it(engine):
    rng = np.random.default_rng(3)
    wide = rng.normal(size=(LARGE, 3))
    wide[:, 1], wide[:, 2] = wide[:, 1].round(2), rng.poisson(40.0, LARGE)
    assert found(wide, engine=engine) == pytest.approx([0.0, 0.01, 1.0])
    assert np.array_equal(found(wide[::-1], engine=engine), found(wide, engine=engine))
    assert found(rng.poisson(40.0, LARGE), engine=engine) == pytest.approx([1.0])
    columns = ENGINES[engine]().sorted_columns(ArrayRows(wide))
    assert len(columns.values) < 12_000


@pytest.mark.parametrize("name", [*ROUNDED, *CONTINUOUS])
def test_distinct_values_and_their_mass_are_numpys(name):
    values = ROUNDED[name][0] if name in ROUNDED else CONTINUOUS[name]
    # Five digits, so that no two values are one but for rounding.
    values = np.asarray(values, dtype=float).round(5)
    weights = np.random.default_rng(2).integers(0, 3, len(values)).astype(float)
    for given in (None, weights):
        columns = ENGINES["reference"]().sorted_columns(ArrayRows(values[:, None], given))
        repeated = values if given is None else np.repeat(values, given.astype(int))
        expected, mass = np.unique(repeated, return_counts=True)
        found, weight = columns.distinct(0)
        np.testing.assert_allclose(found, expected, rtol=1e-12)
        np.testing.assert_array_equal(weight, mass)
        assert columns.n_distinct == columns.n_distinct_rows == expected.size
        assert columns.mass == repeated.size
        assert columns.n_rows == (len(values) if given is None else (given > 0).sum())
