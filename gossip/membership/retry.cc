#include "gossip/membership/retry.h"

namespace weft::gossip {

bool RecheckQueue::push(const Item& item) {
  if (size() >= kRechecksMax) return false;
  // The room that was popped is reused once it is the larger half, so the vector stays bounded.
  if (head_ > 0 && head_ * 2 >= items_.size()) {
    items_.erase(items_.begin(), items_.begin() + static_cast<std::ptrdiff_t>(head_));
    head_ = 0;
  }
  items_.push_back(item);
  return true;
}

std::optional<RecheckQueue::Item> RecheckQueue::pop() {
  if (empty()) return std::nullopt;
  const Item item = items_[head_++];
  if (empty()) {
    items_.clear();
    head_ = 0;
  }
  return item;
}

}  // namespace weft::gossip
