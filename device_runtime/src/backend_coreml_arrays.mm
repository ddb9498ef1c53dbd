#import "backend_coreml_arrays.h"

#include <exception>
#include <optional>
#include <utility>

#include "error.h"

#if !__has_feature(objc_arc)
#error "backend_coreml_arrays.mm is compiled with -fobjc-arc"
#endif

namespace likeness {
namespace {

std::optional<ElementType> element_type(MLMultiArrayDataType type) {
  switch (type) {
    case MLMultiArrayDataTypeFloat16:
      return ElementType::f16;
    case MLMultiArrayDataTypeFloat32:
      return ElementType::f32;
    case MLMultiArrayDataTypeDouble:
      return ElementType::f64;
    case MLMultiArrayDataTypeInt32:
      return ElementType::i32;
    default:
      return std::nullopt;
  }
}

MLMultiArrayDataType data_type(ElementType type) {
  switch (type) {
    case ElementType::f16:
      return MLMultiArrayDataTypeFloat16;
    case ElementType::f64:
      return MLMultiArrayDataTypeDouble;
    case ElementType::i32:
      return MLMultiArrayDataTypeInt32;
    case ElementType::f32:
      break;
  }
  return MLMultiArrayDataTypeFloat32;
}

std::vector<std::int64_t> from_ns(NSArray<NSNumber*>* array) {
  std::vector<std::int64_t> values;
  for (NSNumber* number in array) values.push_back(number.longLongValue);
  return values;
}

NSArray<NSNumber*>* to_ns(const std::vector<std::int64_t>& values) {
  NSMutableArray<NSNumber*>* array = [NSMutableArray array];
  for (const std::int64_t value : values) [array addObject:[NSNumber numberWithLongLong:value]];
  return array;
}

}  // namespace

NSString* to_ns(const std::string& text) {
  NSString* converted = [NSString stringWithUTF8String:text.c_str()];
  if (converted == nil) throw Error(ErrorCode::invalid_argument, "a path or a name is not UTF-8");
  return converted;
}

std::vector<FeatureDescription> describe(NSDictionary<NSString*, MLFeatureDescription*>* features) {
  std::vector<FeatureDescription> all;
  for (NSString* name in features) {
    MLMultiArrayConstraint* constraint = features[name].multiArrayConstraint;  // nil: no array
    FeatureDescription feature = {name.UTF8String, std::nullopt, {}};
    if (constraint != nil) {
      feature.type = element_type(constraint.dataType);
      feature.shape = from_ns(constraint.shape);
    }
    all.push_back(std::move(feature));
  }
  return all;
}

MLMultiArray* wrap_array(const void* data, const TensorSpec& spec, ElementType type,
                         NSError** error) {
  return [[MLMultiArray alloc] initWithDataPointer:const_cast<void*>(data)
                                             shape:to_ns(spec.shape)
                                          dataType:data_type(type)
                                           strides:to_ns(contiguous_strides(spec.shape))
                                       deallocator:nil
                                             error:error];
}

void copy_out(MLMultiArray* array, const TensorSpec& spec, void* values) {
  const auto type = array == nil ? std::nullopt : element_type(array.dataType);
  if (!type) throw Error(ErrorCode::corrupt, "Core ML gave no array of numbers for " + spec.name);
  const MultiArrayLayout layout = {*type, from_ns(array.shape), from_ns(array.strides)};
  std::exception_ptr thrown;  // nothing may be thrown through Core ML's own frames
  std::exception_ptr* const caught = &thrown;
  [array getBytesWithHandler:^(const void* bytes, NSInteger size) {
    try {
      from_multi_array(bytes, static_cast<std::size_t>(size), layout, spec, values);
    } catch (...) {
      *caught = std::current_exception();
    }
  }];
  if (thrown) std::rethrow_exception(thrown);
}

}  // namespace likeness
