// Passes in expanded form: scores and moments as matrix products of features of centred rows.
//
// The fewest operations there are, at the price of digits where means lie many standard deviations
// from the centre: engines/native/expansion.py says when that price is nothing.
#pragma once

#include "blocks.hpp"
#include "outputs.hpp"
#include "products.hpp"
#include "segments.hpp"

namespace MIXTURA_SET {

// Of a block's working memory: some of the second cache, as features are read one after the other;
// and the rows of a block of few numbers, which then stay in the first.
constexpr int64_t EXPANDED_BYTES = 256 << 10;
constexpr int64_t MOST_ROWS = 256;

// Kinds of features.
//
// PRODUCTS: the values and the products of each two, rows i >= j of a triangle (full).
// SQUARES: the values and their squares (diagonal).
// NORM: the values and the sum of their squares (spherical).
// COMMON_MATRIX: the values, and the values whitened by the shared factor (tied).
// COMMON_VARIANCES: the values alone (shared variances).
enum Features : int64_t { PRODUCTS, SQUARES, NORM, COMMON_MATRIX, COMMON_VARIANCES };

// Potentials in expanded form, and the sizes that follow.
//
// Coefficients (K, F) and the shared factor (D, D) lie as score_products reads them.
struct Expansion {
    int64_t kind, n_components, n_features;
    double largest;  // sum of a block's squares
    const double *constant, *centre, *coefficients, *scales, *factor;

    // As they come from Python: the sizes, and the numbers from `largest` on.
    Expansion(const int64_t *sizes, const double *numbers)
        : kind(sizes[0]), n_components(sizes[1]), n_features(sizes[2]), largest(*numbers),
          constant(numbers + 1), centre(constant + n_components),
          coefficients(centre + n_features), scales(coefficients + n_components * n_scored()),
          factor(scales + n_features) {}

    bool shared() const { return kind >= COMMON_MATRIX; }
    int64_t n_products() const { return kind == PRODUCTS ? n_features * (n_features + 1) / 2 : 0; }
    // Features in which scores, or moments, are linear.
    int64_t n_scored() const {
        int64_t further[] = {n_products(), n_features, 1, 0, 0};
        return n_features + further[kind];
    }
    int64_t n_moments() const { return shared() ? n_features : n_scored(); }
    int64_t n_shared() const {
        return !shared() ? 0 : kind == COMMON_MATRIX ? n_features * n_features : n_features;
    }
    // Lines of numbers of a block: scores, ones, values, what follows them, and five more.
    int64_t n_lines() const {
        int64_t following[] = {FEATURES_SUMMED, n_features, 1, n_features, 0};
        return n_components + n_features + following[kind] + 6;
    }
    int64_t block() const { return block_size(n_lines(), EXPANDED_BYTES, MOST_ROWS); }
    int64_t room() const { return n_lines() * (block() + LANES); }
};

// Working memory of a pass: rows of numbers, scores (K, stride), and features: ones, the values,
// and what follows them: of products, the few that are summed at once.
struct ExpandedRoom {
    RowRoom rows;
    double *row_terms, *scores, *ones, *values, *further;

