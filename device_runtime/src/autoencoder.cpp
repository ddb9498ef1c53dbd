#include "autoencoder.h"

#include <algorithm>
#include <cmath>

#include "error.h"

namespace likeness {

LatentDistributions encode_images(const Engine& engine, const std::vector<const Image*>& images) {
  const Manifest& m = engine.manifest();
  const std::size_t pixels = 3 * static_cast<std::size_t>(m.image_size) * m.image_size;
  const std::size_t latents = m.latent_count();
  std::vector<float> batch(m.image_batch * pixels);
  std::vector<float> mean(m.image_batch * latents), log_variance(m.image_batch * latents);
  LatentDistributions all;
  for (std::size_t first = 0; first < images.size(); first += m.image_batch) {
    const std::size_t rows = std::min(m.image_batch, images.size() - first);
    std::fill(batch.begin(), batch.end(), 0.0f);
    for (std::size_t row = 0; row < rows; ++row) {
      const std::vector<float>& picture = images[first + row]->pixels;
      if (picture.size() != pixels) throw Error(ErrorCode::internal, "a picture of another size");
      std::copy(picture.begin(), picture.end(),
                batch.begin() + static_cast<std::ptrdiff_t>(row * pixels));
    }
    engine.programs().run(m.method("encode_image").program(), {batch.data()},
                          {mean.data(), log_variance.data()});
    for (std::size_t i = 0; i < rows * latents; ++i) {
      all.mean.push_back(mean[i]);
      all.deviation.push_back(static_cast<float>(std::exp(0.5 * log_variance[i])));
    }
  }
  return all;
}

std::vector<Image> decode_latents(const Engine& engine, const float* latents, std::size_t rows) {
  const Manifest& m = engine.manifest();
  const std::size_t count = m.latent_count();
  const std::size_t pixels = 3 * static_cast<std::size_t>(m.image_size) * m.image_size;
  std::vector<float> batch(m.image_batch * count), decoded(m.image_batch * pixels);
  std::vector<Image> images;
  for (std::size_t first = 0; first < rows; first += m.image_batch) {
    const std::size_t part = std::min(m.image_batch, rows - first);
    std::fill(batch.begin(), batch.end(), 0.0f);
    for (std::size_t i = 0; i < part * count; ++i) {
      batch[i] = static_cast<float>(latents[first * count + i] / m.scaling_factor);
    }
    engine.programs().run(m.method("decode_latents").program(), {batch.data()}, {decoded.data()});
    for (std::size_t row = 0; row < part; ++row) {
      Image image(m.image_size, m.image_size);
      std::copy_n(decoded.begin() + static_cast<std::ptrdiff_t>(row * pixels), pixels,
                  image.pixels.begin());
      images.push_back(std::move(image));
    }
  }
  return images;
}

}  // namespace likeness
