// Arrays as Core ML has them, in and out of the core's own: their elements may be of another type,
// and lie apart in memory, for the hardware pads rows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "tensor.h"

namespace likeness {

enum class ElementType { f16, f32, f64, i32 };

std::size_t element_size(ElementType type);
const char* type_name(ElementType type);

// True where an array of these elements can stand for a tensor of that type: floating-point numbers
// for F32, int32 for I64, whose values here are token ids.
bool can_stand_for(ElementType element, TensorType type);

struct MultiArrayLayout {
  ElementType type = ElementType::f32;
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> strides;  // in elements, one a dimension
};

// Of a row-major array with nothing between its elements.
std::vector<std::int64_t> contiguous_strides(const std::vector<std::int64_t>& shape);

// A contiguous array of `type` with what `values`, a tensor as `spec` says, holds. Error{internal}
// where a token id is beyond int32.
std::vector<std::uint8_t> to_multi_array(const void* values, const TensorSpec& spec,
                                         ElementType type);

// Copies an array of `size_bytes` to `values`, a tensor as `spec` says. Error{corrupt} where it has
// another shape, a type that cannot stand for it, or strides that leave it.
void from_multi_array(const void* data, std::size_t size_bytes, const MultiArrayLayout& layout,
                      const TensorSpec& spec, void* values);

}  // namespace likeness
