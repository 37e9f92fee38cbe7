// Directions in which a symmetric matrix is largest, by Jacobi's rotations.
#pragma once

#include "matrices.hpp"

namespace MIXTURA_SET {

// Of sizes of a direction's entries: the first of those that are the largest but for rounding.
constexpr double ALIKE = 1e-6;

// Sweeps of rotations after which a matrix is diagonal to the last digit.
constexpr int MOST_ROTATIONS = 30;

// Turns a symmetric matrix into its eigenvalues, on the diagonal, and `vectors` into its
// eigenvectors, one a column; returns which value is the largest.
inline int64_t rotate(double *matrix, int64_t n, double *vectors) {
    for (int64_t i = 0; i < n * n; i++) vectors[i] = i % (n + 1) == 0 ? 1.0 : 0.0;
    for (int sweep = 0; sweep < MOST_ROTATIONS; sweep++) {
        double off = 0.0, on = 0.0;
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = 0; j < n; j++)
                (i == j ? on : off) += matrix[i * n + j] * matrix[i * n + j];
        if (off <= 1e-30 * on) break;
        for (int64_t p = 0; p < n; p++)
            for (int64_t q = p + 1; q < n; q++) {
                double entry = matrix[p * n + q];
                if (entry == 0.0) continue;
                double half = (matrix[q * n + q] - matrix[p * n + p]) / (2.0 * entry);
                double size = half < 0.0 ? -half : half;
                double tangent = 1.0 / (size + square_root(1.0 + half * half));
                if (half < 0.0) tangent = -tangent;
                double cosine = 1.0 / square_root(1.0 + tangent * tangent);
                double sine = tangent * cosine;
                for (int64_t i = 0; i < n; i++) {
                    double a = matrix[i * n + p], b = matrix[i * n + q];
                    matrix[i * n + p] = cosine * a - sine * b;
                    matrix[i * n + q] = sine * a + cosine * b;
                }
                for (int64_t i = 0; i < n; i++) {
                    double a = matrix[p * n + i], b = matrix[q * n + i];
                    matrix[p * n + i] = cosine * a - sine * b;
                    matrix[q * n + i] = sine * a + cosine * b;
                    double u = vectors[i * n + p], v = vectors[i * n + q];
                    vectors[i * n + p] = cosine * u - sine * v;
                    vectors[i * n + q] = sine * u + cosine * v;
                }
            }
    }
    int64_t longest = 0;
    for (int64_t i = 1; i < n; i++)
        if (matrix[i * n + i] > matrix[longest * n + longest]) longest = i;
    return longest;
}

// Whether an eigenvalue, on the diagonal, is the largest but for rounding.
inline bool is_longest(const double *matrix, int64_t n, int64_t longest, int64_t i) {
    return matrix[i * n + i] >= (1.0 - ALIKE) * matrix[longest * n + longest];
}

// Makes `vector` the direction of the largest eigenvalue of a symmetric matrix, which is turned
// into its eigenvalues, and returns the place of that value. Its first largest entry is positive.
// Where several eigenvalues are the largest it is the axis that lies closest to their space.
inline int64_t long_axis(double *matrix, int64_t n, double *vectors, double *vector) {
    int64_t longest = rotate(matrix, n, vectors), axis = 0;
    double largest = 0.0;
    auto within = [&](int64_t i, int64_t d) {
        double sum = 0.0;
        for (int64_t j = 0; j < n; j++)
            if (is_longest(matrix, n, longest, j)) sum += vectors[i * n + j] * vectors[d * n + j];
        return sum;
    };
    for (int64_t i = 0; i < n; i++) {
        double size = within(i, i);
        largest = size > largest ? size : largest;
    }
    while (axis + 1 < n && !(within(axis, axis) > (1.0 - 2.0 * ALIKE) * largest)) axis++;
    double length = square_root(within(axis, axis));
    for (int64_t i = 0; i < n; i++) vector[i] = within(axis, i) / (length > 0.0 ? length : 1.0);
    return longest;
}

}  // namespace MIXTURA_SET
