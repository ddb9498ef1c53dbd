// From a prompt to pictures.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "adapter.h"
#include "engine.h"
#include "image.h"
#include "settings.h"

namespace likeness {

// Picture i depends on the seed and on i alone, not on how many are asked for. `progress(done,
// total)` counts calls of the model, is called before each of them and may throw to stop.
std::vector<Image> generate(const Engine& engine, const Adapter& adapter,
                            const SampleSettings& settings,
                            const std::function<void(std::size_t, std::size_t)>& progress);

}  // namespace likeness
