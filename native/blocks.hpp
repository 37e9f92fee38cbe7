// Rows of a block and what comes with them, copied to working memory, features first.
#pragma once

#include "responsibilities.hpp"

namespace MIXTURA_SET {

// What is known of the assignment beforehand: its number, a key of random numbers, and
// responsibilities (N, K) or labels (N,), which may be null.
struct Assigned {
    int64_t number;
    uint64_t key;
    const double *given;
    const int64_t *labels;
};

// Calls put(d, b, x) with the numbers x of feature d in the eight rows from b on, for all of a
// block; the last row again where it is padded.
template <class Row, class Put>
INLINE void take_rows(const Row *rows, int64_t start, const Shape &shape, Put put) {
    int64_t n_features = shape.n_features, whole = shape.n / LANES * LANES;
    rows += start * n_features;
    if (n_features == 1) {
        for (int64_t b = 0; b < whole; b += LANES) put(0, b, load(rows + b));
    } else if (n_features == 2) {
        for (int64_t b = 0; b < whole; b += LANES) {
            Lanes first, second;
            load_by_turns(rows + 2 * b, first, second);
            put(0, b, first);
            put(1, b, second);
        }
    } else {
        for (int64_t b = 0; b < whole; b += LANES) {
            const Row *at = rows + b * n_features;
            Lanes first, second;
            for (int64_t d = 0; d < n_features - 1; d += 2) {
                load_columns(at + d, n_features, first, second);
                put(d, b, first);
                put(d + 1, b, second);
            }
            if (n_features % 2 == 1) {
                load_columns(at + n_features - 2, n_features, first, second);
                put(n_features - 1, b, second);
            }
        }
    }
    for (int64_t b = whole; b < shape.padded; b += LANES)
        for (int64_t d = 0; d < n_features; d++) {
            double x[LANES];
            for (int64_t i = 0; i < LANES; i++)
                x[i] = double(rows[(b + i < shape.n ? b + i : shape.n - 1) * n_features + d]);
            put(d, b, load(x));
        }
}

// Copies rows to (D, stride), features first.
template <class Row>
inline void take_block(const Row *rows, int64_t start, const Shape &shape, double *block) {
    take_rows(rows, start, shape, [&](int64_t d, int64_t b, Lanes x) ALWAYS {
        store(block + d * shape.stride + b, x);
    });
}

// Copies the rows' weights, one each where there are none; padding weighs nothing.
inline void take_weights(const double *row_weights, int64_t start, const Shape &shape,
                         double *weights) {
    for (int64_t b = 0; b < shape.padded; b += LANES) {
        int64_t left = shape.n - b;
        Lanes w = !row_weights   ? first_lanes(left, splat(1.0))
                  : left < LANES ? load_some(row_weights + start + b, left)
                                 : load(row_weights + start + b);
        store(weights + b, w);
    }
}

// Takes responsibilities or labels that were given, times weights; returns whether they were.
inline bool take_handed(const Assigned &assigned, int64_t start, const Shape &shape,
                        const RowRoom &rows, double *scores) {
    if (assigned.number != GIVEN && assigned.number != LABELLED) return false;
    for (int64_t k = 0; k < shape.n_components; k++) {
        double *to = scores + k * shape.stride;
        for (int64_t b = 0; b < shape.n; b++) {
            double part = assigned.number == GIVEN
                              ? assigned.given[(start + b) * shape.n_components + k]
                              : double(assigned.labels[start + b] == k);
            to[b] = part * rows.weights[b];
        }
        for (int64_t b = shape.n; b < shape.padded; b++) to[b] = 0.0;
    }
    fill(rows.sums, shape.padded, 1.0);
    return true;
}

}  // namespace MIXTURA_SET
