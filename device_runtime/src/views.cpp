#include "views.h"

#include <algorithm>

#include "augment.h"
#include "autoencoder.h"
#include "error.h"

namespace likeness {
namespace {

constexpr int kSmallestPhoto = 32;
constexpr int kLargestPhoto = 1 << 16;

}  // namespace

std::size_t view_count(const TrainSettings& settings, std::size_t photos) {
  return std::max(static_cast<std::size_t>(settings.views), photos);
}

Views make_views(const Engine& engine, const TrainSettings& settings,
                 const std::vector<Image>& photos,
                 const std::function<void(std::size_t)>& after_each) {
  const Manifest& m = engine.manifest();
  const std::size_t total = view_count(settings, photos.size());
  Views views;
  views.photos = photos.size();
  views.places.resize(photos.size());
  // A batch at a time: a hundred augmented pictures never exist together.
  for (std::size_t first = 0; first < total; first += m.image_batch) {
    std::vector<AugmentedView> batch;
    for (std::size_t v = first; v < std::min(total, first + m.image_batch); ++v) {
      batch.push_back(augment(photos[v % photos.size()], m.image_size, m.vae_scale_factor,
                              settings.hflip, settings.size_augmentation, settings.seed,
                              static_cast<std::uint32_t>(v)));
    }
    std::vector<const Image*> pictures;
    for (const AugmentedView& view : batch) pictures.push_back(&view.pixels);
    const LatentDistributions encoded = encode_images(engine, pictures);
    views.mean.insert(views.mean.end(), encoded.mean.begin(), encoded.mean.end());
    views.deviation.insert(views.deviation.end(), encoded.deviation.begin(),
                           encoded.deviation.end());
    for (const AugmentedView& view : batch) {
      views.prefixes.push_back(view.caption_prefix);
      views.mask.insert(views.mask.end(), view.mask.begin(), view.mask.end());
    }
    after_each(views.count());
  }
  return views;
}

std::vector<float> photo_latents(const Engine& engine, const std::vector<Image>& photos) {
  const int size = engine.manifest().image_size;
  std::vector<float> latents;
  for (const Image& photo : photos) {
    const Image square = resize(photo, size, size, ResizeFilter::kLanczos3);
    const LatentDistributions encoded = encode_images(engine, {&square});
    for (const float value : encoded.mean) {
      latents.push_back(static_cast<float>(value * engine.manifest().scaling_factor));
    }
  }
  return latents;
}

Image prepare_photo(const Engine& engine, const PhotoView& photo) {
  const int shorter = std::min(photo.width, photo.height);
  const int longer = std::max(photo.width, photo.height);
  if (shorter < kSmallestPhoto || longer > kLargestPhoto) {
    throw Error(ErrorCode::bad_photo, "the photo is " + std::to_string(photo.width) + " x " +
                                          std::to_string(photo.height) +
                                          " pixels; photos are at least " +
                                          std::to_string(kSmallestPhoto) + " and at most " +
                                          std::to_string(kLargestPhoto) + " pixels on each side");
  }
  // Views are enlarged up to 1.4 times.
  const int size = std::min(shorter, engine.manifest().image_size * 3 / 2);
  return centre_square_from_photo(photo, size, ResizeFilter::kLanczos3);
}

}  // namespace likeness
