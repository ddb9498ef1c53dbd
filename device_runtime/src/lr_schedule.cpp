#include "lr_schedule.h"

#include <algorithm>

#include "error.h"
#include "portable_math.h"

namespace likeness {

LrScheduleKind parse_lr_schedule(const std::string& name) {
  if (name == "constant") return LrScheduleKind::kConstant;
  if (name == "constant_with_warmup") return LrScheduleKind::kConstantWithWarmup;
  if (name == "cosine") return LrScheduleKind::kCosine;
  throw Error(ErrorCode::invalid_argument,
              "Unknown learning-rate schedule \"" + name +
                  "\": this engine knows constant, constant_with_warmup and cosine.");
}

double lr_factor(LrScheduleKind kind, int64_t step, int64_t warmup_steps, int64_t total_steps) {
  if (kind == LrScheduleKind::kConstant) return 1.0;
  if (step < warmup_steps) return static_cast<double>(step) / static_cast<double>(warmup_steps);
  if (kind == LrScheduleKind::kConstantWithWarmup || step <= warmup_steps) return 1.0;
  const int64_t decay_steps = std::max<int64_t>(1, total_steps - warmup_steps);
  const double progress =
      static_cast<double>(step - warmup_steps) / static_cast<double>(decay_steps);
  if (progress >= 1.0) return 0.0;
  return 0.5 * (1.0 + portable_sine_cosine(0.5 * progress).cosine);
}

}  // namespace likeness
