#include "dht/hints.h"

namespace weft::dht {

void Hints::forget_oldest() {
  hints_.erase(order_.front().second);
  order_.pop_front();
}

void Hints::add(Now now, const NodeId& peer, const Slot& slot) {
  while (!order_.empty() && order_.front().first + kHintFor <= now.mono) forget_oldest();
  const Hint hint{peer, slot};
  if (hints_.contains(hint)) return;
  // One that was taken is still in the order of its first coming, which would end the new one early.
  std::erase_if(order_, [&hint](const auto& old) { return old.second == hint; });
  if (order_.size() == kHintsMax) forget_oldest();
  hints_.insert(hint);
  order_.emplace_back(now.mono, hint);
}

bool Hints::has(const NodeId& peer) const {
  const auto it = hints_.lower_bound({peer, {}});
  return it != hints_.end() && it->peer == peer;
}

std::vector<Slot> Hints::take(Now now, const NodeId& peer, std::size_t max) {
  while (!order_.empty() && order_.front().first + kHintFor <= now.mono) forget_oldest();
  std::vector<Slot> out;
  auto it = hints_.lower_bound({peer, {}});
  while (it != hints_.end() && it->peer == peer && out.size() < max) {
    out.push_back(it->slot);
    it = hints_.erase(it);
  }
  return out;
}

}  // namespace weft::dht
