#include "threads.hpp"

#include <atomic>
#include <cstdlib>
#include <mutex>
#include <thread>

#if !defined(_WIN32)
#include <pthread.h>
#endif
#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#endif

namespace threads {

namespace {

// Looks at a word before a thread goes to sleep: some tens of microseconds, about what it takes to
// wake one.
constexpr int LOOKS = 1000;
constexpr int64_t MOST_THREADS = 1 << 10;

void pause() {
#if defined(__x86_64__) || defined(_M_X64)
    _mm_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

// What is to be done now, in one word, so that it is taken as a whole: next segment, segments,
// threads besides the caller, number of the pass.
struct Ticket {
    uint64_t next : 8, n : 8, helpers : 16, pass : 32;
};
static_assert(sizeof(Ticket) == 8 && MOST_SEGMENTS < 256);

struct Pool {
    std::mutex busy;
    std::atomic<Ticket> ticket{Ticket{}};
    std::atomic<uint32_t> pass{0};  // what sleepers watch
    std::atomic<int64_t> done{0};
    std::atomic<bool> failed{false};
    Job job = nullptr;
    void *context = nullptr;
    int64_t n_helpers = 0;

    // Does segments while there are any; a late thread cannot take one of a pass that has ended.
    void work(uint64_t helper, Ticket seen) {
        while (helper < seen.helpers && seen.next < seen.n) {
            Ticket taken = seen;
            taken.next++;
            if (!ticket.compare_exchange_weak(seen, taken)) continue;
            if (!job(context, int64_t(seen.next))) failed = true;
            if (done.fetch_add(1) + 1 == seen.n) done.notify_one();
            seen = ticket.load();
        }
    }

    void help(uint64_t helper) {
        for (uint32_t last = 0;;) {
            uint32_t now = pass.load();
            for (int i = 0; now == last && i < LOOKS; i++, now = pass.load()) pause();
            if (now == last) {
                pass.wait(last);
                now = pass.load();
            }
            last = now;
            work(helper, ticket.load());
        }
    }

    // Makes threads until there are so many, or no more can be had.
    void grow(int64_t wanted) {
        try {
            for (; n_helpers < wanted; n_helpers++)
                std::thread(&Pool::help, this, uint64_t(n_helpers)).detach();
        } catch (...) {
        }
    }

    bool run(int64_t n_segments, int64_t wanted, Job what, void *with) {
        grow(wanted);
        job = what, context = with;
        done = 0, failed = false;
        Ticket start{0, uint64_t(n_segments), uint64_t(wanted), pass.load() + 1};
        ticket = start;
        pass.fetch_add(1);
        pass.notify_all();
        // The caller is helper 0 of a pass that allows one more.
        while (start.next < start.n) {
            Ticket taken = start;
            taken.next++;
            if (!ticket.compare_exchange_weak(start, taken)) continue;
            if (!job(context, int64_t(start.next))) failed = true;
            done.fetch_add(1);
            start = ticket.load();
        }
        int64_t now = done.load();
        for (int i = 0; now < n_segments && i < LOOKS; i++, now = done.load()) pause();
        for (; now < n_segments; now = done.load()) done.wait(now);
        return !failed;
    }
};

// Never freed: its threads run until the process ends.
std::atomic<Pool *> pool{nullptr};

// A child process has none of its parent's threads, nor may it wait for their locks.
void forget() { pool = nullptr; }

Pool *the_pool() {
    Pool *found = pool.load();
    if (found) return found;
    static std::atomic<bool> told{false};
#if !defined(_WIN32)
    if (!told.exchange(true)) pthread_atfork(nullptr, nullptr, forget);
#endif
    Pool *made = new Pool;
    if (pool.compare_exchange_strong(found, made)) return made;
    delete made;
    return found;
}

}  // namespace

bool run(int64_t n_segments, int64_t n_threads, Job job, void *context) {
    int64_t helpers = (n_threads < n_segments ? n_threads : n_segments) - 1;
    if (helpers > MOST_THREADS) helpers = MOST_THREADS;
    if (helpers > 0) {
        Pool *shared = the_pool();
        std::unique_lock<std::mutex> lock(shared->busy, std::try_to_lock);
        if (lock.owns_lock()) return shared->run(n_segments, helpers, job, context);
    }
    bool enough = true;
    for (int64_t i = 0; i < n_segments; i++) enough = job(context, i) && enough;
    return enough;
}

namespace {

constexpr int64_t LINE = 64;

struct Room {
    void *memory = nullptr;
    int64_t size = 0;
    ~Room() { std::free(memory); }
};

}  // namespace

double *room(Use use, int64_t n_numbers) {
    static thread_local Room rooms[3];
    Room &mine = rooms[use];
    if (n_numbers > mine.size || !mine.memory) {
        std::free(mine.memory);
        mine.memory = std::malloc(size_t(n_numbers) * sizeof(double) + LINE);
        mine.size = mine.memory ? n_numbers : 0;
        if (!mine.memory) return nullptr;
    }
    return (double *)(((uintptr_t)mine.memory + LINE - 1) / LINE * LINE);
}

}  // namespace threads
