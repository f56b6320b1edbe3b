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
  if (paged_) return farthest_.empty() ? nullptr : &farthest_.back();
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

Room ValueStore::room_for(const Slot& slot, std::size_t blob_bytes) const {
  const Held* held = find(slot);
  if (held == nullptr) {
    if (!counts_author(slot.author)) return Room::kAskAuthor;
    const auto author = per_author_.find(slot.author);
    if (author != per_author_.end() && author->second >= limits_.per_author_max) return Room::kNo;
    if (authors_under(slot.key) >= limits_.per_key_max) return Room::kNo;
  }
  const std::size_t freed = held == nullptr ? 0 : cost(held->blob.size());
  // It grows nothing, even beyond a lowered limit.
  if (freed >= cost(blob_bytes)) return Room::kYes;
  if (bytes() - freed + cost(blob_bytes) <= limits_.bytes_max) return Room::kYes;
  if (cost(blob_bytes) > limits_.bytes_max) return Room::kNo;
  if (paged_ && farthest_.empty() && totals_.values > 0) return Room::kAskFarthest;
  const Slot* far = farthest();
  return far != nullptr && closer(self_, slot.key, far->key) ? Room::kYes : Room::kNo;
}

std::size_t ValueStore::authors_under(const NodeId& key) const {
  const auto first = held_.lower_bound({key, NodeId{}});
  if (first == held_.end() || first->first.key != key) return 0;
  const auto crowd = crowded_.find(key);
  return crowd == crowded_.end() ? 1 : crowd->second;
}

bool ValueStore::has_neighbour(Map::iterator it) const {
  const auto after = std::next(it);
  return (after != held_.end() && after->first.key == it->first.key) ||
         (it != held_.begin() && std::prev(it)->first.key == it->first.key);
}

void ValueStore::put_in_memory(const Slot& slot, Held held) {
  memory_ += cost(held.blob.size());
  if (!paged_) by_expiry_.emplace(held.expires, slot);
  const auto turn = by_republish_.emplace(held.republish, slot).first;
  const auto it = held_.emplace(slot, Kept{std::move(held), turn}).first;
  if (has_neighbour(it)) ++crowded_.try_emplace(slot.key, 1).first->second;
}

void ValueStore::take_from_memory(Map::iterator it) {
  CHECK(it != held_.end());
  const Slot& slot = it->first;
  memory_ -= cost(it->second.blob.size());
  if (!paged_) by_expiry_.erase({it->second.expires, slot});
  by_republish_.erase(it->second.turn);
  if (has_neighbour(it)) {
    const auto crowd = crowded_.find(slot.key);
    CHECK(crowd != crowded_.end());
    if (--crowd->second == 1) crowded_.erase(crowd);
  }
  held_.erase(it);
}

void ValueStore::add(const Slot& slot, Held held) {
  CHECK(!paged_ || known_->find(slot.key) != nullptr);
  ++totals_.values;
  totals_.bytes += held.blob.size();
  if (counts_author(slot.author)) ++per_author_[slot.author];
  if (paged_) next_end_ = std::min(next_end_.value_or(held.expires), held.expires);
  if (recency_) recency_->note(slot, held.republish);
  if (paging() && known_->find(slot.key) == nullptr) know(slot.key).changed = paging_ticket_;
  put_in_memory(slot, std::move(held));
  if (!farthest_.empty()) among_farthest(slot);
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
         bytes() + cost(held.blob.size()) > limits_.bytes_max &&
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
  --totals_.values;
  totals_.bytes -= it->second.blob.size();
  if (const auto author = per_author_.find(slot.author); author != per_author_.end()) {
    if (author->second > 0) --author->second;
    if (author->second == 0 && !paged_) per_author_.erase(author);
  }
  std::erase(farthest_, slot);
  take_from_memory(it);
}

void ValueStore::erase(const Slot& slot) {
  if (const auto it = held_.find(slot); it != held_.end()) erase(it);
}

void ValueStore::set_republish(const Slot& slot, Instant at) {
  if (recency_) recency_->note(slot, at);
  const auto it = held_.find(slot);
  if (it == held_.end()) return;
  put_turn(it, at);
}

