// How a test function reports an Error: the code is returned, the message kept for
// lkt_error_message().
#pragma once

#include <string>

#include "error.h"

namespace likeness::testing {

std::string& error_message();

template <typename Function>
int guard(Function function) {
  try {
    function();
    return 0;
  } catch (const Error& error) {
    error_message() = error.what();
    return static_cast<int>(error.code);
  } catch (const std::exception& error) {
    error_message() = std::string("not an Error: ") + error.what();
    return -1;
  }
}

}  // namespace likeness::testing
