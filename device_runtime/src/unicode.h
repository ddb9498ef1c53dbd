// The Unicode operations a CLIP tokenizer needs, in the versions that Hugging Face's tokenizers
// uses (see tools/make_unicode_tables.py).
#pragma once

#include <string>
#include <string_view>

namespace likeness {

// Malformed bytes become U+FFFD, one for each maximal ill-formed part, as Python's
// bytes.decode("utf-8", "replace") does.
std::u32string decode_utf8_lossy(std::string_view bytes);

void append_utf8(char32_t code_point, std::string& bytes);

// Normalization Form C.
std::u32string to_nfc(std::u32string_view text);

// Each code point by itself: a final capital sigma becomes a medial small one.
std::u32string to_lower(std::u32string_view text);

bool is_letter(char32_t c);       // \p{L}
bool is_number(char32_t c);       // \p{N}
bool is_white_space(char32_t c);  // \s

}  // namespace likeness
