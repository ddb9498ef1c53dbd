// What the text states of captions look like: the directions in which changed keys and values would
// change what the model knows already.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "engine.h"
#include "linear_algebra.h"

namespace likeness {

// Of every class.
std::vector<std::string> prior_captions(const Manifest& manifest);

// The sum of x x^T (d, d) over the captions' states x from position `first` on, by the model as it
// came. A caption that is too long is cut, as it is where it is trained on. Takes as many calls of
// `encode_text` as the captions fill.
Matrix gram_of_captions(const Engine& engine, const std::vector<std::string>& captions,
                        std::size_t first);

}  // namespace likeness
