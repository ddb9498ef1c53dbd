// Merging's mathematics, for tests/test_core_constrained_update.py.
#include "constrained_update.h"

#include <algorithm>
#include <cstdint>

using namespace likeness;  // a test harness: every name below is the core's

extern "C" {

// Row-major: regularization (r, d), targets (s, d), slack (s), base and updated (c, d), values
// (s, c). Returns
// the target that depends on those before it, or -1.
int64_t lkt_constrained_update(const float* regularization, size_t r, const double* targets,
                               size_t s, size_t d, const double* slack, const float* base, size_t c,
                               const double* values, float* updated) {
  Matrix gram(d, d), states(s, d), wanted(s, c);
  for (size_t i = 0; i < r; ++i) add_outer_product(regularization + i * d, gram);
  std::copy_n(targets, s * d, states.values.begin());
  std::copy_n(values, s * c, wanted.values.begin());
  const ConstrainedUpdate update(gram, states, std::vector<double>(slack, slack + s));
  if (update.dependent_target()) return static_cast<int64_t>(*update.dependent_target());
  const auto result = update.apply(std::vector<float>(base, base + c * d), wanted);
  std::copy(result.begin(), result.end(), updated);
  return -1;
}
}
