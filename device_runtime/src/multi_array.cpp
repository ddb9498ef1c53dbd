#include "multi_array.h"

#include <cstring>
#include <limits>
#include <string>

#include "error.h"
#include "float16.h"

namespace likeness {
namespace {

struct Float16 {
  std::uint16_t bits;
};

void convert(float from, Float16& to) { to.bits = to_float16(from); }
void convert(float from, float& to) { to = from; }
void convert(float from, double& to) { to = from; }
void convert(Float16 from, float& to) { to = from_float16(from.bits); }
void convert(double from, float& to) { to = static_cast<float>(from); }
void convert(std::int32_t from, std::int64_t& to) { to = from; }
void convert(std::int64_t from, std::int32_t& to) {
  if (from < std::numeric_limits<std::int32_t>::min() ||
      from > std::numeric_limits<std::int32_t>::max()) {
    throw Error(ErrorCode::internal,
                "the token id " + std::to_string(from) + " is beyond what Core ML's integers hold");
  }
  to = static_cast<std::int32_t>(from);
}

// Calls visit(element, tensor) with a value of each type. Error{internal} for two that do not go
// together, which can_stand_for() tells beforehand.
template <typename Visit>
void with_types(ElementType element, TensorType tensor, Visit visit) {
  if (!can_stand_for(element, tensor)) {
    throw Error(ErrorCode::internal, std::string("an array of ") + type_name(element) +
                                         " was given for a tensor of " + type_name(tensor));
  }
  switch (element) {
    case ElementType::f16:
      return visit(Float16{}, float{});
    case ElementType::f32:
      return visit(float{}, float{});
    case ElementType::f64:
      return visit(double{}, float{});
    case ElementType::i32:
      return visit(std::int32_t{}, std::int64_t{});
  }
}

[[noreturn]] void mismatch(const TensorSpec& spec, const std::string& what) {
  throw Error(ErrorCode::corrupt,
              "Core ML gave for " + spec.name + " an array " + what + "; export the bundle again");
}

// Whether the element farthest from the first lies inside, in numbers that cannot overflow.
bool fits(const MultiArrayLayout& layout, std::size_t size_bytes) {
  const std::size_t count = size_bytes / element_size(layout.type);
  if (count == 0) return false;
  std::size_t room = count - 1;
  for (std::size_t d = 0; d < layout.shape.size(); ++d) {
    if (layout.strides[d] < 0) return false;
    const auto stride = static_cast<std::size_t>(layout.strides[d]);
    const auto steps = static_cast<std::size_t>(layout.shape[d]) - 1;
    if (stride > 0 && steps > room / stride) return false;
    room -= steps * stride;
  }
  return true;
}

void check_layout(const MultiArrayLayout& layout, std::size_t size_bytes, const TensorSpec& spec) {
  if (!can_stand_for(layout.type, spec.type)) {
    mismatch(spec, std::string("of ") + type_name(layout.type));
  }
  if (layout.shape != spec.shape) mismatch(spec, "of another shape");
  if (layout.strides.size() != layout.shape.size() || !fits(layout, size_bytes)) {
    mismatch(spec, "that is shorter than its strides say");
  }
}

// Elements of dimension `d` and those inside it, in row-major order.
template <typename Element, typename Value>
void gather(const Element* from, const MultiArrayLayout& layout, std::size_t d, Value*& to) {
  const std::int64_t size = layout.shape[d];
  const std::int64_t stride = layout.strides[d];
  if (d + 1 == layout.shape.size()) {
    for (std::int64_t i = 0; i < size; ++i) convert(from[i * stride], *to++);
  } else {
    for (std::int64_t i = 0; i < size; ++i) gather(from + i * stride, layout, d + 1, to);
  }
}

}  // namespace

std::size_t element_size(ElementType type) {
  switch (type) {
    case ElementType::f16:
      return 2;
    case ElementType::f32:
    case ElementType::i32:
      return 4;
    case ElementType::f64:
      return 8;
  }
  return 0;
}

const char* type_name(ElementType type) {
  switch (type) {
    case ElementType::f16:
      return "float16";
    case ElementType::f32:
      return "float32";
    case ElementType::f64:
      return "float64";
    case ElementType::i32:
      return "int32";
  }
  return "";
}

bool can_stand_for(ElementType element, TensorType type) {
  const bool integers = element == ElementType::i32;
  return type == TensorType::i64 ? integers : type == TensorType::f32 && !integers;
}

std::vector<std::int64_t> contiguous_strides(const std::vector<std::int64_t>& shape) {
  std::vector<std::int64_t> strides(shape.size(), 1);
  for (std::size_t d = shape.size(); d > 1; --d) strides[d - 2] = strides[d - 1] * shape[d - 1];
  return strides;
}

std::vector<std::uint8_t> to_multi_array(const void* values, const TensorSpec& spec,
                                         ElementType type) {
  std::vector<std::uint8_t> array(spec.count() * element_size(type));
  with_types(type, spec.type, [&](auto element, auto value) {
    const auto* from = static_cast<const decltype(value)*>(values);
    auto* to = reinterpret_cast<decltype(element)*>(array.data());
    for (std::size_t i = 0; i < spec.count(); ++i) convert(from[i], to[i]);
  });
  return array;
}

void from_multi_array(const void* data, std::size_t size_bytes, const MultiArrayLayout& layout,
                      const TensorSpec& spec, void* values) {
  check_layout(layout, size_bytes, spec);
  with_types(layout.type, spec.type, [&](auto element, auto value) {
    const auto* from = static_cast<const decltype(element)*>(data);
    auto* to = static_cast<decltype(value)*>(values);
    if (layout.shape.empty()) return convert(*from, *to);
    gather(from, layout, 0, to);
  });
}

}  // namespace likeness
