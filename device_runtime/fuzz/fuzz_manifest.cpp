// Any bytes are a manifest that holds together, or an Error.
//
// Random bytes rarely get past the first key. So where the first byte is even, the rest are edits
// of a whole manifest: two bytes of position, what to do, and a byte to do it with.
#include <cstdlib>
#include <set>
#include <string>

#include "error.h"
#include "manifest.h"
#include "settings.h"

namespace {

std::string hash() { return std::string(64, 'a'); }

std::string program(const std::string& path, const std::string& inputs,
                    const std::string& outputs) {
  return "{\"program\":\"" + path + "\",\"function\":\"f\",\"inputs\":[" + inputs +
         "],\"outputs\":[" + outputs + "]}";
}

std::string method(const std::string& name, const std::string& inputs, const std::string& outputs,
                   bool backward = false) {
  const std::string p = program("m/p.mlpackage", inputs, outputs);
  return "\"" + name + "\":{\"stages\":[{\"name\":\"s\",\"forward\":" + (backward ? "null" : p) +
         ",\"backward\":" + (backward ? p : "null") + "}]}";
}

std::string tensor(const std::string& name, const std::string& shape,
                   const std::string& type = "float32") {
  return "\"" + name + "\":{\"shape\":[" + shape + "],\"dtype\":\"" + type + "\"}";
}

// The smallest manifest there is: one layer, batches of one row.
std::string whole_manifest() {
  const std::string entry = "{\"size\":1,\"sha256\":\"" + hash() + "\"}";
  const std::string files = "\"m/f\":" + entry + ",\"m/p.mlpackage/w\":" + entry;
  return "{\"format\":\"likeness-bundle\",\"format_version\":2,\"model\":{\"name\":\"n\","
         "\"weights_sha256\":\"" +
         hash() +
         "\"},\"backend\":\"coreml\",\"train_precision\":\"float16\",\"image\":{\"size\":8,\"vae_"
         "scale_factor\":8,\"latent_channels\":4,"
         "\"latent_size\":1,\"scaling_factor\":0.2},\"text\":{\"max_length\":5,\"hidden_size\":3,"
         "\"vocab_size\":9,\"bos_id\":7,\"eos_id\":8,\"pad_id\":8,\"max_modifier_tokens\":2,"
         "\"vocab\":\"m/f\",\"merges\":\"m/f\",\"token_embeddings\":\"m/f\"},"
         "\"noise\":{\"prediction_type\":\"epsilon\",\"betas\":[0.1,0.2]},"
         "\"batch\":{\"text\":1,\"train\":1,\"denoise\":1,\"image\":1},"
         "\"layers\":[{\"name\":\"l\",\"channels\":2}],\"tensors\":{" +
         tensor("px", "1,3,8,8") + "," + tensor("z", "1,4,1,1") + "," + tensor("lv", "1,4,1,1") +
         "," + tensor("ids", "1,5", "int64") + "," + tensor("mod", "2,3") + "," +
         tensor("h", "1,5,3") + "," + tensor("K", "1,5,2") + "," + tensor("V", "1,5,2") + "," +
         tensor("w", "2,3") + "," + tensor("t", "1") + "," + tensor("y", "1,4,1,1") + "," +
         tensor("weight", "1,1,1,1") + "," + tensor("loss", "1") + "},\"methods\":{" +
         method("encode_image", "\"px\"", "\"z\",\"lv\"") + "," +
         method("decode_latents", "\"z\"", "\"px\"") + "," +
         method("encode_text", "\"ids\",\"mod\"", "\"h\"") + "," +
         method("encode_text_vjp", "\"ids\",\"mod\",\"d:h\"", "\"d:mod\"") + "," +
         method("kv", "\"h\",\"w\"", "\"K\",\"V\"") + "," +
         method("kv_vjp", "\"h\",\"w\",\"d:K\",\"d:V\"", "\"d:h\",\"d:w\"") + "," +
         method("denoise", "\"z\",\"t\",\"K\",\"V\"", "\"y\"") + "," +
         method("train_step", "\"z\",\"t\",\"K\",\"V\",\"y\",\"weight\"",
                "\"loss\",\"d:K\",\"d:V\"", true) +
         "},\"adapters\":{\"full\":{\"project_kv\":\"kv\",\"project_kv_vjp\":\"kv_vjp\","
         "\"rank\":null,\"initial\":\"m/f\",\"tensors\":[{\"name\":\"w\",\"shape\":[2,3]}]}},"
         "\"prior\":{\"file\":\"m/f\",\"source\":\"\",\"classes\":{\"dog\":{\"latents\":[0],"
         "\"captions\":[\"a dog\"]}}},\"recommended\":{\"training\":{\"steps\":5},"
         "\"sampling\":{\"steps\":2}},\"files\":{" +
         files + "}}";
}

std::string edited(const std::uint8_t* data, std::size_t size) {
  static const std::string whole = whole_manifest();
  std::string text = whole;
  for (std::size_t i = 0; i + 3 < size && !text.empty(); i += 4) {
    const std::size_t at = (data[i] + 256u * data[i + 1]) % text.size();
    switch (data[i + 2] % 4) {
      case 0:
        text[at] = static_cast<char>(data[i + 3]);
        break;
      case 1:
        text.insert(at, 1, static_cast<char>(data[i + 3]));
        break;
      case 2:
        text.erase(at, data[i + 3]);
        break;
      default:
        text.insert(at, text.substr(at, data[i + 3]));
        break;
    }
  }
  return text;
}

void check(const likeness::Manifest& m) {
  for (const auto& item : m.files) {
    if (!likeness::is_safe_path(item.first) || item.first.find("..") == 0) std::abort();
  }
  for (const auto& item : m.methods) {
    for (const auto& stage : item.second.stages) {
      for (const auto* part : {&stage.forward, &stage.backward}) {
        if (!*part) continue;
        if (m.program_files((*part)->path).empty()) std::abort();
        if (!likeness::is_safe_path((*part)->path)) std::abort();
        for (const auto& name : (*part)->inputs) {
          if (m.tensor(name).bytes() > (std::uint64_t{1} << 35)) std::abort();
        }
      }
    }
  }
  if (m.latent_count() == 0 || m.adapters.empty() || m.layers.empty()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    check(likeness::parse_manifest(whole_manifest()));  // the edited one must be a good one
    return 0;
  }
  const bool edit = data[0] % 2 == 0;
  const std::string text = edit ? edited(data + 1, size - 1)
                                : std::string(reinterpret_cast<const char*>(data + 1), size - 1);
  try {
    const likeness::Manifest manifest = likeness::parse_manifest(text);
    check(manifest);
    likeness::recommended_training(manifest);
    likeness::recommended_sampling(manifest);
  } catch (const likeness::Error&) {
  }
  return 0;
}
