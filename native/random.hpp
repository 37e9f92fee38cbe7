// Random numbers out of a generator of NumPy's, whose state stays with whoever handed it in.
//
// Nothing is kept from one number to the next: a chain can be cut between any two.
#pragma once

#include "gammas.hpp"

namespace MIXTURA_SET {

INLINE double exp_of_one(double x) {
    return first_lane(exp(splat<Part<2>>(x < 709.0 ? x : 709.0)));
}
// Of a normal number above zero.
INLINE double log_of_one(double x) { return first_lane(log(splat<Part<2>>(x))); }

// Layers of equal area under the normal density, the lowest with its tail [MarsagliaTsang2000]_,
// [Doornik2005]_: where they end, and how much of each lies under the next.
struct Layers {
    static constexpr int N = 128;
    static constexpr double LAST = 3.442619855899, AREA = 9.91256303526217e-3;
    double edge[N + 1], ratio[N];

    Layers() {
        double density = exp_of_one(-0.5 * LAST * LAST);
        edge[0] = AREA / density;
        edge[1] = LAST;
        edge[N] = 0.0;
        for (int i = 2; i < N; i++) {
            edge[i] = __builtin_sqrt(-2.0 * log_of_one(AREA / edge[i - 1] + density));
            density = exp_of_one(-0.5 * edge[i] * edge[i]);
        }
        for (int i = 0; i < N; i++) ratio[i] = edge[i + 1] / edge[i];
    }
};
inline const Layers &layers() {
    static const Layers found;
    return found;
}

// NumPy's interface to a generator of bits, and what is made of them.
struct Source {
    void *state;
    uint64_t (*word)(void *);
    double (*unit)(void *);
    const Layers *normal_layers;

    explicit Source(const void *const *given)
        : state((void *)given[0]), word((uint64_t(*)(void *))given[1]),
          unit((double (*)(void *))given[2]), normal_layers(&layers()) {}

    // From 0 to below 1.
    double uniform() const { return unit(state); }
    // From 0 to below n.
    int64_t below(int64_t n) const { return int64_t(unit(state) * double(n)); }
    double exponential() const { return -log_of_one(1.0 - unit(state)); }

    double normal() const {
        const double *edge = normal_layers->edge;
        for (;;) {
            uint64_t bits = word(state);
            int i = int(bits % Layers::N);
            double u = (double(bits >> 12) + 0.5) * 0x1p-51 - 1.0, x = u * edge[i];
            if (__builtin_fabs(u) < normal_layers->ratio[i]) return x;
            if (i == 0) return u < 0.0 ? -beyond() : beyond();
            double upper = exp_of_one(0.5 * (x * x - edge[i] * edge[i]));
            double lower = exp_of_one(0.5 * (x * x - edge[i + 1] * edge[i + 1]));
            if (lower + uniform() * (upper - lower) < 1.0) return x;
        }
    }
    // Of the normal density's tail.
    double beyond() const {
        for (;;) {
            double more = exponential() / Layers::LAST;
            if (2.0 * exponential() > more * more) return Layers::LAST + more;
        }
    }

    // Gamma numbers of shape 1 and more by a cube of a normal one [MarsagliaTsang2000a]_.
    double gamma_of_large(double shape) const {
        double d = shape - 1.0 / 3.0, c = 1.0 / (3.0 * __builtin_sqrt(d));
        for (;;) {
            double x = normal(), root = fma(c, x, 1.0);
            if (root <= 0.0) continue;
            double v = root * root * root, u = 1.0 - uniform(), square = x * x;
            if (u < 1.0 - 0.0331 * (square * square)) return d * v;
            // No loop is without end where a number is none.
            if (!(log_of_one(u) >= 0.5 * square + d * (1.0 - v + log_of_one(v)))) return d * v;
        }
    }
    // The logarithm: numbers of small shapes are below any float64.
    double log_gamma(double shape) const {
        if (shape >= 1.0) return log_of_one(gamma_of_large(shape));
        return log_of_one(gamma_of_large(shape + 1.0)) - exponential() / shape;
    }
    double gamma(double shape) const {
        return shape >= 1.0 ? gamma_of_large(shape) : exp_of_one(log_gamma(shape));
    }

    // u > 0 of density u^(power - 1) exp(-square u^2 / 2 - linear u): modified half-normal.
    //
    // In t = -log u its log density is concave: with f the fall from its top, f(s) >= s f(b) / b
    // beyond a corner b, on either side, and f >= 0 between.
    double reciprocal(double power, double square, double linear) const {
        double inner = __builtin_sqrt(linear * linear + 4.0 * power * square);
        double top = 2.0 * power / (linear + inner);
        double half = 0.5 * square * top * top, line = linear * top;
        auto fall = [&](double place, double ratio) {
            return power * place + half * (ratio * ratio - 1.0) + line * (ratio - 1.0);
        };
        double corner = __builtin_sqrt(2.0 / (4.0 * half + line)), small = exp_of_one(-corner);
        double high = fall(corner, small), low = fall(-corner, 1.0 / small);
        double above = corner * exp_of_one(-high) / high, below = corner * exp_of_one(-low) / low;
        double width = below + above + 2.0 * corner;
        for (;;) {
            double place = uniform() * width - below - corner, bound = exponential();
            if (place > corner || place < -corner) {
                double excess = exponential(), depth = place > corner ? high : low;
                bound += depth + excess;
                double distance = corner * (1.0 + excess / depth);
                place = place > corner ? distance : -distance;
            }
            double ratio = exp_of_one(-place);
            if (!(fall(place, ratio) > bound)) return top * ratio;
        }
    }
};

}  // namespace MIXTURA_SET
