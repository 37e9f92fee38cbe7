// The best common axes of several matrices: rotations of planes and Newton's steps, as
// `families.plane_rotations` states them. Eight matrices lie side by side, one to a lane.
#pragma once

#include "spectra.hpp"

namespace MIXTURA_SET {

// Constants of the search, as the Python module has them.
constexpr int64_t GRID = 8, REFINEMENTS = 6, MOST_SWEEPS = 5, MOST_CONJUGATE = 50, HALVINGS = 5;
constexpr int64_t MOST_STEPS = 50, ROUGHLY = 3, LARGEST_DENSE = 12, MOST_STARTS = 8, MOST_ENDS = 2;
constexpr double LONGEST_TURN = 0.5, AT_REST_AXES = 1e-13, ROUNDING = 2.220446049250313e-16;

// A function of the variances r_kj of K matrices along common axes: with one volume for each,
// sum_k count_k sum_j log r_kj [Flury1984]_; with one volume for all sum_k (prod_j r_kj)^(1/D).
struct Orientation {
    int64_t K, D, n_blocks;
    bool has_one_volume;
    double scale;  // weight of all terms, the unit of a gradient
    // (blocks, D, D, LANES) twice, (blocks, LANES); (blocks, D, LANES) three times; (blocks, LANES)
    double *scatter, *turned, *weight, *inverse, *slopes, *curves, *height;
    // (P, LANES), (D, D, LANES), then single numbers.
    double *across, *product, *mixed, *own, *hessian;
    double *gradient, *move, *left, *ahead, *along, *bent, *widths;
    double *trial, *rotation, *cayley, *solved, *candidates, *levels, *profile, *room;

    int64_t n_planes() const { return D * (D - 1) / 2; }
    bool is_dense() const { return D <= LARGEST_DENSE; }
    double *matrix(double *of, int64_t block, int64_t i, int64_t j) const {
        return of + ((block * D + i) * D + j) * LANES;
    }
    double *vector(double *of, int64_t block, int64_t j) const {
        return of + (block * D + j) * LANES;
    }

    // Lays out working memory, or counts it where there is none; returns how many numbers it takes.
    int64_t place(double *memory) {
        int64_t used = 0, P = n_planes(), B = n_blocks, L = LANES, square = D * D;
        auto take = [&](double *&to, int64_t n) {
            to = memory ? memory + used : nullptr;
            used += (n + LANES - 1) / LANES * LANES;
        };
        take(scatter, B * square * L), take(turned, B * square * L), take(weight, B * L);
        take(inverse, B * D * L), take(slopes, B * D * L), take(curves, B * D * L);
        take(height, B * L), take(across, P * L), take(product, 2 * square * L);
        take(mixed, square), take(own, is_dense() ? D * square : 0);
        take(hessian, is_dense() ? 2 * P * P : 0);
        for (double **to : {&gradient, &move, &left, &ahead, &along, &bent, &widths}) take(*to, P);
        take(trial, square), take(rotation, square), take(cayley, square), take(solved, square);
        take(candidates, (MOST_STARTS + 2) * 2 * square), take(levels, (MOST_STARTS + 2) * D);
        take(profile, 5 * B * L), take(room, spectra_room(D));
        return used;
    }

    void take_scatter(const double *matrices, const double *count, double unit) {
        scale = 0.0;
        for (int64_t k = 0; k < n_blocks * LANES; k++) {
            int64_t b = k / LANES, l = k % LANES;
            bool is_one = k < K;
            weight[k] = !is_one ? 0.0 : has_one_volume ? 1.0 / unit : count[k];
            scale += weight[k];
            for (int64_t i = 0; i < D * D; i++)
                scatter[(b * D * D + i) * LANES + l] =
                    is_one ? matrices[k * D * D + i] : i % (D + 1) == 0 ? 1.0 : 0.0;
        }
        if (has_one_volume) scale = 1.0;
    }

