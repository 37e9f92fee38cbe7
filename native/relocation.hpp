// Components moved to where they are needed: two are merged and a third one is split.
#pragma once

#include <algorithm>

#include "guides.hpp"

namespace MIXTURA_SET {

// What `relocation` states in Python, as numbers.
struct Reach {
    double half_normal, core, halo, aside, tie, nats, of_cuts, fewest_rows, occupied;
    int64_t local_steps, pairs, recut, overlaps;
};

// Two components in place of one: by how much they describe its rows better, in nats, whether
// neither has collapsed, and the statistics of both.
struct Halves {
    double gain;
    int64_t lasts;
    double *statistics;
};

// What merging two components loses, in nats.
struct Merge {
    double loss;
    int64_t one, other;
};

// A relocation: what it promises to gain, which cut it makes, what is merged, and which component
// the other half takes the place of; promises that are alike keep the order of their numbers.
struct Promise {
    double gain;
    int64_t cut, one, other, replaced, number;
};

// Relocations of one end after the other.
struct Relocations {
    Guide guide;
    Reach reach;
    Sample sample;
    Frame half;  // of two components
    // (N, K), (N,), (N D), (N,), (N,)
    double *shares;
    int64_t *labels;
    char *values;
    double *weights, *densities;
    double *own, *potentials, *swept, *prior, *whole, *alone, *pair, *columns;
    Halves *cuts;
    Merge *merges;
    Promise *promises;
    char *tried_cuts, *tried_pairs;
    int64_t n_promises, next;
    double most;
    bool has_memory;

    static constexpr int64_t WAYS = 3;

    int64_t n_pairs() const {
        int64_t K = guide.frame.s.n_components;
        return K * (K - 1) / 2;
    }
    int64_t n_cuts() const { return WAYS * (guide.frame.s.n_components + reach.recut); }
    int64_t n_cell() const { return sample.single ? 4 : 8; }

    void place(Layout &layout) {
        const Structure &s = guide.frame.s;
        half = guide.frame;
        half.s.n_components = 2;
        half.s.restriction = FREE;
        half.s.n_factors = s.n_factors == 1 && s.n_components > 1 ? 1 : 2;
        half.is_elicited = 0;
        if (guide.frame.is_elicited) half.prior_kind = CONJUGATE;
        int64_t N = sample.n, K = s.n_components, D = s.n_features;
        int64_t n_moments = s.is_matrix ? D * D : D;
        shares = layout.take<double>(N * K);
        labels = layout.take<int64_t>(N);
        values = layout.take<char>(N * D * n_cell());
        weights = layout.take<double>(N);
        densities = layout.take<double>(N);
        own = layout.take<double>(guide.frame.n_statistics());
        potentials = layout.take<double>(2 * K + s.n_first() + larger(K, 2) * n_moments);
        swept = layout.take<double>(1 + K + s.n_first() + larger(K, 2) * n_moments + 2 * D);
        prior = layout.take<double>(guide.frame.n_prior());
        whole = layout.take<double>(1 + 2 * D + 2 * n_moments + s.per_factor());
        alone = layout.take<double>(2 + D + s.per_factor());
        pair = layout.take<double>(half.n_parameters());
        columns = layout.take<double>(K + s.per_factor() + 3 * D * D + 3 * D + 16);
        cuts = layout.take<Halves>(n_cuts());
        for (int64_t i = 0; i < n_cuts(); i++) {
            double *statistics = layout.take<double>(half.n_statistics());
            if (layout.at) cuts[i].statistics = statistics;
        }
        merges = layout.take<Merge>(n_pairs());
        promises = layout.take<Promise>(n_cuts() * larger(reach.pairs, 1));
        tried_cuts = layout.take<char>(n_cuts());
        tried_pairs = layout.take<char>(K * K);
    }

    // Puts the rows of one component, or of two, together.
    Sample part(int64_t one, int64_t other) const {
        int64_t row = guide.frame.s.n_features * n_cell(), n = 0;
        for (int64_t i = 0; i < sample.n; i++) {
            if (labels[i] != one && labels[i] != other) continue;
            if (sample.weights && !(sample.weights[i] > 0.0)) continue;
            std::memcpy(values + n * row, (const char *)sample.values + i * row, row);
            if (sample.weights) weights[n] = sample.weights[i];
            n++;
        }
        return {values, sample.single, n, sample.weights ? weights : nullptr, sample.n_threads};
    }

