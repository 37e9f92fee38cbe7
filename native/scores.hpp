// Scores from squared distances, held where numbers end.
#pragma once

#include "lanes.hpp"

namespace MIXTURA_SET {

// Scores are held above it: a row past the end of float64 is equally far from all components.
constexpr double FARTHEST_SCORE = -5e299;
// In place of a constant of minus infinity, from which nothing may be subtracted.
constexpr double LOWEST_CONSTANT = -1e300;

// Scores above the lowest one that is allowed; no comparison holds for a NaN.
INLINE Lanes held(Lanes score) { return larger(score, splat(FARTHEST_SCORE)); }

// constant - q / 2
INLINE Lanes score_of(double constant, Lanes q) {
    return held(fma(splat(-0.5), q, splat(constant)));
}

INLINE double held_constant(double log_weight, double offset) {
    double sum = log_weight + offset;
    return sum < LOWEST_CONSTANT ? LOWEST_CONSTANT : sum;
}

}  // namespace MIXTURA_SET
