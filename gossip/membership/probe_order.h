// A shuffled round robin over slots (SWIM section 4.3): everyone comes up once before anyone comes
// up twice; the order is reshuffled at each wrap, and a newcomer is inserted at a random place, so
// that nobody can foresee who is probed next and the worst wait is bounded by 2n - 1 periods.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "crypto/rng.h"

namespace weft::gossip {

class ProbeOrder {
 public:
  // Adds a slot that is not in the order.
  void insert(std::uint32_t slot, Rng& rng);
  // Removes a slot; one that is not in the order is ignored.
  void remove(std::uint32_t slot);
  // The next slot of the round robin; nullopt if empty.
  std::optional<std::uint32_t> next(Rng& rng);
  // All slots, in no meaningful order, for random picks.
  const std::vector<std::uint32_t>& slots() const { return slots_; }
  std::size_t size() const { return slots_.size(); }
  bool empty() const { return slots_.empty(); }

 private:
  std::vector<std::uint32_t> slots_;
  std::size_t next_ = 0;
};

}  // namespace weft::gossip
