#include "dht/routing_table.h"

#include <algorithm>

#include "crypto/check.h"
#include "crypto/planted.h"

namespace weft::dht {
namespace {

constexpr std::size_t kNowhere = SIZE_MAX;

// Ids of one bucket share a prefix, so what tells them apart is taken from behind it. A bucket deeper
// than that has one or two contacts.
std::uint64_t tag_of(const NodeId& id) { return load_be64(id.bytes.data() + 8); }

void refresh(RoutingTable::Entry& entry, Now now, std::optional<Duration> rtt) {
  entry.last_seen = now.mono;
  entry.failures = 0;
  entry.pinged = false;
  if (!rtt) return;
  // RFC 6298, section 2: one eighth of the difference.
  entry.srtt = entry.srtt == Duration{} ? *rtt : entry.srtt + (*rtt - entry.srtt) / 8;
}

// A round trip for comparisons: unmeasured ones come last.
Duration rank(const RoutingTable::Entry& entry) {
  return entry.srtt == Duration{} ? Duration::max() : entry.srtt;
}

bool usable(const Endpoint& endpoint) {
  const Scope s = scope(endpoint);
  return s != Scope::kUnusable && s != Scope::kLinkLocal;
}

}  // namespace

std::size_t RoutingTable::Ordered::position_of(const NodeId& id) const {
  const std::uint64_t tag = tag_of(id);
  for (std::size_t i = 0; i < order_.size(); ++i) {
    if (order_[i].tag == tag && entries_[order_[i].slot].contact.id == id) return i;
  }
  return kNowhere;
}

void RoutingTable::Ordered::push_back(const Entry& entry, std::size_t limit) {
  if (free_.empty()) {
    if (entries_.size() == entries_.capacity()) {
      const std::size_t room = std::min(limit, entries_.size() + entries_.size() / 2 + 2);
      entries_.reserve(room);
      order_.reserve(room);
    }
    free_.push_back(static_cast<std::uint32_t>(entries_.size()));
    entries_.emplace_back();
    free_.reserve(entries_.capacity());  // giving back allocates nothing
  }
  const std::uint32_t slot = free_.back();
  free_.pop_back();
  entries_[slot] = entry;
  order_.push_back({tag_of(entry.contact.id), slot});
}

void RoutingTable::Ordered::erase(std::size_t position) {
  free_.push_back(order_[position].slot);
  order_.erase(order_.begin() + static_cast<std::ptrdiff_t>(position));
}

void RoutingTable::Ordered::move(std::size_t from, std::size_t to) {
  const auto at = [this](std::size_t i) { return order_.begin() + static_cast<std::ptrdiff_t>(i); };
  if (from < to) std::rotate(at(from), at(from) + 1, at(to) + 1);
  else std::rotate(at(to), at(from), at(from) + 1);
}

RoutingTable::RoutingTable(const NodeId& self, const Config& config)
    : self_(self), config_(config) {
  CHECK(config.bucket_size > 0);
  CHECK(config.bucket_size <= kBucketSizeMax);
}

std::size_t RoutingTable::index_of(const NodeId& id) const {
  return static_cast<std::size_t>(common_prefix_bits(self_, id));
}

RoutingTable::Bucket& RoutingTable::bucket_of(Now now, const NodeId& id) {
  const std::size_t index = index_of(id);
  CHECK(index < 256);
  while (buckets_.size() <= index) {
    buckets_.emplace_back();
    buckets_.back().last_lookup = now.mono;
  }
  return buckets_[index];
}

std::size_t RoutingTable::same_prefix(const Ordered& entries, std::uint64_t wanted) {
  std::size_t same = 0;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (prefix(entries[i].contact.endpoint) == wanted) ++same;
  }
  return same;
}

