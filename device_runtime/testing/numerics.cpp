// Randomness, the noise process and samplers, for tests/test_core_{numerics,samplers}.py.

#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "guard.h"
#include "lr_schedule.h"
#include "noise_schedule.h"
#include "philox.h"
#include "portable_math.h"
#include "samplers.h"

using namespace likeness;  // a test harness: every name below is the core's
using likeness::testing::guard;

namespace {

struct TestSampler {
  std::unique_ptr<Sampler> sampler;
};

}  // namespace

extern "C" {

double lkt_portable_log(double x) { return portable_log(x); }
double lkt_portable_power(double base, int64_t exponent) { return portable_power(base, exponent); }
void lkt_portable_sine_cosine(double turns, double* sine_and_cosine) {
  const SineCosine value = portable_sine_cosine(turns);
  sine_and_cosine[0] = value.sine;
  sine_and_cosine[1] = value.cosine;
}

void lkt_philox(const uint32_t* counter, const uint32_t* key, uint32_t* out) {
  const PhiloxCounter block =
      philox4x32_10({counter[0], counter[1], counter[2], counter[3]}, {key[0], key[1]});
  std::memcpy(out, block.data(), sizeof block);
}
float lkt_uniform(uint64_t seed, int stream, uint64_t step, uint64_t index) {
  return uniform(seed, static_cast<RandomStream>(stream), step, index);
}
float lkt_normal(uint64_t seed, int stream, uint64_t step, uint64_t index) {
  return normal(seed, static_cast<RandomStream>(stream), step, index);
}
uint32_t lkt_uniform_int(uint64_t seed, int stream, uint64_t step, uint64_t index, uint32_t bound) {
  return uniform_int(seed, static_cast<RandomStream>(stream), step, index, bound);
}
void lkt_fill_normal(float* values, size_t count, uint64_t seed, int stream, uint64_t step) {
  fill_normal(values, count, seed, static_cast<RandomStream>(stream), step);
}
void lkt_permutation(uint32_t* order, uint32_t count, uint64_t seed, int stream, uint64_t step) {
  const auto result = permutation(count, seed, static_cast<RandomStream>(stream), step);
  if (count > 0) std::memcpy(order, result.data(), count * sizeof(uint32_t));
}

int lkt_schedule_new(const double* betas, size_t count, const char* prediction, void** out) {
  return guard([&] {
    *out = new NoiseSchedule(std::vector<double>(betas, betas + count),
                             parse_prediction_type(prediction));
  });
}
void lkt_schedule_free(void* schedule) { delete static_cast<NoiseSchedule*>(schedule); }
int lkt_schedule_alpha_cumprod(const void* schedule, int t, double* out) {
  return guard([&] { *out = static_cast<const NoiseSchedule*>(schedule)->alpha_cumprod(t); });
}
// what: 0 add_noise(x0, noise), 1 training_target(x0, noise), 2 predict_x0(x_t, output),
// 3 predict_epsilon(x_t, output)
int lkt_schedule_apply(const void* schedule, int what, const float* a, const float* b, int t,
                       size_t count, float* out) {
  const auto& s = *static_cast<const NoiseSchedule*>(schedule);
  return guard([&] {
    if (what == 0) s.add_noise(a, b, t, count, out);
    if (what == 1) s.training_target(a, b, t, count, out);
    if (what == 2) s.predict_x0(a, b, t, count, out);
    if (what == 3) s.predict_epsilon(a, b, t, count, out);
  });
}

int lkt_sampler_new(const char* kind, const void* schedule, int steps, void** out) {
  return guard([&] {
    *out = new TestSampler{make_sampler(parse_sampler_kind(kind),
                                        *static_cast<const NoiseSchedule*>(schedule), steps)};
  });
}
void lkt_sampler_free(void* sampler) { delete static_cast<TestSampler*>(sampler); }
void lkt_sampler_timesteps(const void* sampler, int* timesteps) {
  const auto& all = static_cast<const TestSampler*>(sampler)->sampler->timesteps();
  std::memcpy(timesteps, all.data(), all.size() * sizeof(int));
}
int lkt_sampler_step(void* sampler, int i, const float* output, size_t count, float* latents) {
  return guard(
      [&] { static_cast<TestSampler*>(sampler)->sampler->step(i, output, count, latents); });
}
void lkt_combine_guidance(const float* unconditional, const float* conditional, float scale,
                          size_t count, float* out) {
  combine_guidance(unconditional, conditional, scale, count, out);
}

int lkt_lr_factor(const char* kind, int64_t step, int64_t warmup, int64_t total, double* out) {
  return guard([&] { *out = lr_factor(parse_lr_schedule(kind), step, warmup, total); });
}
}
