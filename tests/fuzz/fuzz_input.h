// Takes a fuzzer's bytes apart, piece by piece; an exhausted input gives zeros.
#pragma once

#include <algorithm>

#include "crypto/bytes.h"

namespace weft::testing {

class FuzzInput {
 public:
  FuzzInput(const std::uint8_t* data, std::size_t size) : rest_(data, size) {}
  bool empty() const { return rest_.empty(); }
  std::uint8_t byte() {
    if (rest_.empty()) return 0;
    const std::uint8_t value = rest_.front();
    rest_ = rest_.subspan(1);
    return value;
  }
  std::size_t below(std::size_t bound) {
    const auto value = static_cast<std::size_t>(byte() << 8);
    return (value | byte()) % bound;
  }
  ByteView take(std::size_t size) {
    const ByteView taken = rest_.first(std::min(size, rest_.size()));
    rest_ = rest_.subspan(taken.size());
    return taken;
  }
  ByteView all() { return take(rest_.size()); }

 private:
  ByteView rest_;
};

}  // namespace weft::testing
