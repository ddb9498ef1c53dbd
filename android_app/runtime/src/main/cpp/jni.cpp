// JNI between app.likeness.runtime.Native and likeness.h: conversion of types, nothing else. What
// happens when Java loads this library, and how statuses become exceptions; the functions are in
// jni_engine.cpp and jni_session.cpp.
#include <jni.h>

#include "jni_types.h"
#include "natives.h"

namespace likeness_jni {

Java java;

void raise(JNIEnv* env, lk_status status, const char* message) {
  const jbyteArray text = to_java(env, message);
  if (text == nullptr) return;
  const jobject exception = env->CallStaticObjectMethod(java.native, java.make_exception,
                                                        static_cast<jint>(status), text);
  if (!env->ExceptionCheck()) env->Throw(static_cast<jthrowable>(exception));
}

bool succeeded(JNIEnv* env, lk_status status) {
  if (env->ExceptionCheck()) return false;
  if (status != LK_OK) raise(env, status, lk_last_error());
  return status == LK_OK;
}

namespace {

// Each lookup throws in Java where there is no such thing, and is then null.

jclass find_class(JNIEnv* env, const char* name) {
  if (env->ExceptionCheck()) return nullptr;
  const jclass local = env->FindClass(name);
  if (local == nullptr) return nullptr;
  const auto global = static_cast<jclass>(env->NewGlobalRef(local));
  env->DeleteLocalRef(local);
  return global;
}

jmethodID find_static_method(JNIEnv* env, const char* name, const char* signature) {
  return env->ExceptionCheck() ? nullptr : env->GetStaticMethodID(java.native, name, signature);
}

jmethodID find_method(JNIEnv* env, const char* class_name, const char* name,
                      const char* signature) {
  if (env->ExceptionCheck()) return nullptr;
  const jclass owner = env->FindClass(class_name);
  return owner == nullptr ? nullptr : env->GetMethodID(owner, name, signature);
}

void look_up(JNIEnv* env) {
  java.native = find_class(env, LIKENESS_PACKAGE "Native");
  java.byte_array = find_class(env, "[B");
  java.make_exception =
      find_static_method(env, "makeException", "(I[B)" LIKENESS_CLASS("LikenessException"));
  java.make_train_settings = find_static_method(
      env, "makeTrainSettings", "([B[B[B[B[B[BJJJJJJDDDDDDDZZZ)" LIKENESS_CLASS("TrainSettings"));
  java.make_sample_settings = find_static_method(env, "makeSampleSettings",
                                                 "([B[B[BJJJD)" LIKENESS_CLASS("SampleSettings"));
  java.make_plan = find_static_method(env, "makePlan", "(JJJJJJJJJZ[B)" LIKENESS_CLASS("Plan"));
  java.train_progress =
      find_method(env, LIKENESS_PACKAGE "TrainCallbacks", "progress", "(IJJDDD)V");
  java.train_preview = find_method(env, LIKENESS_PACKAGE "TrainCallbacks", "preview", "(J[BI)V");
  java.sample_progress = find_method(env, LIKENESS_PACKAGE "SampleCallbacks", "progress", "(JJ)Z");
}

template <typename Table>
void register_natives(JNIEnv* env, const Table& table) {
  if (!env->ExceptionCheck())
    env->RegisterNatives(java.native, table.data(), static_cast<jint>(table.size()));
}

void check_version(JNIEnv* env) {
  if (lk_api_version() == LK_API_VERSION) return;
  const jclass error = env->FindClass("java/lang/UnsatisfiedLinkError");
  if (error != nullptr)
    env->ThrowNew(error, "the core is of another version than likeness_jni: build both again");
}

}  // namespace
}  // namespace likeness_jni

extern "C" JNIEXPORT jint JNICALL JNI_OnLoad(JavaVM* vm, void*) {
  JNIEnv* env = nullptr;
  if (vm->GetEnv(reinterpret_cast<void**>(&env), JNI_VERSION_1_6) != JNI_OK) return JNI_ERR;
  using namespace likeness_jni;
  check_version(env);
  look_up(env);
  register_natives(env, engine_natives);
  register_natives(env, session_natives);
  return env->ExceptionCheck() ? JNI_ERR : JNI_VERSION_1_6;
}
