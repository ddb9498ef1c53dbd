#include "noise_schedule.h"

#include <algorithm>
#include <cmath>

#include "error.h"

namespace likeness {
namespace {

// A schedule with zero terminal SNR ends on beta = 1. This keeps every division below finite.
constexpr double kSmallestAlphaCumprod = 0x1p-24;

// out = a * x + b * y, in double and rounded once.
void combine(double a, const float* x, double b, const float* y, size_t count, float* out) {
  for (size_t i = 0; i < count; ++i) {
    out[i] = static_cast<float>(a * static_cast<double>(x[i]) + b * static_cast<double>(y[i]));
  }
}

}  // namespace

PredictionType parse_prediction_type(const std::string& name) {
  if (name == "epsilon") return PredictionType::kEpsilon;
  if (name == "v_prediction") return PredictionType::kVelocity;
  if (name == "sample") return PredictionType::kSample;
  throw Error(ErrorCode::invalid_argument,
              "Unknown prediction type \"" + name +
                  "\": this engine knows epsilon, v_prediction and sample.");
}

NoiseSchedule::NoiseSchedule(const std::vector<double>& betas, PredictionType prediction_type)
    : prediction_type_(prediction_type) {
  if (betas.empty()) {
    throw Error(ErrorCode::invalid_argument, "The noise schedule has no betas.");
  }
  alphas_cumprod_.reserve(betas.size());
  double product = 1.0;
  for (size_t t = 0; t < betas.size(); ++t) {
    if (!(betas[t] > 0.0 && betas[t] <= 1.0)) {
      throw Error(ErrorCode::invalid_argument, "Beta " + std::to_string(t) +
                                                   " of the noise schedule is " +
                                                   std::to_string(betas[t]) + ", not in (0, 1].");
    }
    product *= 1.0 - betas[t];
    alphas_cumprod_.push_back(std::max(product, kSmallestAlphaCumprod));
  }
}

double NoiseSchedule::alpha_cumprod(int t) const {
  if (t < 0 || t >= num_train_timesteps()) {
    throw Error(ErrorCode::invalid_argument, "Timestep " + std::to_string(t) +
                                                 " is not in a schedule of " +
                                                 std::to_string(num_train_timesteps()) + ".");
  }
  return alphas_cumprod_[static_cast<size_t>(t)];
}

double NoiseSchedule::signal_rate(int t) const { return std::sqrt(alpha_cumprod(t)); }
double NoiseSchedule::noise_rate(int t) const { return std::sqrt(1.0 - alpha_cumprod(t)); }

void NoiseSchedule::add_noise(const float* x0, const float* noise, int t, size_t count,
                              float* out) const {
  combine(signal_rate(t), x0, noise_rate(t), noise, count, out);
}

void NoiseSchedule::training_target(const float* x0, const float* noise, int t, size_t count,
                                    float* out) const {
  switch (prediction_type_) {
    case PredictionType::kEpsilon:
      std::copy(noise, noise + count, out);
      return;
    case PredictionType::kSample:
      std::copy(x0, x0 + count, out);
      return;
    case PredictionType::kVelocity:
      combine(signal_rate(t), noise, -noise_rate(t), x0, count, out);
      return;
  }
}

NoiseSchedule::Linear NoiseSchedule::x0_from_output(int t) const {
  const double signal = signal_rate(t);
  const double noise = noise_rate(t);
  switch (prediction_type_) {
    case PredictionType::kEpsilon:
      return {1.0 / signal, -noise / signal};
    case PredictionType::kVelocity:
      return {signal, -noise};
    case PredictionType::kSample:
      break;
  }
  return {0.0, 1.0};
}

NoiseSchedule::Linear NoiseSchedule::epsilon_from_output(int t) const {
  const double signal = signal_rate(t);
  const double noise = noise_rate(t);
  switch (prediction_type_) {
    case PredictionType::kSample:
      return {1.0 / noise, -signal / noise};
    case PredictionType::kVelocity:
      return {noise, signal};
    case PredictionType::kEpsilon:
      break;
  }
  return {0.0, 1.0};
}

void NoiseSchedule::predict_x0(const float* x_t, const float* model_output, int t, size_t count,
                               float* out) const {
  const Linear x0 = x0_from_output(t);
  combine(x0.sample, x_t, x0.output, model_output, count, out);
}

void NoiseSchedule::predict_epsilon(const float* x_t, const float* model_output, int t,
                                    size_t count, float* out) const {
  const Linear epsilon = epsilon_from_output(t);
  combine(epsilon.sample, x_t, epsilon.output, model_output, count, out);
}

}  // namespace likeness
