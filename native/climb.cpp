// A climb to the nearest mode in one call: EM, and limited-memory BFGS where EM is slow, as
// `inference.quasi_newton` and `inference.expectation_maximization` take their steps.
#include "interface.hpp"
#include "restricted.hpp"
#include "stopping.hpp"
#include "threads.hpp"

namespace MIXTURA_SET {

#define DECLARED(result, name, parameters, arguments) result name parameters;
MIXTURA_FUNCTIONS(DECLARED)

namespace {

// Constants of the search, as the Python classes have them.
constexpr double LONGEST_STEP = 1.0, ENOUGH = 1e-4, CALM = 1e-3;
constexpr double STEADY = 0.2, MANY = 100.0, RESOLVED = 1e-20;
constexpr int64_t MEMORY = 20, MOST_EM_STEPS = 300, WATCHED = 5, WATCHED_OF_MANY = 3;
constexpr int64_t WORTHWHILE = 50, WORTHWHILE_OF_MANY = 15, JUDGED = 10, PATIENCE = 20;

// What comes first where a climb stands, as Python writes and reads it; then parameters, what
// their sweep found, the reference and counts of the coordinates, point, gradient and pairs.
struct Header {
    double objective, em_steps, idle, n_gains, has_path, n_pairs, oldest, n_credit, stretch;
    double has_converged, gains[WATCHED], credit[JUDGED], n_lengths, lengths[COMPARED];
};
constexpr int64_t HEADER = sizeof(Header) / sizeof(double);

enum Outcome { TAKEN, STUCK, NO_MEMORY };

// The rows, and how they are swept.
struct Data {
    const void *rows;
    int64_t single, n_rows;
    const double *weights;
    int64_t n_threads;
};

// Parameters and what is known of them.
struct Place {
    double *parameters, *swept, *potentials, *inflation, objective;
};

double dot(const double *a, const double *b, int64_t n) {
    Lanes sum = splat(0.0);
    for (int64_t i = 0; i < n; i += LANES) sum = fma(load(a + i), load(b + i), sum);
    return total(sum);
}
// a += factor b
void add(double *a, double factor, const double *b, int64_t n) {
    for (int64_t i = 0; i < n; i += LANES)
        store(a + i, fma(splat(factor), load(b + i), load(a + i)));
}
bool is_finite(const double *numbers, int64_t n) {
    double rest = 0.0;
    for (int64_t i = 0; i < n; i++) rest += numbers[i] - numbers[i];
    return rest == 0.0;
}
void push(double *last, double &count, int64_t most, double value) {
    if (count == double(most))
        std::memmove(last, last + 1, (most - 1) * sizeof(double));
    else
        count += 1.0;
    last[int64_t(count) - 1] = value;
}

struct Climber {
    Data data;
    Structure s;
    Joint joint;
    int64_t n_parameters, n_swept, n, stride;  // coordinates, and with padding to whole lanes
    Header *head;
    double *count, *point, *gradient, *pairs;
    Frame frame;
    Place at, trial;
    double *move, *ahead, *slope_there, *inner, *rest, *near_found, *room;
    bool has_move = false, has_found = false, has_rested = false;

