#include "matrix_product.h"

#include <algorithm>

// The same sums in wider registers where the processor has them: no instruction of AVX2's rounds
// differently, and fused products are not among them. Sanitizers start after such a choice is made.
#if defined(__x86_64__) && defined(__GLIBC__) && !defined(LIKENESS_SANITIZED)
#if __has_attribute(target_clones)
#define LIKENESS_WIDE_REGISTERS __attribute__((target_clones("avx2", "default")))
#endif
#endif
#ifndef LIKENESS_WIDE_REGISTERS
#define LIKENESS_WIDE_REGISTERS
#endif

namespace likeness {
namespace {

constexpr std::size_t kPanel = 32;  // rows of b that stay in the first cache while c goes by

// c_row (columns) += a_row (rows) b (rows, stride). Four rows of b at once, so that c is read and
// written a quarter as often; the inner loop runs along rows, which compilers turn into vector
// instructions without changing any sum's order.
inline void add_row(const float* a_row, const float* b, float* c_row, std::size_t rows,
                    std::size_t columns, std::size_t stride) {
  std::size_t p = 0;
  for (; p + 4 <= rows; p += 4) {
    const float a0 = a_row[p], a1 = a_row[p + 1], a2 = a_row[p + 2], a3 = a_row[p + 3];
    const float* const b0 = b + p * stride;
    const float* const b1 = b0 + stride;
    const float* const b2 = b1 + stride;
    const float* const b3 = b2 + stride;
    for (std::size_t j = 0; j < columns; ++j) {
      c_row[j] = c_row[j] + a0 * b0[j] + a1 * b1[j] + a2 * b2[j] + a3 * b3[j];
    }
  }
  for (; p < rows; ++p) {
    const float* const b_row = b + p * stride;
    for (std::size_t j = 0; j < columns; ++j) c_row[j] += a_row[p] * b_row[j];
  }
}

}  // namespace

LIKENESS_WIDE_REGISTERS
void multiply(const float* a, const float* b, float* c, std::size_t r, std::size_t k, std::size_t n,
              Columns which) {
  const auto columns_of = [&](std::size_t i) {
    return which == Columns::kLower ? std::min(i + 1, n) : n;
  };
  for (std::size_t i = 0; i < r; ++i) std::fill_n(c + i * n, columns_of(i), 0.0F);
  for (std::size_t first = 0; first < k; first += kPanel) {
    const std::size_t rows = std::min(kPanel, k - first);
    for (std::size_t i = 0; i < r; ++i) {
      add_row(a + i * k + first, b + first * n, c + i * n, rows, columns_of(i), n);
    }
  }
}

}  // namespace likeness