    // Writes the product of each matrix of a block and axes: (D, D, LANES).
    void times_axes(int64_t b, const double *axes, double *to) const {
        for (int64_t i = 0; i < D; i++)
            for (int64_t j = 0; j < D; j++) {
                Lanes sum = splat(0.0);
                for (int64_t l = 0; l < D; l++)
                    sum = fma(load(matrix(scatter, b, i, l)), splat(axes[l * D + j]), sum);
                store(to + (i * D + j) * LANES, sum);
            }
    }

    // What a block adds to the objective; `logs` are the sums of logarithms of its variances.
    Lanes block_value(int64_t b, Lanes logs) const {
        Lanes own = load(weight + b * LANES);
        return has_one_volume ? own * exp(logs * splat(1.0 / double(D))) : own * logs;
    }

    double value(const double *axes) const {
        Lanes sum = splat(0.0);
        for (int64_t b = 0; b < n_blocks; b++) {
            times_axes(b, axes, product);
            Lanes logs = splat(0.0);
            for (int64_t j = 0; j < D; j++) logs = logs + log(variance(axes, j));
            sum = sum + block_value(b, logs);
        }
        return total(sum);
    }

    // The variance along an axis, from what `times_axes` has written.
    Lanes variance(const double *axes, int64_t j) const {
        Lanes sum = splat(0.0);
        for (int64_t i = 0; i < D; i++)
            sum = fma(load(product + (i * D + j) * LANES), splat(axes[i * D + j]), sum);
        return larger(sum, splat(1e-290));
    }

    // Turns all matrices into axes, and finds derivatives in the variances: slopes, and curvatures
    // that are `height` inverse_i inverse_j and `curves` on the diagonal.
    void bend(const double *axes) {
        for (int64_t b = 0; b < n_blocks; b++) {
            times_axes(b, axes, product);
            for (int64_t i = 0; i < D; i++)
                for (int64_t j = i; j < D; j++) {
                    Lanes sum = splat(0.0);
                    for (int64_t l = 0; l < D; l++) {
                        Lanes part = load(product + (l * D + j) * LANES);
                        sum = fma(part, splat(axes[l * D + i]), sum);
                    }
                    if (i == j) sum = larger(sum, splat(1e-290));
                    store(matrix(turned, b, i, j), sum);
                    store(matrix(turned, b, j, i), sum);
                }
            derive(b);
        }
    }

    void derive(int64_t b) {
        Lanes own = load(weight + b * LANES), logs = splat(0.0), size = splat(double(D));
        for (int64_t j = 0; has_one_volume && j < D; j++)
            logs = logs + log(load(matrix(turned, b, j, j)));
        Lanes level = has_one_volume ? block_value(b, logs) : splat(0.0);
        store(height + b * LANES, level);
        for (int64_t j = 0; j < D; j++) {
            Lanes inverse_j = splat(1.0) / load(matrix(turned, b, j, j));
            Lanes slope = own * inverse_j, curve = splat(0.0) - slope * inverse_j;
            if (has_one_volume) {
                inverse_j = inverse_j / size;
                slope = level * inverse_j;
                curve = splat(0.0) - size * slope * inverse_j;
            }
            store(vector(inverse, b, j), inverse_j);
            store(vector(slopes, b, j), slope);
            store(vector(curves, b, j), curve);
        }
    }

    // Writes the derivatives in the angles of all planes; returns the largest of them.
    double take_gradient() {
        double most = 0.0;
        int64_t plane = 0;
        for (int64_t f = 0; f < D; f++)
            for (int64_t s = f + 1; s < D; s++) {
                Lanes sum = splat(0.0);
                for (int64_t b = 0; b < n_blocks; b++) {
                    Lanes apart = load(vector(slopes, b, s)) - load(vector(slopes, b, f));
                    sum = fma(load(matrix(turned, b, f, s)), apart, sum);
                }
                double found = gradient[plane++] = 2.0 * total(sum);
                found = found < 0.0 ? -found : found;
                if (!(found <= most)) most = found;
            }
        return most;
    }

