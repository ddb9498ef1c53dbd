// Any bytes are a safetensors file or an Error; a file that is accepted survives being rewritten.
#include <cstdlib>
#include <numeric>

#include "error.h"
#include "safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  likeness::Safetensors file;
  try {
    file = likeness::parse_safetensors(data, size);
  } catch (const likeness::Error&) {
    return 0;
  }
  // Touch every byte a view claims, for the sanitizer to object.
  std::size_t claimed = 0;
  volatile std::uint64_t sum = 0;
  for (const auto& item : file.tensors) {
    const likeness::TensorView& view = item.second;
    sum = std::accumulate(view.data, view.data + view.size_bytes, std::uint64_t{sum});
    claimed += view.size_bytes;
  }
  if (claimed > size) std::abort();

  const auto written = likeness::serialize_safetensors(file.tensors, file.metadata);
  const auto again = likeness::parse_safetensors(written.data(), written.size());
  if (again.tensors.size() != file.tensors.size() || again.metadata != file.metadata) std::abort();
  if (likeness::serialize_safetensors(again.tensors, again.metadata) != written) std::abort();
  return 0;
}
