// Logarithm, sine, cosine and integer powers built only from IEEE-754 +, -, *, / and bit
// operations.
//
// libm differs in the last bits between platforms; a session must draw the same noise and take the
// same optimizer steps on a phone as on a desktop, so nothing that reaches a result may go through
// libm (sqrt is exempt: IEEE-754 demands that it is correctly rounded). The core is therefore
// compiled with -ffp-contract=off, and never with -ffast-math.
#pragma once

#include <cstdint>

namespace likeness {

// Natural logarithm of a finite, positive, normal number; within 2 ulp of the true value.
double portable_log(double x);

struct SineCosine {
  double sine;
  double cosine;
};

// sin(2*pi*turns) and cos(2*pi*turns), |turns| < 2^50. An angle in turns is reduced without
// rounding.
SineCosine portable_sine_cosine(double turns);

// base^exponent for exponent >= 0 by repeated squaring.
double portable_power(double base, int64_t exponent);

}  // namespace likeness