    // Lays out what is handed over and working memory; returns whether there was any.
    bool prepare(double *state, double *prior_numbers) {
        int64_t K = s.n_components, D = s.n_features, n_first = s.n_first();
        n_parameters = K + n_first + s.n_second();
        n_swept = 1 + K + n_first + s.n_factors * (s.is_matrix ? D * D : D);
        n = K + n_first + s.n_factors * spread_size(s);
        stride = (n + LANES - 1) / LANES * LANES;
        int64_t n_potentials = 2 * K + n_first + s.n_second();
        int64_t n_room = coordinate_room(s) + component_room(s);
        int64_t size = n_parameters + n_swept + 2 * (n_potentials + K) + 2 * s.per_factor() + near_room(s) +
                       s.n_second() + 6 * stride + 2 * MEMORY + n_parameters + n_room;
        double *work = threads::room(threads::RUN, size);
        if (!work) return false;
        auto take = [](double *&from, int64_t some) {
            double *taken = from;
            from += some;
            return taken;
        };
        head = (Header *)take(state, HEADER);
        at = {take(state, n_parameters), take(state, n_swept), nullptr, nullptr, head->objective};
        frame.reference = mixture_at(s, take(state, n_parameters));
        count = take(state, K);
        point = take(state, stride), gradient = take(state, stride), pairs = state;
        double *numbers = prior_numbers;
        joint.prior.mean = take(numbers, D), joint.prior.shrinkage = take(numbers, D);
        joint.prior.freedom = take(numbers, s.is_matrix ? 1 : s.width);
        joint.prior.scale = take(numbers, s.per_factor()), joint.prior.floor = take(numbers, D);
        joint.excess = take(numbers, K), joint.of_means = numbers[0], joint.of_spread = numbers[1];
        frame.unit = take(work, stride), move = take(work, stride);
        ahead = take(work, stride), slope_there = take(work, stride), rest = take(work, 2 * stride);
        trial.parameters = take(work, n_parameters), trial.swept = take(work, n_swept);
        for (Place *place : {&at, &trial}) {
            place->potentials = take(work, n_potentials);
            place->inflation = take(work, K);
        }
        joint.scale_factor = take(work, s.per_factor()), near_found = take(work, near_room(s));
        frame.root = take(work, s.n_second());
        inner = take(work, MEMORY), room = work;
        for (int64_t i = n; i < stride; i++)
            point[i] = gradient[i] = move[i] = ahead[i] = slope_there[i] = frame.unit[i] = 0.0;
        return true;
    }

    // Finds anew what is not handed over; returns whether it could.
    bool begin() {
        int64_t D = s.n_features;
        bool whole = s.is_matrix && joint.prior.kind == CONJUGATE;
        if (whole && !covariance_factor(joint.prior.scale, D, joint.scale_factor, room))
            return false;
        if (!look(at)) return false;
        // The constant of the density is what the objective has beyond what varies.
        double varying = log_prior(s, joint, at.potentials, mixture(at));
        joint.constant = at.objective - at.swept[0] - varying;
        if (!is_finite(&joint.constant, 1)) return false;
        if (head->has_path == 0.0) return true;
        for (int64_t i = 0; i < int64_t(head->n_pairs); i++)
            inner[i] = dot(step_of(i), step_of(i) + stride, stride);
        return take_frame(s, joint, count, frame, room);
    }

    double *step_of(int64_t i) { return pairs + 2 * stride * i; }
    Mixture mixture(const Place &place) { return mixture_at(s, place.parameters); }
    Moments moments(const Place &place) {
        double *found = place.swept + 1, *first = found + s.n_components;
        return {found, first, first + s.n_first(), mixture(place).means};
    }
    double *factors(const Place &place) {
        return place.potentials + 2 * s.n_components + s.n_first();
    }
    // What rounding leaves open of an objective.
    double rounding(const Place &place) {
        double result = NOISE * absolute(place.objective);
        if (!s.is_matrix || s.n_features == 1) return result;
        Moments found = moments(place);
        double sum = 0.0;
        for (int64_t k = 0; k < s.n_components; k++)
            if (found.count[k] > 0.0) sum += found.count[k] * place.inflation[factor_of(s, k)];
        return result + EPSILON * sum;
    }

    // Writes potentials and inflation of a place; returns whether they could be had.
    bool look(Place &place) {
        Mixture to = mixture(place);
        if (!write_potentials(s, to.weights, to.means, to.covariances, place.potentials, room))
            return false;
        take_inflation(s, to.covariances, factors(place), place.inflation);
        return true;
    }
    Outcome evaluate(Place &place) {
        if (!look(place)) return STUCK;
        if (!sweep(data.rows, data.single, data.n_rows, 0, data.weights, place.potentials,
                   s.n_components, s.n_features, s.n_factors, s.width, s.is_matrix, 0, 0, nullptr,
                   data.n_threads, place.swept))
            return NO_MEMORY;
        place.objective = place.swept[0] + log_prior(s, joint, place.potentials, mixture(place));
        return TAKEN;
    }

    // Goes to the trial; with a path where the step was a quasi-Newton one.
    void follow(bool has_path) {
        double gain = trial.objective - at.objective;
        head->idle = gain <= rounding(trial) ? head->idle + 1.0 : 0.0;
        head->has_path = has_path;
        std::swap(at, trial);
        if (has_path) {
            head->n_gains = head->n_lengths = 0.0;
        } else {
            double length = squared_length(s, mixture(trial), mixture(at), factors(at),
                                           moments(at).count, room);
            push(head->gains, head->n_gains, WATCHED, gain);
            push(head->lengths, head->n_lengths, COMPARED, length);
        }
        has_move = false;
    }

