// When a climb is over: by what it still has to gain, in nats, as `inference.stopping` says it.
#pragma once

#include "coordinates.hpp"

namespace MIXTURA_SET {

constexpr double NOISE = 16.0 * EPSILON, CAUTION = 10.0, AT_REST = 1e-10;
constexpr int64_t COMPARED = 4;

// How long a step was, in standard errors of the complete data, squared; `factors` are those of the
// precisions after it, `count` its total responsibilities.
inline double squared_length(const Structure &s, const Mixture &old, const Mixture &now,
                             const double *factors, const double *count, double *room) {
    int64_t K = s.n_components, D = s.n_features, n_cells = s.is_matrix ? D * D : s.width;
    double all = 0.0, by_weight = 0.0, rest = 0.0;
    for (int64_t k = 0; k < K; k++) {
        double before = old.weights[k], after = now.weights[k], change = after - before;
        double larger = after > before ? after : before;
        all += count[k] > 0.0 ? count[k] : 0.0;
        if (larger > 0.0) by_weight += change * change / larger;
    }
    for (int64_t j = 0; j < s.n_factors; j++) {
        const double *factor = factors + j * n_cells;
        const double *before = old.covariances + j * n_cells, *after = now.covariances + j * n_cells;
        double weight = 0.0, by_spread = 0.0;
        for (int64_t k = first_of(s, j); k < end_of(s, j); k++) {
            if (!(count[k] > 0.0)) continue;
            const double *to = now.means + k * D, *from = old.means + k * D;
            double by_mean = 0.0;
            for (int64_t e = 0; e < D; e++) {
                double part = 0.0;
                if (s.is_matrix)
                    for (int64_t d = 0; d <= e; d++)
                        part = fma(to[d] - from[d], factor[d * D + e], part);
                else
                    part = (to[e] - from[e]) * factor[s.width == D ? e : 0];
                by_mean = fma(part, part, by_mean);
            }
            weight += count[k];
            rest = fma(count[k], by_mean, rest);
        }
        if (!s.is_matrix) {
            for (int64_t d = 0; d < s.width; d++) {
                double part = (after[d] - before[d]) / after[d];
                by_spread = fma(part, part, by_spread);
            }
            by_spread *= double(D) / double(s.width);
        }
        for (int64_t e = 0; s.is_matrix && e < D; e++) {
            // A column of the change times the factor, and that turned by the factor.
            for (int64_t d = 0; d < D; d++) {
                room[d] = 0.0;
                for (int64_t i = 0; i <= e; i++)
                    room[d] = fma(after[d * D + i] - before[d * D + i], factor[i * D + e], room[d]);
            }
            for (int64_t f = 0; f <= e; f++) {
                double part = 0.0;
                for (int64_t d = 0; d <= f; d++) part = fma(factor[d * D + f], room[d], part);
                by_spread = fma(f == e ? part : 2.0 * part, part, by_spread);
            }
        }
        rest = fma(0.5 * weight, by_spread, rest);
    }
    return fma(all, by_weight, rest);
}

// What further steps of ascent will gain, in nats; infinity where nothing tells.
inline double left_to_ascent(double gain, const double *lengths, int64_t held, double lowest) {
    double most = 0.0;
    if (held < COMPARED) return __builtin_inf();
    for (int64_t i = 0; i < held; i++) {
        if (!(lengths[i] > 0.0 && lengths[i] < __builtin_inf())) return __builtin_inf();
        double ratio = i > 0 ? lengths[i] / lengths[i - 1] : 0.0;
        most = ratio > most ? ratio : most;
    }
    double rate = square_root(most), size = 0.5 * lengths[held - 1];
    if (!(rate < 1.0)) return __builtin_inf();
    if (gain > lowest && gain / (1.0 + rate) > size) size = gain / (1.0 + rate);
    return size * rate * rate / (1.0 - rate);
}

// What quasi-Newton steps may still gain, in nats, where the model of the objective says how much.
INLINE double left_to_model(double gain, double expected, double lowest) {
    return (gain > lowest ? gain - lowest : 0.0) + CAUTION * expected;
}

// The gain below which a run ends whose parameters are at rest, in nats.
INLINE double faintest(double objective, double lowest) {
    double size = absolute(objective) > 1.0 ? absolute(objective) : 1.0;
    return AT_REST * size > lowest ? AT_REST * size : lowest;
}

// Whether no component has changed but for its tenth digit or what rounding leaves open.
inline bool has_come_to_rest(const Structure &s, const Mixture &old, const Mixture &now,
                             const double *inflation) {
    int64_t D = s.n_features, size = s.per_factor();
    double change = 0.0;
    for (int64_t k = 0; k < s.n_components; k++) {
        int64_t j = factor_of(s, k);
        const double *own = now.covariances + j * size, *before = old.covariances + j * size;
        if (j == k) {
            change = 0.0;
            for (int64_t d = 0; d < (s.is_matrix ? D : s.width); d++)
                for (int64_t e = 0; e <= (s.is_matrix ? d : 0); e++) {
                    int64_t i = s.is_matrix ? d * D + e : d;
                    double part = absolute(own[i] - before[i]);
                    if (s.is_matrix)
                        part = part / square_root(own[d * D + d]) / square_root(own[e * D + e]);
                    else
                        part /= own[i];
                    if (!(part <= change)) change = part;
                }
        }
        double most = change, weight = absolute(now.weights[k] - old.weights[k]);
        for (int64_t d = 0; d < D; d++) {
            double mean = now.means[k * D + d];
            double moved = absolute(mean - old.means[k * D + d]) - 4.0 * EPSILON * absolute(mean);
            moved = (moved > 0.0 ? moved : 0.0) / square_root(own[cell_of(s, d)]);
            if (!(moved <= most)) most = moved;
        }
        if (!(now.weights[k] > AT_REST) || weight > most) most = weight;
        double rounding = EPSILON * inflation[j];
        if (!(most <= (AT_REST > rounding ? AT_REST : rounding))) return false;
    }
    return true;
}

}  // namespace MIXTURA_SET
