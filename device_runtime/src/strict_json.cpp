#include "strict_json.h"

#include <unordered_set>
#include <vector>

#include "error.h"
#include "printable.h"

namespace likeness {

nlohmann::json parse_strict_json(std::string_view text, const std::string& what, int max_depth) {
  using nlohmann::json;
  const auto fail = [&](const std::string& problem) {
    throw Error(ErrorCode::corrupt, what + " " + problem + "; the file is damaged, get it again");
  };
  if (text.find('\0') != std::string_view::npos) fail("is not JSON: it has a zero byte");
  if (text.substr(0, 3) == "\xEF\xBB\xBF") fail("is not JSON: it has a byte order mark");

  // Checked while parsing, when it still costs nothing.
  std::vector<std::unordered_set<std::string>> keys;
  const auto check = [&](int depth, json::parse_event_t event, json& value) {
    if (depth > max_depth) fail("is nested too deeply");
    if (event == json::parse_event_t::object_start) keys.emplace_back();
    if (event == json::parse_event_t::object_end) keys.pop_back();
    if (event == json::parse_event_t::key &&
        !keys.back().insert(value.get_ref<const std::string&>()).second) {
      fail("has the key " + printable(value.get_ref<const std::string&>()) + " twice");
    }
    return true;
  };
  try {
    return json::parse(text.begin(), text.end(), check);
  } catch (const json::exception& error) {
    fail("is not JSON: " + printable(error.what(), 200));
  }
  return {};
}

}  // namespace likeness
