// Dynamic loss scaling ("Mixed Precision Training", Micikevicius et al. 2018), for programs that
// train in float16.
//
// Most gradients of single values are below what float16 holds to full precision (6e-5), many below
// its smallest number (6e-8). Those of a loss S times larger are S times larger; divided by S, in
// float32, they are what they should be. S is a power of two, so that neither loses a bit.
//
// A step that overflows is computed again with half the scale; it is not skipped. What a step looks
// at depends on its number alone, so the second try sees the same batch: every step is taken
// exactly once, at the rate the schedule gives it, AdamW's count stays the session's, and a session
// that was killed comes to the same scale at the same step. After the first descent only growth
// leads to an overflow, so that it costs at most one computation in kGoodSteps.
#pragma once

#include <cstdint>
#include <string>

namespace likeness {

class LossScale {
 public:
  static constexpr std::int64_t kStart = 1024;
  static constexpr std::int64_t kLargest = 65536;
  static constexpr std::int64_t kGoodSteps = 200;  // after so many the scale doubles

  // 1 for ever: for programs that train in float32.
  LossScale() = default;
  // Goes on from a journalled state. Error{corrupt} unless `scale` is a power of two from 1 to
  // kLargest and `good_steps` is from 0 to kGoodSteps - 1; `source` is for the message.
  LossScale(std::int64_t scale, std::int64_t good_steps, const std::string& source);
  // For a new session.
  static LossScale start() { return {kStart, 0, ""}; }

  std::int64_t scale() const { return scale_; }
  std::int64_t good_steps() const { return good_steps_; }  // since the scale last changed

  // A step overflowed: halves the scale, but never below 1.
  void lower();
  // A step was taken.
  void count_step();

 private:
  bool dynamic_ = false;
  std::int64_t scale_ = 1;
  std::int64_t good_steps_ = 0;
};

}  // namespace likeness
