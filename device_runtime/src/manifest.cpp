#include "manifest.h"

#include <algorithm>
#include <set>

#include "json_reader.h"
#include "printable.h"
#include "strict_json.h"

namespace likeness {
namespace {

constexpr char kFile[] = "manifest.json";
constexpr std::int64_t kFormatVersion = 2;
// No size in a real model comes near these; more is damage, and keeps every product below 2^63.
constexpr std::int64_t kMaxSize = 1 << 24;
constexpr std::uint64_t kMaxElements = std::uint64_t{1} << 31;
constexpr int kMaxImageSize = 1 << 14;

// What a program's function may be called; it becomes part of runtimes' own names.
bool is_identifier(const std::string& text) {
  const auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  const auto either = [&](char c) { return letter(c) || (c >= '0' && c <= '9'); };
  return !text.empty() && letter(text[0]) && std::all_of(text.begin(), text.end(), either);
}

bool is_hash(const std::string& text) {
  return text.size() == 64 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

std::string hash_of(const JsonNode& node) {
  std::string hash = node.text();
  if (!is_hash(hash)) node.fail("is not 64 hexadecimal digits");
  return hash;
}

std::vector<std::int64_t> shape_of(const JsonNode& node) {
  std::vector<std::int64_t> shape;
  std::uint64_t elements = 1;
  for (const JsonNode& item : node.items()) {
    shape.push_back(item.integer(1, kMaxSize));
    elements *= static_cast<std::uint64_t>(shape.back());
    if (elements > kMaxElements) node.fail("is impossibly large");
  }
  return shape;
}

TensorType type_of(const JsonNode& node) {
  const std::string name = node.text();
  if (name == "float32") return TensorType::f32;
  if (name == "int64") return TensorType::i64;
  node.fail("is " + printable(name) + "; tensors are float32 or int64");
}

class Reader {
 public:
  explicit Reader(const JsonNode& root) : root_(root) {}

  Manifest read() {
    check_format();
    root_.with_fields({"format", "format_version", "model", "backend", "train_precision", "image",
                       "text", "noise", "batch", "layers", "tensors", "methods", "adapters",
                       "prior", "recommended", "files"});
    const JsonNode model = root_["model"].with_fields({"name", "weights_sha256"});
    m_.model_name = model["name"].text();
    m_.weights_sha256 = hash_of(model["weights_sha256"]);
    m_.backend = one_of(root_["backend"], {"executorch-xnnpack", "coreml"});
    m_.float16_training = one_of(root_["train_precision"], {"float32", "float16"}) == "float16";
    read_files();
    read_image();
    read_text();
    read_noise();
    read_batch();
    read_layers();
    for (const auto& [name, node] : root_["tensors"].members()) {
      node.with_fields({"shape", "dtype"});
      m_.tensors[name] = {name, type_of(node["dtype"]), shape_of(node["shape"])};
    }
    for (const auto& [name, node] : root_["methods"].members()) read_method(name, node);
    for (const auto& [name, node] : root_["adapters"].members()) read_adapter(name, node);
    read_prior(root_["prior"]);
    const JsonNode recommended = root_["recommended"].with_fields({"training", "sampling"});
    recommended["training"].members();  // an object
    recommended["sampling"].members();
    m_.recommended_training = recommended["training"].dump();
    m_.recommended_sampling = recommended["sampling"].dump();
    return std::move(m_);
  }

 private:
  void check_format() const {
    if (!root_.has("format") || root_["format"].text() != "likeness-bundle") {
      root_.fail("does not say \"format\": \"likeness-bundle\"; this folder is not a bundle");
    }
    const std::int64_t version = root_["format_version"].integer(0, INT64_MAX);
    if (version != kFormatVersion) {
      throw Error(
          ErrorCode::unsupported_version,
          std::string(kFile) + ": format_version is " + std::to_string(version) +
              ", this app reads " + std::to_string(kFormatVersion) +
              (version > kFormatVersion ? "; update the app" : "; export the bundle again"));
    }
  }

  static std::string one_of(const JsonNode& node, std::initializer_list<const char*> known) {
    std::string value = node.text();
    std::string list;
    for (const char* name : known) {
      if (value == name) return value;
      list += (list.empty() ? "" : ", ") + std::string(name);
    }
    node.fail("is " + printable(value) + ", which is none of " + list);
  }

  // A path that is safe and listed.
  std::string file(const JsonNode& node) const {
    std::string path = node.text();
    if (!is_safe_path(path)) {
      node.fail("is " + printable(path) + ", not a plain path inside the bundle");
    }
    if (m_.files.count(path) == 0) node.fail("is " + printable(path) + ", which \"files\" lacks");
    return path;
  }

  void read_files() {
    for (const auto& [path, node] : root_["files"].members()) {
      if (!is_safe_path(path) || path == kFile) {
        node.fail("is not a plain path inside the bundle");
      }
      node.with_fields({"size", "sha256"});
      m_.files[path] = {node["size"].unsigned_integer(), hash_of(node["sha256"])};
    }
  }

  void read_image() {
    const JsonNode image = root_["image"].with_fields(
        {"size", "vae_scale_factor", "latent_channels", "latent_size", "scaling_factor"});
    m_.image_size = static_cast<int>(image["size"].integer(8, kMaxImageSize));
    m_.vae_scale_factor = static_cast<int>(image["vae_scale_factor"].integer(1, kMaxImageSize));
    m_.latent_channels = static_cast<int>(image["latent_channels"].integer(1, 1024));
    m_.latent_size = static_cast<int>(image["latent_size"].integer(1, kMaxImageSize));
    m_.scaling_factor = image["scaling_factor"].number();
    if (!(m_.scaling_factor > 0)) image["scaling_factor"].fail("is not above 0");
    if (std::int64_t{m_.latent_size} * m_.vae_scale_factor != m_.image_size) {
      image.fail("does not fit together: size is not latent_size times vae_scale_factor");
    }
  }

  void read_text() {
    const JsonNode text = root_["text"].with_fields(
        {"max_length", "hidden_size", "vocab_size", "bos_id", "eos_id", "pad_id",
         "max_modifier_tokens", "vocab", "merges", "token_embeddings"});
    m_.max_length = text["max_length"].integer(2, 1 << 16);
    m_.hidden_size = text["hidden_size"].integer(1, 1 << 16);
    m_.vocab_size = text["vocab_size"].integer(1, kMaxSize);
    m_.bos_id = text["bos_id"].integer(0, m_.vocab_size - 1);
    m_.eos_id = text["eos_id"].integer(0, m_.vocab_size - 1);
    m_.pad_id = text["pad_id"].integer(0, m_.vocab_size - 1);
    m_.max_modifier_tokens = text["max_modifier_tokens"].integer(1, 1 << 12);
    m_.vocab_path = file(text["vocab"]);
    m_.merges_path = file(text["merges"]);
    m_.token_embeddings_path = file(text["token_embeddings"]);
  }

  void read_noise() {
    const JsonNode noise = root_["noise"].with_fields({"prediction_type", "betas"});
    m_.prediction_type = noise["prediction_type"].text();
    for (const JsonNode& beta : noise["betas"].items()) m_.betas.push_back(beta.number());
    if (m_.betas.empty() || m_.betas.size() > (1 << 20)) {
      noise["betas"].fail("has " + std::to_string(m_.betas.size()) + " entries");
    }
  }

  void read_batch() {
    const JsonNode batch = root_["batch"].with_fields({"text", "train", "denoise", "image"});
    const auto rows = [&](const char* name) {
      return static_cast<std::size_t>(batch[name].integer(1, 1 << 12));
    };
    m_.text_batch = rows("text");
    m_.train_batch = rows("train");
    m_.denoise_batch = rows("denoise");
    m_.image_batch = rows("image");
  }

  void read_layers() {
    for (const JsonNode& node : root_["layers"].items()) {
      node.with_fields({"name", "channels"});
      m_.layers.push_back({node["name"].text(), node["channels"].integer(1, 1 << 16)});
    }
    if (m_.layers.empty()) root_["layers"].fail("is empty");
  }

  ProgramSpec program(const JsonNode& node) const {
    node.with_fields({"program", "function", "inputs", "outputs"});
    ProgramSpec spec = {node["program"].text(), node["function"].text(), node["inputs"].texts(),
                        node["outputs"].texts()};
    if (m_.program_files(spec.path).empty()) file(node["program"]);  // says what is wrong with it
    if (!is_identifier(spec.function)) {
      node["function"].fail("is " + printable(spec.function) +
                            ", not a name of letters, digits and underscores");
    }
    for (const auto* names : {&spec.inputs, &spec.outputs}) {
      for (const std::string& name : *names) m_.tensor(name);  // Error where unknown
    }
    const std::set<std::string> distinct(spec.outputs.begin(), spec.outputs.end());
    if (distinct.size() != spec.outputs.size()) node["outputs"].fail("names a tensor twice");
    return spec;
  }

  void read_method(const std::string& name, const JsonNode& node) {
    Method& method = m_.methods[name];
    method.name = name;
    for (const JsonNode& item : node.with_fields({"stages"})["stages"].items()) {
      item.with_fields({"name", "forward", "backward"});
      Stage stage;
      stage.name = item["name"].text();
      if (item.has("forward")) stage.forward = program(item["forward"]);
      if (item.has("backward")) stage.backward = program(item["backward"]);
      if (!stage.forward && !stage.backward) item.fail("has no program");
      method.stages.push_back(std::move(stage));
    }
    if (method.stages.empty()) node["stages"].fail("is empty");
  }

  void read_adapter(const std::string& name, const JsonNode& node) {
    node.with_fields({"project_kv", "project_kv_vjp", "rank", "initial", "tensors"});
    AdapterKind& kind = m_.adapters[name];
    kind.name = name;
    kind.project_kv = node["project_kv"].text();
    kind.project_kv_vjp = node["project_kv_vjp"].text();
    if (node.has("rank")) kind.rank = node["rank"].integer(1, 1 << 16);
    kind.initial = file(node["initial"]);
    std::set<std::string> names;
    for (const JsonNode& tensor : node["tensors"].items()) {
      tensor.with_fields({"name", "shape"});
      kind.tensors.push_back({tensor["name"].text(), TensorType::f32, shape_of(tensor["shape"])});
      if (!names.insert(kind.tensors.back().name).second) tensor["name"].fail("occurs twice");
    }
    if (kind.tensors.empty()) node["tensors"].fail("is empty");
  }

  void read_prior(const JsonNode& node) {
    node.with_fields({"file", "source", "classes"});
    m_.prior_path = file(node["file"]);
    node["source"].text();  // for people
    for (const auto& [name, entry] : node["classes"].members()) {
      entry.with_fields({"latents", "captions"});
      PriorClass& prior = m_.prior_classes[name];
      for (const JsonNode& row : entry["latents"].items()) {
        prior.latents.push_back(static_cast<std::uint32_t>(row.integer(0, kMaxSize)));
      }
      prior.captions = entry["captions"].texts();
      if (prior.latents.empty() || prior.latents.size() != prior.captions.size()) {
        entry.fail("needs as many captions as latents, and at least one");
      }
    }
  }

  JsonNode root_;
  Manifest m_;
};

}  // namespace

Manifest parse_manifest(std::string_view text) {
  const nlohmann::json value = parse_strict_json(text, kFile);
  Manifest manifest = Reader(JsonNode(value, kFile)).read();
  check_methods(manifest);
  return manifest;
}

const ProgramSpec& Method::program() const {
  const Stage& stage = stages.front();
  return stage.forward ? *stage.forward : *stage.backward;
}

const TensorSpec& Manifest::tensor(const std::string& tensor_name) const {
  auto found = tensors.find(tensor_name);
  if (found == tensors.end() && tensor_name.rfind("d:", 0) == 0) {
    found = tensors.find(tensor_name.substr(2));
  }
  if (found == tensors.end()) {
    throw Error(ErrorCode::corrupt, std::string(kFile) + ": a program names the unknown tensor " +
                                        printable(tensor_name) + "; export the bundle again");
  }
  return found->second;
}

const Method& Manifest::method(const std::string& name) const {
  const auto found = methods.find(name);
  if (found == methods.end()) {
    throw Error(ErrorCode::corrupt, std::string(kFile) + ": the method " + printable(name) +
                                        " is missing; export the bundle again");
  }
  return found->second;
}

const AdapterKind& Manifest::adapter_kind(const std::string& name) const {
  const auto found = adapters.find(name);
  if (found != adapters.end()) return found->second;
  std::string known;
  for (const auto& [kind, unused] : adapters) known += (known.empty() ? "" : ", ") + kind;
  throw Error(ErrorCode::invalid_argument,
              "this model has no adapter kind " + printable(name) + "; it has: " + known);
}

}  // namespace likeness