    // Writes sums over matrices of slope_i times T_ij.
    void take_mixed() {
        for (int64_t i = 0; i < D; i++)
            for (int64_t j = 0; j < D; j++) {
                Lanes sum = splat(0.0);
                for (int64_t b = 0; b < n_blocks; b++)
                    sum = fma(load(vector(slopes, b, i)), load(matrix(turned, b, i, j)), sum);
                mixed[i * D + j] = total(sum);
            }
    }

    // Writes the second derivatives in the angles of all planes.
    void take_hessian() {
        int64_t P = n_planes();
        for (int64_t i = 0; i < D; i++)
            for (int64_t j = 0; j < D; j++)
                for (int64_t l = j; l < D; l++) {
                    Lanes sum = splat(0.0);
                    for (int64_t b = 0; b < n_blocks; b++)
                        sum = fma(load(vector(slopes, b, i)), load(matrix(turned, b, j, l)), sum);
                    own[(i * D + j) * D + l] = own[(i * D + l) * D + j] = total(sum);
                }
        // What second derivatives owe to the bending of rotations, as a form in their entries.
        auto form = [&](int64_t a, int64_t b, int64_t c, int64_t d) {
            double sum = b == c ? mixed[d * D + a] : 0.0;
            return b == d ? sum + own[(b * D + a) * D + c] : sum;
        };
        auto bending = [&](int64_t f, int64_t s, int64_t g, int64_t t) {
            return form(f, s, g, t) - form(f, s, t, g) - form(s, f, g, t) + form(s, f, t, g);
        };
        for (int64_t f = 0, p = 0; f < D; f++)
            for (int64_t s = f + 1; s < D; s++, p++)
                for (int64_t g = 0, q = 0; g <= f; g++)
                    for (int64_t t = g + 1; t < D && q <= p; t++, q++)
                        hessian[p * P + q] = bending(f, s, g, t) + bending(g, t, f, s);
        for (int64_t b = 0; b < n_blocks; b++) add_curvatures(b);
    }

    void add_curvatures(int64_t b) {
        int64_t P = n_planes();
        Lanes level = load(height + b * LANES);
        auto at = [&](double *of, int64_t j) { return load(vector(of, b, j)); };
        for (int64_t f = 0, p = 0; f < D; f++)
            for (int64_t s = f + 1; s < D; s++, p++)
                store(across + p * LANES, splat(2.0) * load(matrix(turned, b, f, s)));
        for (int64_t f = 0, p = 0; f < D; f++)
            for (int64_t s = f + 1; s < D; s++, p++) {
                Lanes one = load(across + p * LANES);
                Lanes whole = one * level * (at(inverse, s) - at(inverse, f));
                for (int64_t g = 0, q = 0; g <= f; g++)
                    for (int64_t t = g + 1; t < D && q <= p; t++, q++) {
                        bool meets = f == g || f == t || s == g || s == t;
                        if (!meets && !has_one_volume) continue;
                        Lanes curve = splat(0.0), other = load(across + q * LANES);
                        if (s == t) curve = curve + at(curves, s);
                        if (f == g) curve = curve + at(curves, f);
                        if (s == g) curve = curve - at(curves, s);
                        if (f == t) curve = curve - at(curves, f);
                        Lanes sum = one * curve;
                        if (has_one_volume)
                            sum = fma(whole, at(inverse, t) - at(inverse, g), sum);
                        hessian[p * P + q] += total(sum * other);
                    }
            }
    }

    // Writes Newton's step where all second derivatives are above zero; else one that leads down.
    void take_move() {
        int64_t P = n_planes();
        take_mixed();
        if (is_dense()) {
            take_hessian();
            if (newton(P)) return;
        }
        truncated(P);
    }

