// The UNet without its gradients, for any number of latents and prompts.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <vector>

#include "engine.h"
#include "text.h"

namespace likeness {

// Calls `denoise` for rows of (latent, prompt): they are packed into the method's batch, the last
// one padded with its own last row.
class Denoiser {
 public:
  // One row of keys and values a prompt.
  Denoiser(const Engine& engine, KeysValues keys_values);

  std::size_t calls(std::size_t rows) const { return (rows + batch_ - 1) / batch_; }

  // out[row] = model output for x_t = latents of picture row / prompts, prompt row % prompts.
  // `before_call` may throw to stop.
  void run(const std::vector<float>& latents, std::size_t prompts, float t,
           const std::function<void()>& before_call, std::vector<float>& out);

 private:
  const KeysValues& keys_values_of(const std::vector<std::size_t>& slots);

  const Engine& engine_;
  KeysValues keys_values_;
  std::size_t batch_;
  std::map<std::vector<std::size_t>, KeysValues> patterns_;
};

}  // namespace likeness