    double value(const Sample &own, int64_t i, int64_t d) const {
        int64_t place = i * guide.frame.s.n_features + d;
        return own.single ? double(((const float *)own.values)[place])
                          : ((const double *)own.values)[place];
    }

    // Sweeps rows as one component without a shape, about a point; writes count, first and second
    // moments in the structure, but with all variances where it has one for all features.
    bool sum(const Sample &own, const double *centre, double *count, double *first,
             double *second) {
        const Structure &s = guide.frame.s;
        int64_t D = s.n_features, width = s.is_matrix ? s.width : D;
        int64_t n = s.is_matrix ? D * D : D;
        for (int64_t i = 0; i < 2 + D + n; i++) potentials[i] = 0.0;
        for (int64_t d = 0; d < D; d++) potentials[2 + d] = centre[d];
        Structure one{1, D, 1, width, s.is_matrix};
        if (!sweep(own.values, own.single, own.n, 0, own.weights, potentials, 1, D, 1, width,
                   s.is_matrix, 0, 0, nullptr, own.threads_for(one), swept))
            return has_memory = false;
        *count = swept[1];
        for (int64_t d = 0; d < D; d++) first[d] = swept[2 + d];
        for (int64_t i = 0; i < n; i++) second[i] = swept[2 + D + i];
        return true;
    }

    // Finds the ways to cut some rows in two, after a few steps of EM, at most three of them.
    bool halves(const Sample &own, Halves *found) {
        const Structure &s = guide.frame.s;
        int64_t D = s.n_features, n = s.is_matrix ? D * D : D, size = s.per_factor();
        for (int64_t way = 0; way < WAYS; way++) found[way].gain = 0.0, found[way].lasts = 0;
        double total = double(own.n);
        if (own.weights) {
            total = 0.0;
            for (int64_t i = 0; i < own.n; i++) total += own.weights[i];
        }
        if (!(total >= reach.fewest_rows)) return true;
        double *first = whole + 1, *second = first + D, *pivot = second + n, *centre = pivot + D;
        for (int64_t d = 0; d < D; d++) pivot[d] = value(own, 0, d);
        for (int64_t pass = 0; pass < 2; pass++) {
            if (pass)
                for (int64_t d = 0; d < D; d++) pivot[d] += first[d] / whole[0];
            if (!sum(own, pivot, whole, first, second)) return false;
        }
        if (size < n && !s.is_matrix)
            for (int64_t d = 1; d < D; d++) second[0] += second[d];
        // One component, and how well it describes the rows.
        Structure single{1, D, 1, s.width, s.is_matrix};
        Prior of = prior_of(half, prior);
        Moments moments{whole, first, second, pivot};
        double *mean = alone + 1, *covariance = mean + D, unit = 1.0;
        auto mode = half.prior_kind == FLAT ? flat_mode : conjugate_mode;
        if (!mode(single, moments, of, mean, covariance, guide.room)) return true;
        if (!write_potentials(single, &unit, mean, covariance, potentials, guide.room)) return true;
        if (!tell(own.values, own.single, own.n, 0, potentials, 1, D, 1, s.width, s.is_matrix,
                  nullptr, nullptr, 0, 0, own.threads_for(single), nullptr, densities, nullptr))
            return has_memory = false;
        double height = 0.0;
        for (int64_t i = 0; i < own.n; i++)
            height += own.weights ? own.weights[i] * densities[i] : densities[i];
        for (int64_t way = 0; way < WAYS; way++) {
            // Components that share a covariance have no core and halo.
            if (way == 2 && half.s.n_factors == 1) break;
            double *statistics = found[way].statistics;
            if (way == 0) across(*whole, mean, covariance, second, statistics);
            if (way == 1) aside(own, *whole, mean, second, centre, statistics);
            if (way == 2) around(*whole, mean, second, statistics);
            if (!climbed(own, height, found[way])) return false;
        }
        return true;
    }

