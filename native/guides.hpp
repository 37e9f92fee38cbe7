// Short runs of EM while starts are sought, under a model's prior or one found on the way.
#pragma once

#include "axes.hpp"
#include "interface.hpp"
#include "potentials.hpp"
#include "restricted.hpp"
#include "segments.hpp"

namespace MIXTURA_SET {

#define DECLARED(result, name, parameters, arguments) result name parameters;
MIXTURA_FUNCTIONS(DECLARED)
#undef DECLARED

// Rows of float32 or float64, (n, D), with weights or null, and the threads that there are.
struct Sample {
    const void *values;
    int64_t single, n;
    const double *weights;
    int64_t n_threads;

    int64_t threads_for(const Structure &s) const {
        int64_t D = s.n_features, per_row = s.n_components * ((s.is_matrix ? D : 1) * D + 8);
        return n * per_row < SMALL ? 1 : n_threads;
    }
};

// Memory that is given out in pieces: counted first, where there is none yet.
struct Layout {
    char *at = nullptr;
    int64_t used = 0;

    template <class T> T *take(int64_t n) {
        T *found = at ? (T *)(at + used) : nullptr;
        used += (larger(n, 0) * int64_t(sizeof(T)) + 63) / 64 * 64;
        return found;
    }
};

// What all ends of a search have in common: sizes, and where the numbers of an end lie.
struct Frame {
    Structure s;
    int64_t prior_kind, is_elicited;

    int64_t n_widths() const { return s.is_matrix ? s.n_features : s.width; }
    int64_t n_statistics() const { return s.n_components + 2 * s.n_first() + s.n_second(); }
    int64_t n_parameters() const { return s.n_components + s.n_first() + s.n_second() + 1; }
    int64_t n_prior() const {
        return 3 * s.n_features + (s.is_matrix ? 1 : s.width) + s.per_factor();
    }
    int64_t n_within() const {
        return is_elicited ? 6 + 3 * n_widths() + s.n_features + s.per_factor() : 0;
    }
    int64_t size() const { return n_statistics() + n_parameters() + n_prior() + n_within(); }
};

// Where a short run led: statistics, parameters with their data term, and the guide's prior and
// scale, one after the other; its merit, minus infinity where it is of no use; how many steps ago
// the extent of all rows was found, in widths of the groups; and whether the parameters are those
// under which the statistics were found.
struct End {
    double *numbers;
    double merit;
    int64_t since;
    bool is_led;

    double *statistics() const { return numbers; }
    double *parameters(const Frame &f) const { return numbers + f.n_statistics(); }
    double data_term(const Frame &f) const { return parameters(f)[f.n_parameters() - 1]; }
    double *prior(const Frame &f) const { return parameters(f) + f.n_parameters(); }
    double *within(const Frame &f) const { return prior(f) + f.n_prior(); }
    Moments moments(const Frame &f) const {
        const Structure &s = f.s;
        double *first = numbers + s.n_components, *second = first + s.n_first();
        return {numbers, first, second, second + s.n_second()};
    }
    double *means(const Frame &f) const { return parameters(f) + f.s.n_components; }
    double *covariances(const Frame &f) const { return means(f) + f.s.n_first(); }
    bool is_of_use() const { return merit > -1e300; }
};

inline void copy(const Frame &f, const End &from, End &to) {
    std::memcpy(to.numbers, from.numbers, f.size() * sizeof(double));
    to.merit = from.merit;
    to.since = from.since;
    to.is_led = from.is_led;
}

inline Prior prior_of(const Frame &f, double *numbers) {
    int64_t D = f.s.n_features;
    double *freedom = numbers + 2 * D, *scale = freedom + (f.s.is_matrix ? 1 : f.s.width);
    return {f.prior_kind, numbers, numbers + D, freedom, scale, scale + f.s.per_factor()};
}

inline Within within_of(const Frame &f, double *w) {
    int64_t n = f.n_widths();
    return {w[0], w[1], w[2], w[3], w[4], w + 6, w + 6 + n, w + 6 + 2 * n, w + 6 + 3 * n,
            w + 6 + 3 * n + f.s.n_features};
}

// What leads the runs of a search.
struct Guide {
    Frame frame;
    // Multiples of the floor below which a component has collapsed; steps after which the extent
    // of all rows is found anew; its share of a row that means are worth; the covariance of all
    // rows, (D, D), where the prior is elicited and has matrices.
    double degenerate, refreshed, shrinkage;
    const double *covariance;
    double *room;

