// From words to keys and values, and gradients back: the part of the model upstream of the UNet.
//
// Rows are prompts. The programs take a fixed number of rows; fewer are padded, more are several
// calls.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine.h"
#include "tensor.h"

namespace likeness {

using TokenIds = std::vector<std::int64_t>;  // max_length of them

// The ids of a prompt. Error{invalid_argument} that says by how much it is too long: a prompt that
// is cut silently paints something else.
TokenIds tokenize(const Tokenizer& tokenizer, const std::string& prompt);

// Whether tokenize() takes it.
bool fits(const Tokenizer& tokenizer, const std::string& prompt);

// Modifier embeddings as the programs take them, (m, d): k rows, the rest zeros.
std::vector<float> pad_modifiers(const Manifest& manifest, const std::vector<float>& embeddings);

// Last hidden states (rows, n, d). `modifiers` is (m, d).
std::vector<float> encode_text(const Engine& engine, const std::vector<TokenIds>& prompts,
                               const std::vector<float>& modifiers);

// Adds the gradient of the modifier embeddings to `d_modifiers` (m, d).
void encode_text_vjp(const Engine& engine, const std::vector<TokenIds>& prompts,
                     const std::vector<float>& modifiers, const std::vector<float>& d_hidden,
                     std::vector<float>& d_modifiers);

// K_1, V_1, ..., K_L, V_L, each (rows, n, C_i).
using KeysValues = TensorValues;

KeysValues project_kv(const Engine& engine, const AdapterKind& kind, const TensorValues& adapter,
                      const std::vector<float>& hidden, std::size_t rows);

// Adds the adapter's gradients to `d_adapter`; returns d_hidden (rows, n, d).
std::vector<float> project_kv_vjp(const Engine& engine, const AdapterKind& kind,
                                  const TensorValues& adapter, const std::vector<float>& hidden,
                                  std::size_t rows, const KeysValues& d_keys_values,
                                  TensorValues& d_adapter);

}  // namespace likeness
