// Eight float64 lanes as one value, whatever the width of the machine's registers.
//
// Every translation unit that includes this is compiled for one instruction set and names its
// namespace MIXTURA_SET, so that no function of one set can stand in for another's. Sums run in
// one order and multiply-adds are written out: with them, bits do not depend on the width.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#if defined(__SSE2__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#define INLINE static inline __attribute__((always_inline))

namespace MIXTURA_SET {

constexpr int LANES = 8;

// Whether registers are as wide as Lanes and so many that sixteen sums stay in them.
#if defined(__AVX512F__)
constexpr bool IS_WIDE = true;
#else
constexpr bool IS_WIDE = false;
#endif

// Calls f with the numbers 0 to N - 1 as constants, so that arrays of Lanes stay in registers.
template <int N, class F> INLINE void repeat(F f) {
    [&]<int... I>(std::integer_sequence<int, I...>) __attribute__((always_inline)) {
        (f(std::integral_constant<int, I>{}), ...);
    }(std::make_integer_sequence<int, N>{});
}
// To be written before the body of a lambda for it.
#define ALWAYS __attribute__((always_inline))

// 1.5 * 2^52: a small number added to it is rounded to a whole one, in the low bits.
constexpr double MAGIC = 6755399441055744.0;
constexpr uint64_t MAGIC_BITS = 0x4338000000000000;
constexpr uint64_t SQUARE_ROOT_HALF_BITS = 0x3FE6A09E667F3BCD;

template <int N> struct Part {
    typedef double values __attribute__((vector_size(8 * N)));
    typedef int64_t words __attribute__((vector_size(8 * N)));
    typedef uint64_t naturals __attribute__((vector_size(8 * N)));
    typedef float singles __attribute__((vector_size(4 * N)));
    values v;
};

// Two narrower values side by side.
template <class T> struct Twice {
    T low, high;
};

#if defined(__AVX512F__)
using Lanes = Part<8>;
#elif defined(__AVX2__)
using Lanes = Twice<Part<4>>;
#else
using Lanes = Twice<Twice<Part<2>>>;
#endif

template <class T> constexpr int WIDTH = 0;
template <int N> constexpr int WIDTH<Part<N>> = N;
template <class T> constexpr int WIDTH<Twice<T>> = 2 * WIDTH<T>;

// Lanes, or fewer of them.
template <class V> concept Some = (WIDTH<V> > 0);

// Makes an operation on parts one on pairs of them.
template <class F, int N, class... P> INLINE auto each(F f, Part<N> a, P... rest) {
    return Part<N>{f(a.v, rest.v...)};
}
template <class F, class T, class... P> INLINE auto each(F f, Twice<T> a, P... rest) {
    return Twice<T>{each(f, a.low, rest.low...), each(f, a.high, rest.high...)};
}


// M numbers, two at `from`, two a step further, and so on.
template <int M> INLINE auto pairs(const double *from, int64_t step) {
    if constexpr (M == 2) {
        return Part<2>::values{from[0], from[1]};
    } else {
        auto low = pairs<M / 2>(from, step), high = pairs<M / 2>(from + M / 4 * step, step);
        return [&]<int... I>(std::integer_sequence<int, I...>) ALWAYS {
            return __builtin_shufflevector(low, high, I...);
        }(std::make_integer_sequence<int, M>{});
    }
}
template <int M> INLINE auto pairs(const float *from, int64_t step) {
    float two[M];
    for (int i = 0; i < M; i += 2) std::memcpy(two + i, from + i / 2 * step, 2 * sizeof(float));
    typename Part<M>::singles s;
    std::memcpy(&s, two, sizeof s);
    return __builtin_convertvector(s, typename Part<M>::values);
}
// Neighbours exchanged between rows 0, 2, 4, ... and 1, 3, 5, ...
template <int SHIFT, class V, int... I>
INLINE V turns(V even, V odd, std::integer_sequence<int, I...>) {
    return __builtin_shufflevector(even, odd, (I / 2 * 2 + SHIFT + I % 2 * int(sizeof...(I)))...);
}

template <class T> struct Make;
template <int N> struct Make<Part<N>> {
    // Less zero: what is left of it is x whatever its sign, with nothing to do.
    INLINE Part<N> splat(double x) { return {x - typename Part<N>::values{}}; }
    INLINE Part<N> load(const double *from) {
        Part<N> r;
        std::memcpy(&r.v, from, sizeof r.v);
        return r;
    }
    INLINE Part<N> load(const float *from) {
        typename Part<N>::singles s;
        std::memcpy(&s, from, sizeof s);
        return {__builtin_convertvector(s, typename Part<N>::values)};
    }
    INLINE void store(double *to, Part<N> x) { std::memcpy(to, &x.v, sizeof x.v); }
    INLINE Part<N> numbered(double first) {
        Part<N> r;
        for (int i = 0; i < N; i++) r.v[i] = first + i;
        return r;
    }
    template <class R>
    INLINE void columns(const R *from, int64_t step, Part<N> &first, Part<N> &second) {
        // Rows by turns in two vectors: then one exchange of neighbours makes columns of them.
        auto even = pairs<N>(from, 2 * step), odd = pairs<N>(from + step, 2 * step);
        first.v = turns<0>(even, odd, std::make_integer_sequence<int, N>{});
        second.v = turns<1>(even, odd, std::make_integer_sequence<int, N>{});
    }
    template <class R> INLINE void by_turns(const R *from, Part<N> &even, Part<N> &odd) {
        auto low = load(from).v, high = load(from + N).v;
        [&]<int... I>(std::integer_sequence<int, I...>) ALWAYS {
            even.v = __builtin_shufflevector(low, high, 2 * I...);
            odd.v = __builtin_shufflevector(low, high, 2 * I + 1 ...);
        }(std::make_integer_sequence<int, N>{});
    }
};
template <class T> struct Make<Twice<T>> {
    static constexpr int HALF = WIDTH<T>;
    INLINE Twice<T> splat(double x) { return {Make<T>::splat(x), Make<T>::splat(x)}; }
    template <class R> INLINE Twice<T> load(const R *from) {
        return {Make<T>::load(from), Make<T>::load(from + HALF)};
    }
    INLINE void store(double *to, Twice<T> x) {
        Make<T>::store(to, x.low);
        Make<T>::store(to + HALF, x.high);
    }
    INLINE Twice<T> numbered(double first) {
        return {Make<T>::numbered(first), Make<T>::numbered(first + HALF)};
    }
    template <class R>
    INLINE void columns(const R *from, int64_t step, Twice<T> &first, Twice<T> &second) {
        Make<T>::columns(from, step, first.low, second.low);
        Make<T>::columns(from + HALF * step, step, first.high, second.high);
    }
    template <class R> INLINE void by_turns(const R *from, Twice<T> &even, Twice<T> &odd) {
        Make<T>::by_turns(from, even.low, odd.low);
        Make<T>::by_turns(from + 2 * HALF, even.high, odd.high);
    }
};

INLINE Lanes splat(double x) { return Make<Lanes>::splat(x); }
INLINE Lanes load(const double *from) { return Make<Lanes>::load(from); }
INLINE Lanes load(const float *from) { return Make<Lanes>::load(from); }
template <Some V> INLINE V splat(double x) { return Make<V>::splat(x); }
template <Some V> INLINE V load(const double *from) { return Make<V>::load(from); }
template <Some V> INLINE void store(double *to, V x) { Make<V>::store(to, x); }
// Two lanes of eight rows: the numbers at `from + i step`, and those after them.
template <class R>
INLINE void load_columns(const R *from, int64_t step, Lanes &first, Lanes &second) {
    Make<Lanes>::columns(from, step, first, second);
}
// Eight lanes of the numbers at even and eight of those at odd distances from an address.
template <class R> INLINE void load_by_turns(const R *from, Lanes &even, Lanes &odd) {
    Make<Lanes>::by_turns(from, even, odd);
}

template <Some V> INLINE V operator+(V a, V b) {
    return each([](auto x, auto y) { return x + y; }, a, b);
}
template <Some V> INLINE V operator-(V a, V b) {
    return each([](auto x, auto y) { return x - y; }, a, b);
}
template <Some V> INLINE V operator*(V a, V b) {
    return each([](auto x, auto y) { return x * y; }, a, b);
}
template <Some V> INLINE V operator/(V a, V b) {
    return each([](auto x, auto y) { return x / y; }, a, b);
}

template <class V> INLINE V fused(V a, V b, V c) {
#if defined(__AVX512F__)
    if constexpr (sizeof(V) == 64) return (V)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
#endif
#if defined(__AVX2__) || defined(__AVX512F__)
    if constexpr (sizeof(V) == 32) return (V)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
    if constexpr (sizeof(V) == 16) return (V)_mm_fmadd_pd((__m128d)a, (__m128d)b, (__m128d)c);
#elif defined(__aarch64__)
    if constexpr (sizeof(V) == 16)
        return (V)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b);
#endif
    return a * b + c;
}

