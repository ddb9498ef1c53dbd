#include "tokenizer.h"

#include <algorithm>
#include <cstring>

#include "guard.h"
#include "unicode.h"

using likeness::Tokenizer;
using likeness::testing::guard;

extern "C" {

// `ids`: bos, eos, pad, unknown, max_length.
int lkt_tokenizer_new(const char* vocab, std::size_t vocab_size, const char* merges,
                      std::size_t merges_size, const std::int64_t* ids, Tokenizer** out) {
  return guard([&] {
    *out = new Tokenizer({vocab, vocab_size}, {merges, merges_size},
                         {ids[0], ids[1], ids[2], ids[3], ids[4]});
  });
}

void lkt_tokenizer_delete(Tokenizer* tokenizer) { delete tokenizer; }

int lkt_tokenizer_add_token(Tokenizer* tokenizer, const char* token, std::size_t size,
                            std::int64_t* id) {
  return guard([&] { *id = tokenizer->add_token({token, size}); });
}

// Returns the number of ids, of which up to `capacity` are written. raw: without bos, eos, padding.
std::int64_t lkt_tokenizer_encode(const Tokenizer* tokenizer, const char* text, std::size_t size,
                                  int raw, std::int64_t* ids, std::size_t capacity) {
  const auto found =
      raw != 0 ? tokenizer->encode_raw({text, size}) : tokenizer->encode({text, size});
  std::copy_n(found.begin(), std::min(found.size(), capacity), ids);
  return static_cast<std::int64_t>(found.size());
}

// Decodes UTF-8 and applies operation 0: nothing, 1: NFC, 2: lower case. Returns the number of code
// points, of which up to `capacity` are written.
std::int64_t lkt_unicode(const char* text, std::size_t size, int operation, char32_t* out,
                         std::size_t capacity) {
  std::u32string result = likeness::decode_utf8_lossy({text, size});
  if (operation == 1) result = likeness::to_nfc(result);
  if (operation == 2) result = likeness::to_lower(result);
  std::copy_n(result.begin(), std::min(result.size(), capacity), out);
  return static_cast<std::int64_t>(result.size());
}

// Bits: 1 letter, 2 number, 4 white space; of the code points 0 … count-1.
void lkt_unicode_classes(unsigned char* out, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    const auto c = static_cast<char32_t>(i);
    out[i] = static_cast<unsigned char>((likeness::is_letter(c) ? 1 : 0) |
                                        (likeness::is_number(c) ? 2 : 0) |
                                        (likeness::is_white_space(c) ? 4 : 0));
  }
}
}
