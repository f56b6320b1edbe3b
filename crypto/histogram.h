// How often something took how long, in classes that never change, so that those of many nodes can be added up. No I/O.
//
// Invariants: no allocation, no clock; a count never goes back. What is below zero counts as zero.
// One thread.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "crypto/time.h"

namespace weft {

class Histogram {
 public:
  // Upper ends of the classes, inclusive; above the last one there is one more. Some 2.2 times from one to the next: from a
  // round trip on one machine to the patience of an operation.
  static constexpr std::array<Duration, 17> kEnds{100us, 200us, 500us, 1ms, 2ms,   5ms, 10ms, 20ms, 50ms,
                                                  100ms, 200ms, 500ms, 1s,  2s, 5s, 10s,  20s};

  void add(Duration took) {
    took = std::max(took, Duration::zero());
    const auto at = std::ranges::lower_bound(kEnds, took);
    ++counts_[static_cast<std::size_t>(at - kEnds.begin())];
    sum_ += took;
  }
  // By class; the last one is above all ends.
  const std::array<std::uint64_t, kEnds.size() + 1>& counts() const { return counts_; }
  Duration sum() const { return sum_; }
  std::uint64_t count() const {
    std::uint64_t all = 0;
    for (const std::uint64_t n : counts_) all += n;
    return all;
  }

 private:
  std::array<std::uint64_t, kEnds.size() + 1> counts_{};
  Duration sum_{};
};

}  // namespace weft
