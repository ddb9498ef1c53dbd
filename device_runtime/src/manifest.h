// manifest.json of a bundle (docs/bundle.md): everything there is to know about a model.
//
// It comes from other people. parse_manifest() throws Error{corrupt, unsupported_version} that says
// what is wrong; a Manifest that exists holds together: every program's tensors are known, have the
// shapes the contract gives them, and no path leaves the folder.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tensor.h"

namespace likeness {

struct ProgramSpec {
  std::string path;                  // a file, or a folder *.mlpackage; relative to the bundle
  std::string function;              // one of those in it
  std::vector<std::string> inputs;   // tensor names, in order
  std::vector<std::string> outputs;  // likewise; "d:X" is the gradient of X
};

struct Stage {
  std::string name;
  std::optional<ProgramSpec> forward;
  std::optional<ProgramSpec> backward;
};

struct Method {
  std::string name;
  std::vector<Stage> stages;

  // Of a method with one stage: its one program.
  const ProgramSpec& program() const;
};

struct Layer {
  std::string name;
  std::int64_t channels = 0;
};

struct AdapterKind {
  std::string name;
  std::string project_kv;      // method names
  std::string project_kv_vjp;  //
  std::optional<std::int64_t> rank;
  std::string initial;  // path
  std::vector<TensorSpec> tensors;
};

struct PriorClass {
  std::vector<std::uint32_t> latents;
  std::vector<std::string> captions;  // as many as latents, or one for all
};

struct FileEntry {
  std::uint64_t size = 0;
  std::string sha256;
};

struct Manifest {
  std::string model_name;
  std::string weights_sha256;
  std::string backend;
  bool float16_training = false;  // gradients are computed in float16: scale the loss

  int image_size = 0;
  int vae_scale_factor = 0;
  int latent_channels = 0;
  int latent_size = 0;
  double scaling_factor = 0.0;

  std::int64_t max_length = 0;
  std::int64_t hidden_size = 0;
  std::int64_t vocab_size = 0;
  std::int64_t bos_id = 0, eos_id = 0, pad_id = 0;
  std::int64_t max_modifier_tokens = 0;
  std::string vocab_path, merges_path, token_embeddings_path;

  std::string prediction_type;
  std::vector<double> betas;

  std::size_t text_batch = 0, train_batch = 0, denoise_batch = 0, image_batch = 0;

  std::vector<Layer> layers;
  std::map<std::string, TensorSpec> tensors;
  std::map<std::string, Method> methods;
  std::map<std::string, AdapterKind> adapters;

  std::string prior_path;  // empty: the bundle has none
  std::map<std::string, PriorClass> prior_classes;

  std::string recommended_training;  // JSON objects
  std::string recommended_sampling;

  std::map<std::string, FileEntry> files;

  // Of "d:X" the spec of X, where it has none of its own. Error{corrupt} for an unknown name.
  const TensorSpec& tensor(const std::string& name) const;
  const Method& method(const std::string& name) const;
  // The listed files a program is made of: itself, or those under it where it is a package.
  std::map<std::string, FileEntry> program_files(const std::string& path) const;
  // SHA-256 over their names inside the program and their hashes.
  std::string fingerprint(const std::string& path) const;
  // Error{invalid_argument} that lists the kinds there are.
  const AdapterKind& adapter_kind(const std::string& name) const;

  std::size_t latent_count() const {
    return static_cast<std::size_t>(latent_channels) * latent_cells();
  }
  std::size_t latent_cells() const {
    return static_cast<std::size_t>(latent_size) * static_cast<std::size_t>(latent_size);
  }
  std::size_t hidden_count() const { return static_cast<std::size_t>(max_length * hidden_size); }
  // Elements of K_i (or V_i) of one row; `index` counts K_1, V_1, K_2, ...
  std::size_t key_count(std::size_t index) const {
    return static_cast<std::size_t>(max_length * layers[index / 2].channels);
  }
};

Manifest parse_manifest(std::string_view json);

// Second half of parse_manifest: the methods and their tensors (manifest_methods.cpp).
void check_methods(const Manifest& manifest);

// True for a relative path of plain names joined by '/' (manifest_files.cpp).
bool is_safe_path(std::string_view path);

// Error{corrupt, io} that names a file which is missing, not listed, or of another size or, with
// `verify_hashes`, another content.
void check_files(const Manifest& manifest, const std::string& folder, bool verify_hashes);

}  // namespace likeness
