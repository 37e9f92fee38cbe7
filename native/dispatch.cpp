// The exported functions: each calls that of the best instruction set which the machine has.
#include "interface.hpp"

#define DECLARED(result, name, parameters, arguments) result name parameters;

#if defined(__x86_64__) || defined(_M_X64)
namespace avx512 { MIXTURA_FUNCTIONS(DECLARED) }
namespace avx2 { MIXTURA_FUNCTIONS(DECLARED) }
#endif
namespace baseline { MIXTURA_FUNCTIONS(DECLARED) }

namespace {

// Instruction sets from the narrowest on.
enum Set : int64_t { BASELINE, AVX2, AVX512 };

Set widest() {
#if defined(__x86_64__) || defined(_M_X64)
    __builtin_cpu_init();
    // By features, never by the processor's name.
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw"))
        return AVX512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return AVX2;
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

#if defined(__x86_64__) || defined(_M_X64)
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
