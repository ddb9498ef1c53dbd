#include "journal.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "adapter.h"
#include "error.h"
#include "file_io.h"
#include "json_reader.h"
#include "printable.h"
#include "safetensors.h"
#include "strict_json.h"

namespace likeness {
namespace {

namespace fs = std::filesystem;

constexpr char kViewsFile[] = "views.safetensors";
constexpr char kStateFile[] = "state.safetensors";
constexpr char kViewsFormat[] = "likeness-session-views";
constexpr char kStateFormat[] = "likeness-session-state";
constexpr char kVersion[] = "1";

Metadata common_metadata(const Engine& engine, const TrainSettings& settings, const char* format) {
  return {{"format", format},
          {"format_version", kVersion},
          {"base_model", engine.manifest().model_name},
          {"base_weights_sha256", engine.manifest().weights_sha256},
          {"settings", to_json(settings)}};
}

std::string value_of(const Safetensors& file, const std::string& key, const std::string& path) {
  const auto found = file.metadata.find(key);
  if (found == file.metadata.end()) {
    throw Error(ErrorCode::corrupt, path + " lacks " + key +
                                        " in its metadata; it is damaged, "
                                        "start the session again");
  }
  return found->second;
}

void check_origin(const Engine& engine, const Safetensors& file, const char* format,
                  const std::string& path) {
  const Manifest& m = engine.manifest();
  if (value_of(file, "format", path) != format) {
    throw Error(ErrorCode::corrupt, path + " is no part of a session; start the session again");
  }
  if (value_of(file, "format_version", path) != kVersion) {
    throw Error(ErrorCode::unsupported_version,
                path + " was written by another version of the app; start the session again");
  }
  const std::string hash = value_of(file, "base_weights_sha256", path);
  if (hash != m.weights_sha256) {
    throw Error(ErrorCode::wrong_model, "this session was started on the model " +
                                            printable(value_of(file, "base_model", path)) +
                                            " with weights " + printable(hash) +
                                            ", but the open model is " + printable(m.model_name) +
                                            " with weights \"" + m.weights_sha256 +
                                            "\"; open that model, or start a new session");
  }
}

std::int64_t whole_number(const Safetensors& file, const std::string& key, const std::string& path,
                          std::int64_t largest) {
  const auto value = parse_strict_json(value_of(file, key, path), path + ": " + key);
  return JsonNode(value, path + ": " + key).integer(0, largest);
}

// A session that began on a bundle of the same weights that trains in float32 has none yet.
LossScale read_loss_scale(const Manifest& m, const Safetensors& file, const std::string& path) {
  if (!m.float16_training) return {};
  if (file.metadata.count("loss_scale") == 0) return LossScale::start();
  return {whole_number(file, "loss_scale", path, INT64_MAX),
          whole_number(file, "loss_scale_good_steps", path, INT64_MAX), path};
}

// One a photo. Sessions from before captions named places have none.
std::vector<std::string> read_places(const Safetensors& file, std::size_t photos,
                                     const std::string& path) {
  if (file.metadata.count("places") == 0) return std::vector<std::string>(photos);
  const auto value = parse_strict_json(value_of(file, "places", path), path + ": places");
  const JsonNode node(value, path + ": places");
  std::vector<std::string> places = node.texts();
  if (photos == 0 || places.size() != photos) node.fail("is not one a photo");
  return places;
}

// Tensors of the state, by name, in one order for writing and reading.
template <typename Visit>
void for_each_tensor(const AdapterKind& kind, Visit visit) {
  for (std::size_t i = 0; i < kind.tensors.size(); ++i) {
    visit(i, kind.tensors[i].name, kind.tensors[i].shape);
  }
}

}  // namespace

Journal::Journal(const std::string& folder) : folder_(folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) {
    throw Error(ErrorCode::io,
                "cannot make the journal's folder " + folder + ": " + error.message());
  }
  const std::string lock = path("lock");
  lock_ = ::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (lock_ < 0) {
    const bool full = errno == ENOSPC || errno == EDQUOT;
    throw Error(full ? ErrorCode::disk_full : ErrorCode::io,
                "cannot open " + lock + ": " + std::strerror(errno));
  }
  if (::flock(lock_, LOCK_EX | LOCK_NB) != 0) {
    ::close(lock_);
    throw Error(ErrorCode::busy, "another session is using the journal " + folder +
                                     "; close it, or choose another folder");
  }
  // What a killed session had begun to write.
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.path().filename().string().find(".safetensors.tmp-") != std::string::npos) {
      std::error_code ignored;
      fs::remove(entry.path(), ignored);
    }
  }
}

Journal::~Journal() { ::close(lock_); }

bool Journal::has_session() const {
  std::error_code error;
  return fs::exists(path(kViewsFile), error);
}

void Journal::save_views(const Engine& engine, const TrainSettings& settings, const Views& views) {
  const Manifest& m = engine.manifest();
  const auto count = static_cast<std::int64_t>(views.count());
  const std::vector<std::int64_t> shape = {count, m.latent_channels, m.latent_size, m.latent_size};
  const TensorMap tensors = {
      {"deviation", view_of(views.deviation, shape)},
      {"mask", view_of(views.mask, {count, m.latent_size, m.latent_size})},
      {"mean", view_of(views.mean, shape)},
  };
  Metadata metadata = common_metadata(engine, settings, kViewsFormat);
  metadata["photos"] = std::to_string(views.photos);
  metadata["prefixes"] = nlohmann::json(views.prefixes).dump();
  metadata["places"] = nlohmann::json(views.places).dump();
  const auto bytes = serialize_safetensors(tensors, metadata);
  // A checkpoint without its views is of a session whose files were partly removed.
  std::error_code ignored;
  fs::remove(path(kStateFile), ignored);
  atomic_write(path(kViewsFile), bytes.data(), bytes.size());
}

