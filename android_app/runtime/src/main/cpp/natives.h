// What the files of the JNI library share: Kotlin's side as it was looked up, errors, and the
// tables of functions.
#pragma once

#include <jni.h>

#include <array>

#include "likeness.h"

#define LIKENESS_PACKAGE "app/likeness/runtime/"
#define LIKENESS_CLASS(name) "L" LIKENESS_PACKAGE name ";"

namespace likeness_jni {

// Looked up once, in JNI_OnLoad: what Kotlin has for this library to call.
struct Java {
  jclass native;
  jclass byte_array;
  jmethodID make_exception;
  jmethodID make_train_settings;
  jmethodID make_sample_settings;
  jmethodID make_plan;
  jmethodID train_progress;
  jmethodID train_preview;
  jmethodID sample_progress;
};
extern Java java;

// Throws the exception of a status other than LK_OK, unless one is pending already.
void raise(JNIEnv* env, lk_status status, const char* message);

// False where an exception is pending now: the status's, or one that was thrown on the way.
bool succeeded(JNIEnv* env, lk_status status);

// What a callback's `user` is. The core calls back on the thread that called it, so its JNIEnv
// serves.
struct Listener {
  JNIEnv* env;
  jobject callbacks;
};

// A function for Native's external one of that name; the JDK's header wants texts that are not
// const.
template <typename Function>
JNINativeMethod native(const char* name, const char* signature, Function* function) {
  return {const_cast<char*>(name), const_cast<char*>(signature), reinterpret_cast<void*>(function)};
}

extern const std::array<JNINativeMethod, 12> engine_natives;
extern const std::array<JNINativeMethod, 11> session_natives;

}  // namespace likeness_jni
