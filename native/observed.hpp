// Rows of which some cells are missing or have errors: scores of what was observed, and moments of
// what is expected of the rest, for groups of rows alike and for rows each on their own.
//
// Rows alike have one regression for each covariance, so that their moments are those of what was
// observed, mapped. Rows on their own are lanes, each with the factor of its own covariance.
#pragma once

#include "exact.hpp"
#include "matrices.hpp"

namespace MIXTURA_SET {

constexpr double HALF_LOG_TWO_PI = 0.9189385332046727418;

enum ErrorKind : int64_t { NO_ERRORS, VARIANCES, COVARIANCES };

// Rows sorted by groups of which the same cells were observed with the same errors.
struct Groups {
    const double *rows;  // (n, D), zero where a cell is missing
    const double *weights;
    const uint8_t *observed;  // (G, D)
    const int64_t *starts;    // (G + 1,)
    const double *errors;     // variances (G, D) or covariances (G, D, D), zero where missing
    int64_t n_groups, error_kind;
};

// A mixture of normal distributions: constants (K,) of scores without any observed cell, means
// (K, D), and covariances (F, D, D), or variances (F, D), of which F is 1 or K.
struct Mixture {
    const double *constant, *mean, *spread;
    int64_t n_components, n_features, n_factors;
    bool is_matrix;

