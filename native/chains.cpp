// Gibbs chains as a whole, for rows so few that a call costs more than a sweep.
#include "draws.hpp"
#include "exact.hpp"
#include "interface.hpp"
#include "pairs.hpp"

namespace MIXTURA_SET {

namespace {

constexpr double HALF_LOG_TWO_PI = 0.91893853320467274178;
// From the key of one sweep to that of the next: odd, and not the stride of the rows.
constexpr uint64_t STRIDE = 0xD1342543DE82EF95;

// From so many components on it takes less time to part rows of full structures than to go
// through all for each.
constexpr int64_t MANY_COMPONENTS = 3;

uint64_t key_of_sweep(uint64_t key, int64_t number) {
    uint64_t bits = key + uint64_t(number + 1) * STRIDE;
    bits = (bits ^ (bits >> 31)) * FIRST_FACTOR;
    return bits ^ (bits >> 29);
}

// Sizes as they come from Python: rows, components, features; rows and columns of the variances or
// rows of the covariances; first sweep and the one after the last; warm-up, sweeps between draws;
// whether the number of weights is random, precisions relative, scales variances, a matrix each.
struct Plan {
    int64_t n_rows, n_components, n_features, rows, columns, begin, end, before, every;
    int64_t random_number, relative, of_variances, is_matrix;

