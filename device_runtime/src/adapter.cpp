#include "adapter.h"

#include <nlohmann/json.hpp>

#include "error.h"
#include "file_io.h"
#include "json_reader.h"
#include "printable.h"
#include "safetensors.h"
#include "strict_json.h"

namespace likeness {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr char kFormat[] = "likeness-adapter";
constexpr char kFormatVersion[] = "1";
constexpr char kModifiers[] = "modifier_embeddings";
constexpr char kDiverged[] = "train again with a lower learning rate";

std::string dump(const ordered_json& value) {
  return value.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

// Reads an adapter file's metadata, naming the file and the key in every message.
class AdapterMetadata {
 public:
  AdapterMetadata(const Metadata& metadata, const std::string& path)
      : metadata_(metadata), path_(path) {}

  const std::string& operator[](const std::string& key) const {
    const auto found = metadata_.find(key);
    if (found == metadata_.end()) fail("its metadata lacks " + key);
    return found->second;
  }

  std::string optional(const std::string& key, const std::string& otherwise) const {
    const auto found = metadata_.find(key);
    return found == metadata_.end() ? otherwise : found->second;
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ErrorCode::corrupt, path_ + ": " + what + "; the file is damaged or no adapter");
  }

  void check_format() const {
    if (optional("format", "") != kFormat) {
      fail("its metadata does not say format " + std::string(kFormat));
    }
    if ((*this)["format_version"] != kFormatVersion) {
      throw Error(ErrorCode::unsupported_version,
                  path_ + " has adapter format " + printable((*this)["format_version"]) +
                      ", this app reads " + kFormatVersion + "; update the app");
    }
  }

  void check_base(const Manifest& m) const {
    const std::string& hash = (*this)["base_weights_sha256"];
    if (hash == m.weights_sha256) return;
    throw Error(ErrorCode::wrong_model,
                path_ + " was trained on the model " + printable(optional("base_model", "?")) +
                    " with weights " + printable(hash) + ", but the open model is " +
                    printable(m.model_name) + " with weights \"" + m.weights_sha256 +
                    "\"; open that model, or train again on this one");
  }

  // One token, or a list of at most what the model takes.
  std::vector<std::string> tokens(const Manifest& m) const {
    const json value = parse_strict_json((*this)["modifier_tokens"], path_ + ": modifier_tokens");
    std::vector<std::string> tokens = JsonNode(value, path_ + ": modifier_tokens").texts();
    if (tokens.size() > static_cast<std::size_t>(m.max_modifier_tokens)) {
      throw Error(ErrorCode::invalid_argument, path_ + " has " + std::to_string(tokens.size()) +
                                                   " modifier tokens, this model takes " +
                                                   std::to_string(m.max_modifier_tokens));
    }
    return tokens;
  }

 private:
  const Metadata& metadata_;
  const std::string& path_;
};

}  // namespace

TensorView view_of(const std::vector<float>& values, std::vector<std::int64_t> shape) {
  return {TensorType::f32, std::move(shape), reinterpret_cast<const std::uint8_t*>(values.data()),
          values.size() * sizeof(float)};
}

Adapter neutral_adapter(const Engine& engine, const std::string& kind) {
  Adapter adapter;
  adapter.kind = kind;
  adapter.tensors = engine.initial_values(engine.manifest().adapter_kind(kind));
  return adapter;
}

Adapter initial_adapter(const Engine& engine, const std::string& kind, const std::string& token,
                        const std::string& class_name) {
  Adapter adapter = neutral_adapter(engine, kind);
  adapter.modifier_tokens = {token};
  adapter.class_name = class_name;
  const std::vector<std::int64_t> ids = engine.tokenizer().encode_raw(class_name);
  if (ids.empty()) {
    throw Error(ErrorCode::invalid_argument,
                "the class name " + printable(class_name) + " contains no word");
  }
  const auto width = static_cast<std::size_t>(engine.manifest().hidden_size);
  std::vector<double> sum(width, 0.0);
  for (const std::int64_t id : ids) {
    const float* row = engine.token_embeddings().data() + static_cast<std::size_t>(id) * width;
    for (std::size_t i = 0; i < width; ++i) sum[i] += row[i];
  }
  for (const double value : sum) {
    adapter.modifier_embeddings.push_back(
        static_cast<float>(value / static_cast<double>(ids.size())));
  }
  tokenizer_with(engine, adapter);  // Error for a token that cannot be used
  return adapter;
}

