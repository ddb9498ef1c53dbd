#include "tokenizer.h"

#include <algorithm>

#include "error.h"
#include "unicode.h"

namespace likeness {
namespace {

// These two are part of the pattern that splits words, whatever the special tokens are called.
constexpr std::u32string_view kStartOfText = U"<|startoftext|>";
constexpr std::u32string_view kEndOfText = U"<|endoftext|>";
constexpr std::u32string_view kContractions[] = {U"'s", U"'t",  U"'re", U"'ve",
                                                 U"'m", U"'ll", U"'d"};

bool starts_with(std::u32string_view text, std::u32string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

// NFC, runs of white space to one space, lower case.
std::u32string normalize(std::u32string_view text) {
  std::u32string spaced;
  for (char32_t c : to_nfc(text)) {
    if (!is_white_space(c)) {
      spaced.push_back(c);
    } else if (spaced.empty() || spaced.back() != U' ') {
      spaced.push_back(U' ');
    }
  }
  return to_lower(spaced);
}

bool is_other(char32_t c) { return !is_white_space(c) && !is_letter(c) && !is_number(c); }

// How many code points of `text` the word pattern takes; 0 where it does not match:
// <\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+
std::size_t match_length(std::u32string_view text) {
  for (std::u32string_view literal : {kStartOfText, kEndOfText}) {
    if (starts_with(text, literal)) return literal.size();
  }
  for (std::u32string_view contraction : kContractions) {
    if (starts_with(text, contraction)) return contraction.size();
  }
  const auto run = [&](bool (*accept)(char32_t)) {
    const auto end = std::find_if_not(text.begin(), text.end(), accept);
    return static_cast<std::size_t>(end - text.begin());
  };
  if (is_letter(text.front())) return run(is_letter);
  if (is_number(text.front())) return 1;
  return run(is_other);
}

}  // namespace

Tokenizer::Tokenizer(std::string_view vocab_json, std::string_view merges,
                     const TokenizerConfig& config)
    : config_(config), encoder_(vocab_json, merges, config.unknown_id) {
  if (config.max_length < 2) {
    throw Error(ErrorCode::invalid_argument,
                "a tokenizer's max_length must leave room for two tokens, not " +
                    std::to_string(config.max_length));
  }
  for (std::int64_t id : {config.bos_id, config.eos_id, config.pad_id, config.unknown_id}) {
    special_tokens_.push_back({decode_utf8_lossy(encoder_.id_to_token(id)), id});
  }
}

std::int64_t Tokenizer::size() const {
  return encoder_.vocab_size() + static_cast<std::int64_t>(added_tokens_.size());
}

std::int64_t Tokenizer::add_token(std::string_view token) {
  const std::string name = "\"" + std::string(token) + "\"";
  std::u32string normalized = normalize(decode_utf8_lossy(token));
  if (normalized.empty()) throw Error(ErrorCode::invalid_argument, "a modifier token is empty");
  const auto same = [&](const Literal& literal) { return literal.text == normalized; };
  if (encoder_.token_to_id(std::string(token)) >= 0 ||
      std::any_of(added_tokens_.begin(), added_tokens_.end(), same) ||
      std::any_of(special_tokens_.begin(), special_tokens_.end(), same)) {
    throw Error(ErrorCode::invalid_argument,
                "the modifier token " + name + " is already in use; choose another one");
  }
  added_tokens_.push_back({std::move(normalized), size()});
  return added_tokens_.back().id;
}

const Tokenizer::Literal* Tokenizer::longest_at(const std::vector<Literal>& literals,
                                                std::u32string_view text) {
  const Literal* longest = nullptr;
  for (const Literal& literal : literals) {
    if (literal.text.empty() || !starts_with(text, literal.text)) continue;
    if (longest == nullptr || literal.text.size() > longest->text.size()) longest = &literal;
  }
  return longest;
}

// Calls on_literal(id) and on_text(part) in the order in which they follow each other in `text`.
template <typename OnLiteral, typename OnText>
void Tokenizer::split_at(const std::vector<Literal>& literals, std::u32string_view text,
                         OnLiteral on_literal, OnText on_text) {
  std::size_t begin = 0;
  std::size_t at = 0;
  while (at < text.size()) {
    const Literal* found = longest_at(literals, text.substr(at));
    if (found == nullptr) {
      ++at;
      continue;
    }
    if (at > begin) on_text(text.substr(begin, at - begin));
    on_literal(found->id);
    at += found->text.size();
    begin = at;
  }
  if (at > begin) on_text(text.substr(begin));
}

void Tokenizer::encode_piece(std::u32string_view piece, std::vector<std::int64_t>& ids) const {
  std::string bytes;
  for (char32_t c : piece) append_utf8(c, bytes);
  encoder_.encode_word(bytes, ids);
}

void Tokenizer::encode_words(std::u32string_view normalized, std::vector<std::int64_t>& ids) const {
  while (!normalized.empty()) {
    const std::size_t length = match_length(normalized);
    if (length == 0) {
      normalized.remove_prefix(1);
      continue;
    }
    const std::u32string_view piece = normalized.substr(0, length);
    if (piece == kStartOfText || piece == kEndOfText) {
      // The byte-level step splits again by a pattern that does not know these two.
      encode_piece(piece.substr(0, 2), ids);
      encode_piece(piece.substr(2, length - 4), ids);
      encode_piece(piece.substr(length - 2), ids);
    } else {
      encode_piece(piece, ids);
    }
    normalized.remove_prefix(length);
  }
}

std::vector<std::int64_t> Tokenizer::encode_raw(std::string_view text) const {
  std::vector<std::int64_t> ids;
  const auto push = [&](std::int64_t id) { ids.push_back(id); };
  split_at(special_tokens_, decode_utf8_lossy(text), push, [&](std::u32string_view part) {
    split_at(added_tokens_, normalize(part), push,
             [&](std::u32string_view words) { encode_words(words, ids); });
  });
  return ids;
}

std::vector<std::int64_t> Tokenizer::encode(std::string_view text) const {
  std::vector<std::int64_t> ids = encode_raw(text);
  const auto length = static_cast<std::size_t>(config_.max_length);
  ids.resize(std::min(ids.size(), length - 2));
  ids.insert(ids.begin(), config_.bos_id);
  ids.push_back(config_.eos_id);
  ids.resize(length, config_.pad_id);
  return ids;
}

}  // namespace likeness
