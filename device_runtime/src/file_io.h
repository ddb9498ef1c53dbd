// Files that are read whole, mapped, or replaced so that a crash leaves the old or the new one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace likeness {

// The whole file. Throws Error{io}, or Error{corrupt} when it has more than `max_bytes`.
std::vector<std::uint8_t> read_file(const std::string& path, std::size_t max_bytes);

// A file mapped read-only. The mapping lasts as long as the object.
class MappedFile {
 public:
  explicit MappedFile(const std::string& path);  // throws Error{io}
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::uint8_t* data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  const std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
};

// Replaces `path` by `bytes`, or leaves what was there: written beside it, synced, renamed, and the
// folder synced. Throws Error{disk_full} or Error{io}; then the old file is whole and no temporary
// file is left.
void atomic_write(const std::string& path, const void* bytes, std::size_t size);
inline void atomic_write(const std::string& path, std::string_view bytes) {
  atomic_write(path, bytes.data(), bytes.size());
}

}  // namespace likeness
