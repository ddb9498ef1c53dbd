#include "samplers.h"

#include <cmath>

#include "error.h"
#include "portable_math.h"

namespace likeness {
namespace {

// "Denoising Diffusion Implicit Models" (Song et al. 2021), eta = 0; timesteps spaced "leading"
// with offset 1 and the last step towards the first training timestep, as Stable Diffusion was
// published.
class DdimSampler final : public Sampler {
 public:
  DdimSampler(const NoiseSchedule& schedule, int steps) : schedule_(schedule) {
    const int stride = schedule.num_train_timesteps() / steps;
    for (int i = steps - 1; i >= 0; --i) timesteps_.push_back(i * stride + 1);
  }

  void step(int i, const float* model_output, size_t count, float* latents) override {
    const int t = timestep(i);
    const int previous = i + 1 < steps() ? timestep(i + 1) : 0;
    const NoiseSchedule::Linear x0 = schedule_.x0_from_output(t);
    const NoiseSchedule::Linear epsilon = schedule_.epsilon_from_output(t);
    const double signal = schedule_.signal_rate(previous);
    const double noise = schedule_.noise_rate(previous);
    const double a = signal * x0.sample + noise * epsilon.sample;
    const double b = signal * x0.output + noise * epsilon.output;
    for (size_t k = 0; k < count; ++k) {
      latents[k] = static_cast<float>(a * static_cast<double>(latents[k]) +
                                      b * static_cast<double>(model_output[k]));
    }
  }

 private:
  NoiseSchedule schedule_;
};

// "DPM-Solver++: Fast Solver for Guided Sampling of Diffusion Probabilistic Models" (Lu et al.
// 2022), the multistep second-order solver (2M, midpoint); the first and the last step are of first
// order.
class DpmSolverPlusPlus2M final : public Sampler {
 public:
  DpmSolverPlusPlus2M(const NoiseSchedule& schedule, int steps) : schedule_(schedule) {
    const double stride = static_cast<double>(schedule.num_train_timesteps() - 1) / steps;
    for (int i = steps; i > 0; --i) {
      timesteps_.push_back(static_cast<int>(std::nearbyint(i * stride)));
    }
  }

  void step(int i, const float* model_output, size_t count, float* latents) override {
    if (i != 0 && (i != next_ || count != previous_x0_.size())) {
      throw Error(ErrorCode::internal, "Sampling steps must be taken in order on one picture.");
    }
    const int t = timestep(i);
    const Level here = level(t);
    const bool last = i + 1 == steps();
    const Level there = last ? Level{1.0, 0.0, 0.0} : level(timestep(i + 1));

    // exp(-h) needs no exp: it is the ratio of the two noise-to-signal ratios.
    const double from_sample = there.noise / here.noise;
    const double from_x0 =
        there.signal * (1.0 - here.signal * there.noise / (here.noise * there.signal));
    double from_difference = 0.0;
    if (i > 0 && !last) {
      const double h = there.lambda - here.lambda;
      const double previous_h = here.lambda - previous_lambda_;
      from_difference = 0.5 * from_x0 * h / previous_h;
    }
    if (i == 0) previous_x0_.assign(count, 0.0f);

    const NoiseSchedule::Linear x0_of = schedule_.x0_from_output(t);
    for (size_t k = 0; k < count; ++k) {
      const double sample = latents[k];
      const double x0 = x0_of.sample * sample + x0_of.output * static_cast<double>(model_output[k]);
      const double difference = x0 - static_cast<double>(previous_x0_[k]);
      latents[k] =
          static_cast<float>(from_sample * sample + from_x0 * x0 + from_difference * difference);
      previous_x0_[k] = static_cast<float>(x0);
    }
    previous_lambda_ = here.lambda;
    next_ = i + 1;
  }

 private:
  struct Level {
    double signal;
    double noise;
    double lambda;  // log(signal / noise), half the log-SNR
  };

  Level level(int t) const {
    const double signal = schedule_.signal_rate(t);
    const double noise = schedule_.noise_rate(t);
    return {signal, noise, portable_log(signal) - portable_log(noise)};
  }

  NoiseSchedule schedule_;
  std::vector<float> previous_x0_;
  double previous_lambda_ = 0.0;
  int next_ = 0;
};

}  // namespace

int Sampler::timestep(int i) const {
  if (i < 0 || i >= steps()) {
    throw Error(ErrorCode::internal, "There is no sampling step " + std::to_string(i) + ".");
  }
  return timesteps_[static_cast<size_t>(i)];
}

SamplerKind parse_sampler_kind(const std::string& name) {
  if (name == "ddim") return SamplerKind::kDdim;
  if (name == "dpmsolver++") return SamplerKind::kDpmSolverPlusPlus2M;
  throw Error(ErrorCode::invalid_argument,
              "Unknown sampler \"" + name + "\": this engine knows ddim and dpmsolver++.");
}

std::unique_ptr<Sampler> make_sampler(SamplerKind kind, const NoiseSchedule& schedule, int steps) {
  if (steps < 1 || steps >= schedule.num_train_timesteps()) {
    throw Error(ErrorCode::invalid_argument,
                "Sampling steps must be between 1 and " +
                    std::to_string(schedule.num_train_timesteps() - 1) + ", not " +
                    std::to_string(steps) + ".");
  }
  if (kind == SamplerKind::kDdim) return std::make_unique<DdimSampler>(schedule, steps);
  return std::make_unique<DpmSolverPlusPlus2M>(schedule, steps);
}

void combine_guidance(const float* unconditional, const float* conditional, float scale,
                      size_t count, float* out) {
  for (size_t i = 0; i < count; ++i) {
    out[i] = unconditional[i] + scale * (conditional[i] - unconditional[i]);
  }
}

}  // namespace likeness
