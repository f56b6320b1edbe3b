#include "dht/own_values.h"

#include "crypto/check.h"
#include "dht/due_near.h"

namespace weft::dht {

const Own* OwnValues::find(const NodeId& key) const {
  const auto it = values_.find(key);
  return it == values_.end() ? nullptr : &it->second;
}

std::uint64_t OwnValues::number(const NodeId& key) const {
  const Own* own = find(key);
  const std::uint64_t current = own == nullptr ? 0 : own->seq;
  const auto it = taken_.find(key);
  return it == taken_.end() ? current : std::max(current, it->second.seq);
}

bool OwnValues::has_room(const NodeId& key) const {
  return values_.size() + taken_.size() < kOwnValuesMax || find(key) != nullptr;
}

void OwnValues::take(const NodeId& key, std::uint64_t seq) {
  Taken& taken = taken_[key];
  CHECK(seq >= taken.seq);
  taken.seq = seq;
  ++taken.writers;
}

void OwnValues::drop(const NodeId& key) {
  const auto it = taken_.find(key);
  CHECK(it != taken_.end());
  if (--it->second.writers == 0) taken_.erase(it);
}

void OwnValues::commit(const NodeId& key, Own own) {
  const Own* current = find(key);
  if (current == nullptr || current->seq < own.seq) put(key, std::move(own));
  drop(key);
}

void OwnValues::restore(const NodeId& key, Own own) {
  const Own* current = find(key);
  if (current == nullptr || current->seq < own.seq) put(key, std::move(own));
}

// Whichever comes first: the next publication, or the end of a value that is not renewed.
Instant OwnValues::due_of(const Own& own) {
  if (own.renew) return own.republish;
  return std::min(own.republish, own.expires + kOwnGrace);
}

void OwnValues::count(const Own& own) {
  if (!own.withdrawn()) ++by_copies_[own.copies];
}

void OwnValues::discount(const Own& own) {
  if (own.withdrawn()) return;
  const auto it = by_copies_.find(own.copies);
  CHECK(it != by_copies_.end());
  if (--it->second == 0) by_copies_.erase(it);
}

void OwnValues::put(const NodeId& key, Own own) {
  erase(key);
  count(own);
  schedule_.emplace(due_of(own), key);
  values_.emplace(key, std::move(own));
}

void OwnValues::erase(const NodeId& key) {
  const auto it = values_.find(key);
  if (it == values_.end()) return;
  schedule_.erase({due_of(it->second), key});
  discount(it->second);
  values_.erase(it);
}

void OwnValues::published(const NodeId& key, std::size_t copies, Instant republish) {
  const auto it = values_.find(key);
  if (it == values_.end()) return;
  schedule_.erase({due_of(it->second), key});
  discount(it->second);
  it->second.copies = copies;
  count(it->second);
  it->second.republish = republish;
  schedule_.emplace(due_of(it->second), key);
}

void OwnValues::renewed(const NodeId& key, Instant expires) {
  const auto it = values_.find(key);
  if (it == values_.end()) return;
  schedule_.erase({due_of(it->second), key});
  it->second.expires = expires;
  schedule_.emplace(due_of(it->second), key);
}

std::optional<Instant> OwnValues::next_due() const {
  if (schedule_.empty()) return std::nullopt;
  return schedule_.begin()->first;
}

std::optional<NodeId> OwnValues::due(Now now) const {
  if (schedule_.empty() || schedule_.begin()->first > now.mono) return std::nullopt;
  return schedule_.begin()->second;
}

void OwnValues::set_calm(const NodeId& key, bool all_there) {
  const auto it = values_.find(key);
  if (it == values_.end()) return;
  it->second.calm = all_there ? std::min(it->second.calm + 1, kCalmMax) : 0;
}

std::vector<NodeId> OwnValues::due_near(const NodeId& key, Instant until, std::size_t max) const {
  return dht::due_near(values_, key, until, max);
}

}  // namespace weft::dht
