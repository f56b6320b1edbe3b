// The members that this node knows, by id, with what it holds of each and the hashes of it all.
//
// A slot number names a member for as long as it is in the table; references are valid until the
// next insert. Iteration is by id. The digest and the sixteen bucket hashes cover the signed facts
// (id, number) of members that are alive or suspect here, and of the node itself: `failed` is a
// local verdict that others need not share, and members that left count no more. So two nodes that
// agree about who is in the mesh, and by which records, have equal digests.
//
// Invariants: ids are unique; counts and hashes always match the slots; free slots hold no record.
#pragma once

#include <array>
#include <functional>
#include <optional>
#include <vector>

#include "crypto/hash_index.h"
#include "gossip/membership/accusation.h"
#include "gossip/membership/membership.h"

namespace weft::gossip {

using Slot = std::uint32_t;
inline constexpr Slot kNoSlot = UINT32_MAX;

struct Member {
  RecordRef record;
  Instant since;                      // of `state`
  std::optional<Instant> last_proof;  // an answer to our own probe or handshake
  std::optional<Instant> arrived;     // counted as new here, or as another process, at that time (forming.h)
  Instant recheck_after;              // earliest next recheck
  Credit credit;                      // as an accuser
  Endpoint proven;                    // where it proved its key; port 0: never
  std::uint32_t rtt_us = 0;           // smoothed; 0: unknown
  std::uint16_t rounds = 0;           // probe rounds and relays under way
  MemberState state = MemberState::kAlive;
  bool restored = false;  // of an earlier life: no verdict of ours, no event yet
  bool missed = false;    // restored, and the mesh does without it: hearsay does not bring it back
  bool recheck_queued = false;
};

// Alive or suspect: in the probe list, in the digest.
inline bool is_live(MemberState state) {
  return state == MemberState::kAlive || state == MemberState::kSuspect;
}

// The hash of one signed fact.
std::uint64_t fact_hash(const NodeId& id, std::uint64_t number);
// Which of the kSyncBuckets an id falls into: its first four bits.
inline std::size_t bucket_of(const NodeId& id) { return id.bytes[0] >> 4; }

class MemberTable {
 public:
  using Buckets = InlineVec<std::uint64_t, kSyncBuckets>;

  // `salt` keys the index; the order of everything is independent of it.
  explicit MemberTable(std::uint64_t salt = 0);

  // The slot of a member, or kNoSlot.
  Slot find(const NodeId& id) const;
  // Adds a member that must not be known yet.
  Slot insert(const RecordRef& record, MemberState state, Instant now);
  // Removes a member; its slot may be used again.
  void erase(Slot slot);
  // Changes the state and its instant.
  void set_state(Slot slot, MemberState state, Instant now);
  // Replaces the record (same id) and returns the old one, which views may still point into.
  RecordRef set_record(Slot slot, RecordRef record);

  Member& operator[](Slot slot);
  const Member& operator[](Slot slot) const;

  std::size_t size() const { return by_id_.size(); }
  std::size_t count(MemberState state) const { return counts_[static_cast<std::size_t>(state)]; }
  std::size_t live() const { return count(MemberState::kAlive) + count(MemberState::kSuspect); }
  std::uint64_t digest() const;
  const Buckets& buckets() const { return buckets_; }

  // Iteration by id: positions 0 to size() - 1.
  Slot at(std::size_t position) const { return by_id_[position].slot; }
  // The first position whose id is greater than `id`.
  std::size_t position_after(const NodeId& id) const;
  // The first position in bucket `bucket` or behind it.
  std::size_t bucket_begin(std::size_t bucket) const;

 private:
  struct Entry {
    std::uint64_t head = 0;  // first eight bytes of the id, big-endian: almost always decides
    Slot slot = kNoSlot;
  };
  std::size_t lower_bound(const NodeId& id) const;
  bool before(const Entry& entry, std::uint64_t head, const NodeId& id) const;
  void toggle(const Member& member);

  std::vector<Member> slots_;
  std::vector<Slot> free_;
  std::vector<Entry> by_id_;
  HashIndex<NodeId> index_;
  Buckets buckets_;
  std::array<std::size_t, 4> counts_{};
};

}  // namespace weft::gossip
