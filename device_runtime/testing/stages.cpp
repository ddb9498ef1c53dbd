// The stage loop on a made-up network of three stages, for tests/test_runtime_stages.py:
//
//   a:    h = x_t * K0 + V0            (forward and backward)
//   b:    g = h * K1 + V1 + h          (forward and backward)
//   out:  y = g + h * h, loss = sum weight * (y - target)^2 (backward only; h is read twice)
#include "stages.h"

#include <map>
#include <memory>

#include "backend.h"
#include "guard.h"
#include "program_store.h"

using namespace likeness;  // a test harness: every name below is the core's

namespace {

constexpr std::size_t kCount = 4;
constexpr char kPackage[] = "unet.mlpackage";  // all functions are in one, as Core ML has them
using In = std::vector<const float*>;
using Out = std::vector<float*>;

struct Counters {
  int loads = 0;
  int alive = 0;
  int most_alive = 0;
};

const std::map<std::string, void (*)(const In&, const Out&, std::size_t)>& functions() {
  static const std::map<std::string, void (*)(const In&, const Out&, std::size_t)> all = {
      {"a.forward",
       [](const In& i, const Out& o, std::size_t k) { o[0][k] = i[0][k] * i[1][k] + i[2][k]; }},
      {"a.backward",  // x_t, K0, V0, d:h -> d:K0, d:V0
       [](const In& i, const Out& o, std::size_t k) {
         o[0][k] = i[3][k] * i[0][k];
         o[1][k] = i[3][k];
       }},
      {"b.forward", [](const In& i, const Out& o,
                       std::size_t k) { o[0][k] = i[0][k] * i[1][k] + i[2][k] + i[0][k]; }},
      {"b.backward",  // h, K1, V1, d:g -> d:h, d:K1, d:V1
       [](const In& i, const Out& o, std::size_t k) {
         o[0][k] = i[3][k] * (i[1][k] + 1);
         o[1][k] = i[3][k] * i[0][k];
         o[2][k] = i[3][k];
       }},
      {"out.forward",
       [](const In& i, const Out& o, std::size_t k) { o[0][k] = i[0][k] + i[1][k] * i[1][k]; }},
      {"out.backward",  // g, h, target, weight -> loss, d:g, d:h
       [](const In& i, const Out& o, std::size_t k) {
         const float error = i[0][k] + i[1][k] * i[1][k] - i[2][k];
         if (k == 0) o[0][0] = 0;
         o[0][0] += i[3][k] * error * error;
         o[1][k] = 2 * i[3][k] * error;
         o[2][k] = 2 * i[3][k] * error * 2 * i[1][k];
       }},
  };
  return all;
}

class FakeProgram final : public Program {
 public:
  FakeProgram(std::string name, Counters& counters) : name_(std::move(name)), counters_(counters) {
    ++counters_.loads;
    counters_.most_alive = std::max(counters_.most_alive, ++counters_.alive);
  }
  ~FakeProgram() override { --counters_.alive; }

  void run(const std::vector<const void*>& inputs, const std::vector<void*>& outputs) override {
    In in;
    Out out;
    for (const void* data : inputs) in.push_back(static_cast<const float*>(data));
    for (void* data : outputs) out.push_back(static_cast<float*>(data));
    for (std::size_t k = 0; k < kCount; ++k) functions().at(name_)(in, out, k);
  }

 private:
  std::string name_;
  Counters& counters_;
};

class FakeBackend final : public Backend {
 public:
  explicit FakeBackend(Counters& counters) : counters_(counters) {}
  std::unique_ptr<Program> load(const ProgramSource& source, const ProgramSignature&) override {
    return std::make_unique<FakeProgram>(source.function, counters_);
  }
  std::size_t memory_estimate(std::size_t file_bytes) const override { return file_bytes; }

 private:
  Counters& counters_;
};

Manifest staged_manifest() {
  Manifest m;
  m.layers = {{"a", 2}, {"b", 2}};
  for (const char* name :
       {"x_t.s", "K0.s", "V0.s", "K1.s", "V1.s", "h", "g", "target.s", "weight.s", "y", "t.s"}) {
    m.tensors[name] = {name, TensorType::f32, {1, 2, 2}};
  }
  m.tensors["loss"] = {"loss", TensorType::f32, {1}};
  const ProgramSpec a = {kPackage, "a.forward", {"x_t.s", "K0.s", "V0.s", "t.s"}, {"h"}};
  const ProgramSpec a_back = {
      kPackage, "a.backward", {"x_t.s", "K0.s", "V0.s", "d:h"}, {"d:K0.s", "d:V0.s"}};
  const ProgramSpec b = {kPackage, "b.forward", {"h", "K1.s", "V1.s"}, {"g"}};
  const ProgramSpec b_back = {
      kPackage, "b.backward", {"h", "K1.s", "V1.s", "d:g"}, {"d:h", "d:K1.s", "d:V1.s"}};
  const ProgramSpec out = {kPackage, "out.forward", {"g", "h"}, {"y"}};
  const ProgramSpec out_back = {
      kPackage, "out.backward", {"g", "h", "target.s", "weight.s"}, {"loss", "d:g", "d:h"}};
  m.methods["train_step"] = {"train_step",
                             {{"a", a, a_back}, {"b", b, b_back}, {"out", {}, out_back}}};
  m.methods["denoise"] = {"denoise", {{"a", a, {}}, {"b", b, {}}, {"out", out, {}}}};
  m.files[std::string(kPackage) + "/Manifest.json"] = {30, ""};
  m.files[std::string(kPackage) + "/Data/weight.bin"] = {70, ""};
  m.files["unet.mlpackage.txt"] = {1000, ""};  // beside it, not in it
  return m;
}

}  // namespace

extern "C" {

// inputs: x_t, t, K0, V0, K1, V1, target, weight. outputs: loss, dK0, dV0, dK1, dV1 and, after
// them, the model output. Each program counts 100 bytes of the budget; counts: loads, most at once.
int lkt_stages_run(const float* const* inputs, float* const* outputs, std::size_t budget, int runs,
                   int* counts) {
  return testing::guard([&] {
    Counters counters;
    const Manifest m = staged_manifest();
    {
      ProgramStore store(std::make_unique<FakeBackend>(counters), m, "", budget);
      for (int run = 0; run < runs; ++run) {
        StagedCall train;
        train.inputs.assign(inputs, inputs + 8);
        train.outputs.assign(outputs, outputs + 5);
        run_train_step(store, m, train);
        StagedCall denoise;
        denoise.inputs.assign(inputs, inputs + 6);
        denoise.outputs = {outputs[5]};
        run_denoise(store, m, denoise);
      }
      counts[0] = counters.loads;
      counts[1] = counters.most_alive;
    }
    if (counters.alive != 0) throw Error(ErrorCode::internal, "a program was not destroyed");
  });
}
}
