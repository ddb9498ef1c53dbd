#include "sha256.h"

#include <algorithm>
#include <cstring>

#include "error.h"

extern "C" {

// Digest of `data` fed in pieces of `piece` bytes (0: all at once), as 64 hexadecimal characters.
int lkt_sha256(const unsigned char* data, std::size_t size, std::size_t piece, char* hex) {
  likeness::Sha256 hash;
  if (piece == 0) piece = size;
  for (std::size_t at = 0; at < size; at += piece) {
    hash.update(data + at, std::min(piece, size - at));
  }
  const auto digest = hash.finish();
  for (int i = 0; i < 32; ++i) {
    hex[2 * i] = "0123456789abcdef"[digest[i] >> 4];
    hex[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
  }
  return 0;
}

int lkt_sha256_file(const char* path, char* hex) {
  try {
    std::memcpy(hex, likeness::sha256_file_hex(path).data(), 64);
    return 0;
  } catch (const likeness::Error& error) {
    return static_cast<int>(error.code);
  }
}
}