    bool climbed(const Sample &own, double height, Halves &found) {
        const Structure &s = half.s;
        int64_t n = reach.local_steps;
        double *within = nullptr;
        int64_t taken = ascend(own.values, own.single, own.n, own.weights, 2, s.n_features,
                               s.n_factors, s.width, s.is_matrix, s.restriction, 0, half.prior_kind,
                               prior, within, n, 1.0, -1.0, own.threads_for(s), found.statistics, pair);
        if (taken < 0) return has_memory = false;
        bool is_whole = taken >= n;
        double gain = pair[half.n_parameters() - 1] - height;
        bool is_finite = is_whole && gain > -1e300 && gain < 1e300;
        found.gain = is_finite ? gain : __builtin_inf();
        found.lasts = is_finite;
        const double *covariances = pair + 2 + s.n_first();
        if (guide.may_collapse() && is_finite)
            found.lasts = !guide.has_collapsed(s, covariances, prior_of(half, prior));
        return true;
    }

    // Writes statistics of two components of equal counts about their own means.
    void write(double total, const double *means, const double *apart, const double *second,
               double one, double other, double *to) const {
        const Structure &s = half.s;
        int64_t D = s.n_features, size = s.per_factor();
        double *first = to + 2, *moments = first + 2 * D, *pivot = moments + s.n_second();
        to[0] = to[1] = 0.5 * total;
        for (int64_t d = 0; d < D; d++) {
            first[d] = first[D + d] = 0.0;
            pivot[d] = means[d] + apart[d];
            pivot[D + d] = means[d] - apart[d];
        }
        for (int64_t i = 0; i < size; i++) {
            moments[i] = s.n_factors == 2 ? one * second[i] : second[i];
            if (s.n_factors == 2) moments[size + i] = other * second[i];
        }
    }

    // Two halves on either side of the longest direction.
    void across(double total, const double *mean, const double *covariance, const double *second,
                double *to) {
        const Structure &s = half.s;
        int64_t D = s.n_features;
        double *step = columns, *left = step + D, *matrix = left + s.per_factor();
        if (s.is_matrix) {
            for (int64_t i = 0; i < D * D; i++) matrix[i] = covariance[i];
            int64_t longest = long_axis(matrix, D, matrix + D * D, step);
            double largest = matrix[longest * D + longest];
            double length = square_root(largest > 0.0 ? largest : 0.0);
            for (int64_t d = 0; d < D; d++) step[d] *= length * reach.half_normal;
        } else {
            int64_t longest = 0;
            for (int64_t d = 1; d < s.width; d++)
                if (covariance[d] > covariance[longest]) longest = d;
            for (int64_t d = 0; d < D; d++) step[d] = 0.0;
            step[longest] = reach.half_normal * square_root(covariance[longest]);
        }
        for (int64_t i = 0; i < s.per_factor(); i++) left[i] = second[i];
        for (int64_t d = 0; d < D; d++) {
            if (!s.is_matrix) left[s.width == D ? d : 0] -= total * step[d] * step[d];
            for (int64_t e = 0; s.is_matrix && e < D; e++)
                left[d * D + e] -= total * step[d] * step[e];
        }
        write(total, mean, step, left, 0.5, 0.5, to);
    }

    // The whole and a narrow component about its farthest row.
    void aside(const Sample &own, double total, const double *mean, const double *second,
               double *farthest, double *to) {
        const Structure &s = half.s;
        int64_t D = s.n_features;
        double lowest = __builtin_inf();
        for (int64_t i = 0; i < own.n; i++)
            lowest = densities[i] < lowest ? densities[i] : lowest;
        double most = lowest + reach.tie * (1.0 + absolute(lowest));
        int64_t chosen = -1;
        for (int64_t i = 0; i < own.n; i++) {
            if (!(densities[i] <= most)) continue;
            bool is_first = chosen < 0;
            for (int64_t d = 0; d < D && !is_first; d++) {
                double a = value(own, i, d), b = value(own, chosen, d);
                if (a < b) is_first = true;
                if (a != b) break;
            }
            if (is_first) chosen = i;
        }
        for (int64_t d = 0; d < D; d++)
            farthest[d] = value(own, larger(chosen, 0), d) - mean[d];
        write(total, mean, farthest, second, 1.0 - reach.aside, reach.aside * reach.core, to);
        double *pivot = to + 2 + 2 * D + s.n_second();
        for (int64_t d = 0; d < D; d++) {
            pivot[D + d] = pivot[d];
            pivot[d] = mean[d];
        }
        to[0] = total * (1.0 - reach.aside);
        to[1] = total * reach.aside;
    }