    bool newton(int64_t P) {
        double *factor = hessian + P * P;
        for (int64_t i = 0; i < P; i++)
            for (int64_t j = 0; j <= i; j++) {
                double sum = hessian[i * P + j];
                for (int64_t l = 0; l < j; l++)
                    sum = fma(-factor[i * P + l], factor[j * P + l], sum);
                if (i > j) {
                    factor[i * P + j] = sum / factor[j * P + j];
                } else {
                    if (!(sum > 0.0)) return false;
                    factor[i * P + i] = square_root(sum);
                }
            }
        for (int64_t i = 0; i < P; i++) move[i] = -gradient[i];
        solve_by_factor(factor, P, move);
        return true;
    }

    void skew(const double *angles, double factor, double *to) const {
        int64_t plane = 0;
        for (int64_t f = 0; f < D; f++) {
            to[f * (D + 1)] = 0.0;
            for (int64_t s = f + 1; s < D; s++, plane++) {
                to[f * D + s] = factor * angles[plane];
                to[s * D + f] = -factor * angles[plane];
            }
        }
    }

    // Writes the second derivatives times some angles, without forming them.
    void times(const double *angles, double *to) {
        double *entries = product + D * D * LANES;
        skew(angles, 1.0, rotation);
        for (int64_t i = 0; i < D * D; i++) store(entries + i * LANES, splat(0.0));
        for (int64_t b = 0; b < n_blocks; b++) {
            Lanes along_all = splat(0.0);
            for (int64_t i = 0; i < D; i++) {
                for (int64_t j = 0; j < D; j++) {
                    Lanes sum = splat(0.0);
                    for (int64_t l = 0; l < D; l++)
                        sum = fma(load(matrix(turned, b, i, l)), splat(rotation[l * D + j]), sum);
                    store(product + (i * D + j) * LANES, sum);
                }
                Lanes change = splat(2.0) * load(product + i * (D + 1) * LANES);
                along_all = fma(load(vector(inverse, b, i)), change, along_all);
            }
            along_all = along_all * load(height + b * LANES);
            for (int64_t j = 0; j < D; j++) {
                Lanes change = splat(2.0) * load(product + j * (D + 1) * LANES);
                Lanes curved = load(vector(curves, b, j)) * change;
                curved = fma(load(vector(inverse, b, j)), along_all, curved);
                Lanes slope = load(vector(slopes, b, j));
                for (int64_t i = 0; i < D; i++) {
                    double *entry = entries + (i * D + j) * LANES;
                    Lanes sum = fma(load(product + (i * D + j) * LANES), slope, load(entry));
                    store(entry, fma(load(matrix(turned, b, i, j)), curved, sum));
                }
            }
        }
        auto entry = [&](int64_t i, int64_t j) {
            double sum = 2.0 * total(load(entries + (i * D + j) * LANES));
            for (int64_t l = 0; l < D; l++) {
                sum = fma(rotation[j * D + l], mixed[l * D + i], sum);
                sum = fma(mixed[j * D + l], rotation[l * D + i], sum);
            }
            return sum;
        };
        for (int64_t f = 0, plane = 0; f < D; f++)
            for (int64_t s = f + 1; s < D; s++) to[plane++] = entry(f, s) - entry(s, f);
    }

