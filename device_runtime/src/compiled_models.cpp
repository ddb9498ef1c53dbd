#include "compiled_models.h"

#include <unistd.h>

#include <filesystem>
#include <system_error>

#include "error.h"

namespace likeness {
namespace {

namespace fs = std::filesystem;

void check(const std::error_code& error, const std::string& path) {
  if (!error) return;
  const bool full = error == std::errc::no_space_on_device;
  throw Error(full ? ErrorCode::disk_full : ErrorCode::io,
              "cannot keep the compiled model " + path + ": " + error.message() +
                  (full ? "; free some storage and try again" : ""));
}

// Renames, and takes a folder that is there already for the same model.
std::error_code move_into_place(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::rename(from, to, error);
  const bool taken = error == std::errc::directory_not_empty || error == std::errc::file_exists;
  if (!taken) return error;
  std::error_code ignored;
  fs::remove_all(from, ignored);
  return {};
}

}  // namespace

std::string compiled_model_path(const std::string& cache_folder, const std::string& fingerprint) {
  return cache_folder + "/" + fingerprint + ".mlmodelc";
}

void keep_compiled_model(const std::string& compiled, const std::string& path) {
  std::error_code error;
  fs::create_directories(fs::path(path).parent_path(), error);
  check(error, path);
  error = move_into_place(compiled, path);
  if (error == std::errc::cross_device_link) {
    // Only within a volume is a rename one instant.
    const std::string beside = path + ".tmp-" + std::to_string(::getpid());
    std::error_code copy_error;
    fs::copy(compiled, beside, fs::copy_options::recursive, copy_error);
    error = copy_error ? copy_error : move_into_place(beside, path);
    std::error_code ignored;
    if (error) fs::remove_all(beside, ignored);
    fs::remove_all(compiled, ignored);
  }
  check(error, path);
}

}  // namespace likeness
