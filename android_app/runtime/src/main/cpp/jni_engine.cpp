// Native's functions of engines and adapters, and what is painted with them.
#include <memory>
#include <new>

#include "jni_types.h"
#include "natives.h"

namespace likeness_jni {
namespace {

jbyteArray take_text(JNIEnv* env, lk_status status, char* text) {
  if (!succeeded(env, status)) return nullptr;
  const jbyteArray bytes = to_java(env, text);
  lk_string_free(text);
  return bytes;
}

// Engine ------------------------------------------------------------------------------------------

jlong engine_open(JNIEnv* env, jclass, jbyteArray folder, jboolean skip_hash_check, jint threads,
                  jlong memory_limit_bytes) {
  const Bytes path(env, folder);
  if (env->ExceptionCheck()) return 0;
  lk_engine_options options = {};
  options.skip_hash_check = skip_hash_check;
  options.threads = threads;
  options.memory_limit_bytes = static_cast<uint64_t>(memory_limit_bytes);
  lk_engine* engine = nullptr;
  return succeeded(env, lk_engine_open(path.text(), &options, &engine)) ? address_of(engine) : 0;
}

void engine_close(JNIEnv*, jclass, jlong engine) { lk_engine_close(object_at<lk_engine>(engine)); }

jbyteArray engine_info(JNIEnv* env, jclass, jlong engine) {
  char* json = nullptr;
  const lk_status status = lk_engine_info(object_at<lk_engine>(engine), &json);
  return take_text(env, status, json);
}

void engine_trim(JNIEnv*, jclass, jlong engine) { lk_engine_trim(object_at<lk_engine>(engine)); }

// Adapters ----------------------------------------------------------------------------------------

jlong adapter_load(JNIEnv* env, jclass, jlong engine, jbyteArray file) {
  const Bytes path(env, file);
  if (env->ExceptionCheck()) return 0;
  lk_adapter* adapter = nullptr;
  return succeeded(env, lk_adapter_load(object_at<lk_engine>(engine), path.text(), &adapter))
             ? address_of(adapter)
             : 0;
}

void adapter_close(JNIEnv*, jclass, jlong adapter) {
  lk_adapter_close(object_at<lk_adapter>(adapter));
}

jbyteArray adapter_info(JNIEnv* env, jclass, jlong adapter) {
  char* json = nullptr;
  const lk_status status = lk_adapter_info(object_at<lk_adapter>(adapter), &json);
  return take_text(env, status, json);
}

void adapter_merge(JNIEnv* env, jclass, jlong engine, jlongArray adapters, jbyteArray file) {
  const Bytes path(env, file);
  if (env->ExceptionCheck()) return;
  const auto count = static_cast<size_t>(env->GetArrayLength(adapters));
  const std::unique_ptr<const lk_adapter*[]> parts(new (std::nothrow) const lk_adapter*[count]);
  if (parts == nullptr)
    return raise(env, LK_OUT_OF_MEMORY, "there is not enough memory; close other apps");
  for (size_t i = 0; i < count; ++i) {
    jlong address = 0;
    env->GetLongArrayRegion(adapters, static_cast<jsize>(i), 1, &address);
    parts[i] = object_at<lk_adapter>(address);
  }
  succeeded(env, lk_adapter_merge(object_at<lk_engine>(engine), parts.get(), count, path.text()));
}

// Generation --------------------------------------------------------------------------------------

jobject sample_settings_default(JNIEnv* env, jclass, jlong engine) {
  lk_sample_settings s = {};
  if (!succeeded(env, lk_sample_settings_default(object_at<lk_engine>(engine), &s))) return nullptr;
  const jbyteArray prompt = to_java(env, s.prompt);
  const jbyteArray negative_prompt = to_java(env, s.negative_prompt);
  const jbyteArray sampler = to_java(env, s.sampler);
  if (env->ExceptionCheck()) return nullptr;
  return env->CallStaticObjectMethod(java.native, java.make_sample_settings, prompt,
                                     negative_prompt, sampler, static_cast<jlong>(s.seed),
                                     static_cast<jlong>(s.steps), static_cast<jlong>(s.count),
                                     s.guidance_scale);
}

int32_t on_sample_progress(void* user, int64_t done, int64_t total) {
  const auto [env, callbacks] = *static_cast<const Listener*>(user);
  if (env->ExceptionCheck()) return 1;
  const jboolean goes_on = env->CallBooleanMethod(
      callbacks, java.sample_progress, static_cast<jlong>(done), static_cast<jlong>(total));
  return env->ExceptionCheck() || !goes_on;
}

// `pixels` as `count` Java arrays.
jobjectArray to_pictures(JNIEnv* env, const uint8_t* pixels, size_t size, jsize count) {
  const jobjectArray pictures = env->NewObjectArray(count, java.byte_array, nullptr);
  for (jsize i = 0; i < count && !env->ExceptionCheck(); ++i) {
    const size_t picture_size = size / static_cast<size_t>(count);
    const jbyteArray picture =
        to_java(env, pixels + static_cast<size_t>(i) * picture_size, picture_size);
    if (picture == nullptr) break;
    env->SetObjectArrayElement(pictures, i, picture);
    env->DeleteLocalRef(picture);
  }
  return pictures;
}

jobjectArray generate(JNIEnv* env, jclass, jlong engine, jlong adapter, jbyteArray prompt,
                      jbyteArray negative_prompt, jbyteArray sampler, jlong seed, jlong steps,
                      jlong count, jdouble guidance_scale, jobject callbacks) {
  const Bytes prompt_bytes(env, prompt), negative_bytes(env, negative_prompt),
      sampler_bytes(env, sampler);
  if (env->ExceptionCheck()) return nullptr;
  lk_sample_settings s = {};
  s.prompt = prompt_bytes.text();
  s.negative_prompt = negative_bytes.text();
  s.sampler = sampler_bytes.text();
  s.seed = static_cast<uint64_t>(seed);
  s.steps = steps;
  s.count = count;
  s.guidance_scale = guidance_scale;
  const auto* opened = object_at<lk_engine>(engine);
  const size_t size = lk_generate_bytes(opened, &s);
  const std::unique_ptr<uint8_t[]> pixels(new (std::nothrow) uint8_t[size]);
  if (pixels == nullptr) {
    raise(env, LK_OUT_OF_MEMORY, "there is not enough memory for so many pictures; ask for fewer");
    return nullptr;
  }
  Listener listener = {env, callbacks};
  const lk_sample_callbacks c = {&listener, on_sample_progress};
  const lk_status status =
      lk_generate(opened, object_at<lk_adapter>(adapter), &s, &c, pixels.get(), size);
  return succeeded(env, status) ? to_pictures(env, pixels.get(), size, static_cast<jsize>(count))
                                : nullptr;
}

// Tools -------------------------------------------------------------------------------------------

jlongArray tokenize(JNIEnv* env, jclass, jlong engine, jlong adapter, jbyteArray text) {
  const Bytes bytes(env, text);
  if (env->ExceptionCheck()) return nullptr;
  const auto* opened = object_at<lk_engine>(engine);
  const auto* loaded = object_at<lk_adapter>(adapter);
  size_t count = 0;
  if (!succeeded(env, lk_tokenize(opened, loaded, bytes.text(), nullptr, 0, &count, nullptr)))
    return nullptr;
  const jlongArray array = env->NewLongArray(static_cast<jsize>(count));
  jlong* ids = array != nullptr ? env->GetLongArrayElements(array, nullptr) : nullptr;
  if (ids == nullptr) return nullptr;
  static_assert(sizeof(jlong) == sizeof(int64_t), "ids are written in place");
  const lk_status status = lk_tokenize(opened, loaded, bytes.text(),
                                       reinterpret_cast<int64_t*>(ids), count, &count, nullptr);
  env->ReleaseLongArrayElements(array, ids, 0);
  return succeeded(env, status) ? array : nullptr;
}

jbyteArray encode_decode(JNIEnv* env, jclass, jlong engine, jbyteArray rgb, jint width,
                         jint height) {
  const Bytes photo(env, rgb);
  if (env->ExceptionCheck()) return nullptr;
  const auto* opened = object_at<lk_engine>(engine);
  const auto side = static_cast<size_t>(lk_engine_image_size(opened));
  const jbyteArray array = env->NewByteArray(static_cast<jsize>(3 * side * side));
  jbyte* out = array != nullptr ? env->GetByteArrayElements(array, nullptr) : nullptr;
  if (out == nullptr) return nullptr;
  const lk_status status =
      lk_encode_decode(opened, photo.data(), width, height, 3 * static_cast<size_t>(width), 3,
                       reinterpret_cast<uint8_t*>(out), 3 * side * side);
  env->ReleaseByteArrayElements(array, out, 0);
  return succeeded(env, status) ? array : nullptr;
}

}  // namespace

const std::array<JNINativeMethod, 12> engine_natives = {
    native("engineOpen", "([BZIJ)J", engine_open),
    native("engineClose", "(J)V", engine_close),
    native("engineInfo", "(J)[B", engine_info),
    native("engineTrim", "(J)V", engine_trim),
    native("adapterLoad", "(J[B)J", adapter_load),
    native("adapterClose", "(J)V", adapter_close),
    native("adapterInfo", "(J)[B", adapter_info),
    native("adapterMerge", "(J[J[B)V", adapter_merge),
    native("sampleSettingsDefault", "(J)" LIKENESS_CLASS("SampleSettings"),
           sample_settings_default),
    native("generate", "(JJ[B[B[BJJJD" LIKENESS_CLASS("SampleCallbacks") ")[[B", generate),
    native("tokenize", "(JJ[B)[J", tokenize),
    native("encodeDecode", "(J[BII)[B", encode_decode),
};

}  // namespace likeness_jni
