// How a pass is cut into blocks that stay in cache and segments that threads share.
#pragma once

#include "lanes.hpp"
#include "threads.hpp"

namespace MIXTURA_SET {

// Multiplications below which a pass is one segment: threads would cost more than they save.
constexpr int64_t SMALL = 1 << 17;
// Multiplications of a segment where there is more to do than for four: its start costs little.
constexpr int64_t LARGE = 1 << 22;
// Of the statistics of all segments together.
constexpr int64_t MOST_BYTES = 1 << 26;
constexpr int64_t BLOCK_BYTES = 96 << 10;

INLINE int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
INLINE int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }
INLINE int64_t parts_of(int64_t a, int64_t b) { return (a + b - 1) / b; }

// The rows of a block, given how many numbers a pass keeps of each.
INLINE int64_t block_size(int64_t n_numbers, int64_t bytes = BLOCK_BYTES, int64_t most = 1024) {
    int64_t fitting = bytes / (8 * (n_numbers + 8)) / 32 * 32;
    return smaller(larger(fitting, 64), most);
}

// The rows of a segment: whole blocks, a function of the sizes alone.
//
// So the order in which segments are added does not depend on the number of threads.
INLINE int64_t segment_rows(int64_t n_rows, int64_t work_per_row, int64_t n_sums, int64_t block) {
    if (n_rows <= block || n_rows < SMALL / work_per_row) return larger(n_rows, 1);
    int64_t n_segments = larger(4, 2 * parts_of(n_rows, larger(1, 2 * LARGE / work_per_row)));
    n_segments = smaller(n_segments, larger(2, MOST_BYTES / (8 * n_sums)));
    n_segments = smaller(n_segments, threads::MOST_SEGMENTS);
    return parts_of(parts_of(n_rows, n_segments), block) * block;
}

// Calls f(begin, end, sums) for every segment, and adds its n_sums numbers, zeros at first, in the
// order of the segments. Returns whether there was memory.
template <class F>
bool sum_segments(int64_t n_rows, int64_t step, int64_t n_threads, int64_t n_sums, double *sums,
                  F f) {
    int64_t n_segments = larger(1, parts_of(n_rows, step));
    double *rest = sums;
    if (n_segments > 1) rest = threads::room(threads::SUMS, (n_segments - 1) * n_sums);
    if (!rest) return false;
    auto job = [&](int64_t i) {
        double *to = i == 0 ? sums : rest + (i - 1) * n_sums;
        std::memset(to, 0, n_sums * sizeof(double));
        return f(i * step, smaller((i + 1) * step, n_rows), to);
    };
    threads::Job run = [](void *context, int64_t i) { return (*(decltype(job) *)context)(i); };
    if (!threads::run(n_segments, n_threads, run, &job)) return false;
    for (int64_t i = 1; i < n_segments; i++)
        for (int64_t s = 0; s < n_sums; s++) sums[s] += rest[(i - 1) * n_sums + s];
    return true;
}

}  // namespace MIXTURA_SET
