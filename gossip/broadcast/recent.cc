#include "gossip/broadcast/recent.h"

#include "crypto/check.h"

namespace weft::broadcast {

void RecentLog::add(Recent recent) {
  recent.number = end_;
  const bool is_new = numbers_.emplace(recent.id, end_).second;
  CHECK(is_new);
  if (ring_.size() < kRecentMax) {
    ring_.push_back(recent);
  } else {
    Recent& oldest = ring_[end_ % kRecentMax];
    numbers_.erase(oldest.id);
    oldest = recent;
  }
  ++end_;
}

Recent* RecentLog::find(const MessageId& id) {
  const auto found = numbers_.find(id);
  return found == numbers_.end() ? nullptr : &ring_[found->second % kRecentMax];
}

void RecentLog::forget(Place place) {
  for (Recent& recent : ring_) {
    if (recent.from == place) recent.from.reset();
    recent.has = static_cast<PlaceSet>(recent.has & ~bit(place));
  }
}

}  // namespace weft::broadcast
