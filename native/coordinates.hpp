// What a climb needs of a log joint: its prior density, coordinates in which it is nearly a sphere,
// and its gradient in them; the K-sized formulas of `inference.coordinates` and of `priors`.
#pragma once

#include "potentials.hpp"

namespace MIXTURA_SET {

constexpr double EPSILON = 2.220446049250313e-16;

// The priors beyond what EM's steps need. Of weights: the concentrations less one (K,). Of both:
// the constant of the log density. Of components: about how many rows they are worth to a mean and
// to a covariance, and the lower-triangular factor of a matrix's scale.
struct Joint {
    Prior prior;
    const double *excess;
    double constant, of_means, of_spread;
    double *scale_factor;
};

// Weights, means and covariances, one after the other.
struct Mixture {
    double *weights, *means, *covariances;
};
INLINE Mixture mixture_at(const Structure &s, double *numbers) {
    return {numbers, numbers + s.n_components, numbers + s.n_components + s.n_first()};
}

// The components that share the covariance of factor j.
INLINE int64_t first_of(const Structure &s, int64_t j) { return s.n_factors == 1 ? 0 : j; }
INLINE int64_t end_of(const Structure &s, int64_t j) {
    return s.n_factors == 1 ? s.n_components : j + 1;
}
INLINE int64_t factor_of(const Structure &s, int64_t k) { return s.n_factors == 1 ? 0 : k; }
// The variance of feature d.
INLINE int64_t cell_of(const Structure &s, int64_t d) {
    return s.is_matrix ? d * (s.n_features + 1) : s.width == s.n_features ? d : 0;
}
// Free entries of each covariance: those on and below the diagonal, or variances.
INLINE int64_t spread_size(const Structure &s) {
    return s.is_matrix ? s.n_features * (s.n_features + 1) / 2 : s.width;
}

// Below it a component is at the edge of the simplex, where the density may have no bound.
constexpr double SMALLEST_WEIGHT = 1e-12;

// Writes the mode of the weights; returns whether it is more than a convention.
inline bool weights_mode(int64_t n, const double *count, const double *excess, double *weights) {
    double total = 0.0, smallest = 1.0;
    bool below = false;
    for (int64_t k = 0; k < n; k++) {
        double sum = excess[k] + count[k];
        below |= sum < 0.0;
        total += weights[k] = sum > 0.0 ? sum : 0.0;
    }
    if (!(total > 0.0)) return false;
    for (int64_t k = 0; k < n; k++) {
        weights[k] /= total;
        smallest = weights[k] < smallest ? weights[k] : smallest;
    }
    if (!below || !(smallest < SMALLEST_WEIGHT)) return true;
    total = 0.0;
    for (int64_t k = 0; k < n; k++)
        total += weights[k] = weights[k] > SMALLEST_WEIGHT ? weights[k] : SMALLEST_WEIGHT;
    for (int64_t k = 0; k < n; k++) weights[k] /= total;
    return true;
}

// Whether the weights lie where their density has no upper bound.
INLINE bool is_at_edge(int64_t n, const double *weights, const double *excess) {
    for (int64_t k = 0; k < n; k++)
        if (excess[k] < 0.0 && weights[k] <= 2.0 * SMALLEST_WEIGHT) return true;
    return false;
}

// The log prior density of parameters whose potentials are known, in nats.
inline double log_prior(const Structure &s, const Joint &joint, const double *potentials,
                        const Mixture &at) {
    int64_t K = s.n_components, D = s.n_features;
    const double *offset = potentials + K, *factors = potentials + 2 * K + s.n_first();
    const Prior &prior = joint.prior;
    double result = joint.constant, share = share_of(s);
    for (int64_t k = 0; k < K; k++)
        if (joint.excess[k] != 0.0) result += joint.excess[k] * potentials[k];
    if (prior.kind == FLAT) return result;
    for (int64_t j = 0; j < s.n_factors; j++) {
        const double *factor = factors + j * s.per_factor(), *own = at.covariances + j * s.per_factor();
        // The log determinant of the precisions' factor; one of D features where they are shared.
        double logs = offset[first_of(s, j)] + 0.5 * double(D) * LOG_TWO_PI, squares = 0.0;
        if (s.is_matrix) {
            for (int64_t d = 0; d < D; d++)
                for (int64_t e = d; e < D; e++) {
                    double sum = 0.0;
                    for (int64_t c = d; c <= e; c++)
                        sum = fma(joint.scale_factor[c * D + d], factor[c * D + e], sum);
                    squares = fma(sum, sum, squares);
                }
            result += share * ((prior.freedom[0] + double(D) + 1.0) * logs - 0.5 * squares);
        } else {
            for (int64_t i = 0; i < s.width; i++)
                result -= share * ((prior.freedom[i] + 1.0) * log_of_one(own[i]) +
                                   prior.scale[i] / own[i]);
        }
        for (int64_t k = first_of(s, j); k < end_of(s, j); k++) {
            const double *mean = at.means + k * D;
            double pull = 0.0;
            for (int64_t e = 0; e < D; e++) {
                double z = 0.0;
                if (s.is_matrix)
                    for (int64_t d = 0; d <= e; d++)
                        z = fma(mean[d] - prior.mean[d], factor[d * D + e], z);
                else
                    z = (mean[e] - prior.mean[e]) * factor[cell_of(s, e)];
                pull = fma(prior.shrinkage[e] * z, z, pull);
            }
            result += logs - 0.5 * pull;
        }
    }
    return result;
}

// Coordinates around a reference: its roots (triangular factors, or standard deviations), and what
// one of each coordinate is in logits, standard deviations or log scales.
struct Frame {
    Mixture reference;
    double *root, *unit;
};

// Writes roots and units of the coordinates around a reference; returns whether there are any and
// nothing is at the floor, where coordinates are held.
inline bool take_frame(const Structure &s, const Joint &joint, const double *count,
                       const Frame &frame, double *room) {
    constexpr double AT_FLOOR = 1.0 + 1e-2;
    int64_t D = s.n_features, size = s.per_factor();
    double *unit = frame.unit, *of_means = unit + s.n_components;
    double *of_spread = of_means + s.n_first(), all = 0.0;
    bool flat = joint.prior.kind == FLAT;
    for (int64_t k = 0; k < s.n_components; k++) {
        double occupied = count[k] > 0.0 ? count[k] : 0.0;
        all += occupied;
        unit[k] = 1.0 / square_root(occupied + 1.0);
        for (int64_t d = 0; d < D; d++)
            of_means[k * D + d] = 1.0 / square_root(occupied + joint.of_means);
    }
    for (int64_t j = 0; j < s.n_factors; j++) {
        const double *own = frame.reference.covariances + j * size;
        double *root = frame.root + j * size, n = count[j] > 0.0 ? count[j] : 0.0;
        if (s.n_factors == 1) n = all;
        if (flat && !is_above_floor(s, own, joint.prior.floor, AT_FLOOR, room)) return false;
        if (!s.is_matrix) {
            double step = 1.0 / square_root(2.0 * (double(s.n_cells()) * n + joint.of_spread));
            for (int64_t i = 0; i < s.width; i++) {
                root[i] = square_root(own[i]);
                *of_spread++ = step;
            }
            continue;
        }
        if (!covariance_factor(own, D, root, room)) return false;
        double step = square_root(n + joint.of_spread);
        for (int64_t d = 0; d < D; d++)
            for (int64_t e = 0; e <= d; e++) *of_spread++ = (d == e ? square_root(0.5) : 1.0) / step;
    }
    return true;
}

// exp(x) for n numbers, eight at a time; both arrays have room for whole lanes.
INLINE void exponentials(int64_t n, double *x) {
    for (int64_t i = 0; i < n; i += LANES) store(x + i, exp(load(x + i)));
}

// Writes the parameters at a point; `room` holds the coordinates and a covariance matrix.
inline void mixture_of(const Structure &s, const Frame &frame, const double *point,
                       const Mixture &to, double *room) {
    int64_t K = s.n_components, D = s.n_features, size = s.per_factor(), n_spread = spread_size(s);
    double *moved = room, *exponents = room + K + s.n_first() + s.n_factors * n_spread + LANES;
    double *triangle = exponents + K + s.n_factors * (s.is_matrix ? D : s.width) + LANES;
    int64_t n = K + s.n_first() + s.n_factors * n_spread, n_exponents = K;
    for (int64_t i = 0; i < n; i++) moved[i] = point[i] * frame.unit[i];
    const double *of_means = moved + K, *spread = of_means + s.n_first();
    double highest = moved[0], total = 0.0;
    for (int64_t k = 1; k < K; k++) highest = moved[k] > highest ? moved[k] : highest;
    for (int64_t k = 0; k < K; k++) exponents[k] = moved[k] - highest;
    for (int64_t j = 0; j < s.n_factors; j++)
        for (int64_t d = 0, i = -1; d < (s.is_matrix ? D : s.width); d++) {
            i += s.is_matrix ? d + 1 : 1;
            exponents[n_exponents++] = (s.is_matrix ? 1.0 : 2.0) * spread[j * n_spread + i];
        }
    exponentials(n_exponents, exponents);
    for (int64_t k = 0; k < K; k++)
        total += to.weights[k] = frame.reference.weights[k] * exponents[k];
    for (int64_t k = 0; k < K; k++) to.weights[k] /= total;
    for (int64_t k = 0; k < K; k++) {
        const double *root = frame.root + factor_of(s, k) * size, *z = of_means + k * D;
        for (int64_t d = 0; d < D; d++) {
            double sum = s.is_matrix ? 0.0 : root[cell_of(s, d)] * z[d];
            for (int64_t e = 0; s.is_matrix && e <= d; e++) sum = fma(root[d * D + e], z[e], sum);
            to.means[k * D + d] = frame.reference.means[k * D + d] + sum;
        }
    }
    const double *scale = exponents + K;
    for (int64_t j = 0; j < s.n_factors; j++, spread += n_spread) {
        const double *reference = frame.reference.covariances + j * size;
        const double *root = frame.root + j * size;
        double *own = to.covariances + j * size;
        if (!s.is_matrix) {
            for (int64_t i = 0; i < s.width; i++) own[i] = reference[i] * *scale++;
            continue;
        }
        // Row by row: root times a triangle whose diagonal is what has just been exponentiated.
        for (int64_t d = 0; d < D; d++) {
            double *row = triangle + d * D;
            for (int64_t c = 0; c <= d; c++) row[c] = 0.0;
            const double *entry = spread;
            for (int64_t e = 0; e <= d; e++, entry += e) {
                for (int64_t c = 0; c < e; c++) row[c] = fma(root[d * D + e], entry[c], row[c]);
                row[e] = fma(root[d * D + e], scale[e], row[e]);
            }
            for (int64_t e = 0; e <= d; e++) {
                double sum = 0.0;
                for (int64_t c = 0; c <= e; c++) sum = fma(row[c], triangle[e * D + c], sum);
                own[d * D + e] = own[e * D + d] = sum;
            }
        }
        scale += D;
    }
}

// Writes the gradient of the log joint at a point from what a sweep found there about its means.
//
// With P the factor of the precisions and root T that of the covariance, P = (root T)^-T, so that
// of Sigma^-1 B Sigma^-1 - n Sigma^-1 the part along T is root^T P (P^T B P - n).
inline void gradient_of(const Structure &s, const Joint &joint, const Frame &frame,
                        const Mixture &at, const double *potentials, const Moments &found,
                        double *to, double *room) {
    int64_t K = s.n_components, D = s.n_features, size = s.per_factor();
    const double *unit = frame.unit, *factors = potentials + 2 * K + s.n_first();
    const Prior &prior = joint.prior;
    double all = 0.0, sharing = double(K) / double(s.n_factors);
    double cells = double(s.n_cells());
    for (int64_t k = 0; k < K; k++) all += found.count[k] + joint.excess[k];
    for (int64_t k = 0; k < K; k++)
        to[k] = (found.count[k] + joint.excess[k] - at.weights[k] * all) * unit[k];
    double *spread = to + K + s.n_first();
    const double *of_spread = unit + K + s.n_first();
    double *scatter = room, *half = scatter + size, *whitened = half + size, *turn = whitened + size;
    double *pull = turn + size, *white = pull + D;
    bool proper = prior.kind == CONJUGATE;
    for (int64_t j = 0; j < s.n_factors; j++) {
        const double *factor = factors + j * size, *root = frame.root + j * size;
        const double *own = at.covariances + j * size, *second = found.second + j * size;
        double n = count_of_factor(s, found, j), twice = s.is_matrix ? 1.0 : 2.0;
        for (int64_t i = 0; i < size; i++) scatter[i] = second[i];
        for (int64_t d = 0; d < D; d++)
            if (double &x = scatter[cell_of(s, d)]; !(x > 0.0)) x = 0.0;
        for (int64_t i = 0; proper && i < size; i++) scatter[i] += twice * prior.scale[i];
        for (int64_t k = first_of(s, j); proper && k < end_of(s, j); k++)
            for (int64_t d = 0; d < D; d++) {
                double offset = at.means[k * D + d] - prior.mean[d];
                double drawn = prior.shrinkage[d] * offset;
                if (!s.is_matrix) scatter[cell_of(s, d)] += drawn * offset;
                for (int64_t e = 0; s.is_matrix && e < D; e++)
                    scatter[d * D + e] += drawn * (at.means[k * D + e] - prior.mean[e]);
            }
        if (!s.is_matrix) {
            for (int64_t i = 0; i < size; i++) {
                double powers = proper ? 2.0 * prior.freedom[i] + 2.0 + sharing * cells : 0.0;
                *spread++ = (scatter[i] / own[i] - (n * cells + powers)) * *of_spread++;
            }
        } else {
            double powers = proper ? prior.freedom[0] + double(D) + 1.0 + sharing : 0.0;
            for (int64_t i = 0; i < size; i++) half[i] = whitened[i] = turn[i] = 0.0;
            for (int64_t d = 0; d < D; d++)
                for (int64_t c = 0; c < D; c++)
                    for (int64_t e = c; e < D; e++)
                        half[d * D + e] = fma(scatter[d * D + c], factor[c * D + e], half[d * D + e]);
            for (int64_t c = 0; c < D; c++)
                for (int64_t d = c; d < D; d++)
                    for (int64_t e = 0; e < D; e++)
                        whitened[d * D + e] =
                            fma(factor[c * D + d], half[c * D + e], whitened[d * D + e]);
            for (int64_t d = 0; d < D; d++) whitened[d * D + d] -= n + powers;
            for (int64_t c = 0; c < D; c++)
                for (int64_t d = 0; d <= c; d++)
                    for (int64_t e = c; e < D; e++)
                        turn[d * D + e] = fma(root[c * D + d], factor[c * D + e], turn[d * D + e]);
            for (int64_t d = 0; d < D; d++)
                for (int64_t e = 0; e <= d; e++) {
                    double sum = 0.0;
                    for (int64_t c = d; c < D; c++)
                        sum = fma(turn[d * D + c], whitened[c * D + e], sum);
                    // The diagonal's coordinate is its logarithm, and T's own is 1 / turn's.
                    *spread++ = (d == e ? sum / turn[d * D + d] : sum) * *of_spread++;
                }
        }
        for (int64_t k = first_of(s, j); k < end_of(s, j); k++) {
            const double *first = found.first + k * D;
            double *moved = to + K + k * D;
            for (int64_t d = 0; d < D; d++)
                pull[d] = first[d] - (proper ? prior.shrinkage[d] : 0.0) *
                                         (at.means[k * D + d] - (proper ? prior.mean[d] : 0.0));
            for (int64_t e = 0; s.is_matrix && e < D; e++) {
                white[e] = 0.0;
                for (int64_t d = 0; d <= e; d++) white[e] = fma(factor[d * D + e], pull[d], white[e]);
            }
            for (int64_t d = 0; d < D; d++) {
                double sum = 0.0;
                if (!s.is_matrix) sum = pull[d] / own[cell_of(s, d)] * root[cell_of(s, d)];
                for (int64_t e = d; s.is_matrix && e < D; e++)
                    sum = fma(turn[d * D + e], white[e], sum);
                moved[d] = sum * unit[K + k * D + d];
            }
        }
    }
}

// Writes the largest variance inflation factor of each covariance; 1 where nothing is correlated.
inline void take_inflation(const Structure &s, const double *covariances, const double *factors,
                           double *inflation) {
    int64_t D = s.n_features;
    for (int64_t j = 0; j < s.n_factors; j++) {
        inflation[j] = 1.0;
        if (!s.is_matrix || D == 1) continue;
        const double *own = covariances + j * D * D, *factor = factors + j * D * D;
        inflation[j] = 0.0;
        for (int64_t d = 0; d < D; d++) {
            double sum = 0.0;
            for (int64_t e = d; e < D; e++) sum = fma(factor[d * D + e], factor[d * D + e], sum);
            sum *= own[d * D + d];
            inflation[j] = sum > inflation[j] ? sum : inflation[j];
        }
    }
}

// Numbers of room that any of the above needs, or of what is in stopping.hpp.
INLINE int64_t coordinate_room(const Structure &s) {
    int64_t D = s.n_features;
    int64_t n = s.n_components + s.n_first() + s.n_factors * spread_size(s);
    return 2 * n + s.n_second() + 6 * s.per_factor() + 4 * D + factor_room(D) + 4 * LANES;
}

}  // namespace MIXTURA_SET
