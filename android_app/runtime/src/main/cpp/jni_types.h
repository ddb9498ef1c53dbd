// Between Java's types and the C header's. While a Java exception is pending, nothing here calls
// Java: results are then null, and a function that returns to Java at once gives the exception to
// its caller.
#pragma once

#include <jni.h>

#include <cstdint>
#include <cstring>

#include "likeness.h"

namespace likeness_jni {

// A Java byte array's content for as long as the object lives. Texts end with a zero byte, which
// Kotlin has put there.
class Bytes {
 public:
  // `array` may be null, and so are then text() and data().
  Bytes(JNIEnv* env, jbyteArray array) : env_(env), array_(array) {
    if (array != nullptr && !env->ExceptionCheck())
      elements_ = env->GetByteArrayElements(array, nullptr);
  }
  ~Bytes() {
    if (elements_ != nullptr) env_->ReleaseByteArrayElements(array_, elements_, JNI_ABORT);
  }
  Bytes(const Bytes&) = delete;
  Bytes& operator=(const Bytes&) = delete;

  const char* text() const { return reinterpret_cast<const char*>(elements_); }
  const uint8_t* data() const { return reinterpret_cast<const uint8_t*>(elements_); }

 private:
  JNIEnv* env_;
  jbyteArray array_;
  jbyte* elements_ = nullptr;
};

inline jbyteArray to_java(JNIEnv* env, const void* data, size_t size) {
  if (env->ExceptionCheck()) return nullptr;
  const jbyteArray array = env->NewByteArray(static_cast<jsize>(size));
  if (array != nullptr) {
    env->SetByteArrayRegion(array, 0, static_cast<jsize>(size), static_cast<const jbyte*>(data));
  }
  return array;
}

// The bytes of a text, without the zero at its end.
inline jbyteArray to_java(JNIEnv* env, const char* text) {
  return to_java(env, text, std::strlen(text));
}

template <typename Object>
Object* object_at(jlong address) {
  return reinterpret_cast<Object*>(static_cast<intptr_t>(address));
}

inline jlong address_of(const void* object) {
  return static_cast<jlong>(reinterpret_cast<intptr_t>(object));
}

inline jboolean to_jboolean(int32_t value) { return value != 0 ? JNI_TRUE : JNI_FALSE; }

}  // namespace likeness_jni
