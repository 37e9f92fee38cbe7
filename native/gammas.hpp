// The logarithm of the gamma function and its derivative, the same on every machine.
#pragma once

#include "elementary.hpp"

namespace MIXTURA_SET {

struct Gammas {
    double log_gamma, digamma;
};

// Of even degree or odd, by halves: half as long to wait for.
template <int N> INLINE double polynomial_of_one(const double (&c)[N], double x) {
    double square = x * x, high = c[0], low = c[1];
    for (int i = 2; i < N; i++) (i % 2 ? low : high) = fma(i % 2 ? low : high, square, c[i]);
    return N % 2 ? fma(low, x, high) : fma(high, x, low);
}

// Both functions of a number between 1e-300 and 1e300.
//
// From 10 on by Stirling's series, whose first terms left out are below 1e-17. Between 1 and 2
// log Gamma is (x - 1) (x - 2) times, and psi x less its root times, the Chebyshev interpolant of
// degree 21 in 2 x - 3, which is within 8e-17 of the quotient; elsewhere the recurrence leads
// there. Errors are below four units in the last place of the value, or of 1 where that is more.
inline Gammas gammas(double x) {
    constexpr double LOG_GAMMA[] = {
        -3.700571132904742e-12, 1.1577613910649688e-11, -1.5936042537298723e-11,
        5.030067090605482e-11, -2.075322954216366e-10, 6.5655031582108e-10,
        -2.0184741279133343e-09, 6.430366506216791e-09, -2.0619851263731666e-08,
        6.623870571642316e-08, -2.138638060528023e-07, 6.948428393704062e-07,
        -2.2742472358027586e-06, 7.511391846837954e-06, -2.5094328700900636e-05,
        8.510090373634476e-05, -0.0002945507015164312, 0.001049818664454635,
        -0.003913560937626331, 0.015727850268641097, -0.07297994795715304, 0.4831289505409809,
    };
    constexpr double DIGAMMA[] = {
        -8.25512972008104e-11, 2.4765474440031764e-10, -2.889363639216111e-10,
        8.668257373761658e-10, -3.6788868183645545e-09, 1.10370884388543e-08,
        -3.166618072027162e-08, 9.500926192924096e-08, -2.8628755280038686e-07,
        8.591324222417666e-07, -2.578107848270217e-06, 7.741156881253708e-06,
        -2.325823828431376e-05, 6.995020484160625e-05, -0.00021074841215733007,
        0.000636888028319074, -0.0019350666647832667, 0.005936795278433826, -0.018550615381738605,
        0.06013562106019355, -0.21181371064073026, 0.951055876031833,
    };
    constexpr double SERIES[] = {-3617.0 / 122400, 1.0 / 156,  -691.0 / 360360, 1.0 / 1188,
                                 -1.0 / 1680,      1.0 / 1260, -1.0 / 360,      1.0 / 12};
    constexpr double SLOPES[] = {-3617.0 / 8160, 1.0 / 12,  -691.0 / 32760, 1.0 / 132,
                                 -1.0 / 240,     1.0 / 252, -1.0 / 120,     1.0 / 12};
    constexpr double HALF_LOG_TWO_PI = 0.91893853320467274178;
    constexpr double ROOT = 1.4616321449683622, BEYOND_ROOT = 9.549995429965697e-17;
    auto logs_of = [](double y) { return first_lane(log(splat<Part<2>>(y))); };
    if (x >= 10.0) {
        double one = 1.0 / x, square = one * one, logs = logs_of(x);
        double sum = polynomial_of_one(SERIES, square), slope = polynomial_of_one(SLOPES, square);
        double whole = fma(x - 0.5, logs, HALF_LOG_TWO_PI - x);
        return {fma(sum, one, whole), logs - fma(slope, square, 0.5 * one)};
    }
    double factor = 1.0, slope = 0.0, sign = 1.0, from_one = x - 1.0;
    if (x < 1.0) {
        factor = from_one = x, slope = -1.0 / x, sign = -1.0;
    } else {
        for (; from_one > 1.0; from_one -= 1.0) factor *= from_one, slope += 1.0 / from_one;
    }
    double place = 2.0 * from_one - 1.0;
    double own = from_one * (from_one - 1.0) * polynomial_of_one(LOG_GAMMA, place);
    double from_root = from_one - (ROOT - 1.0) - BEYOND_ROOT;
    double of_slope = from_root * polynomial_of_one(DIGAMMA, place);
    return {factor == 1.0 ? own : own + sign * logs_of(factor), of_slope + slope};
}

INLINE double log_gamma(double x) { return gammas(x).log_gamma; }

}  // namespace MIXTURA_SET
