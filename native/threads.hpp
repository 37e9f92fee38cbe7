// Threads that share the segments of a pass, and working memory of each thread.
#pragma once

#include <cstdint>

namespace threads {

// Does the numbered segment of a pass; returns whether there was memory for it.
using Job = bool (*)(void *context, int64_t segment);

// Segments that a pass may have.
constexpr int64_t MOST_SEGMENTS = 64;

// Runs a job for every segment in up to n_threads threads, this one among them.
//
// Returns whether there was memory for all. Where another pass has the threads, this one does all.
bool run(int64_t n_segments, int64_t n_threads, Job job, void *context);

// Working memory of this thread, from the start of a line of cache on, whatever it held before; or
// null where there is none. Each use has a room of its own; asking again moves that room.
enum Use { POTENTIALS, BLOCK, SUMS };
double *room(Use use, int64_t n_numbers);

}  // namespace threads
