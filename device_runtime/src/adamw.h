// "Decoupled Weight Decay Regularization" (Loshchilov & Hutter 2019): AdamW with float32 moments.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace likeness {

struct AdamWSettings {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 1e-2;
};

// Everything the optimizer remembers, as plain numbers: journal it and the session can go on.
struct AdamWState {
  int64_t step = 0;                            // steps taken
  std::vector<std::vector<float>> exp_avg;     // first moments, one vector a tensor
  std::vector<std::vector<float>> exp_avg_sq;  // second moments
};

// A tensor that is trained, and its gradient; neither is owned.
struct TrainedTensor {
  float* values;
  const float* gradient;
  size_t count;
};

class AdamW {
 public:
  // Moments of zero for tensors of these sizes. Error if a setting is out of its range.
  AdamW(const AdamWSettings& settings, const std::vector<size_t>& tensor_sizes);
  // Goes on from a journalled state. Error if its vectors do not match each other.
  AdamW(const AdamWSettings& settings, AdamWState state);

  // One update of every tensor. Tensors come in the order and sizes of the state; Error otherwise.
  void step(double learning_rate, const std::vector<TrainedTensor>& tensors);

  const AdamWState& state() const { return state_; }

 private:
  AdamWSettings settings_;
  AdamWState state_;
};

// Euclidean norm over all gradients together, summed in double in a fixed order. Not finite when a
// gradient is not: the caller skips the step or reports it.
double gradient_norm(const std::vector<TrainedTensor>& tensors);

// The factor that brings a norm down to max_norm, 1 if it is below already ("On the difficulty of
// training recurrent neural networks", Pascanu et al. 2013).
double clip_factor(double norm, double max_norm);

// values *= factor
void scale_in_place(float* values, size_t count, double factor);

}  // namespace likeness