    Outcome em_step() {
        Mixture to = mixture(trial);
        Moments found = moments(at);
        if (!weights_mode(s.n_components, found.count, joint.excess, to.weights)) return STUCK;
        bool is_restricted = s.restriction != FREE;
        bool at_edge = is_at_edge(s.n_components, to.weights, joint.excess);
        at_edge |= is_at_edge(s.n_components, at.parameters, joint.excess);
        if (is_restricted && at_edge) return STUCK;
        Near near{mixture(at).covariances, near_found, has_found, true};
        if (!component_mode(s, found, joint.prior, near, to.means, to.covariances, room))
            return STUCK;
        has_found = near.has_found;
        Outcome outcome = evaluate(trial);
        if (outcome != TAKEN) return outcome;
        if (!is_finite(&trial.objective, 1)) return STUCK;
        head->em_steps += 1.0;
        if (is_restricted && trial.objective < at.objective) {
            // No step of ascent loses but by rounding, of which there is most at a floor.
            has_rested = true;
            return TAKEN;
        }
        follow(false);
        return TAKEN;
    }

    // Whether the next step is better left to EM.
    bool em_leads() {
        int64_t held = int64_t(head->n_gains);
        double size = absolute(at.objective) > 1.0 ? absolute(at.objective) : 1.0, all = 0.0;
        for (int64_t k = 0; k < s.n_components; k++) all += moments(at).count[k];
        bool many = all > MANY * double(n_parameters), few_steps = head->em_steps < MOST_EM_STEPS;
        if (held < (many ? WATCHED_OF_MANY : WATCHED)) return few_steps;
        double logs[WATCHED], least = __builtin_inf(), most = -least, lowest = rounding(at);
        for (int64_t i = 0; i < held; i++) {
            if (head->gains[i] <= lowest) return false;
            logs[i] = log_of_one(head->gains[i]);
            double ratio = i > 0 ? logs[i] - logs[i - 1] : 0.0;
            if (i > 0 && ratio < least) least = ratio;
            if (i > 0 && ratio > most) most = ratio;
        }
        bool is_steady = many || most - least <= STEADY;
        if (head->gains[held - 1] > CALM * size || !is_steady) return few_steps;
        double rate = (logs[held - 1] - logs[0]) / double(held - 1);
        double to_go = log_of_one(RESOLVED * all) - logs[held - 1];
        return rate < 0.0 && to_go / rate < double(many ? WORTHWHILE_OF_MANY : WORTHWHILE);
    }

    // Begins a path without memory at where the climb stands; returns whether it could.
    bool begin_path() {
        std::memcpy(frame.reference.weights, at.parameters, n_parameters * sizeof(double));
        std::memcpy(count, moments(at).count, s.n_components * sizeof(double));
        if (!take_frame(s, joint, count, frame, room)) return false;
        for (int64_t i = 0; i < stride; i++) point[i] = 0.0;
        gradient_of(s, joint, frame, mixture(at), at.potentials, moments(at), gradient, room);
        head->n_pairs = head->oldest = head->n_credit = 0.0;
        head->stretch = 1.0;
        has_move = false;
        return true;
    }

    // The ascent direction of the two-loop recursion.
    void direct() {
        if (has_move) return;
        int64_t held = int64_t(head->n_pairs), oldest = int64_t(head->oldest);
        double weights[MEMORY];
        std::memcpy(move, gradient, stride * sizeof(double));
        for (int64_t i = held; i-- > 0;) {
            int64_t p = (oldest + i) % MEMORY;
            const double *step = step_of(p), *change = step + stride;
            weights[i] = dot(step, move, stride) / inner[p];
            add(move, -weights[i], change, stride);
        }
        if (held > 0) {
            int64_t p = (oldest + held - 1) % MEMORY;
            const double *change = step_of(p) + stride;
            double factor = inner[p] / dot(change, change, stride);
            for (int64_t i = 0; i < stride; i++) move[i] *= factor;
        }
        for (int64_t i = 0; i < held; i++) {
            int64_t p = (oldest + i) % MEMORY;
            const double *step = step_of(p), *change = step + stride;
            add(move, weights[i] - dot(change, move, stride) / inner[p], step, stride);
        }
        has_move = true;
    }

