// Doubts that wait for an own probe: a member that we hold failed is shown to be alive by somebody,
// or speaks to us itself; or a member that just answered us is accused. Hearsay decides nothing
// here, but each such claim is worth one probe. The queue is bounded and paced by its owner.
#pragma once

#include <optional>
#include <vector>

#include "crypto/node_id.h"
#include "crypto/time.h"

namespace weft::gossip {

inline constexpr std::size_t kRechecksMax = 1024;  // waiting
inline constexpr Duration kRecheckSpacing = 20ms;  // between two of them
inline constexpr Duration kRecheckAgain = 2s;      // between two of the same member

class RecheckQueue {
 public:
  struct Item {
    std::uint32_t slot = 0;
    // Who claims that the member is alive: told of our accusation if the probe stays silent.
    std::optional<NodeId> claimant;
  };
  // Appends; false if kRechecksMax wait already.
  bool push(const Item& item);
  // Takes the oldest.
  std::optional<Item> pop();
  std::size_t size() const { return items_.size() - head_; }
  bool empty() const { return size() == 0; }

 private:
  std::vector<Item> items_;
  std::size_t head_ = 0;
};

}  // namespace weft::gossip
