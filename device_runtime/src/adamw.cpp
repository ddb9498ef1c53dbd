#include "adamw.h"

#include <cmath>
#include <string>
#include <utility>

#include "error.h"
#include "portable_math.h"

namespace likeness {
namespace {

void check_settings(const AdamWSettings& s) {
  const bool betas_fine = s.beta1 >= 0.0 && s.beta1 < 1.0 && s.beta2 >= 0.0 && s.beta2 < 1.0;
  if (!betas_fine) {
    throw Error(ErrorCode::invalid_argument, "AdamW's betas must be in [0, 1).");
  }
  if (!(s.epsilon > 0.0) || !(s.weight_decay >= 0.0)) {
    throw Error(ErrorCode::invalid_argument,
                "AdamW needs an epsilon above 0 and a weight decay of 0 or more.");
  }
}

}  // namespace

AdamW::AdamW(const AdamWSettings& settings, const std::vector<size_t>& tensor_sizes)
    : settings_(settings) {
  check_settings(settings);
  for (const size_t size : tensor_sizes) {
    state_.exp_avg.emplace_back(size, 0.0f);
    state_.exp_avg_sq.emplace_back(size, 0.0f);
  }
}

AdamW::AdamW(const AdamWSettings& settings, AdamWState state)
    : settings_(settings), state_(std::move(state)) {
  check_settings(settings);
  bool match = state_.step >= 0 && state_.exp_avg.size() == state_.exp_avg_sq.size();
  for (size_t i = 0; match && i < state_.exp_avg.size(); ++i) {
    match = state_.exp_avg[i].size() == state_.exp_avg_sq[i].size();
  }
  if (!match) {
    throw Error(ErrorCode::corrupt, "The optimizer state does not fit together; start again.");
  }
}

void AdamW::step(double learning_rate, const std::vector<TrainedTensor>& tensors) {
  bool match = tensors.size() == state_.exp_avg.size();
  for (size_t i = 0; match && i < tensors.size(); ++i) {
    match = tensors[i].count == state_.exp_avg[i].size();
  }
  if (!match) {
    throw Error(ErrorCode::internal, "AdamW was given other tensors than it keeps moments for.");
  }
  state_.step += 1;
  const double correction1 = 1.0 - portable_power(settings_.beta1, state_.step);
  const double correction2 = 1.0 - portable_power(settings_.beta2, state_.step);

  const auto keep = static_cast<float>(1.0 - learning_rate * settings_.weight_decay);
  const auto new1 = static_cast<float>(1.0 - settings_.beta1);
  const auto beta2 = static_cast<float>(settings_.beta2);
  const auto new2 = static_cast<float>(1.0 - settings_.beta2);
  const auto step_size = static_cast<float>(learning_rate / correction1);
  const auto root_correction2 = static_cast<float>(std::sqrt(correction2));
  const auto epsilon = static_cast<float>(settings_.epsilon);
  for (size_t i = 0; i < tensors.size(); ++i) {
    float* const values = tensors[i].values;
    const float* const gradient = tensors[i].gradient;
    float* const m = state_.exp_avg[i].data();
    float* const v = state_.exp_avg_sq[i].data();
    for (size_t k = 0; k < tensors[i].count; ++k) {
      const float g = gradient[k];
      m[k] += new1 * (g - m[k]);
      v[k] = v[k] * beta2 + new2 * g * g;
      values[k] =
          values[k] * keep - step_size * (m[k] / (std::sqrt(v[k]) / root_correction2 + epsilon));
    }
  }
}

double gradient_norm(const std::vector<TrainedTensor>& tensors) {
  double sum = 0.0;
  for (const TrainedTensor& tensor : tensors) {
    for (size_t k = 0; k < tensor.count; ++k) {
      const double g = tensor.gradient[k];
      sum += g * g;
    }
  }
  return std::sqrt(sum);
}

double clip_factor(double norm, double max_norm) {
  const double factor = max_norm / (norm + 1e-6);  // 1e-6: a norm of 0 divides nothing by 0
  return factor < 1.0 ? factor : 1.0;
}

void scale_in_place(float* values, size_t count, double factor) {
  const auto f = static_cast<float>(factor);
  for (size_t k = 0; k < count; ++k) values[k] *= f;
}

}  // namespace likeness
