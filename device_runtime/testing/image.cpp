// Pictures and augmentation, for tests/test_core_augment.py and tests/test_core_image.py.

#include "image.h"

#include <cstdint>
#include <cstring>
#include <vector>

#include "augment.h"
#include "guard.h"

using namespace likeness;  // a test harness: every name below is the core's
using likeness::testing::guard;

namespace {

Image image_of(const float* pixels, int height, int width) {
  Image image(height, width);
  std::memcpy(image.pixels.data(), pixels, image.pixels.size() * sizeof(float));
  return image;
}

void copy_out(const Image& image, float* out) {
  std::memcpy(out, image.pixels.data(), image.pixels.size() * sizeof(float));
}

}  // namespace

extern "C" {

// filter: 0 bilinear, 1 bicubic, 2 Lanczos3
int lkt_resize(const float* pixels, int height, int width, int new_height, int new_width,
               int filter, float* out) {
  return guard([&] {
    copy_out(resize(image_of(pixels, height, width), new_height, new_width,
                    static_cast<ResizeFilter>(filter)),
             out);
  });
}
int lkt_image_from_photo(const uint8_t* bytes, int width, int height, int bytes_per_pixel,
                         size_t stride, float* out) {
  return guard(
      [&] { copy_out(image_from_photo({bytes, width, height, bytes_per_pixel, stride}), out); });
}
int lkt_centre_square_from_photo(const uint8_t* bytes, int width, int height, int bytes_per_pixel,
                                 size_t stride, int size, int filter, float* out) {
  return guard([&] {
    copy_out(centre_square_from_photo({bytes, width, height, bytes_per_pixel, stride}, size,
                                      static_cast<ResizeFilter>(filter)),
             out);
  });
}
int lkt_image_to_rgb8(const float* pixels, int height, int width, uint8_t* out) {
  return guard([&] {
    const std::vector<uint8_t> bytes = image_to_rgb8(image_of(pixels, height, width));
    std::memcpy(out, bytes.data(), bytes.size());
  });
}
int lkt_crop(const float* pixels, int height, int width, int top, int left, int new_height,
             int new_width, float* out) {
  return guard([&] {
    copy_out(crop(image_of(pixels, height, width), top, left, new_height, new_width), out);
  });
}
int lkt_centre_square(const float* pixels, int height, int width, float* out) {
  return guard([&] { copy_out(centre_square(image_of(pixels, height, width)), out); });
}
int lkt_flip_horizontal(const float* pixels, int height, int width, float* out) {
  return guard([&] { copy_out(flip_horizontal(image_of(pixels, height, width)), out); });
}

// prefix: room for 32 characters
int lkt_augment(const float* pixels, int height, int width, int resolution, int vae_factor,
                int hflip, int size_augmentation, uint64_t seed, uint32_t view_index,
                float* out_pixels, float* out_mask, char* prefix, int* flipped) {
  return guard([&] {
    const AugmentedView view = augment(image_of(pixels, height, width), resolution, vae_factor,
                                       hflip != 0, size_augmentation != 0, seed, view_index);
    copy_out(view.pixels, out_pixels);
    std::memcpy(out_mask, view.mask.data(), view.mask.size() * sizeof(float));
    std::strncpy(prefix, view.caption_prefix.c_str(), 31);
    prefix[31] = '\0';
    *flipped = view.flipped ? 1 : 0;
  });
}
}
