#include "training_step.h"

#include <algorithm>
#include <cmath>

#include "caption_gram.h"
#include "error.h"
#include "lr_schedule.h"
#include "prior.h"
#include "stages.h"
#include "text.h"

namespace likeness {
namespace {

constexpr std::size_t kTextCacheBytes = 32 << 20;

// Of the class's captions in the text metric, over all prior captions'.
constexpr double kClassWeight = 10;

LossScale initial_loss_scale(const Manifest& manifest) {
  return manifest.float16_training ? LossScale::start() : LossScale();
}

bool all_finite(const std::vector<float>& values) {
  return std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); });
}

bool all_finite(const Gradients& gradients) {
  return std::isfinite(gradients.loss) && all_finite(gradients.modifiers) &&
         std::all_of(gradients.adapter.begin(), gradients.adapter.end(),
                     [](const std::vector<float>& tensor) { return all_finite(tensor); });
}

// By a power of two: exact, but for results below the smallest normal number.
void divide(Gradients& gradients, double scale) {
  gradients.loss /= scale;
  for (auto& tensor : gradients.adapter) scale_in_place(tensor.data(), tensor.size(), 1.0 / scale);
  scale_in_place(gradients.modifiers.data(), gradients.modifiers.size(), 1.0 / scale);
}

// x x^T, summed over the text states x of all prior captions and of no words, which guidance starts
// from. The class's own captions, nearest to the subject's and so the first to suffer, weigh more.
Matrix gram_of_prior(const Engine& engine, const std::string& class_name) {
  const Manifest& m = engine.manifest();
  std::vector<std::string> captions = prior_captions(m);
  captions.emplace_back();
  const std::vector<std::string> own = choose_prior(m, class_name).captions;
  Matrix gram = gram_of_captions(engine, captions, 0);
  const Matrix class_gram = gram_of_captions(engine, own, 0);
  const double share = kClassWeight * static_cast<double>(captions.size()) /
                       static_cast<double>(std::max<std::size_t>(own.size(), 1));
  for (std::size_t i = 0; i < gram.values.size(); ++i) {
    gram.values[i] += share * class_gram.values[i];
  }
  return gram;
}

[[noreturn]] void diverged(const TrainingState& state, const std::string& what) {
  throw Error(ErrorCode::not_finite,
              "training stopped at step " + std::to_string(state.step + 1) + ": " + what +
                  " is not a finite number. The last checkpoint is kept; start again with a lower "
                  "learning rate");
}

}  // namespace

TrainingStep::TrainingStep(const Engine& engine, const TrainSettings& settings)
    : engine_(engine),
      settings_(settings),
      kind_(engine.manifest().adapter_kind(settings.adapter_kind)) {}

TrainingState TrainingStep::initial_state() const {
  Adapter adapter =
      initial_adapter(engine_, settings_.adapter_kind, settings_.token, settings_.class_name);
  AdapterOptimizer adapter_optimizer(settings_, kind_);
  AdamW modifier_optimizer(adamw_settings(settings_),
                           std::vector<size_t>{adapter.modifier_embeddings.size()});
  return {0, std::move(adapter), std::move(adapter_optimizer), std::move(modifier_optimizer),
          initial_loss_scale(engine_.manifest())};
}

const std::vector<float>& TrainingStep::constant_text_state(const TokenIds& prompt) {
  const auto found = constant_states_.find(prompt);
  if (found != constant_states_.end()) return found->second;
  const std::size_t bytes = engine_.manifest().hidden_count() * sizeof(float);
  if ((constant_states_.size() + 1) * bytes > kTextCacheBytes) constant_states_.clear();
  // Encoded alone, never beside others: its value must not depend on what was cached before, or a
  // resumed session could differ from one that was never interrupted.
  return constant_states_[prompt] =
             encode_text(engine_, {prompt}, pad_modifiers(engine_.manifest(), {}));
}

// (rows, n, d)
std::vector<float> TrainingStep::text_states(const Adapter& adapter, const TrainingBatch& batch) {
  const auto end = batch.prompts.begin() + static_cast<std::ptrdiff_t>(batch.instance_rows);
  std::vector<float> hidden =
      encode_text(engine_, {batch.prompts.begin(), end},
                  pad_modifiers(engine_.manifest(), adapter.modifier_embeddings));
  for (std::size_t row = batch.instance_rows; row < batch.prompts.size(); ++row) {
    const std::vector<float>& state = constant_text_state(batch.prompts[row]);
    hidden.insert(hidden.end(), state.begin(), state.end());
  }
  return hidden;
}

Gradients TrainingStep::gradients(TrainingState& state, const TrainingBatch& batch,
                                  const std::function<void()>& between_stages) {
  LossScale& scale = state.loss_scale;
  Gradients found = gradients_at(scale.scale(), state.adapter, batch, between_stages);
  while (scale.scale() > 1 && !all_finite(found)) {
    scale.lower();
    found = gradients_at(scale.scale(), state.adapter, batch, between_stages);
  }
  return found;
}

