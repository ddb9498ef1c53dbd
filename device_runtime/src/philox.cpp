#include "philox.h"

#include <cmath>
#include <numeric>
#include <utility>

#include "portable_math.h"

namespace likeness {
namespace {

enum class Draw : uint32_t { kUniform = 0, kNormal = 1, kInteger = 2 };

PhiloxCounter random_block(uint64_t seed, RandomStream stream, Draw draw, uint64_t step,
                           uint64_t block) {
  const uint32_t purpose = static_cast<uint32_t>(stream) | (static_cast<uint32_t>(draw) << 16);
  return philox4x32_10({static_cast<uint32_t>(block), purpose, static_cast<uint32_t>(step),
                        static_cast<uint32_t>(step >> 32)},
                       {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)});
}

// Two words make two normals: the first sets the radius, the second the angle.
std::pair<float, float> box_muller(uint32_t radius_word, uint32_t angle_word) {
  const double u = (static_cast<double>(radius_word) + 1.0) * 0x1p-32;  // (0, 1]: log is finite
  const double radius = std::sqrt(-2.0 * portable_log(u));
  const SineCosine angle = portable_sine_cosine(static_cast<double>(angle_word) * 0x1p-32);
  return {static_cast<float>(radius * angle.cosine), static_cast<float>(radius * angle.sine)};
}

}  // namespace

PhiloxCounter philox4x32_10(PhiloxCounter counter, PhiloxKey key) {
  constexpr uint64_t kMultiplier0 = 0xD2511F53;
  constexpr uint64_t kMultiplier1 = 0xCD9E8D57;
  constexpr uint32_t kWeyl0 = 0x9E3779B9;  // golden ratio
  constexpr uint32_t kWeyl1 = 0xBB67AE85;  // sqrt(3) - 1
  for (int round = 0; round < 10; ++round) {
    const uint64_t product0 = kMultiplier0 * counter[0];
    const uint64_t product1 = kMultiplier1 * counter[2];
    counter = {static_cast<uint32_t>(product1 >> 32) ^ counter[1] ^ key[0],
               static_cast<uint32_t>(product1),
               static_cast<uint32_t>(product0 >> 32) ^ counter[3] ^ key[1],
               static_cast<uint32_t>(product0)};
    key[0] += kWeyl0;
    key[1] += kWeyl1;
  }
  return counter;
}

float uniform(uint64_t seed, RandomStream stream, uint64_t step, uint64_t index) {
  const PhiloxCounter block = random_block(seed, stream, Draw::kUniform, step, index / 4);
  return static_cast<float>(block[index % 4] >> 8) * 0x1p-24f;
}

float normal(uint64_t seed, RandomStream stream, uint64_t step, uint64_t index) {
  const PhiloxCounter block = random_block(seed, stream, Draw::kNormal, step, index / 4);
  const size_t pair = index % 4 / 2 * 2;
  const auto [first, second] = box_muller(block[pair], block[pair + 1]);
  return index % 2 == 0 ? first : second;
}

uint32_t uniform_int(uint64_t seed, RandomStream stream, uint64_t step, uint64_t index,
                     uint32_t bound) {
  const PhiloxCounter block = random_block(seed, stream, Draw::kInteger, step, index / 2);
  const size_t pair = index % 2 * 2;
  // The high word of the 96-bit product (64 random bits) * bound, without a 128-bit type.
  const uint64_t low = static_cast<uint64_t>(block[pair]) * bound;
  const uint64_t high = static_cast<uint64_t>(block[pair + 1]) * bound;
  return static_cast<uint32_t>((high + (low >> 32)) >> 32);
}

void fill_normal(float* values, size_t count, uint64_t seed, RandomStream stream, uint64_t step) {
  for (size_t base = 0; base < count; base += 4) {
    const PhiloxCounter block = random_block(seed, stream, Draw::kNormal, step, base / 4);
    for (size_t pair = 0; pair < 4 && base + pair < count; pair += 2) {
      const auto [first, second] = box_muller(block[pair], block[pair + 1]);
      values[base + pair] = first;
      if (base + pair + 1 < count) values[base + pair + 1] = second;
    }
  }
}

std::vector<uint32_t> permutation(uint32_t count, uint64_t seed, RandomStream stream,
                                  uint64_t step) {
  std::vector<uint32_t> order(count);
  std::iota(order.begin(), order.end(), 0u);
  for (uint32_t i = count; i > 1; --i) {
    std::swap(order[i - 1], order[uniform_int(seed, stream, step, i, i)]);
  }
  return order;
}

}  // namespace likeness
