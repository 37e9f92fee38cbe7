// Draws of weights, means and scales given moments of assigned rows, and their prior densities.
#pragma once

#include "random.hpp"

namespace MIXTURA_SET {

// Of variances, and of what their prior makes of components without rows; of weights in use.
constexpr double SMALLEST = 1e-300, LARGEST = 1e300;
// Of a factorisation, relative to the variance: about what float64 resolves.
constexpr double LEAST_RATIO = 1e-15;
// Of the diagonal of a Wishart factor, whose reciprocals must be numbers.
constexpr double LEAST_SQUARE = 1e-200;

INLINE double limited(double x, double least, double most) {
    return x < least ? least : x > most ? most : x;
}
INLINE double at_least(double x, double least) { return x > least ? x : least; }

// ------------------------------------------------------------------------------------ weights

// Concentrations (K,); log prior probabilities that 1 ... K weights are above zero, or null where
// all are.
struct WeightPrior {
    int64_t n;
    const double *concentration, *log_numbers;
};

// How many weights are above zero, given how many components have rows; `shares` is room for K.
inline int64_t draw_number(const WeightPrior &prior, int64_t n_occupied, double n_rows,
                           const Source &source, double *shares) {
    const double concentration = prior.concentration[0];
    int64_t first = n_occupied > 1 ? n_occupied : 1;
    double most = -__builtin_inf(), sum = 0.0;
    for (int64_t number = first; number <= prior.n; number++) {
        double total = double(number) * concentration;
        double choices = log_gamma(double(number) + 1.0);
        choices -= log_gamma(double(number - n_occupied) + 1.0);
        double rising = log_gamma(total + n_rows) - log_gamma(total);
        shares[number - 1] = prior.log_numbers[number - 1] + choices - rising;
        most = at_least(most, shares[number - 1]);
    }
    for (int64_t i = first - 1; i < prior.n; i++) shares[i] = sum += exp_of_one(shares[i] - most);
    double threshold = source.uniform() * sum;
    while (first < prior.n && shares[first - 1] <= threshold) first++;
    return first;
}

// Writes weights drawn given counts: gamma variables by their logarithms.
//
// Where their number is random, those of components with rows are above zero, and some others.
inline void draw_weights(const WeightPrior &prior, const double *count, const Source &source,
                         double *weights) {
    int64_t n_occupied = 0, wanted = 0, left = 0;
    double n_rows = 0.0, most = -__builtin_inf(), sum = 0.0;
    if (prior.log_numbers) {
        for (int64_t k = 0; k < prior.n; k++) n_occupied += count[k] > 0.0, n_rows += count[k];
        left = prior.n - n_occupied;
        wanted = draw_number(prior, n_occupied, n_rows, source, weights) - n_occupied;
    }
    for (int64_t k = 0; k < prior.n; k++) {
        weights[k] = -__builtin_inf();
        if (prior.log_numbers && count[k] == 0.0) {
            bool taken = source.uniform() * double(left--) < double(wanted);
            if (!taken) continue;
            wanted--;
        }
        weights[k] = source.log_gamma(prior.concentration[k] + count[k]);
        most = at_least(most, weights[k]);
    }
    for (int64_t k = 0; k < prior.n; k++) {
        bool used = weights[k] > -__builtin_inf();
        weights[k] = used ? at_least(exp_of_one(weights[k] - most), SMALLEST) : 0.0;
        sum += weights[k];
    }
    for (int64_t k = 0; k < prior.n; k++) weights[k] /= sum;
}

// The log density of weights, but for constants; 0 log 0 counts as 0.
inline double log_prior_weights(const WeightPrior &prior, const double *weights,
                                const double *logs) {
    const double concentration = prior.concentration[0], n = double(prior.n);
    double result = 0.0, number = 0.0;
    for (int64_t k = 0; k < prior.n; k++) {
        if (prior.log_numbers && weights[k] == 0.0) continue;
        number += 1.0;
        double power = prior.concentration[k] - 1.0;
        if (power != 0.0) result += power * logs[k];
    }
    if (!prior.log_numbers) return result;
    double choices = log_gamma(n + 1.0) - log_gamma(number + 1.0) - log_gamma(n - number + 1.0);
    result += log_gamma(number * concentration) - number * log_gamma(concentration);
    return result + prior.log_numbers[int64_t(number) - 1] - choices;
}

// -------------------------------------------------------------------------------- components

// Counts (K,), first moments (K, D) of rows about the current means, second ones (K, D) or lower
// triangles (K, D, D).
struct Moments {
    const double *count, *first, *second;
};

// K components of D features that share scales: of `rows` components and `columns` features, or
// of `rows` matrices.
struct Sharing {
    int64_t n_components, n_features, rows, columns;
    int64_t components() const { return n_components / rows; }
    int64_t features() const { return n_features / columns; }
};

// Locations and precisions of means, shapes and scales of inverse gamma distributions, (D,) each;
// whether the precisions are relative to the components'; whether scales are variances.
struct VectorPrior {
    const double *location, *precision, *shape, *scale;
    bool relative, of_variances;
};

inline double draw_variance(const VectorPrior &prior, int64_t e, double entries, double scatter,
                            const Source &source) {
    double drawn;
    scatter = scatter < LARGEST ? scatter : LARGEST;
    if (prior.of_variances) {
        drawn = (prior.scale[e] + 0.5 * scatter) / source.gamma(prior.shape[e] + 0.5 * entries);
    } else {
        double found = source.reciprocal(prior.shape[e] + entries, scatter, prior.scale[e]);
        drawn = 1.0 / (found * found);
    }
    return limited(drawn, SMALLEST, LARGEST);
}

// Replaces means (K, D) and variances (rows, columns) by a draw.
inline void draw_components(const VectorPrior &prior, const Sharing &sharing,
                            const Moments &moments, const Source &source, double *means,
                            double *variances) {
    const int64_t n = sharing.n_features, alike = sharing.features(), many = sharing.components();
    for (int64_t c = 0; c < sharing.rows; c++)
        for (int64_t e = 0; e < sharing.columns; e++) {
            double &variance = variances[c * sharing.columns + e], entries = 0.0, scatter = 0.0;
            for (int64_t k = c * many; k < (c + 1) * many; k++)
                for (int64_t d = e * alike; d < (e + 1) * alike; d++) {
                    double &mean = means[k * n + d], count = moments.count[k], shift;
                    double offset = prior.location[d] - mean, pull = prior.precision[d] * offset;
                    double first = moments.first[k * n + d], second = moments.second[k * n + d];
                    if (prior.relative) {
                        shift = (first + pull) / (prior.precision[d] + count);
                        double away = shift - offset;
                        scatter += prior.precision[d] * away * away;
                    } else {
                        double total = prior.precision[d] + count / variance;
                        shift = (first / variance + pull) / total;
                        shift += source.normal() / __builtin_sqrt(total);
                    }
                    double spread = second - 2.0 * shift * first + count * shift * shift;
                    scatter += at_least(spread, 0.0);
                    entries += count;
                    mean += shift;
                }
            variance = draw_variance(prior, e, entries, scatter, source);
            for (int64_t k = c * many; prior.relative && k < (c + 1) * many; k++)
                for (int64_t d = e * alike; d < (e + 1) * alike; d++) {
                    double total = prior.precision[d] + moments.count[k];
                    means[k * n + d] += __builtin_sqrt(variance / total) * source.normal();
                }
        }
}

// The log prior density of means and scales, but for constants; `logs` are those of variances.
inline double log_prior_components(const VectorPrior &prior, const Sharing &sharing,
                                   const double *means, const double *variances,
                                   const double *logs) {
    const int64_t many = sharing.components(), alike = sharing.features();
    double result = 0.0;
    for (int64_t c = 0; c < sharing.rows; c++)
        for (int64_t e = 0; e < sharing.columns; e++) {
            int64_t at = c * sharing.columns + e;
            double variance = variances[at], value = variance, log_value = logs[at];
            if (!prior.of_variances) value = __builtin_sqrt(variance), log_value *= 0.5;
            result -= (prior.shape[e] + 1.0) * log_value + prior.scale[e] / value;
            if (prior.relative) result -= 0.5 * double(many * alike) * log_value;
            for (int64_t k = c * many; k < (c + 1) * many; k++)
                for (int64_t d = e * alike; d < (e + 1) * alike; d++) {
                    double offset = means[k * sharing.n_features + d] - prior.location[d];
                    double square = 0.5 * prior.precision[d] * offset * offset;
                    result -= prior.relative ? square / variance : square;
                }
        }
    return result;
}

// -------------------------------------------------------------------------------- matrices

// Location (D,), shrinkage, degrees of freedom, scale (D, D).
struct MatrixPrior {
    const double *location;
    double shrinkage, freedom;
    const double *scale;
};

// A lower or upper triangle of a square matrix of n columns.
struct Square {
    double *at;
    int64_t n;
    double &operator()(int64_t i, int64_t j) const { return at[i * n + j]; }
};

// Writes the lower-triangular L with L L' the matrix, of which the lower triangle is read.
inline void write_factor(Square matrix, Square lower) {
    const int64_t n = matrix.n;
    for (int64_t j = 0; j < n; j++) {
        double pivot = matrix(j, j);
        for (int64_t k = 0; k < j; k++) pivot -= lower(j, k) * lower(j, k);
        lower(j, j) = __builtin_sqrt(at_least(pivot, LEAST_RATIO * matrix(j, j)));
        for (int64_t i = j + 1; i < n; i++) {
            double rest = matrix(i, j);
            for (int64_t k = 0; k < j; k++) rest -= lower(i, k) * lower(j, k);
            lower(i, j) = rest / lower(j, j);
        }
    }
}

// Writes the upper-triangular transpose of the inverse of L; returns its log determinant.
inline double write_precision_factor(Square lower, Square factor) {
    const int64_t n = lower.n;
    double result = 0.0;
    for (int64_t j = 0; j < n; j++) {
        for (int64_t i = 0; i < j; i++) factor(j, i) = 0.0;
        factor(j, j) = 1.0 / lower(j, j);
        result += log_of_one(factor(j, j));
        for (int64_t i = j + 1; i < n; i++) {
            double rest = 0.0;
            for (int64_t k = j; k < i; k++) rest -= lower(i, k) * factor(j, k);
            factor(j, i) = rest / lower(i, i);
        }
    }
    return result;
}

// Writes an upper-triangular A with A A' Wishart of the identity [Bartlett1933]_.
inline void write_wishart_factor(double freedom, const Source &source, Square triangle) {
    const int64_t n = triangle.n;
    for (int64_t i = 0; i < n; i++) {
        double square = 2.0 * source.gamma(0.5 * (freedom - double(n - 1 - i)));
        triangle(i, i) = __builtin_sqrt(at_least(square, LEAST_SQUARE));
        for (int64_t j = i + 1; j < n; j++) triangle(i, j) = source.normal();
    }
}

// Replaces the scale of an inverse Wishart distribution by a draw, and writes a root of it.
inline void draw_covariance(double freedom, const Source &source, Square covariance, Square root,
                            Square triangle) {
    const int64_t n = covariance.n;
    write_factor(covariance, root);
    write_wishart_factor(freedom, source, triangle);
    // L becomes L A^-T, row by row: lower triangular again, and a root of the drawn covariance.
    for (int64_t j = 0; j < n; j++)
        for (int64_t i = j; i >= 0; i--) {
            double rest = root(j, i);
            for (int64_t k = i + 1; k <= j; k++) rest -= triangle(i, k) * root(j, k);
            root(j, i) = rest / triangle(i, i);
        }
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j <= i; j++) {
            double product = 0.0;
            for (int64_t k = 0; k <= j; k++) product += root(i, k) * root(j, k);
            covariance(i, j) = covariance(j, i) = product;
        }
}

