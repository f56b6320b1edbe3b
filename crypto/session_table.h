// What Sessions remembers: keys by index, peers by id, handshakes that were answered.
//
// A Transport is one set of keys and the endpoint where they were proven; its slot is the low half
// of the index by which the peer addresses it, so finding it is one array access. A Peer has at
// most one current transport, one previous one and one handshake of its own under way. A Pending is
// an INIT that we answered: it belongs to no peer until the first packet under its keys opens.
//
// Invariants: every used transport has exactly one owner (Peer, Pending); a Peer has a current
// transport or a handshake; peers are linked in the order of their last use; nothing iterates in
// the order of slots.
#pragma once

#include <optional>
#include <vector>

#include "crypto/hash_index.h"
#include "crypto/noise.h"
#include "crypto/replay_window.h"
#include "crypto/rng.h"
#include "crypto/slab.h"
#include "crypto/time.h"

namespace weft::session {

struct Transport {
  enum class Use : std::uint8_t {
    kFree,
    kInitiating,  // no keys yet; owner is a Peer
    kPending,     // we answered; owner is a Pending
    kLive,        // current or previous of the Peer that owns it
  };
  std::uint16_t generation = 0;  // high half of the index
  Use use = Use::kFree;
  bool by_us = false;    // we initiated
  bool crossed = false;  // proven together with its sibling, by the other side's INIT
  std::uint32_t owner = kNoSlot;
  std::uint32_t remote_index = 0;
  Endpoint endpoint;
  CipherKey send_key{};
  CipherKey receive_key{};
  std::uint64_t sent = 0;  // the next counter
  ReplayWindow window;
  Instant proven{};
  Instant used{};  // last packet in or out
};

class TransportTable {
 public:
  // A transport with an index that nobody can guess from earlier ones.
  std::uint32_t acquire(Entropy& entropy);
  void release(std::uint32_t slot);
  std::uint32_t index_of(std::uint32_t slot) const;
  // The slot that an index names, or kNoSlot.
  std::uint32_t find(std::uint32_t index) const;
  Transport& operator[](std::uint32_t slot) { return slab_[slot]; }
  const Transport& operator[](std::uint32_t slot) const { return slab_[slot]; }
  std::size_t used() const { return slab_.used(); }

 private:
  Slab<Transport> slab_;
};

struct Peer {
  PublicKey key;
  NodeId id;
  std::uint32_t current = kNoSlot;    // Transport
  std::uint32_t previous = kNoSlot;   // Transport
  std::uint32_t handshake = kNoSlot;  // Handshake
  std::uint32_t newer = kNoSlot;      // towards the most recently used
  std::uint32_t older = kNoSlot;
  Instant used{};  // and when it was; a handshake that starts is a use as well
};
static_assert(sizeof(Transport) + sizeof(Peer) <= 250, "memory of one session");

class PeerTable {
 public:
  // `salt` keys the index; the order of everything is independent of it.
  explicit PeerTable(std::uint64_t salt = 0) : index_(salt) {}
  // The slot of a peer, or kNoSlot.
  std::uint32_t find(const NodeId& id) const;
  // Adds a peer that is not there yet, as the most recently used.
  std::uint32_t add(Instant now, const PublicKey& key, const NodeId& id);
  void remove(std::uint32_t slot);
  // Makes it the most recently used.
  void touch(std::uint32_t slot, Instant now);
  // The least recently used peer, or kNoSlot.
  std::uint32_t oldest() const { return oldest_; }
  std::size_t size() const { return index_.size(); }
  // Slots in the order of the ids; made for the occasion.
  std::vector<std::uint32_t> sorted() const;
  Peer& operator[](std::uint32_t slot) { return slab_[slot]; }
  const Peer& operator[](std::uint32_t slot) const { return slab_[slot]; }

 private:
  void link(std::uint32_t slot);
  void unlink(std::uint32_t slot);

  Slab<Peer> slab_;
  HashIndex<NodeId> index_;
  std::uint32_t newest_ = kNoSlot;
  std::uint32_t oldest_ = kNoSlot;
};

// Who is at the other end of a handshake that we answered.
struct Pending {
  PublicKey key;
  NodeId id;
  Endpoint from;
  std::size_t key_set = 0;  // of the network, that the INIT was sent with
  ByteArray<16> mac1{};  // of the INIT: tells a repetition from a new one
  std::uint32_t transport = kNoSlot;
  Instant answered{};
  bool repeated = false;  // the response went out again
  Bytes response;         // sent again when the INIT is repeated
};

class PendingTable {
 public:
  // The slot of the answer to this very INIT, or kNoSlot.
  std::uint32_t find(const ByteArray<16>& mac1, const Endpoint& from) const;
  // Adds an entry as the newest; the caller fills it.
  std::uint32_t add(const ByteArray<16>& mac1);
  void remove(std::uint32_t slot);
  // Oldest first.
  std::uint32_t oldest() const { return order_.empty() ? kNoSlot : order_.front().slot; }
  // The oldest entry of a peer that has at least `count` of them, or kNoSlot.
  std::uint32_t oldest_of(const NodeId& id, std::size_t count) const;
  std::size_t size() const { return order_.size(); }
  Pending& operator[](std::uint32_t slot) { return slab_[slot]; }
  const Pending& operator[](std::uint32_t slot) const { return slab_[slot]; }

 private:
  struct Ordered {
    std::uint64_t tag = 0;  // of mac1: most comparisons end here
    std::uint32_t slot = 0;
  };
  Slab<Pending, 4> slab_;
  std::vector<Ordered> order_;
};

}  // namespace weft::session
