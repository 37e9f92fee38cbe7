// What each instruction set implements and the library exports: plain C, looked up by name.
//
// One line per function: X(result, name, (parameters), (arguments)).
#pragma once

#include <cstdint>

#define MIXTURA_FUNCTIONS(X) \
    X(void, elementary, (int64_t which, int64_t n, const double *x, double *y), (which, n, x, y))                 \
    X(bool, allocate,                                                                             \
      (const int64_t *sizes, const double *rows, const double *numbers, const double *constants,  \
       const double *partition, const double *alone, const void *const *source, int64_t *labels,  \
       double *worth),                                                                            \
      (sizes, rows, numbers, constants, partition, alone, source, labels, worth))
