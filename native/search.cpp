// Starts sought in one call: short runs of EM from clusterings, and relocations of the best ends.
#include <cstdlib>

#include "interface.hpp"
#include "relocation.hpp"

namespace MIXTURA_SET {

namespace {

constexpr int64_t MOST_RUNS = 8;

// What `Searcher` states in Python, as numbers.
struct Plan {
    int64_t n_starts, from_labels, n_kept, n_improved, most_trials, n_rounds;
    int64_t relocation_steps, trial_steps, lasting_steps, scale_rounds, scale_steps;
    int64_t n_runs, steps[MOST_RUNS];
    double factor, settled, slack, least_gain, hopeless, same, fewest, scale_rest;
};

struct Search {
    Sample sample;
    Guide guide;
    Plan plan;
    Relocations moves;
    End *ends, trial, lasting, spare;
    int64_t *order, *left, *labels, *matched;
    double *counts, *costs, *potentials, *swept;
    // Whether ends must keep rows of some width in all components.
    bool has_memory = true, is_strict = false;

    void place(Layout &layout) {
        const Frame &f = guide.frame;
        const Structure &s = f.s;
        int64_t K = s.n_components, n_moments = s.is_matrix ? s.n_features * s.n_features
                                                            : s.n_features;
        guide.room = layout.take<double>(Guide::room_size(f));
        ends = layout.take<End>(plan.n_starts);
        for (int64_t i = 0; i < plan.n_starts; i++) {
            double *numbers = layout.take<double>(f.size());
            if (layout.at) ends[i].numbers = numbers, ends[i].is_led = false;
        }
        trial.numbers = layout.take<double>(f.size());
        spare.numbers = layout.take<double>(f.size());
        lasting.numbers = layout.take<double>(f.size());
        order = layout.take<int64_t>(plan.n_starts);
        left = layout.take<int64_t>(plan.n_starts);
        labels = layout.take<int64_t>(plan.n_starts * sample.n);
        matched = layout.take<int64_t>(3 * (K + 1));
        counts = layout.take<double>(K * K);
        costs = layout.take<double>(3 * (K + 1));
        potentials = layout.take<double>(2 * K + s.n_first() + s.n_second());
        swept = layout.take<double>(1 + K + s.n_first() + s.n_factors * n_moments);
        moves.guide = guide;
        moves.sample = sample;
        moves.has_memory = true;
        moves.place(layout);
    }

    bool lead(End &end, int64_t n_steps) {
        if (!guide.lead(sample, end, n_steps, plan.factor, plan.settled)) has_memory = false;
        return has_memory;
    }

    // Writes the statistics of rows whose components are known, about their own means.
    bool assign(const int64_t *known, const double *centre, const End &to) {
        const Structure &s = guide.frame.s;
        int64_t K = s.n_components, D = s.n_features, LABELLED = 4;
        Moments m = to.moments(guide.frame);
        for (int64_t i = 0; i < 2 * K + s.n_first() + s.n_second(); i++) potentials[i] = 0.0;
        double *means = potentials + 2 * K;
        for (int64_t i = 0; i < s.n_first(); i++) means[i] = centre[i % D];
        for (int64_t pass = 0; pass < 2; pass++) {
            if (!sweep(sample.values, sample.single, sample.n, 0, sample.weights, potentials, K, D,
                       s.n_factors, s.width, s.is_matrix, LABELLED, 0, known,
                       sample.threads_for(s), swept))
                return has_memory = false;
            for (int64_t i = 0; i < K + s.n_first() + s.n_second(); i++)
                to.statistics()[i] = swept[1 + i] * plan.factor;
            for (int64_t i = 0; i < s.n_first(); i++) m.pivot[i] = means[i];
            for (int64_t k = 0; k < K; k++)
                for (int64_t d = 0; d < D && m.count[k] > 0.0; d++)
                    means[k * D + d] += m.first[k * D + d] / m.count[k];
        }
        return true;
    }

    // Orders ends by falling merit, the earlier of equals first; those of no use are left out.
    int64_t rank(int64_t n) {
        int64_t n_left = 0, n_ranked = 0;
        for (int64_t i = 0; i < n; i++)
            if (ends[i].is_of_use()) left[n_left++] = i;
        while (n_left > 0) {
            double best = -__builtin_inf();
            for (int64_t i = 0; i < n_left; i++)
                best = ends[left[i]].merit > best ? ends[left[i]].merit : best;
            int64_t chosen = 0;
            while (chosen + 1 < n_left && !(ends[left[chosen]].merit >= best - plan.slack))
                chosen++;
            order[n_ranked++] = left[chosen];
            for (int64_t i = chosen; i + 1 < n_left; i++) left[i] = left[i + 1];
            n_left--;
        }
        return n_ranked;
    }

