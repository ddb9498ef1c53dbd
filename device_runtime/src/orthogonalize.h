// Newton-Schulz orthogonalization ("Muon", Jordan et al. 2024; coefficients of the same).
#pragma once

#include <cstddef>
#include <vector>

namespace likeness {

// Brings every singular value of a row-major matrix (rows, columns) near 1 and leaves its singular
// vectors: five steps of X <- aX + b(XX^T)X + c(XX^T)^2 X from unit norm. Singular values far below
// the largest rise, but do not arrive; a matrix of zeros stays one. Sums run in one fixed order.
void orthogonalize(std::vector<float>& matrix, std::size_t rows, std::size_t columns);

}  // namespace likeness
