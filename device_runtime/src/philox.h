// Philox4x32-10, "Parallel Random Numbers: As Easy as 1, 2, 3" (Salmon et al. 2011).
//
// Randomness here has no state: every value is a pure function of (seed, stream, step, index). Step
// k of a session can be recomputed without its history, which is what lets a killed session resume
// to equal bytes. The key is the seed; the counter is (index / values per block, stream and kind of
// draw, step).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace likeness {

using PhiloxCounter = std::array<uint32_t, 4>;
using PhiloxKey = std::array<uint32_t, 2>;

// The ten-round block function itself.
PhiloxCounter philox4x32_10(PhiloxCounter counter, PhiloxKey key);

// What a random number is for. The values are part of the reproducibility contract: append, never
// renumber.
enum class RandomStream : uint16_t {
  kInitialLatents = 0,
  kTrainingNoise = 1,
  kTimesteps = 2,
  kAugmentation = 3,
  kBatchOrder = 4,
  kPriorOrder = 5,
  kVaeSampling = 6,
  kAdapterInit = 7,
  kPlaceNoise = 8,
};

// Uniform, normal and integer draws never share bits, even at equal (seed, stream, step, index).
// `index` must be below 2^33.

// Uniform in [0, 1), a multiple of 2^-24, so exact in float.
float uniform(uint64_t seed, RandomStream stream, uint64_t step, uint64_t index);

// Standard normal by Box and Muller (1958), computed in double and rounded once.
float normal(uint64_t seed, RandomStream stream, uint64_t step, uint64_t index);

// Integer in [0, bound), bound >= 1; bias below bound / 2^64. A bound of 0 gives 0.
uint32_t uniform_int(uint64_t seed, RandomStream stream, uint64_t step, uint64_t index,
                     uint32_t bound);

// values[i] = normal(seed, stream, step, i) for i < count.
void fill_normal(float* values, size_t count, uint64_t seed, RandomStream stream, uint64_t step);

// The numbers 0..count-1 in a random order (Fisher and Yates); `step` is the epoch.
std::vector<uint32_t> permutation(uint32_t count, uint64_t seed, RandomStream stream,
                                  uint64_t step);

}  // namespace likeness
