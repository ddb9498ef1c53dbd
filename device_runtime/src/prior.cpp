#include "prior.h"

#include <algorithm>

namespace likeness {
namespace {

std::string lower(std::string text) {
  // Class names of a bundle are plain words; other letters compare as they are written.
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return text;
}

void append(const PriorClass& from, Prior& to) {
  to.latents.insert(to.latents.end(), from.latents.begin(), from.latents.end());
  to.captions.insert(to.captions.end(), from.captions.begin(), from.captions.end());
}

}  // namespace

Prior choose_prior(const Manifest& manifest, const std::string& class_name) {
  const std::string wanted = lower(class_name);
  const std::size_t space = wanted.rfind(' ');
  const std::string last_word = space == std::string::npos ? wanted : wanted.substr(space + 1);
  Prior prior;
  for (const std::string& name : {wanted, last_word}) {
    for (const auto& [known, entry] : manifest.prior_classes) {
      if (lower(known) != name) continue;
      prior.source = known;
      append(entry, prior);
      return prior;
    }
  }
  for (const auto& [known, entry] : manifest.prior_classes) append(entry, prior);
  if (!prior.latents.empty()) prior.source = "*";
  return prior;
}

}  // namespace likeness
