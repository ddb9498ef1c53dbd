#include "merge.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "caption_gram.h"
#include "constrained_update.h"
#include "error.h"
#include "printable.h"
#include "strict_json.h"
#include "text.h"

namespace likeness {
namespace {

using nlohmann::json;

constexpr char kKind[] = "full";        // only whole matrices can hold every subject's change
constexpr char kMergedOf[] = "merged";  // key in `training` of a merged adapter
constexpr char kUnusable[] = "train it again with a lower learning rate";

[[noreturn]] void refuse(const std::string& message) {
  throw Error(ErrorCode::invalid_argument, message);
}

// The UNet looks at the end of the text and the padding after it as it does at words, and a causal
// text encoder's states there have read the words. Custom Diffusion's own merging leaves padding
// out; the default model's subjects then lose their colours. But those states say nearly the same
// of every subject, and asking exactly different things of them costs the captions dear: near must
// be enough.
constexpr double kEndSlack = 0.1;

// A prompt that names one subject. States `first` to `last` of it are the subject's words: the
// token and the class. The end and padding follow.
struct TargetPrompt {
  std::string token;
  TokenIds ids;
  std::size_t first = 0;
  std::size_t last = 0;
};

// What went into the merged adapter, for its metadata.
json ingredient(const Adapter& adapter) {
  const json training = parse_strict_json(adapter.training, "an adapter's training settings");
  if (adapter.modifier_tokens.empty()) {
    refuse("an adapter of the class " + printable(adapter.class_name) +
           " has no token; a prompt could not name its subject beside the others");
  }
  if (training.is_object() && training.contains(kMergedOf)) {
    refuse("the adapter of " + printable(adapter.modifier_tokens.front()) +
           " is merged already; merge those that it was made of, all at once");
  }
  return {{"modifier_tokens", adapter.modifier_tokens},
          {"class_name", adapter.class_name},
          {"training", training}};
}

// Appends tokens and embeddings, checked against those that `merged` has.
void append_tokens(const Engine& engine, const Adapter& adapter, Adapter& merged) {
  const std::int64_t vocab_size = engine.manifest().vocab_size;
  const Tokenizer before = tokenizer_with(engine, merged);
  for (const std::string& token : adapter.modifier_tokens) {
    // As the tokenizer reads it: <Cat> is <cat>.
    const std::vector<std::int64_t> ids = before.encode_raw(token);
    if (ids.size() == 1 && ids.front() >= vocab_size) {
      refuse("two of the adapters have the token " + printable(token) +
             "; train one of them again with another token");
    }
  }
  merged.modifier_tokens.insert(merged.modifier_tokens.end(), adapter.modifier_tokens.begin(),
                                adapter.modifier_tokens.end());
  merged.modifier_embeddings.insert(merged.modifier_embeddings.end(),
                                    adapter.modifier_embeddings.begin(),
                                    adapter.modifier_embeddings.end());
}

// The merged adapter, but with the model's own matrices.
Adapter start(const Engine& engine, const std::vector<const Adapter*>& adapters) {
  if (adapters.size() < 2) refuse("merging takes two adapters or more");
  Adapter merged = neutral_adapter(engine, kKind);
  merged.class_name = adapters.front()->class_name;
  json ingredients = json::array();
  for (const Adapter* adapter : adapters) {
    ingredients.push_back(ingredient(*adapter));
    append_tokens(engine, *adapter, merged);
    if (adapter->class_name != merged.class_name) merged.class_name.clear();
  }
  const auto taken = static_cast<std::size_t>(engine.manifest().max_modifier_tokens);
  if (merged.modifier_tokens.size() > taken) {
    refuse("the adapters have " + std::to_string(merged.modifier_tokens.size()) +
           " tokens together, this model takes " + std::to_string(taken) + "; merge fewer");
  }
  merged.training = json{{kMergedOf, std::move(ingredients)}}.dump(-1, ' ', false,
                                                                   json::error_handler_t::replace);
  return merged;
}

// One matrix (C_i, d) for each of K_1, V_1, ..., or Error.
void check_full(const Manifest& m) {
  const std::vector<TensorSpec>& tensors = m.adapter_kind(kKind).tensors;
  bool fits = tensors.size() == 2 * m.layers.size();
  for (std::size_t i = 0; fits && i < tensors.size(); ++i) {
    fits = tensors[i].shape == std::vector<std::int64_t>{m.layers[i / 2].channels, m.hidden_size};
  }
  if (!fits) {
    throw Error(ErrorCode::corrupt,
                "manifest.json: the adapter kind full does not hold one matrix for every layer's "
                "keys and values; export the bundle again");
  }
}

// One for each of the adapter's tokens.
std::vector<TargetPrompt> target_prompts(const Tokenizer& tokenizer, const Adapter& adapter) {
  std::vector<TargetPrompt> prompts;
  for (const std::string& token : adapter.modifier_tokens) {
    const std::string words = adapter.class_name.empty() ? token : token + " " + adapter.class_name;
    const std::string prompt = "a photo of a " + words;
    const std::size_t last = tokenizer.encode_raw(prompt).size();  // position 0 is the start's
    const std::size_t count = std::min(tokenizer.encode_raw(words).size(), last);
    prompts.push_back({token, tokenize(tokenizer, prompt), last - count + 1, last});
  }
  return prompts;
}

// The rows of a tensor of the prompts, (prompts, n, width), that follow from words on, below those
// that `to` has.
void append_rows(const std::vector<float>& tensor, const std::vector<TargetPrompt>& prompts,
                 std::size_t length, Matrix& to) {
  for (std::size_t p = 0; p < prompts.size(); ++p) {
    for (std::size_t at = prompts[p].first; at < length; ++at) {
      const auto row = tensor.begin() + static_cast<std::ptrdiff_t>((p * length + at) * to.columns);
      to.values.insert(to.values.end(), row, row + static_cast<std::ptrdiff_t>(to.columns));
      ++to.rows;
    }
  }
}

// C, and V for each of K_1, V_1, ...
struct Constraints {
  Matrix targets;
  std::vector<Matrix> values;
  std::vector<double> slack;
  std::vector<std::string> tokens;  // whose row it is