    static int64_t room_size(const Frame &f) {
        int64_t D = f.s.n_features;
        return mode_room(f.s) + f.s.per_factor() + 5 * D * D + 2 * D + factor_room(D);
    }

    bool may_collapse() const { return !frame.is_elicited && frame.prior_kind == FLAT; }
    // Whether a component whose rows have no width may keep a covariance that has one.
    bool may_vanish() const {
        int64_t restriction = frame.s.restriction;
        return may_collapse() && restriction != FREE && !shares_shape(restriction);
    }
    // Whether the merit counts the prior density of components that have their own widths.
    bool counts_density() const {
        return !frame.is_elicited && frame.prior_kind != FLAT && frame.s.n_factors > 1;
    }

    // Finds the scale of the next step of an end; returns whether it could.
    bool scale_after(const End &end, const Moments &moments, bool anew, double *scale) const {
        Within within = within_of(frame, end.within(frame));
        if (anew) within.has_scale = 0.0;
        return next_scale(frame.s, moments, within, scale, room);
    }

    // The largest variance of all rows in units of a matrix, at least one; NaN where there is none.
    double farthest(const double *scale) const {
        int64_t D = frame.s.n_features;
        double *factor = room, *half = factor + D * D, *white = half + D * D;
        double logs = precision_factor(scale, D, factor, white);
        if (!(logs > -1e300 && logs < 1e300)) return __builtin_nan("");
        for (int64_t i = 0; i < D; i++)
            for (int64_t j = 0; j < D; j++) {
                double sum = 0.0;
                for (int64_t k = 0; k <= j; k++)
                    sum = fma(covariance[i * D + k], factor[k * D + j], sum);
                half[i * D + j] = sum;
            }
        for (int64_t i = 0; i < D; i++)
            for (int64_t j = 0; j <= i; j++) {
                double sum = 0.0;
                for (int64_t k = 0; k <= i; k++)
                    sum = fma(factor[k * D + i], half[k * D + j], sum);
                white[i * D + j] = white[j * D + i] = sum;
            }
        int64_t longest = rotate(white, D, half);
        double found = white[longest * D + longest];
        return found > 1.0 ? found : found <= 1.0 ? 1.0 : __builtin_nan("");
    }

    // Prepares an end for so many steps; returns whether it could.
    bool begin(End &end, int64_t n_steps) const {
        if (frame.is_elicited && frame.s.is_matrix && double(end.since) >= refreshed) {
            double *within = end.within(frame), *scale = within_of(frame, within).scale;
            double *pooled = room + mode_room(frame.s), *found = scale;
            if (within[4] == 0.0) {
                if (!scale_after(end, end.moments(frame), true, pooled)) return false;
                found = pooled;
            }
            double farthest_now = farthest(found);
            if (!(farthest_now >= 1.0)) return false;
            within[2] = shrinkage / farthest_now;
            end.since = 0;
        }
        end.since += n_steps;
        return true;
    }

    // What is added to the log likelihood to compare ends, in nats and up to a constant.
    double merit(const double *means, const double *covariances, double *prior) const {
        if (frame.is_elicited) return 0.0;
        if (frame.prior_kind != FLAT) return density(means, covariances, prior_of(frame, prior));
        const Structure &s = frame.s;
        return has_collapsed(s, covariances, prior_of(frame, prior)) ? -__builtin_inf() : 0.0;
    }

    // Whether a component of any structure that may collapse has done so.
    bool has_collapsed(const Structure &s, const double *covariances, const Prior &prior) const {
        for (int64_t k = 0; k < s.n_factors; k++) {
            const double *own = covariances + k * s.per_factor();
            if (!is_above_floor(s, own, prior.floor, degenerate, room)) return true;
        }
        return false;
    }

