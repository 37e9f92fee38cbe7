#include "gammas.hpp"

#include "interface.hpp"

namespace MIXTURA_SET {

// Writes exp (0), log (1), log1p (2), expm1 (3), log Gamma (4) or digamma (5) of n numbers: for the
// tests of these functions.
void elementary(int64_t which, int64_t n, const double *x, double *y) {
    for (int64_t i = 0; which > 3 && i < n; i++)
        y[i] = which == 4 ? gammas(x[i]).log_gamma : gammas(x[i]).digamma;
    if (which > 3) return;
    for (int64_t i = 0; i < n; i += LANES) {
        Lanes v = load_some(x + i, n - i);
        if (which == 1) v = where_greater(v, splat(0.0), v, splat(1.0));
        Lanes r = which == 0 ? exp(v) : which == 1 ? log(v) : which == 2 ? log1p(v) : expm1(v);
        double out[LANES];
        store(out, r);
        for (int64_t j = 0; j < LANES && i + j < n; j++) y[i + j] = out[j];
    }
}

}  // namespace MIXTURA_SET
