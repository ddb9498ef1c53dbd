// What moves an adapter's matrices: AdamW or Muon, as the settings say.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "adamw.h"
#include "manifest.h"
#include "muon.h"
#include "settings.h"

namespace likeness {

using Moments = std::vector<std::vector<float>>;  // as many tensors, and as large, as the adapter's

// Moments of an optimizer, under the name that journals keep them by. Not owned.
struct NamedMoments {
  std::string name;
  const Moments* tensors;
};

// AdamW's settings, for the token's embedding too.
AdamWSettings adamw_settings(const TrainSettings& settings);

// Error{invalid_argument} for a name that is none, for a weight that AdamW does not know, and where
// Muon is to train what is no matrix.
void check_optimizer(const TrainSettings& settings, const AdapterKind& kind);

class AdapterOptimizer {
 public:
  AdapterOptimizer(const TrainSettings& settings, const AdapterKind& kind);
  // Goes on after `step` steps with the moments of moment_names(), in its order.
  AdapterOptimizer(const TrainSettings& settings, const AdapterKind& kind, std::int64_t step,
                   std::vector<Moments> moments);

  // Names of what this optimizer remembers.
  static std::vector<std::string> moment_names(const TrainSettings& settings);
  std::vector<NamedMoments> moments() const;

  // One update of every tensor, in the adapter's order. AdamW knows no metric.
  void step(double learning_rate, const std::vector<TrainedTensor>& tensors,
            const TextMetric* metric);

 private:
  std::variant<AdamW, Muon> optimizer_;
};

}  // namespace likeness
