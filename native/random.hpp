// Random numbers out of a generator of NumPy's, whose state stays with whoever handed it in.
#pragma once

#include <cstdint>

namespace MIXTURA_SET {

// NumPy's interface to a generator of bits.
struct Source {
    void *state;
    uint64_t (*word)(void *);
    double (*unit)(void *);

    // From 0 to below 1.
    double uniform() const { return unit(state); }
    // From 0 to below n.
    int64_t below(int64_t n) const { return int64_t(unit(state) * double(n)); }
};

}  // namespace MIXTURA_SET