void ValueStore::put_turn(Map::iterator it, Instant at) {
  Kept& kept = it->second;
  auto turn = by_republish_.extract(kept.turn);
  turn.value().first = at;
  kept.turn = by_republish_.insert(std::move(turn)).position;
  kept.republish = at;
}

void ValueStore::set_expiry(const Slot& slot, Instant at) {
  const auto it = held_.find(slot);
  if (it == held_.end()) return;
  if (!paged_) {
    by_expiry_.erase({it->second.expires, slot});
    by_expiry_.emplace(at, slot);
  } else {
    next_end_ = std::min(next_end_.value_or(at), at);
  }
  it->second.expires = at;
}

std::vector<Slot> ValueStore::due_near(const Slot& slot, Instant until, std::size_t max) const {
  return dht::due_near(held_, slot, until, max);
}

std::optional<Instant> ValueStore::next_expiry() const {
  if (paged_) return next_end_ == Instant::max() ? std::nullopt : next_end_;
  if (by_expiry_.empty()) return std::nullopt;
  return by_expiry_.begin()->first;
}

std::vector<Slot> ValueStore::take_expired(Now now, std::size_t max) {
  std::vector<Slot> out;
  while (out.size() < max && !by_expiry_.empty() && by_expiry_.begin()->first <= now.mono) {
    out.push_back(by_expiry_.begin()->second);
    erase(held_.find(out.back()));
  }
  return out;  // of a paged store there are none to look at
}

std::optional<Instant> ValueStore::next_republish() const {
  if (by_republish_.empty() || by_republish_.begin()->first == Instant::max()) return std::nullopt;
  return by_republish_.begin()->first;
}

std::optional<Slot> ValueStore::due_republish(Now now) const {
  if (by_republish_.empty() || by_republish_.begin()->first > now.mono) return std::nullopt;
  return by_republish_.begin()->second;
}

// ---- beyond memory

void ValueStore::page(const HeldTotals& on_disk, const ByteArray<16>& table_key) {
  CHECK(!paged_ && held_.empty() && limits_.memory_max > 0);
  paged_ = true;
  totals_ = on_disk;
  make_tables(table_key);
  next_end_ = Instant{};  // at once it is asked which end first
}

void ValueStore::begin_paging(const ByteArray<16>& table_key) {
  CHECK(outgrown() && !paging());
  make_tables(table_key);
}

void ValueStore::make_tables(const ByteArray<16>& table_key) {
  recency_.emplace(table_key, limits_.republish_every);
  known_.emplace(siphash(table_key, {}));
}

bool ValueStore::page_more(std::uint64_t ticket) {
  CHECK(paging());
  paging_ticket_ = ticket;
  auto it = paged_up_to_ ? held_.upper_bound(*paged_up_to_) : held_.begin();
  for (std::size_t left = kPagedPerCall; left > 0 && it != held_.end(); --left, ++it) {
    const auto& [slot, held] = *it;
    recency_->note(slot, held.republish);
    if (known_->find(slot.key) == nullptr) know(slot.key).changed = ticket;
    paged_up_to_ = slot;
  }
  return it == held_.end();
}

void ValueStore::become_paged(std::uint64_t ticket, std::span<const NodeId> coming) {
  CHECK(paging());
  next_end_ = next_expiry();
  paged_ = true;
  old_expiry_.swap(by_expiry_);
  for (const NodeId& key : coming) {
    if (known_->find(key) == nullptr) know(key).changed = ticket;
  }
  if (per_author_.size() > kAuthorsKnownMax) per_author_.clear();
}

KnownKeys::Entry& ValueStore::know(const NodeId& key) {
  memory_ += kKnownBytes;
  return known_->add(key);
}

bool ValueStore::knows(const NodeId& key) {
  return !paged_ || known_->touch(key) != nullptr;
}

void ValueStore::fill(Now now, const NodeId& key, std::vector<std::pair<NodeId, Held>> values) {
  CHECK(paged_);
  if (known_->find(key) != nullptr) return;
  know(key);
  for (auto& [author, held] : values) {
    const Slot slot{key, author};
    held.republish = recency_->due(slot, now.mono).value_or(Instant::max());
    put_in_memory(slot, std::move(held));
  }
}

