// Any bytes as text (first byte even) give max_length ids in range; any bytes as vocabulary and
// merges (first byte odd, the two parts separated by a zero byte) give a tokenizer or an Error.
#include <cstdlib>
#include <string>
#include <string_view>

#include "error.h"
#include "tokenizer.h"
#include "unicode.h"

namespace {

constexpr char kVocab[] =
    R"({"<|startoftext|>":0,"<|endoftext|>":1,"a":2,"a</w>":3,"b":4,"b</w>":5,"ab":6,"ab</w>":7,)"
    R"("aba":8,"aba</w>":9,"!":10,"!</w>":11,"Ã":12,"©</w>":13,"Ã©</w>":14,"'":15,"s</w>":16})";
constexpr char kMerges[] = "#version: 0.2\na b\na b</w>\nab a\nab a</w>\nÃ ©</w>\n";

void check(const likeness::Tokenizer& tokenizer, std::string_view text) {
  for (const auto& ids : {tokenizer.encode(text), tokenizer.encode_raw(text)}) {
    for (std::int64_t id : ids) {
      if (id < 0 || id >= tokenizer.size()) std::abort();
    }
  }
  const auto length = static_cast<std::size_t>(tokenizer.config().max_length);
  if (tokenizer.encode(text).size() != length) std::abort();
  const std::u32string normal = likeness::to_nfc(likeness::decode_utf8_lossy(text));
  if (likeness::to_nfc(normal) != normal) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const likeness::Tokenizer* fixed = [] {
    auto* made = new likeness::Tokenizer(kVocab, kMerges, {0, 1, 1, 1, 16});
    made->add_token("<dog>");
    return made;
  }();
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 2 == 0) {
    check(*fixed, rest);
    return 0;
  }
  const std::size_t zero = std::min(rest.find('\0'), rest.size());
  try {
    likeness::Tokenizer tokenizer(rest.substr(0, zero), rest.substr(zero + (zero < rest.size())),
                                  {0, 0, 0, 0, 8});
    tokenizer.add_token("<dog>");
    check(tokenizer, "a <dog> ab'S \xff\xc3\xa9 ");
    check(tokenizer, rest);
  } catch (const likeness::Error&) {
  }
  return 0;
}
