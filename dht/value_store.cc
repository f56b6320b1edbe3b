#include "dht/value_store.h"

#include "crypto/check.h"
#include "crypto/planted.h"
#include "dht/due_near.h"

namespace weft::dht {

ValueStore::ValueStore(const NodeId& self, const Limits& limits) : self_(self), limits_(limits) {}

const Held* ValueStore::find(const Slot& slot) const {
  const auto it = held_.find(slot);
  return it == held_.end() ? nullptr : &it->second;
}

Verdict ValueStore::judge(const Slot& slot, std::uint64_t seq, ByteView blob) const {
  const Held* held = find(slot);
  if (held == nullptr) return Verdict::kNewer;
  if (held->seq == seq && equal(held->blob, blob)) return Verdict::kSame;
  return supersedes(seq, blob, held->seq, held->blob) ? Verdict::kNewer : Verdict::kOlder;
}

// The slot whose key is farthest from us, found from bit to bit: among all keys that remain, those
// that differ from us at the first bit in which any two of them differ.
const Slot* ValueStore::farthest() const {
  if (held_.empty()) return nullptr;
  auto first = held_.begin();
  auto last = std::prev(held_.end());
  while (first->first.key != last->first.key) {
    const auto bit = static_cast<std::size_t>(
        common_prefix_bits(first->first.key, last->first.key));
    const auto mask = static_cast<std::uint8_t>(0x80U >> (bit % 8));
    Slot pivot{.key = last->first.key, .author = {}};  // the least key with that bit set
    auto& byte = pivot.key.bytes[bit / 8];
    byte = static_cast<std::uint8_t>(byte & ~(mask - 1U));
    std::fill(pivot.key.bytes.begin() + static_cast<std::ptrdiff_t>(bit / 8) + 1,
              pivot.key.bytes.end(), std::uint8_t{0});
    const auto split = held_.lower_bound(pivot);
    const bool ours_set = (self_.bytes[bit / 8] & mask) != 0;
    if (ours_set) {
      last = std::prev(split);
    } else {
      first = split;
    }
  }
  return &first->first;
}

bool ValueStore::has_room(const Slot& slot, std::size_t blob_bytes) const {
  const Held* held = find(slot);
  if (held == nullptr) {
    const auto author = per_author_.find(slot.author);
    if (author != per_author_.end() && author->second >= limits_.per_author_max) return false;
    const auto key = per_key_.find(slot.key);
    if (key != per_key_.end() && key->second >= limits_.per_key_max) return false;
  }
  const std::size_t freed = held == nullptr ? 0 : cost(held->blob.size());
  if (freed >= cost(blob_bytes)) return true;  // it grows nothing, even beyond a lowered limit
  if (bytes_ - freed + cost(blob_bytes) <= limits_.bytes_max) return true;
  if (cost(blob_bytes) > limits_.bytes_max) return false;
  const Slot* far = farthest();
  return far != nullptr && closer(self_, slot.key, far->key);
}

void ValueStore::add(const Slot& slot, Held held) {
  bytes_ += cost(held.blob.size());
  ++per_author_[slot.author];
  ++per_key_[slot.key];
  by_expiry_.emplace(held.expires, slot);
  by_republish_.emplace(held.republish, slot);
  held_.emplace(slot, std::move(held));
}

std::pair<Slot, Held> ValueStore::take(Map::iterator it) {
  std::pair<Slot, Held> out(it->first, it->second);
  erase(it);
  return out;
}

std::optional<std::vector<Slot>> ValueStore::insert(const Slot& slot, Held held) {
  if (!has_room(slot, held.blob.size())) return std::nullopt;
  std::vector<std::pair<Slot, Held>> taken;  // put back if they do not suffice
  if (const auto it = held_.find(slot); it != held_.end()) taken.push_back(take(it));
  const std::size_t replaced = taken.size();
  const bool grows = replaced == 0 || held.blob.size() > taken[0].second.blob.size();
  while (grows && !planted(Plant::kStoreBoundless) &&
         bytes_ + cost(held.blob.size()) > limits_.bytes_max &&
         taken.size() - replaced < kEvictionsPerInsert) {
    const Slot* far = farthest();
    if (far == nullptr || !closer(self_, slot.key, far->key)) {
      for (auto& [back, value] : taken) add(back, std::move(value));
      return std::nullopt;
    }
    taken.push_back(take(held_.find(*far)));
  }
  add(slot, std::move(held));
  std::vector<Slot> evicted;
  for (std::size_t i = replaced; i < taken.size(); ++i) evicted.push_back(taken[i].first);
  return evicted;
}

void ValueStore::erase(Map::iterator it) {
  CHECK(it != held_.end());
  const Slot slot = it->first;
  bytes_ -= cost(it->second.blob.size());
  by_expiry_.erase({it->second.expires, slot});
  by_republish_.erase({it->second.republish, slot});
  const auto author = per_author_.find(slot.author);
  CHECK(author != per_author_.end());
  if (--author->second == 0) per_author_.erase(author);
  const auto key = per_key_.find(slot.key);
  CHECK(key != per_key_.end());
  if (--key->second == 0) per_key_.erase(key);
  held_.erase(it);
}

void ValueStore::erase(const Slot& slot) {
  if (const auto it = held_.find(slot); it != held_.end()) erase(it);
}

void ValueStore::set_republish(const Slot& slot, Instant at) {
  const auto it = held_.find(slot);
  if (it == held_.end()) return;
  by_republish_.erase({it->second.republish, slot});
  it->second.republish = at;
  by_republish_.emplace(at, slot);
}

void ValueStore::set_expiry(const Slot& slot, Instant at) {
  const auto it = held_.find(slot);
  if (it == held_.end()) return;
  by_expiry_.erase({it->second.expires, slot});
  it->second.expires = at;
  by_expiry_.emplace(at, slot);
}

std::optional<Slot> ValueStore::next_after(const std::optional<Slot>& slot) const {
  const auto it = slot ? held_.upper_bound(*slot) : held_.begin();
  if (it == held_.end()) return std::nullopt;
  return it->first;
}

std::vector<Slot> ValueStore::due_near(const Slot& slot, Instant until, std::size_t max) const {
  return dht::due_near(held_, slot, until, max);
}

std::optional<Instant> ValueStore::next_expiry() const {
  if (by_expiry_.empty()) return std::nullopt;
  return by_expiry_.begin()->first;
}

std::vector<Slot> ValueStore::take_expired(Now now, std::size_t max) {
  std::vector<Slot> out;
  while (out.size() < max && !by_expiry_.empty() && by_expiry_.begin()->first <= now.mono) {
    out.push_back(by_expiry_.begin()->second);
    erase(held_.find(out.back()));
  }
  return out;
}

std::optional<Instant> ValueStore::next_republish() const {
  if (by_republish_.empty()) return std::nullopt;
  return by_republish_.begin()->first;
}

std::optional<Slot> ValueStore::due_republish(Now now) const {
  if (by_republish_.empty() || by_republish_.begin()->first > now.mono) return std::nullopt;
  return by_republish_.begin()->second;
}

}  // namespace weft::dht
