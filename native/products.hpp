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

#if defined(__AVX512F__) || defined(__aarch64__)
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

// Adds the products of `count` features and coefficients to the sums of C components; `rows` is
// left with the last feature. Meanwhile lines `step` bytes apart are fetched to cache.
template <int C, int R>
INLINE void add_products(Register (&sums)[C][R], Register (&rows)[R], const double *features,
                         int64_t stride, int64_t count, const double *coefficients,
                         const char *&ahead, int64_t step) {
    for (int64_t f = 0; f < count; f++, features += stride, coefficients += C, ahead += step) {
        __builtin_prefetch(ahead);
        repeat<R>([&](auto r) ALWAYS { rows[r] = Make<Register>::load(features + r * WIDE); });
        repeat<C>([&](auto c) ALWAYS {
            Register p = Make<Register>::splat(coefficients[c]);
            repeat<R>([&](auto r) ALWAYS { sums[c][r] = fused(p, rows[r], sums[c][r]); });
        });
    }
}

// Where scores go: components and rows, and the highest of each row so far, which may be null.
struct Scored {
    double *scores;
    int64_t stride;
    double *top;
    bool is_first;
};

template <int C, int R> INLINE void keep_highest(const Register (&scores)[C][R], const Scored &to) {
    repeat<R>([&](auto r) ALWAYS {
        Register best = scores[0][r];
        repeat<C>([&](auto c) ALWAYS { best.v = larger_part(scores[c][r].v, best.v); });
        Register before = to.is_first ? best : Make<Register>::load(to.top + r * WIDE);
        Make<Register>::store(to.top + r * WIDE, {larger_part(best.v, before.v)});
    });
}

// Scores that are linear in features: constant + features . coefficients.
template <int C, int R>
INLINE void linear_tile(const double *features, int64_t stride, int64_t count,
                        const double *coefficients, const double *constant, const Scored &to,
                        const char *&ahead, int64_t step) {
    Register sums[C][R], rows[R];
    repeat<C>([&](auto c) ALWAYS {
        repeat<R>([&](auto r) ALWAYS { sums[c][r] = Make<Register>::splat(constant[c]); });
    });
    add_products(sums, rows, features, stride, count, coefficients, ahead, step);
    repeat<C>([&](auto c) ALWAYS {
        double *line = to.scores + c * to.stride;
        repeat<R>([&](auto r) ALWAYS { Make<Register>::store(line + r * WIDE, sums[c][r]); });
    });
    if (to.top) keep_highest(sums, to);
}

// Scores that are quadratic in values u: constant + sum_i u_i (b_i + sum_(j <= i) c_ij u_j).
template <int C, int R>
INLINE void quadratic_tile(const double *values, int64_t stride, int64_t count,
                           const double *coefficients, const double *constant, const Scored &to,
                           const char *&ahead, int64_t step) {
    using M = Make<Register>;
    // Where there are few registers, they hold the sums alone, and scores stay in cache.
    auto kept = [&](int c, int r) ALWAYS { return to.scores + c * to.stride + r * WIDE; };
    Register scores[C][R], sums[C][R], rows[R];
    repeat<C>([&](auto c) ALWAYS {
        repeat<R>([&](auto r) ALWAYS { scores[c][r] = M::splat(constant[c]); });
    });
    for (int64_t i = 0; i < count; i++) {
        repeat<C>([&](auto c) ALWAYS {
            Register b = M::splat(coefficients[c]);
            repeat<R>([&](auto r) ALWAYS { sums[c][r] = b; });
        });
        add_products(sums, rows, values, stride, i + 1, coefficients + C, ahead, step);
        coefficients += C * (i + 2);
        repeat<C>([&](auto c) ALWAYS {
            repeat<R>([&](auto r) ALWAYS {
                if (!HAS_32_REGISTERS && i > 0) scores[c][r] = M::load(kept(c, r));
                scores[c][r] = fused(rows[r], sums[c][r], scores[c][r]);
                if (!HAS_32_REGISTERS) M::store(kept(c, r), scores[c][r]);
            });
        });
    }
    repeat<C>([&](auto c) ALWAYS {
        repeat<R>([&](auto r) ALWAYS { M::store(kept(c, r), scores[c][r]); });
    });
    keep_highest(scores, to);
}

