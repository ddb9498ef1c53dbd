// Muon (Jordan et al. 2024): the momentum of a matrix's gradients, orthogonalized, so that all its
// directions are learned at one pace and not only those that gradients favour. Keys and values of
// text states, most of which nearly point one way, gain much by it (docs/personalization.md).
#pragma once

#include <cstddef>
#include <vector>

#include "adamw.h"
#include "text_metric.h"

namespace likeness {

struct MuonSettings {
  double momentum = 0.9;  // Nesterov's
  double weight_decay = 1e-2;
};

struct MatrixShape {
  std::size_t rows;
  std::size_t columns;
};

class Muon {
 public:
  // Momentum of zero for matrices of these shapes. Error if a setting is out of its range.
  Muon(const MuonSettings& settings, std::vector<MatrixShape> shapes);
  // Goes on with a journalled momentum. Error if it does not fit the shapes.
  Muon(const MuonSettings& settings, std::vector<MatrixShape> shapes,
       std::vector<std::vector<float>> momentum);

  // One update of every matrix, as long as AdamW's at equal rates (Liu et al. 2025, "Muon is
  // scalable for LLM training", section 2.2). Matrices as wide as `metric`, which may be NULL, move
  // in it. Tensors come in the order and sizes of the shapes; Error otherwise.
  void step(double learning_rate, const std::vector<TrainedTensor>& tensors,
            const TextMetric* metric = nullptr);

  // All it remembers: the running mean of each matrix's gradients.
  const std::vector<std::vector<float>>& momentum() const { return momentum_; }

 private:
  MuonSettings settings_;
  std::vector<MatrixShape> shapes_;
  std::vector<std::vector<float>> momentum_;
};

}  // namespace likeness
