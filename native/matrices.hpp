// Small dense matrices, one to a component, row after row: factors that are safe at any scale.
#pragma once

#include "elementary.hpp"

namespace MIXTURA_SET {

INLINE double square_root(double x) { return __builtin_sqrt(x); }

// The logarithm of one number, the same on every machine; minus infinity of zero.
INLINE double log_of_one(double x) {
    if (!(x > 0.0)) return -__builtin_inf();
    // Powers of two bring the smallest numbers, which have lost digits, to where `log` works.
    double extra = x < 1e-290 ? -664.0 : 0.0;
    double out[LANES];
    store(out, log(splat(extra < 0.0 ? x * 0x1p664 : x)));
    return out[0] + extra * 0.6931471805599453;
}

// Writes the lower-triangular factor of a covariance matrix's correlations, and its standard
// deviations; returns whether it is positive definite.
inline bool correlation_factor(const double *covariance, int64_t n, double *deviation,
                               double *lower) {
    for (int64_t i = 0; i < n; i++) deviation[i] = square_root(covariance[i * n + i]);
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j <= i; j++) {
            double sum = covariance[i * n + j] / deviation[i] / deviation[j];
            for (int64_t k = 0; k < j; k++) sum = fma(-lower[i * n + k], lower[j * n + k], sum);
            if (i > j) {
                lower[i * n + j] = sum / lower[j * n + j];
            } else {
                if (!(sum > 0.0) || sum > 1e300) return false;
                lower[i * n + i] = square_root(sum);
            }
        }
    return true;
}

// Writes lower-triangular L with L L^T a covariance matrix; returns whether there is one.
inline bool covariance_factor(const double *covariance, int64_t n, double *factor, double *room) {
    if (!correlation_factor(covariance, n, room, factor)) return false;
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++)
            factor[i * n + j] = j <= i ? factor[i * n + j] * room[i] : 0.0;
    return true;
}

// Writes upper-triangular P with P P^T the inverse of a covariance matrix, on its correlations, so
// that columns of very different units neither overflow nor underflow. Returns the sum of the
// logarithms of its diagonal, or NaN where the matrix is not positive definite.
inline double precision_factor(const double *covariance, int64_t n, double *factor, double *room) {
    double *deviation = room, *lower = room + n;
    if (!correlation_factor(covariance, n, deviation, lower)) return __builtin_nan("");
    // Column j of the inverse of the lower factor is row j of its transpose.
    double product = 1.0, logs = 0.0;
    for (int64_t j = 0; j < n; j++) {
        double *row = factor + j * n;
        for (int64_t i = 0; i < j; i++) row[i] = 0.0;
        row[j] = 1.0 / lower[j * n + j];
        for (int64_t i = j + 1; i < n; i++) {
            double sum = 0.0;
            for (int64_t k = j; k < i; k++) sum = fma(-lower[i * n + k], row[k], sum);
            row[i] = sum / lower[i * n + i];
        }
    }
    for (int64_t j = 0; j < n; j++) {
        for (int64_t i = j; i < n; i++) factor[j * n + i] /= deviation[j];
        // One logarithm serves several numbers as long as their product is far from the limits.
        double entry = factor[j * n + j];
        bool fits = entry > 1e-50 && entry < 1e50 && product > 1e-200 && product < 1e200;
        if (fits) product *= entry;
        else logs += log_of_one(entry);
    }
    return logs + log_of_one(product);
}

// Solves L L^T x = b, given the lower-triangular L of n columns; x holds b at first.
inline void solve_by_factor(const double *lower, int64_t n, double *x) {
    for (int64_t i = 0; i < n; i++) {
        double sum = x[i];
        for (int64_t j = 0; j < i; j++) sum = fma(-lower[i * n + j], x[j], sum);
        x[i] = sum / lower[i * n + i];
    }
    for (int64_t i = n; i-- > 0;) {
        double sum = x[i];
        for (int64_t j = i + 1; j < n; j++) sum = fma(-lower[j * n + i], x[j], sum);
        x[i] = sum / lower[i * n + i];
    }
}

// An entry of P P^T, of which P is the upper-triangular factor of n columns; e is at most d.
INLINE double precision_entry(const double *factor, int64_t n, int64_t d, int64_t e) {
    double sum = 0.0;
    for (int64_t c = d; c < n; c++) sum = fma(factor[d * n + c], factor[e * n + c], sum);
    return sum;
}

// Numbers of room that `precision_factor` needs for n columns.
INLINE int64_t factor_room(int64_t n) { return n + n * n; }

}  // namespace MIXTURA_SET
