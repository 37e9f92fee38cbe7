// Passes in expanded form: scores and moments as matrix products of features of centred rows.
//
// The fewest operations there are, at the price of digits where means lie many standard deviations
// from the centre: engines/native/expansion.py says when that price is nothing.
#pragma once

#include "blocks.hpp"
#include "outputs.hpp"
#include "products.hpp"

namespace MIXTURA_SET {

// Kinds of features.
//
// PRODUCTS: the values and the products of each two, rows i >= j of a triangle (full).
// SQUARES: the values and their squares (diagonal).
// NORM: the values and the sum of their squares (spherical).
// COMMON_MATRIX: the values, and the values whitened by the shared factor (tied).
// COMMON_VARIANCES: the values alone (shared variances).
enum Features : int64_t { PRODUCTS, SQUARES, NORM, COMMON_MATRIX, COMMON_VARIANCES };

// Potentials in expanded form.
//
// Features come in chunks, few enough to stay in cache: chunk c has the products of the features
// bounds[c] to bounds[c + 1] with those up to them, and the first has the values too. Coefficients
// (K, F) and the shared factor (D, D) lie as score_products reads them.
struct Expansion {
    int64_t kind, n_components, n_features, n_chunks;
    const int64_t *bounds;
    double largest;  // square of a value
    const double *constant, *coefficients, *centre, *scales, *factor;

