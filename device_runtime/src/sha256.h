// SHA-256 (FIPS 180-4): names the weights a file belongs to and finds damaged downloads.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace likeness {

class Sha256 {
 public:
  Sha256();

  void update(const void* data, std::size_t size);

  // The digest of everything given to update(). The object cannot be used afterwards.
  std::array<std::uint8_t, 32> finish();

 private:
  void compress(const std::uint8_t* block);

  std::array<std::uint32_t, 8> state_;
  std::array<std::uint8_t, 64> buffer_;
  std::size_t buffered_ = 0;
  std::uint64_t total_bytes_ = 0;
};

// Lower-case hexadecimal, 64 characters.
std::string sha256_hex(const void* data, std::size_t size);

// Reads the file in pieces, so its size does not matter. Throws Error{io}.
std::string sha256_file_hex(const std::string& path);

}  // namespace likeness