    // Whether the rows of a component have no width of their own: where shapes are not shared its
    // covariance stays above the floor only because no step could follow.
    bool has_vanished(const End &end) const {
        const Structure &s = frame.s;
        const Moments moments = end.moments(frame);
        const double *floor = prior_of(frame, end.prior(frame)).floor;
        if (!may_vanish()) return false;
        double *shift = room, *own = shift + s.n_first(), *rest = own + s.n_second();
        shift_to_means(s, moments, shift);
        scatter_about(s, moments, shift, own);
        for (int64_t k = 0; k < s.n_components; k++, own += s.per_factor()) {
            double multiple = degenerate * moments.count[k];
            if (multiple > 0.0 && !is_above_floor(s, own, floor, multiple, rest)) return true;
        }
        return false;
    }

    // Log density of means and covariances under a conjugate prior, up to a constant.
    double density(const double *means, const double *covariances, const Prior &prior) const {
        const Structure &s = frame.s;
        int64_t D = s.n_features, K = s.n_components, size = s.per_factor();
        int64_t sharing = K / s.n_factors;
        double sum = 0.0, share = share_of(s), *factor = room, *rest = factor + D * D;
        for (int64_t f = 0; f < s.n_factors; f++) {
            const double *own = covariances + f * size;
            double logs = 0.0;
            if (!s.is_matrix) {
                for (int64_t i = 0; i < s.width; i++) {
                    double logarithm = log_of_one(own[i]), half = 0.5 * double(sharing);
                    double power = share * (prior.freedom[i] + 1.0) + half * double(s.n_cells());
                    sum -= power * logarithm;
                    sum -= share * (prior.scale[i] / own[i]);
                }
            } else {
                logs = precision_factor(own, D, factor, rest);
                sum += (share * (prior.freedom[0] + double(D) + 1.0) + double(sharing)) * logs;
                // The trace of S P P^T, both symmetric.
                for (int64_t i = 0; i < D; i++)
                    for (int64_t j = 0; j <= i; j++)
                        sum -= share * (i == j ? 0.5 : 1.0) * prior.scale[i * D + j] *
                               precision_entry(factor, D, i, j);
            }
            for (int64_t k = f * sharing; k < (f + 1) * sharing; k++)
                for (int64_t d = 0; d < D; d++) {
                    double apart = means[k * D + d] - prior.mean[d], square = apart * apart;
                    if (!s.is_matrix) {
                        sum -= 0.5 * prior.shrinkage[d] * square / own[s.width == D ? d : 0];
                        continue;
                    }
                    double along = 0.0;
                    for (int64_t e = 0; e <= d; e++) {
                        double offset = means[k * D + e] - prior.mean[e];
                        along = fma(factor[e * D + d], offset, along);
                    }
                    sum -= 0.5 * prior.shrinkage[0] * along * along;
                }
        }
        return sum;
    }

    // Takes steps of EM from an end's statistics, fewer where they gain nothing more. Returns
    // whether there was memory; an end that could not take them all is of no use.
    bool lead(const Sample &sample, End &end, int64_t n_steps, double factor,
              double settled) const {
        const Frame &f = frame;
        const Structure &s = f.s;
        end.merit = -__builtin_inf();
        if (!begin(end, n_steps)) return true;
        int64_t taken = ascend(sample.values, sample.single, sample.n, sample.weights,
                               s.n_components, s.n_features, s.n_factors, s.width, s.is_matrix,
                               s.restriction, end.is_led, f.prior_kind, end.prior(f), f.is_elicited ? end.within(f) : nullptr,
                               n_steps, factor, settled, sample.threads_for(s), end.statistics(),
                               end.parameters(f));
        if (taken < 0) return false;
        if (taken < n_steps) return true;
        end.is_led = true;
        double found = end.data_term(f) + merit(end.means(f), end.covariances(f), end.prior(f));
        if (found > -1e300 && found < 1e300) end.merit = found;
        return true;
    }
};

}  // namespace MIXTURA_SET