    // Writes the second derivative of each plane on its own, made positive.
    void take_widths() {
        double most = 0.0;
        for (int64_t f = 0, plane = 0; f < D; f++)
            for (int64_t s = f + 1; s < D; s++, plane++) {
                Lanes sum = splat(0.0);
                for (int64_t b = 0; b < n_blocks; b++) {
                    auto at = [&](double *of, int64_t j) { return load(vector(of, b, j)); };
                    Lanes apart = load(matrix(turned, b, f, f)) - load(matrix(turned, b, s, s));
                    Lanes bent_by = splat(2.0) * (at(slopes, s) - at(slopes, f)) * apart;
                    Lanes tilt = at(inverse, f) - at(inverse, s);
                    Lanes curved = at(curves, f) + at(curves, s);
                    curved = fma(load(height + b * LANES), tilt * tilt, curved);
                    Lanes entry = splat(2.0) * load(matrix(turned, b, f, s));
                    sum = sum + fma(entry * entry, curved, bent_by);
                }
                double found = total(sum);
                widths[plane] = found < 0.0 ? -found : found;
                most = widths[plane] > most ? widths[plane] : most;
            }
        for (int64_t i = 0; i < n_planes(); i++) {
            double least = 1e-3 * most + 1e-300;
            widths[i] = widths[i] > least ? widths[i] : least;
        }
    }

    // Writes the move that conjugate gradients find before they meet a negative curvature.
    void truncated(int64_t P) {
        auto inner = [P](const double *a, const double *b) {
            double sum = 0.0;
            for (int64_t i = 0; i < P; i++) sum = fma(a[i], b[i], sum);
            return sum;
        };
        take_widths();
        for (int64_t i = 0; i < P; i++) {
            move[i] = 0.0;
            left[i] = -gradient[i];
            ahead[i] = along[i] = left[i] / widths[i];
        }
        double size = inner(left, ahead), rest = square_root(size);
        double enough = size * (rest < 0.01 ? rest : 0.01);
        for (int64_t number = 0; number < P && number < MOST_CONJUGATE; number++) {
            times(along, bent);
            double curvature = inner(along, bent);
            if (!(curvature > 0.0)) {
                for (int64_t i = 0; number == 0 && i < P; i++) move[i] = ahead[i];
                return;
            }
            double step = size / curvature;
            for (int64_t i = 0; i < P; i++) {
                move[i] = fma(step, along[i], move[i]);
                left[i] = fma(-step, bent[i], left[i]);
                ahead[i] = left[i] / widths[i];
            }
            double now = inner(left, ahead);
            if (now <= enough) return;
            for (int64_t i = 0; i < P; i++) along[i] = fma(now / size, along[i], ahead[i]);
            size = now;
        }
    }

    // Takes rounding out of the angles of axes: axes (3 - axes^T axes) / 2.
    void straighten(double *axes) const {
        for (int64_t i = 0; i < D; i++)
            for (int64_t j = 0; j < D; j++) {
                double sum = 0.0;
                for (int64_t l = 0; l < D; l++) sum = fma(axes[l * D + i], axes[l * D + j], sum);
                rotation[i * D + j] = (i == j ? 1.5 : 0.0) - 0.5 * sum;
            }
        multiply(axes, rotation, solved);
        std::memcpy(axes, solved, D * D * sizeof(double));
    }
    void multiply(const double *a, const double *b, double *to) const {
        for (int64_t i = 0; i < D; i++)
            for (int64_t j = 0; j < D; j++) {
                double sum = 0.0;
                for (int64_t l = 0; l < D; l++) sum = fma(a[i * D + l], b[l * D + j], sum);
                to[i * D + j] = sum;
            }
    }

    // Writes axes turned in all planes at once by Cayley's transform of `move`.
    void turn(const double *axes, double length, double *to) const {
        skew(move, 0.5 * length, rotation);
        // (1 - R)^-1 (1 + R): the symmetric part of what is eliminated is one, no pivot is small.
        for (int64_t i = 0; i < D * D; i++) {
            double one = i % (D + 1) == 0 ? 1.0 : 0.0;
            cayley[i] = one - rotation[i];
            solved[i] = one + rotation[i];
        }
        for (int64_t l = 0; l < D; l++)
            for (int64_t i = l + 1; i < D; i++) {
                double factor = cayley[i * D + l] / cayley[l * D + l];
                for (int64_t j = l; j < D; j++)
                    cayley[i * D + j] = fma(-factor, cayley[l * D + j], cayley[i * D + j]);
                for (int64_t j = 0; j < D; j++)
                    solved[i * D + j] = fma(-factor, solved[l * D + j], solved[i * D + j]);
            }
        for (int64_t i = D; i-- > 0;)
            for (int64_t j = 0; j < D; j++) {
                double sum = solved[i * D + j];
                for (int64_t l = i + 1; l < D; l++)
                    sum = fma(-cayley[i * D + l], solved[l * D + j], sum);
                solved[i * D + j] = sum / cayley[i * D + i];
            }
        multiply(axes, solved, to);
        straighten(to);
    }