bool RoutingTable::prefix_fits(const Bucket& bucket, const Endpoint& endpoint) const {
  const std::uint64_t wanted = prefix(endpoint);
  if (config_.prefix_per_table != 0) {
    const auto it = prefixes_.find(wanted);
    if (it != prefixes_.end() && it->second >= config_.prefix_per_table) return false;
  }
  if (config_.prefix_per_bucket == 0) return true;
  return same_prefix(bucket.live, wanted) < config_.prefix_per_bucket;
}

void RoutingTable::count_prefix(const Endpoint& endpoint, int change) {
  if (config_.prefix_per_table == 0) return;
  if (change > 0) {
    ++prefixes_[prefix(endpoint)];
    return;
  }
  const auto it = prefixes_.find(prefix(endpoint));
  CHECK(it != prefixes_.end());
  if (--it->second == 0) prefixes_.erase(it);
}

void RoutingTable::add_live(Bucket& bucket, const Entry& entry) {
  bucket.live.push_back(entry, config_.bucket_size);
  count_prefix(entry.contact.endpoint, +1);
  ++size_;
}

void RoutingTable::erase_live(Bucket& bucket, std::size_t position) {
  count_prefix(bucket.live[position].contact.endpoint, -1);
  bucket.live.erase(position);
  --size_;
}

// The live contact that gives way to `entry` as it is nearer by far; kNowhere if none does.
std::size_t RoutingTable::farther_than(const Bucket& bucket, const Entry& entry) const {
  if (entry.srtt == Duration{}) return kNowhere;
  const std::size_t depth = index_of(entry.contact.id) + 1;
  std::size_t far = kNowhere;
  for (std::size_t i = 0; i < bucket.live.size(); ++i) {
    const Entry& one = bucket.live[i];
    if (static_cast<std::size_t>(common_prefix_bits(one.contact.id, entry.contact.id)) < depth + kDiverseBits) continue;
    if (one.srtt < entry.srtt * kNearerTimes || one.srtt < entry.srtt + kNearerBy) continue;
    if (far != kNowhere && one.srtt <= bucket.live[far].srtt) continue;
    std::size_t older = 0;
    for (std::size_t j = 0; j < bucket.live.size(); ++j) {
      if (bucket.live[j].first_seen < one.first_seen) ++older;
    }
    if (older >= (bucket.live.size() + 1) / 2) far = i;
  }
  return far;
}

// Moves a spare up into a bucket that has room: the one with the shortest round trip, of unmeasured
// ones the newest.
bool RoutingTable::promote(Bucket& bucket) {
  std::size_t best = kNowhere;
  for (std::size_t i = 0; i < bucket.spare.size(); ++i) {
    if (!prefix_fits(bucket, bucket.spare[i].contact.endpoint)) continue;
    if (best == kNowhere || rank(bucket.spare[i]) <= rank(bucket.spare[best])) best = i;
  }
  if (best == kNowhere) return false;
  const Entry entry = bucket.spare[best];
  bucket.spare.erase(best);
  // Keeps the order by last_seen: a spare may have been silent for longer than those who stay.
  add_live(bucket, entry);
  const std::size_t last = bucket.live.size() - 1;
  std::size_t to = last;
  while (to > 0 && entry.last_seen < bucket.live[to - 1].last_seen) --to;
  bucket.live.move(last, to);
  return true;
}

void RoutingTable::add_spare(Bucket& bucket, const Entry& entry) {
  if (config_.replacements == 0) return;
  // One prefix cannot fill the spares either; it would only displace those who could be promoted.
  if (config_.prefix_per_bucket != 0) {
    const std::uint64_t wanted = prefix(entry.contact.endpoint);
    if (same_prefix(bucket.spare, wanted) >= config_.prefix_per_bucket) return;
  }
  if (bucket.spare.size() == config_.replacements) bucket.spare.erase(0);
  bucket.spare.push_back(entry, config_.replacements);
}

