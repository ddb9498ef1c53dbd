// A session on disk: what is needed to go on after the process was killed at any instant.
//
//   lock                 held while a session is open: two must not share a journal
//   views.safetensors    written once: settings, encoded photos
//   state.safetensors    replaced at every checkpoint: step, adapter, the optimizers' moments
//
// Each file is replaced as a whole (atomic_write), and a previous checkpoint is never touched
// before the next is complete.
#pragma once

#include <optional>
#include <string>

#include "engine.h"
#include "settings.h"
#include "training_step.h"
#include "views.h"

namespace likeness {

class Journal {
 public:
  // Makes the folder where it is missing and locks it. Error{busy} where another session has it.
  explicit Journal(const std::string& folder);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  const std::string& folder() const { return folder_; }

  // True once views are stored: from then on the session can be resumed.
  bool has_session() const;

  void save_views(const Engine& engine, const TrainSettings& settings, const Views& views);
  void save_state(const Engine& engine, const TrainSettings& settings, const TrainingState& state);

  struct Session {
    TrainSettings settings;
    Views views;
  };
  // Throws Error{wrong_model} that names both models, {corrupt}, {unsupported_version}.
  Session load_session(const Engine& engine) const;
  // Nothing where no checkpoint was written yet.
  std::optional<TrainingState> load_state(const Engine& engine,
                                          const TrainSettings& settings) const;

 private:
  std::string path(const char* name) const { return folder_ + "/" + name; }

  std::string folder_;
  int lock_ = -1;
};

}  // namespace likeness
