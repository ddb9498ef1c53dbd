#include "engine.h"

#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string_view>

#include "backend.h"
#include "error.h"
#include "file_io.h"
#include "safetensors.h"

namespace likeness {
namespace {

constexpr std::size_t kMaxManifestBytes = 64 << 20;
constexpr std::size_t kMaxTokenizerBytes = 64 << 20;

std::string_view as_text(const std::vector<std::uint8_t>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Manifest load_manifest(const std::string& folder, const EngineOptions& options) {
  const auto bytes = read_file(folder + "/manifest.json", kMaxManifestBytes);
  Manifest manifest = parse_manifest(as_text(bytes));
  check_files(manifest, folder, options.verify_hashes);
  return manifest;
}

Tokenizer load_tokenizer(const Manifest& m, const std::string& folder) {
  const auto vocab = read_file(folder + "/" + m.vocab_path, kMaxTokenizerBytes);
  const auto merges = read_file(folder + "/" + m.merges_path, kMaxTokenizerBytes);
  TokenizerConfig config;
  config.bos_id = m.bos_id;
  config.eos_id = m.eos_id;
  config.pad_id = m.pad_id;
  config.unknown_id = m.eos_id;  // as CLIP has it
  config.max_length = m.max_length;
  Tokenizer tokenizer(as_text(vocab), as_text(merges), config);
  if (tokenizer.size() != m.vocab_size) {
    throw Error(ErrorCode::corrupt, m.vocab_path + " has " + std::to_string(tokenizer.size()) +
                                        " tokens, but manifest.json says text.vocab_size is " +
                                        std::to_string(m.vocab_size) + "; export the bundle again");
  }
  return tokenizer;
}

// One tensor of a safetensors file of the bundle.
std::vector<float> load_tensor(const std::string& folder, const std::string& file,
                               const std::string& name, const std::vector<std::int64_t>& shape) {
  const MappedFile mapped(folder + "/" + file);
  const Safetensors parsed = parse_safetensors(mapped.data(), mapped.size());
  std::vector<float> values = to_floats(parsed.require(name, TensorType::f32, shape));
  check_finite(values, name + " of " + file);
  return values;
}

std::vector<float> load_prior(const Manifest& m, const std::string& folder) {
  if (m.prior_path.empty()) return {};
  const MappedFile mapped(folder + "/" + m.prior_path);
  const Safetensors parsed = parse_safetensors(mapped.data(), mapped.size());
  const auto found = parsed.tensors.find("latents");
  const std::int64_t rows =
      found == parsed.tensors.end() || found->second.shape.empty() ? 0 : found->second.shape[0];
  std::vector<float> values = to_floats(parsed.require(
      "latents", TensorType::f32, {rows, m.latent_channels, m.latent_size, m.latent_size}));
  check_finite(values, "latents of " + m.prior_path);
  for (const auto& [name, prior] : m.prior_classes) {
    for (const std::uint32_t row : prior.latents) {
      if (row >= rows) {
        throw Error(ErrorCode::corrupt, "manifest.json: the prior of " + name + " names latent " +
                                            std::to_string(row) + ", but " + m.prior_path +
                                            " has " + std::to_string(rows));
      }
    }
  }
  return values;
}

}  // namespace

std::vector<float> to_floats(const TensorView& view) {
  std::vector<float> values(view.size_bytes / sizeof(float));
  if (!values.empty()) std::memcpy(values.data(), view.data, values.size() * sizeof(float));
  return values;
}

void check_finite(const std::vector<float>& values, const std::string& name,
                  const std::string& advice) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) {
      throw Error(ErrorCode::not_finite, name + " contains a value that is not a finite number " +
                                             "(element " + std::to_string(i) + "); " + advice);
    }
  }
}

Engine::Engine(const std::string& folder, const EngineOptions& options,
               const BackendFactory& make_backend)
    : folder_(folder),
      manifest_(load_manifest(folder, options)),
      schedule_(manifest_.betas, parse_prediction_type(manifest_.prediction_type)),
      tokenizer_(load_tokenizer(manifest_, folder)),
      token_embeddings_(load_tensor(folder, manifest_.token_embeddings_path, "token_embeddings",
                                    {manifest_.vocab_size, manifest_.hidden_size})),
      prior_latents_(load_prior(manifest_, folder)),
      programs_(std::make_unique<ProgramStore>(make_backend(manifest_.backend, options.backend),
                                               manifest_, folder, options.memory_limit_bytes)) {}

TensorValues Engine::initial_values(const AdapterKind& kind) const {
  const MappedFile mapped(folder_ + "/" + kind.initial);
  const Safetensors parsed = parse_safetensors(mapped.data(), mapped.size());
  TensorValues values;
  for (const TensorSpec& spec : kind.tensors) {
    values.push_back(to_floats(parsed.require(spec.name, TensorType::f32, spec.shape)));
    check_finite(values.back(), spec.name + " of " + kind.initial);
  }
  return values;
}

std::string Engine::info() const {
  using nlohmann::ordered_json;
  ordered_json info;
  info["model"] = {{"name", manifest_.model_name}, {"weights_sha256", manifest_.weights_sha256}};
  info["backend"] = manifest_.backend;
  info["image_size"] = manifest_.image_size;
  info["latent_shape"] = {manifest_.latent_channels, manifest_.latent_size, manifest_.latent_size};
  info["max_prompt_tokens"] = manifest_.max_length - 2;
  info["max_modifier_tokens"] = manifest_.max_modifier_tokens;
  info["prediction_type"] = manifest_.prediction_type;
  info["train_timesteps"] = schedule_.num_train_timesteps();
  std::uint64_t bytes = 0;
  for (const auto& [name, entry] : manifest_.files) bytes += entry.size;
  info["bytes"] = bytes;
  for (const auto& [name, kind] : manifest_.adapters) {
    std::size_t count = 0;
    for (const TensorSpec& tensor : kind.tensors) count += tensor.count();
    info["adapter_kinds"][name] = {{"bytes", count * sizeof(float)}};
    if (kind.rank) info["adapter_kinds"][name]["rank"] = *kind.rank;
  }
  info["prior_classes"] = ordered_json::array();
  for (const auto& [name, prior] : manifest_.prior_classes) info["prior_classes"].push_back(name);
  info["stages"] = {{"denoise", manifest_.method("denoise").stages.size()},
                    {"train_step", manifest_.method("train_step").stages.size()}};
  info["recommended"] = {{"training", ordered_json::parse(manifest_.recommended_training)},
                         {"sampling", ordered_json::parse(manifest_.recommended_sampling)}};
  // Names come from the bundle: whatever is not UTF-8 is replaced, not thrown about.
  return info.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

}  // namespace likeness
