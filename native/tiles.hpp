// Tiles of sums of products that suit the registers: sixteen lanes at once where there are 32
// registers of eight numbers, four where lanes are several registers each.
//
// Each sum runs in the same order in both layouts, so that bits do not depend on them.
#pragma once

#include "scores.hpp"

namespace MIXTURA_SET {

// The sum of products of two stretches.
inline double dot(const double *left, const double *right, int64_t n) {
    Lanes a = splat(0.0), c = splat(0.0);
    for (int64_t b = 0; b < n; b += 2 * LANES) {
        a = fma(load(left + b), load(right + b), a);
        c = fma(load(left + b + LANES), load(right + b + LANES), c);
    }
    return total(a + c);
}

// Adds the products of ROWS rows of `left` and COLUMNS rows of `right` to a tile of sums; of the
// lower triangle alone where TRIANGLE.
template <int ROWS, int COLUMNS, bool TRIANGLE>
INLINE void tile(const double *left, const double *right, int64_t stride, int64_t n, double *sums,
                 int64_t width) {
    Lanes a[ROWS][COLUMNS];
    repeat<ROWS>([&](auto i) ALWAYS {
        repeat<COLUMNS>([&](auto j) ALWAYS { a[i][j] = splat(0.0); });
    });
    for (int64_t b = 0; b < n; b += LANES) {
        Lanes r[COLUMNS];
        repeat<COLUMNS>([&](auto j) ALWAYS { r[j] = load(right + j * stride + b); });
        repeat<ROWS>([&](auto i) ALWAYS {
            Lanes u = load(left + i * stride + b);
            repeat<COLUMNS>([&](auto j) ALWAYS {
                if constexpr (!TRIANGLE || j <= i) a[i][j] = fma(u, r[j], a[i][j]);
            });
        });
    }
    repeat<ROWS>([&](auto i) ALWAYS {
        constexpr int ends = TRIANGLE ? i + 1 : COLUMNS;
        double *to = sums + i * width;
        if constexpr (ends == 4) {
            double found[4];
            totals(found, a[i][0], a[i][1], a[i][2], a[i][3]);
            for (int j = 0; j < 4; j++) to[j] += found[j];
        } else {
            repeat<ends>([&](auto j) ALWAYS { to[j] += total(a[i][j]); });
        }
    });
}

// Adds the products of four rows of `left` and four of `right` to a tile of sums.
inline void tile_4x4(const double *left, const double *right, int64_t stride, int64_t n,
                     double *sums, int64_t width) {
    if constexpr (IS_WIDE) {
        tile<4, 4, false>(left, right, stride, n, sums, width);
    } else {
        for (int i = 0; i < 4; i += 2)
            for (int j = 0; j < 4; j += 2)
                tile<2, 2, false>(left + i * stride, right + j * stride, stride, n,
                                  sums + i * width + j, width);
    }
}

// The same for N rows of `right`, one to three.
template <int N>
INLINE void tile_4xN(const double *left, const double *right, int64_t stride, int64_t n,
                     double *sums, int64_t width) {
    constexpr int ROWS = IS_WIDE || N == 1 ? 4 : 2;
    for (int i = 0; i < 4; i += ROWS)
        tile<ROWS, N, false>(left + i * stride, right, stride, n, sums + i * width, width);
}

// Adds the lower triangle of the products of four rows and four.
inline void tile_diagonal(const double *left, const double *right, int64_t stride, int64_t n,
                          double *sums, int64_t width) {
    if constexpr (IS_WIDE) {
        tile<4, 4, true>(left, right, stride, n, sums, width);
    } else {
        const double *far_left = left + 2 * stride, *far_right = right + 2 * stride;
        tile<2, 2, true>(left, right, stride, n, sums, width);
        tile<2, 2, false>(far_left, right, stride, n, sums + 2 * width, width);
        tile<2, 2, true>(far_left, far_right, stride, n, sums + 2 * width + 2, width);
    }
}

// Adds the products of ROWS rows of `left` and one of `right`, `width` apart.
template <int ROWS>
INLINE void column(const double *left, const double *right, int64_t stride, int64_t n,
                   double *sums, int64_t width) {
    Lanes a[ROWS], c[ROWS];
    repeat<ROWS>([&](auto i) ALWAYS { a[i] = c[i] = splat(0.0); });
    for (int64_t b = 0; b < n; b += 2 * LANES) {
        Lanes r = load(right + b), s = load(right + b + LANES);
        repeat<ROWS>([&](auto i) ALWAYS {
            a[i] = fma(r, load(left + i * stride + b), a[i]);
            c[i] = fma(s, load(left + i * stride + b + LANES), c[i]);
        });
    }
    repeat<ROWS>([&](auto i) ALWAYS { sums[i * width] += total(a[i] + c[i]); });
}

// Adds the products of four rows of `left` and one of `right`, `width` apart.
inline void tile_4x1(const double *left, const double *right, int64_t stride, int64_t n,
                     double *sums, int64_t width) {
    constexpr int ROWS = IS_WIDE ? 4 : 2;
    for (int i = 0; i < 4; i += ROWS)
        column<ROWS>(left + i * stride, right, stride, n, sums + i * width, width);
}

// Rows that are scored together by sums of products: as many as four columns leave registers for.
constexpr int SCORED = IS_WIDE ? 4 : 1;

// Adds four coefficients, of one for each column, times a feature of SCORED lanes of rows.
INLINE void add_products(const Lanes (&u)[SCORED], const double *coefficients,
                         Lanes (&a)[4][SCORED]) {
    repeat<4>([&](auto j) ALWAYS {
        Lanes p = splat(coefficients[j]);
        repeat<SCORED>([&](auto r) ALWAYS { a[j][r] = fma(p, u[r], a[j][r]); });
    });
}

// Adds coefficients times features to a tile of four columns for SCORED lanes of rows.
//
// `coefficients` holds those of the four columns feature by feature.
INLINE void tile_of_scores(const double *features, int64_t stride, int64_t n_features,
                           const double *coefficients, Lanes (&a)[4][SCORED]) {
    for (int64_t f = 0; f < n_features; f++, features += stride, coefficients += 4) {
        Lanes u[SCORED];
        repeat<SCORED>([&](auto r) ALWAYS { u[r] = load(features + r * LANES); });
        add_products(u, coefficients, a);
    }
}

}  // namespace MIXTURA_SET
