// Factors of scales that are independent of means: densities of t, the logarithm of a standard
// deviation, by trapezoid sums as `priors.mean_field` takes them.
#pragma once

#include "matrices.hpp"

namespace MIXTURA_SET {

// A log density of t: constant - linear t - curvature (t - centre)^2 / 2 - inverse e^-t
// - inverse_square e^-2t - square e^2t - fourth e^4t, which is concave.
struct Spread {
    double constant, linear, centre, curvature, inverse, inverse_square, square, fourth;

    bool is_plain() const { return curvature == 0.0 && square == 0.0 && fourth == 0.0; }
    // With the likelihood of so many entries, whose sum of squares is `scatter`.
    Spread with(double entries, double scatter) const {
        Spread result = *this;
        result.linear += entries;
        result.inverse_square += 0.5 * scatter;
        return result;
    }
};
constexpr int64_t SPREAD_NUMBERS = sizeof(Spread) / sizeof(double);

// What is asked of a factor: E[exp(-2t)], E[t], and the log of the integral; and the first and
// second derivatives of both expectations in the scatter.
struct ScaleFactor {
    double precision, log_deviation, log_normalizer;
    double slope, bend, deviation_slope, deviation_bend;

    // By how many standard deviations of exp(-2t) a small change of the scatter turns the density.
    double turned_by(double change) const { return change * square_root(-0.5 * slope); }
    // The factor under another scatter, but for the third power of what that turns.
    void move(double change) {
        double half = 0.5 * change;
        log_normalizer -= half * (precision + half * (slope + change * bend / 3.0));
        log_deviation += change * (deviation_slope + half * deviation_bend);
        precision += change * (slope + half * bend);
        slope += change * bend;
    }
};

// Drop of a log density, or of its product with the precision, past which nothing is left to add;
// steps of the sum; t of the farthest node, and how many there may be.
constexpr double NEGLIGIBLE = 45.0, WIDEST_STEP = 0.07, STEP = 0.6, FARTHEST = 352.0;
constexpr double MOST_NODES = 1 << 14;

INLINE double exponential_of_one(double x) {
    return first_lane(exp(splat<Part<2>>(x < 709.0 ? x : 709.0)));
}

// A point next to the top, of plain densities only as exp(-t).
struct Top {
    double t, inverse;
};

// Finds exp(-t) at the top of a plain density: 1 / s of linear s^2 - inverse s - 2 inverse_square.
INLINE double root_of(const Spread &p) {
    double square = p.inverse * p.inverse + 8.0 * p.inverse_square * p.linear;
    return 2.0 * p.linear / (p.inverse + square_root(square));
}

// Finds the top of any density by Newton's steps that stay between bounds, to a share of its width.
inline Top top_between(const Spread &p) {
    constexpr double NEAR = 1e-6;
    double low = 5.0 - FARTHEST, high = FARTHEST - 5.0, t = p.centre;
    if (p.linear > 0.0 && p.inverse_square > 0.0) t = -log_of_one(root_of(p));
    for (int64_t i = 0; i < 200; i++) {
        if (!(t > low && t < high)) t = 0.5 * (low + high);
        double inverse = exponential_of_one(-t), two = inverse * inverse, four = two * two;
        double of_squares = 2.0 * p.inverse_square * two, up = 2.0 * p.square / two;
        double upper = p.fourth > 0.0 ? 4.0 * p.fourth / four : 0.0, line = p.inverse * inverse;
        double slope = p.linear + p.curvature * (t - p.centre) - line - of_squares + up + upper;
        double bend = p.curvature + line + 2.0 * (of_squares + up) + 4.0 * upper;
        if (slope * slope <= NEAR * bend) return {t, inverse};
        (slope > 0.0 ? high : low) = t;
        t -= slope / bend;
    }
    return {__builtin_nan(""), 1.0};
}

// The trapezoid sum about a top, outwards until nothing is left to add; returns whether it ends.
template <bool PLAIN> inline bool sum_nodes(const Spread &p, Top top, ScaleFactor &to) {
    double one = top.inverse, two = one * one;
    double of_one = p.inverse * one, of_two = p.inverse_square * two;
    double up_two = PLAIN ? 0.0 : p.square / two;
    double up_four = PLAIN || p.fourth == 0.0 ? 0.0 : p.fourth / (two * two);
    double bend = p.curvature + of_one + 4.0 * (of_two + up_two) + 16.0 * up_four;
    double step = STEP / square_root(bend);
    step = step < WIDEST_STEP ? step : WIDEST_STEP;
    if (!(step > 1e-300)) return false;
    double line = p.linear + (PLAIN ? 0.0 : p.curvature * (top.t - p.centre));
    double half_bend = 0.5 * p.curvature;
    Lanes zero = splat(0.0), unit = splat(1.0), twice = splat(2.0);
    Lanes sums[] = {zero, zero, zero, zero, zero, zero, zero};
    // Nodes, eight at a time: u = t - top, less = exp(-u) - 1, change = exp(-2u) - 1, and fall how
    // far the log density lies below its top.
    auto add = [&](Lanes u, Lanes less) ALWAYS {
        Lanes change = less * (less + twice);
        Lanes fall = fma(splat(of_two), change, fma(splat(of_one), less, splat(line) * u));
        if constexpr (!PLAIN) {
            Lanes more = zero - less / (less + unit), most = more * (more + twice);
            fall = fma(splat(half_bend) * u, u, fma(splat(up_two), most, fall));
            if (up_four > 0.0) fall = fma(splat(up_four), most * (most + twice), fall);
        }
        Lanes share = exp(zero - fall), changed = share * change, squared = changed * change;
        sums[0] = sums[0] + share;
        sums[1] = fma(share, u, sums[1]);
        sums[2] = sums[2] + changed;
        sums[3] = sums[3] + squared;
        sums[4] = fma(squared, change, sums[4]);
        sums[5] = fma(changed, u, sums[5]);
        sums[6] = fma(squared, u, sums[6]);
        return fall;
    };
    // exp(-u) - 1 of nodes further on: (exp(-u) - 1) c + (c - 1), in which nothing cancels.
    double width = double(LANES), number = width;
    Lanes places = Make<Lanes>::numbered(1.0) * splat(step), begin = expm1(zero - places);
    Lanes u = places, from = begin;
    double less = last_lane(begin), ratio = 1.0 + less;
    for (; !(last_lane(add(u, from)) > NEGLIGIBLE); number += width) {
        if (number > MOST_NODES) return false;
        u = u + splat(width * step);
        from = fma(from, splat(ratio), splat(less));
    }
    double right = number, left = width - 1.0;
    ratio = 1.0 / ratio, less = -less * ratio;
    u = places - splat(width * step), from = fma(begin, splat(ratio), splat(less));
    for (; !(first_lane(add(u, from)) - 2.0 * left * step > NEGLIGIBLE); left += width) {
        if (left > MOST_NODES) return false;
        u = u - splat(width * step);
        from = fma(from, splat(ratio), splat(less));
    }
    double found[8];
    totals(found, sums[0], sums[1], sums[2], sums[3]);
    totals(found + 4, sums[4], sums[5], sums[6], zero);
    double one_of = 1.0 / found[0], place = found[1] * one_of, change = found[2] * one_of;
    double square = found[3] * one_of, cube = found[4] * one_of, both = found[5] * one_of;
    // Central moments of exp(-2u), and of it with u.
    double second = square - change * change, mixed = both - place * change;
    double third = cube - change * (3.0 * square - 2.0 * change * change);
    double mixed_third = found[6] * one_of - place * square - 2.0 * change * mixed;
    // Both logarithms at once.
    double of[2] = {one, found[0] * step};
    store(of, log(load<Part<2>>(of)));
    double t = -of[0], shift = t - p.centre;
    double peak = p.constant - p.linear * t - p.inverse * one - of_two - up_two - up_four;
    peak -= half_bend * shift * shift;
    to.precision = fma(two, change, two);
    to.log_deviation = t + place;
    to.log_normalizer = peak + of[1];
    to.slope = -0.5 * two * two * second, to.bend = 0.25 * two * two * two * third;
    to.deviation_slope = -0.5 * two * mixed, to.deviation_bend = 0.25 * two * two * mixed_third;
    bool reaches = t + right * step > FARTHEST || left * step - t > FARTHEST;
    return !reaches && to.precision > 0.0 && to.log_normalizer - to.log_normalizer == 0.0;
}

// Writes the factor of a prior and of so many entries and their sum of squares; returns whether it
// could: densities that reach as far as float64, or to scales of zero, are left to the classes.
inline bool scale_factor(const Spread &prior, double entries, double scatter, ScaleFactor &to) {
    Spread whole = prior.with(entries, scatter);
    if (!whole.is_plain()) {
        if (whole.curvature == 0.0 && !(whole.linear > 0.0)) return false;
        Top top = top_between(whole);
        return top.t == top.t && sum_nodes<false>(whole, top, to);
    }
    double root = root_of(whole);
    return root > 1e-150 && root < 1e150 && sum_nodes<true>(whole, {0.0, root}, to);
}

}  // namespace MIXTURA_SET
