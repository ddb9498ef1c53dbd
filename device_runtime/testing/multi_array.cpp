// What the Core ML back end is made of that needs no Apple system, for
// tests/test_core_{coreml,float16}.py.
#include "multi_array.h"

#include <cstring>
#include <string>

#include "compiled_models.h"
#include "coreml_features.h"
#include "float16.h"
#include "guard.h"

using namespace likeness;  // a test harness: every name below is the core's

namespace {

std::vector<std::int64_t> sizes(const std::int64_t* values, std::size_t count) {
  return {values, values + count};
}

// Tensor types as pytest has them: 0 F32, 1 I64.
TensorSpec spec_of(int type, const std::int64_t* shape, std::size_t rank) {
  return {"the tensor", type == 0 ? TensorType::f32 : TensorType::i64, sizes(shape, rank)};
}

}  // namespace

extern "C" {

void lkt_to_float16(const float* values, std::size_t count, std::uint16_t* bits) {
  for (std::size_t i = 0; i < count; ++i) bits[i] = to_float16(values[i]);
}
void lkt_from_float16(const std::uint16_t* bits, std::size_t count, float* values) {
  for (std::size_t i = 0; i < count; ++i) values[i] = from_float16(bits[i]);
}

int lkt_to_multi_array(const void* values, int type, const std::int64_t* shape, std::size_t rank,
                       int element, void* array) {
  return testing::guard([&] {
    const auto bytes =
        to_multi_array(values, spec_of(type, shape, rank), static_cast<ElementType>(element));
    std::memcpy(array, bytes.data(), bytes.size());
  });
}
int lkt_from_multi_array(const void* data, std::size_t size_bytes, int element,
                         const std::int64_t* layout_shape, const std::int64_t* strides,
                         std::size_t layout_rank, int type, const std::int64_t* shape,
                         std::size_t rank, void* values) {
  return testing::guard([&] {
    const MultiArrayLayout layout = {static_cast<ElementType>(element),
                                     sizes(layout_shape, layout_rank), sizes(strides, layout_rank)};
    from_multi_array(data, size_bytes, layout, spec_of(type, shape, rank), values);
  });
}
void lkt_contiguous_strides(const std::int64_t* shape, std::size_t rank, std::int64_t* strides) {
  const auto result = contiguous_strides(sizes(shape, rank));
  std::copy(result.begin(), result.end(), strides);
}

void lkt_feature_name(const char* tensor, char* name) {
  std::strcpy(name, feature_name(tensor).c_str());  // never longer
}
// Tensors and features of shape (2, 3); elements -1: of no type known. Writes the types found.
int lkt_match_features(const char* const* tensors, const int* types, std::size_t count,
                       const char* const* features, const int* elements,
                       const std::int64_t* first_sizes, std::size_t feature_count, int* found) {
  return testing::guard([&] {
    std::vector<TensorSpec> specs;
    for (std::size_t i = 0; i < count; ++i) {
      specs.push_back({tensors[i], types[i] == 0 ? TensorType::f32 : TensorType::i64, {2, 3}});
    }
    std::vector<FeatureDescription> described;
    for (std::size_t i = 0; i < feature_count; ++i) {
      FeatureDescription feature = {features[i], std::nullopt, {}};
      if (elements[i] >= 0) feature.type = static_cast<ElementType>(elements[i]);
      if (first_sizes[i] > 0) feature.shape = {first_sizes[i], 3};
      described.push_back(feature);
    }
    for (const ElementType type : match_features(specs, described, "input", "m/unet.mlpackage")) {
      *found++ = static_cast<int>(type);
    }
  });
}

void lkt_compiled_model_path(const char* cache, const char* fingerprint, char* path) {
  std::strcpy(path, compiled_model_path(cache, fingerprint).c_str());
}
int lkt_keep_compiled_model(const char* compiled, const char* path) {
  return testing::guard([&] { keep_compiled_model(compiled, path); });
}
}