Gradients TrainingStep::gradients_at(std::int64_t scale, const Adapter& adapter,
                                     const TrainingBatch& batch,
                                     const std::function<void()>& between_stages) {
  const Manifest& m = engine_.manifest();
  const std::size_t rows = batch.prompts.size();
  const std::vector<float> hidden = text_states(adapter, batch);
  const KeysValues keys_values = project_kv(engine_, kind_, adapter.tensors, hidden, rows);

  StagedCall call;
  call.between_stages = between_stages;
  call.inputs = {batch.x_t.data(), batch.t.data()};
  for (const auto& tensor : keys_values) call.inputs.push_back(tensor.data());
  call.inputs.push_back(batch.target.data());
  std::vector<float> weight = batch.weight;  // the loss is linear in it
  scale_in_place(weight.data(), weight.size(), static_cast<double>(scale));
  call.inputs.push_back(weight.data());
  std::vector<float> loss(rows);
  KeysValues d_keys_values;
  call.outputs = {loss.data()};
  for (const auto& tensor : keys_values) d_keys_values.emplace_back(tensor.size());
  for (auto& tensor : d_keys_values) call.outputs.push_back(tensor.data());
  run_train_step(engine_.programs(), m, call);

  Gradients gradients;
  for (const float row : loss) gradients.loss += row;
  for (const auto& tensor : adapter.tensors) gradients.adapter.emplace_back(tensor.size());
  std::vector<float> d_hidden = project_kv_vjp(engine_, kind_, adapter.tensors, hidden, rows,
                                               d_keys_values, gradients.adapter);
  if (settings_.modifier_learning_rate > 0 && batch.instance_rows > 0) {
    // Only the instance's captions contain the token.
    d_hidden.resize(batch.instance_rows * m.hidden_count());
    const auto end = batch.prompts.begin() + static_cast<std::ptrdiff_t>(batch.instance_rows);
    gradients.modifiers = pad_modifiers(m, {});
    encode_text_vjp(engine_, {batch.prompts.begin(), end},
                    pad_modifiers(m, adapter.modifier_embeddings), d_hidden, gradients.modifiers);
  }
  // Only here: the programs on the way may compute in float16 too.
  divide(gradients, static_cast<double>(scale));
  return gradients;
}

// Made at the first step: a session that is only looked at does without.
const TextMetric* TrainingStep::text_metric() {
  if (settings_.prior_text_weight == 0) return nullptr;
  if (!text_metric_) {
    text_metric_.emplace(gram_of_prior(engine_, settings_.class_name), settings_.prior_text_weight);
  }
  return &*text_metric_;
}

void TrainingStep::apply(Gradients gradients, TrainingState& state) {
  if (!std::isfinite(gradients.loss)) diverged(state, "the loss");
  Adapter& adapter = state.adapter;
  std::vector<TrainedTensor> tensors;
  for (std::size_t i = 0; i < adapter.tensors.size(); ++i) {
    tensors.push_back(
        {adapter.tensors[i].data(), gradients.adapter[i].data(), adapter.tensors[i].size()});
  }
  const bool train_modifiers = settings_.modifier_learning_rate > 0;
  // Where a step had no instance row, the gradient is zero.
  gradients.modifiers.resize(adapter.modifier_embeddings.size());
  const TrainedTensor modifiers = {adapter.modifier_embeddings.data(), gradients.modifiers.data(),
                                   adapter.modifier_embeddings.size()};
  std::vector<TrainedTensor> all = tensors;
  if (train_modifiers) all.push_back(modifiers);
  const double norm = gradient_norm(all);
  if (!std::isfinite(norm)) diverged(state, "a gradient");
  if (settings_.max_grad_norm > 0) {
    const double factor = clip_factor(norm, settings_.max_grad_norm);
    if (factor < 1.0) {
      for (auto& gradient : gradients.adapter) {
        scale_in_place(gradient.data(), gradient.size(), factor);
      }
      scale_in_place(gradients.modifiers.data(), gradients.modifiers.size(), factor);
    }
  }

  const double factor = lr_factor(parse_lr_schedule(settings_.lr_schedule), state.step,
                                  settings_.warmup_steps, settings_.steps);
  state.adapter_optimizer.step(settings_.learning_rate * factor, tensors, text_metric());
  if (train_modifiers) {
    state.modifier_optimizer.step(settings_.modifier_learning_rate * factor, {modifiers});
  }
  for (const auto& tensor : all) {
    for (std::size_t i = 0; i < tensor.count; ++i) {
      if (!std::isfinite(tensor.values[i])) diverged(state, "a trained value");
    }
  }
  state.step += 1;
  state.loss_scale.count_step();
}

}  // namespace likeness
