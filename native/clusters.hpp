// Clusters that rows join and leave, their parameters integrated out: eight beside each other.
//
// With n rows, posterior mean m and scale S, a row x has, given those of a cluster, the log
// density c(n) - log|S|/2 - power log(1 + step (x - m)' S^-1 (x - m)), and the last logarithm is
// what log|S| grows by when it joins. One formula serves rows outside and inside a cluster, whose
// own share is taken out with a step below zero: rows that stay where they are change nothing.
#pragma once

#include "random.hpp"

namespace MIXTURA_SET {

// A variance for each feature, one for all, known ones, a matrix.
enum Spread : int64_t { EACH, SHARED, KNOWN, FULL };

// Share of a scale that must be left when a row leaves it.
constexpr double LEAST_LEFT = 1e-6;
// Of a factorisation, relative to the variance: about what float64 resolves.
constexpr double LEAST_PIVOT = 1e-15;
// The score of a place without a cluster.
constexpr double NEVER = -1e300;

// A row of it marks a lane; the last marks none.
constexpr double MARK[LANES + 1][LANES] = {
    {1, 0, 0, 0, 0, 0, 0, 0}, {0, 1, 0, 0, 0, 0, 0, 0}, {0, 0, 1, 0, 0, 0, 0, 0},
    {0, 0, 0, 1, 0, 0, 0, 0}, {0, 0, 0, 0, 1, 0, 0, 0}, {0, 0, 0, 0, 0, 1, 0, 0},
    {0, 0, 0, 0, 0, 0, 1, 0}, {0, 0, 0, 0, 0, 0, 0, 1}, {0, 0, 0, 0, 0, 0, 0, 0},
};

template <Some V> INLINE V chosen(V mark, V at, V elsewhere) {
    return where_greater(mark, splat<V>(0.5), at, elsewhere);
}

// What is known before any row.
struct Prior {
    int64_t n_features;
    double before;  // what the scale adds
    const double *location, *shrinkage, *shape, *scale;
    const double *further, *together;  // constants of a row beside n others, of n rows together
    bool alike;                        // whether all features have one shape
};

// A product of positive lanes that never overflows, for one logarithm of many numbers.
template <Some V> struct Product {
    V exponent = splat<V>(0.0), mantissa = splat<V>(1.0);
    void times(V x) {
        x = mantissa * x;
        exponent = exponent + exponent_of(x);
        mantissa = mantissa_of(x);
    }
    V logarithm() const { return log_of(exponent, mantissa - splat<V>(1.0)); }
};

template <Some V> struct Scored {
    // Log weights; the least share of a scale that would be left; the log of what all grow by.
    V score, least, grown;
};

template <Spread KIND, int SIZE> struct Clusters {
    // Places of a group of eight clusters, eight numbers each.
    enum { WEIGHT, WEIGHT_INSIDE, POWER, POWER_INSIDE, HALF, COUNT, STEP };

    Prior prior;
    const double *weights;  // log weight of joining n other rows, with the constant of a row more
    double *room;           // room for a matrix of lanes where SIZE is not known, and for sums

    INLINE int64_t n_steps(int64_t size) { return KIND == FULL ? 1 : size; }
    INLINE int64_t n_products(int64_t size) {
        return KIND == FULL ? size * (size + 1) / 2 : KIND == SHARED ? 1 : size;
    }
    INLINE int64_t n_places(int64_t size) {
        return STEP + 2 * n_steps(size) + size + n_products(size);
    }
    int64_t size() const { return SIZE ? SIZE : prior.n_features; }
    int64_t width() const { return LANES * n_places(size()); }
    int64_t step_inside() const { return STEP + n_steps(size()); }
    int64_t mean() const { return STEP + 2 * n_steps(size()); }
    // Reciprocals of pivots, of known variances or of twice a scale of unknown ones; of a matrix
    // what is below the diagonal follows, by columns.
    int64_t inverse() const { return mean() + size(); }

    // The first lanes of a group are used alone where there are no more clusters.
    template <Some V> INLINE V at(const double *group, int64_t place) {
        return load<V>(group + LANES * place);
    }
    template <Some V> INLINE void put(double *group, int64_t place, V x) {
        store(group + LANES * place, x);
    }

    // Writes the scores of R rows by each cluster, each row inside the marked one.
    template <int R, Some V>
    INLINE void score(const Clusters &c, const double *group, const double *const *x,
                      const V *mark, Scored<V> *to) {
        const int64_t size = c.size(), mean = c.mean(), inverse = c.inverse();
        const int64_t one = c.step_inside();
        const V unit = splat<V>(1.0);
        V square[R], least[R], more[R];
        Product<V> product[R];
        auto each_row = [&](auto work) {
            for (int r = 0; r < R; r++) work(r);
        };
        each_row([&](int r) { square[r] = more[r] = splat<V>(0.0), least[r] = unit; });
        if constexpr (KIND == FULL) {
            V local[SIZE ? R * SIZE : 1], *w = SIZE ? local : (V *)c.room;
            for (int64_t d = 0; d < size; d++) {
                V centre = at<V>(group, mean + d);
                each_row([&](int r) { w[d * R + r] = splat<V>(x[r][d]) - centre; });
            }
            int64_t below = inverse + size;
            for (int64_t j = 0; j < size; j++) {
                V pivot = at<V>(group, inverse + j), *own = w + j * R;
                each_row([&](int r) { square[r] = fma(own[r] * own[r], pivot, square[r]); });
                for (int64_t i = j + 1; i < size; i++) {
                    V factor = at<V>(group, below++), *its = w + i * R;
                    each_row([&](int r) { its[r] = fnma(own[r], factor, its[r]); });
                }
            }
            V inside = at<V>(group, one), outside = at<V>(group, STEP);
            each_row([&](int r) {
                least[r] = fma(chosen(mark[r], inside, outside), square[r], unit);
                more[r] = log(least[r]);
            });
        } else {
            for (int64_t d = 0; d < size; d++) {
                V centre = at<V>(group, mean + d);
                V scale = at<V>(group, inverse + (KIND == SHARED ? 0 : d));
                V inside = at<V>(group, one + d), outside = at<V>(group, STEP + d);
                each_row([&](int r) {
                    V apart = splat<V>(x[r][d]) - centre;
                    V term = chosen(mark[r], inside, outside) * (apart * apart);
                    if constexpr (KIND != EACH) {
                        square[r] = fma(term, scale, square[r]);
                        return;
                    }
                    V left = fma(term, scale, unit);
                    least[r] = where_greater(least[r], left, left, least[r]);
                    if (!c.prior.alike)
                        more[r] = fma(splat<V>(c.prior.shape[d]), log(left), more[r]);
                    product[r].times(left);
                });
            }
            each_row([&](int r) {
                if (KIND == EACH && c.prior.alike) more[r] = product[r].logarithm();
                if (KIND == KNOWN) more[r] = square[r];
                if (KIND == SHARED) least[r] = unit + square[r], more[r] = log(least[r]);
            });
        }
        V weight = at<V>(group, WEIGHT), weight_inside = at<V>(group, WEIGHT_INSIDE);
        V power = at<V>(group, POWER), power_inside = at<V>(group, POWER_INSIDE);
        each_row([&](int r) {
            V factor = chosen(mark[r], power_inside, power), grown = more[r];
            V found = chosen(mark[r], weight_inside, weight);
            if (KIND == EACH && !c.prior.alike) {
                grown = product[r].logarithm();
                found = fnma(factor, grown, found);
                factor = chosen(mark[r], splat<V>(-1.0), unit);
            }
            if (KIND == SHARED) grown = splat<V>(double(size)) * grown;
            to[r] = {fnma(factor, more[r], found), least[r], grown};
        });
    }

    // Adds a row to the marked cluster, or takes one out; it has then `count` rows. `grown` is what
    // a score said.
    //
    // A triangular factor with a diagonal matrix changes by [GillGolubMurraySaunders1974]_, the
    // squares along the way being those of a score.
    template <bool COMPLETE = true, Some V>
    INLINE void turn(const Clusters &c, double *group, const double *x, V mark, V grown,
                     bool joins, int64_t count) {
        const int64_t size = c.size(), mean = c.mean(), inverse = c.inverse();
        const int64_t steps = joins ? int64_t(STEP) : c.step_inside();
        const V unit = splat<V>(1.0), sign = splat<V>(joins ? 1.0 : -1.0);
        auto moved = [&](int64_t d) {
            V old = at<V>(group, mean + d), apart = splat<V>(x[d]) - old;
            V total = splat<V>(c.prior.shrinkage[d]) + at<V>(group, COUNT);
            put(group, mean + d, chosen(mark, fma(sign / (total + sign), apart, old), old));
            return apart;
        };
        auto change = [&](int64_t place, V x) {
            put(group, place, chosen(mark, x, at<V>(group, place)));
        };
        V square = splat<V>(0.0);
        if constexpr (KIND == FULL) {
            V local[SIZE ? SIZE : 1], *w = SIZE ? local : (V *)c.room;
            for (int64_t d = 0; d < size; d++) w[d] = moved(d);
            V step = at<V>(group, steps), before = unit;
            int64_t below = inverse + size;
            for (int64_t j = 0; j < size; j++) {
                V old = at<V>(group, inverse + j), along = w[j] * old;
                square = fma(w[j], along, square);
                V after = fma(step, square, unit), ratio = unit / after;
                V turned = chosen(mark, step * along * ratio, splat<V>(0.0));
                change(inverse + j, old * (before * ratio));
                before = after;
                for (int64_t i = j + 1; i < size; i++, below++) {
                    V factor = at<V>(group, below);
                    w[i] = fnma(w[j], factor, w[i]);
                    put(group, below, fma(turned, w[i], factor));
                }
            }
        } else {
            for (int64_t d = 0; d < size; d++) {
                V apart = moved(d), term = at<V>(group, steps + d) * (apart * apart);
                if constexpr (KIND == EACH) {
                    V old = at<V>(group, inverse + d);
                    change(inverse + d, old / fma(term, old, unit));
                }
                square = square + term;
            }
            V old = at<V>(group, inverse);
            if (KIND == SHARED) change(inverse, old / fma(square, old, unit));
        }
        change(HALF, fma(splat<V>(0.5), grown, at<V>(group, HALF)));
        refresh<COMPLETE>(c, group, mark, count);
    }

    // Writes what depends on the number of rows of the marked cluster alone; of rows inside only
    // where it is to be complete.
    template <bool COMPLETE = true, Some V>
    INLINE void refresh(const Clusters &c, double *group, V mark, int64_t count) {
        const int64_t size = c.size();
        const double n = double(count);
        auto change = [&](int64_t place, V x) {
            put(group, place, chosen(mark, x, at<V>(group, place)));
        };
        change(COUNT, splat<V>(n));
        V half = KIND == KNOWN ? splat<V>(0.0) : at<V>(group, HALF);
        change(WEIGHT, splat<V>(c.weights[count]) - half);
        change(POWER, splat<V>(c.power(n + 1.0)));
        for (int64_t d = 0; d < n_steps(size); d++) {
            double total = c.prior.shrinkage[d] + n;
            change(STEP + d, splat<V>(total / (total + 1.0)));
            if (COMPLETE) change(c.step_inside() + d, splat<V>(-total / (total - 1.0)));
        }
        if (!COMPLETE) return;
        change(WEIGHT_INSIDE, splat<V>(c.weights[count > 0 ? count - 1 : 0]) - half);
        change(POWER_INSIDE, splat<V>(-c.power(n - 1.0)));
    }

    double power(double n) const {
        double half = 0.5 * n;
        if (KIND == KNOWN) return 0.5;
        if (KIND == SHARED) return prior.shape[0] + half * double(size());
        if (KIND == FULL) return 0.5 * prior.shape[0] + half;
        return prior.alike ? prior.shape[0] + half : half;
    }

    // Returns the log density of all rows of a cluster, `column` its first number.
    double evidence(const double *column) const {
        double n = column[LANES * COUNT], half = column[LANES * HALF], worth = 0.0;
        if (KIND == KNOWN) worth = -half;
        else if (KIND == SHARED) worth = -2.0 * power(n) * half / double(size());
        else worth = -2.0 * power(n) * half;
        if (KIND == EACH && !prior.alike)
            for (int64_t d = 0; d < size(); d++)
                worth += prior.shape[d] * log_of_one(2.0 * column[LANES * (inverse() + d)]);
        return prior.together[int64_t(n)] + worth - prior.before;
    }

    // Writes a cluster of some rows, found from them in two passes.
    void find(const double *rows, const int64_t *own, int64_t count, double *group, int64_t lane) {
        const int64_t size = this->size();
        double local[2 * (SIZE ? SIZE : 1) + (SIZE ? SIZE * (SIZE + 1) / 2 : 1)];
        double *centre = SIZE ? local : room, *apart = centre + size, *sums = apart + size;
        for (int64_t d = 0; d < size; d++) centre[d] = 0.0;
        for (int64_t i = 0; i < n_products(size); i++) sums[i] = 0.0;
        auto gather = [&]() {
            int64_t place = 0;
            for (int64_t i = 0; i < size; i++) {
                if constexpr (KIND == FULL)
                    for (int64_t j = 0; j <= i; j++, place++)
                        sums[place] = fma(apart[i], apart[j], sums[place]);
                else
                    sums[KIND == SHARED ? 0 : i] += apart[i] * apart[i];
            }
        };
        for (int64_t m = 0; m < count; m++)
            for (int64_t d = 0; d < size; d++) centre[d] += rows[own[m] * size + d];
        for (int64_t d = 0; d < size && count; d++) centre[d] /= double(count);
        for (int64_t m = 0; m < count; m++) {
            for (int64_t d = 0; d < size; d++) apart[d] = rows[own[m] * size + d] - centre[d];
            gather();
        }
        for (int64_t d = 0; d < size; d++) {
            double share = double(count) / (prior.shrinkage[d] + double(count));
            double away = count ? centre[d] - prior.location[d] : 0.0;
            apart[d] = __builtin_sqrt(prior.shrinkage[d] * share) * away;
            centre[d] = prior.location[d] + share * away;
        }
        gather();
        double *column = group + lane;
        for (int64_t d = 0; d < size; d++) column[LANES * (mean() + d)] = centre[d];
        column[LANES * HALF] = 0.5 * complete(sums, column);
        refresh(*this, group, load(MARK[lane]), count);
    }

    // Writes the reciprocals of the scale, and the factor; returns the log determinant.
    double complete(double *sums, double *column) const {
        const int64_t size = this->size();
        double *to = column + LANES * inverse(), result = 0.0;
        if constexpr (KIND == FULL) {
            double *below = to + LANES * size;
            auto entry = [&](int64_t i, int64_t j) -> double & {
                return sums[i * (i + 1) / 2 + j];
            };
            for (int64_t i = 0; i < size; i++)
                for (int64_t j = 0; j <= i; j++) entry(i, j) += prior.scale[i * size + j];
            for (int64_t j = 0; j < size; j++) {
                double variance = entry(j, j), pivot = variance;
                for (int64_t k = 0; k < j; k++) pivot -= entry(j, k) * entry(j, k) * entry(k, k);
                pivot = pivot > LEAST_PIVOT * variance ? pivot : LEAST_PIVOT * variance;
                entry(j, j) = pivot;
                to[LANES * j] = 1.0 / pivot;
                result += log_of_one(pivot);
                for (int64_t i = j + 1; i < size; i++, below += LANES) {
                    double rest = entry(i, j);
                    for (int64_t k = 0; k < j; k++) rest -= entry(i, k) * entry(j, k) * entry(k, k);
                    entry(i, j) = rest / pivot;
                    *below = entry(i, j);
                }
            }
        } else if constexpr (KIND == KNOWN) {
            for (int64_t d = 0; d < size; d++) {
                to[LANES * d] = 1.0 / prior.scale[d];
                result += sums[d] / prior.scale[d];
            }
        } else {
            for (int64_t d = 0; d < n_products(size); d++) {
                double scale = prior.scale[d] + 0.5 * sums[d];
                to[LANES * d] = 0.5 / scale;
                result += (KIND == SHARED ? double(size) : 1.0) * log_of_one(scale);
            }
        }
        return result;
    }
};

}  // namespace MIXTURA_SET
