// The C boundary: handles, copies of structures, and every exception turned into a status.
#include "c_api.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

#include "autoencoder.h"
#include "file_io.h"
#include "generate.h"
#include "image.h"
#include "make_backend.h"
#include "merge.h"
#include "text.h"

namespace likeness {
namespace {

std::string& last_error() {
  static thread_local std::string message;
  return message;
}

}  // namespace

lk_status report(ErrorCode code, const char* message) noexcept {
  try {
    last_error() = message;
  } catch (...) {
    last_error().clear();  // no memory for the message: the status alone must do
  }
  return static_cast<lk_status>(code);
}

PhotoView checked_photo(const uint8_t* pixels, int32_t width, int32_t height, size_t row_stride,
                        int32_t bytes_per_pixel) {
  require(pixels != nullptr, "pixels is NULL");
  if (width <= 0 || height <= 0) throw Error(ErrorCode::bad_photo, "the photo is empty");
  require(bytes_per_pixel == 3 || bytes_per_pixel == 4, "bytes_per_pixel must be 3 or 4");
  require(row_stride >= static_cast<size_t>(width) * static_cast<size_t>(bytes_per_pixel),
          "row_stride is shorter than a row");
  return {pixels, width, height, bytes_per_pixel, row_stride};
}

char* copy_text(const std::string& text) {
  auto* copy = static_cast<char*>(std::malloc(text.size() + 1));
  if (copy == nullptr) throw std::bad_alloc();
  std::memcpy(copy, text.c_str(), text.size() + 1);
  return copy;
}

}  // namespace likeness

using namespace likeness;  // this file is the translation between the two worlds

namespace {

size_t picture_bytes(const Manifest& m) {
  return 3 * static_cast<size_t>(m.image_size) * static_cast<size_t>(m.image_size);
}

SampleSettings from_c(const lk_sample_settings& c) {
  SampleSettings settings;
  settings.prompt = text_or(c.prompt, "");
  settings.negative_prompt = text_or(c.negative_prompt, "");
  settings.sampler = text_or(c.sampler, settings.sampler);
  settings.seed = c.seed;
  settings.steps = c.steps;
  settings.count = c.count;
  settings.guidance_scale = c.guidance_scale;
  return settings;
}

// An adapter may have been loaded by another engine: Error unless it fits this one's programs.
void check_fits(const lk_adapter& adapter, const Manifest& m) {
  if (adapter.engine->manifest().weights_sha256 != m.weights_sha256) {
    throw Error(ErrorCode::wrong_model, "the adapter was loaded for the model " +
                                            adapter.engine->manifest().model_name +
                                            ", this engine has " + m.model_name);
  }
  const std::vector<TensorSpec>& tensors = m.adapter_kind(adapter.adapter.kind).tensors;
  bool fits = tensors.size() == adapter.adapter.tensors.size();
  for (size_t i = 0; fits && i < tensors.size(); ++i) {
    fits = tensors[i].count() == adapter.adapter.tensors[i].size();
  }
  require(fits,
          "the adapter was loaded for a bundle whose adapters have other sizes; load it with "
          "this engine");
}

}  // namespace

