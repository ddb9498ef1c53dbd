// What a person chooses for training and for sampling. The bundle's `recommended` gives the
// defaults; the keys in it, in a journal and in an adapter's metadata are these fields' names.
#pragma once

#include <cstdint>
#include <string>

#include "manifest.h"

namespace likeness {

// The most that one call draws.
constexpr std::int64_t kMaxPictures = 1024;

struct TrainSettings {
  std::string class_name;
  std::string token = "<my-thing>";
  std::string adapter_kind = "full";
  std::string optimizer = "adamw";  // of the adapter's matrices (adapter_optimizer.h)
  std::uint64_t seed = 0;
  std::int64_t steps = 250;
  std::int64_t views = 32;
  double learning_rate = 1e-4;
  double modifier_learning_rate = 1e-4;  // 0: the token's embedding stays as it is
  double weight_decay = 1e-2;
  double max_grad_norm = 1.0;      // 0: no clipping
  double prior_loss_weight = 1.0;  // 0: no prior preservation
  double prior_text_weight = 0.0;  // of the prior captions' keys and values (text_metric.h)
  double fine_timesteps = 0.0;     // share of timesteps that are drawn from the lower 40 %
  std::string lr_schedule = "constant";
  std::int64_t warmup_steps = 0;
  bool hflip = true;
  bool size_augmentation = true;
  bool caption_places = false;  // captions say where the photo was taken (places.h)
  std::int64_t checkpoint_every = 25;
  std::int64_t preview_every = 0;  // 0: none
  std::string preview_prompt;      // empty: "a photo of a <token> <class>"
};

struct SampleSettings {
  std::string prompt;
  std::string negative_prompt;
  std::uint64_t seed = 0;
  std::int64_t steps = 25;
  double guidance_scale = 5.0;
  std::string sampler = "dpmsolver++";
  std::int64_t count = 1;
};

TrainSettings recommended_training(const Manifest& manifest);
SampleSettings recommended_sampling(const Manifest& manifest);

// Error{invalid_argument} that names the setting and what it may be.
void check_settings(const TrainSettings& settings, const Manifest& manifest);
void check_settings(const SampleSettings& settings, const Manifest& manifest);

// Equal settings give equal text.
std::string to_json(const TrainSettings& settings);
TrainSettings train_settings_from_json(std::string_view json, const std::string& file);

}  // namespace likeness
