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
// Features come in chunks, few enough to stay in cache: chunk c has the products of the features
// bounds[c] to bounds[c + 1] with those up to them, and the first has the values too. Coefficients
// (K, F) and the shared factor (D, D) lie as score_products reads them.
struct Expansion {
    int64_t kind, n_components, n_features, n_chunks, n_written;
    const int64_t *bounds;
    double largest;  // sum of a block's squares
    const double *constant, *centre, *coefficients, *scales, *factor;

    // As they come from Python: the sizes up to the bounds, and the numbers from `largest` on.
    Expansion(const int64_t *sizes, const double *numbers)
        : kind(sizes[0]), n_components(sizes[1]), n_features(sizes[2]), n_chunks(sizes[3]),
          n_written(sizes[4]), bounds(sizes + 5), largest(*numbers), constant(numbers + 1),
          centre(constant + n_components), coefficients(centre + n_features),
          scales(coefficients + n_components * n_scored()), factor(scales + n_features) {}

    bool shared() const { return kind >= COMMON_MATRIX; }
    // Features of a row before a chunk, and those in which scores, or moments, are linear.
    int64_t before(int64_t chunk) const {
        int64_t i = bounds[chunk];
        return chunk == 0 ? 0 : n_features + (kind == PRODUCTS ? i * (i + 1) / 2 : i);
    }
    int64_t n_scored() const {
        return kind == NORM ? n_features + 1 : shared() ? n_features : before(n_chunks);
    }
    int64_t n_moments() const { return shared() ? n_features : n_scored(); }
    int64_t n_shared() const {
        return !shared() ? 0 : kind == COMMON_MATRIX ? n_features * n_features : n_features;
    }
    int64_t block() const {
        return block_size(n_components + n_features + n_written, EXPANDED_BYTES, MOST_ROWS);
    }
    int64_t room(int64_t size) const {
        return (n_components + n_features + n_written + 6) * (size + LANES);
    }
};

// Takes a block of rows less the centre, and their squares where they are features; returns
// whether they are small enough for sums of squares times coefficients.
template <bool SQUARED, class Row>
inline bool take_centred(const Expansion &e, const Row *rows, int64_t start, const Shape &shape,
                         double *features) {
    double *squares = features + e.n_features * shape.stride;
    Lanes sum = splat(0.0);
    take_rows(rows, start, shape, [&](int64_t d, int64_t b, Lanes x) ALWAYS {
        Lanes u = x - splat(e.centre[d]), square = u * u;
        store(features + d * shape.stride + b, u);
        if constexpr (SQUARED) store(squares + d * shape.stride + b, square);
        sum = sum + square;
    });
    return total(sum) <= e.largest;
}

// Writes the values times the shared factor from row D on, and -1/2 of their squares.
inline void whiten(const Expansion &e, const Shape &shape, double *features, double *row_terms) {
    double *whitened = features + e.n_features * shape.stride;
    score_products(features, shape.stride, shape.padded, e.n_features, e.factor, e.n_features, 0,
                   e.n_features, e.scales, whitened, nullptr, nullptr, 0);
    for (int64_t b = 0; b < shape.padded; b += LANES) {
        Lanes square = splat(0.0);
        for (int64_t d = 0; d < e.n_features; d++) {
            Lanes z = load(whitened + d * shape.stride + b);
            square = fma(z, z, square);
        }
        store(row_terms + b, square * splat(-0.5));
    }
}

// Writes the features of a chunk that follow the values, but for squares.
//
// `row_terms` receive what is common to all components' scores, where they share covariances.
inline void write_features(const Expansion &e, int64_t chunk, const Shape &shape, double *features,
                           double *row_terms) {
    int64_t D = e.n_features, stride = shape.stride;
    double *to = features + D * stride;
    if (e.kind == COMMON_MATRIX) return whiten(e, shape, features, row_terms);
    if (e.kind == NORM || e.kind == COMMON_VARIANCES) {
        for (int64_t b = 0; b < shape.padded; b += LANES) {
            Lanes square = splat(0.0);
            for (int64_t d = 0; d < D; d++) {
                Lanes u = load(features + d * stride + b);
                if (e.kind == COMMON_VARIANCES) u = u * splat(e.scales[d]);
                square = fma(u, u, square);
            }
            if (e.kind == NORM) store(to + b, square);
            else store(row_terms + b, square * splat(-0.5));
        }
        return;
    }
    if (e.kind != PRODUCTS) return;
    for (int64_t i = e.bounds[chunk]; i < e.bounds[chunk + 1]; i++)
        for (int64_t j = 0; j <= i; j++, to += stride) {
            const double *u = features + i * stride, *v = features + j * stride;
            for (int64_t b = 0; b < shape.padded; b += LANES)
                store(to + b, load(u + b) * load(v + b));
        }
}

// Working memory of a pass: scores (K, stride), features and rows of numbers.
struct ExpandedRoom {
    double *scores, *features, *row_terms;
    RowRoom rows;
    int64_t chunk;  // whose features are written

