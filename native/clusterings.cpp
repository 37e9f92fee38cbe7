// Clusters of rows in one system of coordinates, from which starts are made.
#include <algorithm>
#include <cstdlib>

#include "interface.hpp"
#include "threads.hpp"

namespace MIXTURA_SET {

#define DECLARED(result, name, parameters, arguments) result name parameters;
MIXTURA_FUNCTIONS(DECLARED)
#undef DECLARED

namespace {

// Relative: costs closer than this are equal but for rounding, which must not choose.
constexpr double TIE = 1e-9, TINY = 2.2250738585072014e-308;
constexpr int64_t HARD = 1;

// Rows (n, D) of given weights, and what k-means is told: clusters, steps, and how far means must
// move to be moved again.
struct Rows {
    const double *values, *weights;
    int64_t n, n_features, n_clusters, most_moves;
    double close;
    double *potentials, *swept;  // 2 K + K D + 1 and 1 + K + K D + D numbers
};

// Merges pairs of clusters, those that part least first [Ward1963]_, until there are few enough.
int64_t merge(double *means, double *mass, int64_t n, int64_t n_features, int64_t most) {
    for (; n > most; n--) {
        auto cost = [&](int64_t one, int64_t other) {
            double apart = 0.0, together = mass[one] + mass[other];
            for (int64_t d = 0; d < n_features; d++) {
                double offset = means[one * n_features + d] - means[other * n_features + d];
                apart += offset * offset;
            }
            return apart * mass[one] * mass[other] / (together > TINY ? together : TINY);
        };
        double least = __builtin_inf();
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = i + 1; j < n; j++) {
                double found = cost(i, j);
                least = found < least ? found : least;
            }
        int64_t one = 0, other = 1;
        auto is_least = [&]() { return !(cost(one, other) > (1.0 + TIE) * least); };
        while (one + 1 < n && !is_least())
            if (++other == n) other = ++one + 1;
        if (one + 1 >= n) one = 0, other = 1;
        double together = mass[one] + mass[other], total = together > TINY ? together : TINY;
        for (int64_t d = 0; d < n_features; d++) {
            double &mean = means[one * n_features + d];
            mean = (mass[one] * mean + mass[other] * means[other * n_features + d]) / total;
        }
        mass[one] += mass[other];
        for (int64_t k = other; k + 1 < n; k++) {
            mass[k] = mass[k + 1];
            for (int64_t d = 0; d < n_features; d++)
                means[k * n_features + d] = means[(k + 1) * n_features + d];
        }
    }
    return n;
}

// Writes which of K means, in the potentials, each row is nearest to.
bool assign(const Rows &rows, int64_t K, int64_t n_threads, int64_t *labels) {
    return tell(rows.values, 0, rows.n, 0, rows.potentials, K, rows.n_features, 1, 1, 0, nullptr,
                nullptr, HARD, 0, n_threads, nullptr, nullptr, labels);
}

void write(const Rows &rows, const double *means, int64_t K) {
    for (int64_t k = 0; k < 2 * K; k++) rows.potentials[k] = 0.0;
    for (int64_t i = 0; i < K * rows.n_features; i++) rows.potentials[2 * K + i] = means[i];
    rows.potentials[2 * K + K * rows.n_features] = 1.0;
}

// Moves K means by steps of k-means and writes the clusters of the rows; whether there was memory.
bool move(const Rows &rows, const double *means, int64_t K, int64_t n_threads, int64_t *labels) {
    int64_t D = rows.n_features;
    write(rows, means, K);
    double *own = rows.potentials + 2 * K;
    for (int64_t step = 0; step < rows.most_moves; step++) {
        if (!sweep(rows.values, 0, rows.n, 0, rows.weights, rows.potentials, K, D, 1, 1, 0, HARD,
                   0, nullptr, n_threads, rows.swept))
            return false;
        const double *count = rows.swept + 1, *first = count + K;
        double farthest = 0.0;
        for (int64_t k = 0; k < K; k++)
            for (int64_t d = 0; d < D && count[k] > 0.0; d++) {
                double moved = first[k * D + d] / count[k], size = moved < 0.0 ? -moved : moved;
                farthest = size > farthest ? size : farthest;
            }
        if (farthest <= rows.close) break;
        for (int64_t k = 0; k < K; k++)
            for (int64_t d = 0; d < D && count[k] > 0.0; d++)
                own[k * D + d] += first[k * D + d] / count[k];
    }
    return assign(rows, K, n_threads, labels);
}

struct Step {
    double cost, kept, lost;
};

// Makes the first merges, as many as leave so many clusters, and numbers these; of merges that cost
// alike but for rounding the first in the order of the rows are made.
void cut(Step *steps, int64_t n, int64_t n_clusters, int64_t *roots, int64_t *numbers) {
    auto places = [](const Step &a, const Step &b) {
        return a.kept != b.kept ? a.kept < b.kept : a.lost < b.lost;
    };
    std::sort(steps, steps + n - 1, [&](const Step &a, const Step &b) {
        return a.cost != b.cost ? a.cost < b.cost : places(a, b);
    });
    int64_t n_steps = n - n_clusters;
    if (n_steps > 0) {
        double most = steps[n_steps - 1].cost;
        int64_t begin = n_steps - 1, end = n_steps;
        while (begin > 0 && steps[begin - 1].cost >= (1.0 - TIE) * most) begin--;
        while (end < n - 1 && steps[end].cost <= (1.0 + TIE) * most) end++;
        std::sort(steps + begin, steps + end, places);
    }
    auto root = [&](int64_t i) {
        while (roots[i] != i) i = roots[i] = roots[roots[i]];
        return i;
    };
    for (int64_t i = 0; i < n; i++) roots[i] = i;
    for (int64_t i = 0; i < n_steps; i++) {
        int64_t one = root(int64_t(steps[i].kept)), other = root(int64_t(steps[i].lost));
        roots[one > other ? one : other] = one < other ? one : other;
    }
    // A root comes before all that lead to it.
    int64_t number = 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t own = root(i);
        numbers[i] = own == i ? number++ : numbers[own];
    }
}

