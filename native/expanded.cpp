#include "expanded.hpp"

#include "interface.hpp"

namespace MIXTURA_SET {

int64_t expanded_sweep(const int64_t *sizes, double largest, const double *constant, const double *coefficients, const double *centre, const double *scales, const double *factor,
  const void *rows, int64_t single, const double *weights, int64_t number, uint64_t key, int64_t n, double *moments, double *second, double *result, double *work) {
    Expansion e = {sizes[0], sizes[1], sizes[2], sizes[3], sizes + 5, largest, constant, coefficients, centre, scales, factor};
    *result = 0.0;
    return sweep_expanded(e, rows, single, weights, {number, key, nullptr, nullptr}, 0, 0, n, sizes[4], moments, second, *result, work);
}

}
