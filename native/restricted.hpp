// M-steps of the families that share a volume, a shape or an orientation, as `families.restricted`
// and the modules beside it state them.
#pragma once

#include "modes.hpp"
#include "orientation.hpp"

namespace MIXTURA_SET {

constexpr double FAINT = 1e-12, TINIEST = 2.2250738585072014e-308;
// Of Newton's steps in log volumes.
constexpr int64_t MOST_VOLUME_STEPS = 60;
constexpr double LONGEST_VOLUME = 4.0, SMALL_VOLUME = 3e-8, SHORTEST_VOLUME = 1e-4;

// What covariances are chosen by: sum_k count_k log det Sigma_k + trace(scatter_k Sigma_k^-1).
struct Terms {
    double *count, *scatter;
    bool is_lifted;
};

// Where a search for volumes and axes begins: covariances of the family, if there are any; and the
// common axes (D, D) or volumes (K,) that the step before has found, where it has, which the next
// one replaces. Where the floor takes part a step may stay at these covariances, if they are better:
// not the first one of a run, or a component that is about to collapse would look as if it lasted.
struct Near {
    const double *covariances;
    double *found;
    bool has_found, may_stay = true;
};
INLINE int64_t near_room(const Structure &s) { return s.per_factor() + s.n_components; }

INLINE int64_t padded(int64_t n) { return (n + LANES - 1) / LANES * LANES; }

inline void exponentials_of(int64_t n, const double *from, double *to) {
    for (int64_t i = 0; i < n; i += LANES) store(to + i, exp(load_some(from + i, n - i)));
}

// The D-th root of a determinant; NaN where the matrix is not positive definite.
inline double volume_of(const double *matrix, int64_t D, double *room) {
    double logs = precision_factor(matrix, D, room, room + D * D), volume[LANES];
    store(volume, exp(splat(-2.0 * logs / double(D))));
    return logs == logs ? volume[0] : logs;
}

inline double geometric_mean(const double *variances, int64_t D) {
    double logs = 0.0, mean[LANES];
    for (int64_t d = 0; d < D; d++) logs += log_of_one(variances[d]);
    store(mean, exp(splat(logs / double(D))));
    return mean[0];
}

// M-steps of one model, and the memory that they need.
struct Restricted {
    const Structure &s;
    const double *floor;  // null where there is none
    int64_t K, D, size, stride;
    Orientation orientation;
    double *count, *scatter, *lifted, *scaled, *values, *axes, *volumes;
    double *logs, *ahead, *step, *slope, *unit, *shares, *shares_ahead, *parts, *parts_ahead;
    double *curvature, *common, *room;

    explicit Restricted(const Structure &of, const double *smallest = nullptr)
        : s(of), floor(smallest), K(of.n_components), D(of.n_features), size(of.per_factor()),
          stride(padded(size)) {
        orientation.K = K, orientation.D = D, orientation.n_blocks = padded(K) / LANES;
        orientation.has_one_volume = s.restriction == EVE;
    }

    int64_t place(double *memory) {
        int64_t used = 0, n = s.n_second();
        auto take = [&](double *&to, int64_t some) {
            to = memory ? memory + used : nullptr;
            used += padded(some);
        };
        take(count, K), take(scatter, n), take(lifted, n), take(scaled, size);
        take(values, K * D), take(axes, K * D * D), take(volumes, K + LANES);
        for (double **to : {&logs, &ahead, &step, &slope, &unit, &shares, &shares_ahead})
            take(*to, K + LANES);
        take(parts, K * stride), take(parts_ahead, K * stride), take(curvature, 2 * K * K);
        take(common, size), take(room, spectra_room(D) + 4 * D * D + 2 * D);
        if (s.restriction == EVE || s.restriction == VVE)
            used += orientation.place(memory ? memory + used : nullptr);
        return used;
    }

    bool has_one_shape() const { return shares_shape(s.restriction); }

