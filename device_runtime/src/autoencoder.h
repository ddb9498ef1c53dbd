// Pictures to latents and back, through the bundle's encode_image and decode_latents.
#pragma once

#include <vector>

#include "engine.h"
#include "image.h"

namespace likeness {

// Unscaled distributions of latents, (rows, 4, h, w) each.
struct LatentDistributions {
  std::vector<float> mean;
  std::vector<float> deviation;  // exp(log-variance / 2)
};

// Every picture must be image_size square.
LatentDistributions encode_images(const Engine& engine, const std::vector<const Image*>& images);

// Pictures of `rows` latents as the UNet sees them: scaled.
std::vector<Image> decode_latents(const Engine& engine, const float* latents, std::size_t rows);

}  // namespace likeness
