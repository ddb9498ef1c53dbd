// What a session's steps look at, and manifests, for tests/test_runtime_*.py.
#include "session.h"

#include <cstring>
#include <nlohmann/json.hpp>

#include "guard.h"
#include "manifest.h"

using namespace likeness;  // a test harness: every name below is the core's

namespace {

struct TestSession {
  std::shared_ptr<const Engine> engine;
  std::unique_ptr<Session> session;
};

void copy_out(const std::vector<float>& values, float* out) {
  std::memcpy(out, values.data(), values.size() * sizeof(float));
}

}  // namespace

extern "C" {

int lkt_session_resume(const char* bundle, const char* journal, void** out) {
  return testing::guard([&] {
    auto handle = std::make_unique<TestSession>();
    // Nothing is run here, and a back end of this library would replace the threads under the
    // programs of the public one, which the same test uses.
    const BackendFactory no_backend = [](const std::string&, const BackendOptions&) {
      return nullptr;
    };
    handle->engine = std::make_shared<Engine>(bundle, EngineOptions{}, no_backend);
    handle->session = Session::resume(handle->engine, journal);
    *out = handle.release();
  });
}
void lkt_session_free(void* session) { delete static_cast<TestSession*>(session); }

// Arrays of the shapes the manifest gives train_step; ids (rows, max_length). `captions` takes a
// JSON list.
int lkt_session_batch(const void* session, std::int64_t step, float* x_t, float* t, float* target,
                      float* weight, std::int64_t* ids, char* captions, std::size_t capacity) {
  return testing::guard([&] {
    const TrainingBatch batch = static_cast<const TestSession*>(session)->session->batch(step);
    copy_out(batch.x_t, x_t);
    copy_out(batch.t, t);
    copy_out(batch.target, target);
    copy_out(batch.weight, weight);
    for (const TokenIds& prompt : batch.prompts) {
      ids = std::copy(prompt.begin(), prompt.end(), ids);
    }
    const std::string json = nlohmann::json(batch.captions).dump();
    if (json.size() >= capacity) throw Error(ErrorCode::internal, "captions do not fit");
    std::memcpy(captions, json.c_str(), json.size() + 1);
  });
}

int lkt_parse_manifest(const char* text, std::size_t size) {
  return testing::guard([&] { parse_manifest(std::string_view(text, size)); });
}
int lkt_fingerprint(const char* text, std::size_t size, const char* path, char* fingerprint) {
  return testing::guard([&] {
    const std::string hash = parse_manifest(std::string_view(text, size)).fingerprint(path);
    std::memcpy(fingerprint, hash.c_str(), hash.size() + 1);
  });
}
int lkt_is_safe_path(const char* path) { return is_safe_path(path) ? 1 : 0; }
}
