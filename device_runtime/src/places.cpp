#include "places.h"

#include <algorithm>
#include <iterator>

#include "denoiser.h"
#include "philox.h"
#include "text.h"

namespace likeness {
namespace {

// In 256ths of the schedule: much noise, where what is left to see is where a picture is bright and
// of which colour, and the text has to say the rest.
constexpr int kTimesteps[] = {128, 179, 230};

// One photo at one of the timesteps; every place is tried on the same noise.
struct Trial {
  std::size_t photo = 0;
  int t = 0;
  std::vector<float> x_t;     // (4, h, w)
  std::vector<float> target;  // likewise
};

std::vector<Trial> make_trials(const Engine& engine, std::uint64_t seed,
                               const std::vector<float>& latents) {
  const std::size_t count = engine.manifest().latent_count();
  std::vector<Trial> trials;
  std::vector<float> noise(count);
  for (std::size_t photo = 0; photo < latents.size() / count; ++photo) {
    for (const int share : kTimesteps) {
      Trial trial;
      trial.photo = photo;
      trial.t = engine.schedule().num_train_timesteps() * share / 256;
      trial.x_t.resize(count);
      trial.target.resize(count);
      fill_normal(noise.data(), count, seed, RandomStream::kPlaceNoise, trials.size());
      const float* latent = latents.data() + photo * count;
      engine.schedule().add_noise(latent, noise.data(), trial.t, count, trial.x_t.data());
      engine.schedule().training_target(latent, noise.data(), trial.t, count, trial.target.data());
      trials.push_back(std::move(trial));
    }
  }
  return trials;
}

double squared_error(const float* output, const std::vector<float>& target) {
  double sum = 0;
  for (std::size_t i = 0; i < target.size(); ++i) {
    const double difference = static_cast<double>(output[i]) - static_cast<double>(target[i]);
    sum += difference * difference;
  }
  return sum;
}

}  // namespace

std::vector<std::string> known_places(const Manifest& manifest) {
  std::vector<std::string> places;
  for (const auto& [name, prior] : manifest.prior_classes) {
    const std::string word = " " + name + " ";
    for (const std::string& caption : prior.captions) {
      const std::size_t found = caption.find(word);
      if (found == std::string::npos) continue;
      std::string place = caption.substr(found + word.size());
      const bool known = std::find(places.begin(), places.end(), place) != places.end();
      if (!place.empty() && !known) places.push_back(std::move(place));
    }
  }
  return places;
}

std::vector<std::string> name_places(
    const Engine& engine, const TrainSettings& settings, const Adapter& untrained,
    const std::vector<std::string>& places, const std::vector<float>& latents,
    const std::function<void(std::size_t, std::size_t)>& progress) {
  const Manifest& m = engine.manifest();
  const std::size_t count = m.latent_count();
  const std::vector<Trial> trials = make_trials(engine, settings.seed, latents);
  const std::vector<float> modifiers = pad_modifiers(m, {});
  std::vector<std::vector<double>> errors(latents.size() / count,
                                          std::vector<double>(places.size(), 0.0));
  std::size_t done = 0;
  // A few places at a time: the keys and values of all of them may be larger than the model.
  for (std::size_t first = 0; first < places.size(); first += m.text_batch) {
    const std::size_t rows = std::min(m.text_batch, places.size() - first);
    std::vector<TokenIds> prompts;
    for (std::size_t row = 0; row < rows; ++row) {
      const std::string words = settings.class_name + " " + places[first + row];
      prompts.push_back(tokenize(engine.tokenizer(), "a photo of a " + words));
    }
    const std::vector<float> hidden = encode_text(engine, prompts, modifiers);
    Denoiser denoiser(engine, project_kv(engine, m.adapter_kind(untrained.kind), untrained.tensors,
                                         hidden, rows));
    std::vector<float> output(rows * count);
    for (const Trial& trial : trials) {
      denoiser.run(
          trial.x_t, rows, static_cast<float>(trial.t),
          [&] { progress(done, trials.size() * places.size()); }, output);
      done += rows;
      for (std::size_t row = 0; row < rows; ++row) {
        errors[trial.photo][first + row] +=
            squared_error(output.data() + row * count, trial.target);
      }
    }
  }
  std::vector<std::string> named;
  for (const std::vector<double>& of_photo : errors) {
    const auto best = std::min_element(of_photo.begin(), of_photo.end());
    named.push_back(places[static_cast<std::size_t>(std::distance(of_photo.begin(), best))]);
  }
  return named;
}

}  // namespace likeness