    ExpandedRoom(const Expansion &e, int64_t stride, double *work) {
        RowRoom lines = {work, work + stride, work + 2 * stride, work + 3 * stride};
        rows = lines;
        row_terms = work + 4 * stride;
        scores = work + 5 * stride;
        features = scores + e.n_components * stride;
        chunk = -1;
    }
};

// Takes a block of rows as they are; returns whether every value is small enough.
inline bool take_expanded(const Expansion &e, const void *rows, bool single, int64_t start,
                          const Shape &shape, ExpandedRoom &room) {
    auto take = [&](auto *typed) {
        return e.kind == SQUARES ? take_centred<true>(e, typed, start, shape, room.features)
                                 : take_centred<false>(e, typed, start, shape, room.features);
    };
    room.chunk = -1;
    return single ? take((const float *)rows) : take((const double *)rows);
}

// The features of a chunk, which are written where another's are in their place.
INLINE double *chunk_of(const Expansion &e, int64_t chunk, const Shape &shape,
                        ExpandedRoom &room) {
    if (room.chunk != chunk)
        write_features(e, chunk, shape, room.features, room.row_terms);
    room.chunk = chunk;
    return room.features + (chunk > 0 ? e.n_features * shape.stride : 0);
}

// Writes scores, the highest of each row and the terms that all of a row's scores share.
//
// Meanwhile the rows that come next are fetched to cache.
inline void score_expanded(const Expansion &e, const Shape &shape, ExpandedRoom &room,
                           const char *ahead, int64_t bytes) {
    int64_t width = e.n_scored();
    for (int64_t chunk = 0; chunk < e.n_chunks; chunk++) {
        const double *features = chunk_of(e, chunk, shape, room);
        if (e.kind == COMMON_MATRIX) features += e.n_features * shape.stride;
        bool last = chunk == e.n_chunks - 1;
        int64_t from = e.before(chunk);
        int64_t count = (last ? width : e.before(chunk + 1)) - from;
        score_products(features, shape.stride, shape.padded, count, e.coefficients, width, from,
                       e.n_components, chunk == 0 ? e.constant : nullptr, room.scores,
                       last ? room.rows.top : nullptr, ahead, last ? bytes : 0);
    }
}

// Adds the second moments of all rows, whatever their component, (D, D) or (D,).
inline void shared_moments(const Expansion &e, const Shape &shape, ExpandedRoom &room,
                           double *second) {
    int64_t D = e.n_features, stride = shape.stride;
    double *values = room.features, *weighted = values + D * stride;
    if (e.kind == COMMON_VARIANCES) {
        for (int64_t d = 0; d < D; d++) {
            Lanes sum = splat(0.0);
            for (int64_t b = 0; b < shape.padded; b += LANES) {
                Lanes u = load(values + d * stride + b);
                sum = fma(u * u, load(room.rows.weights + b), sum);
            }
            second[d] += total(sum);
        }
        return;
    }
    room.chunk = 0;  // moments want the values alone
    for (int64_t d = 0; d < D; d++)
        for (int64_t b = 0; b < shape.padded; b += LANES)
            store(weighted + d * stride + b,
                  load(values + d * stride + b) * load(room.rows.weights + b));
    // The lower triangle, four features at a time; what a tile writes above it is not read.
    for (int64_t i = 0; i < D; i += 4) {
        int64_t end = i + 4 < D ? i + 4 : D;
        moment_products(weighted + i * stride, end - i, values, end, stride, shape.padded,
                        second + i * D, D);
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

// Adds the moments (F + 1, K) of a block, the counts in their last row.
inline void expanded_moments(const Expansion &e, const Shape &shape, ExpandedRoom &room,
                             double *moments) {
    int64_t stride = shape.stride, K = e.n_components, n_moments = e.n_moments();
    bool few = n_moments < K;
    // What is left of the responsibilities goes to whatever is fewer, features or components.
    if (!few) scale_rows(room.scores, K, shape, room.rows.sums);
    for (int64_t chunk = e.n_chunks - 1; chunk >= 0; chunk--) {
        double *features = chunk_of(e, chunk, shape, room);
        int64_t from = e.before(chunk), count = n_moments - from;
        if (chunk < e.n_chunks - 1) {
            count = e.before(chunk + 1) - from;
        } else {
            double *ones = features + count++ * stride;
            fill(ones, shape.padded, 1.0);
            if (few) scale_rows(features, count, shape, room.rows.sums);
        }
        moment_products(features, count, room.scores, K, stride, shape.padded, moments + from * K,
                        K);
    }
}

// Calls f with every block of rows from `begin` to `end`, taken and centred: its first row, shape
// and what comes after it; returns whether no row was too far from the centre.
template <class F>
INLINE bool each_block(const Expansion &e, const void *rows, bool single, int64_t begin,
                       int64_t end, ExpandedRoom &room, F f) {
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
