// Reading JSON that somebody else wrote: every access says where it is and checks what it finds,
// so that a wrong file becomes an Error{corrupt} such as "manifest.json: batch.train is missing".
#pragma once

#include <cstdint>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>
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
  // This object; Error where it lacks one of `names` or has a member of another name.
  const JsonNode& with_fields(std::initializer_list<const char*> names) const;

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

}  // namespace likeness
