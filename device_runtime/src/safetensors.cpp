#include "safetensors.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <tuple>

#include "error.h"
#include "printable.h"
#include "strict_json.h"

namespace likeness {
namespace {

using nlohmann::json;

constexpr std::size_t kLengthBytes = 8;
constexpr std::size_t kAlignment = 8;
// Thousands of tensors need less than a megabyte; parsed JSON takes several times its text.
constexpr std::uint64_t kMaxHeaderBytes = 16 << 20;
constexpr int kMaxDepth = 3;  // header, tensor, shape
constexpr char kMetadata[] = "__metadata__";
constexpr TensorType kTypes[] = {TensorType::f32, TensorType::f16, TensorType::i64};

[[noreturn]] void fail(const std::string& what) {
  throw Error(ErrorCode::corrupt, "safetensors: " + what);
}

std::string tensor_name(std::string_view name) { return "tensor " + printable(name); }

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < std::min<std::size_t>(shape.size(), 8); ++i) {
    text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  }
  return text + (shape.size() > 8 ? ", ...]" : "]");
}

// False where the number of bytes does not fit a size_t, or a dimension is negative.
bool byte_count(TensorType type, const std::vector<std::int64_t>& shape, std::size_t& bytes) {
  constexpr std::size_t kMax = std::numeric_limits<std::ptrdiff_t>::max();
  bytes = element_size(type);
  bool empty = false;
  for (std::int64_t dimension : shape) {
    if (dimension < 0) return false;
    if (dimension == 0) {
      empty = true;  // but the others must still make sense
      continue;
    }
    if (static_cast<std::uint64_t>(dimension) > kMax / bytes) return false;
    bytes *= static_cast<std::size_t>(dimension);
  }
  if (empty) bytes = 0;
  return true;
}

Metadata read_metadata(const json& value) {
  Metadata metadata;
  if (value.is_null()) return metadata;
  if (!value.is_object()) fail("__metadata__ is not an object");
  for (const auto& [key, text] : value.items()) {
    if (!text.is_string()) fail("metadata " + printable(key) + " is not a string");
    metadata.emplace(key, text.get<std::string>());
  }
  return metadata;
}

const json& field(const std::string& name, const json& entry, const char* key) {
  const auto found = entry.find(key);
  if (found == entry.end()) fail(tensor_name(name) + " has no " + key);
  return *found;
}

TensorView read_tensor(const std::string& name, const json& entry, const std::uint8_t* buffer,
                       std::size_t buffer_size) {
  if (!entry.is_object()) fail(tensor_name(name) + " is not described by an object");
  TensorView view;

  const json& dtype = field(name, entry, "dtype");
  const auto* type = std::find_if(std::begin(kTypes), std::end(kTypes),
                                  [&](TensorType t) { return dtype == type_name(t); });
  if (type == std::end(kTypes)) {
    const std::string given = dtype.is_string() ? printable(dtype.get<std::string>()) : "no string";
    fail(tensor_name(name) + " has type " + given + "; known are F32, F16 and I64");
  }
  view.type = *type;

  const json& shape = field(name, entry, "shape");
  if (!shape.is_array()) fail("the shape of " + tensor_name(name) + " is not a list");
  for (const json& dimension : shape) {
    const bool whole = dimension.is_number_unsigned();
    const std::uint64_t size = whole ? dimension.get<std::uint64_t>() : 0;
    if (!whole || size > std::uint64_t{std::numeric_limits<std::int64_t>::max()}) {
      fail("the shape of " + tensor_name(name) + " has a dimension that is not a size");
    }
    view.shape.push_back(static_cast<std::int64_t>(size));
  }
  std::size_t expected = 0;
  if (!byte_count(view.type, view.shape, expected)) {
    fail("the shape " + shape_text(view.shape) + " of " + tensor_name(name) + " is too large");
  }

  const json& offsets = field(name, entry, "data_offsets");
  if (!offsets.is_array() || offsets.size() != 2 || !offsets[0].is_number_unsigned() ||
      !offsets[1].is_number_unsigned()) {
    fail("the data_offsets of " + tensor_name(name) + " are not two positions");
  }
  const auto begin = offsets[0].get<std::uint64_t>();
  const auto end = offsets[1].get<std::uint64_t>();
  if (begin > end || end > buffer_size) {
    fail(tensor_name(name) + " claims bytes " + std::to_string(begin) + " to " +
         std::to_string(end) + " of " + std::to_string(buffer_size));
  }
  if (end - begin != expected) {
    fail(tensor_name(name) + " has " + std::to_string(end - begin) + " bytes; its shape " +
         shape_text(view.shape) + " needs " + std::to_string(expected));
  }
  view.data = buffer + begin;
  view.size_bytes = expected;
  return view;
}

// The tensors must cover the buffer without gap or overlap, as the format demands.
void check_coverage(const TensorMap& tensors, const std::uint8_t* buffer, std::size_t size) {
  std::vector<std::tuple<const std::uint8_t*, std::size_t, const std::string*>> parts;
  for (const auto& [name, view] : tensors) parts.emplace_back(view.data, view.size_bytes, &name);
  std::sort(parts.begin(), parts.end(), [](const auto& a, const auto& b) {
    return std::tie(std::get<0>(a), std::get<1>(a)) < std::tie(std::get<0>(b), std::get<1>(b));
  });
  const std::uint8_t* expected = buffer;
  for (const auto& [data, bytes, name] : parts) {
    if (data < expected) fail(tensor_name(*name) + " overlaps another tensor");
    if (data > expected) fail("there is a gap before " + tensor_name(*name));
    expected = data + bytes;
  }
  if (expected != buffer + size) {
    fail(std::to_string(buffer + size - expected) + " bytes at the end belong to no tensor");
  }
}

