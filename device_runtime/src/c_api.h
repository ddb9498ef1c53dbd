// What the files of the C boundary share.
#pragma once

#include <memory>
#include <new>
#include <string>

#include "adapter.h"
#include "engine.h"
#include "error.h"
#include "image.h"
#include "likeness.h"
#include "session.h"
#include "settings.h"

struct lk_engine {
  std::shared_ptr<const likeness::Engine> engine;
  likeness::TrainSettings training_defaults;  // texts of lk_*_settings_default() point into these
  likeness::SampleSettings sampling_defaults;
};

struct lk_adapter {
  std::shared_ptr<const likeness::Engine> engine;
  likeness::Adapter adapter;
};

struct lk_session {
  std::shared_ptr<const likeness::Engine> engine;
  std::unique_ptr<likeness::Session> session;
};

namespace likeness {

// Remembers the message for lk_last_error().
lk_status report(ErrorCode code, const char* message) noexcept;

// With malloc(), for lk_string_free().
char* copy_text(const std::string& text);

// Error for what cannot be a picture in memory.
PhotoView checked_photo(const uint8_t* pixels, int32_t width, int32_t height, size_t row_stride,
                        int32_t bytes_per_pixel);

inline std::string text_or(const char* text, const std::string& otherwise) {
  return text != nullptr ? std::string(text) : otherwise;
}

inline void require(bool condition, const char* message) {
  if (!condition) throw Error(ErrorCode::invalid_argument, message);
}

// Nothing but a status leaves a function of the C API.
template <typename Function>
lk_status guard(Function function) noexcept {
  try {
    function();
    return LK_OK;
  } catch (const Error& error) {
    return report(error.code, error.what());
  } catch (const std::bad_alloc&) {
    return report(ErrorCode::out_of_memory,
                  "there is not enough memory; close other apps, or set a memory limit");
  } catch (const std::exception& error) {
    return report(ErrorCode::internal, error.what());
  } catch (...) {
    return report(ErrorCode::internal, "an unknown error");
  }
}

}  // namespace likeness
