// Rows each on their own, eight at once: every lane has the covariance of its own observed cells.
#pragma once

#include "observed.hpp"

namespace MIXTURA_SET {

constexpr int64_t LONE_ROWS = 64;
// Numbers of factors that are kept from scores to moments; more of them are found anew.
constexpr int64_t MOST_KEPT = 1 << 16;

INLINE int64_t triangle(int64_t n) { return n * (n + 1) / 2; }

// A block of such rows, features first, with room for what is done with them.
struct LoneBlock {
    int64_t stride, n_errors;
    double *values, *has, *errors;         // (D, stride), and errors (D or triangle, stride)
    double *n_observed, *standard;  // standardised: (K, D, stride)
    double *scores, *factor, *columns, *column, *products, *sums;
    int64_t factor_step;  // from one eight rows' factor to the next; 0 where they are found anew
    RowRoom rows;
};

INLINE int64_t lone_numbers(const Mixture &m, int64_t error_kind) {
    int64_t K = m.n_components, D = m.n_features, stride = LONE_ROWS + 8;
    int64_t n_errors = error_kind == COVARIANCES ? triangle(D) : D;
    int64_t groups = LONE_ROWS / LANES * m.n_factors;
    int64_t kept = triangle(D) * LANES * groups <= MOST_KEPT ? groups : 1;
    return stride * (2 * D + n_errors + 1 + K * D + K + 4) +
           LANES * (triangle(D) * (kept + 2) + D * D + K * D + D);
}

inline LoneBlock lone_block_in(double *at, const Mixture &m, int64_t error_kind) {
    int64_t K = m.n_components, D = m.n_features, stride = LONE_ROWS + 8;
    int64_t groups = LONE_ROWS / LANES * m.n_factors;
    bool keeps = triangle(D) * LANES * groups <= MOST_KEPT;
    LoneBlock b{};
    b.stride = stride, b.n_errors = error_kind == COVARIANCES ? triangle(D) : D;
    auto take = [&](int64_t n) {
        double *from = at;
        at += n;
        return from;
    };
    b.values = take(D * stride), b.has = take(D * stride), b.errors = take(b.n_errors * stride);
    b.n_observed = take(stride), b.standard = take(K * D * stride);
    b.scores = take(K * stride);
    b.rows = {take(stride), take(stride), take(stride), take(stride)};
    b.factor_step = keeps ? triangle(D) * LANES : 0;
    b.factor = take(triangle(D) * LANES * (keeps ? groups : 1));
    b.columns = take(D * D * LANES), b.column = take(D * LANES);
    b.products = take(triangle(D) * LANES), b.sums = take((triangle(D) + K * D) * LANES);
    return b;
}

// Copies rows by their places, with what is known of their groups.
inline void take_lone(const Groups &groups, const Mixture &m, const int64_t *places,
                      const int64_t *numbers, const Shape &shape, LoneBlock &block) {
    int64_t D = m.n_features, stride = block.stride, kind = groups.error_kind;
    for (int64_t b = 0; b < shape.padded; b++) {
        int64_t last = b < shape.n ? b : shape.n - 1, place = places[last], number = numbers[last];
        const double *row = groups.rows + place * D;
        const uint8_t *has = groups.observed + number * D;
        double n_observed = 0.0;
        for (int64_t d = 0; d < D; d++) {
            block.values[d * stride + b] = row[d];
            block.has[d * stride + b] = has[d] ? 1.0 : 0.0;
            n_observed += has[d] ? 1.0 : 0.0;
        }
        block.n_observed[b] = n_observed;
        if (kind == COVARIANCES) {
            const double *own = groups.errors + number * D * D;
            int64_t at = 0;
            for (int64_t i = 0; i < D; i++)
                for (int64_t j = 0; j <= i; j++)
                    block.errors[at++ * stride + b] = own[i * D + j];
        } else {
            for (int64_t d = 0; d < D; d++)
                block.errors[d * stride + b] = kind ? groups.errors[number * D + d] : 0.0;
        }
        double weight = groups.weights ? groups.weights[place] : 1.0;
        block.rows.weights[b] = b < shape.n ? weight : 0.0;
    }
}

// ------------------------------------------------------------------------------- matrices

// Writes L and the reciprocals of the diagonal of D, with L D L^T a covariance matrix of the
// observed cells; missing ones have variances of one, and nothing in common. Returns the logs of
// the determinants.
inline Lanes factorise_lone(const double *covariance, int64_t D, const LoneBlock &block, int64_t b,
                            bool is_full, double *factor) {
    Lanes sum = splat(0.0), one = splat(1.0);
    int64_t stride = block.stride;
    for (int64_t i = 0; i < D; i++) {
        double *row = factor + triangle(i) * LANES;
        const double *errors = block.errors + (is_full ? triangle(i) : i) * stride + b;
        Lanes has = load(block.has + i * stride + b);
        Lanes own = splat(covariance[i * D + i]);
        own = own + load(is_full ? errors + i * stride : errors);
        Lanes left = where_greater(has, splat(0.5), own, one);
        for (int64_t j = 0; j < i; j++) {
            const double *above = factor + triangle(j) * LANES;
            Lanes w = splat(covariance[i * D + j]);
            if (is_full) w = w + load(errors + j * stride);
            w = w * (has * load(block.has + j * stride + b));
            for (int64_t k = 0; k < j; k++)
                w = fnma(load(row + k * LANES), load(above + k * LANES), w);
            store(row + j * LANES, w);  // times the diagonal, until the row is done
        }
        for (int64_t j = 0; j < i; j++) {
            Lanes w = load(row + j * LANES);
            Lanes unit = w * load(factor + (triangle(j) + j) * LANES);
            left = fnma(w, unit, left);
            store(row + j * LANES, unit);
        }
        store(row + i * LANES, one / left);
        sum = sum + log(left);
    }
    return sum;
}

// Standardises eight rows about a mean; returns their squared distances.
INLINE Lanes standardise_lone(const double *mean, int64_t D, const LoneBlock &block, int64_t b,
                              const double *factor, double *standard) {
    Lanes squares = splat(0.0);
    int64_t stride = block.stride;
    for (int64_t i = 0; i < D; i++) {
        const double *row = factor + triangle(i) * LANES;
        Lanes z = (load(block.values + i * stride + b) - splat(mean[i])) *
                  load(block.has + i * stride + b);
        for (int64_t j = 0; j < i; j++)
            z = fnma(load(row + j * LANES), load(standard + j * stride), z);
        store(standard + i * stride, z);
        squares = fma(z * z, load(row + i * LANES), squares);
    }
    return squares;
}

// Writes how each complete cell follows from standardised ones, (D, D) lanes, cell by cell, and the
// lower triangle of what they take off a covariance matrix.
inline void solve_lone(const double *covariance, int64_t D, const LoneBlock &block, int64_t b,
                       const double *factor) {
    double *column = block.column;
    for (int64_t c = 0; c < D; c++) {
        double *scaled = block.columns + c * D * LANES;
        for (int64_t i = 0; i < D; i++) {
            const double *row = factor + triangle(i) * LANES;
            Lanes a = splat(covariance[i * D + c]) * load(block.has + i * block.stride + b);
            for (int64_t j = 0; j < i; j++)
                a = fnma(load(row + j * LANES), load(column + j * LANES), a);
            store(column + i * LANES, a);
            store(scaled + i * LANES, a * load(row + i * LANES));
        }
        for (int64_t d = 0; d <= c; d++) {
            const double *other = block.columns + d * D * LANES;
            Lanes sum = splat(0.0);
            for (int64_t i = 0; i < D; i++)
                sum = fma(load(column + i * LANES), load(other + i * LANES), sum);
            store(block.products + (triangle(c) + d) * LANES, sum);
        }
    }
}

inline void score_lone_matrix(const Mixture &m, const Shape &shape, bool is_full,
                              const LoneBlock &block, bool is_handed) {
    int64_t D = m.n_features, stride = block.stride;
    int64_t n_sharing = m.n_factors == 1 ? m.n_components : 1;
    for (int64_t b = 0; b < shape.padded; b += LANES)
        for (int64_t f = 0; f < m.n_factors; f++) {
            double *factor = block.factor + (b / LANES * m.n_factors + f) * block.factor_step;
            Lanes logs = factorise_lone(m.spread + f * D * D, D, block, b, is_full, factor);
            Lanes base = fma(splat(-HALF_LOG_TWO_PI), load(block.n_observed + b),
                             splat(-0.5) * logs);
            for (int64_t k = f; k < f + n_sharing; k++) {
                double *standard = block.standard + k * D * stride + b;
                Lanes q = standardise_lone(m.mean + k * D, D, block, b, factor, standard);
                Lanes score = splat(m.constant[k]) + fma(splat(-0.5), q, base);
                if (!is_handed) store(block.scores + k * stride + b, held(score));
            }
        }
}

// Adds moments; `block.scores` holds responsibilities times weights.
inline void moments_lone_matrix(const Mixture &m, const Shape &shape, bool is_full,
                                const LoneBlock &block, const Found &to) {
    int64_t D = m.n_features, stride = block.stride;
    int64_t n_sharing = m.n_factors == 1 ? m.n_components : 1;
    for (int64_t f = 0; f < m.n_factors; f++) {
        const double *covariance = m.spread + f * D * D;
        double *second = to.second + f * D * D, mass = 0.0;
        fill(block.sums, (triangle(D) + n_sharing * D) * LANES, 0.0);
        double *first = block.sums + triangle(D) * LANES;
        for (int64_t b = 0; b < shape.padded; b += LANES) {
            double *factor = block.factor + (b / LANES * m.n_factors + f) * block.factor_step;
            if (!block.factor_step) factorise_lone(covariance, D, block, b, is_full, factor);
            solve_lone(covariance, D, block, b, factor);
            Lanes all = splat(0.0);
            for (int64_t s = 0; s < n_sharing; s++) {
                Lanes w = load(block.scores + (f + s) * stride + b);
                const double *standard = block.standard + (f + s) * D * stride + b;
                all = all + w;
                for (int64_t c = 0; c < D; c++) {
                    const double *scaled = block.columns + c * D * LANES;
                    Lanes e = splat(0.0);
                    for (int64_t i = 0; i < D; i++)
                        e = fma(load(standard + i * stride), load(scaled + i * LANES), e);
                    store(block.column + c * LANES, e);
                    Lanes we = w * e;
                    double *at = first + (s * D + c) * LANES;
                    store(at, load(at) + we);
                    double *row = block.sums + triangle(c) * LANES;
                    for (int64_t d = 0; d <= c; d++)
                        store(row + d * LANES,
                              fma(we, load(block.column + d * LANES), load(row + d * LANES)));
                }
            }
            for (int64_t i = 0; i < triangle(D) * LANES; i += LANES)
                store(block.sums + i, fnma(all, load(block.products + i), load(block.sums + i)));
            mass += total(all);
        }
        for (int64_t s = 0; s < n_sharing; s++)
            for (int64_t c = 0; c < D; c++)
                to.first[(f + s) * D + c] += total(load(first + (s * D + c) * LANES));
        for (int64_t c = 0; c < D; c++)
            for (int64_t d = 0; d <= c; d++) {
                double taken = total(load(block.sums + (triangle(c) + d) * LANES));
                second[c * D + d] += fma(mass, covariance[c * D + d], taken);
            }
    }
}

// --------------------------------------------------------------- features on their own

inline void score_lone_vector(const Mixture &m, const Shape &shape, const LoneBlock &block) {
    int64_t D = m.n_features, stride = block.stride;
    Lanes one = splat(1.0), half = splat(0.5);
    for (int64_t k = 0; k < m.n_components; k++) {
        const double *variance = m.spread + m.factor_of(k) * D, *mean = m.mean + k * D;
        for (int64_t b = 0; b < shape.padded; b += LANES) {
            Lanes q = splat(0.0), logs = splat(0.0);
            for (int64_t d = 0; d < D; d++) {
                int64_t at = d * stride + b;
                Lanes has = load(block.has + at);
                Lanes spread = splat(variance[d]) + load(block.errors + at);
                spread = where_greater(has, half, spread, one);
                Lanes z = (load(block.values + at) - splat(mean[d])) * has;
                q = fma(z * z, one / spread, q);
                logs = logs + log(spread);
            }
            Lanes base = fma(splat(-HALF_LOG_TWO_PI), load(block.n_observed + b),
                             splat(-0.5) * logs);
            Lanes score = splat(m.constant[k]) + fma(splat(-0.5), q, base);
            store(block.scores + k * stride + b, held(score));
        }
    }
}

inline void moments_lone_vector(const Mixture &m, const Shape &shape, const LoneBlock &block,
                                const Found &to) {
    int64_t D = m.n_features, stride = block.stride;
    Lanes half = splat(0.5);
    for (int64_t k = 0; k < m.n_components; k++) {
        const double *variance = m.spread + m.factor_of(k) * D, *mean = m.mean + k * D;
        for (int64_t d = 0; d < D; d++) {
            Lanes first = splat(0.0), second = splat(0.0), v = splat(variance[d]);
            for (int64_t b = 0; b < shape.padded; b += LANES) {
                int64_t at = d * stride + b;
                Lanes w = load(block.scores + k * stride + b), has = load(block.has + at);
                Lanes error = load(block.errors + at), share = v / (v + error);
                Lanes e = (load(block.values + at) - splat(mean[d])) * (share * has);
                Lanes left = where_greater(has, half, error * share, v);
                first = fma(w, e, first);
                second = fma(w, fma(e, e, left), second);
            }
            to.first[k * D + d] += total(first);
            to.second[m.factor_of(k) * D + d] += total(second);
        }
    }
}

// ------------------------------------------------------------------------------ whole blocks

// Scores rows; what was handed in place of scores is left as it is.
inline void score_lone(const Mixture &m, const Shape &shape, bool is_full, const LoneBlock &block,
                       bool is_handed) {
    if (m.is_matrix) score_lone_matrix(m, shape, is_full, block, is_handed);
    else if (!is_handed) score_lone_vector(m, shape, block);
    if (!is_handed) highest(block.scores, shape, block.rows.top);
}

inline void moments_lone(const Mixture &m, const Shape &shape, bool is_full,
                         const LoneBlock &block, const Found &to) {
    scale_rows(block.scores, m.n_components, shape, block.rows.sums);
    for (int64_t k = 0; k < m.n_components; k++) {
        Lanes sum = splat(0.0);
        for (int64_t b = 0; b < shape.padded; b += LANES)
            sum = sum + load(block.scores + k * shape.stride + b);
        to.count[k] += total(sum);
    }
    if (m.is_matrix) moments_lone_matrix(m, shape, is_full, block, to);
    else moments_lone_vector(m, shape, block, to);
}

}  // namespace MIXTURA_SET
