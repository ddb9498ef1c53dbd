#include "settings.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "adapter_optimizer.h"
#include "error.h"
#include "json_reader.h"
#include "lr_schedule.h"
#include "samplers.h"
#include "strict_json.h"

namespace likeness {
namespace {

constexpr std::int64_t kMaxSteps = 1000000;
constexpr std::int64_t kMaxViews = 4096;
constexpr std::size_t kMaxTextBytes = 4096;

// One list of a settings object's fields serves reading, writing and defaults.
template <typename Settings, typename Visit>
void for_each_training_field(Settings& s, Visit visit) {
  visit("class_name", s.class_name);
  visit("token", s.token);
  visit("adapter_kind", s.adapter_kind);
  visit("optimizer", s.optimizer);
  visit("seed", s.seed);
  visit("steps", s.steps);
  visit("views", s.views);
  visit("learning_rate", s.learning_rate);
  visit("modifier_learning_rate", s.modifier_learning_rate);
  visit("weight_decay", s.weight_decay);
  visit("max_grad_norm", s.max_grad_norm);
  visit("prior_loss_weight", s.prior_loss_weight);
  visit("prior_text_weight", s.prior_text_weight);
  visit("fine_timesteps", s.fine_timesteps);
  visit("lr_schedule", s.lr_schedule);
  visit("warmup_steps", s.warmup_steps);
  visit("hflip", s.hflip);
  visit("size_augmentation", s.size_augmentation);
  visit("caption_places", s.caption_places);
  visit("checkpoint_every", s.checkpoint_every);
  visit("preview_every", s.preview_every);
  visit("preview_prompt", s.preview_prompt);
}

// Reads the fields that are there; others keep their value.
struct FieldReader {
  const JsonNode& node;

  void operator()(const char* key, std::string& value) const {
    if (node.has(key)) value = node[key].text();
  }
  void operator()(const char* key, std::uint64_t& value) const {
    if (node.has(key)) value = node[key].unsigned_integer();
  }
  void operator()(const char* key, std::int64_t& value) const {
    if (node.has(key)) value = node[key].integer(0, kMaxSteps);
  }
  void operator()(const char* key, double& value) const {
    if (node.has(key)) value = node[key].number();
  }
  void operator()(const char* key, bool& value) const {
    if (node.has(key)) value = node[key].boolean();
  }
};

[[noreturn]] void refuse(const std::string& what) {
  throw Error(ErrorCode::invalid_argument, what);
}

void check_range(const char* name, std::int64_t value, std::int64_t smallest,
                 std::int64_t largest) {
  if (value < smallest || value > largest) {
    refuse(std::string(name) + " is " + std::to_string(value) + "; it must be between " +
           std::to_string(smallest) + " and " + std::to_string(largest));
  }
}

void check_not_negative(const char* name, double value) {
  if (!std::isfinite(value) || value < 0) {
    refuse(std::string(name) + " is " + std::to_string(value) + "; it must be 0 or more");
  }
}

void check_share(const char* name, double value) {
  if (!(value >= 0 && value <= 1)) {
    refuse(std::string(name) + " is " + std::to_string(value) + "; it must be between 0 and 1");
  }
}

void check_length(const char* name, const std::string& text) {
  if (text.size() > kMaxTextBytes) refuse(std::string(name) + " is too long");
}

}  // namespace

TrainSettings recommended_training(const Manifest& manifest) {
  const auto value = parse_strict_json(manifest.recommended_training, "recommended.training");
  const JsonNode node(value, "manifest.json", "recommended.training");
  TrainSettings settings;
  if (manifest.adapters.count(settings.adapter_kind) == 0) {
    settings.adapter_kind = manifest.adapters.begin()->first;
  }
  if (node.has("learning_rate")) settings.modifier_learning_rate = node["learning_rate"].number();
  for_each_training_field(settings, FieldReader{node});
  return settings;
}

SampleSettings recommended_sampling(const Manifest& manifest) {
  const auto value = parse_strict_json(manifest.recommended_sampling, "recommended.sampling");
  const JsonNode node(value, "manifest.json", "recommended.sampling");
  const FieldReader read{node};
  SampleSettings settings;
  read("negative_prompt", settings.negative_prompt);
  read("steps", settings.steps);
  read("guidance_scale", settings.guidance_scale);
  read("sampler", settings.sampler);
  return settings;
}

void check_settings(const TrainSettings& s, const Manifest& manifest) {
  if (s.class_name.empty()) {
    refuse("class_name is empty; say what the photos show, in a word such as dog or mug");
  }
  if (s.token.empty()) refuse("token is empty; choose a new word such as <my-dog>");
  check_length("class_name", s.class_name);
  check_length("token", s.token);
  check_length("preview_prompt", s.preview_prompt);
  check_optimizer(s, manifest.adapter_kind(s.adapter_kind));
  check_range("steps", s.steps, 1, kMaxSteps);
  check_range("views", s.views, 1, kMaxViews);
  check_not_negative("learning_rate", s.learning_rate);
  check_not_negative("modifier_learning_rate", s.modifier_learning_rate);
  check_not_negative("weight_decay", s.weight_decay);
  check_not_negative("max_grad_norm", s.max_grad_norm);
  check_not_negative("prior_loss_weight", s.prior_loss_weight);
  check_not_negative("prior_text_weight", s.prior_text_weight);
  check_share("fine_timesteps", s.fine_timesteps);
  parse_lr_schedule(s.lr_schedule);
  check_range("warmup_steps", s.warmup_steps, 0, kMaxSteps);
  check_range("checkpoint_every", s.checkpoint_every, 1, kMaxSteps);
  check_range("preview_every", s.preview_every, 0, kMaxSteps);
}

void check_settings(const SampleSettings& s, const Manifest& manifest) {
  check_length("prompt", s.prompt);
  check_length("negative_prompt", s.negative_prompt);
  check_range("steps", s.steps, 1, static_cast<std::int64_t>(manifest.betas.size()) - 1);
  check_range("count", s.count, 1, kMaxPictures);
  check_not_negative("guidance_scale", s.guidance_scale);
  parse_sampler_kind(s.sampler);
}

std::string to_json(const TrainSettings& settings) {
  nlohmann::ordered_json json;
  for_each_training_field(settings, [&](const char* key, const auto& value) { json[key] = value; });
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

TrainSettings train_settings_from_json(std::string_view text, const std::string& file) {
  const auto value = parse_strict_json(text, file);
  const JsonNode node(value, file);
  TrainSettings settings;
  for_each_training_field(settings, FieldReader{node});
  return settings;
}

}  // namespace likeness
