// Exponential and logarithm of eight lanes; errors under one unit in the last place.
#pragma once

#include "lanes.hpp"

namespace MIXTURA_SET {

constexpr double LOG2_E = 1.4426950408889634;
// ln 2 in two parts, the first with zeros at its end, so that small multiples are exact.
constexpr double LN_2_HIGH = 6.93147180369123816490e-01;
constexpr double LN_2_LOW = 1.90821492927058770002e-10;
// Below it the exponential would leave the normal numbers.
constexpr double LOWEST_EXPONENT = -708.0;

template <int N, Some V> INLINE V polynomial(const double (&c)[N], V x) {
    V sum = splat<V>(c[0]);
    for (int i = 1; i < N; i++) sum = fma(sum, x, splat<V>(c[i]));
    return sum;
}
// Of even degree or odd, by halves: half as long to wait for, for one multiplication more.
template <int N, Some V> INLINE V polynomial(const double (&c)[N], V x, V square) {
    V high = splat<V>(c[0]), low = splat<V>(c[1]);
    for (int i = 2; i < N; i++) (i % 2 ? low : high) = fma(i % 2 ? low : high, square, splat<V>(c[i]));
    return N % 2 ? fma(low, x, high) : fma(high, x, low);
}

// q of the exponential: the Chebyshev interpolant of degree 9, within 1.3e-17 on |r| <= ln(2) / 2.
constexpr double EXPONENTIAL[] = {
    2.5100472505694996e-08,   2.762020159103154879e-07, 2.755726827690569619e-06,
    2.48015210578682052e-05,  1.984126986317155603e-04, 1.388888891736708056e-03,
    8.333333333330038197e-03, 4.166666666662382053e-02, 1.666666666666666746e-01,
    5.000000000000001031e-01,
};

// The exponential of lanes up to 709; zero below -708.
//
// x = k ln 2 + r; exp(r) = 1 + r + r^2 q(r).
template <Some V> INLINE V exp(V x) {
    V lowest = splat<V>(LOWEST_EXPONENT);
    V inside = larger(x, lowest);
    V shifted = fma(inside, splat<V>(LOG2_E), splat<V>(MAGIC));
    V k = shifted - splat<V>(MAGIC);
    V r = fma(k, splat<V>(-LN_2_LOW), fma(k, splat<V>(-LN_2_HIGH), inside));
    V square = r * r, q = polynomial(EXPONENTIAL, r, square);
    V value = times_power_of_two(splat<V>(1.0) + fma(square, q, r), shifted);
    return where_greater(x, lowest, value, splat<V>(0.0));
}

// exp(x) - 1 of lanes from -708 to 709, with the digits of small ones, as 2^k (exp(r) - 1) and
// 2^k - 1.
template <Some V> INLINE V expm1(V x) {
    V shifted = fma(x, splat<V>(LOG2_E), splat<V>(MAGIC));
    V k = shifted - splat<V>(MAGIC);
    V r = fma(k, splat<V>(-LN_2_LOW), fma(k, splat<V>(-LN_2_HIGH), x));
    V square = r * r, q = polynomial(EXPONENTIAL, r, square);
    V power = times_power_of_two(splat<V>(1.0), shifted);
    return fma(power, fma(square, q, r), power - splat<V>(1.0));
}

// log(2^k (1 + f)) for f from sqrt(1/2) - 1 to sqrt(2) - 1.
//
// With s = f / (2 + f) and z = s^2, log(1 + f) = f - f^2 / 2 + s (f^2 / 2 + z R(z)), R the
// Chebyshev interpolant of degree 6 of (2 atanh(s) - 2 s) / s^3, within 1e-17.
template <Some V> INLINE V log_of(V k, V f) {
    constexpr double R[] = {
        0.1461780715341732496, 0.1533161172205500789, 0.181828924325368712, 0.2222221108937949621,
        0.2857142862625383761, 0.3999999999989889051, 0.6666666666666669708,
    };
    V s = f / (f + splat<V>(2.0));
    V z = s * s;
    V half_square = (f * f) * splat<V>(0.5);
    V low = fma(s, fma(polynomial(R, z), z, half_square), k * splat<V>(LN_2_LOW));
    return fma(k, splat<V>(LN_2_HIGH), f - (half_square - low));
}

// The natural logarithm of normal positive lanes.
template <Some V> INLINE V log(V x) { return log_of(exponent_of(x), mantissa_of(x) - splat<V>(1.0)); }

// log(1 + x) of lanes from zero to 1e305.
//
// 1 + x = w + e = 2^k (m + e 2^-k), w rounded and e what that lost.
template <Some V> INLINE V log1p(V x) {
    V one = splat<V>(1.0);
    V large = larger(x, one), small = where_greater(x, one, one, x);
    V w = large + small;
    V k = exponent_of(w);
    V unit = times_power_of_two(one, splat<V>(MAGIC) - k);
    return log_of(k, fma(small - (w - large), unit, mantissa_of(w) - one));
}

}  // namespace MIXTURA_SET
