#include "muon.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "error.h"
#include "orthogonalize.h"

namespace likeness {
namespace {

// An orthogonal matrix's elements have a root mean square of 1/sqrt(max(rows, columns)); AdamW's
// updates have one of 0.2 to 0.4.
constexpr double kAdamWsSize = 0.2;

std::vector<std::vector<float>> zeros(const std::vector<MatrixShape>& shapes) {
  std::vector<std::vector<float>> momentum;
  for (const MatrixShape& shape : shapes) momentum.emplace_back(shape.rows * shape.columns, 0.0F);
  return momentum;
}

}  // namespace

Muon::Muon(const MuonSettings& settings, std::vector<MatrixShape> shapes)
    : Muon(settings, shapes, zeros(shapes)) {}

Muon::Muon(const MuonSettings& settings, std::vector<MatrixShape> shapes,
           std::vector<std::vector<float>> momentum)
    : settings_(settings), shapes_(std::move(shapes)), momentum_(std::move(momentum)) {
  if (!(settings.momentum >= 0.0 && settings.momentum < 1.0) || !(settings.weight_decay >= 0.0)) {
    throw Error(ErrorCode::invalid_argument,
                "Muon needs a momentum in [0, 1) and a weight decay of 0 or more.");
  }
  bool match = momentum_.size() == shapes_.size();
  for (std::size_t i = 0; match && i < shapes_.size(); ++i) {
    match = momentum_[i].size() == shapes_[i].rows * shapes_[i].columns;
  }
  if (!match) {
    throw Error(ErrorCode::corrupt, "The optimizer state does not fit together; start again.");
  }
}

void Muon::step(double learning_rate, const std::vector<TrainedTensor>& tensors,
                const TextMetric* metric) {
  bool match = tensors.size() == momentum_.size();
  for (std::size_t i = 0; match && i < tensors.size(); ++i) {
    match = tensors[i].count == momentum_[i].size();
  }
  if (!match) {
    throw Error(ErrorCode::internal, "Muon was given other tensors than it keeps momentum for.");
  }
  const auto momentum = static_cast<float>(settings_.momentum);
  const auto fresh = static_cast<float>(1.0 - settings_.momentum);
  const auto keep = static_cast<float>(1.0 - learning_rate * settings_.weight_decay);
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const MatrixShape& shape = shapes_[i];
    const float* const gradient = tensors[i].gradient;
    std::vector<float>& mean = momentum_[i];
    std::vector<float> update(mean.size());
    for (std::size_t k = 0; k < mean.size(); ++k) {
      mean[k] += fresh * (gradient[k] - mean[k]);
      update[k] = gradient[k] + momentum * (mean[k] - gradient[k]);
    }
    const bool measured = metric != nullptr && shape.columns == metric->width();
    if (measured) update = metric->gradient_in(update);
    orthogonalize(update, shape.rows, shape.columns);
    if (measured) update = metric->step_out(update);
    const double longest = static_cast<double>(std::max(shape.rows, shape.columns));
    const auto step_size = static_cast<float>(learning_rate * kAdamWsSize * std::sqrt(longest));
    float* const values = tensors[i].values;
    for (std::size_t k = 0; k < mean.size(); ++k) {
      values[k] = values[k] * keep - step_size * update[k];
    }
  }
}

}  // namespace likeness