    // Shortens a move so that no part of any component goes farther than the longest step.
    void hold(double *to) {
        int64_t K = s.n_components, D = s.n_features, n_spread = spread_size(s);
        double *farthest = rest, *spread = rest + K, *of_means = to + K;
        double *of_spread = of_means + s.n_first();
        auto reach = [&](const double *from, int64_t some) {
            double most = 0.0;
            for (int64_t i = 0; i < some; i++) {
                double far = absolute(from[i] * frame.unit[from - to + i]);
                most = far > most ? far : most;
            }
            return most;
        };
        auto larger_of = [](double a, double b) { return a > b ? a : b; };
        for (int64_t k = 0; k < K; k++)
            farthest[k] = larger_of(reach(to + k, 1), reach(of_means + k * D, D));
        for (int64_t j = 0; j < s.n_factors; j++) {
            spread[j] = reach(of_spread + j * n_spread, n_spread);
            if (s.n_factors == K) farthest[j] = spread[j] = larger_of(farthest[j], spread[j]);
        }
        auto shorten = [](double *from, int64_t some, double far) {
            for (int64_t i = 0; far > LONGEST_STEP && i < some; i++) from[i] *= LONGEST_STEP / far;
        };
        for (int64_t k = 0; k < K; k++) {
            shorten(to + k, 1, farthest[k]);
            shorten(of_means + k * D, D, farthest[k]);
        }
        for (int64_t j = 0; j < s.n_factors; j++)
            shorten(of_spread + j * n_spread, n_spread, spread[j]);
    }

    // Whether parameters that a path leads to are finite, allowed and away from the edge.
    bool is_lawful(const Place &place) {
        Mixture to = mixture(place);
        if (!is_finite(place.parameters, n_parameters)) return false;
        for (int64_t j = 0; joint.prior.kind == FLAT && j < s.n_factors; j++) {
            const double *own = to.covariances + j * s.per_factor();
            if (!is_above_floor(s, own, joint.prior.floor, 1.0, room)) return false;
        }
        return !is_at_edge(s.n_components, to.weights, joint.excess);
    }

    // A quasi-Newton step, shortened once if need be, or an EM step.
    Outcome ascended() {
        double owed = 0.0;
        for (int64_t i = 0; i < int64_t(head->n_credit); i++) owed += head->credit[i];
        bool in_debt = head->n_credit == double(JUDGED) && owed < -JUDGED * rounding(at);
        if (!is_finite(gradient, n) || in_debt) return em_step();
        direct();
        double *held = rest + stride;
        for (int64_t i = 0; i < stride; i++) held[i] = head->stretch * move[i];
        if (!is_finite(held, n)) return em_step();
        hold(held);
        double slope = dot(gradient, held, stride), length = 1.0;
        if (!(slope > 0.0)) return em_step();
        for (int64_t attempt = 0; attempt < 2; attempt++) {
            std::memcpy(ahead, point, stride * sizeof(double));
            add(ahead, length, held, stride);
            mixture_of(s, frame, ahead, mixture(trial), room);
            bool may_be = is_lawful(trial);
            Outcome outcome = may_be ? evaluate(trial) : TAKEN;
            if (outcome != TAKEN) return outcome;
            if (!may_be || !is_finite(&trial.objective, 1)) {
                length *= 0.1;
                continue;
            }
            double gain = trial.objective - at.objective;
            if (gain >= ENOUGH * length * slope - rounding(trial)) {
                gradient_of(s, joint, frame, mixture(trial), trial.potentials, moments(trial),
                            slope_there, room);
                if (!is_finite(slope_there, n)) break;
                advance(gain);
                follow(true);
                return TAKEN;
            }
            double curvature = 2.0 * (slope * length - gain) / (length * length);
            double best = slope / curvature, shortest = 0.1 * length, longest = 0.5 * length;
            length = best < shortest ? shortest : best > longest ? longest : best;
        }
        return em_step();
    }

