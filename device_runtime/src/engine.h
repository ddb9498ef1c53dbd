// A bundle that is open: what every session and every picture shares. Immutable, so any number of
// threads may use one; only the store of loaded programs inside has a lock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "backend.h"
#include "manifest.h"
#include "noise_schedule.h"
#include "program_store.h"
#include "tokenizer.h"

namespace likeness {

struct EngineOptions {
  bool verify_hashes = true;
  std::size_t memory_limit_bytes = 0;  // for programs that are kept loaded; 0: no limit
  BackendOptions backend;
};

// Makes the back end that a bundle names; see make_backend.h.
using BackendFactory =
    std::function<std::unique_ptr<Backend>(const std::string& name, const BackendOptions&)>;

class Engine {
 public:
  // Reads and checks the bundle. Throws Error.
  Engine(const std::string& folder, const EngineOptions& options,
         const BackendFactory& make_backend);
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  const Manifest& manifest() const { return manifest_; }
  const NoiseSchedule& schedule() const { return schedule_; }
  const Tokenizer& tokenizer() const { return tokenizer_; }
  const std::string& folder() const { return folder_; }
  ProgramStore& programs() const { return *programs_; }

  // One row a token, (V, d).
  const std::vector<float>& token_embeddings() const { return token_embeddings_; }
  // Initial values of an adapter's tensors.
  TensorValues initial_values(const AdapterKind& kind) const;
  // Every latent of the prior pack, (N, 4, h, w), scaled; empty where the bundle has none.
  const std::vector<float>& prior_latents() const { return prior_latents_; }

  // Name, hash, sizes, adapter kinds, classes and recommended settings, as JSON.
  std::string info() const;

 private:
  std::string folder_;
  Manifest manifest_;
  NoiseSchedule schedule_;
  Tokenizer tokenizer_;
  std::vector<float> token_embeddings_;
  std::vector<float> prior_latents_;
  std::unique_ptr<ProgramStore> programs_;
};

// Copies a tensor out of a file, where it may lie unaligned.
std::vector<float> to_floats(const TensorView& view);

// Error{not_finite} that names the tensor, and says what to do.
void check_finite(const std::vector<float>& values, const std::string& name,
                  const std::string& advice = "the file is unusable, get it again");

}  // namespace likeness
