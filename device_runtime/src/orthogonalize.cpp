#include "orthogonalize.h"

#include <algorithm>
#include <cmath>

#include "matrix_product.h"

namespace likeness {
namespace {

constexpr float kA = 3.4445F, kB = -4.7750F, kC = 2.0315F;
constexpr int kSteps = 5;
constexpr double kSmallestNorm = 1e-7;

// The upper triangle of a symmetric matrix (n, n) from its lower one.
void mirror(std::vector<float>& matrix, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < i; ++j) matrix[j * n + i] = matrix[i * n + j];
  }
}

std::vector<float> transposed(const std::vector<float>& matrix, std::size_t rows,
                              std::size_t columns) {
  std::vector<float> out(matrix.size());
  for (std::size_t i = 0; i < rows; ++i) {
    for (std::size_t j = 0; j < columns; ++j) out[j * rows + i] = matrix[i * columns + j];
  }
  return out;
}

void scale_to_unit_norm(std::vector<float>& x) {
  double sum = 0;
  for (const float value : x) sum += static_cast<double>(value) * value;
  const auto norm = static_cast<float>(std::max(std::sqrt(sum), kSmallestNorm));
  for (float& value : x) value /= norm;
}

// x (m, n), m <= n
void newton_schulz_step(std::vector<float>& x, std::size_t m, std::size_t n) {
  const std::vector<float> x_transposed = transposed(x, m, n);
  std::vector<float> gram(m * m), polynomial(m * m), next(m * n);
  multiply(x.data(), x_transposed.data(), gram.data(), m, n, m, Columns::kLower);
  mirror(gram, m);
  multiply(gram.data(), gram.data(), polynomial.data(), m, m, m, Columns::kLower);
  for (std::size_t i = 0; i < m; ++i) {
    for (std::size_t j = 0; j <= i; ++j) {
      float& value = polynomial[i * m + j];
      value = kB * gram[i * m + j] + kC * value;
    }
    polynomial[i * m + i] += kA;
  }
  mirror(polynomial, m);
  multiply(polynomial.data(), x.data(), next.data(), m, m, n);
  x = std::move(next);
}

}  // namespace

void orthogonalize(std::vector<float>& matrix, std::size_t rows, std::size_t columns) {
  scale_to_unit_norm(matrix);
  const bool tall = rows > columns;  // the smaller side is squared
  if (tall) matrix = transposed(matrix, rows, columns);
  const std::size_t m = std::min(rows, columns), n = std::max(rows, columns);
  for (int step = 0; step < kSteps; ++step) newton_schulz_step(matrix, m, n);
  if (tall) matrix = transposed(matrix, m, n);
}

}  // namespace likeness
