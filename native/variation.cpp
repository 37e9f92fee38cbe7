// Variational Bayes in one call: factors of weights and components, and sweeps, in turn, as
// `inference.variational` and `inference.expectation_maximization` take their steps.
#include "factors.hpp"
#include "interface.hpp"
#include "stopping.hpp"
#include "threads.hpp"

namespace MIXTURA_SET {

#define DECLARED(result, name, parameters, arguments) result name parameters;
MIXTURA_FUNCTIONS(DECLARED)

namespace {

// Ahead of statistics: the objective, whether the run has converged, and the squared lengths of the
// last steps.
struct Header {
    double objective, has_converged, n_lengths, lengths[COMPARED];
};
constexpr int64_t HEADER = sizeof(Header) / sizeof(double);

// Hands out parts of an array one after the other.
double *take(double *&from, int64_t some) {
    double *taken = from;
    from += some;
    return taken;
}

Structure structure_of(const int64_t *sizes) {
    return {sizes[0], sizes[1], sizes[2], sizes[3], sizes[4]};
}
// Numbers of the priors: concentrations (K,), location and shrinkage or precision of the means
// (D,), freedom (width,) and scale of the covariances, and for independent ones the spreads.
Beliefs beliefs_of(const Structure &s, int64_t kind, double *numbers, double *scale_factor) {
    int64_t D = s.n_features;
    Beliefs b{};
    b.kind = kind, b.scale_factor = scale_factor;
    b.concentration = take(numbers, s.n_components);
    b.prior.mean = take(numbers, D), b.prior.shrinkage = take(numbers, D);
    b.prior.freedom = take(numbers, s.is_matrix ? 1 : s.width);
    b.prior.scale = take(numbers, s.per_factor());
    b.spread = (const Spread *)numbers;
    return b;
}
// Numbers of what a sweep finds, and about what; second moments have room for all features'.
int64_t found_size(const Structure &s) {
    int64_t D = s.n_features;
    return 1 + s.n_components + 2 * s.n_first() + s.n_factors * (s.is_matrix ? D * D : D);
}
// Data term, counts, first, second moments and pivots, one after the other.
Moments moments_at(const Structure &s, double *found) {
    double *first = found + 1 + s.n_components;
    return {found + 1, first, first + s.n_first(), found + found_size(s) - s.n_first()};
}
int64_t factors_size(const Structure &s) {
    return 3 * s.n_components + 2 * s.n_first() + 2 * s.n_second() + s.n_factors;
}
Factors factors_at(const Structure &s, double *&numbers) {
    Factors f{};
    f.expected = mixture_at(s, take(numbers, s.n_components + s.n_first() + s.n_second()));
    f.potentials = take(numbers, 2 * s.n_components + s.n_first() + s.n_second());
    f.inflation = take(numbers, s.n_factors);
    return f;
}

// Keeps the squared length of the step from one mixture to the next.
void remember(const Structure &s, const Mixture &old, const Mixture &now, const double *count,
              Header &head, double *room) {
    double *factors = room, *rest = factors + s.n_second();
    for (int64_t k = 0; k < s.n_factors; k++) {
        int64_t at = k * s.per_factor();
        if (s.is_matrix) precision_factor(now.covariances + at, s.n_features, factors + at, rest);
        for (int64_t d = 0; d < s.width && !s.is_matrix; d++)
            factors[at + d] = 1.0 / square_root(now.covariances[at + d]);
    }
    int64_t held = int64_t(head.n_lengths);
    if (held == COMPARED) std::memmove(head.lengths, head.lengths + 1, --held * sizeof(double));
    head.lengths[held] = squared_length(s, old, now, factors, count, rest);
    head.n_lengths = double(held + 1);
}

}  // namespace

// Writes what statistics say: the divergence from the priors, then expected weights, means and
// covariances, potentials and inflation. `sizes` are those of `variation`. Returns whether it could
// be had as numbers, below zero where there is no memory.
int64_t variational_factors(const int64_t *sizes, double *prior_numbers, double *statistics,
                            double *to) {
    Structure s = structure_of(sizes);
    double *work = threads::room(threads::RUN, s.per_factor() + factors_room(s));
    if (!work) return -1;
    Beliefs b = beliefs_of(s, sizes[5], prior_numbers, take(work, s.per_factor()));
    double *divergence = take(to, 1);
    Factors found = factors_at(s, to);
    if (!begin_beliefs(s, b, work)) return 0;
    if (!write_factors(s, b, moments_at(s, statistics), found, work)) return 0;
    *divergence = found.divergence;
    return 1;
}

// Steps of coordinate ascent from where `state` says that it stands, which is replaced by where it
// leads: a header, the statistics that gave the factors, and those that a sweep under them found, of
// which each has its data term, counts, moments and pivots. No more than `tolerance` nats may be
// left to gain at the end.
//
// `sizes` holds components, features, factors, their width, whether they are matrices, the kind of
// prior, how many steps at most and threads. Writes the objective after each step; ends before one
// that needs more than numbers. Returns how many were taken, below zero where there is no memory.
int64_t variation(const void *rows, int64_t single, int64_t n_rows, const double *row_weights,
             const int64_t *sizes, double *prior_numbers, double tolerance, double *state,
             double *objectives) {
    Structure s = structure_of(sizes);
    int64_t size = found_size(s), K = s.n_components, taken = 0;
    double *work = threads::room(
        threads::RUN, 3 * size + 2 * factors_size(s) + s.per_factor() + factors_room(s) +
                          s.n_second() + factor_room(s.n_features));
    if (!work) return -1;
    Header &head = *(Header *)state;
    double *places[3];
    size_t n_bytes = size * sizeof(double);
    for (double *&place : places) place = take(work, size);
    for (int64_t i = 0; i < 2; i++) std::memcpy(places[i], state + HEADER + i * size, n_bytes);
    Factors now = factors_at(s, work), next = factors_at(s, work);
    Beliefs b = beliefs_of(s, sizes[5], prior_numbers, take(work, s.per_factor()));
    if (!begin_beliefs(s, b, work)) return 0;
    if (!write_factors(s, b, moments_at(s, places[0]), now, work)) return 0;
    head.has_converged = 0.0;
    while (taken < sizes[6] && head.has_converged == 0.0) {
        double *basis = places[1], *found = places[2];
        if (!write_factors(s, b, moments_at(s, basis), next, work)) break;
        if (!sweep(rows, single, n_rows, 0, row_weights, next.potentials, K, s.n_features,
                   s.n_factors, s.width, s.is_matrix, 0, 0, nullptr, sizes[7], found))
            return -1;
        double bound = found[0] - next.divergence;
        if (bound - bound != 0.0) break;
        Moments moments = moments_at(s, found);
        std::memcpy(moments.pivot, next.expected.means, s.n_first() * sizeof(double));
        double gain = bound - head.objective, lowest = NOISE * absolute(bound);
        for (int64_t k = 0; s.is_matrix && s.n_features > 1 && k < K; k++)
            if (moments.count[k] > 0.0)
                lowest += EPSILON * moments.count[k] * next.inflation[factor_of(s, k)];
        remember(s, now.expected, next.expected, moments.count, head, work);
        double left = left_to_ascent(gain, head.lengths, int64_t(head.n_lengths), lowest);
        head.has_converged =
            left <= tolerance ||
            (gain <= faintest(bound, lowest) &&
             has_come_to_rest(s, now.expected, next.expected, next.inflation));
        objectives[taken++] = head.objective = bound;
        places[2] = places[0], places[0] = basis, places[1] = found;
        std::swap(now, next);
    }
    for (int64_t i = 0; i < 2; i++) std::memcpy(state + HEADER + i * size, places[i], n_bytes);
    return taken;
}

}  // namespace MIXTURA_SET
