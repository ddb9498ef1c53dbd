// "Multi-Concept Customization of Text-to-Image Diffusion" (Kumari et al. 2023), section 3.2: the
// matrix that keeps what it did to regularization captions, and does to some words what is asked.
//
//   W = argmin ||W C_reg^T - W0 C_reg^T||_F  subject to  W C^T = V
//     = W0 + (V - W0 C^T) (d C^T + S)^-1 d   with   d = C (C_reg^T C_reg)^-1
//
// Here a word is a row, as everywhere in the core: C_reg is (r, d), C is (s, d), V is (s, c). S is
// not in the paper: a diagonal that is 0 where a target must be met, and greater where coming near
// is enough. (W then minimizes the square of that norm plus the sum of such targets' squared
// misses, each divided by its element of S.)
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "linear_algebra.h"

namespace likeness {

// C_reg^T C_reg needs an inverse, and text states give it none to rely on. The final layer norm
// holds every state to one hyperplane: across it lies an eigenvalue that is next to nothing (1e-5
// of the mean one, on the default model's captions), and fewer captions than d leave more of them.
// Along those W would move far, as it costs nothing. So all eigenvalues are raised by this share of
// the mean one, which changes the least squares a little and the constraints not at all.
constexpr double kRidge = 1e-3;

// Two words whose states, measured by d C^T, are at an angle of less than 1e-4 are one word to the
// model: they cannot be asked for two things.
constexpr double kDependent = 1e-8;

// The part that all matrices of a model share.
class ConstrainedUpdate {
 public:
  // `gram` is C_reg^T C_reg (d, d); of no captions it is 0, and W is then nearest to W0 itself.
  // `targets` is C (s, d). `slack` (s) is S, as a share of the diagonal of d C^T.
  ConstrainedUpdate(Matrix gram, Matrix targets, const std::vector<double>& slack);

  // The first target that must be met and cannot be told from those before it. Then there is no W.
  std::optional<std::size_t> dependent_target() const { return dependent_target_; }

  // W (c, d) of W0 (c, d) and V (s, c).
  std::vector<float> apply(const std::vector<float>& base, const Matrix& values) const;

 private:
  Matrix targets_;
  Matrix directions_;  // (d C^T + S)^-1 d, (s, d); without S 1 along a target, 0 along the others
  std::optional<std::size_t> dependent_target_;
};

}  // namespace likeness
