// Which counters of one direction of a session have been seen: each opens once.
//
// A window of kBits counters below the highest seen (RFC 4303, section 3.4.3). A counter is fresh if it is
// above the highest, or within the window and not yet marked.
//
// Most sessions of a mesh carry few packets in order, so a window is one word until that does not tell all:
// bit i of `recent_` stands for counter next_ - 1 - i, and every older one is marked (those below zero count
// as marked). When an unmarked counter would leave the word, a ring of kBits bits (RFC 6479) takes over for
// good: bit c mod kBits stands for counter c, for every c in [next_ - kBits, next_). Both give the same answers.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

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
  using Ring = std::array<std::uint64_t, kBits / 64>;
  // Marks a counter below next_, or makes it the highest, within the word; false if it cannot tell all.
  bool mark_in_word(std::uint64_t counter);
  void make_ring();

  std::uint64_t next_ = 0;  // one above the highest counter marked
  std::uint64_t recent_ = UINT64_MAX;
  std::unique_ptr<Ring> ring_;
};

}  // namespace weft
