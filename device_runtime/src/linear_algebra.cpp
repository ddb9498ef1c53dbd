#include "linear_algebra.h"

#include <cmath>
#include <utility>

namespace likeness {
namespace {

double dot(const double* a, const double* b, std::size_t count) {
  double sum = 0;
  for (std::size_t i = 0; i < count; ++i) sum += a[i] * b[i];
  return sum;
}

}  // namespace

Matrix multiply_by_transposed(const Matrix& a, const Matrix& b) {
  Matrix product(a.rows, b.rows);
  for (std::size_t i = 0; i < a.rows; ++i) {
    for (std::size_t j = 0; j < b.rows; ++j) product.row(i)[j] = dot(a.row(i), b.row(j), a.columns);
  }
  return product;
}

void add_outer_product(const float* x, Matrix& gram) {
  for (std::size_t i = 0; i < gram.rows; ++i) {
    const double factor = x[i];
    double* row = gram.row(i);
    for (std::size_t j = 0; j < gram.columns; ++j) row[j] += factor * x[j];
  }
}

Cholesky::Cholesky(Matrix a, double tolerance) : factor_(std::move(a)) {
  for (std::size_t i = 0; i < factor_.rows; ++i) {
    double* row = factor_.row(i);
    for (std::size_t j = 0; j < i; ++j) {
      const double* other = factor_.row(j);
      row[j] = (row[j] - dot(row, other, j)) / other[j];
    }
    const double pivot = row[i] - dot(row, row, i);
    if (!(pivot > tolerance * row[i])) {
      dependent_row_ = i;
      return;
    }
    row[i] = std::sqrt(pivot);
  }
}

Matrix Cholesky::solve_rows(Matrix b) const {
  const std::size_t n = factor_.rows;
  for (std::size_t r = 0; r < b.rows; ++r) {
    double* x = b.row(r);
    for (std::size_t i = 0; i < n; ++i) {  // L y = b
      x[i] = (x[i] - dot(factor_.row(i), x, i)) / factor_.row(i)[i];
    }
    for (std::size_t i = n; i-- > 0;) {  // L^T x = y, by columns of L^T: rows of L
      x[i] /= factor_.row(i)[i];
      const double* row = factor_.row(i);
      for (std::size_t j = 0; j < i; ++j) x[j] -= row[j] * x[i];
    }
  }
  return b;
}

Matrix Cholesky::inverse_factor() const {
  const std::size_t n = factor_.rows;
  Matrix inverse(n, n);
  for (std::size_t column = 0; column < n; ++column) {  // L y = e_column
    inverse.row(column)[column] = 1 / factor_.row(column)[column];
    for (std::size_t i = column + 1; i < n; ++i) {
      double sum = 0;
      for (std::size_t j = column; j < i; ++j) sum += factor_.row(i)[j] * inverse.row(j)[column];
      inverse.row(i)[column] = -sum / factor_.row(i)[i];
    }
  }
  return inverse;
}

}  // namespace likeness
