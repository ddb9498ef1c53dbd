#include "coreml_features.h"

#include <map>

#include "error.h"
#include "printable.h"

namespace likeness {
namespace {

bool is_identifier_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

}  // namespace

std::string feature_name(std::string_view tensor) {
  std::string name;
  for (const char c : tensor) {
    const bool continues = (static_cast<unsigned char>(c) & 0xC0) == 0x80;  // a UTF-8 character
    if (!continues) name.push_back(is_identifier_character(c) ? c : '_');
  }
  return name;
}

std::vector<ElementType> match_features(const std::vector<TensorSpec>& tensors,
                                        const std::vector<FeatureDescription>& features,
                                        const std::string& side, const std::string& shown) {
  const auto mismatch = [&](const std::string& what) -> Error {
    return {ErrorCode::corrupt, "the program " + shown + " does not match the manifest: " + what +
                                    "; export the bundle again"};
  };
  std::map<std::string, const FeatureDescription*> by_name;
  for (const FeatureDescription& feature : features) by_name[feature.name] = &feature;
  std::vector<ElementType> types;
  for (const TensorSpec& tensor : tensors) {
    const std::string name = feature_name(tensor.name);
    const std::string where = "its " + side + " " + name + " (" + printable(tensor.name) + ")";
    const auto found = by_name.find(name);
    if (found == by_name.end()) throw mismatch(where + " is missing, or meant twice");
    const FeatureDescription& feature = *found->second;
    if (!feature.type || !can_stand_for(*feature.type, tensor.type)) {
      throw mismatch(where + " has another type");
    }
    if (!feature.shape.empty() && feature.shape != tensor.shape) {
      throw mismatch(where + " has another shape");
    }
    types.push_back(*feature.type);
    by_name.erase(found);
  }
  if (!by_name.empty()) {
    throw mismatch("it has the further " + side + " " + printable(by_name.begin()->first));
  }
  return types;
}

}  // namespace likeness
