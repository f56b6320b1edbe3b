// Which counters of one direction of a session have been seen: each opens once.
//
// A ring of kBits bits below the highest counter seen (RFC 4303, section 3.4.3, with the ring of
// RFC 6479). A counter is fresh if it is above the highest, or within the window and not yet
// marked. Invariant: bit c mod kBits stands for counter c for every c in (highest - kBits,
// highest].
#pragma once

#include <array>
#include <cstdint>

namespace weft {

class ReplayWindow {
 public:
  static constexpr std::uint64_t kBits = 1024;

  // True if `counter` was never marked and is not too old to tell. Changes nothing, so it may be
  // asked before a packet is opened.
  bool fresh(std::uint64_t counter) const;
  // Marks a counter whose packet was authentic; it must be fresh.
  void mark(std::uint64_t counter);
  // One above the highest counter marked; 0 at first.
  std::uint64_t end() const { return next_; }

 private:
  std::uint64_t next_ = 0;  // one above the highest counter marked
  std::array<std::uint64_t, kBits / 64> bits_{};
};

}  // namespace weft
