#include "guard.h"

namespace likeness::testing {

std::string& error_message() {
  static thread_local std::string message;
  return message;
}

}  // namespace likeness::testing

extern "C" const char* lkt_error_message() { return likeness::testing::error_message().c_str(); }