// a b + c, rounded once where the machine can.
template <Some V> INLINE V fma(V a, V b, V c) {
    return each([](auto x, auto y, auto z) { return fused(x, y, z); }, a, b, c);
}
// c - a b, rounded once where the machine can.
template <Some V> INLINE V fnma(V a, V b, V c) {
    return each([](auto x, auto y, auto z) { return fused(-x, y, z); }, a, b, c);
}

// One number as above, for loops over components.
INLINE double fma(double a, double b, double c) {
#if defined(__FMA__) || defined(__AVX512F__) || defined(__ARM_FEATURE_FMA)
    return __builtin_fma(a, b, c);
#else
    return a * b + c;
#endif
}

template <Some V> INLINE V where_greater(V a, V b, V chosen, V other) {
    return each([](auto x, auto y, auto c, auto o) { return x > y ? c : o; }, a, b, chosen, other);
}
template <Some V> INLINE V where_at_least(V a, V b, V chosen, V other) {
    return each([](auto x, auto y, auto c, auto o) { return x >= y ? c : o; }, a, b, chosen, other);
}
template <class V> INLINE V larger_part(V a, V b) {
#if defined(__AVX512F__)
    if constexpr (sizeof(V) == 64) return (V)_mm512_maskz_max_pd(255, (__m512d)a, (__m512d)b);
#endif
#if defined(__AVX2__)
    if constexpr (sizeof(V) == 32) return (V)_mm256_max_pd((__m256d)a, (__m256d)b);
#endif
#if defined(__SSE2__)
    if constexpr (sizeof(V) == 16) return (V)_mm_max_pd((__m128d)a, (__m128d)b);
#endif
    return a > b ? a : b;
}
// a where it is larger, else b; so b where either is a NaN.
template <Some V> INLINE V larger(V a, V b) {
    return each([](auto x, auto y) { return larger_part(x, y); }, a, b);
}

