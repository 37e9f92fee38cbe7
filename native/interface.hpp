// What each instruction set implements and the library exports: plain C, looked up by name.
//
// One line per function: X(result, name, (parameters), (arguments)).
#pragma once

#include <cstdint>

#define MIXTURA_FUNCTIONS(X) \
    X(void, elementary, (int64_t which, int64_t n, const double *x, double *y), (which, n, x, y))
