#include "safetensors.h"

#include <algorithm>
#include <cstring>

#include "guard.h"

using likeness::testing::guard;

namespace {

int copy_out(const std::vector<std::uint8_t>& bytes, std::uint8_t* out, std::size_t capacity,
             std::size_t* size) {
  std::copy_n(bytes.begin(), std::min(bytes.size(), capacity), out);
  *size = bytes.size();
  return 0;
}

}  // namespace

extern "C" {

// Reads a file and writes it again: what the reader understood, in a form another reader can check.
int lkt_safetensors_rewrite(const std::uint8_t* data, std::size_t size, std::uint8_t* out,
                            std::size_t capacity, std::size_t* out_size) {
  return guard([&] {
    const likeness::Safetensors file = likeness::parse_safetensors(data, size);
    copy_out(likeness::serialize_safetensors(file.tensors, file.metadata), out, capacity, out_size);
  });
}

// Writes one tensor and one metadata entry; type 0: F32, 1: F16, 2: I64.
int lkt_safetensors_write(const char* name, int type, const std::int64_t* shape, std::size_t rank,
                          const std::uint8_t* data, std::size_t size, const char* key,
                          const char* value, std::uint8_t* out, std::size_t capacity,
                          std::size_t* out_size) {
  return guard([&] {
    likeness::TensorView view;
    view.type = static_cast<likeness::TensorType>(type);
    view.shape.assign(shape, shape + rank);
    view.data = data;
    view.size_bytes = size;
    copy_out(likeness::serialize_safetensors({{name, view}}, {{key, value}}), out, capacity,
             out_size);
  });
}

int lkt_safetensors_require(const std::uint8_t* data, std::size_t size, const char* name, int type,
                            const std::int64_t* shape, std::size_t rank) {
  return guard([&] {
    likeness::parse_safetensors(data, size)
        .require(name, static_cast<likeness::TensorType>(type), {shape, shape + rank});
  });
}
}
