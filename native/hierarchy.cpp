// Ward's hierarchical clustering along chains of nearest neighbours.
#include "interface.hpp"
#include "lanes.hpp"
#include "threads.hpp"

namespace MIXTURA_SET {

namespace {

// Relative: costs closer than this are equal but for rounding, which must not choose.
constexpr double TIE = 1e-9;
constexpr double INFINITE = __builtin_inf();
// Costs are held below it: past the end of float64 all are alike, and none is that of no cluster.
constexpr double LARGEST = 1e300;

double lowest(const double *row, int64_t n) {
    Lanes least = splat(INFINITE);
    for (int64_t i = 0; i < n; i += LANES) {
        Lanes x = load(row + i);
        least = where_greater(least, x, x, least);
    }
    double parts[LANES], found = INFINITE;
    store(parts, least);
    for (double part : parts) found = part < found ? part : found;
    return found;
}

}  // namespace

// Writes cost, kept and lost position of each of the n - 1 merges of rows (n, D) of given masses,
// in the order in which the chains find them. Returns whether there was memory.
int64_t ward(const double *values, const double *mass, int64_t n, int64_t n_features,
             double *steps) {
    int64_t stride = (n + LANES - 1) / LANES * LANES;
    double *costs = threads::room(threads::RUN, n * stride + 4 * stride + LANES);
    if (!costs) return 0;
    double *size = costs + n * stride, *gone = size + stride, *chain = gone + stride;
    for (int64_t i = 0; i < n; i++) {
        double *row = costs + i * stride;
        for (int64_t j = 0; j < stride; j++) row[j] = j < n ? 0.0 : INFINITE;
        for (int64_t j = 0; j < n; j++) {
            double sum = 0.0;
            for (int64_t d = 0; d < n_features; d++) {
                double apart = values[i * n_features + d] - values[j * n_features + d];
                sum += apart * apart;
            }
            double cost = sum * (mass[i] * mass[j] / (mass[i] + mass[j]));
            row[j] = cost < LARGEST ? cost : LARGEST;
        }
        row[i] = INFINITE;
        size[i] = mass[i];
        gone[i] = 0.0;
    }
    for (int64_t i = n; i < stride; i++) size[i] = 1.0;
    int64_t length = 0, first = 0;
    for (int64_t step = 0; step < n - 1;) {
        if (length == 0) {
            while (gone[first] != 0.0) first++;
            chain[length++] = double(first);
        }
        int64_t last = int64_t(chain[length - 1]);
        double *row = costs + last * stride, least = (1.0 + TIE) * lowest(row, n);
        int64_t before = length > 1 ? int64_t(chain[length - 2]) : -1;
        if (before < 0 || row[before] > least) {
            int64_t nearest = 0;
            while (row[nearest] > least) nearest++;
            chain[length++] = double(nearest);
            continue;
        }
        length -= 2;
        int64_t kept = last < before ? last : before, lost = last < before ? before : last;
        double *own = costs + kept * stride, *other = costs + lost * stride, cost = own[lost];
        steps[3 * step] = cost;
        steps[3 * step + 1] = double(kept);
        steps[3 * step + 2] = double(lost);
        step++;
        // Costs of a merged cluster follow from those of its parts (Lance and Williams).
        double together = size[kept] + size[lost];
        Lanes a = splat(size[kept]), b = splat(size[lost]), c = splat(cost), t = splat(together);
        for (int64_t i = 0; i < stride; i += LANES) {
            Lanes s = load(size + i), before = load(own + i), most = splat(LARGEST);
            Lanes merged = ((a + s) * before + (b + s) * load(other + i) - s * c) / (t + s);
            merged = where_greater(most, merged, merged, most);
            store(own + i, where_greater(splat(INFINITE), before, merged, before));
        }
        own[kept] = own[lost] = INFINITE;
        for (int64_t i = 0; i < n; i++) {
            costs[i * stride + kept] = own[i];
            costs[i * stride + lost] = INFINITE;
        }
        for (int64_t i = n; i < stride; i++) own[i] = INFINITE;
        for (int64_t i = 0; i < stride; i++) other[i] = INFINITE;
        size[kept] = together;
        gone[lost] = 1.0;
        // Where costs are alike but for rounding, a chain can meet itself.
        while (length > 0 && gone[int64_t(chain[length - 1])] != 0.0) length--;
    }
    return 1;
}

}  // namespace MIXTURA_SET
