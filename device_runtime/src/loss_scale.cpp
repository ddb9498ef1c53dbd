#include "loss_scale.h"

#include <algorithm>

#include "error.h"

namespace likeness {

LossScale::LossScale(std::int64_t scale, std::int64_t good_steps, const std::string& source)
    : dynamic_(true), scale_(scale), good_steps_(good_steps) {
  const bool power_of_two = scale > 0 && (scale & (scale - 1)) == 0;
  if (!power_of_two || scale > kLargest || good_steps < 0 || good_steps >= kGoodSteps) {
    throw Error(ErrorCode::corrupt, source + " holds a loss scale of " + std::to_string(scale) +
                                        " after " + std::to_string(good_steps) +
                                        " good steps, which cannot be; it is damaged, " +
                                        "start the session again");
  }
}

void LossScale::lower() {
  scale_ = std::max<std::int64_t>(scale_ / 2, 1);
  good_steps_ = 0;
}

void LossScale::count_step() {
  if (!dynamic_ || ++good_steps_ < kGoodSteps) return;
  good_steps_ = 0;
  scale_ = std::min(2 * scale_, kLargest);
}

}  // namespace likeness
