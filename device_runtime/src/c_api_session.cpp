// The C boundary of personalization.
#include <algorithm>
#include <cstring>

#include "c_api.h"
#include "image.h"

using namespace likeness;  // this file is the translation between the two worlds

namespace {

TrainSettings from_c(const lk_train_settings& c, const TrainSettings& defaults) {
  TrainSettings s;
  s.class_name = text_or(c.class_name, "");
  s.token = text_or(c.token, defaults.token);
  s.adapter_kind = text_or(c.adapter_kind, defaults.adapter_kind);
  s.optimizer = text_or(c.optimizer, defaults.optimizer);
  s.lr_schedule = text_or(c.lr_schedule, defaults.lr_schedule);
  s.preview_prompt = text_or(c.preview_prompt, "");
  s.seed = c.seed;
  s.steps = c.steps;
  s.warmup_steps = c.warmup_steps;
  s.views = c.views;
  s.checkpoint_every = c.checkpoint_every;
  s.preview_every = c.preview_every;
  s.learning_rate = c.learning_rate;
  s.modifier_learning_rate = c.modifier_learning_rate;
  s.weight_decay = c.weight_decay;
  s.max_grad_norm = c.max_grad_norm;
  s.prior_loss_weight = c.prior_loss_weight;
  s.prior_text_weight = c.prior_text_weight;
  s.fine_timesteps = c.fine_timesteps;
  s.hflip = c.hflip != 0;
  s.size_augmentation = c.size_augmentation != 0;
  s.caption_places = c.caption_places != 0;
  return s;
}

// A callback that asks to stop is a cancel().
SessionCallbacks from_c(const lk_train_callbacks& c, SessionControl& control) {
  SessionCallbacks callbacks;
  if (c.progress != nullptr) {
    callbacks.progress = [&c, &control](const SessionProgress& p) {
      const lk_progress progress = {p.training ? LK_PHASE_TRAINING : LK_PHASE_ENCODING,
                                    p.step,
                                    p.steps,
                                    p.loss,
                                    p.seconds,
                                    p.eta};
      if (c.progress(c.user, &progress) != 0) control.cancel();
    };
  }
  if (c.preview != nullptr) {
    callbacks.preview = [&c, &control](std::int64_t step, const Image& picture) {
      const auto bytes = image_to_rgb8(picture);
      if (c.preview(c.user, step, bytes.data(), picture.width) != 0) control.cancel();
    };
  }
  return callbacks;
}

}  // namespace

extern "C" {

lk_status lk_train_settings_default(const lk_engine* engine, lk_train_settings* settings) {
  return guard([&] {
    require(engine != nullptr && settings != nullptr, "engine or settings is NULL");
    const TrainSettings& d = engine->training_defaults;
    settings->class_name = d.class_name.c_str();
    settings->token = d.token.c_str();
    settings->adapter_kind = d.adapter_kind.c_str();
    settings->optimizer = d.optimizer.c_str();
    settings->lr_schedule = d.lr_schedule.c_str();
    settings->preview_prompt = d.preview_prompt.c_str();
    settings->seed = d.seed;
    settings->steps = d.steps;
    settings->warmup_steps = d.warmup_steps;
    settings->views = d.views;
    settings->checkpoint_every = d.checkpoint_every;
    settings->preview_every = d.preview_every;
    settings->learning_rate = d.learning_rate;
    settings->modifier_learning_rate = d.modifier_learning_rate;
    settings->weight_decay = d.weight_decay;
    settings->max_grad_norm = d.max_grad_norm;
    settings->prior_loss_weight = d.prior_loss_weight;
    settings->prior_text_weight = d.prior_text_weight;
    settings->fine_timesteps = d.fine_timesteps;
    settings->hflip = d.hflip ? 1 : 0;
    settings->size_augmentation = d.size_augmentation ? 1 : 0;
    settings->caption_places = d.caption_places ? 1 : 0;
  });
}

lk_status lk_session_create(const lk_engine* engine, const lk_train_settings* settings,
                            const char* journal_folder, lk_session** session) {
  return guard([&] {
    require(engine != nullptr && settings != nullptr && session != nullptr,
            "engine, settings or session is NULL");
    auto handle = std::make_unique<lk_session>();
    handle->engine = engine->engine;
    handle->session = std::make_unique<Session>(
        engine->engine, from_c(*settings, engine->training_defaults), text_or(journal_folder, ""));
    *session = handle.release();
  });
}

lk_status lk_session_resume(const lk_engine* engine, const char* journal_folder,
                            lk_session** session) {
  return guard([&] {
    require(engine != nullptr && journal_folder != nullptr && session != nullptr,
            "engine, journal_folder or session is NULL");
    auto handle = std::make_unique<lk_session>();
    handle->engine = engine->engine;
    handle->session = Session::resume(engine->engine, journal_folder);
    *session = handle.release();
  });
}

lk_status lk_session_add_photo(lk_session* session, const uint8_t* pixels, int32_t width,
                               int32_t height, size_t row_stride, int32_t bytes_per_pixel) {
  return guard([&] {
    require(session != nullptr && pixels != nullptr, "session or pixels is NULL");
    session->session->add_photo(checked_photo(pixels, width, height, row_stride, bytes_per_pixel));
  });
}

lk_status lk_session_plan(lk_session* session, lk_plan* plan) {
  return guard([&] {
    require(session != nullptr && plan != nullptr, "session or plan is NULL");
    const SessionPlan p = session->session->plan();
    lk_plan c = {};
    c.steps = session->session->settings().steps;
    c.steps_done = p.steps_done;
    c.photos = static_cast<int64_t>(p.photos);
    c.views = static_cast<int64_t>(p.views);
    c.instance_rows = static_cast<int64_t>(p.instance_rows);
    c.prior_rows = static_cast<int64_t>(p.prior_rows);
    c.memory_bytes = p.memory_bytes;
    c.resident_memory_bytes = p.resident_memory_bytes;
    c.journal_bytes = p.journal_bytes;
    c.staged = p.staged ? 1 : 0;
    p.prior_class.copy(c.prior_class, sizeof c.prior_class - 1);
    *plan = c;
  });
}

lk_status lk_session_run(lk_session* session, const lk_train_callbacks* callbacks) {
  return guard([&] {
    require(session != nullptr, "session is NULL");
    const lk_train_callbacks none = {};
    session->session->run(
        from_c(callbacks != nullptr ? *callbacks : none, session->session->control()));
  });
}

void lk_session_pause(lk_session* session) {
  if (session != nullptr) session->session->control().pause();
}

void lk_session_unpause(lk_session* session) {
  if (session != nullptr) session->session->control().unpause();
}

void lk_session_cancel(lk_session* session) {
  if (session != nullptr) session->session->control().cancel();
}

lk_status lk_session_save_adapter(lk_session* session, const char* path) {
  return guard([&] {
    require(session != nullptr && path != nullptr, "session or path is NULL");
    session->session->save_adapter(path);
  });
}

lk_status lk_session_close(lk_session* session) {
  return guard([&] {
    if (session == nullptr) return;
    session->session->check_idle();
    delete session;
  });
}

}  // extern "C"
