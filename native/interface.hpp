// What each instruction set implements and the library exports: plain C, looked up by name.
//
// One line per function: X(result, name, (parameters), (arguments)).
#pragma once

#include <cstdint>

#define MIXTURA_FUNCTIONS(X) \
    X(void, elementary, (int64_t which, int64_t n, const double *x, double *y), (which, n, x, y))\
    X(int64_t, sweep,                                                                            \
      (const void *rows, int64_t single, int64_t n_rows, int64_t first_row,                      \
       const double *weights, const double *potentials, int64_t n_components,                    \
       int64_t n_features, int64_t n_factors, int64_t width, int64_t is_matrix,                  \
       int64_t assignment, uint64_t key, const void *handed, int64_t n_threads, double *found),  \
      (rows, single, n_rows, first_row, weights, potentials, n_components, n_features,           \
       n_factors, width, is_matrix, assignment, key, handed, n_threads, found))                  \
    X(int64_t, tell,                                                                             \
      (const void *rows, int64_t single, int64_t n_rows, int64_t first_row,                      \
       const double *potentials, int64_t n_components, int64_t n_features, int64_t n_factors,    \
       int64_t width, int64_t is_matrix, const int64_t *tail_sizes, const double *tail_numbers,  \
       int64_t assignment, uint64_t key, int64_t n_threads, double *shares, double *densities,   \
       int64_t *labels),                                                                         \
      (rows, single, n_rows, first_row, potentials, n_components, n_features, n_factors, width,  \
       is_matrix, tail_sizes, tail_numbers, assignment, key, n_threads, shares, densities,       \
       labels))                                                                                  \
    X(int64_t, overall,                                                                          \
      (const void *rows, int64_t single, int64_t n_rows, const double *weights,                  \
       int64_t n_features, int64_t is_matrix, int64_t n_threads, double *potentials,             \
       double *found),                                                                           \
      (rows, single, n_rows, weights, n_features, is_matrix, n_threads, potentials, found))      \
    X(int64_t, sweep_observed,                                                                   \
      (const double *rows, int64_t n_rows, const double *weights, const uint8_t *observed,       \
       const int64_t *starts, const double *errors, const int64_t *sizes, const double *numbers, \
       const void *handed, double *found),                                                       \
      (rows, n_rows, weights, observed, starts, errors, sizes, numbers, handed, found))          \
    X(int64_t, tell_observed,                                                                    \
      (const double *rows, int64_t n_rows, const uint8_t *observed, const int64_t *starts,       \
       const double *errors, const int64_t *sizes, const double *numbers, double *shares,        \
       double *densities),                                                                       \
      (rows, n_rows, observed, starts, errors, sizes, numbers, shares, densities))               \
    X(int64_t, data_terms,                                                                       \
      (const void *rows, int64_t single, int64_t n_rows, int64_t first_row,                      \
       const double *weights, const double *potentials, int64_t n_mixtures,                      \
       int64_t n_components, int64_t n_features, int64_t n_factors, int64_t width,               \
       int64_t is_matrix, int64_t n_threads, double *room, double *terms),                       \
      (rows, single, n_rows, first_row, weights, potentials, n_mixtures, n_components,           \
       n_features, n_factors, width, is_matrix, n_threads, room, terms))                         \
    X(int64_t, summed_shares,                                                                    \
      (const void *rows, int64_t single, int64_t n_rows, int64_t first_row,                      \
       const double *potentials, int64_t n_mixtures, int64_t n_components, int64_t n_features,   \
       int64_t n_factors, int64_t width, int64_t is_matrix, int64_t n_threads, double *room,     \
       double *total),                                                                           \
      (rows, single, n_rows, first_row, potentials, n_mixtures, n_components, n_features,        \
       n_factors, width, is_matrix, n_threads, room, total))                                     \
    X(int64_t, sweep_expanded,                                                                   \
      (const void *rows, int64_t single, int64_t n_rows, int64_t first_row,                      \
       const double *weights, const int64_t *sizes, const double *numbers, int64_t assignment,   \
       uint64_t key, const void *handed, int64_t n_threads, double *found),                      \
      (rows, single, n_rows, first_row, weights, sizes, numbers, assignment, key, handed,        \
       n_threads, found))                                                                        \
    X(int64_t, tell_expanded,                                                                    \
      (const void *rows, int64_t single, int64_t n_rows, int64_t first_row,                      \
       const int64_t *sizes, const double *numbers, int64_t assignment, uint64_t key,            \
       int64_t n_threads, double *shares, double *densities, int64_t *labels, double *found),    \
      (rows, single, n_rows, first_row, sizes, numbers, assignment, key, n_threads, shares,      \
       densities, labels, found))                                                                \
    X(int64_t, rows_below,                                                                       \
      (const void *rows, int64_t single, int64_t n_rows, int64_t n_features,                     \
       const uint64_t *factors, uint64_t limit, int64_t *positions),                             \
      (rows, single, n_rows, n_features, factors, limit, positions))                             \
    X(int64_t, allocate,                                                                         \
      (const int64_t *sizes, const double *rows, const double *numbers, const double *constants, \
       const double *partition, const double *alone, const void *const *source, int64_t *labels, \
       int64_t *kept, double *worth),                                                            \
      (sizes, rows, numbers, constants, partition, alone, source, labels, kept, worth))          \
    X(void, cluster_moments,                                                                     \
      (const int64_t *sizes, const double *rows, const int64_t *labels,                          \
       const int64_t *n_clusters, double *count, double *mean, double *first, double *second),   \
      (sizes, rows, labels, n_clusters, count, mean, first, second))                             \
    X(int64_t, chain,                                                                            \
      (const int64_t *sizes, const double *rows, const double *concentration,                    \
       const double *log_numbers, const double *numbers, uint64_t key, const void *const *source,\
       double *weights, double *means, double *scales, double *kept_weights, double *kept_means, \
       double *kept_scales, double *likelihoods, double *priors),                                \
      (sizes, rows, concentration, log_numbers, numbers, key, source, weights, means, scales,    \
       kept_weights, kept_means, kept_scales, likelihoods, priors))                              \
    X(void, draw_given,                                                                          \
      (const int64_t *sizes, const double *numbers, const double *count, const double *first,    \
       const double *second, const void *const *source, double *means, double *scales,           \
       double *room),                                                                            \
      (sizes, numbers, count, first, second, source, means, scales, room))                       \
    X(void, draw_numbers,                                                                        \
      (int64_t which, int64_t n, const double *given, const void *const *source, double *to),    \
      (which, n, given, source, to)) \
    X(int64_t, ascend,                                                                           \
      (const void *rows, int64_t single, int64_t n_rows, const double *row_weights,              \
       int64_t n_components, int64_t n_features, int64_t n_factors, int64_t width,               \
       int64_t is_matrix, int64_t restriction, int64_t goes_on, int64_t prior_kind,              \
       double *prior_numbers, double *within_numbers,                                            \
       int64_t n_steps, double factor, double settled, int64_t n_threads, double *statistics,    \
       double *parameters),                                                                      \
      (rows, single, n_rows, row_weights, n_components, n_features, n_factors, width, is_matrix, \
       restriction, goes_on, prior_kind, prior_numbers, within_numbers, n_steps, factor, settled, n_threads, \
       statistics, parameters)) \
    X(int64_t, mode,                                                                             \
      (const int64_t *sizes, double *prior_numbers, double *statistics, const double *near,      \
       double *parameters),                                                                      \
      (sizes, prior_numbers, statistics, near, parameters))                                      \
    X(int64_t, climb,                                                                            \
      (const void *rows, int64_t single, int64_t n_rows, const double *row_weights,              \
       const int64_t *sizes, double *prior_numbers, double tolerance, double *state,             \
       double *objectives),                                                                      \
      (rows, single, n_rows, row_weights, sizes, prior_numbers, tolerance, state, objectives))   \
    X(int64_t, search,                                                                           \
      (const void *rows, int64_t single, int64_t n_rows, const double *row_weights,              \
       const int64_t *sizes, double *numbers, const int64_t *labels, double *ends),              \
      (rows, single, n_rows, row_weights, sizes, numbers, labels, ends))                         \
    X(int64_t, cluster,                                                                          \
      (const int64_t *sizes, double close, const double *values, const double *weights,          \
       const double *part, const double *its_weights, const double *few, const double *mass,     \
       const int64_t *positions, int64_t *labels),                                               \
      (sizes, close, values, weights, part, its_weights, few, mass, positions, labels))          \
    X(int64_t, variational_factors,                                                              \
      (const int64_t *sizes, double *prior_numbers, double *statistics, double *to),             \
      (sizes, prior_numbers, statistics, to))                                                    \
    X(int64_t, variation,                                                                        \
      (const void *rows, int64_t single, int64_t n_rows, const double *row_weights,              \
       const int64_t *sizes, double *prior_numbers, double tolerance, double *state,             \
       double *objectives),                                                                      \
      (rows, single, n_rows, row_weights, sizes, prior_numbers, tolerance, state, objectives))   \
    X(int64_t, ward,                                                                             \
      (const double *values, const double *mass, int64_t n, int64_t n_features, double *steps),  \
      (values, mass, n, n_features, steps))                                                      \
    X(int64_t, split,                                                                            \
      (const double *values, const double *weights, int64_t n, int64_t n_features, int64_t most, \
       double *masses, double *means),                                                           \
      (values, weights, n, n_features, most, masses, means))