    // Puts ends in the order that `rank` found, `n` of them.
    void arrange(int64_t n) {
        for (int64_t i = 0; i < n; i++) left[i] = order[i];
        for (int64_t i = 0; i < n; i++) {
            int64_t from = left[i];
            End held = ends[i];
            ends[i] = ends[from];
            ends[from] = held;
            for (int64_t j = i + 1; j < n; j++)
                if (left[j] == i) left[j] = from;
        }
    }

    bool label(const End &end, int64_t *to) {
        const Structure &s = guide.frame.s;
        const Frame &f = guide.frame;
        for (int64_t i = 0; i < sample.n; i++) to[i] = 0;
        if (!write_potentials(s, end.parameters(f), end.means(f), end.covariances(f), potentials,
                              guide.room))
            return true;
        int64_t HARD = 1;
        if (!tell(sample.values, sample.single, sample.n, 0, potentials, s.n_components,
                  s.n_features, s.n_factors, s.width, s.is_matrix, nullptr, nullptr, HARD, 0,
                  sample.threads_for(s), nullptr, nullptr, to))
            return has_memory = false;
        return true;
    }

    // The share of the rows' weight that two partitions group otherwise, however they number.
    double share_apart(const int64_t *one, const int64_t *other) {
        int64_t K = guide.frame.s.n_components;
        double total = 0.0;
        for (int64_t i = 0; i < K * K; i++) counts[i] = 0.0;
        for (int64_t i = 0; i < sample.n; i++) {
            double weight = sample.weights ? sample.weights[i] : 1.0;
            counts[one[i] * K + other[i]] += weight;
            total += weight;
        }
        return total > 0.0 ? 1.0 - most_alike() / total : 0.0;
    }

    // The largest sum of counts, one in each row and column: shortest augmenting paths
    // [Kuhn1955]_, [JonkerVolgenant1987]_.
    double most_alike() {
        int64_t K = guide.frame.s.n_components;
        double *row = costs, *column = row + K + 1, *least = column + K + 1;
        int64_t *owner = matched, *before = owner + K + 1, *seen = before + K + 1;
        for (int64_t j = 0; j <= K; j++) row[j] = column[j] = 0.0, owner[j] = K;
        for (int64_t i = 0; i < K; i++) {
            // Column K stands for the row that has none yet.
            owner[K] = i;
            for (int64_t j = 0; j <= K; j++) least[j] = __builtin_inf(), seen[j] = 0;
            int64_t at = K;
            while (owner[at] < K) {
                seen[at] = 1;
                double step = __builtin_inf();
                int64_t from = owner[at], next = K;
                for (int64_t j = 0; j < K; j++) {
                    if (seen[j]) continue;
                    double cost = -counts[from * K + j] - row[from] - column[j];
                    if (cost < least[j]) least[j] = cost, before[j] = at;
                    if (least[j] < step) step = least[j], next = j;
                }
                if (next == K) return 0.0;  // weights beyond float64
                for (int64_t j = 0; j <= K; j++) {
                    if (seen[j]) row[owner[j]] += step, column[j] -= step;
                    else least[j] -= step;
                }
                at = next;
            }
            for (; at != K; at = before[at]) owner[at] = owner[before[at]];
        }
        double sum = 0.0;
        for (int64_t j = 0; j < K; j++) sum += counts[owner[j] * K + j];
        return sum;
    }

    // Keeps at most so many of the best ends, which group rows differently; returns how many.
    int64_t different(int64_t n, int64_t most) {
        int64_t n_ranked = rank(n), n_kept = 0;
        arrange(n_ranked);
        for (int64_t i = 0; i < n_ranked && n_kept < most && has_memory; i++) {
            int64_t *own = labels + n_kept * sample.n;
            if (!label(ends[i], own)) return 0;
            bool is_new = true;
            for (int64_t j = 0; j < n_kept && is_new; j++)
                is_new = share_apart(own, labels + j * sample.n) > plan.same;
            if (!is_new) continue;
            End held = ends[n_kept];
            ends[n_kept] = ends[i];
            ends[i] = held;
            n_kept++;
        }
        return n_kept;
    }

    // Whether an end has no more components of too few rows than another.
    bool is_sound(const End &end, const End &other) const {
        if (!guide.counts_density()) return true;
        int64_t K = guide.frame.s.n_components, few = 0;
        double total = 0.0, least = double(guide.frame.s.n_features) + 0.5;
        for (int64_t k = 0; k < K; k++) total += end.statistics()[k];
        least = total * plan.fewest / double(K) < least ? total * plan.fewest / double(K) : least;
        for (int64_t k = 0; k < K; k++)
            few += (end.statistics()[k] < least) - (other.statistics()[k] < least);
        return few <= 0;
    }

