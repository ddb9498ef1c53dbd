// The views of a photo that Custom Diffusion trains on ("Multi-Concept Customization of
// Text-to-Image Diffusion", Kumari et al. 2023, section 3.2 and appendix): other scales, told to
// the text encoder in words.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "image.h"

namespace likeness {

struct AugmentedView {
  // (3, resolution, resolution); a shrunk photo lies on neutral grey.
  Image pixels;
  // (h, w) latent cells, 1 where the loss counts, 0 elsewhere; never all 0.
  std::vector<float> mask;
  // Empty, or words that tell the scale, ending in a space.
  std::string caption_prefix;
  bool flipped = false;
};

// View `view_index` of a photo: a pure function of its arguments, whatever was drawn before.
//
// With size_augmentation, 66 % of views are shrunk to between a third and all of `resolution` and
// put at a random place; the others are enlarged 1.2 to 1.4 times and cropped. With hflip, half of
// the views are mirrored. Without either the view is the photo at `resolution`, all of it valid.
//
// Error unless square_source is square and vae_factor (pixels a latent cell) divides resolution.
AugmentedView augment(const Image& square_source, int resolution, int vae_factor, bool hflip,
                      bool size_augmentation, uint64_t seed, uint32_t view_index);

}  // namespace likeness
