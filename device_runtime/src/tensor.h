// What a program takes and gives: names, element types, shapes. No storage.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "safetensors.h"

namespace likeness {

struct TensorSpec {
  std::string name;
  TensorType type = TensorType::f32;
  std::vector<std::int64_t> shape;

  std::size_t count() const {
    std::size_t n = 1;
    for (const std::int64_t dimension : shape) n *= static_cast<std::size_t>(dimension);
    return n;
  }
  std::size_t bytes() const { return count() * element_size(type); }
};

// Tensors of one adapter, or their gradients, in the manifest's order.
using TensorValues = std::vector<std::vector<float>>;

}  // namespace likeness
