// Small dense matrices in double. Every sum runs in one fixed order, so that equal inputs give
// equal bytes on every platform.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

namespace likeness {

struct Matrix {
  std::size_t rows = 0;
  std::size_t columns = 0;
  std::vector<double> values;  // row-major

  Matrix(std::size_t row_count, std::size_t column_count)
      : rows(row_count), columns(column_count), values(row_count * column_count, 0.0) {}

  double* row(std::size_t i) { return values.data() + i * columns; }
  const double* row(std::size_t i) const { return values.data() + i * columns; }
};

// A B^T, of A (r, k) and B (c, k).
Matrix multiply_by_transposed(const Matrix& a, const Matrix& b);

// gram (d, d) += x x^T for a row x of d numbers.
void add_outer_product(const float* x, Matrix& gram);

// A = L L^T of a symmetric matrix (n, n), of which only the lower triangle is read.
class Cholesky {
 public:
  // A pivot is what is left of its row's diagonal element after the rows before it: where that is
  // no more than `tolerance` of the element, or not a number, the row depends on them.
  Cholesky(Matrix a, double tolerance);

  // The first row that depends on those before it. Then nothing can be solved.
  std::optional<std::size_t> dependent_row() const { return dependent_row_; }

  // B A^-1, of B (r, n).
  Matrix solve_rows(Matrix b) const;

  // L^-1 (n, n), lower triangular.
  Matrix inverse_factor() const;

 private:
  Matrix factor_;  // L; what is above its diagonal means nothing
  std::optional<std::size_t> dependent_row_;
};

}  // namespace likeness
