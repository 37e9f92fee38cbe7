// What rows are told, written out row by row.
#pragma once

#include "responsibilities.hpp"

namespace MIXTURA_SET {

// Responsibilities (N, K), log densities (N,) and labels (N,); null where not asked for.
struct Outputs {
    double *shares, *densities;
    int64_t *labels;
};

inline void write_shares(const double *scores, const Shape &shape, double *shares, int64_t start) {
    for (int64_t b = 0; b < shape.n; b++)
        for (int64_t k = 0; k < shape.n_components; k++)
            shares[(start + b) * shape.n_components + k] = scores[k * shape.stride + b];
}

// Each row's component where whole rows have been assigned.
inline void write_labels(const double *scores, const Shape &shape, int64_t *labels,
                         int64_t start) {
    for (int64_t b = 0; b < shape.n; b += LANES) {
        Lanes label = splat(0.0);
        for (int64_t k = 1; k < shape.n_components; k++)
            label = where_greater(load(scores + k * shape.stride + b), splat(0.5),
                                  splat(double(k)), label);
        if (int64_t left = shape.n - b; left >= LANES) {
            store((double *)(labels + start + b), whole_bits(label));
        } else {
            double some[LANES];
            store(some, label);
            for (int64_t i = 0; i < left; i++) labels[start + b + i] = int64_t(some[i]);
        }
    }
}

// Responsibilities of scored rows where they are asked for, and labels otherwise.
//
// `row` is the number of the block's first row, `rows.top` holds the highest scores.
inline void write_assigned(int64_t assignment, uint64_t key, int64_t row, double *scores,
                           const Shape &shape, const RowRoom &rows, const Outputs &outputs,
                           int64_t start) {
    fill(rows.weights, shape.padded, 1.0);
    share(assignment, key, row, scores, shape, false, rows);
    if (outputs.shares) {
        scale_rows(scores, shape.n_components, shape, rows.sums);
        write_shares(scores, shape, outputs.shares, start);
    } else {
        write_labels(scores, shape, outputs.labels, start);
    }
}

inline void write_values(const double *values, int64_t n, double *to, int64_t start) {
    std::memcpy(to + start, values, n * sizeof(double));
}

// Log densities; a row with a missing value has none.
inline void write_densities(const double *block, const Shape &shape, const double *top,
                            double *densities, int64_t start) {
    for (int64_t b = 0; b < shape.n; b++) {
        double nothing = 0.0;
        for (int64_t d = 0; d < shape.n_features; d++) {
            double x = block[d * shape.stride + b];
            nothing += x - x;
        }
        densities[start + b] = top[b] + nothing;
    }
}

}  // namespace MIXTURA_SET
