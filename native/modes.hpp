// From statistics to the parameters of the next step of EM: the K-sized formulas of the flat and
// the conjugate priors, and of the default prior's scale, as the classes in `priors` state them.
#pragma once

#include "matrices.hpp"

namespace MIXTURA_SET {

// What covariances share beyond the structure's shape, by mclust's letters of volume, shape and
// orientation; the numbers are those of `Restriction` in Python.
enum Restriction : int64_t { FREE, VEI, EVI, VEE, EVE, VVE, EEV, VEV, EVV };

INLINE bool shares_volume(int64_t r) { return r == EVI || r == EVE || r == EEV || r == EVV; }
INLINE bool shares_shape(int64_t r) { return r == VEI || r == VEE || r == EEV || r == VEV; }
INLINE bool shares_axes(int64_t r) { return r == VEE || r == EVE || r == VVE; }

// Sizes of a mixture and what its covariances share: n_factors is K or 1, width D or 1.
struct Structure {
    int64_t n_components, n_features, n_factors, width, is_matrix, restriction = FREE;

    int64_t per_factor() const { return is_matrix ? n_features * n_features : width; }
    int64_t n_first() const { return n_components * n_features; }
    int64_t n_second() const { return n_factors * per_factor(); }
    // Features that one variance serves.
    int64_t n_cells() const { return is_matrix ? 1 : n_features / width; }
};

// How many matrices' worth of free parameters a component has, one at most.
inline double share_of(const Structure &s) {
    if (s.restriction == FREE) return 1.0;
    int64_t K = s.n_components, D = s.n_features, planes = s.is_matrix ? D * (D - 1) / 2 : 0;
    int64_t volumes = shares_volume(s.restriction) ? 1 : K;
    int64_t shapes = shares_shape(s.restriction) ? 1 : K;
    int64_t axes = shares_axes(s.restriction) ? 1 : K;
    return double(volumes + shapes * (D - 1) + axes * planes) / double(K * (D + planes));
}

// Moments of the rows about a pivot: (K,), (K, D), the structure's shape, (K, D).
struct Moments {
    double *count, *first, *second, *pivot;
};

enum PriorKind : int64_t { FLAT, CONJUGATE };

// The component prior as numbers. Flat: `floor` is the smallest variance of each feature (D,).
// Conjugate: the mean (D,), its shrinkage (D,), and degrees of freedom and scale of the covariances
// ((D, D) or (width,)), or shapes (width,) of variances, whose scale is then halved as well.
struct Prior {
    int64_t kind;
    double *mean, *shrinkage, *freedom, *scale;
    const double *floor;
};

// The default prior's scale, found anew before each step: `WithinGroups` as numbers.
struct Within {
    double freedom, lean, shrinkage, narrowest, has_scale;
    // Of each width: the error of rounding, what float64 resolves (everything is below it where
    // the scale is held), the variance where nothing is known; of each feature: the variance of
    // all rows.
    const double *rounding, *resolved, *unknown, *overall;
    double *scale;
};

// Writes second moments about the points that lie `shift` (K, D) from the pivot; matrices whole
// and symmetric, no variance below zero.
inline void scatter_about(const Structure &s, const Moments &m, const double *shift, double *out) {
    int64_t D = s.n_features, size = s.per_factor();
    for (int64_t i = 0; i < s.n_second(); i++) out[i] = m.second[i];
    for (int64_t k = 0; k < s.n_components; k++) {
        const double *f = m.first + k * D, *v = shift + k * D;
        double *to = out + (s.n_factors == 1 ? 0 : k * size), n = m.count[k];
        for (int64_t d = 0; d < D; d++) {
            double moved = f[d] - n * v[d];
            if (!s.is_matrix) {
                to[s.width == D ? d : 0] -= v[d] * (f[d] + moved);
                continue;
            }
            // f v^T + v (f - n v)^T, of which the sum over d, e is symmetric.
            for (int64_t e = 0; e <= d; e++)
                to[d * D + e] -= 0.5 * (f[d] * v[e] + f[e] * v[d] + v[d] * (f[e] - n * v[e]) +
                                        v[e] * moved);
        }
    }
    for (int64_t k = 0; k < s.n_factors; k++) {
        double *to = out + k * size;
        if (!s.is_matrix) {
            for (int64_t d = 0; d < size; d++) to[d] = to[d] > 0.0 ? to[d] : 0.0;
            continue;
        }
        for (int64_t d = 0; d < D; d++) {
            to[d * D + d] = to[d * D + d] > 0.0 ? to[d * D + d] : 0.0;
            for (int64_t e = 0; e < d; e++) to[e * D + d] = to[d * D + e];
        }
    }
}

// Shifts from the pivot to the components' means, zero where a component is empty.
inline void shift_to_means(const Structure &s, const Moments &m, double *shift) {
    for (int64_t k = 0; k < s.n_components; k++)
        for (int64_t d = 0; d < s.n_features; d++) {
            int64_t i = k * s.n_features + d;
            shift[i] = m.count[k] > 0.0 ? m.first[i] / m.count[k] : 0.0;
        }
}

INLINE double count_of_factor(const Structure &s, const Moments &m, int64_t k) {
    if (s.n_factors > 1 || s.n_components == 1) return m.count[k];
    double sum = 0.0;
    for (int64_t c = 0; c < s.n_components; c++) sum += m.count[c];
    return sum;
}

// Whether variances, or a matrix as a whole, lie above a multiple of the smallest ones; one variance
// for all features above that of the highest.
inline bool is_above_floor(const Structure &s, const double *own, const double *floor,
                           double multiple, double *room) {
    int64_t D = s.n_features;
    double *lifted = room, *deviation = room + D * D, *lower = deviation + D;
    for (int64_t d = 0; d < D && !s.is_matrix; d++)
        if (!(own[s.width == D ? d : 0] >= multiple * floor[d])) return false;
    for (int64_t d = 0; d < D && s.is_matrix; d++)
        for (int64_t e = 0; e < D; e++) {
            double unit = square_root(floor[d]), other = square_root(floor[e]);
            lifted[d * D + e] = own[d * D + e] / unit / other - (d == e ? multiple : 0.0);
        }
    return !s.is_matrix || correlation_factor(lifted, D, deviation, lower);
}

// Writes the mode of means and covariances; returns whether it could: components without rows and
// floors that are met are left to the classes.
inline bool flat_mode(const Structure &s, const Moments &m, const Prior &prior, double *means,
                      double *covariances, double *room) {
    int64_t size = s.per_factor();
    double *shift = room, *lifted = room + s.n_first();
    shift_to_means(s, m, shift);
    scatter_about(s, m, shift, covariances);
    for (int64_t i = 0; i < s.n_first(); i++) means[i] = m.pivot[i] + shift[i];
    for (int64_t k = 0; k < s.n_factors; k++) {
        double n = count_of_factor(s, m, k), *own = covariances + k * size;
        if (!(n > 0.0)) return false;
        for (int64_t i = 0; i < size; i++) own[i] /= n * double(s.n_cells());
        if (!is_above_floor(s, own, prior.floor, 1.0, lifted)) return false;
    }
    return true;
}

// Writes the means of a conjugate posterior, and the scales of its covariances.
inline void conjugate_scales(const Structure &s, const Moments &m, const Prior &prior,
                             double *means, double *scales, double *room) {
    int64_t D = s.n_features, size = s.per_factor();
    double *shift = room;
    for (int64_t k = 0; k < s.n_components; k++)
        for (int64_t d = 0; d < D; d++) {
            int64_t i = k * D + d;
            double about = m.first[i] + m.count[k] * (m.pivot[i] - prior.mean[d]);
            means[i] = prior.mean[d] + about / (prior.shrinkage[d] + m.count[k]);
            shift[i] = means[i] - m.pivot[i];
        }
    scatter_about(s, m, shift, scales);
    // Sums over features and components of a variance's own scale and of matrices alike.
    double part = s.is_matrix ? 1.0 : 0.5;
    for (int64_t k = 0; k < s.n_factors; k++)
        for (int64_t i = 0; i < size; i++)
            scales[k * size + i] = prior.scale[i] + part * scales[k * size + i];
    for (int64_t k = 0; k < s.n_components; k++) {
        double *to = scales + (s.n_factors == 1 ? 0 : k * size);
        for (int64_t d = 0; d < D; d++) {
            double offset = means[k * D + d] - prior.mean[d];
            double pull = part * prior.shrinkage[d] * offset;
            if (!s.is_matrix) to[s.width == D ? d : 0] += pull * offset;
            for (int64_t e = 0; s.is_matrix && e < D; e++)
                to[d * D + e] += pull * (means[k * D + e] - prior.mean[e]);
        }
    }
}

// Writes the joint mode of means and covariances under a conjugate prior.
inline bool conjugate_mode(const Structure &s, const Moments &m, const Prior &prior, double *means,
                           double *covariances, double *room) {
    int64_t D = s.n_features, size = s.per_factor();
    conjugate_scales(s, m, prior, means, covariances, room);
    double part = s.is_matrix ? 1.0 : 0.5;
    double sharing = double(s.n_components) / double(s.n_factors);
    for (int64_t k = 0; k < s.n_factors; k++) {
        double n = count_of_factor(s, m, k);
        for (int64_t i = 0; i < size; i++) {
            double divisor = prior.freedom[s.is_matrix ? 0 : i] + part * n * double(s.n_cells());
            divisor += s.is_matrix ? double(D) + 1.0 + sharing
                                   : 1.0 + 0.5 * sharing * double(s.n_cells());
            covariances[k * size + i] /= divisor;
        }
    }
    return true;
}

// Share of second moments that rounding leaves where moments about the means are zero.
constexpr double LOST = 16.0 * 2.220446049250313e-16;

// Pooled variances, with those of all rows where groups have no width. `second` are second moments
// about the pivots, for each row.
INLINE double pooled_width(const Within &within, double width, double second, int64_t i) {
    double held = width > within.rounding[i] ? width : within.rounding[i];
    double lost = LOST * second;
    double resolved = within.resolved[i] > lost ? within.resolved[i] : lost;
    return held <= resolved ? within.unknown[i] : held;
}

// Puts widths on the diagonal of a scale, which leans on it where rows are few.
inline void shape_scale(const Structure &s, const Within &within, const double *found,
                        const double *widths, double *scale) {
    int64_t D = s.n_features;
    if (!s.is_matrix) {
        for (int64_t i = 0; i < s.width; i++) scale[i] = widths[i];
        return;
    }
    for (int64_t d = 0; d < D; d++)
        for (int64_t e = 0; e < D; e++) {
            double own = found[d * D + d], other = found[e * D + e], lean = 1.0 - within.lean;
            double inverse = own > 0.0 ? 1.0 / square_root(own) : 0.0;
            double turned = other > 0.0 ? 1.0 / square_root(other) : 0.0;
            double correlation = d == e ? 1.0 : lean * found[d * D + e] * inverse * turned;
            scale[d * D + e] = correlation * square_root(widths[d]) * square_root(widths[e]);
        }
}

// Writes the scale of the next step; returns whether it could.
inline bool next_scale(const Structure &s, const Moments &m, const Within &within, double *scale,
                       double *room) {
    int64_t D = s.n_features, size = s.per_factor(), diagonal = s.is_matrix ? D + 1 : 1;
    int64_t n_widths = s.is_matrix ? D : s.width;
    double *shift = room, *scatter = shift + s.n_first(), *pooled = scatter + s.n_second();
    double *found = pooled + size, *widths = found + size, *one = widths + D, *factor = one + size;
    double *seen = factor + size, *rest = seen + size, total = 0.0;
    shift_to_means(s, m, shift);
    scatter_about(s, m, shift, scatter);
    for (int64_t k = 0; k < s.n_components; k++) total += m.count[k] > 0.0 ? m.count[k] : 0.0;
    if (!(total > 1e-290)) return false;
    for (int64_t i = 0; i < size; i++) {
        pooled[i] = seen[i] = 0.0;
        for (int64_t k = 0; k < s.n_factors; k++) {
            pooled[i] += scatter[k * size + i];
            seen[i] += m.second[k * size + i];
        }
        pooled[i] /= total * double(s.n_cells());
        seen[i] /= total * double(s.n_cells());
    }
    bool is_held = !(within.resolved[0] < __builtin_inf());
    if (!within.has_scale || s.n_factors == 1 || is_held) {
        for (int64_t i = 0; i < n_widths; i++)
            widths[i] = pooled_width(within, pooled[i * diagonal], seen[i * diagonal], i);
        shape_scale(s, within, pooled, widths, scale);
        return true;
    }
    for (int64_t i = 0; i < size; i++) found[i] = 0.0;
    for (int64_t k = 0; k < s.n_factors; k++) {
        double n = m.count[k] > 0.0 ? m.count[k] : 0.0, share = n / total;
        double cells = within.freedom + double(s.n_cells()) * (n > 1.0 ? n - 1.0 : 0.0);
        for (int64_t i = 0; i < size; i++)
            one[i] = (within.freedom * within.scale[i] + scatter[k * size + i]) / cells;
        if (!s.is_matrix) {
            for (int64_t i = 0; i < size; i++) found[i] += share / one[i];
            continue;
        }
        double logs = precision_factor(one, D, factor, rest);
        if (!(logs > -1e300 && logs < 1e300)) return false;
        for (int64_t d = 0; d < D; d++)
            for (int64_t e = 0; e <= d; e++)
                found[d * D + e] += share * precision_entry(factor, D, d, e);
    }
    if (s.is_matrix) {
        for (int64_t d = 0; d < D; d++)
            for (int64_t e = 0; e < d; e++) found[e * D + d] = found[d * D + e];
        double logs = precision_factor(found, D, factor, rest);
        if (!(logs > -1e300 && logs < 1e300)) return false;
        for (int64_t d = 0; d < D; d++)
            for (int64_t e = 0; e <= d; e++)
                found[d * D + e] = found[e * D + d] = precision_entry(factor, D, d, e);
    } else {
        for (int64_t i = 0; i < size; i++) found[i] = 1.0 / found[i];
    }
    for (int64_t i = 0; i < n_widths; i++) {
        double width = pooled_width(within, pooled[i * diagonal], seen[i * diagonal], i);
        double lowest = within.narrowest * width;
        if (within.rounding[i] > lowest) lowest = within.rounding[i];
        double own = found[i * diagonal];
        widths[i] = own > lowest ? own : lowest;
    }
    shape_scale(s, within, found, widths, scale);
    return true;
}

// Makes the conjugate prior of a scale.
inline void take_scale(const Structure &s, const Within &within, Prior &prior) {
    int64_t D = s.n_features;
    double half = s.is_matrix ? 1.0 : 0.5;
    for (int64_t i = 0; i < (s.is_matrix ? 1 : s.width); i++)
        prior.freedom[i] = half * within.freedom;
    for (int64_t i = 0; i < s.per_factor(); i++)
        prior.scale[i] = half * within.freedom * within.scale[i];
    for (int64_t d = 0; d < D; d++) {
        double share = s.is_matrix ? 1.0 : within.scale[s.width == D ? d : 0] / within.overall[d];
        prior.shrinkage[d] = within.shrinkage * (share < 1.0 ? share : 1.0);
    }
}

// Numbers of room that any of the above needs.
INLINE int64_t mode_room(const Structure &s) {
    int64_t D = s.n_features;
    return s.n_first() + s.n_second() + 6 * s.per_factor() + D + 2 * D * D + factor_room(D) + 8;
}

}  // namespace MIXTURA_SET
