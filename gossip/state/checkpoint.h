// What authors say they have no more use for, so that a history of a million overwrites takes the room of what is left of it.
//
// A checkpoint is an entry of its author's whose body lists sections: of one of its epochs, from a first to a last seq, which of the
// entries are still wanted. All others of the author in that range are *discarded*: they count for nothing and, when nothing depends on
// them, are dropped and refused ever after. Only its author discards an entry; nobody can be made to lose another's.
//
// What discards is a function of the set of checkpoints alone. An author's checkpoints are looked at from the highest (stamp, id) down;
// one that a higher one which counts has discarded does not count itself. At most kCheckpointsCounted of an author count.
//
// Of several that replace older ones together only the last discards those. Who has the last and not yet the rest may for that moment be shown
// what it had dropped by somebody who was away, as one who has only a part of a set may see what the other part overwrote.
//
// A discarded entry stays in the set as long as it voids another that is there and is not discarded (space.h): or what it overwrote would
// come back. So no author needs to know what others have dropped, and no order of checkpoints by several authors brings anything back
// (the trap of compacting overwrites across authors; Akka's pruning and others fell into it).
//
// A checkpoint also *closes* its author's other epochs: none of them has an entry above it. That takes nothing away (what a lost life wrote may
// still come back from others); it tells how many lives of an author are to be reckoned with. Each life of which something was discarded costs its
// author some 11 bytes of checkpoints for good: epochs are random, so none of them can be told from one that is lost but by its number.
//
// A liar can discard its own words, in any order, and bring some of them back; each time at the cost of an entry.
//
// Body: sections one after another, ascending by epoch, then first, not overlapping:
//   epoch 8 bytes little-endian, then varints (LEB128, shortest form): first, last - first, count, and for each wanted seq the distance
//   from the one before less one, the first of them from `first`.
#pragma once

#include <map>
#include <set>

#include "gossip/state/entry.h"

namespace weft::state {

inline constexpr std::size_t kSectionsMax = 64;
inline constexpr std::size_t kCheckpointsCounted = 64;  // of one author
inline constexpr std::string_view kCheckpointPath = "checkpoint";

struct Section {
  std::uint64_t epoch = 0;
  std::uint64_t first = 1;
  std::uint64_t last = 1;
  std::vector<std::uint64_t> wanted{};  // ascending, within [first, last]
  bool operator==(const Section&) const = default;
};

// nullopt if it is not in the form above.
std::optional<std::vector<Section>> read_checkpoint(ByteView body);
// The sections must be in order and within their limits; a body longer than an entry takes is told by sign_entries.
Bytes checkpoint_body(std::span<const Section> sections);

// The checkpoints of a namespace.
class Checkpoints {
 public:
  // An entry of kind kCheckpoint that is in the set from now on, or not any more. Returns the sections of those that count from now on, or
  // do not any more: only in them may a place be discarded, or not, that was not so before.
  std::vector<Section> add(const Entry& entry);
  std::vector<Section> remove(const Entry& entry);
  using Rank = std::pair<std::uint64_t, EntryId>;  // stamp, id
  // Whether this place in the author's history is discarded. `above`: of a checkpoint, its own rank: only higher ones discard it.
  bool discards(const PublicKey& author, std::uint64_t epoch, std::uint64_t seq, const std::optional<Rank>& above = {}) const;
  bool discards(const Entry& entry) const;
  // The author's highest.
  struct Newest {
    Rank rank;
    std::uint64_t epoch = 0;
  };
  std::optional<Newest> newest(const PublicKey& author) const;
  // How many the author has here, and the rank of the lowest.
  std::size_t count(const PublicKey& author) const;
  std::optional<Rank> lowest(const PublicKey& author) const;
  // The sections of the author's that count; they may overlap.
  std::vector<Section> counting(const PublicKey& author) const;
  // The author's that count, one by one, the highest first. Valid until something is added or removed.
  struct InForce {
    std::uint64_t epoch = 0;  // its own place
    std::uint64_t seq = 0;
    std::size_t body_bytes = 0;
    std::span<const Section> sections;
  };
  std::vector<InForce> in_force(const PublicKey& author) const;

 private:
  struct Checkpoint {
    std::uint64_t epoch = 0;
    std::uint64_t seq = 0;
    Bytes body;
  };
  struct Counting {
    Rank rank;
    std::vector<Section> sections;
  };
  struct OfAuthor {
    std::map<Rank, Checkpoint, std::greater<>> all;  // the highest first
    std::vector<Counting> counting;                  // the same
  };
  static bool discards(const Counting& by, std::uint64_t epoch, std::uint64_t seq);
  static std::vector<Section> judge(OfAuthor& author);

  std::map<PublicKey, OfAuthor> authors_;
};

}  // namespace weft::state
