#include "file_io.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "error.h"

namespace likeness {
namespace {

[[noreturn]] void fail(const std::string& action, const std::string& path, int error) {
  const bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;
  throw Error(full ? ErrorCode::disk_full : ErrorCode::io,
              "cannot " + action + " " + path + ": " +
                  (full ? "no space left; free some storage and try again"
                        : std::string(std::strerror(error))));
}

class FileDescriptor {
 public:
  FileDescriptor(const std::string& path, int flags, mode_t mode = 0) {
    do {
      fd_ = ::open(path.c_str(), flags | O_CLOEXEC, mode);
    } while (fd_ < 0 && errno == EINTR);
  }
  ~FileDescriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;

  int get() const { return fd_; }

  // 0, or errno: some file systems report a failed write only here.
  int close() { return ::close(std::exchange(fd_, -1)) == 0 || errno == EINTR ? 0 : errno; }

 private:
  int fd_;
};

// Size of a regular file.
std::size_t file_size(int fd, const std::string& path) {
  struct stat info{};
  if (::fstat(fd, &info) != 0) fail("read", path, errno);
  if (S_ISDIR(info.st_mode)) fail("read", path, EISDIR);
  if (!S_ISREG(info.st_mode)) fail("read", path, EINVAL);
  return static_cast<std::size_t>(info.st_size);
}

int write_all(int fd, const std::uint8_t* bytes, std::size_t size) {
  while (size > 0) {
    // Some systems refuse a single write of 2 GiB or more.
    const ssize_t wrote = ::write(fd, bytes, std::min<std::size_t>(size, 1 << 30));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return errno;
    if (wrote == 0) return ENOSPC;
    bytes += wrote;
    size -= static_cast<std::size_t>(wrote);
  }
  return 0;
}

int sync_descriptor(int fd) {
#ifdef F_FULLFSYNC
  // On Apple systems fsync() leaves data in the drive's cache.
  if (::fcntl(fd, F_FULLFSYNC) == 0) return 0;
#endif
  return ::fsync(fd) == 0 ? 0 : errno;
}

// Makes a rename durable. File systems that cannot sync a folder say so, and need not.
void sync_folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "."
                             : slash == 0               ? "/"
                                                        : path.substr(0, slash);
  FileDescriptor descriptor(folder, O_RDONLY | O_DIRECTORY);
  if (descriptor.get() < 0) return;
  const int error = sync_descriptor(descriptor.get());
  if (error != 0 && error != EINVAL && error != ENOTSUP) fail("sync folder", folder, error);
}

}  // namespace

std::vector<std::uint8_t> read_file(const std::string& path, std::size_t max_bytes) {
  FileDescriptor file(path, O_RDONLY);
  if (file.get() < 0) fail("open", path, errno);
  const std::size_t size = file_size(file.get(), path);
  if (size > max_bytes) {
    throw Error(ErrorCode::corrupt, path + " has " + std::to_string(size) +
                                        " bytes; such a file has at most " +
                                        std::to_string(max_bytes));
  }
  std::vector<std::uint8_t> bytes(size);
  std::size_t got = 0;
  while (got < size) {
    const ssize_t part =
        ::read(file.get(), bytes.data() + got, std::min<std::size_t>(size - got, 1 << 30));
    if (part < 0 && errno == EINTR) continue;
    if (part < 0) fail("read", path, errno);
    if (part == 0) throw Error(ErrorCode::io, path + " became shorter while it was read");
    got += static_cast<std::size_t>(part);
  }
  return bytes;
}

MappedFile::MappedFile(const std::string& path) {
  FileDescriptor file(path, O_RDONLY);
  if (file.get() < 0) fail("open", path, errno);
  size_ = file_size(file.get(), path);
  if (size_ == 0) return;  // mmap refuses an empty range
  void* mapped = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (mapped == MAP_FAILED) fail("map", path, errno);
  data_ = static_cast<const std::uint8_t*>(mapped);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::uint8_t*>(data_), size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

void atomic_write(const std::string& path, const void* bytes, std::size_t size) {
  // Two sessions, or two threads, may write to the same folder: no two share a temporary name.
  static std::atomic<unsigned> counter{0};
  const std::string temporary =
      path + ".tmp-" + std::to_string(::getpid()) + "-" + std::to_string(counter++);
  FileDescriptor file(temporary, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (file.get() < 0) fail("create", temporary, errno);
  int error = write_all(file.get(), static_cast<const std::uint8_t*>(bytes), size);
  if (error == 0) error = sync_descriptor(file.get());
  const int close_error = file.close();
  if (error == 0) error = close_error;
  if (error == 0 && std::rename(temporary.c_str(), path.c_str()) != 0) error = errno;
  if (error != 0) {
    ::unlink(temporary.c_str());
    fail("write", path, error);
  }
  sync_folder_of(path);
}

}  // namespace likeness