    // Goes from axes to where the gradient vanishes.
    void settle(double *axes, int64_t most_steps) {
        double now = value(axes);
        for (int64_t step = 0, n_swept = 0; step < most_steps; step++) {
            bend(axes);
            if (!(take_gradient() > AT_REST_AXES * scale)) return;
            take_move();
            double far = 0.0, slope = 0.0, reached = 0.0, size = now < 0.0 ? -now : now;
            for (int64_t i = 0; i < n_planes(); i++) {
                double angle = move[i] < 0.0 ? -move[i] : move[i];
                far = angle > far ? angle : far;
                slope = fma(gradient[i], move[i], slope);
            }
            double length = far > LONGEST_TURN ? LONGEST_TURN / far : 1.0;
            double slack = 4.0 * ROUNDING * (size + scale);
            if (!(slope < -slack)) {
                // Less is left to gain than values resolve: the step is as good as its gradient.
                turn(axes, length, trial);
                std::memcpy(axes, trial, D * D * sizeof(double));
                return;
            }
            int64_t halved = 0;
            for (; halved < HALVINGS; halved++, length *= 0.25) {
                turn(axes, length, trial);
                reached = value(trial);
                if (reached <= now + 1e-4 * length * slope + slack) break;
            }
            if (halved == HALVINGS) {
                std::memcpy(trial, axes, D * D * sizeof(double));
                sweep_planes(trial);
                reached = value(trial);
                if (!(reached < now - 4.0 * slack) || ++n_swept > MOST_SWEEPS) return;
            }
            std::memcpy(axes, trial, D * D * sizeof(double));
            now = reached;
        }
    }

    // Rotates every plane to the best angle that there is.
    void sweep_planes(double *axes) {
        bend(axes);
        for (int64_t p = 0; p < D; p++)
            for (int64_t q = p + 1; q < D; q++) {
                double cosine, sine;
                if (!best_angle(p, q, cosine, sine)) continue;
                auto rotate = [&](double &a, double &b) {
                    double u = a, v = b;
                    a = fma(cosine, u, sine * v);
                    b = fma(cosine, v, -sine * u);
                };
                for (int64_t i = 0; i < D; i++) rotate(axes[i * D + p], axes[i * D + q]);
                for (int64_t b = 0; b < n_blocks; b++)
                    for (int64_t l = 0; l < LANES; l++) {
                        for (int64_t i = 0; i < D; i++)
                            rotate(matrix(turned, b, i, p)[l], matrix(turned, b, i, q)[l]);
                        for (int64_t i = 0; i < D; i++)
                            rotate(matrix(turned, b, p, i)[l], matrix(turned, b, q, i)[l]);
                    }
            }
        straighten(axes);
    }