// Replaces means (K, D) and covariances (rows, D, D) by a draw; `room` is for K D + 2 D D numbers.
inline void draw_matrices(const MatrixPrior &prior, const Sharing &sharing, const Moments &moments,
                          const Source &source, double *means, double *covariances, double *room) {
    const int64_t n = sharing.n_features, many = sharing.components();
    Square root{room, n}, triangle{room + n * n, n};
    double *shifts = room + 2 * n * n;
    for (int64_t c = 0; c < sharing.rows; c++) {
        Square covariance{covariances + c * n * n, n};
        double freedom = prior.freedom;
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = 0; j <= i; j++) covariance(i, j) = prior.scale[i * n + j];
        for (int64_t k = c * many; k < (c + 1) * many; k++) {
            const double *first = moments.first + k * n, *second = moments.second + k * n * n;
            const double count = moments.count[k];
            double *mean = means + k * n, *shift = shifts + k * n;
            freedom += count;
            for (int64_t i = 0; i < n; i++) {
                double pulled = first[i] + prior.shrinkage * (prior.location[i] - mean[i]);
                shift[i] = pulled / (prior.shrinkage + count);
            }
            for (int64_t i = 0; i < n; i++)
                for (int64_t j = 0; j <= i; j++) {
                    double scatter = second[i * n + j] - shift[i] * first[j] - shift[j] * first[i];
                    scatter += count * shift[i] * shift[j];
                    if (i == j) scatter = at_least(scatter, 0.0);
                    double pull = mean[i] + shift[i] - prior.location[i];
                    pull *= mean[j] + shift[j] - prior.location[j];
                    covariance(i, j) += scatter + prior.shrinkage * pull;
                }
        }
        draw_covariance(freedom, source, covariance, root, triangle);
        for (int64_t k = c * many; k < (c + 1) * many; k++) {
            double *mean = means + k * n;
            double width = 1.0 / __builtin_sqrt(prior.shrinkage + moments.count[k]);
            for (int64_t i = 0; i < n; i++) {
                mean[i] += shifts[k * n + i];
                double noise = source.normal() * width;
                for (int64_t j = i; j < n; j++) mean[j] += root(j, i) * noise;
            }
        }
    }
}

// The log prior density of a covariance, but for constants, from its precision factor and the log
// determinant of that.
inline double log_prior_matrix(const MatrixPrior &prior, Square factor, double log_determinant) {
    const int64_t n = factor.n;
    double trace = 0.0;
    for (int64_t j = 0; j < n; j++)
        for (int64_t i = 0; i <= j; i++) {
            double product = 0.0;
            for (int64_t k = 0; k <= j; k++) product += prior.scale[i * n + k] * factor(k, j);
            trace += factor(i, j) * product;
        }
    return (prior.freedom + double(n) + 1.0) * log_determinant - 0.5 * trace;
}

// The log prior density of a mean given the covariance, but for constants.
inline double log_prior_mean(const MatrixPrior &prior, const double *mean, Square factor,
                             double log_determinant) {
    double square = 0.0;
    for (int64_t j = 0; j < factor.n; j++) {
        double along = 0.0;
        for (int64_t i = 0; i <= j; i++) along += (mean[i] - prior.location[i]) * factor(i, j);
        square += along * along;
    }
    return log_determinant - 0.5 * prior.shrinkage * square;
}

}  // namespace MIXTURA_SET
