#include "gossip/state/space.h"

#include "crypto/check.h"

namespace weft::state {

const Space::Held* Space::find(const EntryId& id) const {
  const auto it = entries_.find(id);
  return it == entries_.end() ? nullptr : &it->second;
}

Space::Inserted Space::insert(const Entry& entry, ByteView wire, bool settled) {
  if (entries_.contains(entry.id)) return Inserted::kKnown;
  if (unwanted(entry)) return Inserted::kDiscarded;
  put(entry, wire, last_arrival_ + 1);
  if (settled) settle(entry.id);
  return Inserted::kNew;
}

bool Space::restore(const Entry& entry, ByteView wire, std::uint64_t arrival) {
  if (entries_.contains(entry.id) || arrivals_.contains(arrival)) return false;
  put(entry, wire, arrival);
  entries_.at(entry.id).settled = true;
  tree_.insert(key_of(entry));
  if (entry.content.kind == Kind::kCheckpoint) checkpoints_.add(entry);
  return true;
}

void Space::restored(std::uint64_t luck) {
  last_restored_ = last_arrival_;
  last_arrival_ += kArrivalJump + luck % kArrivalLuck;
  life_begin_ = last_arrival_;
  for (const auto& [author, head] : heads_) sweep(author);
}

void Space::put(const Entry& entry, ByteView wire, std::uint64_t arrival) {
  CHECK(entry.content.space == genesis_.id);
  entries_.emplace(entry.id, Held{.wire = to_bytes(wire), .arrival = arrival, .settled = false});
  last_arrival_ = std::max(last_arrival_, arrival);
  arrivals_.emplace(arrival, entry.id);
  bytes_ += wire.size();
  documents_.insert(entry);
  Head& head = heads_[entry.content.author];
  if (std::tie(entry.content.stamp, entry.id) > std::tie(head.stamp, head.id)) head = {entry.id, entry.content.stamp};
}

void Space::settle(const EntryId& id) {
  Held& held = entries_.at(id);
  if (held.settled) return;
  held.settled = true;
  const auto entry = decode_entry(held.wire);
  CHECK(entry.has_value());
  into_tree(*entry);
}

void Space::into_tree(const Entry& entry) {
  tree_.insert(key_of(entry));
  const Content& c = entry.content;
  documents_.set_discarded(entry.id, checkpoints_.discards(entry));
  if (c.kind == Kind::kCheckpoint) {
    checkpoints_.add(entry);
    sweep(c.author);
  }
}

bool Space::unwanted(const Entry& entry) const {
  return checkpoints_.discards(entry) && !documents_.holds_down(entry);
}

std::vector<EntryKey> Space::keys_of(const PublicKey& author) const {
  Prefix prefix{.bytes = key_of(author, 0, 0, {}).bytes, .nibbles = 16};
  std::vector<EntryKey> out;
  tree_.visit(prefix, {}, [&](const EntryKey& key) {
    if (documents_.author(key.id()) == author) out.push_back(key);
    return true;
  });
  return out;
}

std::vector<Space::Own> Space::own(const PublicKey& author) const {
  std::vector<Own> out;
  for (const EntryKey& key : keys_of(author)) {
    const EntryId id = key.id();
    out.push_back({.epoch = key.epoch(), .seq = key.seq(), .counts = documents_.counts(id), .checkpoint = documents_.is_checkpoint(id),
                   .discarded = documents_.discarded(id)});
  }
  return out;
}

// After the checkpoints of an author have changed.
void Space::sweep(const PublicKey& author) {
  for (bool again = true; std::exchange(again, false);) {
    std::set<EntryId> candidates;
    for (const EntryKey& key : keys_of(author)) {
      const EntryId id = key.id();
      std::optional<Checkpoints::Rank> above;
      if (documents_.is_checkpoint(id)) above = Checkpoints::Rank(documents_.stamp(id), id);
      const bool discarded = checkpoints_.discards(author, key.epoch(), key.seq(), above);
      if (!documents_.set_discarded(id, discarded) || !discarded) continue;
      candidates.insert(id);
      const std::set<EntryId>& namers = documents_.named_by(id);
      candidates.insert(namers.begin(), namers.end());
    }
    for (const EntryId& id : candidates) {
      if (droppable(id)) again = drop(id) || again;
    }
  }
}

bool Space::droppable(const EntryId& id) const {
  const auto it = entries_.find(id);
  if (it == entries_.end() || !it->second.settled || !documents_.discarded(id)) return false;
  const auto entry = decode_entry(it->second.wire);
  CHECK(entry.has_value());
  return !documents_.holds_down(*entry);
}

bool Space::drop(const EntryId& id) {
  const auto node = entries_.extract(id);
  const auto entry = decode_entry(node.mapped().wire);
  CHECK(entry.has_value());
  documents_.erase(*entry);
  tree_.erase(key_of(*entry));
  arrivals_.erase(node.mapped().arrival);
  bytes_ -= node.mapped().wire.size();
  dropped_.push_back(id);
  if (entry->content.kind != Kind::kCheckpoint) return false;
  checkpoints_.remove(*entry);
  return true;
}

void Space::withdraw(std::span<const EntryId> ids) {
  std::optional<PublicKey> author;
  for (const EntryId& id : ids) {
    const auto node = entries_.extract(id);
    CHECK(!node.empty());
    CHECK(!node.mapped().settled);
    const auto entry = decode_entry(node.mapped().wire);
    CHECK(entry.has_value());
    documents_.erase(*entry);
    author = entry->content.author;
    bytes_ -= node.mapped().wire.size();
    arrivals_.erase(node.mapped().arrival);
  }
  if (!author) return;
  heads_.erase(*author);
  for (const EntryKey& key : keys_of(*author)) {
    const EntryId id = key.id();
    Head& head = heads_[*author];
    if (std::pair(documents_.stamp(id), id) > std::pair(head.stamp, head.id)) head = {id, documents_.stamp(id)};
  }
}

std::optional<Space::Head> Space::head(const PublicKey& author) const {
  const auto it = heads_.find(author);
  if (it == heads_.end()) return std::nullopt;
  return it->second;
}

}  // namespace weft::state