// Numbers clusters by the rows where they appear first.
void number_by_appearance(int64_t *labels, int64_t n, int64_t K, int64_t *numbers) {
    for (int64_t k = 0; k < K; k++) numbers[k] = -1;
    for (int64_t i = 0, next = 0; i < n; i++) {
        int64_t &number = numbers[labels[i]];
        if (number < 0) number = next++;
        labels[i] = number;
    }
}

}  // namespace

// Writes clusters of rows (n, D), each numbered by first appearance: those of splits moved by
// k-means, those of Ward's hierarchy of a few distinct rows, and these moved. `sizes` holds n, D,
// the number of clusters and how many times as many pieces are merged, steps of k-means, the
// numbers of few rows and of the part of the rows that is split, and threads; `positions` say which of the few each row is, unless it is
// null. Returns how many clusterings there are, below zero where there is no memory.
int64_t cluster(const int64_t *sizes, double close, const double *values, const double *weights,
                const double *part, const double *its_weights, const double *few,
                const double *mass, const int64_t *positions, int64_t *labels) {
    int64_t n = sizes[0], D = sizes[1], K = sizes[2], most = K * sizes[3], m = sizes[5];
    int64_t n_threads = sizes[7], n_numbers = most + most * D + 3 * m + (3 + 2 * D) * K + 3;
    n_numbers += 1 + K + K * D + D + 2 * (m > K ? m : K);
    double *room = (double *)std::malloc(size_t(n_numbers) * sizeof(double));
    if (!room) return -1;
    double *masses = room, *means = masses + most, *merges = means + most * D;
    double *potentials = merges + 3 * m, *swept = potentials + (3 + 2 * D) * K + 3;
    int64_t *roots = (int64_t *)(swept + 1 + K + K * D + D), *numbers = roots + (m > K ? m : K);
    Rows rows{values, weights, n, D, K, sizes[4], close, potentials, swept};
    int64_t found = split(part, its_weights, sizes[6], D, most, masses, means);
    bool enough = found > 0;
    if (enough) {
        found = merge(means, masses, found, D, K);
        enough = move(rows, means, found, n_threads, labels);
    }
    int64_t n_found = 1;
    if (enough && m >= K) {
        enough = ward(few, mass, m, D, merges);
        if (enough) {
            cut((Step *)merges, m, K, roots, numbers);
            for (int64_t i = 0; i < K * D; i++) means[i] = 0.0;
            for (int64_t k = 0; k < K; k++) masses[k] = 0.0;
            for (int64_t i = 0; i < m; i++) {
                masses[numbers[i]] += mass[i];
                for (int64_t d = 0; d < D; d++) means[numbers[i] * D + d] += mass[i] * few[i * D + d];
            }
            for (int64_t i = 0; i < K * D; i++) means[i] /= masses[i / D];
            int64_t *own = labels + n;
            for (int64_t i = 0; i < n && positions; i++) own[i] = numbers[positions[i]];
            if (!positions) {
                write(rows, means, K);
                enough = assign(rows, K, n_threads, own);
            }
            enough = enough && move(rows, means, K, n_threads, own + n);
            n_found = 3;
        }
    }
    for (int64_t i = 0; i < n_found && enough; i++)
        number_by_appearance(labels + i * n, n, K, numbers);
    std::free(room);
    return enough ? n_found : -1;
}

}  // namespace MIXTURA_SET