    // Log volumes, up to what all share, at which each has its share of the whole: minimises
    // D sum_k count_k log v_k + total log det B, with B the sum of the scatters over their volumes.
    // `whiten` writes the parts of B, in units of it, and their traces, and returns log det B.
    template <class Whiten> bool find_volumes(int64_t width, const Whiten &whiten) {
        double total = 0.0;
        for (int64_t k = 0; k < K; k++) total += count[k], logs[k] = log_of_one(volumes[k]);
        if (K == 1) logs[0] = 0.0;
        double determinant = whiten(logs, parts, shares);
        double value = of_volumes(total, logs, determinant);
        if (!(value - value == 0.0)) return false;
        for (int64_t taken = 0; K > 1 && taken < MOST_VOLUME_STEPS; taken++) {
            take_volume_step(total, width);
            double far = 0.0, length = 1.0;
            for (int64_t k = 0; k < K; k++) {
                double change = step[k] < 0.0 ? -step[k] : step[k];
                if (!(change <= far)) far = change;
            }
            if (!(far - far == 0.0)) return false;
            double held = far > LONGEST_VOLUME ? LONGEST_VOLUME / far : 1.0;
            for (int64_t k = 0; k < K; k++) step[k] *= held;
            if (far <= SMALL_VOLUME) {
                for (int64_t k = 0; k < K; k++) logs[k] += step[k];
                return true;
            }
            double slack = 8.0 * ROUNDING * ((value < 0.0 ? -value : value) + total * double(D));
            for (;; length *= 0.5) {
                if (length < SHORTEST_VOLUME) return true;
                for (int64_t k = 0; k < K; k++) ahead[k] = fma(length, step[k], logs[k]);
                double there = of_volumes(total, ahead, whiten(ahead, parts_ahead, shares_ahead));
                if (!(there <= value + slack)) continue;
                value = there;
                break;
            }
            std::swap(logs, ahead), std::swap(parts, parts_ahead), std::swap(shares, shares_ahead);
        }
        return true;
    }

    double of_volumes(double total, const double *at, double determinant) const {
        double sum = 0.0;
        for (int64_t k = 0; k < K; k++) sum = fma(count[k], at[k], sum);
        return double(D) * sum + total * determinant;
    }

    // Writes Newton's step. Volumes are free up to what all share: that direction is given a
    // curvature.
    void take_volume_step(double total, int64_t width) {
        double *factor = curvature + K * K, all = 0.0;
        for (int64_t k = 0; k < K; k++) {
            all += double(D) * count[k];
            unit[k] = 1.0 / square_root(double(D) * count[k]);
        }
        for (int64_t k = 0; k < K; k++) {
            slope[k] = unit[k] * (double(D) * count[k] - total * shares[k]);
            for (int64_t j = 0; j <= k; j++) {
                Lanes sum = splat(0.0);
                for (int64_t i = 0; i < width; i += LANES)
                    sum = fma(load(parts + k * width + i), load(parts + j * width + i), sum);
                double bent = -MIXTURA_SET::total(sum);
                if (j == k) bent += shares[k];
                bent = total * bent * unit[k] * unit[j] + 1.0 / (unit[k] * unit[j] * all);
                curvature[k * K + j] = bent + (j == k ? ROUNDING : 0.0);
            }
        }
        for (int64_t k = 0; k < K; k++)
            for (int64_t j = 0; j <= k; j++) {
                double sum = curvature[k * K + j];
                for (int64_t i = 0; i < j; i++)
                    sum = fma(-factor[k * K + i], factor[j * K + i], sum);
                if (k > j) factor[k * K + j] = sum / factor[j * K + j];
                else factor[k * K + k] = square_root(sum > ROUNDING ? sum : ROUNDING);
            }
        for (int64_t k = 0; k < K; k++) step[k] = -slope[k];
        solve_by_factor(factor, K, step);
        for (int64_t k = 0; k < K; k++) step[k] *= unit[k];
    }

    // Writes volumes to begin with: those near, where they are volumes, or average variances.
    template <class Spread>
    void begin_volumes(const Terms &terms, const Near &near, const Spread &average) {
        if (near.found && near.has_found) {
            std::memcpy(volumes, near.found, K * sizeof(double));
            return;
        }
        bool are_volumes = near.covariances;
        for (int64_t k = 0; k < K && are_volumes; k++) {
            const double *own = near.covariances + k * size;
            volumes[k] = s.is_matrix ? volume_of(own, D, room) : geometric_mean(own, D);
            are_volumes = volumes[k] > 0.0 && volumes[k] < 1e300;
        }
        for (int64_t k = 0; k < K && !are_volumes; k++) {
            double width = average(k) / terms.count[k];
            volumes[k] = width > TINIEST ? width : TINIEST;
        }
    }

