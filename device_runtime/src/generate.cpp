#include "generate.h"

#include <algorithm>
#include <map>
#include <memory>

#include "autoencoder.h"
#include "philox.h"
#include "samplers.h"
#include "stages.h"
#include "text.h"

namespace likeness {
namespace {

// The prompts of one picture, in the order of its rows.
enum Prompt : std::size_t { kConditional = 0, kUnconditional = 1 };

// Calls `denoise` for any number of (latent, prompt) rows: rows are packed into the method's batch,
// the last one padded with its own last row.
class Denoiser {
 public:
  Denoiser(const Engine& engine, KeysValues keys_values)
      : engine_(engine),
        keys_values_(std::move(keys_values)),
        batch_(engine.manifest().denoise_batch) {}

  std::size_t calls(std::size_t rows) const { return (rows + batch_ - 1) / batch_; }

  // out[row] = model output for x_t = latents of picture row / prompts, prompt row % prompts.
  void run(const std::vector<float>& latents, std::size_t prompts, float t,
           const std::function<void()>& before_call, std::vector<float>& out) {
    const std::size_t count = engine_.manifest().latent_count();
    const std::size_t rows = out.size() / count;
    const std::vector<float> timesteps(batch_, t);
    std::vector<float> x_t(batch_ * count), output(batch_ * count);
    for (std::size_t first = 0; first < rows; first += batch_) {
      std::vector<std::size_t> slots;
      for (std::size_t slot = 0; slot < batch_; ++slot) {
        const std::size_t row = std::min(first + slot, rows - 1);
        slots.push_back(row % prompts);
        std::copy_n(latents.begin() + static_cast<std::ptrdiff_t>(row / prompts * count), count,
                    x_t.begin() + static_cast<std::ptrdiff_t>(slot * count));
      }
      before_call();
      StagedCall call;
      call.inputs = {x_t.data(), timesteps.data()};
      for (const auto& tensor : keys_values_of(slots)) call.inputs.push_back(tensor.data());
      call.outputs = {output.data()};
      run_denoise(engine_.programs(), engine_.manifest(), call);
      const std::size_t kept = std::min(batch_, rows - first);
      std::copy_n(output.begin(), kept * count,
                  out.begin() + static_cast<std::ptrdiff_t>(first * count));
    }
  }

 private:
  // Keys and values of a batch whose slots have these prompts: few patterns, made once each.
  const KeysValues& keys_values_of(const std::vector<std::size_t>& slots) {
    KeysValues& batch = patterns_[slots];
    if (!batch.empty()) return batch;
    for (std::size_t i = 0; i < keys_values_.size(); ++i) {
      const std::size_t count = engine_.manifest().key_count(i);
      std::vector<float> tensor;
      for (const std::size_t prompt : slots) {
        const auto row = keys_values_[i].begin() + static_cast<std::ptrdiff_t>(prompt * count);
        tensor.insert(tensor.end(), row, row + static_cast<std::ptrdiff_t>(count));
      }
      batch.push_back(std::move(tensor));
    }
    return batch;
  }

  const Engine& engine_;
  KeysValues keys_values_;  // one row a prompt
  std::size_t batch_;
  std::map<std::vector<std::size_t>, KeysValues> patterns_;
};

}  // namespace

std::vector<Image> generate(const Engine& engine, const Adapter& adapter,
                            const SampleSettings& settings,
                            const std::function<void(std::size_t, std::size_t)>& progress) {
  const Manifest& m = engine.manifest();
  check_settings(settings, m);
  const Tokenizer tokenizer = tokenizer_with(engine, adapter);
  std::vector<TokenIds> prompts = {tokenize(tokenizer, settings.prompt)};
  const bool guided = settings.guidance_scale != 1.0;  // "Classifier-Free Diffusion Guidance"
  if (guided) prompts.push_back(tokenize(tokenizer, settings.negative_prompt));
  const std::vector<float> hidden =
      encode_text(engine, prompts, pad_modifiers(m, adapter.modifier_embeddings));
  Denoiser denoiser(engine, project_kv(engine, m.adapter_kind(adapter.kind), adapter.tensors,
                                       hidden, prompts.size()));

  const auto pictures = static_cast<std::size_t>(settings.count);
  const std::size_t count = m.latent_count();
  std::vector<float> latents(pictures * count), combined(pictures * count);
  for (std::size_t p = 0; p < pictures; ++p) {
    fill_normal(latents.data() + p * count, count, settings.seed, RandomStream::kInitialLatents, p);
  }
  std::vector<float> output(pictures * prompts.size() * count);
  const auto sampler = make_sampler(parse_sampler_kind(settings.sampler), engine.schedule(),
                                    static_cast<int>(settings.steps));
  const std::size_t total =
      denoiser.calls(pictures * prompts.size()) * static_cast<std::size_t>(sampler->steps()) +
      pictures;
  std::size_t done = 0;
  for (int i = 0; i < sampler->steps(); ++i) {
    const auto t = static_cast<float>(sampler->timesteps()[static_cast<std::size_t>(i)]);
    denoiser.run(latents, prompts.size(), t, [&] { progress(done++, total); }, output);
    for (std::size_t p = 0; guided && p < pictures; ++p) {
      const float* rows = output.data() + p * 2 * count;
      combine_guidance(rows + kUnconditional * count, rows + kConditional * count,
                       static_cast<float>(settings.guidance_scale), count,
                       combined.data() + p * count);
    }
    sampler->step(i, guided ? combined.data() : output.data(), latents.size(), latents.data());
  }
  check_finite(latents, "the picture",
               "use another adapter, or one trained with a lower learning rate");
  std::vector<Image> images;
  for (std::size_t p = 0; p < pictures; ++p) {
    progress(done++, total);
    images.push_back(std::move(decode_latents(engine, latents.data() + p * count, 1).front()));
  }
  progress(total, total);
  return images;
}

}  // namespace likeness
