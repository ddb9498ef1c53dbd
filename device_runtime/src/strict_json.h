// JSON from files that may be damaged or hostile.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace likeness {

constexpr int kMaxJsonDepth = 32;  // deeper than any file of this project

// Throws Error{corrupt} "<what> …" for anything but one JSON text: also for a key that an object
// has twice, for nesting beyond `max_depth`, and for what nlohmann::json overlooks, which are a
// zero byte (it stops there and ignores the rest) and a byte order mark.
nlohmann::json parse_strict_json(std::string_view text, const std::string& what,
                                 int max_depth = kMaxJsonDepth);

}  // namespace likeness
