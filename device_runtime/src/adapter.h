// What personalization learns: the tensors of one adapter kind, and the embeddings of its modifier
// tokens (docs/bundle.md, "Adapter files").
#pragma once

#include <string>
#include <vector>

#include "engine.h"
#include "tensor.h"
#include "tokenizer.h"

namespace likeness {

struct Adapter {
  std::string kind;
  TensorValues tensors;  // in the manifest's order
  std::vector<std::string> modifier_tokens;
  std::vector<float> modifier_embeddings;  // (k, d)
  std::string class_name;
  std::string training = "{}";  // JSON: settings and number of photos
};

// Changes nothing, knows no token: the model as it is.
Adapter neutral_adapter(const Engine& engine, const std::string& kind);

// The start of a session: the kind's initial values, and the embedding of the class as the token's
// (as Custom Diffusion starts from a word's; the mean over its tokens where it has several).
Adapter initial_adapter(const Engine& engine, const std::string& kind, const std::string& token,
                        const std::string& class_name);

// The engine's tokenizer with the adapter's tokens. Error{invalid_argument} for a token that is
// taken or malformed.
Tokenizer tokenizer_with(const Engine& engine, const Adapter& adapter);

// Throws Error{wrong_model} that names both models, {corrupt}, {not_finite} that names the tensor.
Adapter load_adapter(const Engine& engine, const std::string& path);

// The same adapter gives the same bytes. Error{not_finite} rather than a file that cannot be used.
std::vector<std::uint8_t> serialize_adapter(const Engine& engine, const Adapter& adapter);

// Kind, tokens, class, training settings and base model, as JSON.
std::string adapter_info(const Engine& engine, const Adapter& adapter);

// A view of values that outlive it.
TensorView view_of(const std::vector<float>& values, std::vector<std::int64_t> shape);

}  // namespace likeness
