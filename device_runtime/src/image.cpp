#include "image.h"

#include <algorithm>
#include <string>

#include "error.h"

namespace likeness {
namespace {

std::string size_text(int width, int height) {
  return std::to_string(width) + " x " + std::to_string(height);
}

}  // namespace

Image::Image(int image_height, int image_width, float fill)
    : height(image_height), width(image_width) {
  if (height <= 0 || width <= 0 || height > kMaxSide || width > kMaxSide) {
    throw Error(ErrorCode::invalid_argument,
                "A picture cannot be " + size_text(width, height) + " pixels.");
  }
  pixels.assign(
      static_cast<size_t>(kChannels) * static_cast<size_t>(height) * static_cast<size_t>(width),
      fill);
}

std::vector<uint8_t> image_to_rgb8(const Image& image) {
  std::vector<uint8_t> bytes(image.pixels.size());
  size_t next = 0;
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x) {
      for (int c = 0; c < Image::kChannels; ++c) {
        const float level = (image.at(c, y, x) + 1.0f) * 127.5f;
        // Written so that NaN becomes 0: its conversion to an integer is undefined.
        bytes[next++] = level > 0.0f ? static_cast<uint8_t>(std::min(level, 255.0f) + 0.5f) : 0;
      }
    }
  }
  return bytes;
}

Image crop(const Image& image, int top, int left, int height, int width) {
  Image result(height, width);
  if (top < 0 || left < 0 || top > image.height - height || left > image.width - width) {
    throw Error(ErrorCode::invalid_argument, "A crop of " + size_text(width, height) +
                                                 " pixels does not fit into a picture of " +
                                                 size_text(image.width, image.height) + " there.");
  }
  for (int c = 0; c < Image::kChannels; ++c) {
    for (int y = 0; y < height; ++y) {
      for (int x = 0; x < width; ++x) result.at(c, y, x) = image.at(c, top + y, left + x);
    }
  }
  return result;
}

Image centre_square(const Image& image) {
  const int side = std::min(image.height, image.width);
  return crop(image, (image.height - side) / 2, (image.width - side) / 2, side, side);
}

Image flip_horizontal(const Image& image) {
  Image result = image;
  for (int c = 0; c < Image::kChannels; ++c) {
    for (int y = 0; y < image.height; ++y) {
      for (int x = 0; x < image.width; ++x) {
        result.at(c, y, x) = image.at(c, y, image.width - 1 - x);
      }
    }
  }
  return result;
}

}  // namespace likeness
