#include "crypto/session_table.h"

#include <algorithm>

namespace weft::session {
namespace {

constexpr std::uint32_t kSlotMask = 0xffff;

std::uint64_t tag_of(const ByteArray<16>& mac1) { return load_le<std::uint64_t>(mac1.data()); }

}  // namespace

std::uint32_t TransportTable::acquire(Entropy& entropy) {
  const std::uint32_t slot = slab_.acquire();
  CHECK(slot <= kSlotMask);
  ByteArray<2> raw;
  entropy.fill(raw);
  // The generation of the last use survived release(): an old index must not name a new transport.
  auto generation = load_le<std::uint16_t>(raw.data());
  Transport& t = slab_[slot];
  if (generation == t.generation) ++generation;
  t.generation = generation;
  return slot;
}

void TransportTable::release(std::uint32_t slot) {
  const std::uint16_t generation = slab_[slot].generation;
  slab_.release(slot);
  slab_[slot].generation = generation;
}

std::uint32_t TransportTable::index_of(std::uint32_t slot) const {
  return slot | static_cast<std::uint32_t>(slab_[slot].generation) << 16;
}

std::uint32_t TransportTable::find(std::uint32_t index) const {
  const std::uint32_t slot = index & kSlotMask;
  if (slot >= slab_.slots()) return kNoSlot;
  const Transport& t = slab_[slot];
  if (t.use == Transport::Use::kFree || t.generation != index >> 16) return kNoSlot;
  return slot;
}

std::vector<std::uint32_t> PeerTable::sorted() const {
  std::vector<std::uint32_t> slots;
  for (std::uint32_t slot = oldest_; slot != kNoSlot; slot = slab_[slot].newer) slots.push_back(slot);
  std::ranges::sort(slots, {}, [this](std::uint32_t slot) { return slab_[slot].id; });
  return slots;
}

std::uint32_t PeerTable::find(const NodeId& id) const {
  static_assert(kNoSlot == HashIndex<NodeId>::kNone);
  return index_.find(id, [this](std::uint32_t slot) -> const NodeId& { return slab_[slot].id; });
}

std::uint32_t PeerTable::add(Instant now, const PublicKey& key, const NodeId& id) {
  CHECK(find(id) == kNoSlot);
  const std::uint32_t slot = slab_.acquire();
  index_.insert(id, slot);
  Peer& peer = slab_[slot];
  peer.key = key;
  peer.id = id;
  peer.used = now;
  link(slot);
  return slot;
}

void PeerTable::remove(std::uint32_t slot) {
  unlink(slot);
  index_.erase(slab_[slot].id, slot);
  slab_.release(slot);
}

void PeerTable::touch(std::uint32_t slot, Instant now) {
  slab_[slot].used = now;
  if (newest_ == slot) return;
  unlink(slot);
  link(slot);
}

void PeerTable::link(std::uint32_t slot) {
  Peer& peer = slab_[slot];
  peer.newer = kNoSlot;
  peer.older = newest_;
  if (newest_ != kNoSlot) slab_[newest_].newer = slot;
  newest_ = slot;
  if (oldest_ == kNoSlot) oldest_ = slot;
}

void PeerTable::unlink(std::uint32_t slot) {
  const Peer& peer = slab_[slot];
  if (peer.newer != kNoSlot) slab_[peer.newer].older = peer.older;
  if (peer.older != kNoSlot) slab_[peer.older].newer = peer.newer;
  if (newest_ == slot) newest_ = peer.older;
  if (oldest_ == slot) oldest_ = peer.newer;
}

std::uint32_t PendingTable::find(const ByteArray<16>& mac1, const Endpoint& from) const {
  const std::uint64_t tag = tag_of(mac1);
  for (const Ordered& o : order_) {
    if (o.tag != tag) continue;
    const Pending& pending = slab_[o.slot];
    if (pending.mac1 == mac1 && pending.from == from) return o.slot;
  }
  return kNoSlot;
}

std::uint32_t PendingTable::add(const ByteArray<16>& mac1) {
  const std::uint32_t slot = slab_.acquire();
  slab_[slot].mac1 = mac1;
  order_.push_back({tag_of(mac1), slot});
  return slot;
}

void PendingTable::remove(std::uint32_t slot) {
  const auto at = std::ranges::find(order_, slot, &Ordered::slot);
  CHECK(at != order_.end());
  order_.erase(at);
  slab_.release(slot);
}

std::uint32_t PendingTable::oldest_of(const NodeId& id, std::size_t count) const {
  std::uint32_t oldest = kNoSlot;
  std::size_t seen = 0;
  for (const Ordered& o : order_) {
    if (slab_[o.slot].id != id) continue;
    if (seen++ == 0) oldest = o.slot;
    if (seen >= count) return oldest;
  }
  return kNoSlot;
}

}  // namespace weft::session