    // Whether no component collapses in the steps after an end.
    bool lasts(const End &end) {
        if (!guide.may_collapse()) return true;
        copy(guide.frame, end, lasting);
        if (!lead(lasting, plan.lasting_steps) || !lasting.is_of_use()) return false;
        return !is_strict || !guide.has_vanished(lasting);
    }

    // Whether a relocation leads to where it is better. It is given up where the limit of its
    // first gains, as a geometric series, is no better.
    bool is_better(const End &end, const Promise &promise) {
        double wanted = end.merit + (plan.least_gain > plan.slack ? plan.least_gain : plan.slack);
        copy(guide.frame, end, trial);
        moves.relocate(promise, plan.factor, trial);
        double merits[3];
        for (int64_t i = 0; i < 3; i++) {
            if (!lead(trial, i ? 1 : plan.trial_steps - 2) || !trial.is_of_use()) return false;
            merits[i] = trial.merit;
        }
        double first = merits[1] - merits[0], second = merits[2] - merits[1];
        double rate = first > 0.0 ? second / first : 0.0;
        double rest = second > 0.0 ? second * rate / (1.0 - rate) : 0.0;
        if (rate < 1.0 && trial.merit + rest <= wanted) return false;
        if (!lead(trial, plan.relocation_steps - plan.trial_steps)) return false;
        return trial.merit > wanted && is_sound(trial, end) && lasts(trial);
    }

    // Relocates components as long as that gains.
    void improve(End &end) {
        const Structure &s = guide.frame.s;
        for (int64_t round = 0; s.n_components > 1 && round < plan.n_rounds; round++) {
            if (!moves.find(end, plan.factor)) has_memory = moves.has_memory;
            bool found = false;
            for (int64_t i = 0; i < plan.most_trials && has_memory && !found; i++) {
                const Promise *promise = moves.following();
                if (!promise) break;
                found = promise->gain > plan.hopeless && is_better(end, *promise);
            }
            if (!found) return;
            End held = end;
            end = trial;
            trial = held;
        }
    }

    // Returns how many ends there are, the best first.
    int64_t run(const int64_t *known) {
        int64_t n = plan.n_starts, D = guide.frame.s.n_features;
        if (plan.from_labels) {
            double *centre = moves.alone, count;
            for (int64_t d = 0; d < D; d++) centre[d] = moves.value(sample, 0, d);
            for (int64_t pass = 0; pass < 2; pass++) {
                double *first = moves.whole, *second = first + D;
                if (!moves.sum(sample, centre, &count, first, second)) return -1;
                if (!(count > 0.0)) return 0;
                for (int64_t d = 0; d < D; d++) centre[d] += first[d] / count;
            }
            // Clusters that are almost alike lead to the same end: the first of them is enough.
            n = 0;
            for (int64_t i = 0; i < plan.n_starts; i++) {
                const int64_t *own = known + i * sample.n;
                bool is_new = true;
                for (int64_t j = 0; j < n && is_new; j++)
                    is_new = share_apart(own, known + left[j] * sample.n) > plan.same;
                if (!is_new) continue;
                left[n] = i;
                if (!assign(own, centre, ends[n++])) return -1;
            }
        }
        for (int64_t run = 0; run < plan.n_runs; run++) {
            if (run) n = different(n, run > 1 ? plan.n_kept : n);
            for (int64_t i = 0; i < n && has_memory; i++) lead(ends[i], plan.steps[run]);
        }
        if (!has_memory) return -1;
        int64_t n_known = n;
        n = plan.from_labels ? different(n, plan.n_kept) : chosen(n);
        if (!plan.from_labels && n > 0) {
            n = improved_of_known(n_known);
        } else {
            for (int64_t i = 0; i < smaller(n, plan.n_improved) && has_memory; i++)
                improve(ends[i]);
        }
        if (!has_memory) return -1;
        n = rank(n);
        arrange(n);
        if (n > 0 && guide.frame.is_elicited && !settle(ends[0])) return -1;
        return n > 0 && ends[0].is_of_use() ? n : 0;
    }

