"""Exponential, logarithm and random numbers of the native engine."""

from collections.abc import Callable, Iterator
from typing import Any

import mpmath
import numpy as np
import pytest

from mixtura.engines.native.library import (
    AVX2,
    AVX512,
    BASELINE,
    POINTER,
    WHOLE,
    address,
    native_function,
    use_instruction_set,
)
from mixtura.typing import Array

FUNCTIONS = ("exp", "log", "log1p", "expm1", "log_gamma", "digamma")
SETS = pytest.mark.parametrize("wanted", [BASELINE, AVX2, AVX512])


@pytest.fixture(autouse=True)
def widest() -> Iterator[None]:
    yield
    use_instruction_set(-1)


def applied(name: str, values: Array) -> Array:
    results = np.empty_like(values)
    function = native_function("elementary", None, WHOLE, WHOLE, POINTER, POINTER)
    function(FUNCTIONS.index(name), values.size, address(values), address(results))
    return results


@SETS
@pytest.mark.parametrize(
    ("name", "exact", "values"),
    [
        ("exp", mpmath.exp, np.concatenate([-np.geomspace(1e-9, 707.9, 2000), np.linspace(0, 9)])),
        (
            "log",
            mpmath.log,
            np.concatenate([np.geomspace(1e-300, 1e300, 2000), 1 + 1e-4 * np.arange(48)]),
        ),
        (
            "log1p",
            mpmath.log1p,
            np.concatenate([[0.0], np.geomspace(1e-300, 1e305, 2000), np.linspace(0, 3, 500)]),
        ),
    ],
)
def test_elementary_functions_are_within_two_units_in_the_last_place(
    name: str, exact: Callable[..., Any], values: Array, wanted: int
) -> None:
    use_instruction_set(wanted)
    mpmath.mp.prec = 150
    for value, result in zip(values, applied(name, values), strict=True):
        true = exact(mpmath.mpf(float(value)))
        unit = mpmath.mpf(float(np.spacing(abs(float(true)))))
        assert abs(mpmath.mpf(float(result)) - true) / unit < 2.0, (value, result)


SMALL = np.concatenate([np.geomspace(1e-300, 700.0, 900), -np.geomspace(1e-300, 700.0, 900)])
POSITIVE = np.concatenate(
    [
        np.geomspace(1e-290, 1e290, 800),
        np.geomspace(0.1, 1e6, 1200),
        *(at + np.geomspace(1e-15, 0.5, 200) for at in (1.0, 1.4616321449683622, 2.0, 10.0)),
        *(at - np.geomspace(1e-15, 0.5, 200) for at in (1.0, 1.4616321449683622, 2.0, 10.0)),
    ]
)


@SETS
@pytest.mark.parametrize(
    ("name", "exact", "values"),
    [
        ("expm1", mpmath.expm1, SMALL),
        ("log_gamma", mpmath.loggamma, POSITIVE),
        ("digamma", mpmath.digamma, POSITIVE),
    ],
)
def test_further_functions_are_within_four_units_in_the_last_place(
    name: str, exact: Callable[..., Any], values: Array, wanted: int
) -> None:
    """Of the value; of the gamma functions, which have roots, of 1 where that is more."""
    use_instruction_set(wanted)
    mpmath.mp.prec = 150
    for value, result in zip(values, applied(name, values), strict=True):
        true = exact(mpmath.mpf(float(value)))
        least = 1.0 if name != "expm1" else 0.0
        unit = mpmath.mpf(float(np.spacing(max(abs(float(true)), least))))
        assert abs(mpmath.mpf(float(result)) - true) / unit < 4.0, (value, result)


@SETS
def test_exponentials_below_the_normal_numbers_are_zero(wanted: int) -> None:
    use_instruction_set(wanted)
    values = np.array([-709.0, -745.0, -1e5, -1e300, -np.inf, -707.9, 0.0, -1.0, -0.0])
    results = applied("exp", values)
    assert (results[:5] == 0.0).all()
    assert (results[5:] > 0.0).all()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_bits_do_not_depend_on_the_width_of_registers(name: str) -> None:
    values = np.random.default_rng(0).exponential(10.0, 4001)
    expected = applied(name, values)
    if use_instruction_set(AVX2) == AVX2:
        np.testing.assert_array_equal(applied(name, values), expected)