void ValueStore::its_turn(Now now, const Slot& slot, Instant until) {
  const auto it = held_.find(slot);
  if (it == held_.end() || !paged_) return;
  if (recency_->due(slot, now.mono).value_or(now.mono) > until) return;
  put_turn(it, now.mono);
}

void ValueStore::author_has(const NodeId& author, std::size_t values) {
  if (per_author_.contains(author)) return;
  if (per_author_.size() >= kAuthorsKnownMax) per_author_.clear();
  per_author_.emplace(author, values);
}

void ValueStore::keep(const NodeId& key) {
  KnownKeys::Entry* known = known_->find(key);
  CHECK(known != nullptr);
  known->kept = true;
}

void ValueStore::drop_farthest() {
  for (const Slot& slot : farthest_) {
    if (KnownKeys::Entry* known = known_->find(slot.key)) known->kept = false;
  }
  farthest_.clear();
}

bool ValueStore::goes_after(const Slot& a, const Slot& b) const {
  return a.key != b.key ? closer(self_, a.key, b.key) : a.author > b.author;
}

void ValueStore::farthest_are(std::vector<Slot> slots) {
  drop_farthest();
  farthest_ = std::move(slots);
  std::erase_if(farthest_, [this](const Slot& slot) { return !held_.contains(slot); });
  std::ranges::sort(farthest_, [this](const Slot& a, const Slot& b) { return goes_after(a, b); });
  for (const Slot& slot : farthest_) keep(slot.key);
}

// A value that came since the farthest were asked for is one of them if it is farther than the nearest of them.
void ValueStore::among_farthest(const Slot& slot) {
  if (!goes_after(farthest_.front(), slot)) return;
  const auto place =
      std::ranges::find_if(farthest_, [&](const Slot& other) { return goes_after(slot, other); });
  farthest_.insert(place, slot);
  keep(slot.key);
}

void ValueStore::note_change(const NodeId& key, std::uint64_t ticket) {
  KnownKeys::Entry* known = known_ ? known_->find(key) : nullptr;
  if (known == nullptr) return;
  known->changed = ticket;
  known->settled_at = 0;
}

void ValueStore::forget_ended(const Slot& slot, std::size_t blob_bytes) {
  if (const auto author = per_author_.find(slot.author); author != per_author_.end() && author->second > 0) {
    --author->second;
  }
  totals_.values -= std::min<std::uint64_t>(totals_.values, 1);
  totals_.bytes -= std::min<std::uint64_t>(totals_.bytes, blob_bytes);
}

void ValueStore::forget_oldest() {
  const NodeId key = known_->oldest()->key;
  for (auto held = held_.lower_bound({key, NodeId{}}); held != held_.end() && held->first.key == key;) {
    take_from_memory(held++);
  }
  memory_ -= kKnownBytes;
  known_->remove_oldest();
}

void ValueStore::trim(const Settled& settled) {
  if (!paged_) return;
  for (std::size_t left = kTrimmedPerCall; left > 0 && !old_expiry_.empty(); --left) old_expiry_.erase(old_expiry_.begin());
  if (memory_ <= limits_.memory_max) return;
  // The farthest are needed while the store is full.
  if (!farthest_.empty() && bytes() < limits_.bytes_max - limits_.bytes_max / 8) drop_farthest();
  std::size_t left = std::min(known_->size(), kTrimmedPerCall);
  for (; left > 0 && memory_ > limits_.memory_max; --left) {
    KnownKeys::Entry& known = *known_->oldest();
    bool may_go = !known.kept;
    if (may_go && known.changed != 0) {
      const bool written = known.changed < settled.oldest_write;
      may_go = written && known.settled_at != 0 && known.settled_at <= settled.oldest_load;
      if (written && known.settled_at == 0) known.settled_at = settled.now_at;
    }
    if (may_go) forget_oldest();
    else known_->spare_oldest();
  }
}

}  // namespace weft::dht