Tokenizer tokenizer_with(const Engine& engine, const Adapter& adapter) {
  Tokenizer tokenizer = engine.tokenizer();
  for (const std::string& token : adapter.modifier_tokens) tokenizer.add_token(token);
  return tokenizer;
}

Adapter load_adapter(const Engine& engine, const std::string& path) {
  const Manifest& m = engine.manifest();
  const MappedFile file(path);
  const Safetensors parsed = parse_safetensors(file.data(), file.size());
  const AdapterMetadata metadata(parsed.metadata, path);
  metadata.check_format();
  metadata.check_base(m);
  Adapter adapter;
  adapter.kind = metadata["kind"];
  adapter.class_name = metadata.optional("class_name", "");
  adapter.training = metadata.optional("training", "{}");
  const AdapterKind& kind = m.adapter_kind(adapter.kind);
  try {
    for (const TensorSpec& spec : kind.tensors) {
      adapter.tensors.push_back(to_floats(parsed.require(spec.name, TensorType::f32, spec.shape)));
      check_finite(adapter.tensors.back(), path + ": the tensor " + spec.name);
    }
    adapter.modifier_tokens = metadata.tokens(m);
    const auto tokens = static_cast<std::int64_t>(adapter.modifier_tokens.size());
    if (tokens > 0) {
      adapter.modifier_embeddings =
          to_floats(parsed.require(kModifiers, TensorType::f32, {tokens, m.hidden_size}));
      check_finite(adapter.modifier_embeddings, path + ": the tensor modifier_embeddings");
    }
  } catch (const Error& error) {
    if (error.code != ErrorCode::corrupt) throw;
    throw Error(ErrorCode::corrupt, path + ": " + error.what());
  }
  const std::size_t known = kind.tensors.size() + (adapter.modifier_tokens.empty() ? 0 : 1);
  if (parsed.tensors.size() > known) {
    for (const auto& [name, view] : parsed.tensors) {
      bool expected = name == kModifiers;
      for (const TensorSpec& spec : kind.tensors) expected = expected || spec.name == name;
      if (!expected) metadata.fail("it has the unknown tensor " + printable(name));
    }
  }
  tokenizer_with(engine, adapter);
  return adapter;
}

std::vector<std::uint8_t> serialize_adapter(const Engine& engine, const Adapter& adapter) {
  const Manifest& m = engine.manifest();
  const AdapterKind& kind = m.adapter_kind(adapter.kind);
  TensorMap tensors;
  for (std::size_t i = 0; i < kind.tensors.size(); ++i) {
    check_finite(adapter.tensors[i], "the trained tensor " + kind.tensors[i].name, kDiverged);
    tensors[kind.tensors[i].name] = view_of(adapter.tensors[i], kind.tensors[i].shape);
  }
  const auto tokens = static_cast<std::int64_t>(adapter.modifier_tokens.size());
  if (tokens > 0) {
    check_finite(adapter.modifier_embeddings, "the trained embedding of the token", kDiverged);
    tensors[kModifiers] = view_of(adapter.modifier_embeddings, {tokens, m.hidden_size});
  }
  const Metadata metadata = {
      {"format", kFormat},
      {"format_version", kFormatVersion},
      {"base_model", m.model_name},
      {"base_weights_sha256", m.weights_sha256},
      {"kind", adapter.kind},
      {"rank", kind.rank ? std::to_string(*kind.rank) : ""},
      {"modifier_tokens", dump(adapter.modifier_tokens)},
      {"class_name", adapter.class_name},
      {"training", adapter.training},
  };
  return serialize_safetensors(tensors, metadata);
}

std::string adapter_info(const Engine& engine, const Adapter& adapter) {
  const Manifest& m = engine.manifest();
  const AdapterKind& kind = m.adapter_kind(adapter.kind);
  ordered_json info;
  info["kind"] = adapter.kind;
  if (kind.rank) info["rank"] = *kind.rank;
  info["modifier_tokens"] = adapter.modifier_tokens;
  info["class_name"] = adapter.class_name;
  info["base_model"] = {{"name", m.model_name}, {"weights_sha256", m.weights_sha256}};
  std::size_t count = adapter.modifier_embeddings.size();
  for (const auto& tensor : adapter.tensors) count += tensor.size();
  info["bytes"] = count * sizeof(float);
  info["training"] = ordered_json::parse(adapter.training, nullptr, false);
  if (info["training"].is_discarded()) info["training"] = nullptr;
  return dump(info);
}

}  // namespace likeness
