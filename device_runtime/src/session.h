// A personalization session: photos, then views encoded once, then steps, then an adapter.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine.h"
#include "image.h"
#include "journal.h"
#include "prior.h"
#include "session_control.h"
#include "settings.h"
#include "training_batch.h"
#include "training_step.h"
#include "views.h"

namespace likeness {

struct SessionProgress {
  bool training = false;  // false: encoding views and naming places
  std::int64_t step = 0;
  std::int64_t steps = 0;
  double loss = 0.0;
  double seconds = 0.0;
  double eta = 0.0;
};

// Both may be empty.
struct SessionCallbacks {
  std::function<void(const SessionProgress&)> progress;
  std::function<void(std::int64_t step, const Image& picture)> preview;
};

struct SessionPlan {
  std::int64_t steps_done = 0;
  std::size_t photos = 0;
  std::size_t views = 0;
  std::size_t instance_rows = 0;
  std::size_t prior_rows = 0;
  std::size_t memory_bytes = 0;
  std::size_t resident_memory_bytes = 0;
  std::size_t journal_bytes = 0;
  bool staged = false;
  std::string prior_class;
};

class Session {
 public:
  // A new session; `journal_folder` may be empty. Throws Error.
  Session(std::shared_ptr<const Engine> engine, const TrainSettings& settings,
          const std::string& journal_folder);
  // An interrupted one.
  static std::unique_ptr<Session> resume(std::shared_ptr<const Engine> engine,
                                         const std::string& journal_folder);

  const TrainSettings& settings() const { return settings_; }
  SessionControl& control() { return control_; }
  const TrainingState& state() const { return state_; }

  // One thread at a time; Error{busy} otherwise.
  void add_photo(const PhotoView& photo);
  SessionPlan plan();
  void run(const SessionCallbacks& callbacks);
  void save_adapter(const std::string& path);
  void check_idle();

  // For tests: what step `step` looks at. Views must be encoded.
  TrainingBatch batch(std::int64_t step) const;

 private:
  Session(std::shared_ptr<const Engine> engine, std::unique_ptr<Journal> journal,
          Journal::Session resumed);

  void check_captions() const;
  std::vector<std::string> usable_places() const;
  void encode_photos(const SessionCallbacks& callbacks, double started);
  void train_step(const SessionCallbacks& callbacks, double started, std::int64_t first_step);
  void checkpoint();
  void wait_while_paused();
  void preview(const SessionCallbacks& callbacks);

  std::shared_ptr<const Engine> engine_;
  std::unique_ptr<Journal> journal_;  // may be null
  TrainSettings settings_;
  Prior prior_;
  TrainingStep trainer_;
  TrainingState state_;
  Tokenizer tokenizer_;
  std::vector<Image> photos_;  // until they are encoded
  std::optional<Views> views_;
  std::int64_t saved_step_ = -1;  // of the last checkpoint
  SessionControl control_;
  std::atomic<bool> busy_{false};
};

// Estimates of memory and storage (session_plan.cpp).
void estimate_memory(const Engine& engine, const TrainSettings& settings, SessionPlan& plan);

}  // namespace likeness