    Sharing sharing() const { return {n_components, n_features, rows, columns}; }
    VectorPrior vector_prior(const double *numbers) const {
        const int64_t n = n_features;
        return {numbers, numbers + n, numbers + 2 * n, numbers + 3 * n, relative != 0,
                of_variances != 0};
    }
    MatrixPrior matrix_prior(const double *numbers) const {
        const int64_t n = n_features;
        return {numbers, numbers[n], numbers[n + 1], numbers + n + 2};
    }
};

// What a chain stands at.
struct Current {
    double *weights, *means, *scales;
};

template <Kind KIND> struct Chain {
    const Plan &plan;
    const double *rows;
    WeightPrior of_weights;
    const double *numbers;  // of the components' prior
    Current current;
    int64_t K = plan.n_components, D = plan.n_features;
    int64_t n_scales = KIND == VECTOR ? plan.rows * plan.columns : plan.rows * D * D;
    int64_t n_moments = KIND == VECTOR ? D : D * D;
    int64_t step = KIND == MATRIX ? packed_size(D) : n_moments;
    int64_t block = exact_block(K, D, KIND), n_logs = K + (KIND == VECTOR ? n_scales : 0);
    int64_t n_sums = K * (1 + D + n_moments);
    double *logs = nullptr, *constant = nullptr, *spread = nullptr, *sums = nullptr;
    double *factor = nullptr, *room = nullptr, *work = nullptr;

    int64_t n_numbers() const {
        return n_logs + LANES + K + plan.rows * step + n_sums + 3 * D * D + K * D +
               exact_room(K, D, block);
    }
    void lay_out(double *memory) {
        logs = memory;
        constant = logs + n_logs + LANES;
        spread = constant + K;
        sums = spread + plan.rows * step;
        factor = sums + n_sums;
        room = factor + D * D;
        work = room + 2 * D * D + K * D;
    }

    // Writes constants and factors by which rows are scored; returns the log prior density.
    double prepare() {
        std::memcpy(logs, current.weights, K * sizeof(double));
        if (KIND == VECTOR) std::memcpy(logs + K, current.scales, n_scales * sizeof(double));
        for (int64_t i = 0; i < LANES; i++) logs[n_logs + i] = 1.0;
        const Lanes least = splat(0x1p-1022), none = splat(-__builtin_inf());
        for (int64_t i = 0; i < n_logs; i += LANES) {
            Lanes x = load(logs + i);
            store(logs + i, where_at_least(x, least, log(x), none));
        }
        double result = log_prior_weights(of_weights, current.weights, logs);
        return result + (KIND == VECTOR ? prepare_vectors() : prepare_matrices());
    }
    void write_constant(int64_t k, double log_determinant) {
        constant[k] = held_constant(logs[k] - double(D) * HALF_LOG_TWO_PI, log_determinant);
    }
    double prepare_vectors() {
        const double *of_scales = logs + K;
        for (int64_t c = 0; c < plan.rows; c++)
            for (int64_t d = 0; d < D; d++) {
                int64_t e = plan.columns == 1 ? 0 : d;
                spread[c * D + d] = 1.0 / __builtin_sqrt(current.scales[c * plan.columns + e]);
            }
        for (int64_t k = 0; k < K; k++) {
            const double *own = of_scales + (plan.rows == 1 ? 0 : k) * plan.columns;
            double sum = 0.0;
            for (int64_t e = 0; e < plan.columns; e++) sum += own[e];
            write_constant(k, -0.5 * sum * double(D / plan.columns));
        }
        return log_prior_components(plan.vector_prior(numbers), plan.sharing(), current.means,
                                    current.scales, of_scales);
    }
    double prepare_matrices() {
        const MatrixPrior prior = plan.matrix_prior(numbers);
        Square own{factor, D};
        double result = 0.0, log_determinant = 0.0;
        for (int64_t k = 0; k < K; k++) {
            if (k < plan.rows) {
                Square lower{room, D};
                write_factor(Square{current.scales + k * D * D, D}, lower);
                log_determinant = write_precision_factor(lower, own);
                result += log_prior_matrix(prior, own, log_determinant);
                if (KIND == MATRIX) pack_factor(factor, D, spread + k * step);
                else std::memcpy(spread + k * step, factor, step * sizeof(double));
            }
            write_constant(k, log_determinant);
            result += log_prior_mean(prior, current.means + k * D, own, log_determinant);
        }
        return result;
    }

    // Adds moments of rows that are assigned at random; returns their log likelihood.
    double sweep(uint64_t key) {
        std::memset(sums, 0, n_sums * sizeof(double));
        Exact exact{K, D, constant, current.means, spread, plan.rows == 1 ? 0 : step};
        Sums to{sums, sums + K, sums + K + K * D, n_moments};
        Assigned assigned{SAMPLED, key, nullptr, nullptr};
        Span span{0, 0, plan.n_rows, block};
        if (KIND == MATRIX && K >= MANY_COMPONENTS && K <= block)
            return sweep_parts(exact, to, key);
        if (KIND == VECTOR && K == 2 && D == 1)
            return sweep_pairs<true>(rows, (const double *)nullptr, exact, assigned, span, to);
        return sweep_span<KIND>(rows, (const double *)nullptr, exact, assigned, span, to, work);
    }

    // The same with the rows of each component put together, so that each is summed but once; of no
    // more components than a block has rows.
    double sweep_parts(const Exact &exact, const Sums &to, uint64_t key) {
        const Span span{0, 0, plan.n_rows, block};
        const Room parts = room_of(work, exact, block + 8);
        const RowRoom &own = parts.rows;
        double result = 0.0;
        for (int64_t start = 0; start < plan.n_rows; start += block) {
            Shape shape = shape_of(exact, span, start);
            take_block(rows, start, shape, parts.block);
            take_weights(nullptr, start, shape, own.weights);
            score_block<MATRIX>(exact, parts.block, shape, parts.centred, parts.scores, own.top);
            exponentiate(parts.scores, shape, own.top, own.sums);
            result += data_term(own, shape.padded > shape.n, shape.padded);
            uniforms_of(key, start, shape.padded, own.uniforms);
            // The number of a row's component is that of the sums that its level reaches.
            double *numbers = own.top;
            for (int64_t b = 0; b < shape.padded; b += LANES) {
                Lanes level = load(own.uniforms + b) * load(own.sums + b);
                Lanes sum = splat(0.0), number = splat(0.0), one = splat(1.0), none = splat(0.0);
                for (int64_t k = 0; k < K - 1; k++) {
                    sum = sum + load(parts.scores + k * shape.stride + b);
                    number = number + where_at_least(level, sum, one, none);
                }
                store(numbers + b, number);
            }
            // Scores are not needed any more: lists of rows take their place.
            int64_t *lists = (int64_t *)parts.scores, *sizes = (int64_t *)own.sums;
            for (int64_t k = 0; k < K; k++) sizes[k] = k * shape.stride;
            for (int64_t b = 0; b < shape.n; b++) lists[sizes[int64_t(numbers[b])]++] = b;
            for (int64_t k = 0; k < K; k++)
                add_part(exact, to, shape, k, lists + k * shape.stride,
                         sizes[k] - k * shape.stride, parts);
        }
        return result;
    }
    // Adds moments of some rows of a block, all of one component.
    void add_part(const Exact &exact, const Sums &to, Shape shape, int64_t k, const int64_t *list,
                  int64_t n, const Room &parts) {
        if (n == 0) return;
        to.count[k] += double(n);
        shape.n = n;
        shape.padded = (n + 2 * LANES - 1) / (2 * LANES) * (2 * LANES);
        for (int64_t d = 0; d < D; d++) {
            const double *from = parts.block + d * shape.stride;
            double *line = parts.centred + d * shape.stride;
            for (int64_t i = 0; i < n; i++) line[i] = from[list[i]];
            for (int64_t i = n; i < shape.padded; i++) line[i] = from[list[0]];
        }
        double *ones = parts.rows.uniforms;
        for (int64_t b = 0; b < shape.padded; b += LANES)
            store(ones + b, first_lanes(n - b, splat(1.0)));
        moments_matrix(parts.centred, shape, ones, exact.mean + k * D, parts.centred,
                       parts.weighted, to.first + k * D, to.second + k * D * D);
    }

    // Draws weights, means and scales anew.
    void draw(const Source &source) {
        const Moments moments{sums, sums + K, sums + K + K * D};
        draw_weights(of_weights, moments.count, source, current.weights);
        if (KIND == VECTOR)
            draw_components(plan.vector_prior(numbers), plan.sharing(), moments, source,
                            current.means, current.scales);
        else
            draw_matrices(plan.matrix_prior(numbers), plan.sharing(), moments, source,
                          current.means, current.scales, room);
    }

    void run(uint64_t key, const Source &source, const Current &kept, double *likelihoods,
             double *priors) {
        const int64_t sizes[] = {K, K * D, n_scales};
        const double *from[] = {current.weights, current.means, current.scales};
        double *to[] = {kept.weights, kept.means, kept.scales};
        for (int64_t number = plan.begin; number < plan.end; number++) {
            *priors++ = prepare();
            *likelihoods++ = sweep(key_of_sweep(key, number));
            if (number >= plan.before && (number - plan.before + 1) % plan.every == 0)
                for (int i = 0; i < 3; i++) {
                    std::memcpy(to[i], from[i], sizes[i] * sizeof(double));
                    to[i] += sizes[i];
                }
            draw(source);
        }
    }
};

}  // namespace

// Runs some sweeps of a chain from the current values on, which are replaced by those after them;
// writes kept draws, log likelihoods and log priors of all. `numbers` are locations, precisions,
// shapes and scales (D,), or location (D,), shrinkage, degrees of freedom and scale (D, D).
// Returns whether there was memory.
int64_t chain(const int64_t *sizes, const double *rows, const double *concentration,
              const double *log_numbers, const double *numbers, uint64_t key,
              const void *const *source, double *weights, double *means, double *scales,
              double *kept_weights, double *kept_means, double *kept_scales, double *likelihoods,
              double *priors) {
    Plan plan;
    std::memcpy(&plan, sizes, sizeof plan);
    WeightPrior of_weights{plan.n_components, concentration,
                           plan.random_number ? log_numbers : nullptr};
    auto run = [&](auto chain) -> int64_t {
        double *memory = threads::room(threads::BLOCK, chain.n_numbers());
        if (!memory) return 0;
        chain.lay_out(memory);
        chain.run(key, Source(source), {kept_weights, kept_means, kept_scales}, likelihoods,
                  priors);
        return 1;
    };
    Current current{weights, means, scales};
    if (!plan.is_matrix) return run(Chain<VECTOR>{plan, rows, of_weights, numbers, current});
    if (plan.n_features == 2) return run(Chain<PLANE>{plan, rows, of_weights, numbers, current});
    return run(Chain<MATRIX>{plan, rows, of_weights, numbers, current});
}

// Replaces means and scales by a draw given moments: the step of a chain alone, for its tests.
void draw_given(const int64_t *sizes, const double *numbers, const double *count,
                const double *first, const double *second, const void *const *source,
                double *means, double *scales, double *room) {
    Plan plan;
    std::memcpy(&plan, sizes, sizeof plan);
    const Moments moments{count, first, second};
    if (plan.is_matrix)
        draw_matrices(plan.matrix_prior(numbers), plan.sharing(), moments, Source(source), means,
                      scales, room);
    else
        draw_components(plan.vector_prior(numbers), plan.sharing(), moments, Source(source), means,
                        scales);
}

// Writes n normal (0), gamma (1), log gamma (2) or modified half-normal (3) numbers: for the tests
// of these.
void draw_numbers(int64_t which, int64_t n, const double *given, const void *const *source,
                  double *to) {
    const Source from(source);
    for (int64_t i = 0; i < n; i++)
        to[i] = which == 0   ? from.normal()
                : which == 1 ? from.gamma(given[0])
                : which == 2 ? from.log_gamma(given[0])
                             : from.reciprocal(given[0], given[1], given[2]);
}

}  // namespace MIXTURA_SET
