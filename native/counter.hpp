// Uniform numbers that are a function of a key and a row's number, in any order.
#pragma once

#include "lanes.hpp"

namespace MIXTURA_SET {

constexpr uint64_t STEP = 0x9E3779B97F4A7C15;
constexpr uint64_t FIRST_FACTOR = 0xBF58476D1CE4E5B9;
constexpr uint64_t SECOND_FACTOR = 0x94D049BB133111EB;
constexpr double TO_UNIT = 1.0 / (int64_t(1) << 53);

// Counted SplitMix64: the last step, of one number.
INLINE uint64_t mixed(uint64_t bits) {
    bits = (bits ^ (bits >> 30)) * FIRST_FACTOR;
    bits = (bits ^ (bits >> 27)) * SECOND_FACTOR;
    return bits ^ (bits >> 31);
}

// Of as many as fit in a register; 53 bits to numbers from 0 to below 1.
template <int N> INLINE void uniform_lanes(Part<N> &to, uint64_t first) {
    typedef typename Part<N>::naturals W;
    typedef typename Part<N>::values V;
    W bits;
    for (int i = 0; i < N; i++) bits[i] = (i + 1) * STEP;
    bits += first;
    bits = (bits ^ (bits >> 30)) * FIRST_FACTOR;
    bits = (bits ^ (bits >> 27)) * SECOND_FACTOR;
    bits = (bits ^ (bits >> 31)) >> 11;
    // By halves through the exponents of 2^84 and 2^52: exact, and needs no instruction that only
    // AVX-512 has.
    V high = (V)((bits >> 32) | uint64_t(0x4530000000000000));
    V low = (V)((bits & uint64_t(0xffffffff)) | uint64_t(0x4330000000000000));
    to.v = ((high - 0x1.00000001p84) + low) * TO_UNIT;
}
template <class T> INLINE void uniform_lanes(Twice<T> &to, uint64_t first) {
    uniform_lanes(to.low, first);
    uniform_lanes(to.high, first + WIDTH<T> * STEP);
}

// Numbers from 0 to below 1 for eight rows from `number` on: those of assignments.row_uniforms.
INLINE Lanes uniforms_at(uint64_t key, int64_t number) {
    Lanes result{};
    uniform_lanes(result, key + uint64_t(number) * STEP);
    return result;
}

// The numbers of rows first to first + n, n a multiple of eight.
inline void uniforms_of(uint64_t key, int64_t first, int64_t n, double *uniforms) {
    for (int64_t b = 0; b < n; b += LANES) store(uniforms + b, uniforms_at(key, first + b));
}

}  // namespace MIXTURA_SET