    ExpandedRoom(const Expansion &e, double *work) {
        int64_t stride = e.block() + LANES;
        rows = RowRoom{work, work + stride, work + 2 * stride, work + 3 * stride};
        row_terms = work + 4 * stride;
        scores = row_terms + stride;
        ones = scores + e.n_components * stride;
        values = ones + stride;
        further = values + e.n_features * stride;
    }
};

// Takes a block of rows less the centre, and their squares where they are features; returns
// whether they are small enough for sums of squares times coefficients.
template <bool SQUARED, class Row>
inline bool take_centred(const Expansion &e, const Row *rows, int64_t start, const Shape &shape,
                         const ExpandedRoom &room) {
    Lanes sum = splat(0.0);
    take_rows(rows, start, shape, [&](int64_t d, int64_t b, Lanes x) ALWAYS {
        Lanes u = x - splat(e.centre[d]), square = u * u;
        store(room.values + d * shape.stride + b, u);
        if constexpr (SQUARED) store(room.further + d * shape.stride + b, square);
        sum = sum + square;
    });
    return total(sum) <= e.largest;
}

// Writes the values times the shared factor, and -1/2 of their squares.
inline void whiten(const Expansion &e, const Shape &shape, const ExpandedRoom &room) {
    int64_t D = e.n_features, stride = shape.stride;
    score_products<TRIANGULAR>(room.values, stride, shape.padded, D, e.factor, D, e.scales,
                               room.further, stride, nullptr, nullptr, 0);
    for (int64_t b = 0; b < shape.padded; b += LANES) {
        Lanes square = splat(0.0);
        for (int64_t d = 0; d < D; d++) {
            Lanes z = load(room.further + d * stride + b);
            square = fma(z, z, square);
        }
        store(room.row_terms + b, square * splat(-0.5));
    }
}

// Writes sums of squares, of the values as they are or times their scales.
inline void write_norms(const Expansion &e, const Shape &shape, const ExpandedRoom &room) {
    for (int64_t b = 0; b < shape.padded; b += LANES) {
        Lanes square = splat(0.0);
        for (int64_t d = 0; d < e.n_features; d++) {
            Lanes u = load(room.values + d * shape.stride + b);
            if (e.kind == COMMON_VARIANCES) u = u * splat(e.scales[d]);
            square = fma(u, u, square);
        }
        if (e.kind == NORM) store(room.further + b, square);
        else store(room.row_terms + b, square * splat(-0.5));
    }
}

// Takes a block of rows as they are; returns whether every value is small enough.
inline bool take_expanded(const Expansion &e, const void *rows, bool single, int64_t start,
                          const Shape &shape, const ExpandedRoom &room) {
    auto take = [&](auto *typed) {
        return e.kind == SQUARES ? take_centred<true>(e, typed, start, shape, room)
                                 : take_centred<false>(e, typed, start, shape, room);
    };
    bool near = single ? take((const float *)rows) : take((const double *)rows);
    if (e.kind == NORM || e.kind == COMMON_VARIANCES) write_norms(e, shape, room);
    if (e.kind == COMMON_MATRIX) whiten(e, shape, room);
    return near;
}

// Writes scores, and the highest of each row. Meanwhile the rows that come next are fetched to
// cache.
inline void score_expanded(const Expansion &e, const Shape &shape, const ExpandedRoom &room,
                           const char *ahead, int64_t bytes) {
    bool quadratic = e.kind == PRODUCTS;
    auto score = quadratic ? score_products<QUADRATIC> : score_products<LINEAR>;
    score(e.kind == COMMON_MATRIX ? room.further : room.values, shape.stride, shape.padded,
          quadratic ? e.n_features : e.n_scored(), e.coefficients, e.n_components, e.constant,
          room.scores, shape.stride, room.rows.top, ahead, bytes);
}

// Adds the second moments of all rows, whatever their component, (D, D) or (D,).
inline void shared_moments(const Expansion &e, const Shape &shape, const ExpandedRoom &room,
                           double *second) {
    int64_t D = e.n_features, stride = shape.stride;
    for (int64_t d = 0; d < D; d++) {
        Lanes sum = splat(0.0);
        for (int64_t b = 0; b < shape.padded; b += LANES) {
            Lanes u = load(room.values + d * stride + b), w = u * load(room.rows.weights + b);
            if (e.kind == COMMON_MATRIX) store(room.further + d * stride + b, w);
            else sum = fma(w, u, sum);
        }
        if (e.kind == COMMON_VARIANCES) second[d] += total(sum);
    }
    // The lower triangle, a few features at a time; what a tile writes above it is not read.
    for (int64_t i = 0; e.kind == COMMON_MATRIX && i < D; i += FEATURES_SUMMED) {
        int64_t end = smaller(i + FEATURES_SUMMED, D);
        moment_products(room.further + i * stride, end - i, room.values, end, stride,
                        shape.padded, second + i * D, D);
    }
}

inline void add_lines(double *to, const double *numbers, int64_t n) {
    for (int64_t b = 0; b < n; b += LANES) store(to + b, load(to + b) + load(numbers + b));
}

inline double weighted_sum(const double *numbers, const double *weights, int64_t n) {
    Lanes sum = splat(0.0);
    for (int64_t b = 0; b < n; b += LANES) sum = fma(load(numbers + b), load(weights + b), sum);
    return total(sum);
}

// Adds the moments (1 + F, K) of a block, counts first.
inline void expanded_moments(const Expansion &e, const Shape &shape, const ExpandedRoom &room,
                             double *moments) {
    int64_t stride = shape.stride, K = e.n_components;
    int64_t n_lines = 1 + e.n_moments() - e.n_products();
    // What is left of the responsibilities goes to whatever is fewer, features or components.
    bool few = e.kind != PRODUCTS && n_lines <= K;
    if (!few) scale_rows(room.scores, K, shape, room.rows.sums);
    fill(room.ones, shape.padded, 1.0);
    if (few) scale_rows(room.ones, n_lines, shape, room.rows.sums);
    moment_products(room.ones, n_lines, room.scores, K, stride, shape.padded, moments, K);
    if (e.kind != PRODUCTS) return;
    moments += n_lines * K;
    Pairs pairs;
    int64_t count = 0;
    for (int64_t i = 0; i < e.n_features; i++)
        for (int64_t j = 0; j <= i; j++) {
            pairs.left[count] = room.values + i * stride;
            pairs.right[count++] = room.values + j * stride;
            bool is_last = i == e.n_features - 1 && j == i;
            if (count < FEATURES_SUMMED && !is_last) continue;
            moment_products<true>(room.further, count, room.scores, K, stride, shape.padded, moments,
                                  K, pairs);
            moments += count * K;
            count = 0;
        }
}

// Calls f with every block of rows from `begin` to `end`, taken and centred: its first row, shape
// and what comes after it; returns whether no row was too far from the centre.
template <class F>
INLINE bool each_block(const Expansion &e, const void *rows, bool single, int64_t begin,
                       int64_t end, const ExpandedRoom &room, F f) {
    int64_t size = e.block(), bytes = e.n_features * (single ? sizeof(float) : sizeof(double));
    for (int64_t start = begin; start < end; start += size) {
        int64_t n = smaller(size, end - start);
        Shape shape = {size + LANES, e.n_components, e.n_features, n, (n + 31) / 32 * 32};
        if (!take_expanded(e, rows, single, start, shape, room)) return false;
        f(start, shape, (const char *)rows + (start + n) * bytes, bytes);
    }
    return true;
}

}  // namespace MIXTURA_SET
