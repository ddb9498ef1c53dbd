#include "file_io.h"

#include <algorithm>
#include <cstring>

#include "guard.h"

using likeness::testing::guard;

extern "C" {

int lkt_atomic_write(const char* path, const void* bytes, std::size_t size) {
  return guard([&] { likeness::atomic_write(path, bytes, size); });
}

// Writes up to `capacity` bytes of the file and its whole size.
int lkt_read_file(const char* path, std::size_t max_bytes, void* out, std::size_t capacity,
                  std::size_t* size) {
  return guard([&] {
    const auto bytes = likeness::read_file(path, max_bytes);
    *size = bytes.size();
    if (!bytes.empty()) std::memcpy(out, bytes.data(), std::min(capacity, bytes.size()));
  });
}

int lkt_map_file(const char* path, void* out, std::size_t capacity, std::size_t* size) {
  return guard([&] {
    likeness::MappedFile first(path);
    const likeness::MappedFile file = std::move(first);
    *size = file.size();
    if (file.size() > 0) std::memcpy(out, file.data(), std::min(capacity, file.size()));
  });
}
}
