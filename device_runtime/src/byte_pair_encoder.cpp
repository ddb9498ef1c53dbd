#include "byte_pair_encoder.h"

#include <queue>
#include <tuple>

#include "error.h"
#include "printable.h"
#include "strict_json.h"
#include "unicode.h"

namespace likeness {
namespace {

constexpr char kEndOfWord[] = "</w>";
constexpr std::uint32_t kNone = UINT32_MAX;

// GPT-2's alphabet: printable Latin-1 bytes stand for themselves, the others follow from U+0100 on.
std::array<std::string, 256> byte_alphabet() {
  std::array<std::string, 256> letters;
  char32_t next = 0x100;
  for (char32_t byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
    append_utf8(printable ? byte : next++, letters[byte]);
  }
  return letters;
}

[[noreturn]] void fail(const std::string& what) {
  throw Error(ErrorCode::corrupt, "tokenizer files: " + what);
}

}  // namespace

BytePairEncoder::BytePairEncoder(std::string_view vocab_json, std::string_view merges,
                                 std::int64_t unknown_id) {
  read_vocab(vocab_json);
  if (unknown_id < 0 || unknown_id >= vocab_size()) {
    throw Error(ErrorCode::invalid_argument,
                "the unknown token's id " + std::to_string(unknown_id) +
                    " is outside the vocabulary of " + std::to_string(vocab_size()) + " tokens");
  }
  read_merges(merges);
  const auto letters = byte_alphabet();
  const auto id_or_unknown = [&](const std::string& token) {
    const auto found = ids_.find(token);
    return found == ids_.end() ? static_cast<std::uint32_t>(unknown_id) : found->second;
  };
  for (std::size_t byte = 0; byte < 256; ++byte) {
    inner_byte_ids_[byte] = id_or_unknown(letters[byte]);
    final_byte_ids_[byte] = id_or_unknown(letters[byte] + kEndOfWord);
  }
}

void BytePairEncoder::read_vocab(std::string_view vocab_json) {
  const nlohmann::json vocab = parse_strict_json(vocab_json, "tokenizer files: the vocabulary", 1);
  if (!vocab.is_object() || vocab.empty()) fail("the vocabulary is not an object of token: id");
  tokens_.resize(vocab.size());
  std::vector<bool> seen(vocab.size());
  ids_.reserve(vocab.size());
  for (const auto& [token, value] : vocab.items()) {
    const bool whole = value.is_number_unsigned();
    const std::uint64_t id = whole ? value.get<std::uint64_t>() : UINT64_MAX;
    if (id >= vocab.size()) {
      fail("the id of " + printable(token) + " is not between 0 and " +
           std::to_string(vocab.size() - 1) + ", as it must be with " +
           std::to_string(vocab.size()) + " tokens");
    }
    if (seen[id]) fail("two tokens have the id " + std::to_string(id));
    seen[id] = true;
    tokens_[id] = token;
    ids_.emplace(token, static_cast<std::uint32_t>(id));
  }
}

void BytePairEncoder::read_merges(std::string_view merges) {
  std::uint32_t rank = 0;
  std::size_t line_number = 0;
  while (!merges.empty()) {
    const std::size_t end = std::min(merges.find('\n'), merges.size());
    std::string_view line = merges.substr(0, end);
    merges.remove_prefix(std::min(end + 1, merges.size()));
    ++line_number;
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (line.substr(0, 8) == "#version") continue;
    add_merge(line, rank++, line_number);
  }
}

void BytePairEncoder::add_merge(std::string_view line, std::uint32_t rank,
                                std::size_t line_number) {
  const std::string where = "line " + std::to_string(line_number) + " of the merges ";
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos || line.find(' ', space + 1) != std::string_view::npos) {
    fail(where + "is not two tokens: " + printable(line));
  }
  const std::string left(line.substr(0, space));
  const std::string right(line.substr(space + 1));
  const auto id_of = [&](const std::string& token) {
    const auto found = ids_.find(token);
    if (found == ids_.end()) fail(where + "needs " + printable(token) + ", not in the vocabulary");
    return found->second;
  };
  const std::uint64_t key = std::uint64_t{id_of(left)} << 32 | id_of(right);
  merges_[key] = Merge{rank, id_of(left + right)};
}

std::int64_t BytePairEncoder::token_to_id(const std::string& token) const {
  const auto found = ids_.find(token);
  return found == ids_.end() ? -1 : std::int64_t{found->second};
}

const std::string& BytePairEncoder::id_to_token(std::int64_t id) const {
  if (id < 0 || id >= vocab_size()) {
    throw Error(ErrorCode::invalid_argument, "token id " + std::to_string(id) +
                                                 " is outside the vocabulary of " +
                                                 std::to_string(vocab_size()) + " tokens");
  }
  return tokens_[static_cast<std::size_t>(id)];
}

const BytePairEncoder::Merge* BytePairEncoder::find_merge(std::uint32_t left,
                                                          std::uint32_t right) const {
  const auto found = merges_.find(std::uint64_t{left} << 32 | right);
  return found == merges_.end() ? nullptr : &found->second;
}

void BytePairEncoder::encode_word(std::string_view word, std::vector<std::int64_t>& ids) const {
  struct Symbol {
    std::uint32_t id, previous, next;  // id is kNone once merged into its left neighbour
  };
  // Lowest rank first, then leftmost. A stale candidate is recognized when it is taken.
  using Candidate = std::tuple<std::uint32_t, std::uint32_t, std::uint32_t>;  // rank, left, merged
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> candidates;

  const auto size = static_cast<std::uint32_t>(word.size());
  std::vector<Symbol> symbols(size);
  for (std::uint32_t i = 0; i < size; ++i) {
    const auto byte = static_cast<std::uint8_t>(word[i]);
    const bool last = i + 1 == size;
    symbols[i] = {last ? final_byte_ids_[byte] : inner_byte_ids_[byte], i == 0 ? kNone : i - 1,
                  last ? kNone : i + 1};
  }
  const auto consider = [&](std::uint32_t left) {
    if (left == kNone || symbols[left].next == kNone) return;
    const Merge* merge = find_merge(symbols[left].id, symbols[symbols[left].next].id);
    if (merge != nullptr) candidates.emplace(merge->rank, left, merge->merged_id);
  };
  for (std::uint32_t i = 0; i < size; ++i) consider(i);

  while (!candidates.empty()) {
    const auto [rank, left, merged_id] = candidates.top();
    candidates.pop();
    Symbol& symbol = symbols[left];
    if (symbol.id == kNone || symbol.next == kNone) continue;
    const Merge* merge = find_merge(symbol.id, symbols[symbol.next].id);
    if (merge == nullptr || merge->merged_id != merged_id) continue;
    Symbol& right = symbols[symbol.next];
    symbol.id = merged_id;
    symbol.next = right.next;
    right.id = kNone;
    if (symbol.next != kNone) symbols[symbol.next].previous = left;
    consider(symbol.previous);
    consider(left);
  }
  for (const Symbol& symbol : symbols) {
    if (symbol.id != kNone) ids.push_back(symbol.id);
  }
}

}  // namespace likeness
