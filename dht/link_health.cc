#include "dht/link_health.h"

namespace weft::dht {

void LinkHealth::note(Now now, const NodeId& peer, bool answered) {
  if (answered) answered_at_ = now.mono;
  for (std::size_t i = 0; i < samples_.size(); ++i) {
    if (samples_[i].peer != peer) continue;
    samples_.erase_at(i);
    break;
  }
  if (samples_.full()) samples_.erase_at(0);
  samples_.push({peer, now.mono, answered});
}

bool LinkHealth::suspect(Now now, Instant asked_at) const {
  if (answered_at_ && *answered_at_ > asked_at) return false;
  std::size_t recent = 0;
  std::size_t silent = 0;
  for (const Sample& sample : samples_) {
    if (now.mono - sample.at > kHealthMemory) continue;
    ++recent;
    if (!sample.answered) ++silent;
  }
  return recent >= kHealthSamplesMin && 2 * silent > recent;
}

}  // namespace weft::dht