    // Finds volumes beside one shape, along axes with second moments `spread` (K, D), and the
    // common variances times the volumes' exponents; writes variances (K, D).
    bool solve_shape(const Terms &terms, Near &near, const double *spread, double *to) {
        int64_t width = padded(D);
        begin_volumes(terms, near, [&](int64_t k) {
            double sum = 0.0;
            for (int64_t d = 0; d < D; d++) sum += spread[k * D + d];
            return sum / double(D);
        });
        auto whiten = [&](const double *at, double *own, double *own_shares) {
            double *whole = common, determinant = 0.0;
            for (int64_t k = 0; k < K; k++) unit[k] = -at[k];
            exponentials_of(K, unit, slope);
            for (int64_t d = 0; d < D; d++) {
                whole[d] = 0.0;
                for (int64_t k = 0; k < K; k++)
                    whole[d] += own[k * width + d] = spread[k * D + d] * slope[k];
                determinant += log_of_one(whole[d]);
            }
            for (int64_t k = 0; k < K; k++) {
                own_shares[k] = 0.0;
                for (int64_t d = 0; d < D; d++)
                    own_shares[k] += own[k * width + d] /= whole[d];
                for (int64_t d = D; d < width; d++) own[k * width + d] = 0.0;
            }
            return determinant;
        };
        if (!find_volumes(width, whiten)) return false;
        double total = take_volumes(near);
        for (int64_t d = 0; d < D; d++) {
            double sum = 0.0;
            for (int64_t k = 0; k < K; k++) sum += spread[k * D + d] / volumes[k];
            common[d] = sum / total;
        }
        for (int64_t k = 0; k < K; k++)
            for (int64_t d = 0; d < D; d++) to[k * D + d] = volumes[k] * common[d];
        return true;
    }

    // Writes the volumes that have been found, up to what all share; returns the sum of counts.
    double take_volumes(Near &near) {
        double total = 0.0;
        exponentials_of(K, logs, volumes);
        for (int64_t k = 0; k < K; k++) total += count[k];
        near.has_found = near.found;
        for (int64_t k = 0; k < K && near.found; k++) {
            near.found[k] = volumes[k];
            near.has_found &= volumes[k] > 0.0 && volumes[k] < 1e300;
        }
        return total;
    }

    // Finds volumes beside one matrix.
    bool solve_matrix(const Terms &terms, Near &near, double *to) {
        double *factor = room, *half = factor + D * D, *rest = half + D * D;
        const double *given = terms.scatter;
        begin_volumes(terms, near, [&](int64_t k) {
            double trace = 0.0;
            for (int64_t d = 0; d < D; d++) trace += given[k * size + d * (D + 1)];
            return trace / double(D);
        });
        auto pool = [&](const double *weights) {
            for (int64_t i = 0; i < size; i++) {
                double sum = 0.0;
                for (int64_t k = 0; k < K; k++) sum = fma(weights[k], given[k * size + i], sum);
                common[i] = sum;
            }
        };
        auto whiten = [&](const double *at, double *own, double *own_shares) {
            for (int64_t k = 0; k < K; k++) unit[k] = -at[k];
            exponentials_of(K, unit, slope);
            pool(slope);
            double found = precision_factor(common, D, factor, rest);
            if (!(found - found == 0.0)) return __builtin_nan("");
            for (int64_t k = 0; k < K; k++) {
                const double *matrix = given + k * size;
                double *part = own + k * stride;
                for (int64_t i = 0; i < D; i++)
                    for (int64_t j = 0; j < D; j++) {
                        double sum = 0.0;
                        for (int64_t l = 0; l <= j; l++)
                            sum = fma(matrix[i * D + l], factor[l * D + j], sum);
                        half[i * D + j] = sum * slope[k];
                    }
                own_shares[k] = 0.0;
                for (int64_t i = 0; i < D; i++)
                    for (int64_t j = 0; j <= i; j++) {
                        double sum = 0.0;
                        for (int64_t l = 0; l <= i; l++)
                            sum = fma(factor[l * D + i], half[l * D + j], sum);
                        part[i * D + j] = part[j * D + i] = sum;
                        if (i == j) own_shares[k] += sum;
                    }
                for (int64_t i = size; i < stride; i++) part[i] = 0.0;
            }
            return -2.0 * found;
        };
        if (!find_volumes(stride, whiten)) return false;
        double total = take_volumes(near);
        for (int64_t k = 0; k < K; k++) unit[k] = 1.0 / volumes[k];
        pool(unit);
        for (int64_t k = 0; k < K; k++)
            for (int64_t i = 0; i < size; i++) to[k * size + i] = volumes[k] * common[i] / total;
        return true;
    }

