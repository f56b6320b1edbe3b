#include "dht/link_health.h"

#include <algorithm>

namespace weft::dht {

void LinkHealth::note(const NodeId& peer, bool answered) {
  for (std::size_t i = 0; i < samples_.size(); ++i) {
    if (samples_[i].peer != peer) continue;
    samples_.erase_at(i);
    break;
  }
  if (samples_.full()) samples_.erase_at(0);
  samples_.push({peer, answered});
}

bool LinkHealth::suspect() const {
  return samples_.size() >= kHealthSamplesMin && std::ranges::none_of(samples_, &Sample::answered);
}

}  // namespace weft::dht
