#include "json_reader.h"

#include <algorithm>
#include <cmath>

#include "printable.h"

namespace likeness {

using nlohmann::json;

JsonNode::JsonNode(const json& value, std::string file, std::string path)
    : value_(&value), file_(std::move(file)), path_(std::move(path)) {}

void JsonNode::fail(const std::string& what) const {
  throw Error(ErrorCode::corrupt,
              file_ + ": " + (path_.empty() ? std::string("the file") : path_) + " " + what);
}

bool JsonNode::has(const std::string& key) const {
  if (!value_->is_object()) fail("is not an object");
  const auto found = value_->find(key);
  return found != value_->end() && !found->is_null();
}

const JsonNode& JsonNode::with_fields(std::initializer_list<const char*> names) const {
  for (const char* name : names) (*this)[name];
  for (const auto& [key, member] : members()) {
    const auto is_key = [&key = key](const char* name) { return key == name; };
    if (std::none_of(names.begin(), names.end(), is_key)) member.fail("is an unknown field");
  }
  return *this;
}

JsonNode JsonNode::operator[](const std::string& key) const {
  if (!value_->is_object()) fail("is not an object");
  const auto found = value_->find(key);
  std::string shown = printable(key);
  shown = shown.substr(1, shown.size() - 2);
  const std::string path = path_.empty() ? shown : path_ + "." + shown;
  if (found == value_->end()) JsonNode(*value_, file_, path).fail("is missing");
  return {*found, file_, path};
}

std::string JsonNode::text() const {
  if (!value_->is_string()) fail("is not a text");
  const std::string text = value_->get<std::string>();
  // It may become a file name or a C string: a hidden end would make two readers disagree.
  if (text.find('\0') != std::string::npos) fail("contains a zero byte");
  return text;
}

std::int64_t JsonNode::integer(std::int64_t smallest, std::int64_t largest) const {
  if (!value_->is_number_integer()) fail("is not a whole number");
  const bool huge = value_->is_number_unsigned() &&
                    value_->get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX);
  const std::int64_t number = huge ? INT64_MAX : value_->get<std::int64_t>();
  if (huge || number < smallest || number > largest) {
    fail("is " + value_->dump() + ", not between " + std::to_string(smallest) + " and " +
         std::to_string(largest));
  }
  return number;
}

std::uint64_t JsonNode::unsigned_integer() const {
  if (!value_->is_number_integer()) fail("is not a whole number");
  if (!value_->is_number_unsigned() && value_->get<std::int64_t>() < 0) fail("is negative");
  return value_->get<std::uint64_t>();
}

double JsonNode::number() const {
  if (!value_->is_number()) fail("is not a number");
  const double number = value_->get<double>();
  if (!std::isfinite(number)) fail("is not a finite number");
  return number;
}

bool JsonNode::boolean() const {
  if (!value_->is_boolean()) fail("is neither true nor false");
  return value_->get<bool>();
}

std::vector<JsonNode> JsonNode::items() const {
  if (!value_->is_array()) fail("is not a list");
  std::vector<JsonNode> items;
  items.reserve(value_->size());
  for (std::size_t i = 0; i < value_->size(); ++i) {
    items.emplace_back((*value_)[i], file_, path_ + "[" + std::to_string(i) + "]");
  }
  return items;
}

std::vector<std::pair<std::string, JsonNode>> JsonNode::members() const {
  if (!value_->is_object()) fail("is not an object");
  std::vector<std::pair<std::string, JsonNode>> members;
  for (const auto& item : value_->items()) members.emplace_back(item.key(), (*this)[item.key()]);
  return members;
}

std::vector<std::string> JsonNode::texts() const {
  std::vector<std::string> texts;
  for (const JsonNode& item : items()) texts.push_back(item.text());
  return texts;
}

}  // namespace likeness
