#include "node/line_writer.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace weft::node {
namespace {

// POLLOUT of a pipe promises room for PIPE_BUF bytes, so such a write does not block.
constexpr std::size_t kChunkBytes = 4096;

}  // namespace

void LineWriter::write(std::string_view line) {
  if (fd_ < 0) return;
  if (pending_.size() + line.size() + 1 > kLineBufferBytesMax) {
    ++dropped_total_;
    return;
  }
  pending_ += line;
  pending_ += '\n';
  flush();
}

bool LineWriter::flush() {
  std::size_t done = 0;
  while (fd_ >= 0 && done < pending_.size()) {
    pollfd ready{fd_, POLLOUT, 0};
    if (::poll(&ready, 1, 0) <= 0) break;  // full, or interrupted: later
    const ssize_t n =
        ::write(fd_, pending_.data() + done, std::min(kChunkBytes, pending_.size() - done));
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) break;
    if (n <= 0) {
      fd_ = -1;  // nobody reads any more
      break;
    }
    done += static_cast<std::size_t>(n);
  }
  if (fd_ < 0) pending_.clear();
  pending_.erase(0, std::min(done, pending_.size()));
  if (pending_.empty() && pending_.capacity() > kChunkBytes) pending_.shrink_to_fit();
  return pending_.empty();
}

}  // namespace weft::node
