// Passes over the rows of one piece in triangular form: sweeps, and what rows are told.
#include "exact.hpp"
#include "interface.hpp"
#include "pairs.hpp"
#include "tails.hpp"

namespace MIXTURA_SET {

namespace {

// Potentials as they come from Python, one after the other: log weights (K,), offsets (K,), means
// (K, D) and factors (1 or K, 1 or D), or matrices (1 or K, D, D).
struct Given {
    const double *numbers;
    int64_t n_components, n_features, n_factors, width, is_matrix;

    Kind kind() const {
        return !is_matrix || n_features == 1 ? VECTOR : n_features == 2 ? PLANE : MATRIX;
    }
    int64_t n_moments() const { return is_matrix ? n_features * n_features : n_features; }
    int64_t n_numbers() const {
        int64_t n_spreads = is_matrix ? n_features * n_features : width;
        return (2 + n_features) * n_components + n_factors * n_spreads;
    }
};

// Prepares potentials in memory of this thread; returns whether there was any.
bool prepare(const Given &given, Exact &exact) {
    int64_t n_components = given.n_components, n_features = given.n_features;
    Kind kind = given.kind();
    bool narrow = kind == VECTOR && given.width < n_features;
    int64_t step = kind == MATRIX ? packed_size(n_features) : given.n_moments();
    int64_t size = kind == MATRIX || narrow ? step * given.n_factors : 0;
    double *constant = threads::room(threads::POTENTIALS, n_components + size);
    if (!constant) return false;
    for (int64_t k = 0; k < n_components; k++)
        constant[k] = held_constant(given.numbers[k], given.numbers[n_components + k]);
    const double *mean = given.numbers + 2 * n_components;
    const double *factor = mean + n_components * n_features;
    double *spread = constant + n_components;
    for (int64_t k = 0; k < given.n_factors; k++) {
        if (kind == MATRIX)
            pack_factor(factor + k * n_features * n_features, n_features, spread + k * step);
        for (int64_t d = 0; narrow && d < n_features; d++) spread[k * step + d] = factor[k];
    }
    exact = {n_components, n_features, constant, mean, size > 0 ? spread : factor,
             given.n_factors == 1 ? 0 : step};
    return true;
}

// Calls f with the kind of the structure and rows of their own type.
template <class F> auto by_kind(Kind kind, int64_t single, const void *rows, F f) {
    auto typed = [&](auto of_kind) {
        return single ? f(of_kind, (const float *)rows) : f(of_kind, (const double *)rows);
    };
    if (kind == PLANE) return typed(std::integral_constant<Kind, PLANE>{});
    if (kind == MATRIX) return typed(std::integral_constant<Kind, MATRIX>{});
    return typed(std::integral_constant<Kind, VECTOR>{});
}

// What a pass needs to know of its sizes.
struct Sizes {
    int64_t block, room, step;
};
Sizes sizes_of(const Given &given, int64_t n_rows) {
    int64_t n_components = given.n_components, n_moments = given.n_moments();
    int64_t block = exact_block(n_components, given.n_features, given.kind());
    int64_t n_sums = n_components * (1 + n_moments + given.n_features);
    return {block, exact_room(n_components, given.n_features, block),
            segment_rows(n_rows, n_components * (n_moments + 8), n_sums, block)};
}

// From what the kernels leave to the potentials' structure: both triangles, or sums over features.
void finish(const Given &given, double *second) {
    int64_t n_features = given.n_features, step = given.n_moments();
    for (int64_t k = 0; k < given.n_factors; k++) {
        double *own = second + k * step;
        if (given.is_matrix) {
            for (int64_t i = 0; i < n_features; i++)
                for (int64_t j = 0; j < i; j++) own[j * n_features + i] = own[i * n_features + j];
        } else if (given.width < n_features) {
            double sum = 0.0;
            for (int64_t d = 0; d < n_features; d++) sum += own[d];
            second[k] = sum;
        }
    }
}

}  // namespace

// Writes data term, counts (K,), first moments (K, D) and second ones, in the factors' structure;
// the room for these is n_factors D, or n_factors D D. Returns whether there was memory.
int64_t sweep(const void *rows, int64_t single, int64_t n_rows, int64_t first_row,
              const double *weights, const double *potentials, int64_t n_components,
              int64_t n_features, int64_t n_factors, int64_t width, int64_t is_matrix,
              int64_t assignment, uint64_t key, const void *handed, int64_t n_threads,
              double *found) {
    Given given{potentials, n_components, n_features, n_factors, width, is_matrix};
    Assigned assigned{assignment, key, (const double *)handed, (const int64_t *)handed};
    Exact exact;
    if (!prepare(given, exact)) return 0;
    Sizes sizes = sizes_of(given, n_rows);
    int64_t n_first = n_components * n_features, n_moments = given.n_moments();
    int64_t n_sums = 1 + n_components + n_first + n_factors * n_moments;
    bool scored = assignment == SOFT || assignment == SAMPLED;
    bool pairs = n_features == 1 && n_components == 2 && scored;
    bool enough = by_kind(given.kind(), single, rows, [&](auto kind, auto *typed) {
        auto segment = [&](int64_t begin, int64_t end, double *sums) {
            double *work = threads::room(threads::BLOCK, sizes.room);
            if (!work) return false;
            double *first = sums + 1 + n_components;
            Sums to{sums + 1, first, first + n_first, n_factors == 1 ? 0 : n_moments};
            Span span{first_row, begin, end, sizes.block};
            if (pairs && assignment == SAMPLED)
                sums[0] = sweep_pairs<true>(typed, weights, exact, assigned, span, to);
            else if (pairs)
                sums[0] = sweep_pairs<false>(typed, weights, exact, assigned, span, to);
            else
                sums[0] = sweep_span<kind>(typed, weights, exact, assigned, span, to, work);
            return true;
        };
        return sum_segments(n_rows, sizes.step, n_threads, n_sums, found, segment);
    });
    if (enough) finish(given, found + 1 + n_components + n_first);
    return enough;
}

// Writes responsibilities (N, K), log densities (N,) or labels (N,), whichever is not null; where
// there is a tail, its scores take the place of those of Gaussian components without constants.
// Returns whether there was memory.
int64_t tell(const void *rows, int64_t single, int64_t n_rows, int64_t first_row,
             const double *potentials, int64_t n_components, int64_t n_features,
             int64_t n_factors, int64_t width, int64_t is_matrix, const int64_t *tail_sizes,
             const double *tail_numbers, int64_t assignment, uint64_t key, int64_t n_threads,
             double *shares, double *densities, int64_t *labels) {
    Given given{potentials, n_components, n_features, n_factors, width, is_matrix};
    Assigned assigned{assignment, key, nullptr, nullptr};
    Outputs outputs{shares, densities, labels};
    Exact exact;
    if (!prepare(given, exact)) return 0;
    Sizes sizes = sizes_of(given, n_rows);
    Tails tails(tail_sizes, tail_numbers, n_components, n_features);
    int64_t room = sizes.room + LANES * (n_features + tails.n_widths);
    double nothing[1];
    return by_kind(given.kind(), single, rows, [&](auto kind, auto *typed) {
        auto segment = [&](int64_t begin, int64_t end, double *) {
            double *work = threads::room(threads::BLOCK, room);
            if (!work) return false;
            Span span{first_row, begin, end, sizes.block};
            tell_span<kind>(typed, exact, assigned, span, outputs, tails, work);
            return true;
        };
        return sum_segments(n_rows, sizes.step, n_threads, 0, nothing, segment);
    });
}

// Writes what a sweep of one component about the mean of all rows does. The potentials are zeros,
// in the triangular form of one component; what they have of a mean becomes the rows' mean. The
// second of two passes is about the mean, where no digits cancel. Returns whether there was memory.
int64_t overall(const void *rows, int64_t single, int64_t n_rows, const double *weights,
                int64_t n_features, int64_t is_matrix, int64_t n_threads, double *potentials,
                double *found) {
    auto pass = [&] {
        return sweep(rows, single, n_rows, 0, weights, potentials, 1, n_features, 1, n_features,
                     is_matrix, SOFT, 0, nullptr, n_threads, found);
    };
    double *mean = potentials + 2;
    for (int64_t d = 0; d < n_features; d++)
        mean[d] = single ? double(((const float *)rows)[d]) : ((const double *)rows)[d];
    if (!pass()) return 0;
    for (int64_t d = 0; d < n_features && found[1] > 0.0; d++) mean[d] += found[2 + d] / found[1];
    return pass();
}

// Adds to the terms (T,) the data term under each of T mixtures, whose potentials lie one after the
// other; the room is that of a sweep. Returns whether there was memory.
int64_t data_terms(const void *rows, int64_t single, int64_t n_rows, int64_t first_row,
                   const double *weights, const double *potentials, int64_t n_mixtures,
                   int64_t n_components, int64_t n_features, int64_t n_factors, int64_t width,
                   int64_t is_matrix, int64_t n_threads, double *room, double *terms) {
    const Given given{potentials, n_components, n_features, n_factors, width, is_matrix};
    for (int64_t t = 0; t < n_mixtures; t++) {
        const double *own = potentials + t * given.n_numbers();
        if (!sweep(rows, single, n_rows, first_row, weights, own, n_components, n_features,
                   n_factors, width, is_matrix, SOFT, 0, nullptr, n_threads, room))
            return 0;
        terms[t] += room[0];
    }
    return 1;
}

// Adds to a total (N, K) the responsibilities under each of T mixtures, whose potentials lie one
// after the other; the room is of the same size. Returns whether there was memory.
int64_t summed_shares(const void *rows, int64_t single, int64_t n_rows, int64_t first_row,
                      const double *potentials, int64_t n_mixtures, int64_t n_components,
                      int64_t n_features, int64_t n_factors, int64_t width, int64_t is_matrix,
                      int64_t n_threads, double *room, double *total) {
    const Given given{potentials, n_components, n_features, n_factors, width, is_matrix};
    for (int64_t t = 0; t < n_mixtures; t++) {
        const double *own = potentials + t * given.n_numbers();
        if (!tell(rows, single, n_rows, first_row, own, n_components, n_features, n_factors, width,
                  is_matrix, nullptr, nullptr, SOFT, 0, n_threads, room, nullptr, nullptr))
            return 0;
        for (int64_t i = 0; i < n_rows * n_components; i++) total[i] += room[i];
    }
    return 1;
}

}  // namespace MIXTURA_SET
