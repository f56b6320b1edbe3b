#include "cli/file_io.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "dht/messages.h"
#include "node/files.h"

namespace weft::cli {

Result<std::string> read_value(int fd, const std::string& where) {
  std::string value(dht::kValueBytesMax + 1, '\0');
  std::size_t size = 0;
  while (size < value.size()) {
    const ssize_t n = ::read(fd, value.data() + size, value.size() - size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      return fail(kExitUsage, "bad_request",
                  "cannot read " + where + ": " + node::error_text(errno));
    }
    if (n == 0) break;
    size += static_cast<std::size_t>(n);
  }
  value.resize(size);
  return value;
}

Result<void> write_out(const std::string& file, const std::string& bytes) {
  const node::Fd fd(::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  std::size_t written = 0;
  while (fd.valid() && written < bytes.size()) {
    const ssize_t n = ::write(fd.get(), bytes.data() + written, bytes.size() - written);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    written += static_cast<std::size_t>(n);
  }
  if (fd.valid() && written == bytes.size()) return {};
  return fail(kExitFailed, "failed", "cannot write " + file + ": " + node::error_text(errno));
}

}  // namespace weft::cli
