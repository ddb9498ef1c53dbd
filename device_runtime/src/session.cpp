#include "session.h"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "error.h"
#include "file_io.h"
#include "generate.h"
#include "places.h"

namespace likeness {
namespace {

constexpr char kBusy[] = "the session is running on another thread; wait or cancel it first";
constexpr std::size_t kMaxPhotos = 1000;

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::unique_ptr<Journal> open_new_journal(const std::string& folder) {
  if (folder.empty()) return nullptr;
  auto journal = std::make_unique<Journal>(folder);
  if (journal->has_session()) {
    throw Error(ErrorCode::invalid_argument, "the folder " + folder +
                                                 " holds a session already; resume it, or remove "
                                                 "the folder to start again");
  }
  return journal;
}

TrainSettings checked(const TrainSettings& settings, const Manifest& manifest) {
  check_settings(settings, manifest);
  return settings;
}

// An adapter keeps what it was trained with, and how many photos that were.
std::string training_json(const TrainSettings& settings, std::size_t photos) {
  auto training = nlohmann::ordered_json::parse(to_json(settings));
  training["photos"] = photos;
  return training.dump();
}

}  // namespace

Session::Session(std::shared_ptr<const Engine> engine, const TrainSettings& settings,
                 const std::string& journal_folder)
    : engine_(std::move(engine)),
      settings_(checked(settings, engine_->manifest())),
      prior_(choose_prior(engine_->manifest(), settings_.class_name)),
      trainer_(*engine_, settings_),
      state_(trainer_.initial_state()),
      tokenizer_(tokenizer_with(*engine_, state_.adapter)) {
  check_captions();
  journal_ = open_new_journal(journal_folder);  // last: a session that is refused leaves no folder
}

Session::Session(std::shared_ptr<const Engine> engine, std::unique_ptr<Journal> journal,
                 Journal::Session resumed)
    : engine_(std::move(engine)),
      journal_(std::move(journal)),
      settings_(std::move(resumed.settings)),
      prior_(choose_prior(engine_->manifest(), settings_.class_name)),
      trainer_(*engine_, settings_),
      state_(trainer_.initial_state()),
      tokenizer_(tokenizer_with(*engine_, state_.adapter)),
      views_(std::move(resumed.views)) {
  if (auto state = journal_->load_state(*engine_, settings_)) {
    state_ = std::move(*state);
    saved_step_ = state_.step;
  }
}

std::unique_ptr<Session> Session::resume(std::shared_ptr<const Engine> engine,
                                         const std::string& journal_folder) {
  auto journal = std::make_unique<Journal>(journal_folder);
  Journal::Session stored = journal->load_session(*engine);
  return std::unique_ptr<Session>(
      new Session(std::move(engine), std::move(journal), std::move(stored)));
}

void Session::check_captions() const {
  // Before hours of training rather than in the middle.
  for (const std::string& caption : instance_captions(settings_, "")) {
    tokenize(tokenizer_, caption);
  }
}

// Those whose captions fit the model; none where captions do without.
std::vector<std::string> Session::usable_places() const {
  std::vector<std::string> usable;
  if (!settings_.caption_places) return usable;
  for (std::string& place : known_places(engine_->manifest())) {
    const auto captions = instance_captions(settings_, place);
    const bool all_fit = std::all_of(captions.begin(), captions.end(), [&](const auto& caption) {
      return fits(tokenizer_, caption);
    });
    if (all_fit) usable.push_back(std::move(place));
  }
  return usable;
}

void Session::check_idle() { const ExclusiveUse use(busy_, kBusy); }

void Session::add_photo(const PhotoView& photo) {
  const ExclusiveUse use(busy_, kBusy);
  if (views_) {
    throw Error(ErrorCode::invalid_argument,
                "this session has encoded its photos already; start a new one to add photos");
  }
  if (photos_.size() >= kMaxPhotos) {
    throw Error(ErrorCode::invalid_argument,
                "a session takes at most " + std::to_string(kMaxPhotos) + " photos");
  }
  photos_.push_back(prepare_photo(*engine_, photo));
}

SessionPlan Session::plan() {
  const ExclusiveUse use(busy_, kBusy);
  const std::size_t rows = engine_->manifest().train_batch;
  const bool with_prior = settings_.prior_loss_weight > 0 && !prior_.latents.empty();
  SessionPlan plan;
  plan.steps_done = state_.step;
  plan.photos = views_ ? views_->photos : photos_.size();
  plan.views = views_ ? views_->count() : view_count(settings_, photos_.size());
  plan.prior_rows = with_prior ? rows / 2 : 0;
  plan.instance_rows = rows - plan.prior_rows;
  plan.prior_class = with_prior ? prior_.source : "";
  estimate_memory(*engine_, settings_, plan);
  return plan;
}

TrainingBatch Session::batch(std::int64_t step) const {
  if (!views_) throw Error(ErrorCode::invalid_argument, "the photos are not encoded yet");
  return TrainingData(*engine_, settings_, tokenizer_, *views_, prior_).batch(step);
}

void Session::checkpoint() {
  if (!journal_ || saved_step_ == state_.step) return;
  journal_->save_state(*engine_, settings_, state_);
  saved_step_ = state_.step;
}

void Session::wait_while_paused() {
  if (control_.pausing() && !control_.cancelling()) {
    if (views_) checkpoint();  // a paused app may be killed at any time
    control_.wait();
  }
  if (control_.cancelling()) {
    if (views_) checkpoint();
    control_.check();
  }
}

void Session::encode_photos(const SessionCallbacks& callbacks, double started) {
  if (photos_.empty()) {
    throw Error(ErrorCode::invalid_argument, "the session has no photo; add some before it runs");
  }
  const std::vector<std::string> places = usable_places();
  const std::size_t to_name = places.empty() ? 0 : photos_.size();
  const std::size_t total = view_count(settings_, photos_.size()) + to_name;
  const auto report = [&](std::size_t done) {
    SessionProgress progress;
    progress.step = static_cast<std::int64_t>(done);
    progress.steps = static_cast<std::int64_t>(total);
    progress.seconds = now() - started;
    progress.eta = progress.seconds / static_cast<double>(done) * static_cast<double>(total - done);
    if (callbacks.progress) callbacks.progress(progress);
    wait_while_paused();
  };
  wait_while_paused();
  Views views = make_views(*engine_, settings_, photos_, report);
  check_finite(views.mean, "an encoded photo", "the bundle is damaged, get it again");
  check_finite(views.deviation, "an encoded photo", "the bundle is damaged, get it again");
  std::vector<float> latents;
  if (to_name > 0) latents = photo_latents(*engine_, photos_);
  engine_->programs().drop(engine_->manifest().method("encode_image"));
  if (to_name > 0) {
    views.places = name_places(*engine_, settings_, state_.adapter, places, latents,
                               [&](std::size_t done, std::size_t calls) {
                                 report(views.count() + done * to_name / calls);
                               });
    // Training has no use for it, but where it paints previews.
    if (settings_.preview_every == 0)
      engine_->programs().drop(engine_->manifest().method("denoise"));
  }
  if (journal_) journal_->save_views(*engine_, settings_, views);
  views_ = std::move(views);
  photos_ = {};
}

void Session::preview(const SessionCallbacks& callbacks) {
  if (!callbacks.preview || settings_.preview_every == 0 ||
      state_.step % settings_.preview_every != 0) {
    return;
  }
  SampleSettings sampling = recommended_sampling(engine_->manifest());
  sampling.prompt = settings_.preview_prompt.empty()
                        ? "a photo of a " + settings_.token + " " + settings_.class_name
                        : settings_.preview_prompt;
  sampling.seed = settings_.seed;
  const auto images = generate(*engine_, state_.adapter, sampling,
                               [&](std::size_t, std::size_t) { wait_while_paused(); });
  callbacks.preview(state_.step, images.front());
}

void Session::train_step(const SessionCallbacks& callbacks, double started,
                         std::int64_t first_step) {
  // Between the stages of a step the state is that of the step before, but for a loss scale that
  // this step would lower again: a pause there is as safe.
  Gradients gradients =
      trainer_.gradients(state_, batch(state_.step), [&] { wait_while_paused(); });
  SessionProgress progress;
  progress.loss = gradients.loss;
  trainer_.apply(std::move(gradients), state_);
  if (state_.step % settings_.checkpoint_every == 0 || state_.step == settings_.steps) {
    checkpoint();
  }
  progress.training = true;
  progress.step = state_.step;
  progress.steps = settings_.steps;
  progress.seconds = now() - started;
  progress.eta = progress.seconds / static_cast<double>(state_.step - first_step) *
                 static_cast<double>(settings_.steps - state_.step);
  if (callbacks.progress) callbacks.progress(progress);
  preview(callbacks);
}

void Session::run(const SessionCallbacks& callbacks) {
  const ExclusiveUse use(busy_, kBusy);
  const SessionControl::Run running(control_);
  if (!views_) encode_photos(callbacks, now());
  // A checkpoint that failed, for want of space, is made up for before anything is added to it.
  if (state_.step > 0) checkpoint();
  const double started = now();
  const std::int64_t first_step = state_.step;
  while (state_.step < settings_.steps) {
    wait_while_paused();
    train_step(callbacks, started, first_step);
  }
}

void Session::save_adapter(const std::string& path) {
  const ExclusiveUse use(busy_, kBusy);
  if (!views_) {
    throw Error(ErrorCode::invalid_argument, "nothing is learned yet; run the session first");
  }
  Adapter adapter = state_.adapter;
  adapter.training = training_json(settings_, views_->photos);
  const auto bytes = serialize_adapter(*engine_, adapter);
  atomic_write(path, bytes.data(), bytes.size());
}

}  // namespace likeness
