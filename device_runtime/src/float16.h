// IEEE 754 binary16, as Core ML's arrays may hold it. As bits: the standard library has no such
// type.
#pragma once

#include <cstdint>

namespace likeness {

// To the nearest, ties to even; beyond 65504 infinity. A NaN stays one and keeps its sign.
std::uint16_t to_float16(float value);

// Exact.
float from_float16(std::uint16_t bits);

}  // namespace likeness