    // Relocates components of the one of known ends that was chosen. A way through components
    // without any width may lead to a sound end; where it does not, another one is gone. Returns
    // whether there is an end.
    int64_t improved_of_known(int64_t n_known) {
        copy(guide.frame, ends[0], spare);
        if (plan.n_improved > 0) improve(ends[0]);
        if (!has_memory) return 0;
        is_strict = guide.may_vanish();
        if (is_strict && !lasts(ends[0]) && has_memory) {
            copy(guide.frame, spare, ends[0]);
            if (chosen(n_known) && plan.n_improved > 0) improve(ends[0]);
        }
        is_strict = false;
        return ends[0].is_of_use();
    }

    // Takes steps until the scale has come to rest, so that the way there does not show; whether
    // there was memory.
    bool settle(End &end) {
        const Frame &f = guide.frame;
        double *within = end.within(f), *scale = within_of(f, within).scale;
        double *before = moves.columns;
        for (int64_t round = 0; round < plan.scale_rounds && end.is_of_use(); round++) {
            std::memcpy(before, scale, f.s.per_factor() * sizeof(double));
            within[5] = plan.scale_rest;
            if (!lead(end, plan.scale_steps)) return false;
            within[5] = 0.0;
            double moved = 0.0, size = 0.0;
            for (int64_t i = 0; i < f.s.per_factor(); i++) {
                double change = absolute(scale[i] - before[i]), now = absolute(scale[i]);
                moved = change > moved ? change : moved;
                size = now > size ? now : size;
            }
            if (moved <= plan.scale_rest * size) break;
        }
        return true;
    }

    // Puts the best of ends that were known first, which must be as sound as the first of them.
    int64_t chosen(int64_t n) {
        int64_t n_ranked = rank(n), best = 0;
        for (int64_t i = n_ranked; i-- > 0;)
            if (is_sound(ends[order[i]], ends[0]) && lasts(ends[order[i]])) best = order[i];
        End held = ends[0];
        ends[0] = ends[best];
        ends[best] = held;
        return ends[0].is_of_use();
    }
};

}  // namespace

// Seeks starts in a sample of rows, from clusters (n_starts, N) or from statistics. `sizes` holds
// those of a sweep, how the prior is given, the threads, and a plan of whole numbers; `numbers` a
// plan of others, the prior, the default prior's scale and the covariance of all rows. `ends`
// holds the statistics of starts, if there are any, and takes those of ends with parameters, data
// term, prior and scale, the steps since the extent of all rows was found, and merit. Returns how
// many ends there are; none where more than numbers is needed; below zero where there is no memory.
int64_t search(const void *rows, int64_t single, int64_t n_rows, const double *row_weights,
               const int64_t *sizes, double *numbers, const int64_t *labels, double *ends) {
    const int64_t *at = sizes;
    Search search;
    Structure s{at[0], at[1], at[2], at[3], at[4], at[5]};
    Frame frame{s, at[6], at[7]};
    search.sample = {rows, single, n_rows, row_weights, at[8]};
    at++;
    Plan &plan = search.plan;
    plan = {at[8],  at[9],  at[10], at[11], at[12], at[13], at[14], at[15], at[16],
            at[17], at[18], at[19], {},     numbers[0], numbers[1], numbers[2], numbers[3],
            numbers[4], numbers[5], numbers[6], numbers[7]};
    for (int64_t i = 0; i < plan.n_runs; i++) plan.steps[i] = at[20 + i];
    at += 20 + plan.n_runs;
    const double *r = numbers + 8;
    double since = r[2];
    search.moves.reach = {r[4], r[5], r[6], r[7], r[8], r[9], r[10], r[11], r[12],
                          at[0], at[1], at[2], at[3]};
    const double *prior = r + 13, *covariance = prior + frame.n_prior() + frame.n_within();
    search.guide = {frame, r[0], r[1], r[3], covariance, nullptr};
    Layout layout;
    search.place(layout);
    char *memory = (char *)std::malloc(size_t(layout.used) + 64);
    if (!memory) return -1;
    layout = {(char *)((uintptr_t(memory) + 63) / 64 * 64), 0};
    search.place(layout);
    int64_t size = frame.size();
    for (int64_t i = 0; i < plan.n_starts; i++) {
        End &end = search.ends[i];
        std::memcpy(end.numbers, ends + i * (size + 2), frame.n_statistics() * sizeof(double));
        std::memcpy(end.prior(frame), prior, (size - frame.n_statistics() - frame.n_parameters()) *
                                                 sizeof(double));
        end.since = int64_t(since);
    }
    int64_t n = search.run(labels);
    for (int64_t i = 0; i < n; i++) {
        double *to = ends + i * (size + 2);
        std::memcpy(to, search.ends[i].numbers, size * sizeof(double));
        to[size] = double(search.ends[i].since);
        to[size + 1] = search.ends[i].merit;
    }
    std::free(memory);
    return n;
}

}  // namespace MIXTURA_SET
