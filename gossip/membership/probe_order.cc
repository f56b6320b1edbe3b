#include "gossip/membership/probe_order.h"

#include <algorithm>

namespace weft::gossip {

void ProbeOrder::insert(std::uint32_t slot, Rng& rng) {
  const auto place = static_cast<std::size_t>(rng.below(slots_.size() + 1));
  slots_.insert(slots_.begin() + static_cast<std::ptrdiff_t>(place), slot);
  // A place that this pass has left behind waits for the next pass; the pointer moves along.
  if (place < next_) ++next_;
}

void ProbeOrder::remove(std::uint32_t slot) {
  const auto it = std::ranges::find(slots_, slot);
  if (it == slots_.end()) return;
  if (static_cast<std::size_t>(it - slots_.begin()) < next_) --next_;
  slots_.erase(it);
}

std::optional<std::uint32_t> ProbeOrder::next(Rng& rng) {
  if (slots_.empty()) return std::nullopt;
  if (next_ >= slots_.size()) {
    rng.shuffle(std::span(slots_));
    next_ = 0;
  }
  return slots_[next_++];
}

}  // namespace weft::gossip
