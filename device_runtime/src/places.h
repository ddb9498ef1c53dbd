// Where a photo was taken, in words the model knows.
//
// A caption that leaves out what is behind the subject makes training put all of it into the
// subject's words, and into the words after them as they are in that one caption: prompts that go
// on otherwise ("... on grass") then paint the class as it was before. Nobody writes captions on a
// phone, so the model does: of the places that the bundle's prior captions name, a photo's is the
// one with which the model denoises it best, "Your Diffusion Model is Secretly a Zero-Shot
// Classifier" (Li et al. 2023), section 3.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "adapter.h"
#include "engine.h"
#include "settings.h"

namespace likeness {

// What prior captions say after their class, "on grass" of "a photo of a dog on grass": each once.
// Empty where they say no more than the class, or the bundle has none.
std::vector<std::string> known_places(const Manifest& manifest);

// The place of each photo. `latents` are the photos' means, (N, 4, h, w), scaled; `untrained` is an
// adapter of initial values. `progress(done, total)` counts calls of the model, is called before
// each and may throw to stop.
std::vector<std::string> name_places(const Engine& engine, const TrainSettings& settings,
                                     const Adapter& untrained,
                                     const std::vector<std::string>& places,
                                     const std::vector<float>& latents,
                                     const std::function<void(std::size_t, std::size_t)>& progress);

}  // namespace likeness
