// What a session will need, from the manifest alone: nothing is loaded to find out.
#include <algorithm>

#include "session.h"
#include "stages.h"

namespace likeness {
namespace {

constexpr std::size_t kFixedBytes = 32 << 20;  // code, runtime, tokenizer

std::size_t tensor_bytes(const AdapterKind& kind) {
  std::size_t bytes = 0;
  for (const TensorSpec& spec : kind.tensors) bytes += spec.bytes();
  return bytes;
}

std::size_t keys_values_bytes(const Manifest& m, std::size_t rows) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < 2 * m.layers.size(); ++i) count += rows * m.key_count(i);
  return count * sizeof(float);
}

}  // namespace

void estimate_memory(const Engine& engine, const TrainSettings& settings, SessionPlan& plan) {
  const Manifest& m = engine.manifest();
  const ProgramStore& programs = engine.programs();
  const AdapterKind& kind = m.adapter_kind(settings.adapter_kind);
  std::vector<std::string> names = {"encode_text", kind.project_kv, kind.project_kv_vjp,
                                    "train_step"};
  if (settings.modifier_learning_rate > 0) names.push_back("encode_text_vjp");
  if (settings.preview_every > 0) names.insert(names.end(), {"denoise", "decode_latents"});

  std::size_t resident = 0, largest = 0;
  for (const std::string& name : names) {
    resident += programs.memory_estimate(m.method(name));
    largest = std::max(largest, programs.largest_program(m.method(name)));
  }
  // The image encoder runs before the others and is unloaded.
  std::size_t first = programs.memory_estimate(m.method("encode_image"));
  if (settings.caption_places) {  // so do these
    std::size_t naming = 0;
    for (const std::string& name :
         {std::string("encode_text"), kind.project_kv, std::string("denoise")}) {
      naming += programs.memory_estimate(m.method(name));
    }
    first = std::max(first, naming);
  }

  const std::size_t view_bytes =
      plan.views * (2 * m.latent_count() + m.latent_cells()) * sizeof(float);
  const std::size_t adapter = tensor_bytes(kind);
  // Values, two moments, a gradient, and the parts a program gives; checkpoints are put together in
  // memory. Keys, values and their gradients, for the text batch and the training batch.
  const std::size_t working = 5 * adapter + 3 * adapter + view_bytes +
                              2 * keys_values_bytes(m, m.train_batch + m.text_batch) +
                              activation_bytes(m, m.method("train_step")) +
                              engine.prior_latents().size() * sizeof(float) +
                              engine.token_embeddings().size() * sizeof(float) + kFixedBytes;
  plan.resident_memory_bytes = working + std::max(resident, first);
  const std::size_t budget = programs.budget_bytes();
  plan.staged = budget > 0 && resident > budget;
  plan.memory_bytes = plan.staged ? working + std::max(std::max(budget, first), largest)
                                  : plan.resident_memory_bytes;
  plan.journal_bytes = view_bytes + 2 * 3 * adapter;
}

}  // namespace likeness