    // A core and a halo about one centre.
    void around(double total, const double *mean, const double *second, double *to) {
        double *nothing = columns;
        for (int64_t d = 0; d < half.s.n_features; d++) nothing[d] = 0.0;
        write(total, mean, nothing, second, 0.5 * reach.core, 0.5 * reach.halo, to);
    }

    // Finds what merging two components loses, as if it were known which rows are whose; returns
    // how many pairs there are, the least loss first.
    int64_t losses(const double *count, const double *means, const double *covariances) {
        const Structure &s = guide.frame.s;
        int64_t K = s.n_components, D = s.n_features, n = 0;
        double *logs = columns, *pooled = logs + K, *lower = pooled + s.per_factor();
        double *deviation = lower + D * D;
        auto log_determinant = [&](const double *own) {
            double sum = 0.0;
            if (!s.is_matrix) {
                for (int64_t i = 0; i < s.width; i++) sum += log_of_one(own[i]);
                return double(s.n_cells()) * sum;
            }
            if (!correlation_factor(own, D, deviation, lower)) return -__builtin_inf();
            for (int64_t d = 0; d < D; d++)
                sum += log_of_one(deviation[d]) + log_of_one(lower[d * D + d]);
            return 2.0 * sum;
        };
        auto covariance = [&](int64_t k) {
            return covariances + (s.n_factors == 1 ? 0 : k * s.per_factor());
        };
        for (int64_t k = 0; k < K; k++) logs[k] = log_determinant(covariance(k));
        for (int64_t one = 0; one < K; one++)
            for (int64_t other = one + 1; other < K; other++) {
                if (!(count[one] > reach.occupied && count[other] > reach.occupied)) continue;
                double total = count[one] + count[other], share = count[one] / total;
                double rest = 1.0 - share, apart = share * rest;
                const double *a = covariance(one), *b = covariance(other);
                for (int64_t i = 0; i < s.per_factor(); i++)
                    pooled[i] = share * a[i] + rest * b[i];
                for (int64_t d = 0; d < D; d++) {
                    double shift = means[one * D + d] - means[other * D + d];
                    if (!s.is_matrix)
                        pooled[s.width == D ? d : 0] += apart * shift * shift / double(s.n_cells());
                    for (int64_t e = 0; s.is_matrix && e < D; e++)
                        pooled[d * D + e] +=
                            apart * shift * (means[one * D + e] - means[other * D + e]);
                }
                double together = log_determinant(pooled);
                double wider = 0.5 * (total * together - count[one] * logs[one] -
                                      count[other] * logs[other]);
                double entropy = share > 0.0 ? share * log_of_one(share) : 0.0;
                entropy += rest > 0.0 ? rest * log_of_one(rest) : 0.0;
                double loss = wider + total * entropy;
                merges[n++] = {loss == loss ? loss : __builtin_inf(), one, other};
            }
        sort(n);
        return n;
    }

    void sort(int64_t n) {
        std::sort(merges, merges + n, [](const Merge &a, const Merge &b) {
            if (a.loss != b.loss) return a.loss < b.loss;
            return a.one != b.one ? a.one < b.one : a.other < b.other;
        });
    }

