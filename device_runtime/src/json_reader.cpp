#include "json_reader.h"

#include <cmath>
#include <set>

#include "printable.h"

namespace likeness {
namespace {

using nlohmann::json;
constexpr int kMaxDepth = 32;  // deeper than any file of this project

}  // namespace

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

json parse_json(std::string_view bytes, const std::string& file) {
  std::vector<std::set<std::string>> keys;  // of the objects that are open
  std::string fault;
  const auto watch = [&](int depth, json::parse_event_t event, json& value) {
    if (depth > kMaxDepth) fault = "nests too deep";
    if (event == json::parse_event_t::object_start) keys.emplace_back();
    if (event == json::parse_event_t::object_end && !keys.empty()) keys.pop_back();
    if (event == json::parse_event_t::key && !keys.empty()) {
      const std::string key = value.get<std::string>();
      // Readers differ in which of two equal keys they take: one could be shown, another used.
      if (!keys.back().insert(key).second) fault = "has the key " + printable(key) + " twice";
    }
    return fault.empty();  // what is refused is not kept
  };
  json value = json::parse(bytes.begin(), bytes.end(), watch, false);
  if (fault.empty() && value.is_discarded()) fault = "is not JSON";
  if (!fault.empty()) {
    throw Error(ErrorCode::corrupt, file + " " + fault + "; the file is damaged, get it again");
  }
  return value;
}

}  // namespace likeness
