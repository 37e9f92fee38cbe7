// From statistics to the factors of variational Bayes: the expected log densities under which rows
// are swept, divergences from the priors, and expected parameters, as the classes in `priors` state
// them.
#pragma once

#include "coordinates.hpp"
#include "gammas.hpp"
#include "scale_factors.hpp"

namespace MIXTURA_SET {

// Priors of the components: conjugate ones, known scales, or scales that are independent of means.
enum FactorKind : int64_t { CONJUGATE_FACTORS, KNOWN_SCALES, INDEPENDENT_SCALES };

// The priors as numbers, and what follows from these alone. `prior.shrinkage` is a precision where
// the prior is not conjugate; known scales are the variances in `prior.scale`.
struct Beliefs {
    int64_t kind;
    const double *concentration;
    Prior prior;
    const Spread *spread;
    double *scale_factor;
    double total, of_weights, of_scales;
};

// What statistics say: potentials as `sweep` takes them, expected parameters, how far rounding is
// from log determinants, and the divergence of all factors from the priors in nats.
struct Factors {
    double *potentials;
    Mixture expected;
    double *inflation, divergence;
};

// Sums logarithms, one of which serves several numbers while their product is far from the limits.
struct LogSum {
    double product = 1.0, logs = 0.0;
    void add(double x) {
        if (x > 1e-50 && x < 1e50 && product > 1e-200 && product < 1e200) product *= x;
        else logs += log_of_one(x);
    }
    double value() const { return logs + log_of_one(product); }
};

// The functions of x, x + 1, ... x + count - 1, summed.
inline Gammas gammas_of_steps(double x, int64_t count) {
    if (count == 0) return {0.0, 0.0};
    Gammas first = gammas(x);
    double digammas = double(count) * first.digamma, rising = 0.0;
    Lanes sum = splat(0.0);
    for (int64_t i = 0; i + 1 < count; i++) digammas += rising += 1.0 / (x + double(i));
    for (int64_t i = 0; i + 1 < count; i += LANES) {
        Lanes number = Make<Lanes>::numbered(double(i));
        Lanes above = splat(double(count - 1)) - number;
        sum = fma(larger(above, splat(0.0)), log(splat(x) + number), sum);
    }
    return {fma(double(count), first.log_gamma, total(sum)), digammas};
}
// Those of half the degrees of freedom of a determinant's D factors: freedom, less 1, 2, ...
inline Gammas gammas_of_halves(double freedom, int64_t D) {
    Gammas one = gammas_of_steps(0.5 * (freedom - double(D - 1)), (D + 1) / 2);
    Gammas other = gammas_of_steps(0.5 * (freedom - double(D - 2)), D / 2);
    return {one.log_gamma + other.log_gamma, one.digamma + other.digamma};
}

// Works out what follows from the priors alone; returns whether it could.
inline bool begin_beliefs(const Structure &s, Beliefs &b, double *room) {
    int64_t K = s.n_components, D = s.n_features;
    const Prior &prior = b.prior;
    b.total = b.of_weights = b.of_scales = 0.0;
    for (int64_t k = 0; k < K; k++) {
        b.total += b.concentration[k];
        b.of_weights += log_gamma(b.concentration[k]);
    }
    b.of_weights -= log_gamma(b.total);
    if (b.kind != CONJUGATE_FACTORS) return true;
    double each = 0.0;
    if (s.is_matrix) {
        if (!covariance_factor(prior.scale, D, b.scale_factor, room)) return false;
        LogSum logs;
        for (int64_t d = 0; d < D; d++) logs.add(b.scale_factor[d * D + d]);
        each = gammas_of_halves(prior.freedom[0], D).log_gamma - prior.freedom[0] * logs.value();
    } else {
        for (int64_t i = 0; i < s.width; i++)
            each += log_gamma(prior.freedom[i]) - prior.freedom[i] * log_of_one(prior.scale[i]);
    }
    b.of_scales = double(s.n_factors) * each;
    return true;
}

// Writes expected weights and log weights; returns the divergence of their factor.
inline double weights_factor(const Structure &s, const Beliefs &b, const double *count,
                             Factors &to) {
    int64_t K = s.n_components;
    double all = 0.0, result = b.of_weights;
    for (int64_t k = 0; k < K; k++) all += b.concentration[k] + count[k];
    Gammas whole = gammas(all);
    result += whole.log_gamma;
    for (int64_t k = 0; k < K; k++) {
        double own = b.concentration[k] + count[k];
        Gammas at = gammas(own);
        to.expected.weights[k] = own / all;
        to.potentials[k] = at.digamma - whole.digamma;
        result += fma(count[k], to.potentials[k], -at.log_gamma);
    }
    return result;
}

// Normal-inverse-Wishart factors.
inline bool matrix_factors(const Structure &s, const Beliefs &b, const Moments &m, Factors &to,
                           double *room) {
    int64_t K = s.n_components, D = s.n_features, size = D * D;
    const Prior &prior = b.prior;
    double *offset = to.potentials + K, *means = to.expected.means;
    double *factors = to.potentials + 2 * K + s.n_first(), *scales = to.expected.covariances;
    double sharing = double(K) / double(s.n_factors);
    LogSum ratios;
    conjugate_scales(s, m, prior, means, scales, room);
    for (int64_t j = 0; j < s.n_factors; j++) {
        double *factor = factors + j * size, *own = scales + j * size;
        double n = count_of_factor(s, m, j), freedom = prior.freedom[0] + n;
        double logs = precision_factor(own, D, factor, room);
        if (!(logs > -1e300 && logs < 1e300)) return false;
        Gammas halves = gammas_of_halves(freedom, D);
        double squares = 0.0;
        for (int64_t d = 0; d < D; d++)
            for (int64_t e = d; e < D; e++) {
                double sum = 0.0;
                for (int64_t c = d; c <= e; c++)
                    sum = fma(b.scale_factor[c * D + d], factor[c * D + e], sum);
                squares = fma(sum, sum, squares);
            }
        to.divergence += 0.5 * freedom * (squares - double(D)) - prior.freedom[0] * logs -
                         halves.log_gamma + 0.5 * n * halves.digamma;
        constexpr double LOG_TWO = 0.6931471805599453;
        double log_precision = halves.digamma + 2.0 * logs;
        for (int64_t k = first_of(s, j); k < end_of(s, j); k++) {
            double shrinkage = prior.shrinkage[0] + m.count[k], pull = 0.0;
            double spread = double(D) * (LOG_TWO_PI - LOG_TWO + 1.0 / shrinkage);
            offset[k] = 0.5 * (log_precision - spread);
            for (int64_t e = 0; e < D; e++) {
                double z = 0.0;
                for (int64_t d = 0; d <= e; d++)
                    z = fma(means[k * D + d] - prior.mean[d], factor[d * D + e], z);
                pull = fma(z, z, pull);
            }
            double ratio = prior.shrinkage[0] / shrinkage;
            ratios.add(ratio);
            pull *= prior.shrinkage[0] * freedom;
            to.divergence += 0.5 * (double(D) * (ratio - 1.0) + pull);
        }
    }
    to.divergence -= 0.5 * double(D) * ratios.value();
    take_inflation(s, scales, factors, to.inflation);
    for (int64_t j = 0; j < s.n_factors; j++) {
        double freedom = prior.freedom[0] + count_of_factor(s, m, j);
        double excess = freedom - double(D) - 1.0, unit = square_root(freedom);
        if (!(excess > 0.0)) excess = freedom + double(D) + 1.0 + sharing;
        for (int64_t i = j * size; i < (j + 1) * size; i++)
            scales[i] /= excess, factors[i] *= unit;
    }
    return true;
}

// Normal-inverse-gamma factors.
inline bool variance_factors(const Structure &s, const Beliefs &b, const Moments &m, Factors &to,
                             double *room) {
    int64_t K = s.n_components, D = s.n_features;
    const Prior &prior = b.prior;
    double *offset = to.potentials + K, *means = to.expected.means;
    double *factors = to.potentials + 2 * K + s.n_first(), *scales = to.expected.covariances;
    double cells = double(s.n_cells()), sharing = double(K) / double(s.n_factors) * cells;
    LogSum ratios;
    conjugate_scales(s, m, prior, means, scales, room);
    for (int64_t k = 0; k < K; k++) offset[k] = -0.5 * double(D) * LOG_TWO_PI;
    for (int64_t j = 0; j < s.n_factors; j++) {
        double n = count_of_factor(s, m, j) * cells;
        for (int64_t i = 0; i < s.width; i++) {
            double &own = scales[j * s.width + i], scale = own;
            double given = prior.freedom[i], shape = given + 0.5 * n;
            double precision = shape / scale, logs = log_of_one(scale);
            if (!(precision > 0.0 && precision < 1e300)) return false;
            Gammas at = gammas(shape);
            to.divergence += 0.5 * n * at.digamma - at.log_gamma + given * logs +
                             shape * (prior.scale[i] / scale - 1.0);
            double excess = shape - 1.0;
            own /= excess > 0.0 ? excess : shape + 1.0 + 0.5 * sharing;
            double unit = factors[j * s.width + i] = 1.0 / square_root(scale / shape);
            int64_t begin = s.width == D ? i : 0, end = s.width == D ? i + 1 : D;
            for (int64_t k = first_of(s, j); k < end_of(s, j); k++)
                for (int64_t d = begin; d < end; d++) {
                    double shrinkage = prior.shrinkage[d] + m.count[k];
                    double ratio = prior.shrinkage[d] / shrinkage;
                    double pull = (means[k * D + d] - prior.mean[d]) * unit;
                    offset[k] += 0.5 * (at.digamma - logs - 1.0 / shrinkage);
                    ratios.add(ratio);
                    to.divergence += 0.5 * (ratio - 1.0 + prior.shrinkage[d] * pull * pull);
                }
        }
    }
    to.divergence -= 0.5 * ratios.value();
    return true;
}

// The cells, means of one component in one feature, that share variance i of factor j.
struct Cells {
    const Structure &s;
    const Beliefs &b;
    const Moments &m;
    const double *rows_mean;
    int64_t j, i;