RoutingTable::Heard RoutingTable::heard(Now now, const Contact& peer, std::optional<Duration> rtt) {
  if (peer.id == self_ || !usable(peer.endpoint)) return {};
  Bucket& bucket = bucket_of(now, peer.id);
  Entry entry{.contact = peer, .first_seen = now.mono, .last_seen = now.mono};
  bool was_live = false;
  if (const std::size_t at = bucket.live.position_of(peer.id); at != kNowhere) {
    was_live = true;
    if (bucket.live[at].contact.endpoint == peer.endpoint) {
      refresh(bucket.live[at], now, rtt);
      bucket.live.move(at, bucket.live.size() - 1);
      return {};
    }
    // It has moved, and proved it: it enters anew, so that the limits hold for the new address too.
    entry = bucket.live[at];
    erase_live(bucket, at);
    entry.contact = peer;
  } else if (const std::size_t old = bucket.spare.position_of(peer.id); old != kNowhere) {
    entry = bucket.spare[old];
    entry.contact = peer;
    bucket.spare.erase(old);
  }
  refresh(entry, now, rtt);

  const bool fits = prefix_fits(bucket, peer.endpoint);
  if (fits && bucket.live.size() < config_.bucket_size) {
    add_live(bucket, entry);
    return {.added = !was_live, .ping = {}};
  }
  if (!fits) {
    if (was_live) promote(bucket);
    add_spare(bucket, entry);
    return {};
  }
  for (std::size_t i = 0; i < bucket.live.size(); ++i) {
    if (bucket.live[i].failures < failures_to_replace() && !planted(Plant::kEvictUnasked)) continue;
    erase_live(bucket, i);
    add_live(bucket, entry);
    ++evicted_total_;
    return {.added = true, .ping = {}};
  }
  if (config_.unasked && !believed(now, bucket.live[0])) {
    erase_live(bucket, 0);
    add_live(bucket, entry);
    ++evicted_total_;
    return {.added = true, .ping = {}};
  }
  if (const std::size_t far = farther_than(bucket, entry); far != kNowhere) {
    const Entry old = bucket.live[far];
    erase_live(bucket, far);
    add_live(bucket, entry);
    add_spare(bucket, old);
    ++displaced_total_;
    return {};
  }
  add_spare(bucket, entry);
  Entry& oldest = bucket.live[0];
  const Duration after = config_.unasked ? kQuestionableAfter : kQuestionableAfterTold;
  if (oldest.pinged || now.mono < next_question_ || now.mono - oldest.last_seen < after) return {};
  next_question_ = now.mono + kQuestionEvery;
  oldest.pinged = true;
  return {.added = false, .ping = oldest.contact};
}

std::optional<Contact> RoutingTable::silent(const NodeId& id) {
  const std::size_t index = index_of(id);
  if (index >= buckets_.size()) return std::nullopt;
  Bucket& bucket = buckets_[index];
  if (const std::size_t at = bucket.spare.position_of(id); at != kNowhere) {
    bucket.spare.erase(at);
    return std::nullopt;
  }
  const std::size_t at = bucket.live.position_of(id);
  if (at == kNowhere) return std::nullopt;
  Entry& entry = bucket.live[at];
  entry.pinged = false;
  if (entry.failures < UINT8_MAX) ++entry.failures;
  if (entry.failures < failures_to_replace()) {
    entry.pinged = true;
    return entry.contact;
  }
  const Entry old = entry;
  erase_live(bucket, at);
  const bool stays = old.failures < failures_to_drop() || size_ < kContactsKept;
  if (promote(bucket)) {
    ++evicted_total_;
  } else if (stays) {
    add_live(bucket, old);
    bucket.live.move(bucket.live.size() - 1, at);
  }
  return std::nullopt;
}

void RoutingTable::remove(const NodeId& id) {
  const std::size_t index = index_of(id);
  if (index >= buckets_.size()) return;
  Bucket& bucket = buckets_[index];
  if (const std::size_t at = bucket.spare.position_of(id); at != kNowhere) {
    bucket.spare.erase(at);
  }
  if (const std::size_t at = bucket.live.position_of(id); at != kNowhere) {
    erase_live(bucket, at);
    promote(bucket);
  }
}

