// The one exception of the core: a code for programs, a message for people.
//
// Inside the core a failure is thrown as Error and caught at the C boundary (c_api.cpp), which
// turns it into a value. Nothing else crosses that boundary and nothing in the core aborts.
#pragma once

#include <stdexcept>
#include <string>

namespace likeness {

// The numbers are part of the C API: append, never renumber.
enum class ErrorCode : int {
  ok = 0,
  invalid_argument = 1,
  io = 2,
  corrupt = 3,
  unsupported_version = 4,
  wrong_model = 5,
  out_of_memory = 6,
  cancelled = 7,
  busy = 8,
  not_finite = 9,
  disk_full = 10,
  internal = 11,
  bad_photo = 12,
};

// `message` says what is wrong and, where there is one, what to do about it.
struct Error : std::runtime_error {
  Error(ErrorCode error_code, const std::string& message)
      : std::runtime_error(message), code(error_code) {}

  ErrorCode code;
};

}  // namespace likeness
