// Reading JSON that somebody else wrote: every access says where it is and checks what it finds,
// so that a wrong file becomes an Error{corrupt} such as "manifest.json: batch.train is missing".
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "error.h"

namespace likeness {

class JsonNode {
 public:
  // `value` must outlive the node. `file` and `path` are for messages.
  JsonNode(const nlohmann::json& value, std::string file, std::string path = "");

  // The member `key`; Error where it is missing. has() is false for null, too.
  JsonNode operator[](const std::string& key) const;
  bool has(const std::string& key) const;

  std::string text() const;
  std::int64_t integer(std::int64_t smallest, std::int64_t largest) const;
  std::uint64_t unsigned_integer() const;
  double number() const;  // finite
  bool boolean() const;
  std::vector<JsonNode> items() const;
  std::vector<std::pair<std::string, JsonNode>> members() const;
  std::vector<std::string> texts() const;

  std::string dump() const { return value_->dump(); }

  [[noreturn]] void fail(const std::string& what) const;

 private:
  const nlohmann::json* value_;
  std::string file_;
  std::string path_;
};

// Error{corrupt} where `bytes` are not JSON in UTF-8, or nest too deep.
nlohmann::json parse_json(std::string_view bytes, const std::string& file);

}  // namespace likeness
