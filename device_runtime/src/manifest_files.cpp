// The paths a manifest may name, and the files a program is made of.
#include <algorithm>

#include "manifest.h"
#include "sha256.h"

namespace likeness {
namespace {

constexpr std::string_view kPackageSuffix = ".mlpackage";

bool ends_with(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

}  // namespace

bool is_safe_path(std::string_view path) {
  if (path.empty() || path.size() > 1024) return false;
  for (const char c : path) {
    if (c == '\\' || static_cast<unsigned char>(c) < 0x20 || c == 0x7F) return false;
  }
  if (path.size() >= 2 && path[1] == ':') return false;  // a drive
  std::size_t start = 0;
  while (start <= path.size()) {
    const std::size_t slash = std::min(path.find('/', start), path.size());
    const std::string_view part = path.substr(start, slash - start);
    if (part.empty() || part == "." || part == "..") return false;
    start = slash + 1;
  }
  return true;
}

std::map<std::string, FileEntry> Manifest::program_files(const std::string& path) const {
  const auto single = files.find(path);
  if (single != files.end()) return {*single};
  std::map<std::string, FileEntry> found;
  if (!ends_with(path, kPackageSuffix)) return found;
  const std::string folder = path + "/";
  for (auto it = files.lower_bound(folder); it != files.end(); ++it) {
    if (it->first.compare(0, folder.size(), folder) != 0) break;
    found.insert(*it);
  }
  return found;
}

std::string Manifest::fingerprint(const std::string& path) const {
  std::string text;
  for (const auto& [name, entry] : program_files(path)) {
    text += entry.sha256 + " " + name.substr(path.size()) + "\n";
  }
  return sha256_hex(text.data(), text.size());
}

}  // namespace likeness
