// Whether a bundle's folder holds exactly the files its manifest lists.
#include <sys/stat.h>

#include <filesystem>
#include <system_error>

#include "error.h"
#include "manifest.h"
#include "printable.h"
#include "sha256.h"

namespace likeness {
namespace {

namespace fs = std::filesystem;
constexpr char kAdvice[] = "; copy or download the bundle again";

void check_nothing_else(const Manifest& manifest, const fs::path& folder) {
  std::error_code error;
  fs::recursive_directory_iterator it(folder, error);
  for (; !error && it != fs::recursive_directory_iterator(); it.increment(error)) {
    const std::string name = it->path().lexically_relative(folder).generic_string();
    std::error_code status_error;
    const fs::file_status status = it->symlink_status(status_error);
    if (status_error || fs::is_symlink(status)) {
      throw Error(ErrorCode::corrupt,
                  "the bundle contains a symbolic link, " + printable(name) + kAdvice);
    }
    if (fs::is_directory(status) || name == "manifest.json") continue;
    if (manifest.files.count(name) == 0) {
      throw Error(ErrorCode::corrupt, "the bundle contains " + printable(name) +
                                          ", which manifest.json does not list; remove that file");
    }
  }
  if (error) {
    throw Error(ErrorCode::io,
                "cannot read the folder " + folder.string() + ": " + error.message());
  }
}

}  // namespace

void check_files(const Manifest& manifest, const std::string& folder, bool verify_hashes) {
  check_nothing_else(manifest, folder);
  for (const auto& [name, entry] : manifest.files) {
    const std::string path = folder + "/" + name;
    struct stat info{};
    if (::stat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) {
      throw Error(ErrorCode::corrupt, "the bundle lacks its file " + name + kAdvice);
    }
    if (static_cast<std::uint64_t>(info.st_size) != entry.size) {
      throw Error(ErrorCode::corrupt, "the bundle's file " + name + " has " +
                                          std::to_string(info.st_size) + " bytes instead of " +
                                          std::to_string(entry.size) + kAdvice);
    }
    if (verify_hashes && sha256_file_hex(path) != entry.sha256) {
      throw Error(ErrorCode::corrupt, "the bundle's file " + name +
                                          " is damaged (its SHA-256 is not the manifest's)" +
                                          kAdvice);
    }
  }
}

}  // namespace likeness
