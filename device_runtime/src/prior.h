// Prior preservation (Custom Diffusion's regularization pictures): what the model already knows of
// the class, kept in training so that it does not forget. The bundle brings it as latents.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "manifest.h"

namespace likeness {

struct Prior {
  std::string source;                  // a class of the bundle, "*" for all of them, "" for none
  std::vector<std::uint32_t> latents;  // rows of the prior pack
  std::vector<std::string> captions;   // one a latent
};

// The prior of `class_name`, or of the class that is its last word ("tabby cat": "cat"), or of
// every class together; empty where the bundle has none.
Prior choose_prior(const Manifest& manifest, const std::string& class_name);

}  // namespace likeness
