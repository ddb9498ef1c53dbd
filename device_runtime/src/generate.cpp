#include "generate.h"

#include <memory>

#include "autoencoder.h"
#include "denoiser.h"
#include "philox.h"
#include "samplers.h"
#include "text.h"

namespace likeness {
namespace {

// The prompts of one picture, in the order of its rows.
enum Prompt : std::size_t { kConditional = 0, kUnconditional = 1 };

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
