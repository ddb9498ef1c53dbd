// The optimizers, for tests/test_core_{adamw,muon,text_metric}.py.

#include <algorithm>
#include <cstdint>
#include <vector>

#include "adamw.h"
#include "guard.h"
#include "muon.h"
#include "orthogonalize.h"
#include "text_metric.h"

using namespace likeness;  // a test harness: every name below is the core's
using likeness::testing::guard;

namespace {

std::vector<TrainedTensor> trained_tensors(float* const* values, const float* const* gradients,
                                           const size_t* sizes, size_t tensors) {
  std::vector<TrainedTensor> trained;
  for (size_t i = 0; i < tensors; ++i) trained.push_back({values[i], gradients[i], sizes[i]});
  return trained;
}

std::vector<MatrixShape> matrix_shapes(const size_t* sides, size_t matrices) {
  std::vector<MatrixShape> shapes;
  for (size_t i = 0; i < matrices; ++i) shapes.push_back({sides[2 * i], sides[2 * i + 1]});
  return shapes;
}

Matrix matrix_of(const double* values, size_t width) {
  Matrix matrix(width, width);
  matrix.values.assign(values, values + width * width);
  return matrix;
}

}  // namespace

extern "C" {

int lkt_adamw_new(double beta1, double beta2, double epsilon, double weight_decay,
                  const size_t* sizes, size_t tensors, void** out) {
  return guard([&] {
    *out = new AdamW({beta1, beta2, epsilon, weight_decay},
                     std::vector<size_t>(sizes, sizes + tensors));
  });
}
void lkt_adamw_free(void* optimizer) { delete static_cast<AdamW*>(optimizer); }
int lkt_adamw_step(void* optimizer, double learning_rate, float* const* values,
                   const float* const* gradients, const size_t* sizes, size_t tensors) {
  const auto trained = trained_tensors(values, gradients, sizes, tensors);
  return guard([&] { static_cast<AdamW*>(optimizer)->step(learning_rate, trained); });
}
// Throws the optimizer away and goes on from a copy of its state, as a resumed session does.
int lkt_adamw_resume(void** optimizer, double beta1, double beta2, double epsilon,
                     double weight_decay) {
  return guard([&] {
    const AdamWState state = static_cast<AdamW*>(*optimizer)->state();
    delete static_cast<AdamW*>(*optimizer);
    *optimizer = nullptr;
    *optimizer = new AdamW({beta1, beta2, epsilon, weight_decay}, state);
  });
}
double lkt_gradient_norm(const float* const* gradients, const size_t* sizes, size_t tensors) {
  std::vector<TrainedTensor> trained;
  for (size_t i = 0; i < tensors; ++i) trained.push_back({nullptr, gradients[i], sizes[i]});
  return gradient_norm(trained);
}
double lkt_clip_factor(double norm, double max_norm) { return clip_factor(norm, max_norm); }

int lkt_orthogonalize(float* matrix, size_t rows, size_t columns) {
  return guard([&] {
    std::vector<float> values(matrix, matrix + rows * columns);
    orthogonalize(values, rows, columns);
    std::copy(values.begin(), values.end(), matrix);
  });
}
// `sides`: rows and columns of each matrix.
int lkt_muon_new(double momentum, double weight_decay, const size_t* sides, size_t matrices,
                 void** out) {
  return guard([&] { *out = new Muon({momentum, weight_decay}, matrix_shapes(sides, matrices)); });
}
void lkt_muon_free(void* optimizer) { delete static_cast<Muon*>(optimizer); }
int lkt_muon_step(void* optimizer, double learning_rate, float* const* values,
                  const float* const* gradients, const size_t* sizes, size_t tensors) {
  const auto trained = trained_tensors(values, gradients, sizes, tensors);
  return guard([&] { static_cast<Muon*>(optimizer)->step(learning_rate, trained); });
}
// Throws the optimizer away and goes on from a copy of its momentum, as a resumed session does.
int lkt_muon_resume(void** optimizer, double momentum, double weight_decay, const size_t* sides,
                    size_t matrices) {
  return guard([&] {
    const auto kept = static_cast<Muon*>(*optimizer)->momentum();
    delete static_cast<Muon*>(*optimizer);
    *optimizer = nullptr;
    *optimizer = new Muon({momentum, weight_decay}, matrix_shapes(sides, matrices), kept);
  });
}

// `gram` (width, width); the gradient's and the step's matrix is (rows, width).
int lkt_text_metric(const double* gram, size_t width, double weight, const float* gradient,
                    size_t rows, float* gradient_in, float* back_out) {
  return guard([&] {
    const TextMetric metric(matrix_of(gram, width), weight);
    const auto in = metric.gradient_in({gradient, gradient + rows * width});
    const auto out = metric.step_out(in);
    std::copy(in.begin(), in.end(), gradient_in);
    std::copy(out.begin(), out.end(), back_out);
  });
}
int lkt_muon_step_in_metric(void* optimizer, double learning_rate, float* const* values,
                            const float* const* gradients, const size_t* sizes, size_t tensors,
                            const double* gram, size_t width, double weight) {
  const auto trained = trained_tensors(values, gradients, sizes, tensors);
  return guard([&] {
    const TextMetric metric(matrix_of(gram, width), weight);
    static_cast<Muon*>(optimizer)->step(learning_rate, trained, &metric);
  });
}
}
