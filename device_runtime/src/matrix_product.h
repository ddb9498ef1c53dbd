// Products of row-major float32 matrices, fast enough for an optimizer's step. Every sum runs in
// one fixed order, so that equal inputs give equal bytes on every platform.
#pragma once

#include <cstddef>

namespace likeness {

enum class Columns { kAll, kLower };  // kLower: what is right of c's diagonal is left as it is

// c (r, n) = a (r, k) b (k, n). c may not overlap the others.
void multiply(const float* a, const float* b, float* c, std::size_t r, std::size_t k, std::size_t n,
              Columns which = Columns::kAll);

}  // namespace likeness
