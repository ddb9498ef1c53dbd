// The safetensors file format: named tensors and string metadata.
//
// A file is an 8-byte little-endian header length, a JSON header, and the tensors' bytes. Files
// come from other people, so a reader trusts nothing: whatever is wrong becomes an Error{corrupt}
// that names it, and nothing is allocated on the word of the file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace likeness {

enum class TensorType { f32, f16, i64 };

// Bytes of one element.
std::size_t element_size(TensorType type);

// "F32", "F16", "I64": the format's own names.
const char* type_name(TensorType type);

struct TensorView {
  TensorType type = TensorType::f32;
  std::vector<std::int64_t> shape;
  const std::uint8_t* data = nullptr;  // little-endian, row-major, not necessarily aligned
  std::size_t size_bytes = 0;
};

// Ordered by name, so that iterating and writing are deterministic.
using TensorMap = std::map<std::string, TensorView>;
using Metadata = std::map<std::string, std::string>;

struct Safetensors {
  TensorMap tensors;
  Metadata metadata;

  // Throws Error{corrupt} that names the tensor which is missing or has another type or shape.
  const TensorView& require(const std::string& name, TensorType type,
                            const std::vector<std::int64_t>& shape) const;
};

// The views point into `data`, which must outlive them. Throws Error{corrupt}.
Safetensors parse_safetensors(const std::uint8_t* data, std::size_t size);

// The file's bytes: the same input gives the same bytes, which are those the safetensors library
// writes (tensors by falling element size, then by name). Throws Error{invalid_argument} where a
// size does not fit its shape or a name is not UTF-8.
std::vector<std::uint8_t> serialize_safetensors(const TensorMap& tensors, const Metadata& metadata);

}  // namespace likeness