// Scores that are linear in features, of component k in those up to its own, or quadratic.
enum Form { LINEAR, TRIANGULAR, QUADRATIC };

// Writes the scores of n rows and all components, in a form.
//
// `coefficients` holds those of tiles of about as many components each, `width` for each of them.
// Meanwhile as many `bytes` for each row are fetched to cache from `ahead` on.
template <Form FORM>
inline void score_products(const double *features, int64_t stride, int64_t n, int64_t count,
                           const double *coefficients, int64_t n_components,
                           const double *constant, double *scores, int64_t scores_stride,
                           double *top, const char *ahead, int64_t bytes) {
    int64_t n_tiles = (n_components + SCORED - 1) / SCORED;
    int64_t width = FORM == QUADRATIC ? count * (count + 3) / 2 : count;
    int64_t n_steps = n_tiles * (FORM == QUADRATIC ? width - count : width);
    for (int64_t b = 0; b < n; b += ROWS)
        for (int64_t t = 0; t < n_tiles; t++) {
            int64_t k = t * n_components / n_tiles, end = (t + 1) * n_components / n_tiles;
            chosen<SCORED>(end - k, [&](auto c) ALWAYS {
                constexpr int R = FORM == QUADRATIC && HAS_32_REGISTERS ? 2 : REGISTERS_SCORED<c>;
                int64_t step = (bytes * R * WIDE + n_steps - 1) / n_steps;
                for (int64_t r = b; r < b + ROWS; r += R * WIDE) {
                    Scored to{scores + k * scores_stride + r, scores_stride, top ? top + r : nullptr,
                              t == 0};
                    auto tile = FORM == QUADRATIC ? quadratic_tile<c, R> : linear_tile<c, R>;
                    tile(features + r, stride, FORM == TRIANGULAR ? end : count,
                         coefficients + k * width, constant + k, to, ahead, step);
                }
            });
        }
}

// Features that are products of two values each, and are written where they are first used.
struct Pairs {
    const double *left[FEATURES_SUMMED], *right[FEATURES_SUMMED];
};

// Adds the sums over n rows of the products of F features and C components' responsibilities to
// a tile of `sums`, whose rows are `width` apart. Where MADE, the features are made of pairs.
template <int F, int C, bool MADE>
INLINE void moment_tile(const Pairs &pairs, double *features, const double *shares, int64_t stride,
                        int64_t n, double *sums, int64_t width) {
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
                Register feature;
                if constexpr (MADE) {
                    feature.v = M::load(pairs.left[f] + b).v * M::load(pairs.right[f] + b).v;
                    M::store(features + f * stride + b, feature);
                } else {
                    feature = in_register(M::load(features + f * stride + b));
                }
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
// `width` apart. Where MADE, features are a few at most, made of pairs.
template <bool MADE = false>
inline void moment_products(double *features, int64_t n_features, const double *shares,
                            int64_t n_components, int64_t stride, int64_t n, double *sums,
                            int64_t width, const Pairs &pairs = {}) {
    for (int64_t f = 0; f < n_features; f += FEATURES_SUMMED)
        chosen<FEATURES_SUMMED>(n_features - f, [&](auto some) ALWAYS {
            int64_t k = 0;
            auto add = [&]<bool FIRST>() ALWAYS {
                chosen<SHARES_SUMMED>(n_components - k, [&](auto few) ALWAYS {
                    moment_tile<some, few, FIRST>(pairs, features + f * stride, shares + k * stride,
                                                  stride, n, sums + f * width + k, width);
                });
                k += SHARES_SUMMED;
            };
            add.template operator()<MADE>();
            while (k < n_components) add.template operator()<false>();
        });
}

}  // namespace MIXTURA_SET
