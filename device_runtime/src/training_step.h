// One training step: text to keys and values, through the UNet and back, and the optimizers.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "adamw.h"
#include "adapter.h"
#include "adapter_optimizer.h"
#include "engine.h"
#include "loss_scale.h"
#include "settings.h"
#include "text_metric.h"
#include "training_batch.h"

namespace likeness {

// Everything that changes from step to step; with the settings and the views it is the session.
struct TrainingState {
  std::int64_t step = 0;  // steps taken
  Adapter adapter;
  AdapterOptimizer adapter_optimizer;  // of the adapter's tensors, in order
  AdamW modifier_optimizer;            // of the modifier embeddings, one tensor
  LossScale loss_scale;
};

struct Gradients {
  double loss = 0.0;
  TensorValues adapter;
  std::vector<float> modifiers;  // (m, d); empty where they are not trained
};

class TrainingStep {
 public:
  // Both must outlive the object.
  TrainingStep(const Engine& engine, const TrainSettings& settings);

  TrainingState initial_state() const;

  // Computed at the state's loss scale and divided by it again. Where they overflow, lowers the
  // scale until they do not; apply() says what is wrong with those that are not finite unscaled
  // either. `between_stages` is called often and may throw to stop.
  Gradients gradients(TrainingState& state, const TrainingBatch& batch,
                      const std::function<void()>& between_stages = {});

  // Clips, updates and counts the step. Throws Error{not_finite} where the loss, a gradient or a
  // new value is not finite; after the first two the state is as it was.
  void apply(Gradients gradients, TrainingState& state);

 private:
  Gradients gradients_at(std::int64_t scale, const Adapter& adapter, const TrainingBatch& batch,
                         const std::function<void()>& between_stages);
  std::vector<float> text_states(const Adapter& adapter, const TrainingBatch& batch);
  const std::vector<float>& constant_text_state(const TokenIds& prompt);
  const TextMetric* text_metric();

  const Engine& engine_;
  const TrainSettings& settings_;
  const AdapterKind& kind_;
  // Text states of prior captions. They contain no modifier token, so they never change.
  std::map<TokenIds, std::vector<float>> constant_states_;
  std::optional<TextMetric> text_metric_;
};

}  // namespace likeness
