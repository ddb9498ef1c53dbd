// CLIP's tokenizer: text to the token ids of the text encoder, as transformers' CLIPTokenizer does.
//
//   Tokenizer tokenizer(vocab_json, merges_txt, {bos, eos, pad, unknown, 77});
//   const std::int64_t dog = tokenizer.add_token("<dog>");
//   std::vector<std::int64_t> ids = tokenizer.encode("a photo of a <dog>");  // 77 of them
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "byte_pair_encoder.h"

namespace likeness {

struct TokenizerConfig {
  std::int64_t bos_id = 0;
  std::int64_t eos_id = 0;
  std::int64_t pad_id = 0;
  std::int64_t unknown_id = 0;  // CLIP's own is eos_id
  std::int64_t max_length = 77;
};

class Tokenizer {
 public:
  // The bytes of vocab.json and merges.txt. Throws Error{corrupt, invalid_argument}.
  Tokenizer(std::string_view vocab_json, std::string_view merges, const TokenizerConfig& config);

  // Adds a modifier token such as "<dog>" and returns its id, the first one past those in use.
  // Matching is done on normalized text, so "<DOG>" is found too. Throws Error{invalid_argument}
  // for a token that is empty or whose normalized form is taken.
  std::int64_t add_token(std::string_view token);

  // Vocabulary and added tokens.
  std::int64_t size() const;

  const TokenizerConfig& config() const { return config_; }

  // bos, the text's ids (cut where they do not fit), eos, padding: exactly max_length ids.
  // `text` is UTF-8; malformed bytes count as U+FFFD.
  std::vector<std::int64_t> encode(std::string_view text) const;

  // The text's ids alone, uncut. A prompt is too long when these are more than max_length - 2.
  std::vector<std::int64_t> encode_raw(std::string_view text) const;

 private:
  struct Literal {
    std::u32string text;
    std::int64_t id;
  };

  static const Literal* longest_at(const std::vector<Literal>& literals, std::u32string_view text);
  template <typename OnLiteral, typename OnText>
  static void split_at(const std::vector<Literal>& literals, std::u32string_view text,
                       OnLiteral on_literal, OnText on_text);
  void encode_words(std::u32string_view normalized, std::vector<std::int64_t>& ids) const;
  void encode_piece(std::u32string_view piece, std::vector<std::int64_t>& ids) const;

  TokenizerConfig config_;
  BytePairEncoder encoder_;
  std::vector<Literal> special_tokens_;  // found in the text as it is written
  std::vector<Literal> added_tokens_;    // found in normalized text
};

}  // namespace likeness
