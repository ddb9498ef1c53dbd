// Running a method that is a list of stages (docs/bundle.md, "Stages"). One stage is the plain
// method: the same code runs both.
#pragma once

#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "manifest.h"
#include "program_store.h"

namespace likeness {

// What enters and leaves a staged method, by position: inputs in the order of the methods table.
struct StagedCall {
  std::vector<const void*> inputs;
  std::vector<void*> outputs;
  std::function<void()> between_stages;  // may throw to stop; may be empty
};

// `denoise`: inputs x_t, t, K_1, V_1, ...; output: model output.
void run_denoise(ProgramStore& store, const Manifest& manifest, const StagedCall& call);

// `train_step`: inputs x_t, t, K_1, V_1, ..., target, weight; outputs loss, dK_1, dV_1, ...
void run_train_step(ProgramStore& store, const Manifest& manifest, const StagedCall& call);

// Bytes of the tensors that pass between the stages of a method, at the most.
std::size_t activation_bytes(const Manifest& manifest, const Method& method);

}  // namespace likeness
