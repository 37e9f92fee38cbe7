// Scores and moments in triangular form: exact however far rows and means lie apart.
#pragma once

#include "blocks.hpp"
#include "outputs.hpp"
#include "segments.hpp"
#include "tiles.hpp"

namespace MIXTURA_SET {

// Diagonal structures, full ones of two features, and full ones of more.
enum Kind { VECTOR, PLANE, MATRIX };

// Potentials as the kernels want them. What lies one step apart for each component is shared by
// all where the step is zero.
struct Exact {
    int64_t n_components, n_features;
    const double *constant, *mean;
    // Reciprocal standard deviations (D,), a factor (2, 2), or a factor as `pack_factor` writes it.
    const double *spread;
    int64_t spread_step;
};

// Sums over rows: counts (K,), first moments (K, D), second moments (D,) or (D, D), lower triangle.
struct Sums {
    double *count, *first, *second;
    int64_t second_step;
};

// Writes eight rows' scores, and the highest of each row so far.
INLINE void keep_score(Lanes score, double *to, double *top, bool is_first) {
    store(to, score);
    store(top, is_first ? score : larger(score, load(top)));
}

// ------------------------------------------------------------------------ diagonal structures

inline void score_vector(const double *block, const Shape &shape, double constant,
                         const double *mean, const double *scale, double *scores, double *top,
                         bool is_first) {
    for (int64_t b = 0; b < shape.padded; b += 4 * LANES) {
        Lanes q[4];
        repeat<4>([&](auto r) ALWAYS { q[r] = splat(0.0); });
        for (int64_t d = 0; d < shape.n_features; d++) {
            Lanes m = splat(mean[d]), p = splat(scale[d]);
            const double *at = block + d * shape.stride + b;
            repeat<4>([&](auto r) ALWAYS {
                Lanes z = (load(at + r * LANES) - m) * p;
                q[r] = fma(z, z, q[r]);
            });
        }
        repeat<4>([&](auto r) ALWAYS {
            int64_t at = b + r * LANES;
            keep_score(score_of(constant, q[r]), scores + at, top + at, is_first);
        });
    }
}

// The moments of N consecutive features about their means, from PARTS sums each.
//
// The first of them, which IS_FIRST, multiply shares by the factor that is left of each row, and
// count; they write them back where IS_LAST does not hold.
template <int N, int PARTS, bool IS_FIRST, bool IS_LAST>
INLINE void moments_of(const double *block, const Shape &shape, double *shares,
                       const double *factor, const double *mean, double *count, double *first,
                       double *second) {
    Lanes m[N], c[PARTS], f[N][PARTS], s[N][PARTS];
    repeat<PARTS>([&](auto p) ALWAYS { c[p] = splat(0.0); });
    repeat<N>([&](auto d) ALWAYS {
        m[d] = splat(mean[d]);
        repeat<PARTS>([&](auto p) ALWAYS { f[d][p] = s[d][p] = splat(0.0); });
    });
    for (int64_t b = 0; b < shape.padded; b += PARTS * LANES) {
        repeat<PARTS>([&](auto p) ALWAYS {
            int64_t at = b + p * LANES;
            Lanes r = load(shares + at);
            if constexpr (IS_FIRST) {
                r = r * load(factor + at);
                c[p] = c[p] + r;
                if constexpr (!IS_LAST) store(shares + at, r);
            }
            repeat<N>([&](auto d) ALWAYS {
                Lanes x = load(block + d * shape.stride + at) - m[d], w = r * x;
                f[d][p] = f[d][p] + w;
                s[d][p] = fma(w, x, s[d][p]);
            });
        });
    }
    auto summed = [](Lanes(&parts)[PARTS]) ALWAYS {
        if constexpr (PARTS == 2) return total(parts[0] + parts[1]);
        return total(parts[0]);
    };
    if constexpr (IS_FIRST) *count += summed(c);
    repeat<N>([&](auto d) ALWAYS {
        first[d] += summed(f[d]);
        second[d] += summed(s[d]);
    });
}

// Adds a component's count and moments.
inline void moments_vector(const double *block, const Shape &shape, double *shares,
                           const double *factor, const double *mean, double *count, double *first,
                           double *second) {
    constexpr int MOST = IS_WIDE ? 4 : 2;
    int64_t n_features = shape.n_features;
    auto some = [&]<int N, int PARTS, bool IS_FIRST, bool IS_LAST>(int64_t d) {
        moments_of<N, PARTS, IS_FIRST, IS_LAST>(block + d * shape.stride, shape, shares, factor,
                                                mean + d, count, first + d, second + d);
    };
    if (n_features == 1) return some.template operator()<1, 2, true, true>(0);
    if (n_features == 2) return some.template operator()<2, 1, true, true>(0);
    if (n_features == MOST) return some.template operator()<MOST, 1, true, true>(0);
    some.template operator()<2, 1, true, false>(0);
    int64_t d = 2;
    for (; d + MOST <= n_features; d += MOST) some.template operator()<MOST, 1, false, false>(d);
    if (d + 2 <= n_features) {
        some.template operator()<2, 1, false, false>(d);
        d += 2;
    }
    if (d < n_features) some.template operator()<1, 1, false, false>(d);
}

// ------------------------------------------------------------- full structures, two features

inline void score_plane(const double *block, const Shape &shape, double constant,
                        const double *mean, const double *factor, double *scores, double *top,
                        bool is_first) {
    Lanes m0 = splat(mean[0]), m1 = splat(mean[1]);
    Lanes p00 = splat(factor[0]), p01 = splat(factor[1]), p11 = splat(factor[3]);
    for (int64_t b = 0; b < shape.padded; b += LANES) {
        Lanes u = load(block + b) - m0, v = load(block + shape.stride + b) - m1;
        Lanes z = u * p00, y = fma(u, p01, v * p11);
        keep_score(score_of(constant, fma(z, z, y * y)), scores + b, top + b, is_first);
    }
}

// Adds a component's count, first moments and the lower triangle of its second ones.
inline void moments_plane(const double *block, const Shape &shape, const double *shares,
                          const double *factor, const double *mean, double *count, double *first,
                          double *second) {
    Lanes m0 = splat(mean[0]), m1 = splat(mean[1]), zero = splat(0.0);
    Lanes c = zero, f0 = zero, f1 = zero, s00 = zero, s10 = zero, s11 = zero;
    for (int64_t b = 0; b < shape.padded; b += LANES) {
        Lanes r = load(shares + b) * load(factor + b);
        c = c + r;
        Lanes u = load(block + b) - m0, v = load(block + shape.stride + b) - m1;
        Lanes wu = r * u, wv = r * v;
        f0 = f0 + wu, f1 = f1 + wv;
        s00 = fma(wu, u, s00), s10 = fma(wv, u, s10), s11 = fma(wv, v, s11);
    }
    *count += total(c);
    first[0] += total(f0);
    first[1] += total(f1);
    second[0] += total(s00);
    second[2] += total(s10);
    second[3] += total(s11);
}

// ------------------------------------------------------------ full structures, more features

// Numbers of a packed factor.
INLINE int64_t packed_size(int64_t n_features) {
    int64_t size = 0;
    for (int64_t column = -(-n_features & 3); column < n_features; column += 4)
        size += 4 * (column + 4);
    return size;
}

// Copies an upper-triangular factor (D, D) in the order in which scores read it.
//
// Four columns at a time, row by row down to the diagonal; the first four are the ragged ones, so
// that what is padded is short.
inline void pack_factor(const double *factor, int64_t n_features, double *packed) {
    for (int64_t column = -(-n_features & 3); column < n_features; column += 4)
        for (int64_t i = 0; i < column + 4; i++)
            for (int64_t j = column; j < column + 4; j++)
                *packed++ = j >= 0 && i <= j ? factor[i * n_features + j] : 0.0;
}

// The block less a component's mean.
inline void centre(const double *block, const Shape &shape, const double *mean, double *centred) {
    for (int64_t d = 0; d < shape.n_features; d++) {
        Lanes m = splat(mean[d]);
        for (int64_t b = d * shape.stride; b < d * shape.stride + shape.padded; b += LANES)
            store(centred + b, load(block + b) - m);
    }
}

// Features up to which it takes less time to subtract means wherever rows are read for scores
// than to write centred rows first.
constexpr int64_t FEW_FEATURES = 16;

// Scores of a block, or of a centred block where IS_CENTRED.
template <bool IS_CENTRED>
void score_matrix(const double *block, const Shape &shape, double constant, const double *mean,
                  const double *packed, double *scores, double *top, bool is_first) {
    for (int64_t b = 0; b < shape.padded; b += SCORED * LANES) {
        Lanes q[SCORED];
        repeat<SCORED>([&](auto r) ALWAYS { q[r] = splat(0.0); });
        const double *at = packed;
        for (int64_t column = -(-shape.n_features & 3); column < shape.n_features; column += 4) {
            Lanes a[4][SCORED];
            repeat<4>([&](auto j) ALWAYS {
                repeat<SCORED>([&](auto r) ALWAYS { a[j][r] = splat(0.0); });
            });
            const double *row = block + b;
            for (int64_t d = 0; d < column + 4; d++, row += shape.stride, at += 4) {
                Lanes u[SCORED];
                repeat<SCORED>([&](auto r) ALWAYS {
                    u[r] = load(row + r * LANES);
                    if constexpr (!IS_CENTRED) u[r] = u[r] - splat(mean[d]);
                });
                add_products(u, at, a);
            }
            repeat<4>([&](auto j) ALWAYS {
                repeat<SCORED>([&](auto r) ALWAYS { q[r] = fma(a[3 - j][r], a[3 - j][r], q[r]); });
            });
        }
        repeat<SCORED>([&](auto r) ALWAYS {
            int64_t to = b + r * LANES;
            keep_score(score_of(constant, q[r]), scores + to, top + to, is_first);
        });
    }
}

// Writes one feature less its mean, and responsibility times that; returns the sum of these.
INLINE double weigh(const double *feature, double mean, int64_t n, const double *shares,
                    double *centred, double *weighted) {
    Lanes m = splat(mean), first = splat(0.0), second = splat(0.0);
    for (int64_t b = 0; b < n; b += 2 * LANES) {
        Lanes c0 = load(feature + b) - m, c1 = load(feature + b + LANES) - m;
        Lanes w0 = load(shares + b) * c0, w1 = load(shares + b + LANES) * c1;
        store(centred + b, c0);
        store(centred + b + LANES, c1);
        store(weighted + b, w0);
        store(weighted + b + LANES, w1);
        first = first + w0, second = second + w1;
    }
    return total(first + second);
}

// Adds first moments (D,) and the lower triangle of second ones (D, D) about a mean; `centred` and
// `weighted` are room for a block, which may be the block itself, and for four lines. RAGGED
// features are left over where the others are taken by fours.
template <int RAGGED>
void moments_by_fours(const double *block, const Shape &shape, const double *shares,
                      const double *mean, double *centred, double *weighted, double *first,
                      double *second) {
    int64_t stride = shape.stride, n = shape.padded, width = shape.n_features;
    auto weigh_from = [&](int64_t i, int64_t count) {
        for (int64_t u = 0; u < count; u++)
            first[i + u] += weigh(block + (i + u) * stride, mean[i + u], n, shares,
                                  centred + (i + u) * stride, weighted + u * stride);
    };
    if constexpr (RAGGED > 0) {
        weigh_from(0, RAGGED);
        tile<RAGGED, RAGGED, true>(weighted, centred, stride, n, second, width);
    }
    for (int64_t i = RAGGED; i < width; i += 4) {
        weigh_from(i, 4);
        double *to = second + i * width;
        if constexpr (RAGGED > 0) tile_4xN<RAGGED>(weighted, centred, stride, n, to, width);
        for (int64_t j = RAGGED; j < i; j += 4)
            tile_4x4(weighted, centred + j * stride, stride, n, to + j, width);
        tile_diagonal(weighted, centred + i * stride, stride, n, to + i, width);
    }
}

inline void moments_matrix(const double *block, const Shape &shape, const double *shares,
                           const double *mean, double *centred, double *weighted, double *first,
                           double *second) {
    auto by_fours = [&]<int RAGGED>() {
        moments_by_fours<RAGGED>(block, shape, shares, mean, centred, weighted, first, second);
    };
    int64_t ragged = shape.n_features % 4;
    if (ragged == 0) by_fours.template operator()<0>();
    if (ragged == 1) by_fours.template operator()<1>();
    if (ragged == 2) by_fours.template operator()<2>();
    if (ragged == 3) by_fours.template operator()<3>();
}

// --------------------------------------------------------------------------- all components

// Every component's scores, (K, stride), and the highest of each row; `centred` is room for a
// block.
template <Kind KIND>
void score_block(const Exact &exact, const double *block, const Shape &shape, double *centred,
                 double *scores, double *top) {
    for (int64_t k = 0; k < exact.n_components; k++) {
        const double *mean = exact.mean + k * exact.n_features;
        const double *spread = exact.spread + k * exact.spread_step;
        double *to = scores + k * shape.stride;
        if constexpr (KIND == VECTOR) {
            score_vector(block, shape, exact.constant[k], mean, spread, to, top, k == 0);
        } else if constexpr (KIND == PLANE) {
            score_plane(block, shape, exact.constant[k], mean, spread, to, top, k == 0);
        } else {
            double base = exact.constant[k];
            if (shape.n_features <= FEW_FEATURES) {
                score_matrix<false>(block, shape, base, mean, spread, to, top, k == 0);
            } else {
                centre(block, shape, mean, centred);
                score_matrix<true>(centred, shape, base, mean, spread, to, top, k == 0);
            }
        }
    }
}

// Every component's counts and moments from shares times the factor that is left of each row;
// `centred` and `weighted` are room for a block and for four lines.
template <Kind KIND>
void moments_block(const Exact &exact, const double *block, const Shape &shape, double *centred,
                   double *weighted, double *shares, const double *factor, const Sums &sums) {
    if constexpr (KIND == MATRIX) weigh_and_count(shares, shape, factor, sums.count);
    for (int64_t k = 0; k < exact.n_components; k++, shares += shape.stride) {
        const double *mean = exact.mean + k * exact.n_features;
        double *count = sums.count + k, *first = sums.first + k * exact.n_features;
        double *second = sums.second + k * sums.second_step;
        if constexpr (KIND == VECTOR) {
            moments_vector(block, shape, shares, factor, mean, count, first, second);
        } else if constexpr (KIND == PLANE) {
            moments_plane(block, shape, shares, factor, mean, count, first, second);
        } else {
            moments_matrix(block, shape, shares, mean, centred, weighted, first, second);
        }
    }
}

// ------------------------------------------------------------------------------ spans of rows

// Consecutive rows of a piece: number of the piece's first row, first, last, rows of a block.
struct Span {
    int64_t first_row, begin, end, size;
};

// The parts of the working memory.
struct Room {
    double *scores, *block, *centred, *weighted;
    RowRoom rows;
};

// Blocks of many features are longer than would stay in the nearest cache: each tile of sums ends
// in additions across lanes, which cost as much as some sixty rows.
INLINE int64_t exact_block(int64_t n_components, int64_t n_features, Kind kind) {
    if (kind == VECTOR) return block_size(n_components + n_features);
    return larger(128, block_size(n_components + 3 * n_features));
}
INLINE int64_t exact_room(int64_t n_components, int64_t n_features, int64_t size) {
    return (n_components + 2 * n_features + 8) * (size + 8);
}
INLINE Room room_of(double *work, const Exact &exact, int64_t stride) {
    double *block = work + exact.n_components * stride;
    double *centred = block + exact.n_features * stride;
    double *weighted = centred + exact.n_features * stride;
    double *rows = weighted + 4 * stride;
    return {work, block, centred, weighted,
            {rows, rows + stride, rows + 2 * stride, rows + 3 * stride}};
}
INLINE Shape shape_of(const Exact &exact, const Span &span, int64_t start) {
    int64_t n = smaller(span.size, span.end - start);
    return {span.size + 8, exact.n_components, exact.n_features, n, (n + 31) / 32 * 32};
}

// Adds the statistics of a span of rows; returns their data term. `weights` may be null.
template <Kind KIND, class Row>
double sweep_span(const Row *rows, const double *weights, const Exact &exact,
                  const Assigned &assigned, const Span &span, const Sums &sums, double *work) {
    Room room = room_of(work, exact, span.size + 8);
    double result = 0.0;
    for (int64_t start = span.begin; start < span.end; start += span.size) {
        Shape shape = shape_of(exact, span, start);
        take_block(rows, start, shape, room.block);
        take_weights(weights, start, shape, room.rows.weights);
        if (!take_handed(assigned, start, shape, room.rows, room.scores)) {
            score_block<KIND>(exact, room.block, shape, room.centred, room.scores, room.rows.top);
            bool uneven = weights || shape.padded > shape.n;
            result += share(assigned.number, assigned.key, span.first_row + start, room.scores,
                            shape, uneven, room.rows);
        }
        moments_block<KIND>(exact, room.block, shape, room.centred, room.weighted, room.scores,
                            room.rows.sums, sums);
    }
    return result;
}

}  // namespace MIXTURA_SET
