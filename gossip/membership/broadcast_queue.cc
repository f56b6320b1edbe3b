#include "gossip/membership/broadcast_queue.h"

#include <algorithm>
#include <functional>

namespace weft::gossip {
namespace {

// How many updates that do not fit are passed over before a message is called full.
constexpr std::size_t kPassedOverMax = 8;
// An empty queue keeps room for so many.
constexpr std::size_t kKeptMax = 64;

}  // namespace

void BroadcastQueue::put(Key key, Entry entry) {
  remove(key);
  if (order_.size() >= capacity_) {
    ++dropped_;
    if (order_.empty()) return;  // a capacity of zero
    remove(order_.back().key);
  }
  entry.age = clock_++;
  if (free_.empty()) {
    free_.push_back(static_cast<std::uint32_t>(entries_.size()));
    entries_.emplace_back();
    free_.reserve(entries_.capacity());  // giving back allocates nothing
  }
  const std::uint32_t at = free_.back();
  free_.pop_back();
  if (key >= index_.size()) index_.resize(key + 1, kNowhere);
  index_[key] = at;
  const Rank rank{.transmits = entry.transmits, .at = at, .age = entry.age, .key = key};
  order_.insert(std::ranges::lower_bound(order_, rank, std::less<>{}), rank);
  entries_[at] = std::move(entry);
}

std::vector<BroadcastQueue::Rank>::iterator BroadcastQueue::rank_of(Key key) {
  const Entry& entry = entries_[index_[key]];
  const Rank rank{.transmits = entry.transmits, .at = 0, .age = entry.age, .key = key};
  return std::ranges::lower_bound(order_, rank, std::less<>{});
}

void BroadcastQueue::remove(Key key) {
  const std::uint32_t at = find(key);
  if (at == kNowhere) return;
  order_.erase(rank_of(key));
  entries_[at] = {};
  index_[key] = kNowhere;
  free_.push_back(at);
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
  std::erase_if(order_, [this](const Rank& rank) {
    if ((rank.key & 1) != 0) return false;
    entries_[rank.at] = {};
    index_[rank.key] = kNowhere;
    free_.push_back(rank.at);
    return true;
  });
}

void BroadcastQueue::count(Key key, std::size_t limit) {
  const std::uint32_t at = find(key);
  if (at == kNowhere) return;
  Entry& entry = entries_[at];
  if (entry.transmits + 1 >= limit) return remove(key);
  // Its rank moves back behind the newer ones that were sent as often.
  const auto from = rank_of(key);
  Rank rank = *from;
  rank.transmits = ++entry.transmits;
  const auto to = std::lower_bound(from + 1, order_.end(), rank);
  std::move(from + 1, to, from);
  *(to - 1) = rank;
}

void BroadcastQueue::on_heard(Subject subject, bool is_record, std::size_t limit) {
  count(key_of(subject, is_record), limit);
}

std::size_t BroadcastQueue::fill(GossipItems& items, std::size_t budget, std::size_t limit,
                                 Subject except, bool suspicions) {
  InlineVec<Key, kGossipItemsMax> taken;
  std::size_t used = 0;
  std::size_t passed_over = 0;
  for (const Rank& rank : order_) {
    if (items.full() || passed_over > kPassedOverMax) break;
    if (rank.key >> 1 == except || (!suspicions && (rank.key & 1) != 0)) continue;
    const Entry& entry = entries_[rank.at];
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
  if (order_.empty() && entries_.size() > kKeptMax) {  // what a storm left behind
    entries_ = {};
    free_ = {};
    order_ = {};
  }
  return used;
}

}  // namespace weft::gossip
