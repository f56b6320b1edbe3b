#include "node/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace weft::node {
namespace {

bool write_all(int fd, std::string_view content) {
  while (!content.empty()) {
    const ssize_t n = ::write(fd, content.data(), content.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    content.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

std::unexpected<Failure> cannot(std::string_view what, const std::string& path, int error) {
  return failed("cannot " + std::string(what) + " " + path + ": " + error_text(error));
}

}  // namespace

void Fd::reset() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

std::string error_text(int error) { return std::generic_category().message(error); }

std::expected<std::string, Failure> read_small_file(const std::string& path, std::size_t bytes_max,
                                                    bool secret) {
  // Non-blocking, so that a pipe in the place of the file cannot hang the node.
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.valid()) return refused("cannot open " + path + ": " + error_text(errno));
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return cannot("look at", path, errno);
  if (!S_ISREG(info.st_mode)) return refused(path + " is not a regular file");
  if (secret && info.st_uid != ::geteuid()) {
    return refused(path + " belongs to another user; run as its owner");
  }
  if (secret && (info.st_mode & 077) != 0) {
    return refused(path + " holds a secret and is open to others; run: chmod 600 " + path);
  }
  std::string content(bytes_max + 1, '\0');
  std::size_t size = 0;
  while (size < content.size()) {
    const ssize_t n = ::read(fd.get(), content.data() + size, content.size() - size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return cannot("read", path, errno);
    if (n == 0) break;
    size += static_cast<std::size_t>(n);
  }
  if (size > bytes_max) return refused(path + " is too large to be what it should be");
  content.resize(size);
  return content;
}

std::expected<void, Failure> write_file_atomically(const std::string& path,
                                                   std::string_view content, mode_t mode,
                                                   bool keep_existing) {
  const std::string temporary = path + ".new";
  ::unlink(temporary.c_str());  // left by a crash
  Fd fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
  if (!fd.valid()) return cannot("create", temporary, errno);
  const bool written =
      ::fchmod(fd.get(), mode) == 0 && write_all(fd.get(), content) && ::fsync(fd.get()) == 0;
  const int error = errno;
  fd.reset();
  if (!written) {
    ::unlink(temporary.c_str());
    return cannot("write", temporary, error);
  }
  // link() refuses to replace a file, rename() does it in one step.
  const int placed = keep_existing ? ::link(temporary.c_str(), path.c_str())
                                   : ::rename(temporary.c_str(), path.c_str());
  const int place_error = errno;
  if (keep_existing || placed != 0) ::unlink(temporary.c_str());
  if (placed != 0 && place_error == EEXIST) {
    return refused(path + " exists; choose another name or remove it first");
  }
  if (placed != 0) return cannot("put in place", path, place_error);
  if (!sync_directory(parent_of(path))) return cannot("sync the directory of", path, errno);
  return {};
}

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

bool sync_directory(const std::string& directory) {
  const Fd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return fd.valid() && ::fsync(fd.get()) == 0;
}

}  // namespace weft::node
