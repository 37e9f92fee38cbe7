// Passes over the rows of one piece in expanded form: sweeps, and what rows are told.
#include <limits>

#include "expanded.hpp"
#include "interface.hpp"

namespace MIXTURA_SET {

namespace {

int64_t step_of(const Expansion &e, int64_t n_rows, int64_t n_sums) {
    return segment_rows(n_rows, e.n_components * (2 * e.n_scored() + 8), n_sums, e.block());
}

}  // namespace

// Writes data term, moments (1 + F, K) about the centre, counts first, and the second moments
// that components share, (D, D) or (D,). The data term is not a number where a row is too
// far from the centre for this form. Returns whether there was memory.
int64_t sweep_expanded(const void *rows, int64_t single, int64_t n_rows, int64_t first_row,
                       const double *weights, const int64_t *sizes, const double *numbers,
                       int64_t assignment, uint64_t key, const void *handed, int64_t n_threads,
                       double *found) {
    Expansion e(sizes, numbers);
    Assigned assigned{assignment, key, (const double *)handed, (const int64_t *)handed};
    int64_t n_moments = (e.n_moments() + 1) * e.n_components, n_sums = 1 + n_moments + e.n_shared();
    auto segment = [&](int64_t begin, int64_t end, double *sums) {
        double *work = threads::room(threads::BLOCK, e.room());
        if (!work) return false;
        ExpandedRoom room(e, work);
        bool near = each_block(e, rows, single, begin, end, room, [&](int64_t start, Shape shape,
                                                                      auto ahead, int64_t bytes) {
            take_weights(weights, start, shape, room.rows.weights);
            if (!take_handed(assigned, start, shape, room.rows, room.scores)) {
                score_expanded(e, shape, room, ahead, bytes);
                bool uneven = weights || shape.padded > shape.n;
                sums[0] += share(assignment, key, first_row + start, room.scores, shape, uneven,
                                 room.rows);
                if (e.shared())
                    sums[0] += weighted_sum(room.row_terms, room.rows.weights, shape.padded);
            }
            if (e.shared()) shared_moments(e, shape, room, sums + 1 + n_moments);
            expanded_moments(e, shape, room, sums + 1);
        });
        if (!near) sums[0] = std::numeric_limits<double>::quiet_NaN();
        return true;
    };
    return sum_segments(n_rows, step_of(e, n_rows, n_sums), n_threads, n_sums, found, segment);
}

// Writes responsibilities (N, K), log densities (N,) or labels (N,), whichever is not null, and
// how many segments have a row that is too far for this form. Returns whether there was memory.
int64_t tell_expanded(const void *rows, int64_t single, int64_t n_rows, int64_t first_row,
                      const int64_t *sizes, const double *numbers, int64_t assignment,
                      uint64_t key, int64_t n_threads, double *shares, double *densities,
                      int64_t *labels, double *found) {
    Expansion e(sizes, numbers);
    Outputs outputs{shares, densities, labels};
    auto segment = [&](int64_t begin, int64_t end, double *too_far) {
        double *work = threads::room(threads::BLOCK, e.room());
        if (!work) return false;
        ExpandedRoom room(e, work);
        bool near = each_block(e, rows, single, begin, end, room, [&](int64_t start, Shape shape,
                                                                      auto ahead, int64_t bytes) {
            score_expanded(e, shape, room, ahead, bytes);
            if (!densities)
                return write_assigned(assignment, key, first_row + start, room.scores, shape,
                                      room.rows, outputs, start);
            log_sums(room.scores, shape, room.rows);
            if (e.shared()) add_lines(room.rows.top, room.row_terms, shape.padded);
            write_values(room.rows.top, shape.n, densities, start);
        });
        *too_far = near ? 0.0 : 1.0;
        return true;
    };
    return sum_segments(n_rows, step_of(e, n_rows, 1), n_threads, 1, found, segment);
}

}  // namespace MIXTURA_SET
