#include "gossip/membership/broadcast_queue.h"

namespace weft::gossip {
namespace {

// How many updates that do not fit are passed over before a message is called full.
constexpr std::size_t kPassedOverMax = 8;

}  // namespace

void BroadcastQueue::put(Key key, Entry entry) {
  remove(key);
  if (entries_.size() >= capacity_) {
    ++dropped_;
    if (entries_.empty()) return;  // a capacity of zero
    remove(order_.rbegin()->key);
  }
  entry.age = clock_++;
  order_.insert({entry.transmits, entry.age, key});
  entries_[key] = std::move(entry);
}

void BroadcastQueue::remove(Key key) {
  const auto it = entries_.find(key);
  if (it == entries_.end()) return;
  order_.erase({it->second.transmits, it->second.age, key});
  entries_.erase(it);
}

void BroadcastQueue::push(Subject subject, RecordRef record) {
  remove(key_of(subject, false));
  put(key_of(subject, true), {.record = std::move(record), .suspicion = {}});
}

void BroadcastQueue::push(Subject subject, const Suspicion& suspicion) {
  put(key_of(subject, false), {.record = nullptr, .suspicion = suspicion});
}

void BroadcastQueue::erase(Subject subject) {
  remove(key_of(subject, true));
  remove(key_of(subject, false));
}

void BroadcastQueue::drop_records() {
  for (auto it = order_.begin(); it != order_.end();) {
    const bool is_record = (it->key & 1) == 0;
    if (is_record) entries_.erase(it->key);
    it = is_record ? order_.erase(it) : std::next(it);
  }
}

void BroadcastQueue::count(Key key, std::size_t limit) {
  const auto it = entries_.find(key);
  if (it == entries_.end()) return;
  Entry& entry = it->second;
  if (entry.transmits + 1 >= limit) return remove(key);
  // Re-ranking moves the set's node instead of making a new one.
  auto node = order_.extract({entry.transmits, entry.age, key});
  ++entry.transmits;
  node.value().transmits = entry.transmits;
  order_.insert(std::move(node));
}

void BroadcastQueue::on_heard(Subject subject, bool is_record, std::size_t limit) {
  count(key_of(subject, is_record), limit);
}

std::size_t BroadcastQueue::fill(GossipItems& items, std::size_t budget, std::size_t limit,
                                 Subject except) {
  InlineVec<Key, kGossipItemsMax> taken;
  std::size_t used = 0;
  std::size_t passed_over = 0;
  for (const Rank& rank : order_) {
    if (items.full() || passed_over > kPassedOverMax) break;
    if (rank.key >> 1 == except) continue;
    const Entry& entry = entries_.find(rank.key)->second;
    GossipItem item;
    if (entry.record)
      item.record = entry.record->wire;
    else
      item.suspicion = entry.suspicion;
    const std::size_t size = wire_size(item);
    if (used + size > budget) {
      ++passed_over;
      continue;
    }
    used += size;
    items.push(item);
    taken.push(rank.key);
  }
  for (const Key key : taken) count(key, limit);
  return used;
}

}  // namespace weft::gossip
