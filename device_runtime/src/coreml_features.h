// Whether a Core ML function takes and gives what the manifest says.
//
// Core ML finds inputs and outputs by name, and its names are identifiers: a tensor's is the
// manifest's with '_' for every character that is not an ASCII letter, digit or underscore.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "multi_array.h"
#include "tensor.h"

namespace likeness {

// What a model says about one of its inputs or outputs.
struct FeatureDescription {
  std::string name;
  std::optional<ElementType> type;  // nothing where it is no array, or of no type known here
  std::vector<std::int64_t> shape;  // empty where the model does not say
};

std::string feature_name(std::string_view tensor);

// The element type of each tensor, in order. `side` ("input", "output") and `shown`, the program's
// name, are for messages. Error{corrupt} where a feature is missing, one too many, of another shape
// or type, or where two tensors have one name.
std::vector<ElementType> match_features(const std::vector<TensorSpec>& tensors,
                                        const std::vector<FeatureDescription>& features,
                                        const std::string& side, const std::string& shown);

}  // namespace likeness