    // Adds to the losses the entropy of how pairs share rows; those of most loss are left out.
    int64_t with_overlaps(int64_t n) {
        int64_t K = guide.frame.s.n_components, N = sample.n;
        n = smaller(n, reach.overlaps * reach.pairs);
        double *own = columns;
        auto entropy = [&](auto share) {
            Lanes sum = splat(0.0);
            double x[LANES];
            for (int64_t begin = 0; begin < N; begin += LANES) {
                int64_t many = smaller(LANES, N - begin);
                for (int64_t i = 0; i < LANES; i++) x[i] = i < many ? share(begin + i) : 1.0;
                double weight[LANES];
                for (int64_t i = 0; i < LANES; i++) {
                    weight[i] = sample.weights && i < many ? sample.weights[begin + i] : 1.0;
                    // No share is too small for a logarithm.
                    if (!(x[i] > 1e-290)) x[i] = 1.0;
                }
                Lanes at = load(x);
                sum = fma(load(weight) * at, log(at), sum);
            }
            double parts[LANES], total = 0.0;
            store(parts, sum);
            for (int64_t i = 0; i < LANES; i++) total += parts[i];
            return total;
        };
        for (int64_t k = 0; k < K; k++)
            own[k] = entropy([&](int64_t i) { return shares[i * K + k]; });
        for (int64_t p = 0; p < n; p++) {
            int64_t one = merges[p].one, other = merges[p].other;
            merges[p].loss += entropy([&](int64_t i) {
                return shares[i * K + one] + shares[i * K + other];
            }) - own[one] - own[other];
        }
        sort(n);
        return n;
    }

    void promise(const Halves &cut, int64_t number, const Merge &merge, int64_t replaced) {
        double gain = cut.gain - merge.loss;
        if (cut.lasts && gain > -1e300)
            promises[n_promises] = {gain, number, merge.one, merge.other, replaced, n_promises},
            n_promises++;
    }

    // Finds what relocations of an end promise, the best first. Returns whether there was memory.
    bool find(const End &end, double factor) {
        const Frame &f = guide.frame;
        const Structure &s = f.s;
        int64_t K = s.n_components, D = s.n_features, n_moments = K + s.n_first() + s.n_second();
        n_promises = next = 0;
        // The statistics of the sample alone lead to the prior of the halves.
        for (int64_t i = 0; i < f.n_statistics(); i++)
            own[i] = i < n_moments ? end.statistics()[i] / factor : end.statistics()[i];
        Moments moments{own, own + K, own + K + s.n_first(), own + n_moments};
        std::memcpy(prior, end.prior(f), f.n_prior() * sizeof(double));
        if (f.is_elicited) {
            double *scale = guide.room + mode_room(s);
            bool anew = end.within(f)[4] == 0.0;
            if (!guide.scale_after(end, moments, anew, scale)) return true;
            Within within = within_of(f, end.within(f));
            within.scale = scale;
            Prior to = prior_of(f, prior);
            take_scale(s, within, to);
        }
        if (!write_potentials(s, end.parameters(f), end.means(f), end.covariances(f), potentials,
                              guide.room))
            return true;
        if (!tell(sample.values, sample.single, sample.n, 0, potentials, K, D, s.n_factors,
                  s.width, s.is_matrix, nullptr, nullptr, 0, 0, sample.threads_for(s), shares,
                  nullptr, nullptr))
            return has_memory = false;
        for (int64_t i = 0; i < sample.n; i++) {
            int64_t best = 0;
            for (int64_t k = 1; k < K; k++)
                if (shares[i * K + k] > shares[i * K + best]) best = k;
            labels[i] = best;
        }
        int64_t n_merges = with_overlaps(losses(moments.count, end.means(f), end.covariances(f)));
        double farthest = 0.0;
        for (int64_t k = 0; k < K; k++) {
            if (!halves(part(k, k), cuts + WAYS * k)) return false;
            for (int64_t way = 0; way < WAYS; way++) {
                const Halves &cut = cuts[WAYS * k + way];
                farthest = cut.gain > farthest ? cut.gain : farthest;
                int64_t found = 0;
                for (int64_t p = 0; p < n_merges && found < reach.pairs; p++) {
                    const Merge &merge = merges[p];
                    if (merge.one == k || merge.other == k) continue;
                    found++;
                    promise(cut, WAYS * k + way, merge, k);
                }
            }
        }
        most = reach.nats + reach.of_cuts * farthest;
        for (int64_t p = 0; p < smaller(n_merges, reach.recut); p++) {
            const Merge &merge = merges[p];
            if (merge.loss > most) continue;
            int64_t at = WAYS * (K + p);
            if (!halves(part(merge.one, merge.other), cuts + at)) return false;
            for (int64_t way = 0; way < WAYS; way++)
                promise(cuts[at + way], at + way, merge, merge.one);
        }
        std::sort(promises, promises + n_promises, [](const Promise &a, const Promise &b) {
            return a.gain != b.gain ? a.gain > b.gain : a.number < b.number;
        });
        std::memset(tried_cuts, 0, n_cuts());
        std::memset(tried_pairs, 0, K * K);
        return true;
    }