// The first `count` lanes, and zeros.
INLINE Lanes first_lanes(int64_t count, Lanes x) {
    return where_greater(splat(double(count)), Make<Lanes>::numbered(0.0), x, splat(0.0));
}

// `count` numbers and zeros; nothing beyond them is read.
template <class R> INLINE Lanes load_some(const R *from, int64_t count) {
    double part[LANES] = {};
    for (int64_t i = 0; i < (count < LANES ? count : LANES); i++) part[i] = double(from[i]);
    return load(part);
}

// Lanes i and i + half added.
template <class T> INLINE T folded(Twice<T> x) {
    return each([](auto a, auto b) { return a + b; }, x.low, x.high);
}
template <int N> INLINE Part<N / 2> folded(Part<N> x) {
    // By shuffles, not through memory: sums that are written in parts would not stay in registers.
    return [&]<int... I>(std::integer_sequence<int, I...>) ALWAYS {
        return Part<N / 2>{__builtin_shufflevector(x.v, x.v, I...) +
                           __builtin_shufflevector(x.v, x.v, (I + N / 2)...)};
    }(std::make_integer_sequence<int, N / 2>{});
}
// The sum of the lanes, added pairwise: lane i and i + 4 first.
INLINE double total(Part<2> x) { return x.v[0] + x.v[1]; }
template <class T> INLINE double total(T x) { return total(folded(x)); }

// Writes four such sums, with the same bits, side by side.
template <class T> INLINE void totals(double *to, T a, T b, T c, T d) {
    if constexpr (WIDTH<T> > 4) {
        totals(to, folded(a), folded(b), folded(c), folded(d));
    } else if constexpr (std::is_same_v<T, Part<4>>) {
        auto ac = __builtin_shufflevector(a.v, c.v, 0, 1, 4, 5) +
                  __builtin_shufflevector(a.v, c.v, 2, 3, 6, 7);
        auto bd = __builtin_shufflevector(b.v, d.v, 0, 1, 4, 5) +
                  __builtin_shufflevector(b.v, d.v, 2, 3, 6, 7);
        Part<4> sums{__builtin_shufflevector(ac, bd, 0, 4, 2, 6) +
                     __builtin_shufflevector(ac, bd, 1, 5, 3, 7)};
        Make<Part<4>>::store(to, sums);
    } else {
        to[0] = total(a), to[1] = total(b), to[2] = total(c), to[3] = total(d);
    }
}

