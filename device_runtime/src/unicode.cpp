#include "unicode.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <utility>

namespace likeness {
namespace {

struct Range {
  char32_t first, last;
};
struct LowerCase {
  char32_t upper, first, second;  // second is 0 where the lower case is one code point
};
struct CombiningClass {
  char32_t first, last;
  int value;
};
struct Decomposition {
  char32_t composed;
  std::uint32_t offset, length;  // in kDecompositionPool
};
struct Composition {
  char32_t first, second, composed;
};

#include "unicode_tables.inc"

constexpr char32_t kReplacement = 0xFFFD;

// Hangul syllables are composed by arithmetic (Unicode Standard, section 3.12).
constexpr char32_t kSBase = 0xAC00, kLBase = 0x1100, kVBase = 0x1161, kTBase = 0x11A7;
constexpr char32_t kLCount = 19, kVCount = 21, kTCount = 28, kSCount = kLCount * kVCount * kTCount;

template <std::size_t N>
bool contains(const Range (&ranges)[N], char32_t c) {
  const Range* after = std::upper_bound(std::begin(ranges), std::end(ranges), c,
                                        [](char32_t x, const Range& r) { return x < r.first; });
  return after != std::begin(ranges) && c <= std::prev(after)->last;
}

int combining_class(char32_t c) {
  if (c < 0x300) return 0;
  const auto* after =
      std::upper_bound(std::begin(kCombiningClasses), std::end(kCombiningClasses), c,
                       [](char32_t x, const CombiningClass& r) { return x < r.first; });
  if (after == std::begin(kCombiningClasses)) return 0;
  const CombiningClass& found = *std::prev(after);
  return c <= found.last ? found.value : 0;
}

void append_decomposed(char32_t c, std::u32string& out) {
  if (c >= kSBase && c < kSBase + kSCount) {
    const char32_t index = c - kSBase;
    out.push_back(kLBase + index / (kVCount * kTCount));
    out.push_back(kVBase + index % (kVCount * kTCount) / kTCount);
    if (index % kTCount != 0) out.push_back(kTBase + index % kTCount);
    return;
  }
  const auto* found =
      std::lower_bound(std::begin(kDecompositions), std::end(kDecompositions), c,
                       [](const Decomposition& d, char32_t x) { return d.composed < x; });
  if (found == std::end(kDecompositions) || found->composed != c) {
    out.push_back(c);
    return;
  }
  out.append(kDecompositionPool + found->offset, found->length);
}

// 0 where the two do not compose.
char32_t compose(char32_t first, char32_t second) {
  if (first >= kLBase && first < kLBase + kLCount && second >= kVBase &&
      second < kVBase + kVCount) {
    return kSBase + ((first - kLBase) * kVCount + (second - kVBase)) * kTCount;
  }
  if (first >= kSBase && first < kSBase + kSCount && (first - kSBase) % kTCount == 0 &&
      second > kTBase && second < kTBase + kTCount) {
    return first + (second - kTBase);
  }
  const auto key = std::make_pair(first, second);
  const auto* found = std::lower_bound(
      std::begin(kCompositions), std::end(kCompositions), key,
      [](const Composition& c, const auto& k) { return std::make_pair(c.first, c.second) < k; });
  const bool match =
      found != std::end(kCompositions) && found->first == first && found->second == second;
  return match ? found->composed : 0;
}

// Canonical ordering: runs of combining marks, sorted by class, stable.
void order_marks(std::u32string& text) {
  for (std::size_t i = 0; i < text.size();) {
    if (combining_class(text[i]) == 0) {
      ++i;
      continue;
    }
    std::size_t end = i;
    while (end < text.size() && combining_class(text[end]) != 0) ++end;
    std::stable_sort(text.begin() + i, text.begin() + end, [](char32_t a, char32_t b) {
      return combining_class(a) < combining_class(b);
    });
    i = end;
  }
}

}  // namespace

std::u32string decode_utf8_lossy(std::string_view bytes) {
  std::u32string text;
  text.reserve(bytes.size());
  const auto at = [&](std::size_t i) { return static_cast<std::uint8_t>(bytes[i]); };
  for (std::size_t i = 0; i < bytes.size();) {
    const std::uint8_t lead = at(i++);
    if (lead < 0x80) {
      text.push_back(lead);
      continue;
    }
    const int more = lead >= 0xC2 && lead <= 0xDF   ? 1
                     : lead >= 0xE0 && lead <= 0xEF ? 2
                     : lead >= 0xF0 && lead <= 0xF4 ? 3
                                                    : 0;
    if (more == 0) {
      text.push_back(kReplacement);
      continue;
    }
    // The first continuation byte is narrower where the code point would be overlong, a
    // surrogate, or past U+10FFFF.
    std::uint8_t low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    std::uint8_t high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    char32_t c = lead & (0x3F >> more);
    int got = 0;
    while (got < more && i < bytes.size() && at(i) >= low && at(i) <= high) {
      c = c << 6 | (at(i++) & 0x3F);
      low = 0x80;
      high = 0xBF;
      ++got;
    }
    text.push_back(got == more ? c : kReplacement);
  }
  return text;
}

void append_utf8(char32_t c, std::string& bytes) {
  const auto push = [&](char32_t byte) { bytes.push_back(static_cast<char>(byte)); };
  if (c < 0x80) {
    push(c);
  } else if (c < 0x800) {
    push(0xC0 | c >> 6);
    push(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    push(0xE0 | c >> 12);
    push(0x80 | (c >> 6 & 0x3F));
    push(0x80 | (c & 0x3F));
  } else {
    push(0xF0 | c >> 18);
    push(0x80 | (c >> 12 & 0x3F));
    push(0x80 | (c >> 6 & 0x3F));
    push(0x80 | (c & 0x3F));
  }
}

std::u32string to_nfc(std::u32string_view text) {
  if (std::all_of(text.begin(), text.end(), [](char32_t c) { return c < 0x300; })) {
    return std::u32string(text);  // nothing below U+0300 combines, and Latin-1 is composed already
  }
  std::u32string decomposed;
  decomposed.reserve(text.size());
  for (char32_t c : text) append_decomposed(c, decomposed);
  order_marks(decomposed);

  std::u32string composed;
  composed.reserve(decomposed.size());
  std::size_t starter = std::u32string::npos;  // index in `composed` of the last starter
  int last_class = 0;                          // class of the last mark kept after the starter
  for (char32_t c : decomposed) {
    const int own_class = combining_class(c);
    const bool adjacent = starter != std::u32string::npos && starter + 1 == composed.size();
    const bool blocked = !adjacent && last_class >= own_class;
    if (starter != std::u32string::npos && !blocked) {
      if (const char32_t whole = compose(composed[starter], c); whole != 0) {
        composed[starter] = whole;
        continue;
      }
    }
    if (own_class == 0) starter = composed.size();
    last_class = own_class;
    composed.push_back(c);
  }
  return composed;
}

std::u32string to_lower(std::u32string_view text) {
  std::u32string lower;
  lower.reserve(text.size());
  for (char32_t c : text) {
    const auto* found =
        std::lower_bound(std::begin(kLowerCase), std::end(kLowerCase), c,
                         [](const LowerCase& l, char32_t x) { return l.upper < x; });
    if (found == std::end(kLowerCase) || found->upper != c) {
      lower.push_back(c);
      continue;
    }
    lower.push_back(found->first);
    if (found->second != 0) lower.push_back(found->second);
  }
  return lower;
}

bool is_letter(char32_t c) { return contains(kLetters, c); }
bool is_number(char32_t c) { return contains(kNumbers, c); }
bool is_white_space(char32_t c) { return contains(kWhiteSpace, c); }

}  // namespace likeness
