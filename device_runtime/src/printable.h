// Text from a file, made safe to show in a message.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace likeness {

// In quotes, cut at `limit` characters, everything outside printable ASCII replaced by '?'. A
// tensor of a deep network has a name of some hundred characters, which must stay whole.
inline std::string printable(std::string_view text, std::size_t limit = 160) {
  std::string shown = "\"";
  for (char c : text.substr(0, limit)) shown.push_back(c >= 0x20 && c < 0x7F ? c : '?');
  return shown + (text.size() > limit ? "...\"" : "\"");
}

}  // namespace likeness