    // Spreads one volume over scatters, each of a shape of its own.
    bool share_volume(const Terms &terms, double *to) {
        double total = 0.0, sum = 0.0;
        for (int64_t k = 0; k < K; k++) {
            const double *own = terms.scatter + k * size;
            volumes[k] = s.is_matrix ? volume_of(own, D, room) : geometric_mean(own, D);
            sum += volumes[k];
            total += terms.count[k];
        }
        for (int64_t k = 0; k < K; k++)
            for (int64_t i = 0; i < size; i++)
                to[k * size + i] = terms.scatter[k * size + i] * (sum / total / volumes[k]);
        return sum > 0.0;
    }

    // One shape, axes of each component's own.
    bool solve_own_axes(const Terms &terms, Near &near, double *to) {
        spectra(K, D, terms.scatter, values, axes, room);
        double total = 0.0;
        for (int64_t k = 0; k < K; k++) total += terms.count[k];
        for (int64_t i = 0; i < K * D; i++) values[i] = values[i] > 0.0 ? values[i] : 0.0;
        if (s.restriction == VEV) {
            if (!solve_shape(terms, near, values, values)) return false;
        } else {
            for (int64_t d = 0; d < D; d++) {
                double sum = 0.0;
                for (int64_t k = 0; k < K; k++) sum += values[k * D + d];
                for (int64_t k = 0; k < K; k++) values[k * D + d] = sum / total;
            }
        }
        about_axes(K, D, axes, false, values, to);
        return true;
    }

    // Common axes, along which variances differ.
    bool solve_common_axes(const Terms &terms, Near &near, double *to) {
        double unit_of = 0.0, total = 0.0, sum = 0.0;
        for (int64_t k = 0; k < K; k++) {
            for (int64_t d = 0; d < D; d++)
                values[d] = terms.scatter[k * size + d * (D + 1)];
            unit_of += geometric_mean(values, D);
            total += terms.count[k];
        }
        if (!(unit_of > 0.0 && unit_of < __builtin_inf())) return false;
        Orientation &turning = orientation;
        turning.take_scatter(terms.scatter, terms.count, unit_of);
        bool has_start = begin_axes(near);
        if (!has_start && terms.is_lifted) {
            turning.take_starts(terms.scatter);
            std::memcpy(axes, turning.candidates, size * sizeof(double));
            has_start = true;
        }
        if (has_start) turning.settle(axes, terms.is_lifted ? ROUGHLY : MOST_STEPS);
        else turning.search(terms.scatter, axes);
        turning.variances(axes, values);
        for (int64_t k = 0; k < K && s.restriction == EVE; k++)
            sum += volumes[k] = geometric_mean(values + k * D, D);
        for (int64_t k = 0; k < K; k++) {
            double factor = s.restriction == EVE ? sum / total / volumes[k] : 1.0 / terms.count[k];
            for (int64_t d = 0; d < D; d++) values[k * D + d] *= factor;
        }
        about_axes(K, D, axes, true, values, to);
        if (near.found) std::memcpy(near.found, axes, size * sizeof(double));
        near.has_found = near.found;
        return true;
    }

