#include "crypto/timer_queue.h"

#include <algorithm>

namespace weft {

bool TimerQueue::later(const Entry& a, const Entry& b) {
  return a.at != b.at ? a.at > b.at : a.order > b.order;
}

bool TimerQueue::alive(const Entry& entry) const {
  return generations_[entry.slot] == entry.generation;
}

void TimerQueue::release(std::uint32_t slot) {
  ++generations_[slot];
  free_.push_back(slot);
  --live_;
}

TimerQueue::Handle TimerQueue::arm(Instant at, Tag tag) {
  if (free_.empty()) {
    free_.push_back(static_cast<std::uint32_t>(generations_.size()));
    generations_.push_back(0);
    free_.reserve(generations_.capacity());
  }
  const std::uint32_t slot = free_.back();
  free_.pop_back();
  ++live_;
  // Cancelled entries stay in the heap until they surface. Sweep them when they are the majority,
  // so that arm-and-cancel in a loop cannot grow the heap without bound.
  if (heap_.size() > 64 && heap_.size() > 2 * live_) {
    std::erase_if(heap_, [this](const Entry& e) { return !alive(e); });
    std::ranges::make_heap(heap_, later);
  }
  heap_.push_back({at, order_++, slot, generations_[slot], tag});
  std::ranges::push_heap(heap_, later);
  return {slot, generations_[slot]};
}

void TimerQueue::cancel(Handle handle) {
  if (handle.slot >= generations_.size()) return;
  if (generations_[handle.slot] != handle.generation) return;
  release(handle.slot);
}

void TimerQueue::drop_dead() {
  while (!heap_.empty() && !alive(heap_.front())) {
    std::ranges::pop_heap(heap_, later);
    heap_.pop_back();
  }
}

std::optional<Instant> TimerQueue::next() {
  drop_dead();
  if (heap_.empty()) return std::nullopt;
  return heap_.front().at;
}

std::optional<TimerQueue::Tag> TimerQueue::pop_due(Instant now) {
  drop_dead();
  if (heap_.empty() || heap_.front().at > now) return std::nullopt;
  std::ranges::pop_heap(heap_, later);
  const Entry entry = heap_.back();
  heap_.pop_back();
  release(entry.slot);
  return entry.tag;
}

}  // namespace weft