extern "C" {

int32_t lk_api_version(void) { return LK_API_VERSION; }

const char* lk_last_error(void) { return last_error().c_str(); }

void lk_string_free(char* text) { std::free(text); }

lk_status lk_engine_open(const char* folder, const lk_engine_options* options, lk_engine** engine) {
  return guard([&] {
    require(folder != nullptr && engine != nullptr, "folder or engine is NULL");
    EngineOptions chosen;
    if (options != nullptr) {
      chosen.verify_hashes = options->skip_hash_check == 0;
      chosen.backend.threads = options->threads;
      chosen.backend.cache_folder = text_or(options->cache_folder, "");
      chosen.memory_limit_bytes = static_cast<size_t>(options->memory_limit_bytes);
      require(options->threads >= 0 && options->threads <= 256, "threads must be 0 to 256");
    }
    auto handle = std::make_unique<lk_engine>();
    handle->engine = std::make_shared<Engine>(folder, chosen, make_backend);
    handle->training_defaults = recommended_training(handle->engine->manifest());
    handle->sampling_defaults = recommended_sampling(handle->engine->manifest());
    *engine = handle.release();
  });
}

void lk_engine_close(lk_engine* engine) { delete engine; }

lk_status lk_engine_info(const lk_engine* engine, char** json) {
  return guard([&] {
    require(engine != nullptr && json != nullptr, "engine or json is NULL");
    *json = copy_text(engine->engine->info());
  });
}

int32_t lk_engine_image_size(const lk_engine* engine) {
  return engine == nullptr ? 0 : engine->engine->manifest().image_size;
}

void lk_engine_trim(const lk_engine* engine) {
  if (engine != nullptr) engine->engine->programs().drop_all();
}

lk_status lk_adapter_load(const lk_engine* engine, const char* path, lk_adapter** adapter) {
  return guard([&] {
    require(engine != nullptr && path != nullptr && adapter != nullptr,
            "engine, path or adapter is NULL");
    *adapter = new lk_adapter{engine->engine, load_adapter(*engine->engine, path)};
  });
}

void lk_adapter_close(lk_adapter* adapter) { delete adapter; }

lk_status lk_adapter_info(const lk_adapter* adapter, char** json) {
  return guard([&] {
    require(adapter != nullptr && json != nullptr, "adapter or json is NULL");
    *json = copy_text(adapter_info(*adapter->engine, adapter->adapter));
  });
}

lk_status lk_adapter_merge(const lk_engine* engine, const lk_adapter* const* adapters, size_t count,
                           const char* path) {
  return guard([&] {
    require(engine != nullptr && adapters != nullptr && path != nullptr,
            "engine, adapters or path is NULL");
    const Engine& e = *engine->engine;
    std::vector<const Adapter*> parts;
    for (size_t i = 0; i < count; ++i) {
      require(adapters[i] != nullptr, "an adapter is NULL");
      check_fits(*adapters[i], e.manifest());
      parts.push_back(&adapters[i]->adapter);
    }
    const auto bytes = serialize_adapter(e, merge_adapters(e, parts));
    atomic_write(path, bytes.data(), bytes.size());
  });
}

lk_status lk_sample_settings_default(const lk_engine* engine, lk_sample_settings* settings) {
  return guard([&] {
    require(engine != nullptr && settings != nullptr, "engine or settings is NULL");
    const SampleSettings& defaults = engine->sampling_defaults;
    settings->prompt = "";
    settings->negative_prompt = defaults.negative_prompt.c_str();
    settings->sampler = defaults.sampler.c_str();
    settings->seed = defaults.seed;
    settings->steps = defaults.steps;
    settings->count = defaults.count;
    settings->guidance_scale = defaults.guidance_scale;
  });
}

size_t lk_generate_bytes(const lk_engine* engine, const lk_sample_settings* settings) {
  if (engine == nullptr || settings == nullptr) return 0;
  if (settings->count < 1 || settings->count > kMaxPictures) return 0;
  return static_cast<size_t>(settings->count) * picture_bytes(engine->engine->manifest());
}

lk_status lk_generate(const lk_engine* engine, const lk_adapter* adapter,
                      const lk_sample_settings* settings, const lk_sample_callbacks* callbacks,
                      uint8_t* pixels, size_t pixels_size) {
  return guard([&] {
    require(engine != nullptr && settings != nullptr && pixels != nullptr,
            "engine, settings or pixels is NULL");
    const Manifest& m = engine->engine->manifest();
    const SampleSettings chosen = from_c(*settings);
    check_settings(chosen, m);
    require(pixels_size == lk_generate_bytes(engine, settings),
            "pixels_size is not what lk_generate_bytes() says");
    if (adapter != nullptr) check_fits(*adapter, m);
    const std::string kind = m.adapters.count("full") > 0 ? "full" : m.adapters.begin()->first;
    const auto images =
        generate(*engine->engine,
                 adapter != nullptr ? adapter->adapter : neutral_adapter(*engine->engine, kind),
                 chosen, [&](size_t done, size_t total) {
                   if (callbacks == nullptr || callbacks->progress == nullptr) return;
                   if (callbacks->progress(callbacks->user, static_cast<int64_t>(done),
                                           static_cast<int64_t>(total)) != 0) {
                     throw Error(ErrorCode::cancelled, "generating was cancelled");
                   }
                 });
    for (size_t i = 0; i < images.size(); ++i) {
      const auto bytes = image_to_rgb8(images[i]);
      std::copy(bytes.begin(), bytes.end(), pixels + i * bytes.size());
    }
  });
}

lk_status lk_tokenize(const lk_engine* engine, const lk_adapter* adapter, const char* text,
                      int64_t* ids, size_t capacity, size_t* count, size_t* room) {
  return guard([&] {
    require(engine != nullptr && text != nullptr && count != nullptr,
            "engine, text or count is NULL");
    require(ids != nullptr || capacity == 0, "ids is NULL");
    const auto tokens = adapter != nullptr
                            ? tokenizer_with(*engine->engine, adapter->adapter).encode_raw(text)
                            : engine->engine->tokenizer().encode_raw(text);
    std::copy_n(tokens.begin(), std::min(capacity, tokens.size()), ids);
    *count = tokens.size();
    if (room != nullptr) *room = static_cast<size_t>(engine->engine->manifest().max_length - 2);
  });
}

lk_status lk_encode_decode(const lk_engine* engine, const uint8_t* pixels, int32_t width,
                           int32_t height, size_t row_stride, int32_t bytes_per_pixel, uint8_t* out,
                           size_t out_size) {
  return guard([&] {
    require(engine != nullptr && out != nullptr, "engine or out is NULL");
    const Engine& e = *engine->engine;
    require(out_size == picture_bytes(e.manifest()), "out_size is not size x size x 3");
    const Image photo =
        centre_square_from_photo(checked_photo(pixels, width, height, row_stride, bytes_per_pixel),
                                 e.manifest().image_size, ResizeFilter::kLanczos3);
    LatentDistributions encoded = encode_images(e, {&photo});
    for (float& value : encoded.mean) {
      value = static_cast<float>(value * e.manifest().scaling_factor);
    }
    const auto bytes = image_to_rgb8(decode_latents(e, encoded.mean.data(), 1).front());
    std::copy(bytes.begin(), bytes.end(), out);
  });
}

}  // extern "C"
