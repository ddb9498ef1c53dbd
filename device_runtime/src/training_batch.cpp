#include "training_batch.h"

#include <algorithm>

#include "philox.h"

namespace likeness {
namespace {

// Custom Diffusion's captions: scale in words before "photo of", or one of several phrases where
// the view has the usual scale, so that the token and not the phrase is learned.
constexpr const char* kTemplates[] = {"photo of a ", "a photo of a ", "a picture of a ",
                                      "the photo of a "};
constexpr const char* kScales[] = {"a far away ", "very small ", "zoomed in ", "close up "};
constexpr char kAfterScale[] = "photo of a ";

// Draws of kBatchOrder that are no part of a permutation, whose indices are numbers of views.
constexpr std::uint64_t kTemplateDraws = std::uint64_t{1} << 32;
constexpr std::uint64_t kPlaceDraws = kTemplateDraws + (std::uint64_t{1} << 31);

// What `fine_timesteps` draws from, of the schedule.
constexpr std::uint32_t kFinePercent = 40;

// One caption in so many leaves its place out, so that prompts without any paint the subject too.
constexpr std::uint32_t kPlaceLeftOut = 8;

std::string subject_in(const TrainSettings& settings, const std::string& place) {
  return settings.token + " " + settings.class_name + (place.empty() ? "" : " " + place);
}

// Element number `position` of an endless row of permutations of `count` elements.
std::uint32_t shuffled(std::size_t count, std::uint64_t seed, RandomStream stream,
                       std::uint64_t position) {
  return permutation(static_cast<std::uint32_t>(count), seed, stream,
                     position / count)[position % count];
}

// How many of `rows` show the instance. A single row shows them in turns.
std::size_t instance_rows_of(std::size_t rows, bool with_prior, std::int64_t step) {
  if (!with_prior) return rows;
  if (rows == 1) return step % 2 == 0 ? 1 : 0;
  return rows - rows / 2;
}

}  // namespace

std::vector<std::string> instance_captions(const TrainSettings& settings,
                                           const std::string& place) {
  const std::string subject = subject_in(settings, place);
  std::vector<std::string> captions;
  for (const char* phrase : kTemplates) captions.push_back(phrase + subject);
  for (const char* scale : kScales) {
    captions.push_back(std::string(scale) + kAfterScale + subject);
  }
  return captions;
}

TrainingData::TrainingData(const Engine& engine, const TrainSettings& settings,
                           const Tokenizer& tokenizer, const Views& views, const Prior& prior)
    : engine_(engine), settings_(settings), tokenizer_(tokenizer), views_(views), prior_(prior) {}

TrainingBatch TrainingData::batch(std::int64_t step) const {
  const Manifest& m = engine_.manifest();
  const std::size_t rows = m.train_batch;
  const std::size_t cells = m.latent_cells();
  const std::size_t latents = m.latent_count();
  const std::uint64_t seed = settings_.seed;
  const auto at = static_cast<std::uint64_t>(step);
  const bool with_prior = settings_.prior_loss_weight > 0 && !prior_.latents.empty();

  TrainingBatch batch;
  batch.instance_rows = instance_rows_of(rows, with_prior, step);
  batch.x_t.resize(rows * latents);
  batch.target.resize(rows * latents);
  batch.t.resize(rows);
  batch.weight.resize(rows * cells);

  std::vector<float> latent(latents), vae_noise(rows * latents);
  fill_normal(vae_noise.data(), vae_noise.size(), seed, RandomStream::kVaeSampling, at);
  const bool alternating = rows == 1 && with_prior;
  const std::uint64_t before = alternating ? at / 2 : at * batch.instance_rows;
  for (std::size_t row = 0; row < batch.instance_rows; ++row) {
    const std::size_t view =
        shuffled(views_.count(), seed, RandomStream::kBatchOrder, before + row);
    for (std::size_t i = 0; i < latents; ++i) {
      const float sample = views_.mean[view * latents + i] +
                           views_.deviation[view * latents + i] * vae_noise[row * latents + i];
      latent[i] = static_cast<float>(sample * m.scaling_factor);
    }
    const std::string& prefix = views_.prefixes[view];
    const std::uint32_t choice = uniform_int(seed, RandomStream::kBatchOrder, at,
                                             kTemplateDraws + row, std::size(kTemplates));
    const bool left_out =
        uniform_int(seed, RandomStream::kBatchOrder, at, kPlaceDraws + row, kPlaceLeftOut) == 0;
    batch.captions.push_back((prefix.empty() ? kTemplates[choice] : prefix + kAfterScale) +
                             subject_in(settings_, left_out ? "" : views_.place(view)));
    fill_row(batch, row, step, latent.data());
    const float* mask = views_.mask.data() + view * cells;
    double valid = 0;
    for (std::size_t i = 0; i < cells; ++i) valid += mask[i];
    const double share =
        1.0 / (std::max(valid, 1.0) * m.latent_channels * static_cast<double>(batch.instance_rows));
    for (std::size_t i = 0; i < cells; ++i) {
      batch.weight[row * cells + i] = static_cast<float>(mask[i] * share);
    }
  }
  const std::size_t prior_rows = rows - batch.instance_rows;
  const std::uint64_t prior_before = alternating ? at / 2 : at * prior_rows;
  for (std::size_t row = batch.instance_rows; row < rows; ++row) {
    const std::size_t choice = shuffled(prior_.latents.size(), seed, RandomStream::kPriorOrder,
                                        prior_before + row - batch.instance_rows);
    batch.captions.push_back(prior_.captions[choice]);
    fill_row(batch, row, step, engine_.prior_latents().data() + prior_.latents[choice] * latents);
    const double share = settings_.prior_loss_weight /
                         (static_cast<double>(latents) * static_cast<double>(prior_rows));
    std::fill_n(batch.weight.begin() + static_cast<std::ptrdiff_t>(row * cells), cells,
                static_cast<float>(share));
  }
  return batch;
}

// All, or only the lower ones: Custom Diffusion draws evenly from all (Kumari et al. 2023, section
// 3.1), but a small network is farthest from the photos in what it renders at low noise.
std::uint32_t TrainingData::timesteps_to_draw_from(std::uint64_t step, std::size_t row) const {
  const auto all = static_cast<std::uint32_t>(engine_.schedule().num_train_timesteps());
  const double draw = uniform(settings_.seed, RandomStream::kTimesteps, step, row);
  return draw < settings_.fine_timesteps ? std::max(all * kFinePercent / 100, 1U) : all;
}

void TrainingData::fill_row(TrainingBatch& batch, std::size_t row, std::int64_t step,
                            const float* latent) const {
  const std::size_t latents = engine_.manifest().latent_count();
  const auto at = static_cast<std::uint64_t>(step);
  const NoiseSchedule& schedule = engine_.schedule();
  const int t = static_cast<int>(uniform_int(settings_.seed, RandomStream::kTimesteps, at, row,
                                             timesteps_to_draw_from(at, row)));
  std::vector<float> noise(latents);
  for (std::size_t i = 0; i < latents; ++i) {
    noise[i] = normal(settings_.seed, RandomStream::kTrainingNoise, at, row * latents + i);
  }
  batch.t[row] = static_cast<float>(t);
  schedule.add_noise(latent, noise.data(), t, latents, batch.x_t.data() + row * latents);
  schedule.training_target(latent, noise.data(), t, latents, batch.target.data() + row * latents);
  // A prior's caption may be longer than the model reads; it was cut when its latent was made, too.
  const bool is_prior = row >= batch.instance_rows;
  batch.prompts.push_back(is_prior ? tokenizer_.encode(batch.captions.back())
                                   : tokenize(tokenizer_, batch.captions.back()));
}

}  // namespace likeness
