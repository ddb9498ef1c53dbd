#include "portable_math.h"

#include <cmath>
#include <cstring>

namespace likeness {
namespace {

constexpr double kPi = 3.141592653589793238462643383279502884;
constexpr double kSqrtHalf = 0.707106781186547524400844362104849039;
// ln 2 split so that exponent * kLn2High is exact for every double exponent.
constexpr double kLn2High = 6.93147180369123816490e-01;
constexpr double kLn2Low = 1.90821492927058770002e-10;

}  // namespace

double portable_log(double x) {
  uint64_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  int exponent = static_cast<int>((bits >> 52) & 0x7ff) - 1022;
  bits = (bits & 0x000fffffffffffffULL) | 0x3fe0000000000000ULL;
  double mantissa;  // in [1/2, 1)
  std::memcpy(&mantissa, &bits, sizeof mantissa);
  if (mantissa < kSqrtHalf) {
    mantissa *= 2.0;
    exponent -= 1;
  }
  // log(m) = 2 atanh(s), |s| < 0.172: the series' twelfth term is below half an ulp.
  const double s = (mantissa - 1.0) / (mantissa + 1.0);
  const double s2 = s * s;
  double series = 0.0;
  for (int k = 23; k >= 3; k -= 2) {
    series = (series + 1.0 / k) * s2;
  }
  const double log_mantissa = 2.0 * s + 2.0 * s * series;
  return exponent * kLn2High + (log_mantissa + exponent * kLn2Low);
}

SineCosine portable_sine_cosine(double turns) {
  const double quarter = std::floor(turns * 4.0 + 0.5);
  const double angle = 2.0 * kPi * (turns - quarter * 0.25);  // in [-pi/4, pi/4]
  const double a2 = angle * angle;
  // Taylor series; the first dropped terms are below 1e-18 at pi/4.
  double sine = 0.0;
  double cosine = 0.0;
  for (int k = 16; k >= 2; k -= 2) {
    sine = (1.0 + sine) * (-a2 / (k * (k + 1)));
    cosine = (1.0 + cosine) * (-a2 / (k * (k - 1)));
  }
  sine = angle + angle * sine;
  cosine = 1.0 + cosine;
  switch (static_cast<int64_t>(quarter) & 3) {
    case 0:
      return {sine, cosine};
    case 1:
      return {cosine, -sine};
    case 2:
      return {-sine, -cosine};
    default:
      return {-cosine, sine};
  }
}

double portable_power(double base, int64_t exponent) {
  double result = 1.0;
  while (exponent > 0) {
    if (exponent & 1) result *= base;
    base *= base;
    exponent >>= 1;
  }
  return result;
}

}  // namespace likeness
