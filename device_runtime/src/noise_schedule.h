// The noise process, for training and for sampling: x_t = sqrt(a_t) x_0 + sqrt(1 - a_t) eps,
// "Denoising Diffusion Probabilistic Models" (Ho et al. 2020), with a_t the cumulative product of 1
// - beta.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace likeness {

// What the model's output means.
enum class PredictionType { kEpsilon, kVelocity, kSample };

// "epsilon", "v_prediction" or "sample"; anything else is an Error that names it.
PredictionType parse_prediction_type(const std::string& name);

class NoiseSchedule {
 public:
  // betas: one per training timestep, each in (0, 1]; throws Error otherwise.
  NoiseSchedule(const std::vector<double>& betas, PredictionType prediction_type);

  int num_train_timesteps() const { return static_cast<int>(alphas_cumprod_.size()); }
  PredictionType prediction_type() const { return prediction_type_; }

  // Of timestep t in [0, num_train_timesteps); Error outside.
  double alpha_cumprod(int t) const;
  double signal_rate(int t) const;  // sqrt(a_t)
  double noise_rate(int t) const;   // sqrt(1 - a_t)

  // All arrays hold `count` values; an output may be the same array as an input.

  // out = x_t.
  void add_noise(const float* x0, const float* noise, int t, size_t count, float* out) const;

  // out = what the model is to predict at t: eps, v = sqrt(a) eps - sqrt(1-a) x_0, or x_0.
  void training_target(const float* x0, const float* noise, int t, size_t count, float* out) const;

  // Coefficients of x_0 = sample * x_t + output * model_output, and of eps likewise. Samplers fold
  // them into their own, so that one pass over the latents does a whole step.
  struct Linear {
    double sample;
    double output;
  };
  Linear x0_from_output(int t) const;
  Linear epsilon_from_output(int t) const;

  // The same, applied.
  void predict_x0(const float* x_t, const float* model_output, int t, size_t count,
                  float* out) const;
  void predict_epsilon(const float* x_t, const float* model_output, int t, size_t count,
                       float* out) const;

 private:
  PredictionType prediction_type_;
  std::vector<double> alphas_cumprod_;
};

}  // namespace likeness
