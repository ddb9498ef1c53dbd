// What one training step looks at: chosen views and prior latents, noise, timesteps, captions and
// weights. Everything random about a step is decided here, from the seed and the step alone.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine.h"
#include "prior.h"
#include "settings.h"
#include "text.h"
#include "tokenizer.h"
#include "views.h"

namespace likeness {

// Rows: first the instance's, then the prior's.
struct TrainingBatch {
  std::size_t instance_rows = 0;
  std::vector<std::string> captions;  // one a row
  std::vector<TokenIds> prompts;      // one a row
  std::vector<float> x_t;             // (rows, 4, h, w)
  std::vector<float> t;               // (rows)
  std::vector<float> target;          // (rows, 4, h, w)
  std::vector<float> weight;          // (rows, 1, h, w)
};

class TrainingData {
 public:
  // All must outlive the object. `tokenizer` knows the modifier token.
  TrainingData(const Engine& engine, const TrainSettings& settings, const Tokenizer& tokenizer,
               const Views& views, const Prior& prior);

  // The loss it stands for is the mean over instance rows of the squared error's mean over valid
  // cells and channels, plus prior_loss_weight times the mean over prior rows of its mean.
  TrainingBatch batch(std::int64_t step) const;

 private:
  void fill_row(TrainingBatch& batch, std::size_t row, std::int64_t step,
                const float* latent) const;
  std::uint32_t timesteps_to_draw_from(std::uint64_t step, std::size_t row) const;

  const Engine& engine_;
  const TrainSettings& settings_;
  const Tokenizer& tokenizer_;
  const Views& views_;
  const Prior& prior_;
};

// Every caption a session may use for the instance in a place, "" for none; to check that they fit
// the model.
std::vector<std::string> instance_captions(const TrainSettings& settings, const std::string& place);

}  // namespace likeness