const RoutingTable::Entry* RoutingTable::find(const NodeId& id) const {
  const std::size_t index = index_of(id);
  if (index >= buckets_.size()) return nullptr;
  const std::size_t at = buckets_[index].live.position_of(id);
  return at == kNowhere ? nullptr : &buckets_[index].live[at];
}

std::size_t RoutingTable::buckets() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(buckets_, [](const Bucket& b) { return !b.live.empty(); }));
}

std::size_t RoutingTable::depth() const {
  std::size_t depth = buckets_.size();
  while (depth > 0 && buckets_[depth - 1].live.empty()) --depth;
  return depth;
}

std::size_t RoutingTable::bucket_population(std::size_t bucket) const {
  return bucket < buckets_.size() ? buckets_[bucket].live.size() : 0;
}

std::optional<int> RoutingTable::bits_known(std::size_t wanted) const {
  std::size_t within = 1;
  for (std::size_t j = buckets_.size(); j-- > 0;) {
    const Bucket& bucket = buckets_[j];
    if (bucket.live.size() >= config_.bucket_size || bucket.spare.size() > 0) return std::nullopt;
    within += bucket.live.size();
    if (within >= wanted) return static_cast<int>(j);
  }
  return 0;
}

void RoutingTable::note_lookup(Now now, const NodeId& target) {
  const std::size_t index = index_of(target);
  if (index < buckets_.size()) buckets_[index].last_lookup = now.mono;
}

std::size_t RoutingTable::refresh_depth() const {
  std::size_t deeper = 0;
  std::size_t bucket = buckets_.size();
  while (bucket > 0 && deeper + buckets_[bucket - 1].live.size() < config_.bucket_size) {
    deeper += buckets_[--bucket].live.size();
  }
  return bucket;
}

std::optional<std::size_t> RoutingTable::stale_bucket(Now now, Duration every) const {
  const std::size_t deepest = refresh_depth();
  for (std::size_t j = 0; j < deepest; ++j) {
    if (buckets_[j].last_lookup + every <= now.mono) return j;
  }
  return std::nullopt;
}

std::optional<Instant> RoutingTable::next_stale(Duration every) const {
  std::optional<Instant> next;
  const std::size_t deepest = refresh_depth();
  for (std::size_t j = 0; j < deepest; ++j) {
    const Instant at = buckets_[j].last_lookup + every;
    if (!next || at < *next) next = at;
  }
  return next;
}

NodeId RoutingTable::random_id_in(std::size_t bucket, Rng& rng) const {
  CHECK(bucket < 256);
  NodeId id;
  for (std::size_t i = 0; i < 32; i += 8) store_le(id.bytes.data() + i, rng.next());
  // The first `bucket` bits are ours, the next one is not, the rest is luck.
  for (std::size_t bit = 0; bit <= bucket; ++bit) {
    const auto mask = static_cast<std::uint8_t>(0x80U >> (bit % 8));
    const bool ours = (self_.bytes[bit / 8] & mask) != 0;
    const bool set = bit == bucket ? !ours : ours;
    auto& byte = id.bytes[bit / 8];
    byte = static_cast<std::uint8_t>(set ? byte | mask : byte & ~mask);
  }
  return id;
}

// Who differs from us first at bit j is nearer to the target than we are where we differ from it there.
std::size_t RoutingTable::nearer_than_self(const NodeId& target) const {
  const Distance away = distance(self_, target);
  std::size_t count = 0;
  for (std::size_t j = 0; j < buckets_.size(); ++j) {
    if (((away.bytes[j / 8] >> (7 - j % 8)) & 1) != 0) count += buckets_[j].live.size();
  }
  return count;
}

}  // namespace weft::dht
