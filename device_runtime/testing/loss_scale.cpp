// The loss scale, for tests/test_core_loss_scale.py.
#include "loss_scale.h"

#include <cstdint>
#include <cstring>

#include "guard.h"

using namespace likeness;  // a test harness: every name below is the core's

extern "C" {

// Goes on from `state`, a scale and a count of good steps, with one event a letter: 's' a step, 'o'
// an overflow. Writes both numbers after each event to `states`.
int lkt_loss_scale_run(const std::int64_t* state, const char* events, std::int64_t* states) {
  return testing::guard([&] {
    LossScale scale(state[0], state[1], "the state");
    for (std::size_t i = 0; i < std::strlen(events); ++i) {
      if (events[i] == 's') scale.count_step();
      if (events[i] == 'o') scale.lower();
      states[2 * i] = scale.scale();
      states[2 * i + 1] = scale.good_steps();
    }
  });
}
}