    // Writes the axes to begin with: those that matrices nearby have in common. A sum of these in
    // unlike proportions has them too, where that of two may have equal variances.
    bool begin_axes(const Near &near) {
        if (near.found && near.has_found) {
            std::memcpy(axes, near.found, size * sizeof(double));
            return true;
        }
        if (!near.covariances) return false;
        for (int64_t i = 0; i < size; i++) common[i] = 0.0;
        double rest = 0.0;
        for (int64_t k = 0; k < K; k++) {
            const double *own = near.covariances + k * size;
            double trace = 0.0;
            for (int64_t d = 0; d < D; d++) trace += own[d * (D + 1)];
            double share = square_root(2.0 + double(k)) / trace;
            for (int64_t i = 0; i < size; i++) common[i] = fma(share, own[i], common[i]);
        }
        for (int64_t i = 0; i < size; i++) rest += common[i] - common[i];
        if (rest != 0.0) return false;
        spectra(1, D, common, values, axes, room);
        return true;
    }

    bool solve(const Terms &terms, Near &near, double *to) {
        bool found;
        switch (s.restriction) {
        case VEI: found = solve_shape(terms, near, terms.scatter, to); break;
        case VEE: found = solve_matrix(terms, near, to); break;
        case EEV:
        case VEV: found = solve_own_axes(terms, near, to); break;
        case EVE:
        case VVE: found = solve_common_axes(terms, near, to); break;
        default: found = share_volume(terms, to);
        }
        double rest = 0.0;
        for (int64_t i = 0; i < s.n_second(); i++) rest += to[i] - to[i];
        return found && rest == 0.0;
    }

    // Whether any of the covariances, times a number for each, is below the floor.
    bool is_narrow(const double *covariances, const double *times) {
        for (int64_t k = 0; floor && k < K; k++) {
            double multiple = times ? times[k] : 1.0;
            if (!is_above_floor(s, covariances + k * size, floor, multiple, room)) return true;
        }
        return false;
    }

    // What is minimised, at given covariances; infinity of singular ones.
    double value(const Terms &terms, const double *covariances) {
        double sum = 0.0, *factor = room, *rest = factor + D * D;
        for (int64_t k = 0; k < K; k++) {
            const double *own = covariances + k * size, *given = terms.scatter + k * size;
            double logs = 0.0, trace = 0.0;
            if (s.is_matrix) {
                logs = -2.0 * precision_factor(own, D, factor, rest);
                for (int64_t d = 0; d < D; d++)
                    for (int64_t e = 0; e <= d; e++)
                        trace = fma((d == e ? 1.0 : 2.0) * given[d * D + e],
                                    precision_entry(factor, D, d, e), trace);
            } else {
                for (int64_t d = 0; d < D; d++) {
                    logs += log_of_one(own[d]);
                    trace += given[d] / own[d];
                }
            }
            sum += fma(terms.count[k], logs, trace);
        }
        return sum - sum == 0.0 ? sum : __builtin_inf();
    }

    // Gives components without rows a faint share of the pooled scatter.
    void occupy() {
        double total = 0.0;
        bool any = false;
        for (int64_t k = 0; k < K; k++) total += count[k], any |= !(count[k] > 0.0);
        if (!any) return;
        total = total > TINIEST ? total : TINIEST;
        for (int64_t i = 0; i < size; i++) {
            double sum = 0.0;
            for (int64_t k = 0; k < K; k++) {
                double own = scatter[k * size + i];
                sum += s.is_matrix || own > 0.0 ? own : 0.0;
            }
            for (int64_t k = 0; k < K; k++)
                if (!(count[k] > 0.0)) scatter[k * size + i] = FAINT * sum;
        }
        for (int64_t k = 0; k < K; k++)
            if (!(count[k] > 0.0)) count[k] = FAINT * total;
    }