    int64_t n_moments() const { return is_matrix ? n_features * n_features : n_features; }
    int64_t factor_of(int64_t k) const { return n_factors == 1 ? 0 : k; }
    int64_t n_sums() const {
        return 1 + n_components * (1 + n_features) + n_factors * n_moments();
    }
};

// Counts (K,), first moments (K, D) and second ones (F, D) or (F, D, D), lower triangle.
struct Found {
    double *data_term, *count, *first, *second;
};
INLINE Found found_in(double *sums, const Mixture &m) {
    double *first = sums + 1 + m.n_components;
    return {sums, sums + 1, first, first + m.n_components * m.n_features};
}

// ------------------------------------------------------------------------------- rows alike

// What a group's rows are standardised with, and how the cells that are not known exactly follow
// from those that were observed.
struct Group {
    int64_t n_observed, n_unknown;
    int64_t *observed, *unknown;  // features; unknown are missing ones, and those with errors
    Exact exact;                  // of the observed cells
    double *constant, *mean, *spread;
    double *mapping;   // (F, unknown, observed)
    double *left;      // (F, unknown, unknown), covariance that is left
    double *sums, *room;
};

INLINE int64_t group_numbers(const Mixture &m) {
    int64_t K = m.n_components, D = m.n_features, F = m.n_factors, square = D * D;
    return 2 * D + K + K * D + F * (packed_size(D) + square) + 2 * F * square +
           K * (1 + D) + F * square + 5 * square + 2 * D + factor_room(D) + 64;
}

inline Group group_in(double *at, const Mixture &m) {
    int64_t K = m.n_components, D = m.n_features, F = m.n_factors, square = D * D;
    Group g{};
    g.observed = (int64_t *)at, at += D;
    g.unknown = (int64_t *)at, at += D;
    g.constant = at, at += K;
    g.mean = at, at += K * D;
    g.spread = at, at += F * (packed_size(D) + square);
    g.mapping = at, at += F * square;
    g.left = at, at += F * square;
    g.sums = at, at += K * (1 + D) + F * square;
    g.room = at;
    return g;
}

INLINE Kind kind_of(const Mixture &m, int64_t n_observed) {
    return !m.is_matrix || n_observed == 1 ? VECTOR : n_observed == 2 ? PLANE : MATRIX;
}

// Regression of the unknown cells on the observed ones; returns the log determinant of the
// observed cells' precision factor.
inline double regress(const Mixture &m, const double *covariance, const double *errors,
                      int64_t error_kind, Group &g, int64_t f, double *spread) {
    int64_t D = m.n_features, p = g.n_observed, q = g.n_unknown;
    double *total = g.room, *factor = total + p * p, *cross = factor + p * p, *rest = cross + q * p;
    for (int64_t i = 0; i < p; i++)
        for (int64_t j = 0; j < p; j++) {
            int64_t c = g.observed[i], d = g.observed[j];
            double own = covariance[c * D + d];
            if (error_kind == COVARIANCES) own += errors[c * D + d];
            if (error_kind == VARIANCES && c == d) own += errors[c];
            total[i * p + j] = own;
        }
    double logs = precision_factor(total, p, factor, rest);
    if (kind_of(m, p) == MATRIX) {
        pack_factor(factor, p, spread);
    } else {
        for (int64_t i = 0; i < p * p; i++) spread[i] = factor[i];
    }
    // Unknown cells' covariance with the observed ones, standardised: U = V[u, o] P.
    for (int64_t u = 0; u < q; u++) {
        const double *row = covariance + g.unknown[u] * D;
        for (int64_t j = 0; j < p; j++) {
            double sum = 0.0;
            for (int64_t i = 0; i <= j; i++) sum = fma(row[g.observed[i]], factor[i * p + j], sum);
            cross[u * p + j] = sum;
        }
    }
    double *mapping = g.mapping + f * D * D, *left = g.left + f * D * D;
    for (int64_t u = 0; u < q; u++) {
        for (int64_t i = 0; i < p; i++) {
            double sum = 0.0;
            for (int64_t j = i; j < p; j++) sum = fma(cross[u * p + j], factor[i * p + j], sum);
            mapping[u * p + i] = sum;
        }
        for (int64_t v = 0; v <= u; v++) {
            double sum = covariance[g.unknown[u] * D + g.unknown[v]];
            for (int64_t j = 0; j < p; j++) sum = fma(-cross[u * p + j], cross[v * p + j], sum);
            left[u * q + v] = left[v * q + u] = sum;
        }
    }
    return logs;
}

// The same where features do not depend on one another.
inline double regress_alone(const Mixture &m, const double *variance, const double *errors,
                            Group &g, int64_t f, double *spread) {
    int64_t D = m.n_features, p = g.n_observed, q = g.n_unknown;
    double *mapping = g.mapping + f * D * D, *left = g.left + f * D * D;
    double logs = 0.0;
    for (int64_t i = 0; i < p; i++) {
        int64_t d = g.observed[i];
        double total = variance[d] + (errors ? errors[d] : 0.0);
        spread[i] = 1.0 / square_root(total);
        logs += log_of_one(spread[i]);
    }
    for (int64_t u = 0; u < q; u++) {
        int64_t d = g.unknown[u];
        double error = errors ? errors[d] : 0.0, total = variance[d] + error;
        bool is_missing = true;
        for (int64_t i = 0; i < p; i++)
            if (g.observed[i] == d) is_missing = false;
        mapping[u] = is_missing ? 0.0 : variance[d] / total;
        left[u] = is_missing ? variance[d] : variance[d] * (error / total);
    }
    return logs;
}

// Prepares what a group of rows needs; returns whether all covariances could be factorised.
inline bool prepare_group(const Mixture &m, const Groups &groups, int64_t number, Group &g) {
    int64_t K = m.n_components, D = m.n_features;
    const uint8_t *has = groups.observed + number * D;
    int64_t width = groups.error_kind == COVARIANCES ? D * D : D;
    const double *errors = groups.error_kind ? groups.errors + number * width : nullptr;
    g.n_observed = g.n_unknown = 0;
    for (int64_t d = 0; d < D; d++) {
        double own = !errors ? 0.0 : groups.error_kind == COVARIANCES ? errors[d * D + d] : errors[d];
        if (has[d]) g.observed[g.n_observed++] = d;
        if (!has[d] || own > 0.0) g.unknown[g.n_unknown++] = d;
    }
    int64_t p = g.n_observed;
    Kind kind = kind_of(m, p);
    int64_t step = !m.is_matrix ? p : kind == MATRIX ? packed_size(p) : p * p;
    bool is_fine = true;
    for (int64_t f = 0; f < m.n_factors; f++) {
        const double *own = m.spread + f * m.n_moments();
        double *spread = g.spread + f * step;
        double logs = m.is_matrix ? regress(m, own, errors, groups.error_kind, g, f, spread)
                                  : regress_alone(m, own, errors, g, f, spread);
        is_fine = is_fine && logs > -1e300 && logs < 1e300;
        for (int64_t k = 0; k < K; k++)
            if (m.factor_of(k) == f)
                g.constant[k] = held_constant(m.constant[k], logs - double(p) * HALF_LOG_TWO_PI);
    }
    for (int64_t k = 0; k < K; k++)
        for (int64_t i = 0; i < p; i++) g.mean[k * p + i] = m.mean[k * D + g.observed[i]];
    g.exact = {K, p, g.constant, g.mean, g.spread, m.n_factors == 1 ? 0 : step};
    return is_fine;
}

// Adds the moments of a group's observed cells, mapped to those of complete rows.
inline void add_mapped(const Mixture &m, Group &g, const Found &to) {
    int64_t K = m.n_components, D = m.n_features, p = g.n_observed, q = g.n_unknown;
    double *count = g.sums, *first = count + K, *second = first + K * p;
    int64_t step = m.is_matrix ? p * p : p;
    for (int64_t k = 0; k < K; k++) {
        const double *mapping = g.mapping + m.factor_of(k) * D * D, *own = first + k * p;
        double *there = to.first + k * D;
        to.count[k] += count[k];
        // Cells that are known exactly stay; the others follow from them, errors taken out.
        for (int64_t i = 0, u = 0; i < p; i++) {
            int64_t d = g.observed[i];
            while (u < q && g.unknown[u] < d) u++;
            if (u == q || g.unknown[u] != d) there[d] += own[i];
        }
        for (int64_t u = 0; u < q; u++) {
            double sum = 0.0;
            if (m.is_matrix) {
                for (int64_t i = 0; i < p; i++) sum = fma(mapping[u * p + i], own[i], sum);
            } else {
                for (int64_t i = 0; i < p; i++)
                    if (g.observed[i] == g.unknown[u]) sum = mapping[u] * own[i];
            }
            there[g.unknown[u]] += sum;
        }
    }
    for (int64_t f = 0; f < m.n_factors; f++) {
        const double *mapping = g.mapping + f * D * D, *left = g.left + f * D * D;
        double *own = second + f * step, *there = to.second + f * m.n_moments();
        double mass = 0.0;
        for (int64_t k = 0; k < K; k++)
            if (m.factor_of(k) == f) mass += count[k];
        if (!m.is_matrix) {
            for (int64_t i = 0, u = 0; i < p; i++) {
                int64_t d = g.observed[i];
                while (u < q && g.unknown[u] < d) u++;
                bool is_exact = u == q || g.unknown[u] != d;
                there[d] += is_exact ? own[i] : mapping[u] * mapping[u] * own[i];
            }
            for (int64_t u = 0; u < q; u++) there[g.unknown[u]] += mass * left[u];
            continue;
        }
        for (int64_t i = 0; i < p; i++)
            for (int64_t j = 0; j < i; j++) own[j * p + i] = own[i * p + j];
        double *mapped = g.room;  // (unknown, observed)
        for (int64_t u = 0; u < q; u++)
            for (int64_t j = 0; j < p; j++) {
                double sum = 0.0;
                for (int64_t i = 0; i < p; i++)
                    sum = fma(mapping[u * p + i], own[i * p + j], sum);
                mapped[u * p + j] = sum;
            }
        auto put = [&](int64_t c, int64_t d, double value) {
            there[c > d ? c * D + d : d * D + c] += value;
        };
        for (int64_t i = 0, u = 0; i < p; i++) {
            int64_t c = g.observed[i];
            while (u < q && g.unknown[u] < c) u++;
            if (u < q && g.unknown[u] == c) continue;
            for (int64_t j = 0, v = 0; j <= i; j++) {
                int64_t d = g.observed[j];
                while (v < q && g.unknown[v] < d) v++;
                if (v < q && g.unknown[v] == d) continue;
                put(c, d, own[i * p + j]);
            }
            for (int64_t v = 0; v < q; v++) put(c, g.unknown[v], mapped[v * p + i]);
        }
        for (int64_t u = 0; u < q; u++)
            for (int64_t v = 0; v <= u; v++) {
                double sum = mass * left[u * q + v];
                for (int64_t j = 0; j < p; j++)
                    sum = fma(mapped[u * p + j], mapping[v * p + j], sum);
                put(g.unknown[u], g.unknown[v], sum);
            }
    }
}

}  // namespace MIXTURA_SET
