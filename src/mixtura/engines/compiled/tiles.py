"""The tiles of sums of products that suit the registers of this machine."""

import llvmlite.binding as llvm
from numba import njit

from mixtura.engines.compiled import narrow, wide
from mixtura.engines.compiled.lanes import add, fma, load, splat, total
from mixtura.engines.compiled.options import INNER

IS_WIDE = llvm.get_host_cpu_features().get("avx512f", False)
TILES = wide if IS_WIDE else narrow

score_matrix = TILES.score_matrix
score_four = TILES.score_four
tile_4x4 = TILES.tile_4x4
tile_4x1 = TILES.tile_4x1
tile_diagonal = TILES.tile_diagonal
four_features = TILES.four_features


@njit(**INNER)
def dot(left, at, n, right, start):
    """Return the sum of products of two stretches."""
    a = splat(0.0)
    c = splat(0.0)
    for b in range(0, n, 16):
        a = fma(load(left, at + b), load(right, start + b), a)
        c = fma(load(left, at + b + 8), load(right, start + b + 8), c)
    return total(add(a, c))
