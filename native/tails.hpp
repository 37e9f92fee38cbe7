// Rows told by scores, of components with tails as well, one component and block at a time.
#pragma once

#include "exact.hpp"

namespace MIXTURA_SET {

// No tails, t of distances, t of features, mixtures of Gaussians of several widths.
enum Tail : int64_t { GAUSSIAN, DISTANCES, FEATURES, WIDTHS };

// Product of all features' terms up to which one logarithm serves them.
constexpr double LARGEST_PRODUCT = 1e280;
// Squared standardised distances are held below it.
constexpr double FARTHEST_SQUARE = 1e300;

// What a tail is made of, component by component; `kind` and `n_widths`, `n_groups` are sizes.
//
// t of distances: powers (K,) and inverse degrees of freedom (K,). t of features: both (K, D), and
// whether a component has one power for all features. Widths: the logarithms of their shares
// (K, groups, widths), groups one or D, and their precisions (K, D, widths).
struct Tails {
    int64_t kind = GAUSSIAN, n_widths = 0, n_groups = 0;
    const double *constant, *power, *inverse, *alike;

    // As they come from Python: kind, widths and groups, or null where there are no tails; and all
    // numbers, one after the other.
    Tails(const int64_t *sizes, const double *numbers, int64_t n_components, int64_t n_features) {
        if (!sizes) return;
        kind = sizes[0], n_widths = sizes[1], n_groups = sizes[2];
        int64_t by_component[] = {0, 1, n_features, n_groups * n_widths};
        constant = numbers;
        power = numbers + n_components;
        inverse = power + n_components * by_component[kind];
        alike = inverse + n_components * n_features;
    }
};

// Turns scores that are -1/2 |z|^2 into those of multivariate t distributions, in place.
inline void student_distances(const Tails &tails, const Shape &shape, double *scores) {
    for (int64_t k = 0; k < shape.n_components; k++) {
        Lanes base = splat(tails.constant[k]), power = splat(tails.power[k]);
        Lanes scale = splat(-2.0 * tails.inverse[k]);
        double *score = scores + k * shape.stride;
        for (int64_t b = 0; b < shape.padded; b += LANES)
            store(score + b, fma(power, log1p(scale * load(score + b)), base));
    }
}

// Whether no product has left the range of one logarithm; a NaN has.
INLINE bool small(Lanes product) {
    Lanes one = splat(1.0), none = splat(0.0);
    return total(where_greater(splat(LARGEST_PRODUCT), product, none, one)) == 0.0;
}

// The score of eight rows under a product of univariate t, a logarithm for each feature.
inline Lanes student_by_feature(const double *block, int64_t stride, int64_t n_features,
                                double constant, const double *mean, const double *scale,
                                const double *power, const double *inverse) {
    Lanes score = splat(constant);
    for (int64_t d = 0; d < n_features; d++) {
        Lanes z = (load(block + d * stride) - splat(mean[d])) * splat(scale[d]), u = z * z;
        Lanes farthest = splat(FARTHEST_SQUARE * inverse[d]);
        score = fma(splat(power[d]), log1p(where_greater(farthest, u, u, farthest)), score);
    }
    return held(score);
}

// Writes the scores under products of univariate t distributions.
//
// `spread` holds the degrees of freedom: the terms are 1 + ((x - mean) spread)^2. Where a component
// has one power for all features, the logarithm is taken of their product.
inline void student_features(const Tails &tails, const Exact &exact, const double *block,
                             const Shape &shape, double *scores) {
    constexpr int R = IS_WIDE ? 4 : 2;
    int64_t n_features = shape.n_features, stride = shape.stride;
    for (int64_t k = 0; k < shape.n_components; k++) {
        int64_t at = k * n_features;
        const double *mean = exact.mean + at, *scale = exact.spread + k * exact.spread_step;
        const double *power = tails.power + at, *inverse = tails.inverse + at;
        Lanes base = splat(tails.constant[k]);
        for (int64_t b = 0; b < shape.padded; b += R * LANES) {
            Lanes product[R];
            repeat<R>([&](auto r) ALWAYS { product[r] = splat(0.0); });
            for (int64_t d = 0; tails.alike[k] > 0.0 && d < n_features; d++) {
                Lanes m = splat(mean[d]), s = splat(scale[d]);
                repeat<R>([&](auto r) ALWAYS {
                    Lanes z = (load(block + d * stride + b + r * LANES) - m) * s, u = z * z;
                    // (1 + p) (1 + u) - 1, in which nothing cancels.
                    product[r] = fma(product[r], u, u) + product[r];
                });
            }
            repeat<R>([&](auto r) ALWAYS {
                int64_t row = b + r * LANES;
                Lanes score = tails.alike[k] > 0.0 && small(product[r])
                                  ? fma(splat(power[0]), log1p(product[r]), base)
                                  : student_by_feature(block + row, stride, n_features,
                                                       tails.constant[k], mean, scale, power,
                                                       inverse);
                store(scores + k * stride + row, score);
            });
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
inline void mixture_features(const Tails &tails, const Exact &exact, const double *block,
                             const Shape &shape, double *room, double *scores) {
    int64_t n_features = shape.n_features;
    int64_t size = n_features / tails.n_groups;
    double *squares = room, *terms = room + LANES * n_features;
    Lanes farthest = splat(FARTHEST_SQUARE);
    for (int64_t k = 0; k < shape.n_components; k++) {
        const double *centre = exact.mean + k * n_features, *by = exact.spread + k * exact.spread_step;
        const double *share = tails.power + k * tails.n_groups * tails.n_widths;
        const double *precision = tails.inverse + k * n_features * tails.n_widths;
        for (int64_t b = 0; b < shape.padded; b += LANES) {
            for (int64_t d = 0; d < n_features; d++) {
                Lanes z = (load(block + d * shape.stride + b) - splat(centre[d])) * splat(by[d]);
                Lanes square = z * z;
                square = where_greater(farthest, square, square, farthest);
                store(squares + LANES * d, square * splat(-0.5));
            }
            Lanes score = splat(tails.constant[k]);
            for (int64_t g = 0; g < tails.n_groups; g++)
                score = score + log_mixture(squares + LANES * g * size, size, tails.n_widths,
                                            share + g * tails.n_widths,
                                            precision + g * size * tails.n_widths, terms);
            store(scores + k * shape.stride + b, held(score));
        }
    }
}

inline void score_tails(const Tails &tails, const Exact &exact, const double *block,
                        const Shape &shape, double *room, double *scores) {
    if (tails.kind == DISTANCES) student_distances(tails, shape, scores);
    else if (tails.kind == FEATURES) student_features(tails, exact, block, shape, scores);
    else mixture_features(tails, exact, block, shape, room, scores);
}

// Writes what is asked of a span of rows: densities, or what an assignment makes of the scores.
//
// Where there are tails, scores are those of components without constants at first.
template <Kind KIND, class Row>
void tell_span(const Row *rows, const Exact &exact, const Assigned &assigned, const Span &span,
               const Outputs &outputs, const Tails &tails, double *work) {
    Room room = room_of(work, exact, span.size + 8);
    for (int64_t start = span.begin; start < span.end; start += span.size) {
        Shape shape = shape_of(exact, span, start);
        take_block(rows, start, shape, room.block);
        if (tails.kind <= DISTANCES)
            score_block<KIND>(exact, room.block, shape, room.centred, room.scores, room.rows.top);
        if (tails.kind != GAUSSIAN) {
            double *spare = room.rows.uniforms + shape.stride;
            score_tails(tails, exact, room.block, shape, spare, room.scores);
            highest(room.scores, shape, room.rows.top);
        }
        if (outputs.densities) {
            log_sums(room.scores, shape, room.rows);
            write_densities(room.block, shape, room.rows.top, outputs.densities, start);
        } else {
            write_assigned(assigned.number, assigned.key, span.first_row + start, room.scores,
                           shape, room.rows, outputs, start);
        }
    }
}

}  // namespace MIXTURA_SET
