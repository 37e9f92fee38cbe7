// What each instruction set implements and the library exports: plain C, looked up by name.
//
// One line per function: X(result, name, (parameters), (arguments)).
#pragma once

#include <cstdint>

#define MIXTURA_FUNCTIONS(X) \
    X(void, elementary, (int64_t which, int64_t n, const double *x, double *y), (which, n, x, y)) \
    X(int64_t, rows_below, (const void *rows, int64_t single, int64_t n_rows, int64_t n_features, const uint64_t *factors, uint64_t limit, int64_t *positions), (rows, single, n_rows, n_features, factors, limit, positions)) \
    X(int64_t, expanded_sweep, (const int64_t *sizes, double largest, const double *constant, const double *coefficients, const double *centre, const double *scales, const double *factor, const void *rows, int64_t single, const double *weights, int64_t number, uint64_t key, int64_t n, double *moments, double *second, double *result, double *work), (sizes, largest, constant, coefficients, centre, scales, factor, rows, single, weights, number, key, n, moments, second, result, work))
