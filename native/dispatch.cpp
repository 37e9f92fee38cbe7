// The exported functions: each calls that of the best instruction set which the machine has.
#include "interface.hpp"

#if defined(__x86_64__) || defined(_M_X64)
#define HAS_SETS
#include <cpuid.h>
#endif

#define DECLARED(result, name, parameters, arguments) result name parameters;

#if defined(HAS_SETS)
namespace avx512 { MIXTURA_FUNCTIONS(DECLARED) }
namespace avx2 { MIXTURA_FUNCTIONS(DECLARED) }
#endif
namespace baseline { MIXTURA_FUNCTIONS(DECLARED) }

namespace {

// Instruction sets from the narrowest on.
enum Set : int64_t { BASELINE, AVX2, AVX512 };

#if defined(HAS_SETS)
constexpr bool has(unsigned word, unsigned bits) { return (word & bits) == bits; }
constexpr unsigned bit(int number) { return 1u << number; }
#endif

// By features, never by the processor's name; and by the registers that the system keeps. The
// compiler's own question would need its run-time library, which not every linker finds.
Set widest() {
#if defined(HAS_SETS)
    constexpr unsigned FMA = bit(12), KEPT = bit(27);
    constexpr unsigned IS_AVX2 = bit(5), IS_AVX512 = bit(16) | bit(17) | bit(30) | bit(31);
    constexpr unsigned KEEPS_256 = 0x06, KEEPS_512 = 0xe6;
    unsigned a, b, c, d, kept, high;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !has(c, FMA | KEPT)) return BASELINE;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !has(b, IS_AVX2)) return BASELINE;
    __asm__("xgetbv" : "=a"(kept), "=d"(high) : "c"(0));
    if (has(b, IS_AVX512) && has(kept, KEEPS_512)) return AVX512;
    if (has(kept, KEEPS_256)) return AVX2;
#endif
    return BASELINE;
}

Set chosen = widest();

}  // namespace

#if defined(_WIN32)
#define EXPORTED extern "C" __declspec(dllexport)
#else
#define EXPORTED extern "C" __attribute__((visibility("default")))
#endif

// Returns the instruction set in use: 0 baseline (NEON on ARM), 1 AVX2, 2 AVX-512.
EXPORTED int64_t mixtura_set() { return chosen; }

// Uses a narrower instruction set, or the widest again; returns the one in use from now on.
EXPORTED int64_t mixtura_use_set(int64_t wanted) {
    Set most = widest();
    chosen = wanted < 0 || wanted > most ? most : Set(wanted);
    return chosen;
}

#if defined(HAS_SETS)
#define EXPORT(result, name, parameters, arguments)         \
    EXPORTED result mixtura_##name parameters {             \
        if (chosen == AVX512) return avx512::name arguments; \
        if (chosen == AVX2) return avx2::name arguments;     \
        return baseline::name arguments;                    \
    }
#else
#define EXPORT(result, name, parameters, arguments) \
    EXPORTED result mixtura_##name parameters { return baseline::name arguments; }
#endif

MIXTURA_FUNCTIONS(EXPORT)
