"""Sums of products in tiles: the same whichever registers they are laid out for."""

from typing import Any

import numpy as np
import pytest
from numba import njit

from mixtura.engines.compiled import narrow, wide
from mixtura.engines.compiled.lanes import splat, store
from mixtura.engines.compiled.matrices import pack_factor

STRIDE, N_ROWS = 72, 64
LAYOUTS = pytest.mark.parametrize("tiles", [wide, narrow], ids=["wide", "narrow"])


def from_python(function: Any) -> Any:
    """Return a function of compiled code such that Python can call it."""
    return njit(function.py_func)


@pytest.fixture
def blocks(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return rng.standard_normal((5, STRIDE)), rng.standard_normal((5, STRIDE))


def expected(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return left[1:, :N_ROWS] @ right[1:, :N_ROWS].T


@LAYOUTS
def test_tiles_of_four_by_four(tiles, blocks) -> None:
    left, right = blocks
    sums = np.ones((6, 7))
    from_python(tiles.tile_4x4)(
        left.ravel(), STRIDE, STRIDE, N_ROWS, right.ravel(), STRIDE, sums.ravel(), 9, 7
    )
    np.testing.assert_allclose(sums[1:5, 2:6] - 1.0, expected(left, right), rtol=0, atol=1e-13)
    assert sums.sum() == pytest.approx(42.0 + expected(left, right).sum(), abs=1e-12)


@LAYOUTS
def test_tiles_of_four_by_one(tiles, blocks) -> None:
    left, right = blocks
    sums = np.ones((6, 7))
    from_python(tiles.tile_4x1)(
        left.ravel(), STRIDE, STRIDE, N_ROWS, right.ravel(), STRIDE, sums.ravel(), 9, 7
    )
    column = expected(left, right)[:, 0]
    np.testing.assert_allclose(sums[1:5, 2] - 1.0, column, rtol=0, atol=1e-13)
    assert sums.sum() == pytest.approx(42.0 + column.sum(), abs=1e-12)


@LAYOUTS
def test_tiles_on_the_diagonal(tiles, blocks) -> None:
    left, right = blocks
    sums = np.ones((6, 7))
    flat = sums.ravel()
    from_python(tiles.tile_diagonal)(
        left.ravel(), STRIDE, STRIDE, N_ROWS, right.ravel(), STRIDE, flat, 9, 7
    )
    triangle = np.tril(expected(left, right))
    np.testing.assert_allclose(sums[1:5, 2:6] - 1.0, triangle, rtol=0, atol=1e-13)
    assert sums.sum() == pytest.approx(42.0 + triangle.sum(), abs=1e-12)


@LAYOUTS
def test_moments_of_four_features(tiles, blocks, rng: np.random.Generator) -> None:
    block, shares = blocks[0], rng.random(STRIDE)
    mean, first, second = rng.standard_normal(6), np.ones(6), np.ones(6)
    from_python(tiles.four_features)(
        block.ravel(), STRIDE, STRIDE, N_ROWS, shares, 0, mean, 2, first, second
    )
    away = block[1:, :N_ROWS] - mean[2:, None]
    np.testing.assert_allclose(first[2:] - 1.0, away @ shares[:N_ROWS], rtol=0, atol=1e-13)
    squares = away**2 @ shares[:N_ROWS]
    np.testing.assert_allclose(second[2:] - 1.0, squares, rtol=0, atol=1e-12)
    assert (first[:2] == 1.0).all()
    assert (second[:2] == 1.0).all()


@LAYOUTS
@pytest.mark.parametrize("n_features", [3, 4, 5, 9])
def test_scores_of_a_matrix(tiles, n_features: int, rng: np.random.Generator) -> None:
    centred = rng.standard_normal((n_features, STRIDE))
    factor = np.triu(rng.standard_normal((n_features, n_features)))
    packed, scores = np.zeros(4 * (n_features + 4) ** 2), np.zeros(STRIDE)
    pack_factor(factor, n_features, packed, 0)
    from_python(tiles.score_matrix)(
        centred.ravel(), STRIDE, n_features, N_ROWS, 0.7, packed, 0, scores, 0
    )
    whitened = centred[:, :N_ROWS].T @ factor
    np.testing.assert_allclose(scores[:N_ROWS], 0.7 - 0.5 * (whitened**2).sum(axis=1), rtol=1e-12)


@LAYOUTS
def test_scores_of_four_components(tiles, rng: np.random.Generator) -> None:
    score_four, n_scored, low = tiles.score_four, 3, -1e6

    @njit
    def four(features, coefficients, constant, scores, top):
        highest = (splat(low), splat(low), splat(low), splat(low))
        span = (STRIDE + 32, n_scored, STRIDE, 32)
        found = score_four(features, span, coefficients, 0, constant, 1, scores, highest)
        for i in range(4):
            store(top, 8 * i, found[i])

    features, coefficients = rng.standard_normal((4, STRIDE)), rng.standard_normal((n_scored, 4))
    constant, scores, top = rng.standard_normal(5), np.zeros((5, STRIDE)), np.zeros(32)
    four(features.ravel(), coefficients.ravel(), constant, scores.ravel(), top)
    wanted = constant[1:, None] + coefficients.T @ features[1:, 32:64]
    np.testing.assert_allclose(scores[1:, 32:64], wanted, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(top, wanted.max(axis=0), rtol=1e-12, atol=1e-13)
    assert np.count_nonzero(scores) == 4 * 32
