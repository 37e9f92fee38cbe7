// From parameters to the potentials under which rows are swept.
#pragma once

#include "modes.hpp"

namespace MIXTURA_SET {

constexpr double LOG_TWO_PI = 1.8378770664093454836;

INLINE double absolute(double x) { return x < 0.0 ? -x : x; }

// Writes potentials as `sweep` takes them; returns whether all covariances could be factorised.
inline bool write_potentials(const Structure &s, const double *weights, const double *means,
                             const double *covariances, double *to, double *room) {
    int64_t K = s.n_components, D = s.n_features, size = s.per_factor();
    double *offset = to + K, *factor = to + 2 * K + s.n_first();
    for (int64_t k = 0; k < s.n_factors; k++) {
        const double *own = covariances + k * size;
        double logs = 0.0;
        if (s.is_matrix) {
            logs = precision_factor(own, D, factor + k * size, room);
        } else {
            for (int64_t d = 0; d < s.width; d++) {
                double entry = factor[k * size + d] = 1.0 / square_root(own[d]);
                logs += double(s.n_cells()) * log_of_one(entry);
            }
        }
        if (!(logs > -1e300 && logs < 1e300)) return false;
        offset[k] = logs - 0.5 * double(D) * LOG_TWO_PI;
    }
    for (int64_t k = s.n_factors; k < K; k++) offset[k] = offset[0];
    for (int64_t k = 0; k < K; k++) to[k] = log_of_one(weights[k]);
    for (int64_t i = 0; i < s.n_first(); i++) to[2 * K + i] = means[i];
    return true;
}

}  // namespace MIXTURA_SET
