#include "text_metric.h"

#include <utility>

#include "matrix_product.h"

namespace likeness {
namespace {

// I + weight A
Matrix metric_of(Matrix gram, double weight) {
  double trace = 0;
  for (std::size_t i = 0; i < gram.rows; ++i) trace += gram.row(i)[i];
  const double factor = trace > 0 ? weight * static_cast<double>(gram.rows) / trace : 0;
  for (double& value : gram.values) value *= factor;
  for (std::size_t i = 0; i < gram.rows; ++i) gram.row(i)[i] += 1;
  return gram;
}

std::vector<float> times(const std::vector<float>& a, const std::vector<float>& b,
                         std::size_t width) {
  std::vector<float> product(a.size());
  multiply(a.data(), b.data(), product.data(), a.size() / width, width, width);
  return product;
}

}  // namespace

TextMetric::TextMetric(Matrix gram, double weight)
    : width_(gram.rows), s_(gram.values.size()), s_transposed_(gram.values.size()) {
  // Of no dependent row, since M is at least I: S^T is L^-1.
  const Matrix inverse = Cholesky(metric_of(std::move(gram), weight), 0).inverse_factor();
  for (std::size_t i = 0; i < width_; ++i) {
    for (std::size_t j = 0; j < width_; ++j) {
      s_transposed_[i * width_ + j] = s_[j * width_ + i] = static_cast<float>(inverse.row(i)[j]);
    }
  }
}

std::vector<float> TextMetric::gradient_in(const std::vector<float>& gradient) const {
  return times(gradient, s_, width_);
}

std::vector<float> TextMetric::step_out(const std::vector<float>& step) const {
  return times(step, s_transposed_, width_);
}

}  // namespace likeness
