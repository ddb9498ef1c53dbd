// The learning rate over a session, as a factor on the rate the caller asked for.
#pragma once

#include <cstdint>
#include <string>

namespace likeness {

enum class LrScheduleKind { kConstant, kConstantWithWarmup, kCosine };

// "constant", "constant_with_warmup" or "cosine"; anything else is an Error that names it.
LrScheduleKind parse_lr_schedule(const std::string& name);

// Factor for step 0, 1, ... total_steps - 1. Warm-up rises linearly from 0 over `warmup_steps`
// (ignored by kConstant); kCosine then falls to 0 at `total_steps` and stays there
// ("SGDR", Loshchilov & Hutter 2017, without restarts).
double lr_factor(LrScheduleKind kind, int64_t step, int64_t warmup_steps, int64_t total_steps);

}  // namespace likeness
