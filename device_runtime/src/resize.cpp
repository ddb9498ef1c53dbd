// The resampling half of image.h: one pass over the source rows, so a photo is never held as
// floats.

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "error.h"
#include "image.h"
#include "portable_math.h"

namespace likeness {
namespace {

double filter_radius(ResizeFilter filter) {
  switch (filter) {
    case ResizeFilter::kBilinear:
      return 1.0;
    case ResizeFilter::kBicubic:
      return 2.0;
    case ResizeFilter::kLanczos3:
      break;
  }
  return 3.0;
}

double sinc(double x) {
  constexpr double kPi = 3.141592653589793238462643383279502884;
  return x == 0.0 ? 1.0 : portable_sine_cosine(0.5 * x).sine / (kPi * x);
}

double filter_weight(ResizeFilter filter, double x) {
  const double r = std::fabs(x);
  if (r >= filter_radius(filter)) return 0.0;
  switch (filter) {
    case ResizeFilter::kBilinear:
      return 1.0 - r;
    case ResizeFilter::kBicubic:
      return r < 1.0 ? (1.5 * r - 2.5) * r * r + 1.0 : ((-0.5 * r + 2.5) * r - 4.0) * r + 2.0;
    case ResizeFilter::kLanczos3:
      break;
  }
  return sinc(r) * sinc(r / 3.0);
}

// Which source samples make an output sample, and with what weights (their sum is 1).
struct Taps {
  int first;
  std::vector<float> weights;

  int end() const { return first + static_cast<int>(weights.size()); }
};

std::vector<Taps> make_taps(int source, int target, ResizeFilter filter) {
  const double scale = static_cast<double>(source) / target;
  const double widening = std::max(scale, 1.0);
  const double radius = filter_radius(filter) * widening;
  std::vector<Taps> taps;
  taps.reserve(static_cast<size_t>(target));
  for (int i = 0; i < target; ++i) {
    const double centre = (i + 0.5) * scale;
    const int first = std::max(0, static_cast<int>(centre - radius + 0.5));
    const int end = std::min(source, static_cast<int>(centre + radius + 0.5));
    std::vector<double> weights;
    double sum = 0.0;
    for (int k = first; k < end; ++k) {
      weights.push_back(filter_weight(filter, (k + 0.5 - centre) / widening));
      sum += weights.back();
    }
    Taps tap{first, {}};
    for (const double weight : weights) tap.weights.push_back(static_cast<float>(weight / sum));
    taps.push_back(std::move(tap));
  }
  return taps;
}

// read_row(y, row) fills (3, source_width) planar floats in -1..1.
template <typename ReadRow>
Image resample(int source_height, int source_width, int height, int width, ResizeFilter filter,
               const ReadRow& read_row) {
  Image result(height, width);
  const std::vector<Taps> columns = make_taps(source_width, width, filter);
  const std::vector<Taps> rows = make_taps(source_height, height, filter);
  std::vector<float> source(static_cast<size_t>(Image::kChannels * source_width));
  std::vector<float> narrowed(static_cast<size_t>(Image::kChannels * width));
  // Windows only move down: output rows [active, reached) are the ones source row y touches.
  int active = 0;
  for (int y = 0; y < source_height; ++y) {
    while (active < height && rows[static_cast<size_t>(active)].end() <= y) ++active;
    if (active == height) break;
    if (rows[static_cast<size_t>(active)].first > y) continue;
    read_row(y, source.data());
    for (int c = 0; c < Image::kChannels; ++c) {
      for (int x = 0; x < width; ++x) {
        const Taps& taps = columns[static_cast<size_t>(x)];
        const float* from = source.data() + c * source_width + taps.first;
        float sum = 0.0f;
        for (const float weight : taps.weights) sum += weight * *from++;
        narrowed[static_cast<size_t>(c * width + x)] = sum;
      }
    }
    for (int out = active; out < height && rows[static_cast<size_t>(out)].first <= y; ++out) {
      const Taps& taps = rows[static_cast<size_t>(out)];
      if (y >= taps.end()) continue;
      const float weight = taps.weights[static_cast<size_t>(y - taps.first)];
      for (int c = 0; c < Image::kChannels; ++c) {
        const float* from = narrowed.data() + c * width;
        float* to = &result.at(c, out, 0);
        for (int x = 0; x < width; ++x) to[x] += weight * from[x];
      }
    }
  }
  for (float& value : result.pixels) value = std::clamp(value, -1.0f, 1.0f);
  return result;
}

void check_photo(const PhotoView& photo) {
  if (photo.bytes == nullptr || photo.width <= 0 || photo.height <= 0) {
    throw Error(ErrorCode::bad_photo, "A photo has no pixels.");
  }
  if (photo.width > Image::kMaxSide || photo.height > Image::kMaxSide) {
    throw Error(ErrorCode::bad_photo, "A photo of " + std::to_string(photo.width) + " x " +
                                          std::to_string(photo.height) +
                                          " pixels is too large; the longest side may have " +
                                          std::to_string(Image::kMaxSide) + ".");
  }
  if (photo.bytes_per_pixel != 3 && photo.bytes_per_pixel != 4) {
    throw Error(ErrorCode::bad_photo, "A photo must have 3 or 4 bytes a pixel, not " +
                                          std::to_string(photo.bytes_per_pixel) + ".");
  }
  if (photo.stride / static_cast<size_t>(photo.bytes_per_pixel) <
      static_cast<size_t>(photo.width)) {
    throw Error(ErrorCode::bad_photo, "A photo's rows overlap: its stride is too small.");
  }
}

// Part of a row: columns [left, left + width), planar.
void read_photo_row(const PhotoView& photo, int y, int left, int width, float* row) {
  const uint8_t* from = photo.bytes + static_cast<size_t>(y) * photo.stride +
                        static_cast<size_t>(left) * static_cast<size_t>(photo.bytes_per_pixel);
  for (int x = 0; x < width; ++x, from += photo.bytes_per_pixel) {
    for (int c = 0; c < Image::kChannels; ++c) {
      row[c * width + x] = static_cast<float>(from[c]) / 127.5f - 1.0f;
    }
  }
}

}  // namespace

Image resize(const Image& image, int height, int width, ResizeFilter filter) {
  return resample(image.height, image.width, height, width, filter, [&](int y, float* row) {
    for (int c = 0; c < Image::kChannels; ++c) {
      for (int x = 0; x < image.width; ++x) row[c * image.width + x] = image.at(c, y, x);
    }
  });
}

Image image_from_photo(const PhotoView& photo) {
  check_photo(photo);
  Image result(photo.height, photo.width);
  std::vector<float> row(static_cast<size_t>(Image::kChannels * photo.width));
  for (int y = 0; y < photo.height; ++y) {
    read_photo_row(photo, y, 0, photo.width, row.data());
    for (int c = 0; c < Image::kChannels; ++c) {
      std::copy_n(row.data() + c * photo.width, photo.width, &result.at(c, y, 0));
    }
  }
  return result;
}

Image centre_square_from_photo(const PhotoView& photo, int size, ResizeFilter filter) {
  check_photo(photo);
  const int side = std::min(photo.width, photo.height);
  const int top = (photo.height - side) / 2;
  const int left = (photo.width - side) / 2;
  return resample(side, side, size, size, filter,
                  [&](int y, float* row) { read_photo_row(photo, top + y, left, side, row); });
}

}  // namespace likeness
