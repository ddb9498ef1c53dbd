#include "text.h"

#include <algorithm>

#include "error.h"

namespace likeness {
namespace {

// `count` values a row, of rows [first, first + rows) of `from`; the rest of a batch is zeros.
std::vector<float> take_rows(const std::vector<float>& from, std::size_t first, std::size_t rows,
                             std::size_t batch, std::size_t count) {
  std::vector<float> taken(batch * count, 0.0f);
  std::copy_n(from.begin() + static_cast<std::ptrdiff_t>(first * count), rows * count,
              taken.begin());
  return taken;
}

void put_rows(const std::vector<float>& taken, std::size_t first, std::size_t rows,
              std::size_t count, std::vector<float>& to) {
  std::copy_n(taken.begin(), rows * count, to.begin() + static_cast<std::ptrdiff_t>(first * count));
}

void add(const std::vector<float>& part, std::vector<float>& sum) {
  for (std::size_t i = 0; i < part.size(); ++i) sum[i] += part[i];
}

// Ids of one batch; padding rows are empty prompts, whose gradient of zero reaches nothing.
std::vector<std::int64_t> take_ids(const Engine& engine, const std::vector<TokenIds>& prompts,
                                   std::size_t first, std::size_t rows) {
  const Manifest& m = engine.manifest();
  const TokenIds padding = rows < m.text_batch ? engine.tokenizer().encode("") : TokenIds();
  std::vector<std::int64_t> ids;
  for (std::size_t row = 0; row < m.text_batch; ++row) {
    const TokenIds& prompt = row < rows ? prompts[first + row] : padding;
    ids.insert(ids.end(), prompt.begin(), prompt.end());
  }
  return ids;
}

template <typename Visit>
void for_each_batch(std::size_t rows, std::size_t batch, Visit visit) {
  for (std::size_t first = 0; first < rows; first += batch) {
    visit(first, std::min(batch, rows - first));
  }
}

std::vector<const void*> with_adapter(const std::vector<float>& hidden,
                                      const TensorValues& adapter) {
  std::vector<const void*> inputs = {hidden.data()};
  for (const auto& tensor : adapter) inputs.push_back(tensor.data());
  return inputs;
}

}  // namespace

bool fits(const Tokenizer& tokenizer, const std::string& prompt) {
  return tokenizer.encode_raw(prompt).size() + 2 <=
         static_cast<std::size_t>(tokenizer.config().max_length);
}

TokenIds tokenize(const Tokenizer& tokenizer, const std::string& prompt) {
  if (!fits(tokenizer, prompt)) {
    const std::size_t used = tokenizer.encode_raw(prompt).size();
    const auto room = static_cast<std::size_t>(tokenizer.config().max_length - 2);
    throw Error(ErrorCode::invalid_argument, "the prompt has " + std::to_string(used) +
                                                 " tokens, this model reads " +
                                                 std::to_string(room) + "; shorten it");
  }
  return tokenizer.encode(prompt);
}

std::vector<float> pad_modifiers(const Manifest& manifest, const std::vector<float>& embeddings) {
  std::vector<float> padded = embeddings;
  padded.resize(static_cast<std::size_t>(manifest.max_modifier_tokens * manifest.hidden_size));
  return padded;
}

std::vector<float> encode_text(const Engine& engine, const std::vector<TokenIds>& prompts,
                               const std::vector<float>& modifiers) {
  const Manifest& m = engine.manifest();
  const std::size_t count = m.hidden_count();
  std::vector<float> hidden(prompts.size() * count);
  std::vector<float> batch_hidden(m.text_batch * count);
  for_each_batch(prompts.size(), m.text_batch, [&](std::size_t first, std::size_t rows) {
    const auto ids = take_ids(engine, prompts, first, rows);
    engine.programs().run(m.method("encode_text").program(), {ids.data(), modifiers.data()},
                          {batch_hidden.data()});
    put_rows(batch_hidden, first, rows, count, hidden);
  });
  return hidden;
}

void encode_text_vjp(const Engine& engine, const std::vector<TokenIds>& prompts,
                     const std::vector<float>& modifiers, const std::vector<float>& d_hidden,
                     std::vector<float>& d_modifiers) {
  const Manifest& m = engine.manifest();
  std::vector<float> part(d_modifiers.size());
  for_each_batch(prompts.size(), m.text_batch, [&](std::size_t first, std::size_t rows) {
    const auto ids = take_ids(engine, prompts, first, rows);
    const auto gradient = take_rows(d_hidden, first, rows, m.text_batch, m.hidden_count());
    engine.programs().run(m.method("encode_text_vjp").program(),
                          {ids.data(), modifiers.data(), gradient.data()}, {part.data()});
    add(part, d_modifiers);
  });
}

KeysValues project_kv(const Engine& engine, const AdapterKind& kind, const TensorValues& adapter,
                      const std::vector<float>& hidden, std::size_t rows) {
  const Manifest& m = engine.manifest();
  KeysValues all, batch;
  for (std::size_t i = 0; i < 2 * m.layers.size(); ++i) {
    all.emplace_back(rows * m.key_count(i));
    batch.emplace_back(m.text_batch * m.key_count(i));
  }
  std::vector<void*> outputs;
  for (auto& tensor : batch) outputs.push_back(tensor.data());
  for_each_batch(rows, m.text_batch, [&](std::size_t first, std::size_t part) {
    const auto states = take_rows(hidden, first, part, m.text_batch, m.hidden_count());
    engine.programs().run(m.method(kind.project_kv).program(), with_adapter(states, adapter),
                          outputs);
    for (std::size_t i = 0; i < all.size(); ++i) {
      put_rows(batch[i], first, part, m.key_count(i), all[i]);
    }
  });
  return all;
}

std::vector<float> project_kv_vjp(const Engine& engine, const AdapterKind& kind,
                                  const TensorValues& adapter, const std::vector<float>& hidden,
                                  std::size_t rows, const KeysValues& d_keys_values,
                                  TensorValues& d_adapter) {
  const Manifest& m = engine.manifest();
  std::vector<float> d_hidden(rows * m.hidden_count());
  std::vector<float> batch_d_hidden(m.text_batch * m.hidden_count());
  TensorValues parts;
  std::vector<void*> outputs = {batch_d_hidden.data()};
  for (const auto& tensor : adapter) parts.emplace_back(tensor.size());
  for (auto& part : parts) outputs.push_back(part.data());
  for_each_batch(rows, m.text_batch, [&](std::size_t first, std::size_t part) {
    const auto states = take_rows(hidden, first, part, m.text_batch, m.hidden_count());
    KeysValues gradients;
    for (std::size_t i = 0; i < d_keys_values.size(); ++i) {
      gradients.push_back(take_rows(d_keys_values[i], first, part, m.text_batch, m.key_count(i)));
    }
    std::vector<const void*> inputs = with_adapter(states, adapter);
    for (const auto& gradient : gradients) inputs.push_back(gradient.data());
    engine.programs().run(m.method(kind.project_kv_vjp).program(), inputs, outputs);
    put_rows(batch_d_hidden, first, part, m.hidden_count(), d_hidden);
    for (std::size_t i = 0; i < parts.size(); ++i) add(parts[i], d_adapter[i]);
  });
  return d_hidden;
}

}  // namespace likeness