    // Writes the statistics of an end with two components merged and the halves of a third in its
    // place; they stand for `factor` times the rows.
    void relocate(const Promise &chosen, double factor, End &to) const {
        const Structure &s = guide.frame.s;
        int64_t K = s.n_components, D = s.n_features, size = s.per_factor();
        int64_t one = chosen.one, other = chosen.other;
        std::memcpy(to.statistics(), own, guide.frame.n_statistics() * sizeof(double));
        to.is_led = false;
        Moments m = to.moments(guide.frame);
        double *shared = s.n_factors == 1 ? m.second : m.second + other * size;
        for (int64_t d = 0; d < D; d++)
            columns[d] = m.pivot[one * D + d] - m.pivot[other * D + d];
        shift_moments(s, m.count[other], columns, m.first + other * D, shared);
        for (int64_t d = 0; d < D; d++) {
            m.pivot[other * D + d] = m.pivot[one * D + d];
            m.first[one * D + d] += m.first[other * D + d];
        }
        m.count[one] += m.count[other];
        for (int64_t i = 0; s.n_factors > 1 && i < size; i++)
            m.second[one * size + i] += m.second[other * size + i];
        // The halves, about their own means.
        const double *statistics = cuts[chosen.cut].statistics, *first = statistics + 2;
        const double *second = first + 2 * D, *pivot = second + half.s.n_second();
        int64_t places[2] = {chosen.replaced, other};
        for (int64_t h = 0; h < 2; h++) {
            int64_t k = places[h];
            double count = m.count[k] = statistics[h];
            for (int64_t d = 0; d < D; d++) {
                m.first[k * D + d] = first[h * D + d];
                columns[d] = count > 0.0 ? first[h * D + d] / count : 0.0;
                m.pivot[k * D + d] = pivot[h * D + d] + columns[d];
            }
            double *to_second = s.n_factors == 1 ? columns + D : m.second + k * size;
            for (int64_t i = 0; i < size; i++)
                to_second[i] = second[s.n_factors == 1 ? i : h * size + i];
            shift_moments(s, count, columns, m.first + k * D, to_second);
        }
        for (int64_t i = 0; i < K + s.n_first() + s.n_second(); i++) to.statistics()[i] *= factor;
    }

    // Takes moments of one component about a point that lies `shift` from the pivot.
    static void shift_moments(const Structure &s, double count, const double *shift, double *first,
                              double *second) {
        int64_t D = s.n_features;
        for (int64_t d = 0; d < D; d++) {
            double moved = first[d] - count * shift[d];
            if (!s.is_matrix) second[s.width == D ? d : 0] -= shift[d] * (first[d] + moved);
            for (int64_t e = 0; s.is_matrix && e < D; e++)
                second[d * D + e] -= first[d] * shift[e] + shift[d] * (first[e] - count * shift[e]);
        }
        for (int64_t d = 0; d < D; d++) first[d] -= count * shift[d];
    }

    // The next relocation that is to be tried: every cut once, and once more every pair that is
    // merged; null where there are no more.
    const Promise *following() {
        int64_t K = guide.frame.s.n_components;
        while (next < n_promises && !(promises[next].gain < -most)) {
            const Promise &found = promises[next++];
            char &cut = tried_cuts[found.cut], &pair = tried_pairs[found.one * K + found.other];
            if (cut && pair) continue;
            cut = pair = 1;
            return &found;
        }
        return nullptr;
    }
};

}  // namespace MIXTURA_SET