    bool shared() const { return kind >= COMMON_MATRIX; }
    // Features of the rows in which scores, or moments, are linear; those before a chunk.
    int64_t n_scored() const {
        return kind == NORM ? n_features + 1 : shared() ? n_features : before(n_chunks);
    }
    int64_t n_moments() const { return shared() ? n_features : n_scored(); }
    int64_t before(int64_t chunk) const {
        if (chunk == 0) return 0;
        int64_t i = bounds[chunk];
        return n_features + (kind == PRODUCTS ? i * (i + 1) / 2 : i);
    }
};

// Subtracts the centre in place; returns whether all squares are small enough.
INLINE bool centre_block(const Expansion &e, const Shape &shape, double *block) {
    Lanes outside = splat(0.0), limit = splat(e.largest), one = splat(1.0);
    for (int64_t d = 0; d < e.n_features; d++) {
        Lanes c = splat(e.centre[d]);
        double *row = block + d * shape.stride;
        for (int64_t b = 0; b < shape.padded; b += LANES) {
            Lanes u = load(row + b) - c;
            store(row + b, u);
            outside = where_at_least(limit, u * u, outside, one);
        }
    }
    return total(outside) == 0.0;
}

// Writes the values times the shared factor from row D on, and -1/2 of their squares.
INLINE void whiten(const Expansion &e, const Shape &shape, double *features, double *row_terms) {
    double *whitened = features + e.n_features * shape.stride;
    score_products(features, shape.stride, shape.padded, e.n_features, e.factor, e.n_features, 0,
                   e.n_features, e.scales, whitened, nullptr);
    for (int64_t b = 0; b < shape.padded; b += LANES) {
        Lanes square = splat(0.0);
        for (int64_t d = 0; d < e.n_features; d++) {
            Lanes z = load(whitened + d * shape.stride + b);
            square = fma(z, z, square);
        }
        store(row_terms + b, square * splat(-0.5));
    }
}

// Writes the features of a chunk that follow the values.
//
// `row_terms` receive what is common to all components' scores, where they share covariances.
INLINE void write_features(const Expansion &e, int64_t chunk, const Shape &shape, double *features,
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
    for (int64_t i = e.bounds[chunk]; i < e.bounds[chunk + 1]; i++)
        for (int64_t j = e.kind == PRODUCTS ? 0 : i; j <= i; j++, to += stride) {
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

// Takes a block of centred rows; returns whether every value is small enough for its square.
INLINE bool take_centred(const Expansion &e, const void *rows, bool single, int64_t start,
                         const Shape &shape, ExpandedRoom &room) {
    if (single) take_block((const float *)rows, start, shape, room.features);
    else take_block((const double *)rows, start, shape, room.features);
    room.chunk = -1;
    return centre_block(e, shape, room.features);
}

INLINE double *chunk_of(const Expansion &e, int64_t chunk, const Shape &shape,
                        ExpandedRoom &room) {
    if (room.chunk != chunk)
        write_features(e, chunk, shape, room.features, room.row_terms);
    room.chunk = chunk;
    return room.features + (chunk > 0 ? e.n_features * shape.stride : 0);
}

// Writes scores, the highest of each row and the terms that all of a row's scores share.
INLINE void score_expanded(const Expansion &e, const Shape &shape, ExpandedRoom &room) {
    int64_t width = e.n_scored();
    for (int64_t chunk = 0; chunk < e.n_chunks; chunk++) {
        const double *features = chunk_of(e, chunk, shape, room);
        if (e.kind == COMMON_MATRIX) features += e.n_features * shape.stride;
        bool last = chunk == e.n_chunks - 1;
        int64_t from = e.before(chunk);
        int64_t count = (last ? width : e.before(chunk + 1)) - from;
        score_products(features, shape.stride, shape.padded, count, e.coefficients, width, from,
                       e.n_components, chunk == 0 ? e.constant : nullptr, room.scores,
                       last ? room.rows.top : nullptr);
    }
}

// Adds the second moments of all rows, whatever their component, (D, D) or (D,).
INLINE void shared_moments(const Expansion &e, const Shape &shape, ExpandedRoom &room,
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
    room.chunk = -1;
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

INLINE double weighted_sum(const double *numbers, const double *weights, int64_t n) {
    Lanes sum = splat(0.0);
    for (int64_t b = 0; b < n; b += LANES) sum = fma(load(numbers + b), load(weights + b), sum);
    return total(sum);
}

// Adds the moments (F + 1, K) of a block, the counts in their last row.
INLINE void expanded_moments(const Expansion &e, const Shape &shape, ExpandedRoom &room,
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

// Adds the statistics about the centre of the rows from `begin` to `end`, in blocks of `size`,
// and their data term to `result`; returns whether no row was too far from the centre.
static bool sweep_expanded(const Expansion &e, const void *rows, bool single,
                           const double *weights, const Assigned &assigned, int64_t first_row,
                           int64_t begin, int64_t end, int64_t size, double *moments,
                           double *second, double &result, double *work) {
    ExpandedRoom room(e, size + LANES, work);
    for (int64_t start = begin; start < end; start += size) {
        int64_t n = end - start < size ? end - start : size, padded = (n + 31) / 32 * 32;
        Shape shape = {size + LANES, e.n_components, e.n_features, n, padded};
        take_weights(weights, start, shape, room.rows.weights);
        if (!take_centred(e, rows, single, start, shape, room)) return false;
        if (!take_handed(assigned, start, shape, room.rows, room.scores)) {
            score_expanded(e, shape, room);
            result += share(assigned.number, assigned.key, first_row + start, room.scores, shape,
                            weights || padded > n, room.rows);
            if (e.shared()) result += weighted_sum(room.row_terms, room.rows.weights, padded);
        }
        if (e.shared()) shared_moments(e, shape, room, second);
        if (e.kind == COMMON_MATRIX) room.chunk = 0; // Moments want the values alone.
        expanded_moments(e, shape, room, moments);
    }
    return true;
}

// Writes what is asked of the rows from `begin` to `end`; returns whether none was too far.
static bool tell_expanded(const Expansion &e, const void *rows, bool single, int64_t assignment,
                          uint64_t key, int64_t first_row, int64_t begin, int64_t end,
                          int64_t size, const Outputs &outputs, double *work) {
    ExpandedRoom room(e, size + LANES, work);
    for (int64_t start = begin; start < end; start += size) {
        int64_t n = end - start < size ? end - start : size, padded = (n + 31) / 32 * 32;
        Shape shape = {size + LANES, e.n_components, e.n_features, n, padded};
        if (!take_centred(e, rows, single, start, shape, room)) return false;
        score_expanded(e, shape, room);
        if (!outputs.densities) {
            write_assigned(assignment, key, first_row + start, room.scores, shape, room.rows,
                           outputs, start);
            continue;
        }
        log_sums(room.scores, shape, room.rows);
        for (int64_t b = 0; e.shared() && b < padded; b += LANES)
            store(room.rows.top + b, load(room.rows.top + b) + load(room.row_terms + b));
        write_values(room.rows.top, n, outputs.densities, start);
    }
    return true;
}

}  // namespace MIXTURA_SET