    // Writes the covariances that minimise the terms, held above the floor. Where that takes part
    // they are those of the family near, if these are no worse. Returns whether there are any.
    bool best(Near &near, double *to) {
        occupy();
        Terms terms{count, scatter, false};
        // A shape of a component's own would take its determinant to zero.
        bool vanishes = !has_one_shape() && is_narrow(scatter, count);
        if (!vanishes && solve(terms, near, to) && !is_narrow(to, nullptr)) return true;
        int64_t n_diagonal = s.is_matrix ? D + 1 : 1;
        double all = 0.0;
        std::memcpy(lifted, scatter, s.n_second() * sizeof(double));
        for (int64_t k = 0; k < K; k++) {
            all += count[k];
            for (int64_t d = 0; d < D && floor; d++)
                lifted[k * size + d * n_diagonal] += count[k] * floor[d];
        }
        Terms above{count, lifted, true};
        if (!solve(above, near, to)) {
            for (int64_t i = 0; i < size; i++) {
                double sum = 0.0;
                for (int64_t k = 0; k < K; k++) sum += lifted[k * size + i];
                for (int64_t k = 0; k < K; k++) lifted[k * size + i] = sum * (count[k] / all);
            }
            Near nothing{nullptr, near.found, false, false};
            if (!solve(above, nothing, to)) return false;
        }
        if (near.may_stay && near.covariances && value(terms, near.covariances) < value(terms, to)) {
            std::memcpy(to, near.covariances, s.n_second() * sizeof(double));
            near.has_found = false;
        }
        return true;
    }
};

// Numbers of room that `restricted_mode` needs.
inline int64_t restricted_room(const Structure &s) {
    return s.restriction == FREE ? 0 : Restricted(s).place(nullptr) + mode_room(s);
}

// Writes the mode of means and covariances of a restricted family; returns whether it could.
inline bool restricted_mode(const Structure &s, const Moments &m, const Prior &prior, Near &near,
                            double *means, double *covariances, double *room) {
    bool is_flat = prior.kind == FLAT;
    Restricted step(s, is_flat ? prior.floor : nullptr);
    double *rest = room + step.place(room);
    if (is_flat) {
        shift_to_means(s, m, rest);
        scatter_about(s, m, rest, step.scatter);
        for (int64_t i = 0; i < s.n_first(); i++) means[i] = m.pivot[i] + rest[i];
        for (int64_t k = 0; k < s.n_components; k++) step.count[k] = m.count[k];
        return step.best(near, covariances);
    }
    // The prior of a covariance counts in proportion to what a component has of its own; each mean
    // adds one to the power of its own covariance.
    double share = share_of(s), cells = s.is_matrix ? double(s.n_features) + 1.0 : 1.0;
    double part = s.is_matrix ? 1.0 : 2.0, worth = part * share * (prior.freedom[0] + cells) + 1.0;
    Prior shared = prior;
    shared.scale = step.scaled;
    for (int64_t i = 0; i < s.per_factor(); i++) step.scaled[i] = share * prior.scale[i];
    conjugate_scales(s, m, shared, means, step.scatter, rest);
    for (int64_t i = 0; i < s.n_second(); i++) step.scatter[i] *= part;
    for (int64_t k = 0; k < s.n_components; k++) step.count[k] = m.count[k] + worth;
    return step.best(near, covariances);
}

// Writes the pooled covariance of all rows for each component: where a short run begins.
inline void write_pooled(const Structure &s, const Moments &m, double *to, double *room) {
    int64_t K = s.n_components, size = s.per_factor();
    double total = 0.0;
    shift_to_means(s, m, room);
    scatter_about(s, m, room, to);
    for (int64_t k = 0; k < K; k++) total += m.count[k];
    total = total > TINIEST ? total : TINIEST;
    for (int64_t i = 0; i < size; i++) {
        double sum = 0.0;
        for (int64_t k = 0; k < K; k++) sum += to[k * size + i];
        for (int64_t k = 0; k < K; k++) to[k * size + i] = sum / total;
    }
}

// Writes the mode of means and covariances of any family; returns whether it could. What is near
// matters to restricted families alone.
inline bool component_mode(const Structure &s, const Moments &m, const Prior &prior, Near &near,
                           double *means, double *covariances, double *room) {
    if (s.restriction != FREE)
        return restricted_mode(s, m, prior, near, means, covariances, room);
    if (prior.kind == FLAT) return flat_mode(s, m, prior, means, covariances, room);
    return conjugate_mode(s, m, prior, means, covariances, room);
}

// Numbers of room that `component_mode` needs.
inline int64_t component_room(const Structure &s) { return mode_room(s) + restricted_room(s); }

}  // namespace MIXTURA_SET
