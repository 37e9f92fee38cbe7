// Clusters split in two, again and again, where that reduces squared distances most.
#include <algorithm>

#include "axes.hpp"
#include "interface.hpp"
#include "threads.hpp"

namespace MIXTURA_SET {

namespace {

// Relative: gains closer than this are equal but for rounding, which must not choose.
constexpr double TIE = 1e-9, EPSILON = 2.220446049250313e-16;

// Places along a direction are held within it: none is past the end of float64, or no number.
constexpr double FARTHEST = 1e300;

// A cluster's rows are `order[begin .. end)`; of those, the first `below` lie below its best cut.
struct Cluster {
    int64_t begin, end, below;
    double mass, gain;
};

// Where rows vary equally in several directions, makes `direction` the one of these in which they
// are flattest: that of least sum of w |y|^2 y y^T over centred rows y in the space of these
// directions. Room: 3 D D + D numbers.
void flatten(const double *values, const double *weights, int64_t D, const Cluster &cluster,
             const double *mean, const int64_t *own, const double *matrix, const double *vectors,
             int64_t longest, double *direction, double *room) {
    double *space = room, *fourth = space + D * D, *turned = fourth + D * D, *y = turned + D * D;
    int64_t n_longest = 0;
    for (int64_t j = 0; j < D; j++) n_longest += is_longest(matrix, D, longest, j);
    if (n_longest < 2) return;
    for (int64_t i = 0; i < D * D; i++) fourth[i] = space[i] = 0.0;
    for (int64_t j = 0; j < D; j++)
        for (int64_t i = 0; i < D * D && is_longest(matrix, D, longest, j); i++)
            space[i] = fma(vectors[i / D * D + j], vectors[i % D * D + j], space[i]);
    for (int64_t i = cluster.begin; i < cluster.end; i++) {
        int64_t row = own[i - cluster.begin];
        double square = 0.0;
        for (int64_t d = 0; d < D; d++) {
            double sum = 0.0;
            for (int64_t e = 0; e < D; e++)
                sum = fma(space[d * D + e], values[row * D + e] - mean[e], sum);
            y[d] = sum;
            square = fma(sum, sum, square);
        }
        for (int64_t d = 0; d < D; d++) {
            double part = weights[row] * square * y[d];
            for (int64_t e = 0; e <= d; e++)
                fourth[d * D + e] = fma(part, y[e], fourth[d * D + e]);
        }
    }
    double trace = 0.0;
    for (int64_t d = 0; d < D; d++) trace += fourth[d * D + d];
    if (!(trace < __builtin_inf())) return;
    // Its smallest eigenvalue in that space becomes the largest of all.
    for (int64_t d = 0; d < D; d++)
        for (int64_t e = 0; e <= d; e++)
            space[d * D + e] = space[e * D + d] = trace * space[d * D + e] - fourth[d * D + e];
    long_axis(space, D, turned, direction);
}

// Finds the best cut of a cluster across its longest direction, and puts the rows below it first.
// Room: 5 D D + 3 D numbers, and three for each row.
void examine(const double *values, const double *weights, int64_t D, Cluster &cluster,
             double *mean, int64_t *order, double *room) {
    int64_t n = cluster.end - cluster.begin, *own = order + cluster.begin;
    double *matrix = room, *vectors = matrix + D * D, *direction = vectors + D * D;
    double *centred = direction + D, *spare = centred + D;
    double *projected = spare + 3 * D * D + D, *gains = projected + n;
    double mass = 0.0;
    for (int64_t d = 0; d < D; d++) mean[d] = 0.0;
    for (int64_t i = 0; i < n; i++) {
        mass += weights[own[i]];
        for (int64_t d = 0; d < D; d++) mean[d] += weights[own[i]] * values[own[i] * D + d];
    }
    for (int64_t d = 0; d < D && !(mass > 0.0); d++)
        for (int64_t i = 0; i < n; i++) mean[d] += values[own[i] * D + d];
    for (int64_t d = 0; d < D; d++) mean[d] /= mass > 0.0 ? mass : double(n);
    for (int64_t i = 0; i < D * D; i++) matrix[i] = 0.0;
    for (int64_t i = 0; i < n; i++) {
        for (int64_t d = 0; d < D; d++) centred[d] = values[own[i] * D + d] - mean[d];
        for (int64_t d = 0; d < D; d++) {
            double part = weights[own[i]] * centred[d];
            for (int64_t e = 0; e <= d; e++)
                matrix[d * D + e] = fma(part, centred[e], matrix[d * D + e]);
        }
    }
    for (int64_t d = 0; d < D; d++)
        for (int64_t e = 0; e < d; e++) matrix[e * D + d] = matrix[d * D + e];
    direction[0] = 1.0;
    if (D > 1) {
        int64_t longest = long_axis(matrix, D, vectors, direction);
        flatten(values, weights, D, cluster, mean, own, matrix, vectors, longest, direction, spare);
    }
    for (int64_t i = 0; i < n; i++) {
        double sum = 0.0;
        for (int64_t d = 0; d < D; d++) {
            double apart = values[own[i] * D + d] - mean[d];
            sum = fma(apart, direction[d], sum);
        }
        projected[i] = sum < FARTHEST ? sum > -FARTHEST ? sum : -FARTHEST : FARTHEST;
    }
    // Sorted by the projection, then by position: a row's number of its own settles ties.
    int64_t *sorted = (int64_t *)(gains + n);
    for (int64_t i = 0; i < n; i++) sorted[i] = i;
    std::sort(sorted, sorted + n, [&](int64_t a, int64_t b) {
        return projected[a] < projected[b] || (projected[a] == projected[b] && a < b);
    });
    cluster.mass = mass;
    cluster.gain = 0.0;
    cluster.below = n;
    double whole = 0.0, furthest = 0.0;
    for (int64_t i = 0; i < n; i++) {
        double size = projected[i] < 0.0 ? -projected[i] : projected[i];
        furthest = size > furthest ? size : furthest;
        whole += weights[own[sorted[i]]] * projected[sorted[i]];
    }
    double resolution = 8.0 * EPSILON * furthest, low = 0.0, moment = 0.0, best = -1.0;
    for (int64_t i = 0; i + 1 < n; i++) {
        double weight = weights[own[sorted[i]]], at = projected[sorted[i]];
        low += weight;
        moment += weight * at;
        double high = mass - low, excess = moment * mass - low * whole;
        bool parted = projected[sorted[i + 1]] - at > resolution;
        gains[i] = -1.0;
        if (parted && low > 0.0 && high > TIE * mass) gains[i] = excess * excess / (mass * low * high);
        best = gains[i] > best ? gains[i] : best;
    }
    if (!(best >= 0.0)) return;
    int64_t cut = 0;
    while (!(gains[cut] >= (1.0 - TIE) * best)) cut++;
    cluster.gain = gains[cut];
    // Rows keep their order on either side.
    double highest = projected[sorted[cut]];
    int64_t *kept = sorted, below = 0;
    for (int64_t i = 0; i < n; i++)
        if (projected[i] <= highest) kept[below++] = own[i];
    int64_t above = below;
    for (int64_t i = 0; i < n; i++)
        if (projected[i] > highest) kept[above++] = own[i];
    for (int64_t i = 0; i < n; i++) own[i] = kept[i];
    cluster.below = below;
}

}  // namespace

// Splits rows (n, D) of given weights into at most so many clusters; writes masses (most,) and
// means (most, D) in their order. Returns how many there are, below zero where there is no memory.
int64_t split(const double *values, const double *weights, int64_t n, int64_t n_features,
              int64_t most, double *masses, double *means) {
    int64_t D = n_features, room_of_clusters = most * (int64_t(sizeof(Cluster)) / 8);
    int64_t examined = 5 * D * D + 3 * D + 3 * n;
    double *room = threads::room(threads::RUN, examined + n + room_of_clusters);
    if (!room) return -1;
    int64_t *order = (int64_t *)(room + examined);
    Cluster *clusters = (Cluster *)(order + n);
    for (int64_t i = 0; i < n; i++) order[i] = i;
    int64_t number = 1;
    clusters[0] = {0, n, n, 0.0, 0.0};
    examine(values, weights, D, clusters[0], means, order, room);
    while (number < most) {
        double best = 0.0;
        for (int64_t k = 0; k < number; k++)
            best = clusters[k].gain > best ? clusters[k].gain : best;
        if (!(best > 0.0)) break;
        int64_t chosen = 0;
        while (!(clusters[chosen].gain >= (1.0 - TIE) * best)) chosen++;
        for (int64_t k = number; k > chosen + 1; k--) {
            clusters[k] = clusters[k - 1];
            for (int64_t d = 0; d < D; d++) means[k * D + d] = means[(k - 1) * D + d];
        }
        Cluster parted = clusters[chosen];
        clusters[chosen] = {parted.begin, parted.begin + parted.below, 0, 0.0, 0.0};
        clusters[chosen + 1] = {parted.begin + parted.below, parted.end, 0, 0.0, 0.0};
        for (int64_t k = chosen; k < chosen + 2; k++)
            examine(values, weights, D, clusters[k], means + k * D, order, room);
        number++;
    }
    for (int64_t k = 0; k < number; k++) masses[k] = clusters[k].mass;
    return number;
}

}  // namespace MIXTURA_SET
