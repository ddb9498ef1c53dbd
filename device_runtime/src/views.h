// The photos of a session as training sees them: augmented views, encoded once. They hold
// everything about the photos that a session needs, so a resumed one asks for no photo.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engine.h"
#include "image.h"
#include "settings.h"

namespace likeness {

struct Views {
  std::size_t photos = 0;
  std::vector<std::string> prefixes;  // one a view: the scale in words, or ""
  std::vector<std::string> places;    // one a photo: where it was taken, or ""
  std::vector<float> mean;            // (V, 4, h, w), unscaled
  std::vector<float> deviation;       // (V, 4, h, w)
  std::vector<float> mask;            // (V, h, w), 1 where the loss counts

  std::size_t count() const { return prefixes.size(); }
  const std::string& place(std::size_t view) const { return places[view % photos]; }
};

// How many views training will use of so many photos: the setting, and at least one a photo.
std::size_t view_count(const TrainSettings& settings, std::size_t photos);

// View v is of photo v modulo their number. `after_each(done)` may throw to stop.
Views make_views(const Engine& engine, const TrainSettings& settings,
                 const std::vector<Image>& photos,
                 const std::function<void(std::size_t)>& after_each);

// The scaled means of the photos as they are, (N, 4, h, w).
std::vector<float> photo_latents(const Engine& engine, const std::vector<Image>& photos);

// A photo as a session keeps it until it is encoded: its centre square, no larger than views need.
Image prepare_photo(const Engine& engine, const PhotoView& photo);

}  // namespace likeness
