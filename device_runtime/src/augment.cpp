#include "augment.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "error.h"
#include "philox.h"

namespace likeness {
namespace {

constexpr RandomStream kStream = RandomStream::kAugmentation;

// What is drawn for a view, one index each, so that switching one choice off does not shift the
// others.
enum FloatDraw : uint64_t { kFlip, kShrink };
enum IntegerDraw : uint64_t { kScale, kTop, kLeft, kCaption };

struct ViewDice {
  uint64_t seed;
  uint32_t view;

  float fraction(FloatDraw draw) const { return uniform(seed, kStream, view, draw); }
  // In [low, high], both included.
  int between(IntegerDraw draw, int low, int high) const {
    return low + static_cast<int>(
                     uniform_int(seed, kStream, view, draw, static_cast<uint32_t>(high - low + 1)));
  }
};

int draw_scale(const ViewDice& dice, int resolution) {
  if (dice.fraction(kShrink) < 0.66f) {
    return dice.between(kScale, std::max(1, resolution / 3), resolution);
  }
  // Exactly 1.2 to under 1.4 times, in integers: rounding must not differ between platforms.
  const int low = std::max(resolution * 12 / 10, resolution + 1);
  return dice.between(kScale, low, std::max(low, resolution * 14 / 10 - 1));
}

std::string caption_prefix(const ViewDice& dice, int scale, int resolution) {
  const int choice = dice.between(kCaption, 0, 1);
  if (scale * 10 < resolution * 6) return choice == 0 ? "a far away " : "very small ";
  if (scale > resolution) return choice == 0 ? "zoomed in " : "close up ";
  return "";
}

// Latent cells [first, end) along one side that the loss counts, for a photo on [start, start +
// scale). Cells on the photo's border see the canvas through the image encoder, so one more is left
// out on each side; a photo of very few cells keeps those it covers whole, or at least touches.
std::pair<int, int> valid_cells(int start, int scale, int factor) {
  const int stop = start + scale;
  std::pair<int, int> cells = {start / factor + 1, stop / factor - 1};
  if (cells.first < cells.second) return cells;
  cells = {(start + factor - 1) / factor, stop / factor};
  if (cells.first < cells.second) return cells;
  return {start / factor, (stop + factor - 1) / factor};
}

}  // namespace

AugmentedView augment(const Image& square_source, int resolution, int vae_factor, bool hflip,
                      bool size_augmentation, uint64_t seed, uint32_t view_index) {
  if (square_source.height != square_source.width || square_source.height <= 0) {
    throw Error(ErrorCode::invalid_argument, "Only a square picture can be augmented.");
  }
  if (resolution <= 0 || vae_factor <= 0 || resolution % vae_factor != 0) {
    throw Error(ErrorCode::invalid_argument, "A resolution of " + std::to_string(resolution) +
                                                 " is not a whole number of latent cells of " +
                                                 std::to_string(vae_factor) + " pixels.");
  }
  const ViewDice dice{seed, view_index};
  const int scale = size_augmentation ? draw_scale(dice, resolution) : resolution;
  const int slack = std::abs(resolution - scale);
  const int top = dice.between(kTop, 0, slack);
  const int left = dice.between(kLeft, 0, slack);
  const int cells = resolution / vae_factor;
  const size_t cell_count = static_cast<size_t>(cells) * static_cast<size_t>(cells);

  AugmentedView view;
  view.flipped = hflip && dice.fraction(kFlip) < 0.5f;
  if (size_augmentation) view.caption_prefix = caption_prefix(dice, scale, resolution);

  Image photo = resize(square_source, scale, scale, ResizeFilter::kBicubic);
  if (view.flipped) photo = flip_horizontal(photo);
  if (scale >= resolution) {
    view.pixels = crop(photo, top, left, resolution, resolution);
    view.mask.assign(cell_count, 1.0f);
    return view;
  }

  view.pixels = Image(resolution, resolution, 0.0f);
  for (int c = 0; c < Image::kChannels; ++c) {
    for (int y = 0; y < scale; ++y) {
      for (int x = 0; x < scale; ++x) view.pixels.at(c, top + y, left + x) = photo.at(c, y, x);
    }
  }
  view.mask.assign(cell_count, 0.0f);
  const auto [first_row, end_row] = valid_cells(top, scale, vae_factor);
  const auto [first_column, end_column] = valid_cells(left, scale, vae_factor);
  for (int y = first_row; y < end_row; ++y) {
    for (int x = first_column; x < end_column; ++x) {
      view.mask[static_cast<size_t>(y) * static_cast<size_t>(cells) + static_cast<size_t>(x)] =
          1.0f;
    }
  }
  return view;
}

}  // namespace likeness
