// Between the core's tensors and Core ML's arrays. Objective-C++: for backend_coreml*.mm alone.
#pragma once

#import <CoreML/CoreML.h>
#import <Foundation/Foundation.h>

#include <string>
#include <vector>

#include "coreml_features.h"
#include "multi_array.h"
#include "tensor.h"

namespace likeness {

// Error{invalid_argument} where it is not UTF-8.
NSString* to_ns(const std::string& text);

// What a model says about its inputs or outputs.
std::vector<FeatureDescription> describe(NSDictionary<NSString*, MLFeatureDescription*>* features);

// A contiguous array over memory that must outlive it, with elements of `type`; nil and `error`
// where Core ML refuses. It does not write to what is given to it.
MLMultiArray* wrap_array(const void* data, const TensorSpec& spec, ElementType type,
                         NSError** error);

// Copies an output to `values`, a tensor as `spec` says. Error{corrupt} where it is another.
void copy_out(MLMultiArray* array, const TensorSpec& spec, void* values);

}  // namespace likeness
