// The methods table of docs/bundle.md: how many tensors each method takes and gives, and their
// shapes.
#include <string>
#include <vector>

#include "error.h"
#include "manifest.h"

namespace likeness {
namespace {

using Shape = std::vector<std::int64_t>;

struct Signature {
  std::vector<TensorSpec> inputs;
  std::vector<TensorSpec> outputs;
};

std::string shape_text(const Shape& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  }
  return text + "]";
}

[[noreturn]] void fail(const std::string& what) {
  throw Error(ErrorCode::corrupt, "manifest.json: " + what + "; export the bundle again");
}

class Signatures {
 public:
  explicit Signatures(const Manifest& m) : m_(m) {}

  void check() const {
    const TensorSpec pixels{"pixels", TensorType::f32, {batch(m_.image_batch), 3, size(), size()}};
    const TensorSpec image_latents = latents(m_.image_batch);
    check("encode_image", {{pixels}, {image_latents, image_latents}});
    check("decode_latents", {{image_latents}, {pixels}});

    const TensorSpec ids{"token ids", TensorType::i64, {batch(m_.text_batch), m_.max_length}};
    const TensorSpec modifiers{
        "modifier embeddings", TensorType::f32, {m_.max_modifier_tokens, m_.hidden_size}};
    const TensorSpec hidden{
        "hidden", TensorType::f32, {batch(m_.text_batch), m_.max_length, m_.hidden_size}};
    check("encode_text", {{ids, modifiers}, {hidden}});
    check("encode_text_vjp", {{ids, modifiers, hidden}, {modifiers}});

    if (m_.adapters.empty()) fail("\"adapters\" is empty");
    for (const auto& [name, kind] : m_.adapters) {
      Signature forward{{hidden}, keys_values(m_.text_batch)};
      append(forward.inputs, kind.tensors);
      Signature backward{forward.inputs, {hidden}};
      append(backward.inputs, keys_values(m_.text_batch));
      append(backward.outputs, kind.tensors);
      check(kind.project_kv, forward);
      check(kind.project_kv_vjp, backward);
    }

    Signature denoise{{latents(m_.denoise_batch), rows("t", m_.denoise_batch)},
                      {latents(m_.denoise_batch)}};
    append(denoise.inputs, keys_values(m_.denoise_batch));
    check_staged("denoise", denoise, false);

    const TensorSpec weight{
        "weight", TensorType::f32, {batch(m_.train_batch), 1, m_.latent_size, m_.latent_size}};
    Signature train{{latents(m_.train_batch), rows("t", m_.train_batch)},
                    {rows("loss", m_.train_batch)}};
    append(train.inputs, keys_values(m_.train_batch));
    append(train.inputs, {latents(m_.train_batch), weight});
    append(train.outputs, keys_values(m_.train_batch));
    check_staged("train_step", train, true);
  }

 private:
  static std::int64_t batch(std::size_t rows) { return static_cast<std::int64_t>(rows); }
  static void append(std::vector<TensorSpec>& to, const std::vector<TensorSpec>& from) {
    to.insert(to.end(), from.begin(), from.end());
  }
  std::int64_t size() const { return m_.image_size; }

  TensorSpec latents(std::size_t b) const {
    return {
        "latents", TensorType::f32, {batch(b), m_.latent_channels, m_.latent_size, m_.latent_size}};
  }
  static TensorSpec rows(const char* name, std::size_t b) {
    return {name, TensorType::f32, {batch(b)}};
  }
  std::vector<TensorSpec> keys_values(std::size_t b) const {
    std::vector<TensorSpec> all;
    for (const Layer& layer : m_.layers) {
      const Shape shape = {batch(b), m_.max_length, layer.channels};
      all.push_back({"K of " + layer.name, TensorType::f32, shape});
      all.push_back({"V of " + layer.name, TensorType::f32, shape});
    }
    return all;
  }

  void check(const std::string& name, const Signature& expected) const {
    const Method& method = m_.method(name);
    if (method.stages.size() != 1) fail("method " + name + " has more than one stage");
    match(name + " inputs", method.program().inputs, expected.inputs);
    match(name + " outputs", method.program().outputs, expected.outputs);
  }

  // With several stages the tensors between them are the exporter's affair; what enters and leaves
  // is found by role when the stages run.
  void check_staged(const std::string& name, const Signature& expected, bool training) const {
    const Method& method = m_.method(name);
    for (std::size_t i = 0; i < method.stages.size(); ++i) {
      const bool backward_only = training && i + 1 == method.stages.size();
      const Stage& stage = method.stages[i];
      if (backward_only ? stage.forward || !stage.backward : !stage.forward) {
        fail("stage " + std::to_string(i) + " of " + name + " must have a " +
             (backward_only ? "backward only" : "forward"));
      }
    }
    if (method.stages.size() == 1) check(name, expected);
  }

  void match(const std::string& where, const std::vector<std::string>& names,
             const std::vector<TensorSpec>& expected) const {
    if (names.size() != expected.size()) {
      fail(where + ": " + std::to_string(names.size()) + " tensors instead of " +
           std::to_string(expected.size()));
    }
    for (std::size_t i = 0; i < names.size(); ++i) {
      const TensorSpec& actual = m_.tensor(names[i]);
      if (actual.shape != expected[i].shape || actual.type != expected[i].type) {
        fail(where + "[" + std::to_string(i) + "]: " + names[i] + " is " + type_name(actual.type) +
             " " + shape_text(actual.shape) + ", but " + expected[i].name + " must be " +
             type_name(expected[i].type) + " " + shape_text(expected[i].shape));
      }
    }
  }

  const Manifest& m_;
};

}  // namespace

void check_methods(const Manifest& manifest) { Signatures(manifest).check(); }

}  // namespace likeness
