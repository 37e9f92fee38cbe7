// Eigenvalues and eigenvectors of several symmetric matrices at once, a matrix to a lane, by
// Jacobi's rotations.
#pragma once

#include "matrices.hpp"

namespace MIXTURA_SET {

// Sweeps after which matrices are diagonal to the last digit; and the square of what an entry may
// be beside the variances of its row and column. That measure has no unit, so that features of very
// different scales keep their digits.
constexpr int MOST_TURNS = 30;
constexpr double NEGLIGIBLE = 2.220446049250313e-16 * 2.220446049250313e-16;

template <class V> INLINE V root_of_part(V x) {
#if defined(__AVX512F__)
    if constexpr (sizeof(V) == 64) return (V)_mm512_maskz_sqrt_pd(255, (__m512d)x);
#endif
#if defined(__AVX2__)
    if constexpr (sizeof(V) == 32) return (V)_mm256_sqrt_pd((__m256d)x);
#endif
#if defined(__SSE2__)
    if constexpr (sizeof(V) == 16) return (V)_mm_sqrt_pd((__m128d)x);
#endif
    for (unsigned i = 0; i < sizeof(V) / sizeof(double); i++) x[i] = __builtin_sqrt(x[i]);
    return x;
}
template <Some V> INLINE V roots(V x) {
    return each([](auto part) { return root_of_part(part); }, x);
}
template <Some V> INLINE V sizes(V x) { return larger(x, splat<V>(0.0) - x); }

// Rotates rows and columns p and q of a symmetric matrix, of which the upper half is kept, and
// columns p and q of `vectors`.
INLINE void turn_plane(int64_t D, int64_t p, int64_t q, Lanes cosine, Lanes sine, double *matrix,
                       double *vectors) {
    auto entry = [&](int64_t i, int64_t j) {
        return matrix + (i < j ? i * D + j : j * D + i) * LANES;
    };
    for (int64_t i = 0; i < D; i++) {
        double *one = vectors + (i * D + p) * LANES, *other = vectors + (i * D + q) * LANES;
        Lanes u = load(one), v = load(other);
        store(one, fnma(sine, v, cosine * u));
        store(other, fma(sine, u, cosine * v));
        if (i == p || i == q) continue;
        one = entry(i, p), other = entry(i, q);
        u = load(one), v = load(other);
        store(one, fnma(sine, v, cosine * u));
        store(other, fma(sine, u, cosine * v));
    }
}

// Turns symmetric matrices (D, D, LANES), of which the upper half is read, into their eigenvalues
// on the diagonal; the columns of `vectors` turn along.
inline void diagonalise(int64_t D, double *matrix, double *vectors) {
    Lanes one = splat(1.0), nothing = splat(0.0);
    for (int sweep = 0; sweep < MOST_TURNS; sweep++) {
        Lanes moved = nothing;
        for (int64_t p = 0; p < D; p++)
            for (int64_t q = p + 1; q < D; q++) {
                double *at = matrix + (p * D + q) * LANES;
                double *above = matrix + p * (D + 1) * LANES, *below = matrix + q * (D + 1) * LANES;
                Lanes entry = load(at), first = load(above), last = load(below);
                Lanes limit = sizes(first * last) * splat(NEGLIGIBLE);
                Lanes turns = where_greater(entry * entry, limit, one, nothing);
                if (!(highest(turns) > 0.0)) continue;
                moved = larger(moved, turns);
                Lanes half = (last - first) / (entry + entry);
                Lanes tangent = one / (sizes(half) + roots(fma(half, half, one)));
                tangent = where_greater(nothing, half, nothing - tangent, tangent);
                tangent = where_greater(turns, nothing, tangent, nothing);
                Lanes cosine = one / roots(fma(tangent, tangent, one));
                store(above, fnma(tangent, entry, first));
                store(below, fma(tangent, entry, last));
                store(at, where_greater(turns, nothing, nothing, entry));
                turn_plane(D, p, q, cosine, tangent * cosine, matrix, vectors);
            }
        if (!(highest(moved) > 0.0)) return;
    }
}

// Writes eigenvalues (K, D) in rising order and eigenvectors (K, D, D), as columns, of symmetric
// matrices (K, D, D).
inline void spectra(int64_t K, int64_t D, const double *matrices, double *values, double *axes,
                    double *room) {
    double *matrix = room, *vectors = room + D * D * LANES;
    for (int64_t begin = 0; begin < K; begin += LANES) {
        for (int64_t i = 0; i < D * D; i++)
            for (int64_t l = 0; l < LANES; l++) {
                int64_t k = begin + l < K ? begin + l : K - 1;
                matrix[i * LANES + l] = matrices[k * D * D + i];
                vectors[i * LANES + l] = i % (D + 1) == 0 ? 1.0 : 0.0;
            }
        diagonalise(D, matrix, vectors);
        for (int64_t l = 0; l < LANES && begin + l < K; l++) {
            double *own = values + (begin + l) * D, *turned = axes + (begin + l) * D * D;
            for (int64_t j = 0; j < D; j++) {
                double value = matrix[j * (D + 1) * LANES + l];
                int64_t place = j;
                for (; place > 0 && own[place - 1] > value; place--) {
                    own[place] = own[place - 1];
                    for (int64_t i = 0; i < D; i++)
                        turned[i * D + place] = turned[i * D + place - 1];
                }
                own[place] = value;
                for (int64_t i = 0; i < D; i++)
                    turned[i * D + place] = vectors[(i * D + j) * LANES + l];
            }
        }
    }
}

// Numbers of room that `spectra` needs.
INLINE int64_t spectra_room(int64_t D) { return 2 * D * D * LANES; }

// Writes matrices (K, D, D) of given variances (K, D) about axes, as columns: the same for all, or
// the next of (K, D, D) for each.
inline void about_axes(int64_t K, int64_t D, const double *axes, bool is_shared,
                       const double *variances, double *to) {
    for (int64_t k = 0; k < K; k++) {
        const double *own = variances + k * D, *turned = axes + (is_shared ? 0 : k * D * D);
        double *matrix = to + k * D * D;
        for (int64_t i = 0; i < D; i++)
            for (int64_t j = 0; j <= i; j++) {
                double sum = 0.0;
                for (int64_t d = 0; d < D; d++)
                    sum = fma(turned[i * D + d] * own[d], turned[j * D + d], sum);
                matrix[i * D + j] = matrix[j * D + i] = sum;
            }
    }
}

}  // namespace MIXTURA_SET
