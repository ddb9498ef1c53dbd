// An RGB picture as the networks see it, and the few operations a photo needs before the image
// encoder.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace likeness {

// Planar (3, height, width), values in -1..1.
struct Image {
  static constexpr int kChannels = 3;
  static constexpr int kMaxSide = 1 << 15;  // keeps every product of sizes below in range

  Image() = default;
  Image(int height, int width, float fill = 0.0f);  // Error unless both are in 1..kMaxSide

  float& at(int channel, int y, int x) { return pixels[offset(channel, y, x)]; }
  float at(int channel, int y, int x) const { return pixels[offset(channel, y, x)]; }

  int height = 0;
  int width = 0;
  std::vector<float> pixels;

 private:
  size_t offset(int channel, int y, int x) const {
    return (static_cast<size_t>(channel) * static_cast<size_t>(height) + static_cast<size_t>(y)) *
               static_cast<size_t>(width) +
           static_cast<size_t>(x);
  }
};

// A photo as a phone hands it over: interleaved 8-bit rows, `stride` bytes from one to the next.
// Bytes beyond the third of a pixel (alpha) are ignored.
struct PhotoView {
  const uint8_t* bytes;
  int width;
  int height;
  int bytes_per_pixel;  // 3 or 4
  size_t stride;        // at least width * bytes_per_pixel
};

Image image_from_photo(const PhotoView& photo);

// (height, width, 3) bytes, rounded to nearest, values beyond -1..1 clipped.
std::vector<uint8_t> image_to_rgb8(const Image& image);

// Antialiased resampling: the kernel is widened by the factor of reduction, so that every source
// pixel counts ("Principles of Digital Image Synthesis", Glassner 1995). Keys' cubic has a = -1/2.
enum class ResizeFilter { kBilinear, kBicubic, kLanczos3 };

// Output values are clipped to -1..1: cubic and Lanczos overshoot at edges.
Image resize(const Image& image, int height, int width, ResizeFilter filter);

// The largest centred square of a photo at `size` x `size`, read row by row: a 12-megapixel photo
// never exists as floats. Same result as resize(centre_square(image_from_photo(photo)), size, size,
// filter).
Image centre_square_from_photo(const PhotoView& photo, int size, ResizeFilter filter);

// Error if the rectangle leaves the image.
Image crop(const Image& image, int top, int left, int height, int width);
Image centre_square(const Image& image);
Image flip_horizontal(const Image& image);

}  // namespace likeness
