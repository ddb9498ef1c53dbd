#include "constrained_update.h"

#include <utility>

namespace likeness {
namespace {

Matrix with_ridge(Matrix gram) {
  double trace = 0;
  for (std::size_t i = 0; i < gram.rows; ++i) trace += gram.row(i)[i];
  const double ridge = trace > 0 ? kRidge * trace / static_cast<double>(gram.rows) : 1.0;
  for (std::size_t i = 0; i < gram.rows; ++i) gram.row(i)[i] += ridge;
  return gram;
}

Matrix transposed(const Matrix& a) {
  Matrix result(a.columns, a.rows);
  for (std::size_t i = 0; i < a.rows; ++i) {
    for (std::size_t j = 0; j < a.columns; ++j) result.row(j)[i] = a.row(i)[j];
  }
  return result;
}

}  // namespace

ConstrainedUpdate::ConstrainedUpdate(Matrix gram, Matrix targets, const std::vector<double>& slack)
    : targets_(std::move(targets)), directions_(targets_.rows, targets_.columns) {
  const Matrix d = Cholesky(with_ridge(std::move(gram)), 0.0).solve_rows(targets_);
  Matrix overlaps = multiply_by_transposed(d, targets_);
  for (std::size_t i = 0; i < overlaps.rows; ++i) overlaps.row(i)[i] *= 1.0 + slack[i];
  const Cholesky factor(std::move(overlaps), kDependent);
  dependent_target_ = factor.dependent_row();
  if (!dependent_target_) directions_ = transposed(factor.solve_rows(transposed(d)));
}

std::vector<float> ConstrainedUpdate::apply(const std::vector<float>& base,
                                            const Matrix& values) const {
  const std::size_t d = targets_.columns;
  std::vector<float> updated(base.size());
  std::vector<double> row(d);
  for (std::size_t c = 0; c < values.columns; ++c) {
    row.assign(base.begin() + static_cast<std::ptrdiff_t>(c * d),
               base.begin() + static_cast<std::ptrdiff_t>((c + 1) * d));
    const std::vector<double> before = row;
    for (std::size_t s = 0; s < targets_.rows; ++s) {
      double residual = values.row(s)[c];
      for (std::size_t i = 0; i < d; ++i) residual -= before[i] * targets_.row(s)[i];
      for (std::size_t i = 0; i < d; ++i) row[i] += residual * directions_.row(s)[i];
    }
    for (std::size_t i = 0; i < d; ++i) updated[c * d + i] = static_cast<float>(row[i]);
  }
  return updated;
}

}  // namespace likeness
