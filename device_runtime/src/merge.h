// Several personalized adapters made into one that knows all their subjects, without training
// ("Multi-Concept Customization of Text-to-Image Diffusion", Kumari et al. 2023, section 3.2).
#pragma once

#include <vector>

#include "adapter.h"
#include "engine.h"

namespace likeness {

// An adapter of kind full with the tokens of all: what a subject's words, its token and its
// class, were to its own adapter they are to this one, the end and the padding after them nearly
// so, and what the captions of the bundle's prior are to the model changes least. Its `training`
// lists what it was made of.
//
// The adapters must fit the engine's model. Throws Error{invalid_argument} for fewer than two, for
// one that is merged already or has no token, for a token that two of them have or a sum of tokens
// that the model does not take (the message names them), and where two subjects' words read the
// same to the text encoder; Error{not_finite} where an adapter's numbers are too large to be used.
Adapter merge_adapters(const Engine& engine, const std::vector<const Adapter*>& adapters);

}  // namespace likeness
