#include "denoiser.h"

#include <algorithm>

#include "stages.h"

namespace likeness {

Denoiser::Denoiser(const Engine& engine, KeysValues keys_values)
    : engine_(engine),
      keys_values_(std::move(keys_values)),
      batch_(engine.manifest().denoise_batch) {}

void Denoiser::run(const std::vector<float>& latents, std::size_t prompts, float t,
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

// Keys and values of a batch whose slots have these prompts: few patterns, made once each.
const KeysValues& Denoiser::keys_values_of(const std::vector<std::size_t>& slots) {
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

}  // namespace likeness
