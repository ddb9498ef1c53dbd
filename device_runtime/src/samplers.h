// From noise to latents, one model call at a time:
//
//   auto sampler = make_sampler(SamplerKind::kDpmSolverPlusPlus2M, schedule, 20);
//   fill_normal(latents, ...);                       // both samplers start from unit variance
//   for (int i = 0; i < sampler->steps(); ++i) {
//     output = denoise(latents, sampler->timesteps()[i]);
//     sampler->step(i, output, count, latents);      // in place
//   }
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "noise_schedule.h"

namespace likeness {

enum class SamplerKind { kDdim, kDpmSolverPlusPlus2M };

// "ddim" or "dpmsolver++"; anything else is an Error that names it.
SamplerKind parse_sampler_kind(const std::string& name);

class Sampler {
 public:
  virtual ~Sampler() = default;

  int steps() const { return static_cast<int>(timesteps_.size()); }
  const std::vector<int>& timesteps() const { return timesteps_; }

  // Takes `latents` (count values) from timesteps()[i] to the next noise level, in place. Steps are
  // taken in order; i = 0 starts a new picture.
  virtual void step(int i, const float* model_output, size_t count, float* latents) = 0;

 protected:
  int timestep(int i) const;  // timesteps()[i], Error outside

  std::vector<int> timesteps_;
};

// The schedule is copied. Error unless 1 <= steps < number of training timesteps.
std::unique_ptr<Sampler> make_sampler(SamplerKind kind, const NoiseSchedule& schedule, int steps);

// "Classifier-Free Diffusion Guidance" (Ho & Salimans 2022): out = unconditional + scale *
// (conditional - unconditional). `out` may be either input.
void combine_guidance(const float* unconditional, const float* conditional, float scale,
                      size_t count, float* out);

}  // namespace likeness
