// Sweeps over rows that are put into clusters, one at a time.
#include <cstdlib>
#include <cstring>
#include <initializer_list>

#include "clusters.hpp"
#include "interface.hpp"

namespace MIXTURA_SET {
namespace {

// Rows that are weighed at once.
constexpr int TOGETHER = 4;

// The sides of a split.
using Two = Part<2>;

// Hands out parts of one piece of memory; without any, only measures them.
struct Room {
    uintptr_t at;
    template <class T> T *take(int64_t count) {
        T *found = (T *)at;
        at += (size_t(count) * sizeof(T) + 63) / 64 * 64;
        return found;
    }
};

// What does not change from row to row.
struct Given {
    int64_t n_rows;
    const double *rows, *alone;            // log density of each row as a cluster
    const double *log_join, *log_size, *log_new;
    Source source;
};

template <Spread KIND, int SIZE> struct Sweep {
    Given given;
    Clusters<KIND, SIZE> clusters;
    int64_t *labels;
    // Clusters in the order in which they are tried, where each stands, those not in use.
    int64_t *active, *place, *free, n_active, n_free;
    int64_t *counts, *order, *start;
    double *weights, *groups, *empty, *pair, *scores, *ahead, *level;
    int64_t n_ready;  // groups in use, all places of which are written

    Sweep(const Given &given, const Prior &prior, int64_t *labels)
        : given(given), clusters{prior, nullptr, nullptr}, labels(labels) {}

    // Takes the working memory; returns its end.
    uintptr_t lay_out(uintptr_t memory) {
        Room room{memory};
        const int64_t n = given.n_rows, size = clusters.size(), width = clusters.width();
        for (int64_t **part : {&active, &place, &free, &counts, &order, &start})
            *part = room.take<int64_t>(n + 1);
        scores = room.take<double>(TOGETHER * (n + 2 * LANES));
        for (double **part : {&weights, &ahead, &level})
            *part = room.take<double>(n + 2 * LANES);
        clusters.weights = weights;
        clusters.room = room.take<double>(LANES * TOGETHER * size + size * (size + 5) / 2);
        empty = room.take<double>(width);
        pair = room.take<double>(width);
        groups = room.take<double>((n / LANES + 1) * width);
        return room.at;
    }

    double *group_of(int64_t at) const { return groups + at / LANES * clusters.width(); }
    double *column_of(int64_t at) const { return group_of(at) + at % LANES; }
    const double *row(int64_t n) const { return given.rows + n * clusters.size(); }

    void copy(const double *from, double *to) const {
        for (int64_t i = 0; i < clusters.width(); i += LANES) to[i] = from[i];
    }
    void blank(double *column) const {
        for (int64_t i = 0; i < clusters.width(); i += LANES) column[i] = 0.0;
        column[LANES * clusters.WEIGHT] = column[LANES * clusters.WEIGHT_INSIDE] = NEVER;
    }

    // Puts a cluster at the end of the list; returns where.
    int64_t open() {
        int64_t k = free[--n_free], at = n_active++;
        active[at] = k;
        place[k] = at;
        prepare();
        return at;
    }
    // Blanks the group of the place behind the last cluster.
    void prepare() {
        for (; n_ready <= n_active / LANES; n_ready++)
            for (int64_t lane = 0; lane < LANES; lane++) blank(column_of(n_ready * LANES + lane));
    }
    // Takes a cluster out of the list; the last one takes its place.
    void close(int64_t at) {
        free[n_free++] = active[at];
        int64_t last = --n_active;
        active[at] = active[last];
        place[active[at]] = at;
        counts[at] = counts[last];
        if (at != last) copy(column_of(last), column_of(at));
        blank(column_of(last));
    }

    // Adds a row to a cluster, or takes it out of its own.
    void turn(int64_t at, int64_t n, bool joins) {
        counts[at] += joins ? 1 : -1;
        turn(group_of(at), at % LANES, n, joins, counts[at]);
    }
    void turn(double *group, int64_t lane, int64_t n, bool joins, int64_t count) {
        const double *x = row(n);
        // The cluster and its neighbour.
        double *two = group + lane / 2 * 2;
        Two mark = load<Two>(MARK[lane % 2]), inside = joins ? load<Two>(MARK[LANES]) : mark;
        Scored<Two> seen;
        clusters.template score<1>(clusters, two, &x, &inside, &seen);
        clusters.turn(clusters, two, x, mark, seen.grown, joins, count);
    }

    double *scores_of(int64_t r) const { return scores + r * (given.n_rows + 2 * LANES); }

    // Writes running sums of the clusters' weights for R rows, each inside a cluster or in none,
    // from the first of the list to a new one; and what would be left of each row's cluster.
    template <int R, Some V> void weigh_in(int64_t n, const int64_t *inside, double *left) {
        const int64_t width = clusters.width(), last = n_active / LANES;
        const double *x[R];
        V most[R], mark[R], carried[R];
        Scored<V> found[R];
        for (int r = 0; r < R; r++) x[r] = row(n + r), most[r] = splat<V>(NEVER), left[r] = 1.0;
        for (int64_t g = 0; g <= last; g++) {
            // Of a row in no cluster the place is before the first.
            auto lane_of = [&](int64_t at) {
                return at >= 0 && at / LANES == g ? at % LANES : int64_t(LANES);
            };
            for (int r = 0; r < R; r++) mark[r] = load<V>(MARK[lane_of(inside[r])]);
            clusters.template score<R>(clusters, groups + g * width, x, mark, found);
            V behind = load<V>(MARK[lane_of(n_active)]);
            for (int r = 0; r < R; r++) {
                const double fresh = given.log_new[n_active] + given.alone[n + r];
                V score = chosen(behind, splat<V>(fresh), found[r].score);
                store(scores_of(r) + g * LANES, score);
                most[r] = larger(score, most[r]);
                if (lane_of(inside[r]) == LANES) continue;
                double least[LANES];
                store(least, found[r].least);
                left[r] = least[inside[r] % LANES];
            }
        }
        for (int r = 0; r < R; r++) {
            most[r] = splat<V>(highest(most[r]));
            carried[r] = splat<V>(0.0);
        }
        for (int64_t g = 0; g <= last; g++)
            for (int r = 0; r < R; r++) {
                double *to = scores_of(r) + g * LANES;
                V sums = running(exp(load<V>(to) - most[r])) + carried[r];
                carried[r] = splat<V>(last_lane(sums));
                store(to, sums);
            }
    }

    template <int R> void weigh(int64_t n, const int64_t *inside, double *left) {
        if (is_narrow()) weigh_in<R, Part<4>>(n, inside, left);
        else weigh_in<R, Lanes>(n, inside, left);
    }

    // Returns the place that a uniform number falls on.
    template <Some V> int64_t pick_in(int r, double uniform) const {
        const int64_t last = n_active / LANES;
        const double *sums = scores_of(r), mass = sums[last * LANES + WIDTH<V> - 1];
        const V target = splat<V>(uniform * mass), one = splat<V>(1.0), none = splat<V>(0.0);
        V below = none;
        for (int64_t g = 0; g <= last; g++)
            below = below + where_at_least(target, load<V>(sums + g * LANES), one, none);
        int64_t found = int64_t(total(below));
        return found < n_active ? found : n_active;
    }

    int64_t pick(int r, double uniform) const {
        return is_narrow() ? pick_in<Part<4>>(r, uniform) : pick_in<Lanes>(r, uniform);
    }
    // Whether the first four lanes are all that is needed.
    bool is_narrow() const { return n_active < 4; }

    // Puts every row anew, given the others (algorithm 3 of [Neal2000]_).
    //
    // Rows that stay change nothing: several are weighed at once, and anew after one that moves.
    void scan() {
        for (int64_t n = 0; n < given.n_rows; n++) level[n] = given.source.uniform();
        for (int64_t n = 0; n < given.n_rows;) {
            int64_t inside[TOGETHER], together = 0;
            double left[TOGETHER];
            for (; together < TOGETHER && n + together < given.n_rows; together++) {
                inside[together] = place[labels[n + together]];
                if (counts[inside[together]] == 1) break;
            }
            if (together == TOGETHER) {
                weigh<TOGETHER>(n, inside, left);
            } else {
                if (together == 0) close(inside[0]), inside[0] = -1;
                weigh<1>(n, inside, left);
                together = 1;
            }
            bool moved = false;
            for (int r = 0; r < together && !moved; r++, n++) {
                if (!(left[r] > LEAST_LEFT)) {
                    take_out(n, inside[r]);
                    inside[r] = -1;
                    together = 1;
                    weigh<1>(n, inside + r, left + r);
                    moved = move(n, -1, pick(0, level[n]));
                } else {
                    moved = move(n, inside[r], pick(r, level[n]));
                }
            }
        }
    }

    // Finds the cluster of a row anew without it.
    void take_out(int64_t n, int64_t inside) {
        const int64_t old = labels[n];
        int64_t count = 0;
        labels[n] = -1;
        for (int64_t i = 0; i < given.n_rows; i++)
            if (labels[i] == old) order[count++] = i;
        counts[inside] = count;
        clusters.find(given.rows, order, count, group_of(inside), inside % LANES);
    }

    // Puts a row into another place; returns whether it is one.
    bool move(int64_t n, int64_t inside, int64_t to) {
        if (to == inside) return false;
        if (inside >= 0) turn(inside, n, false);
        if (to == n_active) {
            open();
            counts[to] = 0;
            copy(empty, column_of(to));
        }
        turn(to, n, true);
        labels[n] = active[to];
        return true;
    }

    // Writes the other rows of the clusters of two rows in random order; returns their number.
    int64_t others(int64_t first, int64_t second) {
        const int64_t one = labels[first], other = labels[second];
        int64_t total = 0;
        for (int64_t n = 0; n < given.n_rows; n++) {
            order[total] = n;
            total += (labels[n] == one || labels[n] == other) && n != first && n != second;
        }
        for (int64_t k = total - 1; k > 0; k--) {
            int64_t j = given.source.below(k + 1), last = order[k];
            order[k] = order[j];
            order[j] = last;
        }
        return total;
    }

    // Grows both sides of a split in the pair; returns the log probability of that.
    //
    // Drawn where the two rows are together, otherwise the sides that there are. `start` gets the
    // side of each row.
    double grow(int64_t first, int64_t second, int64_t total, int64_t (&sizes)[2]) {
        const bool is_split = labels[first] == labels[second];
        for (int64_t lane = 0; lane < LANES; lane++) copy(empty, pair + lane);
        for (int64_t side = 0; side < 2; side++) {
            sizes[side] = 1;
            turn(pair, side, side ? second : first, true, 1);
        }
        // A row takes the second side if that is ahead by more than the logit of a uniform number.
        if (is_split) {
            for (int64_t m = 0; m < total; m++) level[m] = given.source.uniform();
            for (int64_t m = total; m % LANES; m++) level[m] = 0.5;
            for (int64_t m = 0; m < total; m += LANES) {
                Lanes u = load(level + m);
                store(level + m, log(splat(1.0) - u) - log(u));
            }
        }
        const Two none = load<Two>(MARK[LANES]);
        Scored<Two> found;
        for (int64_t m = 0; m < total; m++) {
            const double *x = row(order[m]);
            double score[LANES];
            clusters.template score<1>(clusters, pair, &x, &none, &found);
            store(score, found.score);
            ahead[m] = score[1] - score[0];
            int64_t side = is_split ? ahead[m] >= level[m] : labels[order[m]] != labels[first];
            start[m] = side;
            sizes[side]++;
            Two mark = load<Two>(MARK[side]);
            clusters.template turn<false>(clusters, pair, x, mark, found.grown, true, sizes[side]);
        }
        for (int64_t side = 0; side < 2; side++)
            clusters.refresh(clusters, pair, load(MARK[side]), sizes[side]);
        for (int64_t m = 0; m < total; m++) ahead[m] = start[m] ? -ahead[m] : ahead[m];
        for (int64_t m = total; m % LANES; m++) ahead[m] = NEVER;
        Lanes sum = splat(0.0), zero = splat(0.0);
        for (int64_t m = 0; m < total; m += LANES) {
            Lanes x = load(ahead + m), size = larger(x, zero - x);
            sum = sum + (larger(x, zero) + log1p(exp(zero - size)));
        }
        return -total_of(sum);
    }
    static double total_of(Lanes x) { return total(x); }

    // Tries to part the cluster of two rows, or to join their two clusters [Dahl2005]_.
    void split_or_merge() {
        const int64_t n_rows = given.n_rows, first = given.source.below(n_rows);
        int64_t second = given.source.below(n_rows - 1);
        second += second >= first;
        const int64_t total = others(first, second);
        const int64_t here = place[labels[first]], there = place[labels[second]];
        int64_t sizes[2];
        const double log_proposal = grow(first, second, total, sizes);
        const double *whole = column_of(here);
        int64_t n_whole = counts[here];
        if (here != there) {
            n_whole = total + 2;
            order[total] = first, order[total + 1] = second;
            clusters.find(given.rows, order, n_whole, pair, 2);
            whole = pair + 2;
        }
        double log_ratio = given.log_new[n_active - (here != there)];
        for (int64_t side = 0; side < 2; side++)
            log_ratio += given.log_size[sizes[side]] + clusters.evidence(pair + side);
        log_ratio -= given.log_size[n_whole] + clusters.evidence(whole);
        const double log_level = log_of_one(1.0 - given.source.uniform());
        if (here == there && log_level < log_ratio - log_proposal) {
            int64_t to = open(), k = active[to];
            copy(pair, column_of(here));
            copy(pair + 1, column_of(to));
            counts[here] = sizes[0], counts[to] = sizes[1];
            labels[second] = k;
            for (int64_t m = 0; m < total; m++)
                if (start[m]) labels[order[m]] = k;
        } else if (here != there && log_level < log_proposal - log_ratio) {
            copy(whole, column_of(here));
            counts[here] = n_whole;
            int64_t to = labels[first], from = labels[second];
            for (int64_t n = 0; n < n_rows; n++) labels[n] = labels[n] == from ? to : labels[n];
            close(there);
        }
    }

    // Numbers clusters in the order of their first rows; returns how many there are.
    int64_t number() {
        const int64_t n_rows = given.n_rows;
        int64_t total = 0;
        for (int64_t k = 0; k < n_rows; k++) free[k] = -1;
        for (int64_t n = 0; n < n_rows; n++) {
            int64_t &rank = free[labels[n]];
            if (rank < 0) rank = total++;
            labels[n] = rank;
        }
        return total;
    }

    // Finds all clusters anew from their rows, and the lists of those in use and not.
    void begin() {
        const int64_t n_rows = given.n_rows;
        n_active = number();
        n_free = n_rows - n_active;
        for (int64_t k = 0; k < n_active; k++) active[k] = place[k] = k, counts[k] = 0;
        for (int64_t k = n_active; k < n_rows; k++) free[n_rows - 1 - k] = k;  // lowest on top
        n_ready = 0;
        prepare();
        for (int64_t n = 0; n < n_rows; n++) counts[labels[n]]++;
        int64_t sum = 0;
        for (int64_t k = 0; k < n_active; k++) start[k] = sum, sum += counts[k];
        for (int64_t n = 0; n < n_rows; n++) order[start[labels[n]]++] = n;
        for (int64_t k = 0; k < n_active; k++) {
            const int64_t *own = order + start[k] - counts[k];
            clusters.find(given.rows, own, counts[k], group_of(k), k % LANES);
        }
    }

    // `plan` has numbers of sweeps, scans and moves, the sweep whose labels are first kept, and
    // how many there are from one that is kept to the next.
    void run(const int64_t *plan, int64_t *kept, double *worth) {
        const int64_t sweeps = plan[0], scans = plan[1], moves = plan[2];
        const int64_t n_rows = given.n_rows;
        // The constant of a row more belongs to the weight of joining.
        for (int64_t n = 0; n <= n_rows; n++)
            weights[n] = given.log_join[n] + clusters.prior.further[n];
        std::memset(empty, 0, size_t(clusters.width()) * sizeof(double));
        clusters.find(given.rows, order, 0, empty, 0);
        for (int64_t sweep = 0; sweep < sweeps; sweep++) {
            begin();
            for (int64_t i = 0; i < scans; i++) scan();
            for (int64_t i = 0; i < moves && n_rows > 1; i++) split_or_merge();
            double result = 0.0;
            for (int64_t k = 0; k < n_active; k++) {
                result += given.log_size[counts[k]] + clusters.evidence(column_of(k));
                result += given.log_new[k];
            }
            worth[sweep] = result;
            number();
            const int64_t later = sweep + 1 - plan[3];
            if (later < 0 || later % plan[4]) continue;
            std::memcpy(kept, labels, size_t(n_rows) * sizeof(int64_t));
            kept += n_rows;
        }
    }
};

template <Spread KIND, int SIZE>
bool run_sweeps(const Given &given, const Prior &prior, const int64_t *plan, int64_t *labels,
                int64_t *kept, double *worth) {
    Sweep<KIND, SIZE> sweep(given, prior, labels);
    // Of memory that is asked for but not touched nothing is taken.
    const size_t bytes = sweep.lay_out(0) + 64;
    void *memory = std::malloc(bytes);
    if (!memory) return false;
    sweep.lay_out(((uintptr_t)memory + 63) / 64 * 64);
    sweep.run(plan, kept, worth);
    std::free(memory);
    return true;
}

}  // namespace

// Replaces labels by those after some sweeps and writes what each was worth, and the labels after
// the sweeps that are kept, (P, N); false without memory.
//
// `sizes` are kind, rows, features, sweeps, scans, moves, the number of the first sweep whose
// labels are kept and how many there are from one to the next; `numbers` what the scale adds before
// any row, locations, shrinkages and shapes (D,) and scale, one after the other; `constants` those
// of a further row and of n rows together, (2, N + 2); `partition` log weights of joining, of sizes
// and of new clusters, (3, N + 1).
int64_t allocate(const int64_t *sizes, const double *rows, const double *numbers,
              const double *constants, const double *partition, const double *alone,
              const void *const *source, int64_t *labels, int64_t *kept, double *worth) {
    const int64_t n = sizes[1], size = sizes[2];
    const double *location = numbers + 1, *shape = location + 2 * size;
    bool alike = true;
    for (int64_t d = 1; d < size; d++) alike = alike && shape[d] == shape[0];
    Prior prior{size,         numbers[0], location,  location + size,      shape,
                shape + size, constants,  constants + n + 2, alike};
    Given given{n, rows, alone, partition, partition + n + 1, partition + 2 * (n + 1),
                Source(source)};
    const int64_t *plan = sizes + 3;
#define RUN(KIND, SIZE) return run_sweeps<KIND, SIZE>(given, prior, plan, labels, kept, worth)
    if (sizes[0] == EACH) RUN(EACH, 0);
    if (sizes[0] == SHARED) RUN(SHARED, 0);
    if (sizes[0] == KNOWN) RUN(KNOWN, 0);
    switch (size) {
        case 2: RUN(FULL, 2);
        case 3: RUN(FULL, 3);
        case 4: RUN(FULL, 4);
        case 5: RUN(FULL, 5);
        case 6: RUN(FULL, 6);
        default: RUN(FULL, 0);
    }
#undef RUN
}

// Adds, for the clusters of P partitions (P, N) one after the other, counts (M,), means (M, D),
// first moments about these and second ones: (M, D, D), sums over the features (M, 1), or (M, D) by
// the kind. `sizes` are kind, rows, features and partitions.
void cluster_moments(const int64_t *sizes, const double *rows, const int64_t *labels,
                     const int64_t *n_clusters, double *count, double *mean, double *first,
                     double *second) {
    const int64_t kind = sizes[0], n = sizes[1], size = sizes[2];
    const int64_t width = kind == FULL ? size * size : kind == SHARED ? 1 : size;
    for (int64_t p = 0; p < sizes[3]; p++, labels += n) {
        for (int64_t i = 0; i < n; i++) {
            count[labels[i]] += 1.0;
            double *to = mean + labels[i] * size;
            for (int64_t d = 0; d < size; d++) to[d] += rows[i * size + d];
        }
        for (int64_t k = 0; k < n_clusters[p]; k++)
            for (int64_t d = 0; d < size; d++) mean[k * size + d] /= count[k];
        for (int64_t i = 0; i < n; i++) {
            const double *x = rows + i * size, *centre = mean + labels[i] * size;
            double *to = first + labels[i] * size, *squares = second + labels[i] * width;
            for (int64_t d = 0; d < size; d++) {
                double apart = x[d] - centre[d];
                to[d] += apart;
                if (kind != FULL) squares[kind == SHARED ? 0 : d] += apart * apart;
                for (int64_t e = 0; kind == FULL && e < size; e++)
                    squares[d * size + e] += apart * (x[e] - centre[e]);
            }
        }
        count += n_clusters[p];
        mean += n_clusters[p] * size;
        first += n_clusters[p] * size;
        second += n_clusters[p] * width;
    }
}

}  // namespace MIXTURA_SET
