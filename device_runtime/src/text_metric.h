// Where a matrix that reads text states may move freely, and where not: training a subject must not
// change what the model's other words mean.
//
// With A the mean of x x^T over the text states x of captions, scaled to a mean eigenvalue of 1,
// and M = I + weight A, steps are the steepest where a change dW costs tr(dW M dW^T): its own size,
// and `weight` times how much it changes those captions' keys or values. With S S^T = M^-1 that is
// a step in D of W = W0 + D S^T. (The least squares of Custom Diffusion's merging, Kumari et al.
// 2023, section 3.2, hold the same captions in the same way.)
#pragma once

#include <cstddef>
#include <vector>

#include "linear_algebra.h"

namespace likeness {

class TextMetric {
 public:
  // `gram` is the sum of x x^T (d, d); zeros hold nothing.
  TextMetric(Matrix gram, double weight);

  std::size_t width() const { return width_; }

  // G S, of a gradient G (rows, d).
  std::vector<float> gradient_in(const std::vector<float>& gradient) const;
  // U S^T, of a step U (rows, d) in D.
  std::vector<float> step_out(const std::vector<float>& step) const;

 private:
  std::size_t width_;
  std::vector<float> s_;             // (d, d)
  std::vector<float> s_transposed_;  // (d, d)
};

}  // namespace likeness
