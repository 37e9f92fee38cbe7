// Whole runs of EM in one call: modes, factors and sweeps, one after the other.
#include "interface.hpp"
#include "potentials.hpp"
#include "restricted.hpp"
#include "threads.hpp"

namespace MIXTURA_SET {

#define DECLARED(result, name, parameters, arguments) result name parameters;
MIXTURA_FUNCTIONS(DECLARED)

// Steps of EM from statistics (counts, first, second moments and pivots, one after the other, which
// it replaces) that stand for `factor` times the rows. `restriction` says what covariances share
// beyond the structure's shape. `prior` holds the mean (D,), its shrinkage
// (D,), freedom (width or 1), scale and smallest variances (D,); `within`, where it is not null,
// six numbers (freedom, lean, shrinkage, narrowest, whether there is a scale, rest), rounding,
// resolution and unknown variances (one for each width), overall variances (D,) and the scale.
// Writes weights, means and covariances of the last step, and its data term; where a run `goes_on`
// it finds those of an earlier one there. Ends before a step
// that it cannot take, and after one that changes the data term by no more than `settled`.
// Returns how many steps were taken, below zero where there is no memory; one more than asked for
// tells that the last has settled.
int64_t ascend(const void *rows, int64_t single, int64_t n_rows, const double *row_weights,
               int64_t n_components, int64_t n_features, int64_t n_factors, int64_t width,
               int64_t is_matrix, int64_t restriction, int64_t goes_on,
               int64_t prior_kind, double *prior_numbers, double *within_numbers, int64_t n_steps, double factor, double settled,
               int64_t n_threads, double *statistics, double *parameters) {
    Structure s{n_components, n_features, n_factors, width, is_matrix, restriction};
    int64_t K = n_components, D = n_features, n_first = s.n_first(), n_second = s.n_second();
    int64_t n_potentials = 2 * K + n_first + n_second;
    int64_t n_swept = 1 + K + n_first + n_factors * (is_matrix ? D * D : D);
    int64_t n_parameters = K + n_first + n_second;
    int64_t size = n_potentials + n_swept + n_parameters + s.per_factor() + near_room(s) + component_room(s);
    double *potentials = threads::room(threads::RUN, size);
    if (!potentials) return -1;
    double *swept = potentials + n_potentials, *next = swept + n_swept;
    double *scale = next + n_parameters, *found = scale + s.per_factor();
    double *room = found + near_room(s);
    Moments moments{statistics, statistics + K, statistics + K + n_first,
                    statistics + K + n_first + n_second};
    double *at = prior_numbers;
    Prior prior{prior_kind, at, at + D, at + 2 * D, nullptr, nullptr};
    prior.scale = prior.freedom + (is_matrix ? 1 : width);
    prior.floor = prior.scale + s.per_factor();
    Within within{};
    int64_t n_widths = is_matrix ? D : width;
    if (within_numbers) {
        double *w = within_numbers;
        within = {w[0], w[1], w[2], w[3], w[4], w + 6, w + 6 + n_widths, w + 6 + 2 * n_widths,
                  w + 6 + 3 * n_widths, w + 6 + 3 * n_widths + D};
    }
    // Searches for volumes and axes begin where the last step ended; the first one at covariances
    // that `parameters` hold, or at that of all rows.
    Near near{parameters + K + n_first, found, false, !goes_on};
    if (restriction != FREE && !goes_on)
        write_pooled(s, moments, parameters + K + n_first, room);
    double before = -__builtin_inf(), *data_term = parameters + n_parameters;
    for (int64_t step = 0; step < n_steps; step++) {
        if (within_numbers) {
            if (!next_scale(s, moments, within, scale, room)) return step;
            double *held = within.scale;
            within.scale = scale;
            take_scale(s, within, prior);
            within.scale = held;
        }
        double total = 0.0;
        for (int64_t k = 0; k < K; k++) total += moments.count[k] > 0.0 ? moments.count[k] : 0.0;
        for (int64_t k = 0; k < K; k++)
            next[k] = (moments.count[k] > 0.0 ? moments.count[k] : 0.0) / total;
        double *means = next + K, *covariances = means + n_first;
        if (!(total > 0.0)) return step;
        if (!component_mode(s, moments, prior, near, means, covariances, room)) return step;
        near.may_stay = true;
        if (!write_potentials(s, next, means, covariances, potentials, room)) return step;
        if (!sweep(rows, single, n_rows, 0, row_weights, potentials, K, D, n_factors, width,
                   is_matrix, 0, 0, nullptr, n_threads, swept))
            return -1;
        if (!(swept[0] > -1e300 && swept[0] < 1e300)) return step;
        for (int64_t i = 0; i < K + n_first; i++) statistics[i] = swept[1 + i] * factor;
        for (int64_t i = 0; i < n_second; i++)
            moments.second[i] = swept[1 + K + n_first + i] * factor;
        for (int64_t i = 0; i < n_first; i++) moments.pivot[i] = means[i];
        for (int64_t i = 0; i < n_parameters; i++) parameters[i] = next[i];
        *data_term = swept[0] * factor;
        if (within_numbers) {
            bool had_scale = within.has_scale;
            double moved = 0.0, size_of_scale = 0.0;
            for (int64_t i = 0; i < s.per_factor(); i++) {
                double change = absolute(scale[i] - within.scale[i]);
                moved = change > moved ? change : moved;
                double now = absolute(within.scale[i] = scale[i]);
                size_of_scale = now > size_of_scale ? now : size_of_scale;
            }
            within.has_scale = within_numbers[4] = 1.0;
            double rest = within_numbers[5];
            if (rest > 0.0) {
                if (had_scale && moved <= rest * size_of_scale) return n_steps + 1;
                continue;
            }
        }
        double gain = *data_term - before;
        if (gain <= settled && -gain <= settled) return n_steps + 1;
        before = *data_term;
    }
    return n_steps;
}

// Writes means and covariances of highest density given statistics; returns whether it could, below
// zero where there is no memory. `sizes` holds components, features, factors, their width, whether
// they are matrices, what they share beyond that and the kind of prior, whose numbers are those of
// `ascend`. Searches for volumes and axes begin at covariances `near`, if there are any.
int64_t mode(const int64_t *sizes, double *prior_numbers, double *statistics, const double *near,
             double *parameters) {
    Structure s{sizes[0], sizes[1], sizes[2], sizes[3], sizes[4], sizes[5]};
    int64_t K = s.n_components, n_first = s.n_first();
    double *room = threads::room(threads::RUN, component_room(s)), *at = prior_numbers;
    if (!room) return -1;
    Moments moments{statistics, statistics + K, statistics + K + n_first,
                    statistics + K + n_first + s.n_second()};
    Prior prior{sizes[6], at, at + s.n_features, at + 2 * s.n_features, nullptr, nullptr};
    prior.scale = prior.freedom + (s.is_matrix ? 1 : s.width);
    prior.floor = prior.scale + s.per_factor();
    Near beginning{near, nullptr, false, true};
    return component_mode(s, moments, prior, beginning, parameters, parameters + n_first, room);
}

}  // namespace MIXTURA_SET
