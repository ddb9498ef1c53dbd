#include "float16.h"

#include <cstring>

namespace likeness {
namespace {

// Fields of the two formats: sign, exponent, fraction.
constexpr int kFraction32 = 23, kFraction16 = 10;
constexpr int kBias32 = 127, kBias16 = 15;
constexpr std::uint32_t kInfinity32 = 0x7F800000;
constexpr std::uint32_t kInfinity16 = 0x7C00;

// value / 2^shift, to the nearest, ties to even; shift from 1 to 31.
std::uint32_t shift_rounding(std::uint32_t value, int shift) {
  const std::uint32_t whole = value >> shift;
  const std::uint32_t rest = value & ((1u << shift) - 1);
  const std::uint32_t half = 1u << (shift - 1);
  return whole + (rest > half || (rest == half && whole % 2 == 1) ? 1 : 0);
}

// Of a finite number without its sign. Rounding up may carry into the exponent, which is then the
// next power of two, or infinity: just what it should be.
std::uint32_t magnitude16(std::uint32_t bits) {
  const int exponent = static_cast<int>(bits >> kFraction32) - kBias32;
  if (exponent > kBias16) return kInfinity16;
  if (exponent >= 1 - kBias16) {
    const std::uint32_t rebiased = bits - (std::uint32_t{kBias32 - kBias16} << kFraction32);
    return shift_rounding(rebiased, kFraction32 - kFraction16);
  }
  // A denormal: the leading one is written out, and the fraction counts in 2^-24.
  const int shift = kFraction32 - kFraction16 + 1 - kBias16 - exponent;
  if (shift > kFraction32 + 1) return 0;  // below half of the smallest one
  return shift_rounding((bits & 0x7FFFFF) | 0x800000, shift);
}

}  // namespace

std::uint16_t to_float16(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  const std::uint32_t sign = (bits >> 16) & 0x8000;
  const std::uint32_t magnitude = bits & 0x7FFFFFFF;
  std::uint32_t half;
  if (magnitude > kInfinity32) {
    half = kInfinity16 | 0x200;  // a quiet NaN
  } else {
    half = magnitude == kInfinity32 ? kInfinity16 : magnitude16(magnitude);
  }
  return static_cast<std::uint16_t>(sign | half);
}

float from_float16(std::uint16_t bits) {
  const std::uint32_t sign = std::uint32_t{bits & 0x8000u} << 16;
  const std::uint32_t exponent = (bits >> kFraction16) & 0x1F;
  const std::uint32_t fraction = bits & 0x3FF;
  std::uint32_t magnitude;
  if (exponent == 0x1F) {
    magnitude = kInfinity32 | (fraction << (kFraction32 - kFraction16));
  } else if (exponent == 0) {
    const float denormal = static_cast<float>(fraction) * (1.0f / (1 << 24));
    std::memcpy(&magnitude, &denormal, sizeof magnitude);
  } else {
    magnitude = ((exponent + (kBias32 - kBias16)) << kFraction32) |
                (fraction << (kFraction32 - kFraction16));
  }
  const std::uint32_t whole = sign | magnitude;
  float value;
  std::memcpy(&value, &whole, sizeof value);
  return value;
}

}  // namespace likeness