    template <class F> inline __attribute__((always_inline)) void each(F f) const {
        bool own = s.width == s.n_features;
        int64_t begin = own ? i : 0, end = own ? i + 1 : s.n_features;
        for (int64_t k = first_of(s, j); k < end_of(s, j); k++)
            for (int64_t d = begin; d < end; d++) f(k, d);
    }
    double count() const { return double(s.n_cells() * (end_of(s, j) - first_of(s, j))); }
    double entries() const { return count_of_factor(s, m, j) * double(s.n_cells()); }
    // The rows' mean from where the prior expects it.
    double offset(int64_t k, int64_t d) const {
        return rows_mean[k * s.n_features + d] - b.prior.mean[d];
    }
};

// The sum of squares about means whose Normal factors are best for a precision, and its derivative.
inline double scatter_at(const Cells &cells, double scatter, double precision, double &slope) {
    slope = 0.0;
    cells.each([&](int64_t k, int64_t d) ALWAYS {
        double n = cells.m.count[k], own = cells.b.prior.shrinkage[d];
        double variance = 1.0 / fma(n, precision, own);
        double offset = cells.offset(k, d) * own * variance, square = offset * offset;
        scatter += n * (square + variance);
        slope -= n * n * variance * (2.0 * square + variance);
    });
    return scatter;
}

// Whether means and scale have but one pair of best factors: the rows' means lie so near to the
// prior's that a wider scale, which draws them there, does not widen itself further.
inline bool is_single(const Cells &cells, double scatter) {
    double far = 0.0;
    cells.each([&](int64_t k, int64_t d) ALWAYS {
        double offset = cells.offset(k, d), square = offset * offset;
        if (square * cells.b.prior.shrinkage[d] > 1.0) far += cells.m.count[k] * square;
    });
    return far <= 27.0 * scatter;
}

// Finds the precision that answers itself by Newton's steps; returns whether they ended.
inline bool single_scale(const Cells &cells, double scatter, ScaleFactor &to, double &precision) {
    // So small that its third power leaves nothing.
    constexpr double SETTLED = 1e-13, SMALL_TURN = 2e-5;
    const Spread &prior = cells.b.spread[cells.i];
    double entries = cells.entries(), slope;
    Spread whole = prior.with(entries, 0.0);
    if (whole.is_plain()) {
        // E[exp(-t)] is about the root of E[exp(-2t)], but for its own spread; and what the means'
        // factors add to the scatter, at first, about one precision's reciprocal each.
        double line = whole.inverse * whole.linear / (whole.linear + 0.25), now = scatter;
        double count = cells.count();
        if (whole.linear > 2.0 * count) now *= whole.linear / (whole.linear - count);
        for (int64_t pass = 0; pass < 2; pass++) {
            double squares = 4.0 * (2.0 * whole.inverse_square + now) * whole.linear;
            double root = 2.0 * whole.linear / (line + square_root(line * line + squares));
            precision = root * root;
            now = scatter_at(cells, scatter, precision, slope);
        }
    } else {
        if (!scale_factor(prior, entries, scatter, to)) return false;
        precision = to.precision;
    }
    for (int64_t step = 0; step < 30; step++) {
        double now = scatter_at(cells, scatter, precision, slope);
        if (!scale_factor(prior, entries, now, to)) return false;
        for (int64_t turn = 0; turn < 4; turn++) {
            double change = to.precision - precision;
            if (absolute(change) <= SETTLED * to.precision) return true;
            precision += change / (1.0 - to.slope * slope);
            if (!(precision > 0.0)) return false;
            double next = scatter_at(cells, scatter, precision, slope);
            if (!(absolute(to.turned_by(next - now)) < SMALL_TURN)) break;
            to.move(next - now);
            now = next;
        }
    }
    return false;
}

// Alternates the two factors from a first sum of squares; returns whether all could be had.
inline bool alternate(const Cells &cells, double scatter, double first, ScaleFactor &to,
                      double &precision) {
    constexpr double SETTLED = 1e-13;
    constexpr int64_t MAX_ALTERNATIONS = 500;
    const Spread &prior = cells.b.spread[cells.i];
    double entries = cells.entries(), slope;
    if (!scale_factor(prior, entries, first, to)) return false;
    for (int64_t step = 0; step < MAX_ALTERNATIONS; step++) {
        precision = to.precision;
        double now = scatter_at(cells, scatter, precision, slope);
        if (!scale_factor(prior, entries, now, to)) return false;
        if (absolute(to.precision - precision) <= SETTLED * precision) break;
    }
    return true;
}

// Twice the divergence of the factors of means that are best for a precision.
inline double means_divergence(const Cells &cells, double precision) {
    double result = 0.0;
    LogSum ratios;
    cells.each([&](int64_t k, int64_t d) ALWAYS {
        double n = cells.m.count[k] * precision, own = cells.b.prior.shrinkage[d];
        double ratio = own / (n + own), pull = cells.offset(k, d) * (n / (n + own));
        ratios.add(ratio);
        result += ratio - 1.0 + pull * pull * own;
    });
    return result - ratios.value();
}

// Finds the best pair of factors of a scale and of its means.
inline bool best_scale(const Cells &cells, double scatter, ScaleFactor &to, double &precision) {
    if (is_single(cells, scatter)) return single_scale(cells, scatter, to, precision);
    double near_prior = scatter, other;
    cells.each([&](int64_t k, int64_t d) ALWAYS {
        double offset = cells.offset(k, d);
        near_prior += cells.m.count[k] * offset * offset;
    });
    ScaleFactor wide;
    if (!alternate(cells, scatter, scatter, to, precision)) return false;
    if (!alternate(cells, scatter, near_prior, wide, other)) return false;
    double of_rows = to.log_normalizer - 0.5 * means_divergence(cells, precision);
    double of_prior = wide.log_normalizer - 0.5 * means_divergence(cells, other);
    if (of_prior > of_rows) to = wide, precision = other;
    return true;
}

// Normal factors of means, and known scales or factors of scales that are independent of them.
inline bool normal_factors(const Structure &s, const Beliefs &b, const Moments &m, Factors &to,
                           double *room) {
    int64_t K = s.n_components, D = s.n_features;
    const Prior &prior = b.prior;
    double *offset = to.potentials + K, *factors = to.potentials + 2 * K + s.n_first();
    double *scales = to.expected.covariances, *shift = room, *rows_mean = room + s.n_first();
    double *scatter = rows_mean + s.n_first();
    shift_to_means(s, m, shift);
    if (b.kind == INDEPENDENT_SCALES) scatter_about(s, m, shift, scatter);
    for (int64_t i = 0; i < s.n_first(); i++) rows_mean[i] = m.pivot[i] + shift[i];
    for (int64_t k = 0; k < K; k++) offset[k] = -0.5 * double(D) * LOG_TWO_PI;
    for (int64_t j = 0; j < s.n_factors; j++)
        for (int64_t i = 0; i < s.width; i++) {
            Cells cells{s, b, m, rows_mean, j, i};
            int64_t at = j * s.width + i;
            double precision = 1.0 / prior.scale[i], slope;
            ScaleFactor factor{precision, -0.5 * log_of_one(precision), 0.0, 0.0, 0.0, 0.0, 0.0};
            if (b.kind == INDEPENDENT_SCALES) {
                if (!best_scale(cells, scatter[at], factor, precision)) return false;
                double squares = scatter_at(cells, scatter[at], precision, slope);
                to.divergence -= cells.entries() * factor.log_deviation +
                                 0.5 * squares * factor.precision + factor.log_normalizer;
            }
            factors[at] = square_root(factor.precision);
            scales[at] = 1.0 / factor.precision;
            to.divergence += 0.5 * means_divergence(cells, precision);
            cells.each([&](int64_t k, int64_t d) ALWAYS {
                double n = m.count[k] * precision, whole = n + prior.shrinkage[d];
                double drawn = n / whole * cells.offset(k, d);
                to.expected.means[k * D + d] = prior.mean[d] + drawn;
                offset[k] -= 0.5 * factor.precision / whole + factor.log_deviation;
            });
        }
    return true;
}

// Writes all factors; returns whether they could be had as numbers.
inline bool write_factors(const Structure &s, const Beliefs &b, const Moments &m, Factors &to,
                          double *room) {
    to.divergence = b.of_scales + weights_factor(s, b, m.count, to);
    for (int64_t j = 0; j < s.n_factors; j++) to.inflation[j] = 1.0;
    auto write = b.kind != CONJUGATE_FACTORS ? normal_factors
                 : s.is_matrix               ? matrix_factors
                                             : variance_factors;
    if (!write(s, b, m, to, room)) return false;
    double *means = to.potentials + 2 * s.n_components;
    for (int64_t i = 0; i < s.n_first(); i++) means[i] = to.expected.means[i];
    return to.divergence - to.divergence == 0.0;
}

// Numbers of room that any of the above needs.
INLINE int64_t factors_room(const Structure &s) {
    return mode_room(s) + 2 * s.n_first() + s.n_second();
}

}  // namespace MIXTURA_SET
