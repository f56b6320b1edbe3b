// Lines to a file descriptor that somebody else reads, or does not.
//
// A reader that is slow never stops the node: what a pipe does not take at once waits in a bounded
// buffer, and whole lines beyond it are dropped and counted. A reader that has gone (EPIPE) or a
// closed descriptor turns the writer off. The descriptor's flags are left alone, as it may be a
// terminal shared with a shell. Loop thread only.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace weft::node {

inline constexpr std::size_t kLineBufferBytesMax = 256 * 1024;

class LineWriter {
 public:
  explicit LineWriter(int fd) : fd_(fd) {}

  // Writes `line` and a newline.
  void write(std::string_view line);
  // Tries again what is waiting; true if nothing is left.
  bool flush();
  bool waiting() const { return !pending_.empty(); }
  std::uint64_t dropped_total() const { return dropped_total_; }

 private:
  int fd_;
  std::string pending_;
  std::uint64_t dropped_total_ = 0;
};

}  // namespace weft::node
