#include "caption_gram.h"

#include <algorithm>

#include "text.h"

namespace likeness {

std::vector<std::string> prior_captions(const Manifest& manifest) {
  std::vector<std::string> captions;
  for (const auto& [name, prior] : manifest.prior_classes) {
    captions.insert(captions.end(), prior.captions.begin(), prior.captions.end());
  }
  return captions;
}

Matrix gram_of_captions(const Engine& engine, const std::vector<std::string>& captions,
                        std::size_t first) {
  const Manifest& m = engine.manifest();
  const auto width = static_cast<std::size_t>(m.hidden_size);
  const auto length = static_cast<std::size_t>(m.max_length);
  Matrix gram(width, width);
  const std::vector<float> no_modifiers = pad_modifiers(m, {});
  // A batch at a time: the states of all captions need not exist together.
  for (std::size_t done = 0; done < captions.size(); done += m.text_batch) {
    const std::size_t rows = std::min(m.text_batch, captions.size() - done);
    std::vector<TokenIds> prompts;
    for (std::size_t row = 0; row < rows; ++row) {
      prompts.push_back(engine.tokenizer().encode(captions[done + row]));
    }
    const std::vector<float> hidden = encode_text(engine, prompts, no_modifiers);
    for (std::size_t row = 0; row < rows; ++row) {
      for (std::size_t at = first; at < length; ++at) {
        add_outer_product(hidden.data() + row * m.hidden_count() + at * width, gram);
      }
    }
  }
  return gram;
}

}  // namespace likeness
