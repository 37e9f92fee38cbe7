// Hashes of rows, compared with a limit as they are made.
#include <bit>

#include "interface.hpp"

namespace MIXTURA_SET {

// Writes the positions of the rows (n, D) whose hash is below the limit; returns their number.
//
// The hash is that of engines/content.py: multilinear in the folded bits, then mixed. Loops over
// few features are unrolled: as vectors they would take longer.
template <int FEW = 0, class Row>
static int64_t below(const Row *rows, int64_t n_rows, int64_t n_features, const uint64_t *factors,
                     uint64_t limit, int64_t *positions) {
    constexpr uint64_t MIX = 0xD6E8FEB86659FD93;
    if constexpr (FEW < 4)
        if (n_features > FEW && n_features <= 4)
            return below<FEW + 1>(rows, n_rows, n_features, factors, limit, positions);
    if constexpr (FEW > 0) n_features = FEW;
    int64_t found = 0;
    for (int64_t n = 0; n < n_rows; n++) {
        uint64_t hash = 0;
        for (int64_t d = 0; d < n_features; d++) {
            // Zeros of both signs are one number: their sum with zero.
            uint64_t bits = std::bit_cast<uint64_t>(double(rows[n * n_features + d]) + 0.0);
            hash += (bits ^ (bits >> 32)) * factors[d];
        }
        hash = (hash ^ (hash >> 32)) * MIX;
        positions[found] = n;
        found += (hash ^ (hash >> 32)) < limit;
    }
    return found;
}

int64_t rows_below(const void *rows, int64_t single, int64_t n_rows, int64_t n_features,
                   const uint64_t *factors, uint64_t limit, int64_t *positions) {
    if (single) return below((const float *)rows, n_rows, n_features, factors, limit, positions);
    return below((const double *)rows, n_rows, n_features, factors, limit, positions);
}

}  // namespace MIXTURA_SET
