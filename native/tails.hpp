// Scores of components with tails, one component and block at a time.
#pragma once

#include "elementary.hpp"

namespace MIXTURA_SET {

// Tails: t of distances, t of features, mixtures of Gaussians of several widths.
enum Tail : int64_t { GAUSSIAN, DISTANCES, FEATURES, WIDTHS };

// Product of all features' terms up to which one logarithm serves them.
constexpr double LARGEST_PRODUCT = 1e280;
// Squared standardised distances are held below it.
constexpr double FARTHEST_SQUARE = 1e300;

// What a tail is made of, component by component.
//
// t of distances: powers (K,) and inverse degrees of freedom (K,). t of features: both (K, D), and
// whether a component has one power for all features. Widths: the logarithms of their shares
// (K, groups, widths), groups one or D, and their precisions (K, D, widths).
struct Tails {
    const double *constant, *power, *inverse, *alike;
    int64_t n_widths, n_groups;
};

// Turns scores that are -1/2 |z|^2 into those of multivariate t distributions, in place.
INLINE void student_distances(const Tails &tails, int64_t n_components, int64_t stride, int64_t n,
                              double *scores) {
    for (int64_t k = 0; k < n_components; k++) {
        Lanes base = splat(tails.constant[k]), power = splat(tails.power[k]);
        Lanes scale = splat(-2.0 * tails.inverse[k]);
        for (double *score = scores + k * stride, *end = score + n; score < end; score += LANES)
            store(score, fma(power, log1p(scale * load(score)), base));
    }
}

// Whether no product has left the range of one logarithm; a NaN has.
INLINE bool small(Lanes product) {
    Lanes one = splat(1.0), none = splat(0.0);
    return total(where_greater(splat(LARGEST_PRODUCT), product, none, one)) == 0.0;
}

// Writes the scores under products of univariate t distributions.
//
// `scale` holds the degrees of freedom: the terms are 1 + ((x - mean) scale)^2. Where a component
// has one power for all features, the logarithm is taken of their product.
INLINE void student_features(const Tails &tails, const double *mean, const double *scale,
                             int64_t n_components, int64_t n_features, const double *block,
                             int64_t stride, int64_t n, double *scores) {
    for (int64_t k = 0; k < n_components; k++) {
        const double *centre = mean + k * n_features, *by = scale + k * n_features;
        const double *power = tails.power + k * n_features;
        const double *inverse = tails.inverse + k * n_features;
        for (int64_t b = 0; b < n; b += LANES) {
            auto term = [&](int64_t d) {
                Lanes z = (load(block + d * stride + b) - splat(centre[d])) * splat(by[d]);
                return z * z;
            };
            Lanes product = splat(0.0), score = splat(tails.constant[k]);
            bool is_small = tails.alike[k] > 0.0;
            if (is_small) {
                for (int64_t d = 0; d < n_features; d++) {
                    // (1 + p) (1 + u) - 1, in which nothing cancels.
                    Lanes u = term(d);
                    product = fma(product, u, u) + product;
                }
                is_small = small(product);
            }
            if (is_small) {
                score = fma(splat(power[0]), log1p(product), score);
            } else {
                for (int64_t d = 0; d < n_features; d++) {
                    Lanes farthest = splat(FARTHEST_SQUARE * inverse[d]), u = term(d);
                    u = where_greater(farthest, u, u, farthest);
                    score = fma(splat(power[d]), log1p(u), score);
                }
                score = held(score);
            }
            store(scores + k * stride + b, score);
        }
    }
}

// Returns the log of a mixture over widths of the Gaussians of `size` features.
INLINE Lanes log_mixture(const double *squares, int64_t size, int64_t n_widths,
                         const double *share, const double *precision, double *terms) {
    Lanes top = splat(-1e308), sum = splat(0.0);
    for (int64_t j = 0; j < n_widths; j++) {
        Lanes term = splat(share[j]);
        for (int64_t d = 0; d < size; d++)
            term = fma(load(squares + LANES * d), splat(precision[d * n_widths + j]), term);
        store(terms + LANES * j, term);
        top = larger(term, top);
    }
    for (int64_t j = 0; j < n_widths; j++) sum = sum + exp(load(terms + LANES * j) - top);
    return top + log(sum);
}

// Writes the scores under mixtures of Gaussians of several widths.
//
// `room` takes eight numbers for each feature and each width.
INLINE void mixture_features(const Tails &tails, const double *mean, const double *scale,
                             int64_t n_components, int64_t n_features, const double *block,
                             int64_t stride, int64_t n, double *room, double *scores) {
    int64_t size = n_features / tails.n_groups;
    double *squares = room, *terms = room + LANES * n_features;
    Lanes farthest = splat(FARTHEST_SQUARE);
    for (int64_t k = 0; k < n_components; k++) {
        const double *centre = mean + k * n_features, *by = scale + k * n_features;
        const double *share = tails.power + k * tails.n_groups * tails.n_widths;
        const double *precision = tails.inverse + k * n_features * tails.n_widths;
        for (int64_t b = 0; b < n; b += LANES) {
            for (int64_t d = 0; d < n_features; d++) {
                Lanes z = (load(block + d * stride + b) - splat(centre[d])) * splat(by[d]);
                Lanes square = z * z;
                square = where_greater(farthest, square, square, farthest);
                store(squares + LANES * d, square * splat(-0.5));
            }
            Lanes score = splat(tails.constant[k]);
            for (int64_t g = 0; g < tails.n_groups; g++)
                score = score + log_mixture(squares + LANES * g * size, size, tails.n_widths,
                                            share + g * tails.n_widths,
                                            precision + g * size * tails.n_widths, terms);
            store(scores + k * stride + b, held(score));
        }
    }
}

}  // namespace MIXTURA_SET
