// The set of entries of a namespace as a Merkle tree over their places: two nodes find out where their sets differ
// by comparing hashes from the root down.
//
// A radix tree of sixteen branches a level (Morrison 1968) over keys of 40 bytes: author, epoch, seq, id. So what an author
// wrote last lies side by side, and one who was away for a while differs in a few branches. Nodes with a single branch do not exist.
// The hash of a leaf is the entry's id, that of an inner node 16 bytes of BLAKE2b over its branches' places and hashes (Merkle 1987);
// equal sets have equal trees, and unequal ones of one hash cost 2^64 work. A sum of hashes would be cheaper and is not
// used: with many summands of one's own choice collisions of it are found quickly (Wagner 2002).
//
// The author is cut to its key's first 8 bytes. Two authors that share them mix in the order and in nothing else. Grants, Revokes and proofs
// of forks have 8 zero bytes in their place: they lie together, so that a walk brings them before what they decide about.
//
// Costs: an insertion or erasure walks at most kNibbles nodes, about log16 of the size; hashes are computed
// when they are asked for. Memory: 40 bytes an entry and at most one inner node of about 100 bytes for each, less
// than a fifth of that for entries in series. One thread.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "gossip/state/entry.h"

namespace weft::state {

using TreeHash = ByteArray<16>;

struct EntryKey {
  ByteArray<40> bytes{};
  bool operator==(const EntryKey&) const = default;
  auto operator<=>(const EntryKey& other) const { return compare_bytes(bytes, other.bytes); }
  EntryId id() const;
  std::uint64_t epoch() const { return load_be64(bytes.data() + 8); }
  std::uint64_t seq() const { return load_be64(bytes.data() + 16); }
};
EntryKey key_of(const PublicKey& author, std::uint64_t epoch, std::uint64_t seq, const EntryId& id);
EntryKey key_of(const Entry& entry);

inline constexpr std::size_t kNibbles = 2 * sizeof(EntryKey);
inline constexpr std::size_t kAuthorNibbles = 16;
inline constexpr std::size_t kEpochNibbles = 32;
inline constexpr std::size_t kPlaceNibbles = 48;  // author, epoch and seq

// All keys that begin with these nibbles. What lies behind the last of them is zero.
struct Prefix {
  ByteArray<40> bytes{};
  std::uint8_t nibbles = 0;  // at most kNibbles
  bool operator==(const Prefix&) const = default;

  bool covers(const EntryKey& key) const;
  bool covers(const Prefix& other) const;
  // This prefix and one nibble more; nibbles must be less than kNibbles.
  Prefix then(std::uint8_t nibble) const;
};

class EntryTree {
 public:
  EntryTree() = default;

  // False if it was there already.
  bool insert(const EntryKey& key);
  // False if it was not there.
  bool erase(const EntryKey& key);
  bool contains(const EntryKey& key) const;
  std::size_t size() const { return leaves_.size() - free_leaves_.size(); }

  // What lies below a prefix. `hash` is zero, and `at` the prefix asked for, if nothing does. `at` is the longest prefix that all of
  // it has in common.
  struct Part {
    std::size_t count = 0;
    TreeHash hash{};
    Prefix at;
  };
  Part part(const Prefix& prefix) const;
  TreeHash root() const { return part({}).hash; }
  // The branches of the node at part(prefix).at; of a single entry, or of none, all are empty.
  std::array<Part, 16> branches(const Prefix& prefix) const;
  // Calls visit(key) for the keys below a prefix, after `after` if that is given, in ascending order until it returns false.
  template <class Visit>
  void visit(const Prefix& prefix, const std::optional<EntryKey>& after, Visit visit) const {
    walk(find(prefix), after, visit);
  }

 private:
  // Index of a leaf or, with the top bit, of an inner node.
  using Ref = std::uint32_t;
  static constexpr Ref kNone = 0x7fffffff;
  static constexpr Ref kInner = 0x80000000;
  static bool is_inner(Ref ref) { return (ref & kInner) != 0; }

  struct Inner {
    Ref branch[16];
    std::uint32_t count = 0;
    std::uint8_t nibbles = 0;  // in common to all below it
    mutable bool hashed = false;
    mutable TreeHash hash{};
  };
  Inner& inner(Ref ref) { return inners_[ref & ~kInner]; }
  const Inner& inner(Ref ref) const { return inners_[ref & ~kInner]; }
  const EntryKey& any_key(Ref ref) const;
  const TreeHash& hash_of(Ref ref, TreeHash& room) const;
  Part part_of(Ref ref) const;
  Ref find(const Prefix& prefix) const;
  Ref new_leaf(const EntryKey& key);
  Ref new_inner(std::uint8_t nibbles);

  template <class Visit>
  bool walk(Ref ref, const std::optional<EntryKey>& after, Visit& visit) const {
    if (ref == kNone) return true;
    if (!is_inner(ref)) return (after && leaves_[ref] <= *after) || visit(leaves_[ref]);
    for (const Ref branch : inner(ref).branch) {
      if (after && branch != kNone && all_before(branch, *after)) continue;
      if (!walk(branch, after, visit)) return false;
    }
    return true;
  }
  // True if every key below `ref` comes before `key`, as their common prefix does.
  bool all_before(Ref ref, const EntryKey& key) const;

  Ref root_ = kNone;
  std::vector<EntryKey> leaves_;
  std::vector<Inner> inners_;
  std::vector<Ref> free_leaves_, free_inners_;
};

}  // namespace weft::state
