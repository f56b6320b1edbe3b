#include "dht/known_keys.h"

namespace weft::dht {

std::uint32_t KnownKeys::slot_of(const NodeId& key) const {
  static_assert(kNoSlot == HashIndex<NodeId>::kNone);
  return index_.find(key, [this](std::uint32_t slot) -> const NodeId& { return entries_[slot].key; });
}

KnownKeys::Entry* KnownKeys::find(const NodeId& key) {
  const std::uint32_t slot = slot_of(key);
  return slot == kNoSlot ? nullptr : &entries_[slot];
}

KnownKeys::Entry* KnownKeys::touch(const NodeId& key) {
  const std::uint32_t slot = slot_of(key);
  if (slot == kNoSlot) return nullptr;
  unlink(slot);
  link_last(slot);
  return &entries_[slot];
}

KnownKeys::Entry& KnownKeys::add(const NodeId& key) {
  const std::uint32_t slot = entries_.acquire();
  entries_[slot].key = key;
  index_.insert(key, slot);
  link_last(slot);
  return entries_[slot];
}

void KnownKeys::spare_oldest() {
  const std::uint32_t slot = front_;
  unlink(slot);
  link_last(slot);
}

void KnownKeys::remove_oldest() {
  const std::uint32_t slot = front_;
  unlink(slot);
  index_.erase(entries_[slot].key, slot);
  entries_.release(slot);
}

void KnownKeys::link_last(std::uint32_t slot) {
  Entry& entry = entries_[slot];
  entry.before = back_;
  entry.after = kNoSlot;
  (back_ == kNoSlot ? front_ : entries_[back_].after) = slot;
  back_ = slot;
}

void KnownKeys::unlink(std::uint32_t slot) {
  const Entry& entry = entries_[slot];
  (entry.before == kNoSlot ? front_ : entries_[entry.before].after) = entry.after;
  (entry.after == kNoSlot ? back_ : entries_[entry.after].before) = entry.before;
}

}  // namespace weft::dht
