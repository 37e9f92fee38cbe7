// Two components in one dimension: everything of a row stays in registers.
#pragma once

#include "exact.hpp"

namespace MIXTURA_SET {

// What is kept of all rows: data term, product of the sums whose log is still to be added, and for
// both components counts, first and second moments.
struct PairSums {
    Lanes term, product, count[2], first[2], second[2];
};

// Adds eight rows; those beyond the last weigh nothing. `weighted` says whether weights count.
template <bool DRAWN>
INLINE void add_pair(const Exact &exact, Lanes x, Lanes weight, bool weighted, uint64_t key,
                     int64_t row, PairSums &sums) {
    Lanes one = splat(1.0), half = splat(-0.5), none = splat(0.0);
    Lanes u = x - splat(exact.mean[0]), v = x - splat(exact.mean[1]);
    Lanes y = u * splat(exact.spread[0]), z = v * splat(exact.spread[exact.spread_step]);
    Lanes q = held(fma(y * half, y, splat(exact.constant[0])));
    Lanes r = held(fma(z * half, z, splat(exact.constant[1])));
    Lanes high = where_at_least(q, r, q, r);
    Lanes odds = exp(where_at_least(q, r, r, q) - high), both = one + odds;
    if (weighted) {
        sums.term = fma(weight, high + log(both), sums.term);
    } else {
        sums.term = sums.term + high;
        sums.product = sums.product * both;
    }
    Lanes shares[2];
    if constexpr (DRAWN) {
        Lanes odds_of_first = where_at_least(q, r, one, odds);
        Lanes threshold = uniforms_at(key, row) * both;
        shares[0] = where_greater(odds_of_first, threshold, weight, none);
        shares[1] = where_greater(odds_of_first, threshold, none, weight);
    } else {
        Lanes most = weight / both, least = odds * most;
        shares[0] = where_at_least(q, r, most, least);
        shares[1] = where_at_least(q, r, least, most);
    }
    repeat<2>([&](auto k) ALWAYS {
        Lanes c = k == 0 ? u : v, w = shares[k] * c;
        sums.count[k] = sums.count[k] + shares[k];
        sums.first[k] = sums.first[k] + w;
        sums.second[k] = fma(w, c, sums.second[k]);
    });
}

// Adds the statistics of a span of rows; returns their data term. `weights` may be null.
template <bool DRAWN, class Row>
double sweep_pairs(const Row *rows, const double *weights, const Exact &exact,
                   const Assigned &assigned, const Span &span, const Sums &to) {
    Lanes zero = splat(0.0), one = splat(1.0);
    PairSums sums{zero, one, {zero, zero}, {zero, zero}, {zero, zero}};
    int64_t begin = span.begin, whole = begin + (span.end - begin) / LANES * LANES;
    if (weights) {
        for (int64_t b = begin; b < whole; b += LANES)
            add_pair<DRAWN>(exact, load(rows + b), load(weights + b), true, assigned.key,
                            span.first_row + b, sums);
    } else {
        // Products of so many sums, each up to two, stay far below the end of float64.
        for (int64_t b = begin; b < whole;) {
            int64_t end = smaller(whole, b + 32 * MULTIPLIED * LANES);
            for (; b < end; b += LANES)
                add_pair<DRAWN>(exact, load(rows + b), one, false, assigned.key,
                                span.first_row + b, sums);
            sums.term = sums.term + log(sums.product);
            sums.product = one;
        }
    }
    if (int64_t left = span.end - whole; left > 0) {
        Lanes weight = weights ? load_some(weights + whole, left) : first_lanes(left, one);
        add_pair<DRAWN>(exact, load_some(rows + whole, left), weight, true, assigned.key,
                        span.first_row + whole, sums);
    }
    for (int k = 0; k < 2; k++) {
        to.count[k] += total(sums.count[k]);
        to.first[k] += total(sums.first[k]);
        to.second[k * to.second_step] += total(sums.second[k]);
    }
    return total(sums.term);
}

}  // namespace MIXTURA_SET
