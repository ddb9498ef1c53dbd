#include "adapter_optimizer.h"

#include <utility>

#include "error.h"

namespace likeness {
namespace {

constexpr char kAdamW[] = "adamw";
constexpr char kMuon[] = "muon";

// What journals call an optimizer's memory.
constexpr char kMomentum[] = "momentum";
constexpr char kExpAvg[] = "exp_avg";
constexpr char kExpAvgSq[] = "exp_avg_sq";

MuonSettings muon_settings(const TrainSettings& settings) {
  MuonSettings muon;
  muon.weight_decay = settings.weight_decay;
  return muon;
}

std::vector<std::size_t> sizes_of(const AdapterKind& kind) {
  std::vector<std::size_t> sizes;
  for (const TensorSpec& tensor : kind.tensors) sizes.push_back(tensor.count());
  return sizes;
}

std::vector<MatrixShape> shapes_of(const AdapterKind& kind) {
  std::vector<MatrixShape> shapes;
  for (const TensorSpec& tensor : kind.tensors) {
    shapes.push_back({static_cast<std::size_t>(tensor.shape.at(0)),
                      static_cast<std::size_t>(tensor.shape.at(1))});
  }
  return shapes;
}

std::variant<AdamW, Muon> from_nothing(const TrainSettings& settings, const AdapterKind& kind) {
  check_optimizer(settings, kind);
  if (settings.optimizer == kMuon) return Muon(muon_settings(settings), shapes_of(kind));
  return AdamW(adamw_settings(settings), sizes_of(kind));
}

std::variant<AdamW, Muon> from_moments(const TrainSettings& settings, const AdapterKind& kind,
                                       std::int64_t step, std::vector<Moments> moments) {
  check_optimizer(settings, kind);
  if (settings.optimizer == kMuon) {
    return Muon(muon_settings(settings), shapes_of(kind), std::move(moments.at(0)));
  }
  return AdamW(adamw_settings(settings),
               AdamWState{step, std::move(moments.at(0)), std::move(moments.at(1))});
}

}  // namespace

AdamWSettings adamw_settings(const TrainSettings& settings) {
  AdamWSettings adamw;
  adamw.weight_decay = settings.weight_decay;
  return adamw;
}

void check_optimizer(const TrainSettings& settings, const AdapterKind& kind) {
  const std::string& name = settings.optimizer;
  if (name == kAdamW) {
    if (settings.prior_text_weight == 0) return;
    throw Error(ErrorCode::invalid_argument,
                "prior_text_weight needs the optimizer muon; with adamw it must be 0");
  }
  if (name != kMuon) {
    throw Error(ErrorCode::invalid_argument,
                "Unknown optimizer \"" + name + "\": this engine knows adamw and muon.");
  }
  for (const TensorSpec& tensor : kind.tensors) {
    if (tensor.shape.size() != 2) {
      throw Error(ErrorCode::invalid_argument, "optimizer is muon, which trains matrices, and " +
                                                   tensor.name + " of this adapter is none; " +
                                                   "choose adamw");
    }
  }
}

AdapterOptimizer::AdapterOptimizer(const TrainSettings& settings, const AdapterKind& kind)
    : optimizer_(from_nothing(settings, kind)) {}

AdapterOptimizer::AdapterOptimizer(const TrainSettings& settings, const AdapterKind& kind,
                                   std::int64_t step, std::vector<Moments> moments)
    : optimizer_(from_moments(settings, kind, step, std::move(moments))) {}

std::vector<std::string> AdapterOptimizer::moment_names(const TrainSettings& settings) {
  if (settings.optimizer == kMuon) return {kMomentum};
  return {kExpAvg, kExpAvgSq};
}

std::vector<NamedMoments> AdapterOptimizer::moments() const {
  if (const Muon* muon = std::get_if<Muon>(&optimizer_)) return {{kMomentum, &muon->momentum()}};
  const AdamWState& state = std::get<AdamW>(optimizer_).state();
  return {{kExpAvg, &state.exp_avg}, {kExpAvgSq, &state.exp_avg_sq}};
}

void AdapterOptimizer::step(double learning_rate, const std::vector<TrainedTensor>& tensors,
                            const TextMetric* metric) {
  if (Muon* const muon = std::get_if<Muon>(&optimizer_)) {
    muon->step(learning_rate, tensors, metric);
  } else {
    std::get<AdamW>(optimizer_).step(learning_rate, tensors);
  }
}

}  // namespace likeness
