// Native's functions of sessions.
#include "jni_types.h"
#include "natives.h"

namespace likeness_jni {
namespace {

jobject train_settings_default(JNIEnv* env, jclass, jlong engine) {
  lk_train_settings s = {};
  if (!succeeded(env, lk_train_settings_default(object_at<lk_engine>(engine), &s))) return nullptr;
  const jbyteArray class_name = to_java(env, s.class_name);
  const jbyteArray token = to_java(env, s.token);
  const jbyteArray adapter_kind = to_java(env, s.adapter_kind);
  const jbyteArray optimizer = to_java(env, s.optimizer);
  const jbyteArray lr_schedule = to_java(env, s.lr_schedule);
  const jbyteArray preview_prompt = to_java(env, s.preview_prompt);
  if (env->ExceptionCheck()) return nullptr;
  return env->CallStaticObjectMethod(
      java.native, java.make_train_settings, class_name, token, adapter_kind, optimizer,
      lr_schedule, preview_prompt, static_cast<jlong>(s.seed), static_cast<jlong>(s.steps),
      static_cast<jlong>(s.warmup_steps), static_cast<jlong>(s.views),
      static_cast<jlong>(s.checkpoint_every), static_cast<jlong>(s.preview_every), s.learning_rate,
      s.modifier_learning_rate, s.weight_decay, s.max_grad_norm, s.prior_loss_weight,
      s.prior_text_weight, s.fine_timesteps, to_jboolean(s.hflip), to_jboolean(s.size_augmentation),
      to_jboolean(s.caption_places));
}

jlong session_create(JNIEnv* env, jclass, jlong engine, jbyteArray class_name, jbyteArray token,
                     jbyteArray adapter_kind, jbyteArray optimizer, jbyteArray lr_schedule,
                     jbyteArray preview_prompt, jlong seed, jlong steps, jlong warmup_steps,
                     jlong views, jlong checkpoint_every, jlong preview_every,
                     jdouble learning_rate, jdouble modifier_learning_rate, jdouble weight_decay,
                     jdouble max_grad_norm, jdouble prior_loss_weight, jdouble prior_text_weight,
                     jdouble fine_timesteps, jboolean hflip, jboolean size_augmentation,
                     jboolean caption_places, jbyteArray journal) {
  const Bytes class_name_bytes(env, class_name), token_bytes(env, token),
      kind_bytes(env, adapter_kind), optimizer_bytes(env, optimizer);
  const Bytes schedule_bytes(env, lr_schedule), prompt_bytes(env, preview_prompt),
      folder(env, journal);
  if (env->ExceptionCheck()) return 0;
  lk_train_settings s = {};
  s.class_name = class_name_bytes.text();
  s.token = token_bytes.text();
  s.adapter_kind = kind_bytes.text();
  s.optimizer = optimizer_bytes.text();
  s.lr_schedule = schedule_bytes.text();
  s.preview_prompt = prompt_bytes.text();
  s.seed = static_cast<uint64_t>(seed);
  s.steps = steps;
  s.warmup_steps = warmup_steps;
  s.views = views;
  s.checkpoint_every = checkpoint_every;
  s.preview_every = preview_every;
  s.learning_rate = learning_rate;
  s.modifier_learning_rate = modifier_learning_rate;
  s.weight_decay = weight_decay;
  s.max_grad_norm = max_grad_norm;
  s.prior_loss_weight = prior_loss_weight;
  s.prior_text_weight = prior_text_weight;
  s.fine_timesteps = fine_timesteps;
  s.hflip = hflip;
  s.size_augmentation = size_augmentation;
  s.caption_places = caption_places;
  lk_session* session = nullptr;
  const lk_status status =
      lk_session_create(object_at<lk_engine>(engine), &s, folder.text(), &session);
  return succeeded(env, status) ? address_of(session) : 0;
}

jlong session_resume(JNIEnv* env, jclass, jlong engine, jbyteArray journal) {
  const Bytes folder(env, journal);
  if (env->ExceptionCheck()) return 0;
  lk_session* session = nullptr;
  const lk_status status = lk_session_resume(object_at<lk_engine>(engine), folder.text(), &session);
  return succeeded(env, status) ? address_of(session) : 0;
}

void session_add_photo(JNIEnv* env, jclass, jlong session, jbyteArray rgb, jint width,
                       jint height) {
  const Bytes pixels(env, rgb);
  if (env->ExceptionCheck()) return;
  succeeded(env, lk_session_add_photo(object_at<lk_session>(session), pixels.data(), width, height,
                                      3 * static_cast<size_t>(width), 3));
}

jobject session_plan(JNIEnv* env, jclass, jlong session) {
  lk_plan p = {};
  if (!succeeded(env, lk_session_plan(object_at<lk_session>(session), &p))) return nullptr;
  const jbyteArray prior_class = to_java(env, p.prior_class);
  if (prior_class == nullptr) return nullptr;
  return env->CallStaticObjectMethod(
      java.native, java.make_plan, static_cast<jlong>(p.steps), static_cast<jlong>(p.steps_done),
      static_cast<jlong>(p.photos), static_cast<jlong>(p.views),
      static_cast<jlong>(p.instance_rows), static_cast<jlong>(p.prior_rows),
      static_cast<jlong>(p.memory_bytes), static_cast<jlong>(p.resident_memory_bytes),
      static_cast<jlong>(p.journal_bytes), to_jboolean(p.staged), prior_class);
}

int32_t on_train_progress(void* user, const lk_progress* p) {
  const auto [env, callbacks] = *static_cast<const Listener*>(user);
  if (env->ExceptionCheck()) return 1;
  env->CallVoidMethod(callbacks, java.train_progress, static_cast<jint>(p->phase),
                      static_cast<jlong>(p->step), static_cast<jlong>(p->steps), p->loss,
                      p->seconds, p->eta);
  return env->ExceptionCheck();
}

int32_t on_train_preview(void* user, int64_t step, const uint8_t* pixels, int32_t size) {
  const auto [env, callbacks] = *static_cast<const Listener*>(user);
  const jbyteArray rgb =
      to_java(env, pixels, 3 * static_cast<size_t>(size) * static_cast<size_t>(size));
  if (rgb == nullptr) return 1;
  env->CallVoidMethod(callbacks, java.train_preview, static_cast<jlong>(step), rgb,
                      static_cast<jint>(size));
  env->DeleteLocalRef(rgb);  // the call goes on for hours, and for many previews
  return env->ExceptionCheck();
}

void session_run(JNIEnv* env, jclass, jlong session, jobject callbacks) {
  Listener listener = {env, callbacks};
  const lk_train_callbacks c = {&listener, on_train_progress, on_train_preview};
  succeeded(env, lk_session_run(object_at<lk_session>(session), &c));
}

void session_pause(JNIEnv*, jclass, jlong session) {
  lk_session_pause(object_at<lk_session>(session));
}

void session_unpause(JNIEnv*, jclass, jlong session) {
  lk_session_unpause(object_at<lk_session>(session));
}

void session_cancel(JNIEnv*, jclass, jlong session) {
  lk_session_cancel(object_at<lk_session>(session));
}

void session_save_adapter(JNIEnv* env, jclass, jlong session, jbyteArray file) {
  const Bytes path(env, file);
  if (env->ExceptionCheck()) return;
  succeeded(env, lk_session_save_adapter(object_at<lk_session>(session), path.text()));
}

void session_close(JNIEnv* env, jclass, jlong session) {
  succeeded(env, lk_session_close(object_at<lk_session>(session)));
}

}  // namespace

const std::array<JNINativeMethod, 11> session_natives = {
    native("trainSettingsDefault", "(J)" LIKENESS_CLASS("TrainSettings"), train_settings_default),
    native("sessionCreate", "(J[B[B[B[B[B[BJJJJJJDDDDDDDZZZ[B)J", session_create),
    native("sessionResume", "(J[B)J", session_resume),
    native("sessionAddPhoto", "(J[BII)V", session_add_photo),
    native("sessionPlan", "(J)" LIKENESS_CLASS("Plan"), session_plan),
    native("sessionRun", "(J" LIKENESS_CLASS("TrainCallbacks") ")V", session_run),
    native("sessionPause", "(J)V", session_pause),
    native("sessionUnpause", "(J)V", session_unpause),
    native("sessionCancel", "(J)V", session_cancel),
    native("sessionSaveAdapter", "(J[B)V", session_save_adapter),
    native("sessionClose", "(J)V", session_close),
};

}  // namespace likeness_jni