    // Writes how products of two variances depend on u, four times the angle of a plane:
    // alpha + beta cos u + gamma sin u, what each counts, and the least that it may be.
    void take_profile(int64_t p, int64_t q) const {
        for (int64_t b = 0; b < n_blocks; b++) {
            Lanes one = load(matrix(turned, b, p, p)), other = load(matrix(turned, b, q, q));
            Lanes middle = splat(0.5) * (one + other), half = splat(0.5) * (one - other);
            Lanes tilt = load(matrix(turned, b, p, q)), squares = fma(half, half, tilt * tilt);
            Lanes alpha = fma(middle, middle, splat(-0.5) * squares);
            Lanes beta = splat(-0.5) * fnma(tilt, tilt, half * half);
            Lanes gamma = splat(0.0) - half * tilt, factor = load(weight + b * LANES);
            if (has_one_volume) {
                Lanes logs = splat(0.0);
                for (int64_t j = 0; j < D; j++)
                    if (j != p && j != q)
                        logs = logs + log(larger(load(matrix(turned, b, j, j)), splat(1e-290)));
                factor = block_value(b, logs);
            }
            Lanes least = alpha - roots(fma(beta, beta, gamma * gamma));
            Lanes lowest = larger(alpha, splat(1e-290)) * splat(ROUNDING * ROUNDING);
            Lanes parts[] = {alpha, beta, gamma, factor, larger(least, larger(lowest, splat(1e-290)))};
            for (int64_t i = 0; i < 5; i++) store(profile + (i * n_blocks + b) * LANES, parts[i]);
        }
    }

    // The objective in a plane at an angle, and its derivatives where they are wanted.
    double along_plane(double cosine, double sine, double *first, double *second) const {
        Lanes sum = splat(0.0), slopes_of = splat(0.0), curves_of = splat(0.0);
        double power = 1.0 / double(D);
        for (int64_t b = 0; b < n_blocks; b++) {
            auto part = [&](int64_t i) { return load(profile + (i * n_blocks + b) * LANES); };
            Lanes turning = fma(part(1), splat(cosine), part(2) * splat(sine));
            Lanes both = larger(part(0) + turning, part(4)), logs = log(both);
            Lanes own = has_one_volume ? part(3) * exp(logs * splat(power)) : part(3) * logs;
            sum = sum + own;
            if (!first) continue;
            Lanes slope = (has_one_volume ? own * splat(power) : part(3)) / both;
            Lanes curve = splat(has_one_volume ? power - 1.0 : -1.0) * slope / both;
            Lanes change = fma(part(2), splat(cosine), splat(0.0) - part(1) * splat(sine));
            slopes_of = fma(slope, change, slopes_of);
            curves_of = curves_of + fma(curve, change * change, splat(0.0) - slope * turning);
        }
        if (first) *first = total(slopes_of), *second = total(curves_of);
        return total(sum);
    }

    // Finds the best angle of a plane, from a grid and from the best one of each matrix; returns
    // whether it is better than none.
    bool best_angle(int64_t p, int64_t q, double &cosine, double &sine) const {
        constexpr double HALF = 0.70710678118654752440;
        constexpr double EIGHTHS[GRID + 2] = {1.0, HALF, 0.0, -HALF, -1.0, -HALF, 0.0, HALF, 1.0, HALF};
        take_profile(p, q);
        double value_now = along_plane(1.0, 0.0, nullptr, nullptr), best = value_now;
        cosine = 1.0, sine = 0.0;
        auto consider = [&](double c, double s) {
            double found = along_plane(c, s, nullptr, nullptr);
            if (found < best) best = found, cosine = c, sine = s;
        };
        for (int64_t i = 1; i < GRID; i++) consider(EIGHTHS[i], EIGHTHS[(i + 6) % GRID]);
        for (int64_t k = 0; k < K; k++) {
            double beta = profile[n_blocks * LANES + k], gamma = profile[2 * n_blocks * LANES + k];
            double length = square_root(fma(beta, beta, gamma * gamma));
            if (length > 0.0) consider(-beta / length, -gamma / length);
        }
        refine(best, cosine, sine);
        if (!(best < value_now)) return false;
        // A quarter of the angle: half of the half.
        for (int64_t i = 0; i < 2; i++) {
            double c = square_root(0.5 * (1.0 + cosine > 0.0 ? 1.0 + cosine : 0.0));
            double s = square_root(0.5 * (1.0 - cosine > 0.0 ? 1.0 - cosine : 0.0));
            if (c > s) s = 0.5 * (sine < 0.0 ? -sine : sine) / c;
            else c = 0.5 * (sine < 0.0 ? -sine : sine) / s;
            sine = sine < 0.0 ? -s : s;
            cosine = c;
        }
        return true;
    }