    // Keeps what a step to the trial tells of curvature, and goes there.
    void advance(double gain) {
        double *step = rest, *change = rest + stride, n_held = head->n_pairs;
        for (int64_t i = 0; i < stride; i++) {
            step[i] = ahead[i] - point[i];
            change[i] = gradient[i] - slope_there[i];
        }
        double bend = dot(step, change, stride);
        head->stretch *= 2.0;
        if (bend > 1e-10 * dot(step, step, stride)) {
            int64_t p = int64_t(n_held);
            if (n_held == double(MEMORY)) {
                p = int64_t(head->oldest);
                head->oldest = double((p + 1) % MEMORY);
            } else {
                head->n_pairs += 1.0;
            }
            std::memcpy(step_of(p), rest, 2 * stride * sizeof(double));
            inner[p] = bend;
            head->stretch = 1.0;
        }
        push(head->credit, head->n_credit, JUDGED, gain - 0.5 * dot(gradient, gradient, stride));
        std::memcpy(point, ahead, stride * sizeof(double));
        std::memcpy(gradient, slope_there, stride * sizeof(double));
    }

    Outcome step() {
        if (head->has_path != 0.0) return ascended();
        bool at_edge = is_at_edge(s.n_components, at.parameters, joint.excess);
        if (at_edge || em_leads()) return em_step();
        return begin_path() ? ascended() : STUCK;
    }

    // Whether the last step, from what is now the trial, was the last one needed.
    bool has_settled(bool is_quasi_newton, double tolerance) {
        if (has_rested) return true;
        if (is_quasi_newton && head->idle >= double(PATIENCE)) return true;
        double gain = at.objective - trial.objective, lowest = rounding(at);
        if (head->has_path == 0.0) {
            int64_t held = int64_t(head->n_lengths);
            if (left_to_ascent(gain, head->lengths, held, lowest) <= tolerance) return true;
            return gain <= faintest(at.objective, lowest) &&
                   has_come_to_rest(s, mixture(trial), mixture(at), at.inflation);
        }
        direct();
        double expected = 0.5 * dot(gradient, move, stride);
        if (head->stretch == 1.0 && left_to_model(gain, expected, lowest) <= tolerance) return true;
        if (!(expected <= faintest(at.objective, lowest))) return false;
        std::memcpy(ahead, point, stride * sizeof(double));
        add(ahead, 1.0, move, stride);
        mixture_of(s, frame, ahead, mixture(trial), room);
        if (!is_finite(trial.parameters, n_parameters) || !look(trial)) return false;
        return has_come_to_rest(s, mixture(at), mixture(trial), trial.inflation);
    }
};

}  // namespace

// Steps of a climb from where `state` says that it stands, which is replaced by where it leads.
//
// `sizes` holds components, features, factors, their width, whether they are matrices, what they
// share beyond that, the kind of prior, whether quasi-Newton steps are wanted, how many steps at most and threads. The numbers of
// the priors are those of `ascend` and, of the weights, concentrations less one (K,), and about how
// many rows the prior of the components is worth to a mean and to a covariance.
// Writes the objective after each step; ends before one that needs more than numbers. Returns how
// many were taken, below zero where there is no memory.
int64_t climb(const void *rows, int64_t single, int64_t n_rows, const double *row_weights,
              const int64_t *sizes, double *prior_numbers, double tolerance, double *state,
              double *objectives) {
    Climber c{};
    c.data = {rows, single, n_rows, row_weights, sizes[9]};
    c.s = {sizes[0], sizes[1], sizes[2], sizes[3], sizes[4], sizes[5]};
    c.joint.prior.kind = sizes[6];
    bool is_quasi_newton = sizes[7], has_converged = false;
    if (!c.prepare(state, prior_numbers)) return -1;
    if (!c.begin()) return 0;
    double *parameters = c.at.parameters, *swept = c.at.swept;
    int64_t taken = 0;
    while (taken < sizes[8] && !has_converged) {
        double had_path = c.head->has_path;
        Outcome outcome = is_quasi_newton ? c.step() : c.em_step();
        if (outcome == NO_MEMORY) return -1;
        if (outcome == STUCK) {
            c.head->has_path = had_path;
            break;
        }
        objectives[taken++] = c.at.objective;
        has_converged = c.has_settled(is_quasi_newton, tolerance);
    }
    if (c.at.parameters != parameters) {
        std::memcpy(parameters, c.at.parameters, c.n_parameters * sizeof(double));
        std::memcpy(swept, c.at.swept, c.n_swept * sizeof(double));
    }
    c.head->objective = c.at.objective;
    c.head->has_converged = has_converged;
    return taken;
}

}  // namespace MIXTURA_SET