std::string json_text(const std::string& text) {
  try {
    return json(text).dump();
  } catch (const json::exception&) {
    throw Error(ErrorCode::invalid_argument, "safetensors: " + printable(text) + " is not UTF-8");
  }
}

std::string header_entry(const std::string& name, const TensorView& view, std::size_t offset) {
  std::string entry = json_text(name) + ":{\"dtype\":\"" + type_name(view.type) + "\",\"shape\":[";
  for (std::size_t i = 0; i < view.shape.size(); ++i) {
    entry += (i == 0 ? "" : ",") + std::to_string(view.shape[i]);
  }
  return entry + "],\"data_offsets\":[" + std::to_string(offset) + "," +
         std::to_string(offset + view.size_bytes) + "]}";
}

}  // namespace

std::size_t element_size(TensorType type) {
  switch (type) {
    case TensorType::f32:
      return 4;
    case TensorType::f16:
      return 2;
    case TensorType::i64:
      return 8;
  }
  throw Error(ErrorCode::internal, "unknown tensor type");
}

const char* type_name(TensorType type) {
  switch (type) {
    case TensorType::f32:
      return "F32";
    case TensorType::f16:
      return "F16";
    case TensorType::i64:
      return "I64";
  }
  throw Error(ErrorCode::internal, "unknown tensor type");
}

const TensorView& Safetensors::require(const std::string& name, TensorType type,
                                       const std::vector<std::int64_t>& shape) const {
  const auto found = tensors.find(name);
  if (found == tensors.end()) fail(tensor_name(name) + " is missing");
  const TensorView& view = found->second;
  if (view.type != type || view.shape != shape) {
    fail(tensor_name(name) + " is " + type_name(view.type) + " " + shape_text(view.shape) +
         ", expected " + type_name(type) + " " + shape_text(shape));
  }
  return view;
}

Safetensors parse_safetensors(const std::uint8_t* data, std::size_t size) {
  if (size < kLengthBytes) fail("the file has " + std::to_string(size) + " bytes, too few");
  std::uint64_t header_size = 0;
  for (std::size_t i = 0; i < kLengthBytes; ++i) header_size |= std::uint64_t{data[i]} << 8 * i;
  if (header_size > size - kLengthBytes) {
    fail("the header claims " + std::to_string(header_size) + " bytes of a file of " +
         std::to_string(size) + "; it may be incomplete");
  }
  if (header_size > kMaxHeaderBytes) {
    fail("the header of " + std::to_string(header_size) + " bytes is too large");
  }
  const auto* text = reinterpret_cast<const char*>(data + kLengthBytes);
  const json header = parse_strict_json({text, static_cast<std::size_t>(header_size)},
                                        "safetensors: the header", kMaxDepth);
  if (!header.is_object()) fail("the header is not an object");

  const std::uint8_t* buffer = data + kLengthBytes + header_size;
  const std::size_t buffer_size = size - kLengthBytes - static_cast<std::size_t>(header_size);
  Safetensors file;
  for (const auto& [name, entry] : header.items()) {
    if (name == kMetadata) {
      file.metadata = read_metadata(entry);
    } else {
      file.tensors.emplace(name, read_tensor(name, entry, buffer, buffer_size));
    }
  }
  check_coverage(file.tensors, buffer, buffer_size);
  return file;
}

std::vector<std::uint8_t> serialize_safetensors(const TensorMap& tensors,
                                                const Metadata& metadata) {
  std::vector<const TensorMap::value_type*> order;
  std::size_t total = 0;
  for (const auto& item : tensors) {
    std::size_t expected = 0;
    const TensorView& view = item.second;
    if (item.first == kMetadata || !byte_count(view.type, view.shape, expected) ||
        expected != view.size_bytes) {
      throw Error(ErrorCode::invalid_argument, "safetensors: " + tensor_name(item.first) +
                                                   " of shape " + shape_text(view.shape) +
                                                   " cannot be written with " +
                                                   std::to_string(view.size_bytes) + " bytes");
    }
    order.push_back(&item);
    total += expected;
  }
  // Large elements first, so that every tensor lies at a multiple of its element size.
  std::stable_sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    return element_size(a->second.type) > element_size(b->second.type);
  });

  std::string header = "{";
  if (!metadata.empty()) {
    header += std::string("\"") + kMetadata + "\":{";
    for (const auto& [key, value] : metadata) {
      header += (header.back() == '{' ? "" : ",") + json_text(key) + ":" + json_text(value);
    }
    header += "}";
  }
  std::size_t offset = 0;
  for (const auto* item : order) {
    header += (header.size() == 1 ? "" : ",") + header_entry(item->first, item->second, offset);
    offset += item->second.size_bytes;
  }
  header += "}";
  header.resize((header.size() + kAlignment - 1) / kAlignment * kAlignment, ' ');

  std::vector<std::uint8_t> bytes;
  bytes.reserve(kLengthBytes + header.size() + total);
  for (std::size_t i = 0; i < kLengthBytes; ++i) {
    bytes.push_back(static_cast<std::uint8_t>(std::uint64_t{header.size()} >> 8 * i));
  }
  bytes.insert(bytes.end(), header.begin(), header.end());
  for (const auto* item : order) {
    const TensorView& view = item->second;
    if (view.size_bytes > 0) bytes.insert(bytes.end(), view.data, view.data + view.size_bytes);
  }
  return bytes;
}

}  // namespace likeness
