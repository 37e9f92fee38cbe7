// From the scores of a block to its responsibilities, in place, and the data term.
#pragma once

#include "counter.hpp"
#include "elementary.hpp"

namespace MIXTURA_SET {

// Numbers of the assignments, as Python knows them.
enum Assignment : int64_t { SOFT, HARD, SAMPLED, GIVEN, LABELLED };

// Sums of exponentials, each from 1 to K, that one logarithm serves.
constexpr int MULTIPLIED = 16;

// How a block lies in the working memory: component k's numbers begin at k stride, or feature d's
// at d stride, and rows are padded to a multiple of 32.
struct Shape {
    int64_t stride, n_components, n_features;
    int64_t n;       // rows
    int64_t padded;  // rows with padding
};

// Numbers of each row of a block: weights, highest scores, what factor is left, uniform numbers.
struct RowRoom {
    double *weights, *top, *sums, *uniforms;
};

// The highest score of each row.
inline void highest(const double *scores, const Shape &shape, double *top) {
    for (int64_t b = 0; b < shape.padded; b += LANES) {
        Lanes best = load(scores + b);
        for (int64_t k = 1; k < shape.n_components; k++)
            best = larger(load(scores + k * shape.stride + b), best);
        store(top + b, best);
    }
}

// Replaces scores by their exponentials relative to the highest; writes the sums.
inline void exponentiate(double *scores, const Shape &shape, const double *top, double *sums) {
    for (int64_t b = 0; b < shape.padded; b += 2 * LANES) {
        Lanes first_top = load(top + b), second_top = load(top + b + LANES);
        Lanes first_sum = splat(0.0), second_sum = splat(0.0);
        double *at = scores + b;
        for (int64_t k = 0; k < shape.n_components; k++, at += shape.stride) {
            Lanes first = exp(load(at) - first_top), second = exp(load(at + LANES) - second_top);
            store(at, first);
            store(at + LANES, second);
            first_sum = first_sum + first, second_sum = second_sum + second;
        }
        store(sums + b, first_sum);
        store(sums + b + LANES, second_sum);
    }
}

// The weighted sum over rows of the log of the summed exponentiated scores.
inline double data_term(const RowRoom &rows, bool weighted, int64_t n) {
    Lanes result = splat(0.0);
    if (weighted) {
        for (int64_t b = 0; b < n; b += LANES)
            result = fma(load(rows.weights + b), load(rows.top + b) + log(load(rows.sums + b)),
                         result);
        return total(result);
    }
    Lanes product = splat(1.0);
    for (int64_t b = 0; b < n; b += LANES) {
        result = result + load(rows.top + b);
        product = product * load(rows.sums + b);
        if (b / LANES % MULTIPLIED == MULTIPLIED - 1) {
            result = result + log(product);
            product = splat(1.0);
        }
    }
    return total(result + log(product));
}

INLINE void fill(double *row, int64_t n, double value) {
    for (int64_t b = 0; b < n; b += LANES) store(row + b, splat(value));
}

// Multiplies every one of n_lines lines of numbers by a factor for each row.
inline void scale_rows(double *lines, int64_t n_lines, const Shape &shape, const double *factor) {
    for (int64_t k = 0; k < n_lines; k++)
        for (int64_t b = 0; b < shape.padded; b += LANES) {
            double *at = lines + k * shape.stride + b;
            store(at, load(at) * load(factor + b));
        }
}

// Two components: one exponential a row.
inline void soften_two(double *scores, const Shape &shape, const RowRoom &rows) {
    Lanes one = splat(1.0);
    for (int64_t b = 0; b < shape.padded; b += LANES) {
        Lanes first = load(scores + b), second = load(scores + shape.stride + b);
        Lanes high = where_at_least(first, second, first, second);
        Lanes low = where_at_least(first, second, second, first);
        Lanes odds = exp(low - high), both = one + odds;
        Lanes most = one / both, least = odds * most;
        store(rows.top + b, high);
        store(rows.sums + b, both);
        store(scores + b, where_at_least(first, second, most, least));
        store(scores + shape.stride + b, where_at_least(first, second, least, most));
    }
}

// Turns scores into responsibilities up to a factor for each row, which `rows.sums` receives.
//
// `rows.top` holds the highest scores. Returns the data term.
inline double soften(double *scores, const Shape &shape, bool weighted, const RowRoom &rows) {
    if (shape.n_components == 2) {
        soften_two(scores, shape, rows);
        double result = data_term(rows, weighted, shape.padded);
        for (int64_t b = 0; b < shape.padded; b += LANES)
            store(rows.sums + b, load(rows.weights + b));
        return result;
    }
    exponentiate(scores, shape, rows.top, rows.sums);
    double result = data_term(rows, weighted, shape.padded);
    for (int64_t b = 0; b < shape.padded; b += LANES)
        store(rows.sums + b, load(rows.weights + b) / load(rows.sums + b));
    return result;
}

// Gives each row whole to its highest score (the first of equals); returns the data term.
inline double harden(double *scores, const Shape &shape, const RowRoom &rows) {
    Lanes result = splat(0.0), none = splat(0.0);
    for (int64_t b = 0; b < shape.padded; b += LANES) {
        Lanes left = load(rows.weights + b), best = load(rows.top + b);
        result = fma(left, best, result);
        for (int64_t k = 0; k < shape.n_components; k++) {
            double *at = scores + k * shape.stride + b;
            Lanes score = load(at);
            store(at, where_at_least(score, best, left, none));
            left = where_at_least(score, best, none, left);
        }
    }
    return total(result);
}

// Gives each row whole to a component drawn by its uniform number; returns the data term.
inline double draw(double *scores, const Shape &shape, bool weighted, const RowRoom &rows) {
    exponentiate(scores, shape, rows.top, rows.sums);
    double result = data_term(rows, weighted, shape.padded);
    Lanes none = splat(0.0);
    for (int64_t b = 0; b < shape.padded; b += LANES) {
        Lanes left = load(rows.weights + b), cumulative = none;
        Lanes threshold = load(rows.uniforms + b) * load(rows.sums + b);
        double *at = scores + b;
        for (int64_t k = 0; k < shape.n_components - 1; k++, at += shape.stride) {
            cumulative = cumulative + load(at);
            store(at, where_greater(cumulative, threshold, left, none));
            left = where_greater(cumulative, threshold, none, left);
        }
        store(at, left);
    }
    return result;
}

// Turns scores into weighted responsibilities but for a factor for each row, `rows.sums`.
//
// `row` is the number of the block's first row; `weighted` says whether weights, or padding, are
// to be heeded. Returns the data term.
inline double share(int64_t assignment, uint64_t key, int64_t row, double *scores,
                    const Shape &shape, bool weighted, const RowRoom &rows) {
    if (assignment == SOFT) return soften(scores, shape, weighted, rows);
    double result;
    if (assignment == HARD) {
        result = harden(scores, shape, rows);
    } else {
        uniforms_of(key, row, shape.padded, rows.uniforms);
        result = draw(scores, shape, weighted, rows);
    }
    fill(rows.sums, shape.padded, 1.0);
    return result;
}

// Adds to each row's highest score the log of the summed exponentials relative to it.
inline void log_sums(double *scores, const Shape &shape, const RowRoom &rows) {
    exponentiate(scores, shape, rows.top, rows.sums);
    for (int64_t b = 0; b < shape.padded; b += LANES)
        store(rows.top + b, load(rows.top + b) + log(load(rows.sums + b)));
}

// Multiplies responsibilities by a factor for each row, and adds them to the counts.
inline void weigh_and_count(double *shares, const Shape &shape, const double *factor,
                            double *count) {
    for (int64_t k = 0; k < shape.n_components; k++) {
        double *row = shares + k * shape.stride;
        Lanes a = splat(0.0), c = splat(0.0);
        for (int64_t b = 0; b < shape.padded; b += 2 * LANES) {
            Lanes r = load(row + b) * load(factor + b);
            Lanes s = load(row + b + LANES) * load(factor + b + LANES);
            store(row + b, r);
            store(row + b + LANES, s);
            a = a + r, c = c + s;
        }
        count[k] += total(a + c);
    }
}

}  // namespace MIXTURA_SET
