// Datagrams on their way out: endpoints and lengths in one list, bytes in one reused arena.
//
// The core appends; the shell (or the simulator) reads all of it after each call and clears it.
// After warm-up nothing here allocates. A datagram's bytes are valid until clear().
#pragma once

#include <cstring>
#include <vector>

#include "crypto/check.h"
#include "crypto/endpoint.h"

namespace weft {

inline constexpr std::size_t kDatagramBytesMax = 1200;  // fits IPv6's minimum MTU of 1,280

class Outbox {
 public:
  struct Datagram {
    Endpoint to;
    std::size_t offset = 0;
    std::size_t size = 0;
  };

  // Room for one datagram of at most kDatagramBytesMax; valid until the next call on this object.
  MutableBytes room() {
    if (arena_.size() < used_ + kDatagramBytesMax) arena_.resize(2 * (used_ + kDatagramBytesMax));
    return MutableBytes(arena_).subspan(used_, kDatagramBytesMax);
  }
  // Sends the first `size` bytes of room().
  void commit(const Endpoint& to, std::size_t size) {
    CHECK(size <= kDatagramBytesMax);
    datagrams_.push_back({to, used_, size});
    used_ += size;
  }
  void send(const Endpoint& to, ByteView bytes) {
    std::ranges::copy(bytes, room().begin());
    commit(to, bytes.size());
  }
  const std::vector<Datagram>& datagrams() const { return datagrams_; }
  ByteView bytes(const Datagram& d) const { return ByteView(arena_).subspan(d.offset, d.size); }
  bool empty() const { return datagrams_.empty(); }
  void clear() {
    datagrams_.clear();
    used_ = 0;
  }

 private:
  Bytes arena_;
  std::vector<Datagram> datagrams_;
  std::size_t used_ = 0;
};

}  // namespace weft