    // Takes Newton's steps along a plane.
    void refine(double &best, double &cosine, double &sine) const {
        double first, second, share = 1.0;
        along_plane(cosine, sine, &first, &second);
        for (int64_t i = 0; i < REFINEMENTS; i++) {
            double size = second < 0.0 ? -second : second;
            double step = -share * first / (size > 1e-300 ? size : 1e-300);
            step = step > 0.5 ? 0.5 : step < -0.5 ? -0.5 : step;
            double half = 0.5 * step, norm = 1.0 / fma(half, half, 1.0);
            double c = (1.0 - half * half) * norm, s = step * norm, ahead_first, ahead_second;
            double there = fma(cosine, c, -sine * s), aside = fma(sine, c, cosine * s);
            double found = along_plane(there, aside, &ahead_first, &ahead_second);
            if (found <= best) {
                best = found, cosine = there, sine = aside;
                first = ahead_first, second = ahead_second, share = 1.0;
            } else {
                share *= 0.5;
            }
            if ((step < 0.0 ? -step : step) <= 1e-10) return;
        }
    }

    // Writes the axes of the pooled matrices, and of each of the first ones; returns how many.
    int64_t take_starts(const double *matrices) {
        int64_t n = 2 + (K < MOST_STARTS ? K : MOST_STARTS), square = D * D;
        double *given = candidates + n * square;
        for (int64_t i = 0; i < 2 * square; i++) given[i] = 0.0;
        for (int64_t k = 0; k < K; k++) {
            const double *own_matrix = matrices + k * square;
            double trace = 0.0;
            for (int64_t d = 0; d < D; d++) trace += own_matrix[d * (D + 1)];
            for (int64_t i = 0; i < square; i++) {
                given[i] += own_matrix[i];
                given[square + i] += own_matrix[i] / trace;
                if (k < MOST_STARTS) given[(2 + k) * square + i] = own_matrix[i];
            }
        }
        spectra(n, D, given, levels, candidates, room);
        return n;
    }

    // Writes the best axes from those of several beginnings.
    void search(const double *matrices, double *axes) {
        int64_t n = take_starts(matrices), square = D * D, chosen[MOST_ENDS] = {0, -1};
        double *heights = levels;
        for (int64_t i = 0; i < n; i++) {
            sweep_planes(candidates + i * square);
            heights[i] = value(candidates + i * square);
        }
        for (int64_t i = 1; i < n; i++) {
            if (heights[i] < heights[chosen[0]]) chosen[1] = chosen[0], chosen[0] = i;
            else if (chosen[1] < 0 || heights[i] < heights[chosen[1]]) chosen[1] = i;
        }
        double best = __builtin_inf();
        for (int64_t i : chosen) {
            if (i < 0) continue;
            settle(candidates + i * square, MOST_STEPS);
            double reached = value(candidates + i * square);
            if (reached < best || best == __builtin_inf()) {
                best = reached;
                std::memcpy(axes, candidates + i * square, square * sizeof(double));
            }
        }
    }

    // Writes the variances (K, D) along axes.
    void variances(const double *axes, double *to) const {
        double lane[LANES];
        for (int64_t b = 0; b < n_blocks; b++) {
            times_axes(b, axes, product);
            for (int64_t j = 0; j < D; j++) {
                store(lane, variance(axes, j));
                for (int64_t l = 0; l < LANES && b * LANES + l < K; l++)
                    to[(b * LANES + l) * D + j] = lane[l];
            }
        }
    }
};

}  // namespace MIXTURA_SET
