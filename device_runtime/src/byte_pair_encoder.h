// Byte-level byte-pair encoding: the part of a CLIP tokenizer that turns one word into ids.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace likeness {

class BytePairEncoder {
 public:
  // `vocab_json`: an object from token to id, the ids being 0 … n-1 in any order.
  // `merges`: one "left right" a line, most important first; lines that begin with "#version" are
  // skipped. Both are written in the byte alphabet of GPT-2 (each byte as one printable letter).
  // `unknown_id` stands for a byte that the vocabulary lacks.
  // Throws Error{corrupt} that names the line or the token.
  BytePairEncoder(std::string_view vocab_json, std::string_view merges, std::int64_t unknown_id);

  std::int64_t vocab_size() const { return static_cast<std::int64_t>(tokens_.size()); }

  // -1 where the vocabulary lacks it.
  std::int64_t token_to_id(const std::string& token) const;

  // Throws Error{invalid_argument} for an id outside the vocabulary.
  const std::string& id_to_token(std::int64_t id) const;

  // Appends the ids of one word, given as its UTF-8 bytes. O(n log n) in their number.
  void encode_word(std::string_view word, std::vector<std::int64_t>& ids) const;

 private:
  struct Merge {
    std::uint32_t rank;
    std::uint32_t merged_id;
  };

  void read_vocab(std::string_view vocab_json);
  void read_merges(std::string_view merges);
  void add_merge(std::string_view line, std::uint32_t rank, std::size_t line_number);
  const Merge* find_merge(std::uint32_t left, std::uint32_t right) const;

  std::vector<std::string> tokens_;  // by id
  std::unordered_map<std::string, std::uint32_t> ids_;
  std::unordered_map<std::uint64_t, Merge> merges_;  // by left id << 32 | right id
  // Ids of a byte inside a word and at its end.
  std::array<std::uint32_t, 256> inner_byte_ids_;
  std::array<std::uint32_t, 256> final_byte_ids_;
};

}  // namespace likeness
