#include "matrix_product.h"

#include <algorithm>

namespace likeness {

// Four rows of b at once, so that c is read and written a quarter as often; the inner loop runs
// along rows, which compilers turn into vector instructions without changing any sum's order.
void multiply(const float* a, const float* b, float* c, std::size_t r, std::size_t k, std::size_t n,
              Columns which) {
  for (std::size_t i = 0; i < r; ++i) {
    const float* const a_row = a + i * k;
    float* const c_row = c + i * n;
    const std::size_t columns = which == Columns::kLower ? std::min(i + 1, n) : n;
    std::fill_n(c_row, columns, 0.0F);
    std::size_t p = 0;
    for (; p + 4 <= k; p += 4) {
      const float a0 = a_row[p], a1 = a_row[p + 1], a2 = a_row[p + 2], a3 = a_row[p + 3];
      const float* const b0 = b + p * n;
      const float* const b1 = b0 + n;
      const float* const b2 = b1 + n;
      const float* const b3 = b2 + n;
      for (std::size_t j = 0; j < columns; ++j) {
        c_row[j] = c_row[j] + a0 * b0[j] + a1 * b1[j] + a2 * b2[j] + a3 * b3[j];
      }
    }
    for (; p < k; ++p) {
      const float* const b_row = b + p * n;
      for (std::size_t j = 0; j < columns; ++j) c_row[j] += a_row[p] * b_row[j];
    }
  }
}

}  // namespace likeness
