// Scores and moments as matrix products of features with coefficients and responsibilities.
//
// Sums of tiles stay in registers; each sum runs in one order, whatever the tiles are.
#pragma once

#include "lanes.hpp"

namespace MIXTURA_SET {

// The part of eight lanes that one register takes.
template <class T> struct Registers { using One = T; };
template <class T> struct Registers<Twice<T>> : Registers<T> {};
using Register = Registers<Lanes>::One;
constexpr int WIDE = WIDTH<Register>;

#if defined(__AVX512F__) || defined(__ARM_NEON)
constexpr bool HAS_32_REGISTERS = true;
#else
constexpr bool HAS_32_REGISTERS = false;
#endif

// Components that are scored together, at most, and features whose moments are summed together
// with those of so many components: as many as leave registers for what is multiplied.
constexpr int SCORED = 6;
constexpr int FEATURES_SUMMED = HAS_32_REGISTERS ? 4 : 6;
constexpr int SHARES_SUMMED = HAS_32_REGISTERS ? 4 : 2;

// Rows of a step of scores, and how many registers of them are scored together.
constexpr int ROWS = 32;
template <int C>
constexpr int REGISTERS_SCORED = HAS_32_REGISTERS ? 4 : C == 1 ? 8 : C == 2 ? 4 : 2;

// Calls f with a number from 1 to MOST as a constant.
template <int MOST, class F> INLINE void chosen(int64_t number, F f) {
    if constexpr (MOST > 1)
        if (number < MOST) return chosen<MOST - 1>(number, f);
    f(std::integral_constant<int, MOST>{});
}

// The value, loaded once: compilers else load it again for each of few uses.
INLINE Register in_register(Register x) {
#if defined(__AVX__) && defined(__GNUC__)
    if constexpr (!HAS_32_REGISTERS) __asm__("" : "+x"(x.v));
#endif
    return x;
}

INLINE Register fused(Register a, Register b, Register c) { return {fused(a.v, b.v, c.v)}; }

// Adds the products of `count` features and coefficients to the scores of C components, for as
// many rows as a tile takes. They begin at `constant` where it is given. Where `top` is given,
// it receives the highest score so far; the components are the first ones where `first` says so.
template <int C>
INLINE void score_tile(const double *features, int64_t stride, int64_t count,
                       const double *coefficients, const double *constant, double *scores,
                       double *top, bool first, const char *ahead, int64_t step) {
    using M = Make<Register>;
    Register sums[C][REGISTERS_SCORED<C>];
    repeat<C>([&](auto c) ALWAYS {
        repeat<REGISTERS_SCORED<C>>([&](auto r) ALWAYS {
            sums[c][r] = constant ? M::splat(constant[c]) : M::load(scores + c * stride + r * WIDE);
        });
    });
    for (int64_t f = 0; f < count; f++, features += stride, coefficients += C, ahead += step) {
        __builtin_prefetch(ahead);
        Register rows[REGISTERS_SCORED<C>];
        repeat<REGISTERS_SCORED<C>>([&](auto r) ALWAYS { rows[r] = M::load(features + r * WIDE); });
        repeat<C>([&](auto c) ALWAYS {
            Register p = M::splat(coefficients[c]);
            repeat<REGISTERS_SCORED<C>>([&](auto r) ALWAYS { sums[c][r] = fused(p, rows[r], sums[c][r]); });
        });
    }
    repeat<REGISTERS_SCORED<C>>([&](auto r) ALWAYS {
        repeat<C>([&](auto c) ALWAYS { M::store(scores + c * stride + r * WIDE, sums[c][r]); });
        if (!top) return;
        auto best = sums[0][r].v;
        repeat<C>([&](auto c) ALWAYS { best = sums[c][r].v > best ? sums[c][r].v : best; });
        auto before = first ? best : M::load(top + r * WIDE).v;
        M::store(top + r * WIDE, {best > before ? best : before});
    });
}

// Adds features . coefficients to the scores of n rows and all components, as score_tile does.
//
// `coefficients` holds those of tiles of about as many components each, `width` features each;
// they are taken from feature `from` on. Meanwhile as many `bytes` for each row are fetched to cache
// from `ahead` on.
inline void score_products(const double *features, int64_t stride, int64_t n, int64_t count,
                           const double *coefficients, int64_t width, int64_t from,
                           int64_t n_components, const double *constant, double *scores,
                           double *top, const char *ahead, int64_t bytes) {
    int64_t n_tiles = (n_components + SCORED - 1) / SCORED;
    for (int64_t b = 0; b < n; b += ROWS) {
        for (int64_t t = 0; t < n_tiles; t++) {
            int64_t k = t * n_components / n_tiles, end = (t + 1) * n_components / n_tiles;
            const double *of = coefficients + k * width + from * (end - k);
            const double *base = constant ? constant + k : nullptr;
            chosen<SCORED>(end - k, [&](auto c) ALWAYS {
                constexpr int rows = REGISTERS_SCORED<c> * WIDE;
                int64_t step = bytes * rows / (n_tiles * count);
                for (int64_t r = b; r < b + ROWS; r += rows, ahead += step * count)
                    score_tile<c>(features + r, stride, count, of, base, scores + k * stride + r,
                                  top ? top + r : nullptr, t == 0, ahead, step);
            });
        }
    }
}

// Adds the sums over n rows of the products of F features and C components' responsibilities to
// a tile of `sums`, whose rows are `width` apart.
template <int F, int C>
INLINE void moment_tile(const double *features, const double *shares, int64_t stride, int64_t n,
                        double *sums, int64_t width) {
    using M = Make<Register>;
    // One register's part of the lanes after the other, so that a tile's sums are few.
    double parts[F * C][LANES];
    for (int lane = 0; lane < LANES; lane += WIDE) {
        Register tile[F][C];
        repeat<F>([&](auto f) ALWAYS {
            repeat<C>([&](auto c) ALWAYS { tile[f][c] = M::splat(0.0); });
        });
        for (int64_t b = lane; b < n; b += LANES) {
            Register share[C];
            repeat<C>([&](auto c) ALWAYS { share[c] = M::load(shares + c * stride + b); });
            repeat<F>([&](auto f) ALWAYS {
                Register feature = in_register(M::load(features + f * stride + b));
                repeat<C>([&](auto c) ALWAYS { tile[f][c] = fused(feature, share[c], tile[f][c]); });
            });
        }
        repeat<F>([&](auto f) ALWAYS {
            repeat<C>([&](auto c) ALWAYS { M::store(parts[f * C + c] + lane, tile[f][c]); });
        });
    }
    double found[F * C];
    constexpr int FOURS = F * C / 4 * 4;
    repeat<FOURS / 4>([&](auto i) ALWAYS {
        auto at = parts + 4 * i;
        totals(found + 4 * i, load(at[0]), load(at[1]), load(at[2]), load(at[3]));
    });
    for (int i = FOURS; i < F * C; i++) found[i] = total(load(parts[i]));
    repeat<F>([&](auto f) ALWAYS {
        repeat<C>([&](auto c) ALWAYS { sums[f * width + c] += found[f * C + c]; });
    });
}

// Adds features . responsibilities over n rows to `sums`, whose rows of one feature each are
// `width` apart.
inline void moment_products(const double *features, int64_t n_features, const double *shares,
                            int64_t n_components, int64_t stride, int64_t n, double *sums,
                            int64_t width) {
    for (int64_t f = 0; f < n_features; f += FEATURES_SUMMED)
        chosen<FEATURES_SUMMED>(n_features - f, [&](auto some) ALWAYS {
            for (int64_t k = 0; k < n_components; k += SHARES_SUMMED)
                chosen<SHARES_SUMMED>(n_components - k, [&](auto few) ALWAYS {
                    moment_tile<some, few>(features + f * stride, shares + k * stride, stride, n,
                                           sums + f * width + k, width);
                });
        });
}

}  // namespace MIXTURA_SET
