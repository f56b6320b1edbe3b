#include "gossip/state/space.h"

#include "crypto/check.h"

namespace weft::state {

const Space::Held* Space::find(const EntryId& id) const {
  const auto it = entries_.find(id);
  return it == entries_.end() ? nullptr : &it->second;
}

bool Space::insert(const Entry& entry, ByteView wire, bool settled, std::uint64_t arrival) {
  CHECK(entry.content.space == genesis_.id);
  if (arrival == 0) arrival = last_arrival_ + 1;
  const auto [at, fresh] =
      entries_.try_emplace(entry.id, Held{.wire = to_bytes(wire), .arrival = arrival, .settled = false});
  if (!fresh) return false;
  last_arrival_ = std::max(last_arrival_, arrival);
  arrivals_.emplace(arrival, entry.id);
  bytes_ += wire.size();
  documents_.insert(entry);
  Head& head = heads_[entry.content.author];
  if (std::tie(entry.content.stamp, entry.id) > std::tie(head.stamp, head.id)) head = {entry.id, entry.content.stamp};
  if (settled) {
    at->second.settled = true;
    tree_.insert(key_of(entry));
  }
  return true;
}

void Space::settle(const EntryId& id) {
  Held& held = entries_.at(id);
  if (held.settled) return;
  held.settled = true;
  const auto entry = decode_entry(held.wire);
  CHECK(entry.has_value());
  tree_.insert(key_of(*entry));
}

void Space::withdraw(const EntryId& id) {
  const auto it = entries_.find(id);
  CHECK(it != entries_.end());
  CHECK(!it->second.settled);
  const auto entry = decode_entry(it->second.wire);
  CHECK(entry.has_value());
  documents_.erase(*entry);
  const PublicKey author = entry->content.author;
  bytes_ -= it->second.wire.size();
  arrivals_.erase(it->second.arrival);
  entries_.erase(it);
  // Rare, and only of the node itself: the heads of the author are looked for anew.
  heads_.erase(author);
  for (const auto& [other, held] : entries_) {
    const auto left = decode_entry(held.wire);
    CHECK(left.has_value());
    if (left->content.author != author) continue;
    Head& head = heads_[author];
    if (std::tie(left->content.stamp, other) > std::tie(head.stamp, head.id)) head = {other, left->content.stamp};
  }
}

std::optional<Space::Head> Space::head(const PublicKey& author) const {
  const auto it = heads_.find(author);
  if (it == heads_.end()) return std::nullopt;
  return it->second;
}

}  // namespace weft::state
