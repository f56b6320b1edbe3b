#include "node/peer_stats.h"

#include <algorithm>
#include <type_traits>

namespace weft::node {
static_assert(std::is_same_v<Duration, std::chrono::microseconds>);
static_assert(kMeasuredMax * 8 < Duration(UINT32_MAX));

void RttEstimate::add(Duration measured) {
  const auto rtt = static_cast<std::uint32_t>(std::clamp(measured, Duration(1), Duration(kMeasuredMax)).count());
  if (!known()) {
    srtt_ = rtt;
    rttvar_ = rtt / 2;
    return;
  }
  const std::uint32_t error = rtt > srtt_ ? rtt - srtt_ : srtt_ - rtt;
  rttvar_ = (rttvar_ * 3 + error) / 4;
  srtt_ = std::max((srtt_ * 7 + rtt) / 8, std::uint32_t{1});
}

Duration RttEstimate::rto() const {
  if (!known()) return kRtoInitial;
  return std::clamp(Duration(srtt_) + 4 * Duration(rttvar_), kRtoMin, kRtoMax);
}

template <class Key, class Value, std::size_t kMax>
std::uint32_t PeerStats::Table<Key, Value, kMax>::slot_of(const Key& key) const {
  return index_.find(key, [this](std::uint32_t slot) -> const Key& { return entries_[slot].key; });
}

template <class Key, class Value, std::size_t kMax>
const Value* PeerStats::Table<Key, Value, kMax>::find(const Key& key) const {
  const std::uint32_t slot = slot_of(key);
  return slot == HashIndex<Key>::kNone ? nullptr : &entries_[slot].value;
}

template <class Key, class Value, std::size_t kMax>
Value& PeerStats::Table<Key, Value, kMax>::enter(const Key& key) {
  std::uint32_t slot = slot_of(key);
  if (slot != HashIndex<Key>::kNone) return entries_[slot].value;
  if (entries_.size() < kMax) {
    slot = static_cast<std::uint32_t>(entries_.size());
    // By a quarter: a node keeps hundreds of these, and doubling leaves half of the room unused.
    if (slot == entries_.capacity()) entries_.reserve(std::min<std::size_t>(kMax, slot + slot / 4 + 8));
    entries_.push_back({.value = {}, .key = key});
  } else {
    // A linear walk, but only when an entry is added to a full table of a few thousand.
    const auto oldest = std::ranges::min_element(
        entries_, {}, [](const Entry& entry) { return entry.value.used; });
    slot = static_cast<std::uint32_t>(oldest - entries_.begin());
    index_.erase(oldest->key, slot);
    *oldest = {.value = {}, .key = key};
  }
  index_.insert(key, slot);
  return entries_[slot].value;
}

void PeerStats::measured(Instant now, const NodeId& peer, Duration rtt) {
  all_.add(rtt);
  late_ -= late_ / kLateWeight;
  slowest_ = std::max(std::min(rtt, kRtoMax), slowest_ - slowest_ / kSlowestFades);
  Peer& entry = peers_.enter(peer);
  const bool stale = now - entry.used > kStale;
  entry.estimate.add(rtt);
  entry.used = now;
  entry.at_least_us = 0;
  entry.samples = stale ? 1 : std::min<std::uint8_t>(entry.samples + 1, kYoung);
}

void PeerStats::answered_late(Instant now, const NodeId& peer, Duration since_first) {
  late_ += (65536 - late_) / kLateWeight;
  Peer& entry = peers_.enter(peer);
  if (now - entry.used > kStale) entry.samples = 0;  // what is stale stays so
  entry.used = now;
  entry.at_least_us = static_cast<std::uint32_t>(std::clamp(since_first, kRtoMin, kRtoMax).count());
}

PeerStats::Waits PeerStats::waits(Instant now, const NodeId& peer) const {
  // A stranger's first answer includes a handshake: never less than the initial guess over two.
  const Duration all = std::max(all_.rto(), kRtoInitial / 2);
  const Peer* entry = peers_.find(peer);
  const Duration at_least(entry == nullptr ? 0 : entry->at_least_us);
  const Duration own = entry != nullptr && entry->estimate.known() ? entry->estimate.rto() : all;
  const bool fresh = entry != nullptr && now - entry->used <= kStale;
  const bool settled = fresh && entry->samples >= kYoung;
  Duration rto = settled ? own : std::min(own, all);
  if (fresh) rto = std::max(rto, at_least);
  const bool late = fresh && at_least > Duration::zero();
  return {.rto = rto, .hedge = settled || late ? rto : std::min(rto, all_.rto()), .longest = std::max(own, at_least)};
}

std::optional<Duration> PeerStats::rtt(const NodeId& peer) const {
  const Peer* entry = peers_.find(peer);
  if (entry == nullptr || !entry->estimate.known()) return std::nullopt;
  return entry->estimate.srtt();
}

PeerStats::Tried& PeerStats::tried(Instant now, const Endpoint& endpoint) {
  Tried& entry = tried_.enter(endpoint);
  entry.used = now;
  return entry;
}

Duration PeerStats::backoff(const Tried& tried) {
  if (tried.failures == 0) return Duration{};
  return std::min<Duration>(kBackoffFirst * (1 << (tried.failures - 1)), kBackoffMax);
}

bool PeerStats::may_try(Instant now, const Endpoint& endpoint, Duration most) const {
  const Tried* entry = tried_.find(endpoint);
  return entry == nullptr || entry->answered || now >= entry->used + std::min(backoff(*entry), most);
}

void PeerStats::answered(Instant now, const Endpoint& endpoint) {
  Tried& entry = tried(now, endpoint);
  entry.answered = true;
  entry.failures = 0;
}

void PeerStats::silent(Instant now, const Endpoint& endpoint) {
  Tried& entry = tried(now, endpoint);
  if (!entry.answered) entry.failures = std::min<std::uint8_t>(entry.failures + 1, kFailuresMax);
}

}  // namespace weft::node
