// Small files that must survive a crash: written beside their place, synced, then renamed.
//
// Shell only. Nothing throws; a failure names the file and the reason.
#pragma once

#include <sys/types.h>

#include <expected>
#include <string>
#include <string_view>

#include "node/failure.h"

namespace weft::node {

// Owns a file descriptor.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(other.release()) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = other.release();
    }
    return *this;
  }
  ~Fd() { reset(); }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  int release() {
    const int fd = fd_;
    fd_ = -1;
    return fd;
  }
  void reset();

 private:
  int fd_ = -1;
};

// The reason of errno as text.
std::string error_text(int error);

// Reads a file of at most `bytes_max`. A secret file must be a regular file of ours that nobody
// else may read or write; the message says how to mend it.
std::expected<std::string, Failure> read_small_file(const std::string& path, std::size_t bytes_max,
                                                    bool secret);
// Replaces the file with `content`, mode `mode`: a temporary file beside it, fsync, rename, fsync
// of the directory. With `keep_existing`, fails if the file exists.
std::expected<void, Failure> write_file_atomically(const std::string& path,
                                                   std::string_view content, mode_t mode,
                                                   bool keep_existing = false);
// The directory of a file, for opening: "." if the path names none.
std::string parent_of(const std::string& path);
// Makes the directory's entries durable.
bool sync_directory(const std::string& directory);

}  // namespace weft::node