  explicit Constraints(const Manifest& m) : targets(0, static_cast<std::size_t>(m.hidden_size)) {
    for (const Layer& layer : m.layers) {
      values.insert(values.end(), 2, Matrix(0, static_cast<std::size_t>(layer.channels)));
    }
  }
};

// What the adapter makes of its own prompts, by its own kind's program.
void append_constraints(const Engine& engine, const Adapter& adapter, const Tokenizer& tokenizer,
                        const std::vector<float>& modifiers, Constraints& constraints) {
  const Manifest& m = engine.manifest();
  const auto length = static_cast<std::size_t>(m.max_length);
  const std::vector<TargetPrompt> prompts = target_prompts(tokenizer, adapter);
  std::vector<TokenIds> ids;
  for (const TargetPrompt& prompt : prompts) {
    ids.push_back(prompt.ids);
    for (std::size_t at = prompt.first; at < length; ++at) {
      constraints.slack.push_back(at <= prompt.last ? 0.0 : kEndSlack);
      constraints.tokens.push_back(prompt.token);
    }
  }
  const std::vector<float> hidden = encode_text(engine, ids, modifiers);
  const std::string whose = " of " + printable(adapter.modifier_tokens.front());
  check_finite(hidden, "the text state" + whose, kUnusable);
  append_rows(hidden, prompts, length, constraints.targets);
  const KeysValues keys_values =
      project_kv(engine, m.adapter_kind(adapter.kind), adapter.tensors, hidden, ids.size());
  for (std::size_t i = 0; i < keys_values.size(); ++i) {
    check_finite(keys_values[i], "the keys or values" + whose, kUnusable);
    append_rows(keys_values[i], prompts, length, constraints.values[i]);
  }
}

}  // namespace

Adapter merge_adapters(const Engine& engine, const std::vector<const Adapter*>& adapters) {
  const Manifest& m = engine.manifest();
  check_full(m);
  Adapter merged = start(engine, adapters);
  const Tokenizer tokenizer = tokenizer_with(engine, merged);
  const std::vector<float> modifiers = pad_modifiers(m, merged.modifier_embeddings);
  Constraints constraints(m);
  for (const Adapter* adapter : adapters) {
    append_constraints(engine, *adapter, tokenizer, modifiers, constraints);
  }
  // But the start's state, which all prompts share.
  Matrix gram = gram_of_captions(engine, prior_captions(engine.manifest()), 1);
  const ConstrainedUpdate update(std::move(gram), constraints.targets, constraints.slack);
  if (const auto row = update.dependent_target()) {
    refuse("the words of " + printable(constraints.tokens[*row]) +
           " read to the model as others of these adapters do, so they cannot be told apart; train "
           "one again with a modifier_learning_rate above 0, or with another class_name");
  }
  for (std::size_t i = 0; i < merged.tensors.size(); ++i) {
    merged.tensors[i] = update.apply(merged.tensors[i], constraints.values[i]);
    check_finite(merged.tensors[i], "the merged " + m.adapter_kind(kKind).tensors[i].name,
                 "train the adapters again with a lower learning rate");
  }
  return merged;
}

}  // namespace likeness