template <int N> INLINE double first_lane(Part<N> x) { return x.v[0]; }
template <class T> INLINE double first_lane(Twice<T> x) { return first_lane(x.low); }

INLINE double highest(Part<2> x) { return x.v[0] > x.v[1] ? x.v[0] : x.v[1]; }
template <int N> INLINE double highest(Part<N> x) {
    Part<N / 2> low, high;
    std::memcpy(&low.v, &x.v, sizeof low.v);
    std::memcpy(&high.v, (const char *)&x.v + sizeof low.v, sizeof high.v);
    return highest(Part<N / 2>{low.v > high.v ? low.v : high.v});
}
// The largest of the lanes.
template <class T> INLINE double highest(Twice<T> x) {
    return highest(each([](auto a, auto b) { return a > b ? a : b; }, x.low, x.high));
}

// The lanes S places on, those of `before` ahead of them.
template <int S, int N> INLINE Part<N> behind(Part<N> before, Part<N> x) {
    return [&]<int... I>(std::integer_sequence<int, I...>) ALWAYS {
        return Part<N>{__builtin_shufflevector(before.v, x.v, (N - S + I)...)};
    }(std::make_integer_sequence<int, N>{});
}
template <int S, class T> INLINE Twice<T> behind(Twice<T> before, Twice<T> x) {
    if constexpr (S == WIDTH<T>) return {before.high, x.low};
    else return {behind<S>(before.high, x.low), behind<S>(x.low, x.high)};
}
// The sums of the lanes up to each.
template <Some V> INLINE V running(V x) {
    V zero = splat<V>(0.0);
    x = x + behind<1>(zero, x);
    if constexpr (WIDTH<V> > 2) x = x + behind<2>(zero, x);
    if constexpr (WIDTH<V> > 4) x = x + behind<4>(zero, x);
    return x;
}

INLINE double last_lane(Part<2> x) { return x.v[1]; }
template <int N> INLINE double last_lane(Part<N> x) { return x.v[N - 1]; }
template <class T> INLINE double last_lane(Twice<T> x) { return last_lane(x.high); }

// The bits of numbers are natural numbers, whose sums may go round.
template <class V> INLINE V scaled_by_power(V x, V exponent) {
    typedef uint64_t W __attribute__((vector_size(sizeof(V))));
    return (V)((W)x + ((W)exponent << 52));
}
// x 2^k where k sits in the low bits of `exponent`, as MAGIC leaves it.
template <Some V> INLINE V times_power_of_two(V x, V exponent) {
    return each([](auto a, auto b) { return scaled_by_power(a, b); }, x, exponent);
}

template <class V> INLINE V whole_part(V x) {
    typedef uint64_t W __attribute__((vector_size(sizeof(V))));
    return (V)((W)(x + MAGIC) - MAGIC_BITS);
}
// Whole numbers as the bits of 64-bit integers.
INLINE Lanes whole_bits(Lanes x) {
    return each([](auto a) { return whole_part(a); }, x);
}

// k as a whole number with a sign, of x = m 2^k.
template <class V> INLINE auto power_of(V x) {
    typedef uint64_t W __attribute__((vector_size(sizeof(V))));
    typedef int64_t Signed __attribute__((vector_size(sizeof(V))));
    return (W)((Signed)((W)x - SQUARE_ROOT_HALF_BITS) >> 52);
}
template <class V> INLINE V exponent_part(V x) {
    // Through MAGIC to a float: needs no instruction that only AVX-512 has.
    return (V)(power_of(x) + MAGIC_BITS) - MAGIC;
}
template <class V> INLINE V mantissa_part(V x) {
    typedef uint64_t W __attribute__((vector_size(sizeof(V))));
    return (V)((W)x - (power_of(x) << 52));
}
// k and m with x = m 2^k and m from sqrt(1/2) to sqrt(2).
template <Some V> INLINE V exponent_of(V x) {
    return each([](auto a) { return exponent_part(a); }, x);
}
template <Some V> INLINE V mantissa_of(V x) {
    return each([](auto a) { return mantissa_part(a); }, x);
}

}  // namespace MIXTURA_SET
