// Passes over rows of which some cells are missing or have errors.
#include "interface.hpp"
#include "lone_rows.hpp"

namespace MIXTURA_SET {

namespace {

// What a pass is asked for: statistics, or what rows are told.
struct Pass {
    Groups groups;
    Mixture mixture;
    Assigned assigned;
    Outputs outputs;
    int64_t most_lone;  // rows of a group up to which each is on its own
    bool is_sweep;
};

// Rows of a group for which one regression costs as much as one for each row.
int64_t most_lone_of(const Mixture &m) {
    return m.is_matrix && m.n_features > 1 ? 16 : 8;
}

int64_t block_of(const Mixture &m) {
    return exact_block(m.n_components, m.n_features, m.is_matrix ? MATRIX : VECTOR);
}

INLINE int64_t span_numbers(const Mixture &m, int64_t block) {
    return (m.n_components + 3 * m.n_features + 8) * (block + 8);
}

// Consecutive rows of one group, which share a regression.
template <Kind KIND>
double pass_span(const Pass &pass, const Group &g, int64_t begin, int64_t end, int64_t size,
                 double *work) {
    int64_t K = pass.mixture.n_components, D = pass.mixture.n_features, stride = size + 8;
    double *block = work + K * stride, *centred = block + D * stride;
    double *weighted = centred + D * stride, *last = weighted + (4 > D ? 4 : D) * stride;
    RowRoom rows{last, last + stride, last + 2 * stride, last + 3 * stride};
    double *count = g.sums, *first = count + K, *second = first + K * g.n_observed, result = 0.0;
    int64_t n_second = KIND == VECTOR ? g.n_observed : g.n_observed * g.n_observed;
    Sums sums{count, first, second, pass.mixture.n_factors == 1 ? 0 : n_second};
    for (int64_t start = begin; start < end; start += size) {
        int64_t n = smaller(size, end - start);
        Shape whole{stride, K, D, n, (n + 31) / 32 * 32}, shape = whole;
        shape.n_features = g.n_observed;
        take_block(pass.groups.rows, start, whole, block);
        for (int64_t i = 0; i < g.n_observed; i++)
            if (g.observed[i] != i)
                std::memcpy(block + i * stride, block + g.observed[i] * stride,
                            size_t(shape.padded) * sizeof(double));
        if (!pass.is_sweep) {
            score_block<KIND>(g.exact, block, shape, centred, work, rows.top);
            if (pass.outputs.densities) {
                log_sums(work, shape, rows);
                write_values(rows.top, n, pass.outputs.densities, start);
            } else {
                write_assigned(pass.assigned.number, 0, start, work, shape, rows, pass.outputs,
                               start);
            }
            continue;
        }
        take_weights(pass.groups.weights, start, shape, rows.weights);
        if (!take_handed(pass.assigned, start, shape, rows, work)) {
            score_block<KIND>(g.exact, block, shape, centred, work, rows.top);
            bool uneven = pass.groups.weights || shape.padded > shape.n;
            result += share(pass.assigned.number, 0, start, work, shape, uneven, rows);
        }
        moments_block<KIND>(g.exact, block, shape, centred, weighted, work, rows.sums, sums);
    }
    return result;
}

double pass_group(const Pass &pass, Group &g, int64_t begin, int64_t end, int64_t size,
                  double *work, const Found &to) {
    const Mixture &m = pass.mixture;
    int64_t p = g.n_observed, n_second = m.is_matrix ? p * p : p;
    fill(g.sums, parts_of(m.n_components * (1 + p) + m.n_factors * n_second, LANES) * LANES, 0.0);
    double result;
    Kind kind = kind_of(m, p);
    if (kind == VECTOR) result = pass_span<VECTOR>(pass, g, begin, end, size, work);
    else if (kind == PLANE) result = pass_span<PLANE>(pass, g, begin, end, size, work);
    else result = pass_span<MATRIX>(pass, g, begin, end, size, work);
    if (pass.is_sweep) add_mapped(m, g, to);
    return result;
}

// Responsibilities or labels that were given, times weights; returns whether they were.
bool take_lone_handed(const Assigned &assigned, const int64_t *places, const Shape &shape,
                      const LoneBlock &block) {
    if (assigned.number != GIVEN && assigned.number != LABELLED) return false;
    for (int64_t k = 0; k < shape.n_components; k++)
        for (int64_t b = 0; b < shape.padded; b++) {
            int64_t place = places[b < shape.n ? b : shape.n - 1];
            double part = assigned.number == GIVEN ? assigned.given[place * shape.n_components + k]
                                                   : double(assigned.labels[place] == k);
            block.scores[k * shape.stride + b] = part * block.rows.weights[b];
        }
    fill(block.rows.sums, shape.padded, 1.0);
    return true;
}

// Rows each on their own, by their places and the numbers of their groups.
double pass_lone(const Pass &pass, const int64_t *places, const int64_t *numbers, int64_t n,
                 LoneBlock &block, const Found &to) {
    const Mixture &m = pass.mixture;
    int64_t K = m.n_components;
    Shape shape{block.stride, K, m.n_features, n, parts_of(n, 2 * LANES) * 2 * LANES};
    bool is_full = pass.groups.error_kind == COVARIANCES;
    take_lone(pass.groups, m, places, numbers, shape, block);
    if (pass.is_sweep) {
        double result = 0.0;
        bool is_handed = take_lone_handed(pass.assigned, places, shape, block);
        score_lone(m, shape, is_full, block, is_handed);
        if (!is_handed)
            result = share(pass.assigned.number, 0, 0, block.scores, shape, true, block.rows);
        moments_lone(m, shape, is_full, block, to);
        return result;
    }
    score_lone(m, shape, is_full, block, false);
    const Outputs &out = pass.outputs;
    if (out.densities) {
        log_sums(block.scores, shape, block.rows);
        for (int64_t b = 0; b < n; b++) out.densities[places[b]] = block.rows.top[b];
        return 0.0;
    }
    fill(block.rows.weights, shape.padded, 1.0);
    share(pass.assigned.number, 0, 0, block.scores, shape, false, block.rows);
    scale_rows(block.scores, K, shape, block.rows.sums);
    for (int64_t b = 0; b < n; b++)
        for (int64_t k = 0; k < K; k++)
            out.shares[places[b] * K + k] = block.scores[k * shape.stride + b];
    return 0.0;
}

// The group in which a row lies.
int64_t group_at(const Groups &groups, int64_t row) {
    int64_t low = 0, high = groups.n_groups;
    while (high - low > 1) {
        int64_t middle = (low + high) / 2;
        (groups.starts[middle] <= row ? low : high) = middle;
    }
    return low;
}

bool has_cells(const Groups &groups, int64_t n_features, int64_t number) {
    for (int64_t d = 0; d < n_features; d++)
        if (groups.observed[number * n_features + d]) return true;
    return false;
}

// All rows from one to another. Returns whether all covariances could be factorised.
bool pass_rows(const Pass &pass, int64_t begin, int64_t end, int64_t size, double *sums,
               double *work) {
    const Mixture &m = pass.mixture;
    Group group = group_in(work, m);
    work += parts_of(group_numbers(m), LANES) * LANES;
    LoneBlock block = lone_block_in(work, m, pass.groups.error_kind);
    work += parts_of(lone_numbers(m, pass.groups.error_kind), LANES) * LANES;
    int64_t places[LONE_ROWS], numbers[LONE_ROWS], n_waiting = 0;
    double nothing = 0.0;
    Found to = pass.is_sweep ? found_in(sums, m) : Found{&nothing, nullptr, nullptr, nullptr};
    auto flush = [&] {
        if (n_waiting) *to.data_term += pass_lone(pass, places, numbers, n_waiting, block, to);
        n_waiting = 0;
    };
    for (int64_t row = begin, g = group_at(pass.groups, begin); row < end; g++) {
        int64_t first = pass.groups.starts[g], last = pass.groups.starts[g + 1];
        int64_t until = smaller(last, end);
        if (last - first > pass.most_lone && has_cells(pass.groups, m.n_features, g)) {
            if (!prepare_group(m, pass.groups, g, group)) return false;
            *to.data_term += pass_group(pass, group, row, until, size, work, to);
        } else {
            for (; row < until; row++) {
                places[n_waiting] = row, numbers[n_waiting++] = g;
                if (n_waiting == LONE_ROWS) flush();
            }
        }
        row = until;
    }
    flush();
    return true;
}

// Runs a pass; returns 1, or 0 where there was no memory, or a covariance was none.
int64_t run_pass(const Pass &pass, int64_t n_rows, int64_t n_threads, double *found) {
    const Mixture &m = pass.mixture;
    int64_t size = block_of(m), n_sums = pass.is_sweep ? m.n_sums() : 0;
    int64_t numbers = parts_of(group_numbers(m), LANES) * LANES +
                      parts_of(lone_numbers(m, pass.groups.error_kind), LANES) * LANES +
                      span_numbers(m, size) + 4 * (size + 8);
    int64_t work_per_row = m.n_components * (4 * m.n_moments() + 8);
    int64_t step = segment_rows(n_rows, work_per_row, larger(1, n_sums), size);
    auto segment = [&](int64_t begin, int64_t end, double *sums) {
        double *work = threads::room(threads::BLOCK, numbers);
        return work && pass_rows(pass, begin, end, size, sums, work);
    };
    return sum_segments(n_rows, step, n_threads, n_sums, found, segment);
}

// Sizes as they come from Python: groups, components, features, factors, whether these are
// matrices, kind of errors, assignment, and threads.
Pass pass_of(const double *rows, const double *weights, const uint8_t *observed,
             const int64_t *starts, const double *errors, const int64_t *sizes,
             const double *numbers) {
    int64_t K = sizes[1], D = sizes[2];
    Pass pass{};
    pass.groups = {rows, weights, observed, starts, errors, sizes[0], sizes[5]};
    pass.mixture = {numbers, numbers + K, numbers + K * (1 + D), K, D, sizes[3], sizes[4] != 0};
    pass.assigned = {sizes[6], 0, nullptr, nullptr};
    pass.most_lone = most_lone_of(pass.mixture);
    return pass;
}

}  // namespace

// Writes data term, counts (K,), first moments (K, D) and second ones, (F, D) or (F, D, D), about
// the means: those of complete exact rows, as far as they can be expected. Returns whether there
// was memory, and all covariances were some.
int64_t sweep_observed(const double *rows, int64_t n_rows, const double *weights,
                       const uint8_t *observed, const int64_t *starts, const double *errors,
                       const int64_t *sizes, const double *numbers, const void *handed,
                       double *found) {
    Pass pass = pass_of(rows, weights, observed, starts, errors, sizes, numbers);
    pass.assigned.given = (const double *)handed, pass.assigned.labels = (const int64_t *)handed;
    pass.is_sweep = true;
    if (!run_pass(pass, n_rows, sizes[7], found)) return 0;
    const Mixture &m = pass.mixture;
    int64_t D = m.n_features;
    double *second = found_in(found, m).second;
    for (int64_t f = 0; m.is_matrix && f < m.n_factors; f++)
        for (int64_t i = 0; i < D; i++)
            for (int64_t j = 0; j < i; j++)
                second[(f * D + j) * D + i] = second[(f * D + i) * D + j];
    return 1;
}

// Writes responsibilities (n, K) or log densities (n,), whichever is not null; whether it could.
int64_t tell_observed(const double *rows, int64_t n_rows, const uint8_t *observed,
                      const int64_t *starts, const double *errors, const int64_t *sizes,
                      const double *numbers, double *shares, double *densities) {
    Pass pass = pass_of(rows, nullptr, observed, starts, errors, sizes, numbers);
    pass.outputs = {shares, densities, nullptr};
    double nothing[1];
    return run_pass(pass, n_rows, sizes[7], nothing);
}

}  // namespace MIXTURA_SET