Journal::Session Journal::load_session(const Engine& engine) const {
  const Manifest& m = engine.manifest();
  const std::string file_path = path(kViewsFile);
  if (!has_session()) {
    throw Error(ErrorCode::invalid_argument,
                "there is no session to resume in " + folder_ +
                    " (its photos were not encoded yet); create one and add the photos");
  }
  const MappedFile mapped(file_path);
  const Safetensors file = parse_safetensors(mapped.data(), mapped.size());
  check_origin(engine, file, kViewsFormat, file_path);
  Session session;
  session.settings =
      train_settings_from_json(value_of(file, "settings", file_path), file_path + ": settings");
  check_settings(session.settings, m);
  const auto prefixes =
      parse_strict_json(value_of(file, "prefixes", file_path), file_path + ": prefixes");
  session.views.prefixes = JsonNode(prefixes, file_path + ": prefixes").texts();
  session.views.photos = static_cast<std::size_t>(whole_number(file, "photos", file_path, 1 << 20));
  session.views.places = read_places(file, session.views.photos, file_path);
  const auto count = static_cast<std::int64_t>(session.views.count());
  if (count == 0) throw Error(ErrorCode::corrupt, file_path + " holds no view");
  const std::vector<std::int64_t> shape = {count, m.latent_channels, m.latent_size, m.latent_size};
  session.views.mean = to_floats(file.require("mean", TensorType::f32, shape));
  session.views.deviation = to_floats(file.require("deviation", TensorType::f32, shape));
  session.views.mask =
      to_floats(file.require("mask", TensorType::f32, {count, m.latent_size, m.latent_size}));
  return session;
}

void Journal::save_state(const Engine& engine, const TrainSettings& settings,
                         const TrainingState& state) {
  const Manifest& m = engine.manifest();
  TensorMap tensors;
  const std::vector<NamedMoments> moments = state.adapter_optimizer.moments();
  for_each_tensor(m.adapter_kind(settings.adapter_kind),
                  [&](std::size_t i, const std::string& name, const auto& shape) {
                    tensors["adapter:" + name] = view_of(state.adapter.tensors[i], shape);
                    for (const NamedMoments& moment : moments) {
                      tensors[moment.name + ":" + name] = view_of((*moment.tensors)[i], shape);
                    }
                  });
  const std::vector<std::int64_t> shape = {1, m.hidden_size};
  const AdamWState& modifier = state.modifier_optimizer.state();
  tensors["modifier_embeddings"] = view_of(state.adapter.modifier_embeddings, shape);
  tensors["exp_avg:modifier_embeddings"] = view_of(modifier.exp_avg[0], shape);
  tensors["exp_avg_sq:modifier_embeddings"] = view_of(modifier.exp_avg_sq[0], shape);
  Metadata metadata = common_metadata(engine, settings, kStateFormat);
  metadata["step"] = std::to_string(state.step);
  if (m.float16_training) {
    metadata["loss_scale"] = std::to_string(state.loss_scale.scale());
    metadata["loss_scale_good_steps"] = std::to_string(state.loss_scale.good_steps());
  }
  const auto bytes = serialize_safetensors(tensors, metadata);
  atomic_write(path(kStateFile), bytes.data(), bytes.size());
}

std::optional<TrainingState> Journal::load_state(const Engine& engine,
                                                 const TrainSettings& settings) const {
  const Manifest& m = engine.manifest();
  const std::string file_path = path(kStateFile);
  std::error_code error;
  if (!fs::exists(file_path, error)) return std::nullopt;
  const MappedFile mapped(file_path);
  const Safetensors file = parse_safetensors(mapped.data(), mapped.size());
  check_origin(engine, file, kStateFormat, file_path);
  if (value_of(file, "settings", file_path) != to_json(settings)) {
    throw Error(ErrorCode::corrupt, file_path + " belongs to another session than " + kViewsFile +
                                        " beside it; start the session again");
  }
  const std::int64_t step = whole_number(file, "step", file_path, settings.steps);
  const auto read = [&](const std::string& name, const std::vector<std::int64_t>& shape) {
    std::vector<float> values = to_floats(file.require(name, TensorType::f32, shape));
    check_finite(values, file_path + ": " + name);
    return values;
  };
  Adapter adapter;
  adapter.kind = settings.adapter_kind;
  adapter.modifier_tokens = {settings.token};
  adapter.class_name = settings.class_name;
  const std::vector<std::string> moment_names = AdapterOptimizer::moment_names(settings);
  std::vector<Moments> moments(moment_names.size());
  for_each_tensor(m.adapter_kind(settings.adapter_kind),
                  [&](std::size_t, const std::string& name, const auto& shape) {
                    adapter.tensors.push_back(read("adapter:" + name, shape));
                    for (std::size_t k = 0; k < moments.size(); ++k) {
                      moments[k].push_back(read(moment_names[k] + ":" + name, shape));
                    }
                  });
  const std::vector<std::int64_t> shape = {1, m.hidden_size};
  adapter.modifier_embeddings = read("modifier_embeddings", shape);
  AdamWState modifier;
  modifier.step = settings.modifier_learning_rate > 0 ? step : 0;
  modifier.exp_avg = {read("exp_avg:modifier_embeddings", shape)};
  modifier.exp_avg_sq = {read("exp_avg_sq:modifier_embeddings", shape)};
  const AdapterKind& kind = m.adapter_kind(settings.adapter_kind);
  return TrainingState{
      step, std::move(adapter), AdapterOptimizer(settings, kind, step, std::move(moments)),
      AdamW(adamw_settings(settings), std::move(modifier)), read_loss_scale(m, file, file_path)};
}

}  // namespace likeness
