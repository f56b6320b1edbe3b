// One namespace at one node: the set of its entries, the tree over it by which nodes compare, and the documents that follow.
//
// An entry of this node's own is in the documents from the moment it is signed (the next one must see it), but in the tree, which is
// what others are shown, only when it is durable. Entries of others are in both at once.
//
// What its author has discarded (checkpoint.h) is dropped, or not taken, unless it voids another entry that is here and not
// discarded. So what the set is in the end does not depend on the order in which things came.
//
// Arrivals: each entry that joins the set gets the next number here, so a reader who remembers one can ask for what came
// after. It says nothing to another node. A crash may take entries of others that were told of already and not yet on the disk: so that
// their numbers are not given to other entries, the next life begins higher, by kArrivalJump and by luck: of a life of which nothing reached the disk
// the next one does not know where it began.
//
// The caller has verified signatures and rights, and bounds how much is put in. One thread.
#pragma once

#include <map>
#include <utility>

#include "gossip/state/checkpoint.h"
#include "gossip/state/documents.h"
#include "gossip/state/entry_tree.h"
#include "gossip/state/genesis.h"

namespace weft::state {

inline constexpr std::uint64_t kArrivalJump = 1 << 20;
inline constexpr std::uint64_t kArrivalLuck = std::uint64_t{1} << 32;  // a million restarts stay below 2^53

class Space {
 public:
  explicit Space(Genesis genesis) : genesis_(std::move(genesis)) {}

  const Genesis& genesis() const { return genesis_; }
  const EntryTree& tree() const { return tree_; }
  const Documents& documents() const { return documents_; }
  std::size_t bytes() const { return bytes_; }
  std::uint64_t last_arrival() const { return last_arrival_; }
  // Whether a reader can have this number from here and has missed nothing: false of what is not given yet, and of what a former life gave
  // and lost.
  bool knows_arrival(std::uint64_t arrival) const {
    if (arrival > last_arrival_) return false;
    return !last_restored_ || arrival <= *last_restored_ || arrival >= life_begin_;
  }

  struct Held {
    Bytes wire;
    std::uint64_t arrival = 0;
    bool settled = false;  // in the tree
  };
  // nullptr: not here.
  const Held* find(const EntryId& id) const;
  bool holds(const EntryId& id) const { return entries_.contains(id); }
  // Calls visit(arrival, id, wire) by arrival, after `after`, until it returns false or an entry is not settled yet.
  template <class Visit>
  void visit_arrivals(std::uint64_t after, Visit visit) const {
    for (auto it = arrivals_.upper_bound(after); it != arrivals_.end(); ++it) {
      const Held& held = entries_.at(it->second);
      if (!held.settled || !visit(it->first, it->second, ByteView(held.wire))) return;
    }
  }

  enum class Inserted : std::uint8_t { kNew, kKnown, kDiscarded };
  // An unsettled entry waits for settle() or withdraw().
  Inserted insert(const Entry& entry, ByteView wire, bool settled);
  // Those of an earlier life, in any order and with their arrivals; restored() when all are back. False if it was there.
  bool restore(const Entry& entry, ByteView wire, std::uint64_t arrival);
  // `luck`: any number, another one in each life.
  void restored(std::uint64_t luck = 0);
  void settle(const EntryId& id);
  // Takes unsettled entries of one author away again.
  void withdraw(std::span<const EntryId> ids);

  // Whether its author has discarded it and nothing here needs it.
  bool unwanted(const Entry& entry) const;
  // What was dropped since the last call.
  std::vector<EntryId> take_dropped() { return std::exchange(dropped_, {}); }
  // What this author's entries amount to, by (epoch, seq): whether each still counts for a value here.
  struct Own {
    std::uint64_t epoch = 0;
    std::uint64_t seq = 0;
    bool counts = false;
    bool checkpoint = false;
    bool discarded = false;
  };
  std::vector<Own> own(const PublicKey& author) const;
  const Checkpoints& checkpoints() const { return checkpoints_; }

  // The newest entry of an author here, by stamp, or none.
  struct Head {
    EntryId id;
    std::uint64_t stamp = 0;
  };
  std::optional<Head> head(const PublicKey& author) const;
  std::size_t authors() const { return heads_.size(); }

 private:
  void put(const Entry& entry, ByteView wire, std::uint64_t arrival);
  void into_tree(const Entry& entry);
  // Keys of an author's settled entries, ascending.
  std::vector<EntryKey> keys_of(const PublicKey& author) const;
  void sweep(const PublicKey& author);
  // True if it was a checkpoint.
  bool drop(const EntryId& id);
  bool droppable(const EntryId& id) const;

  Genesis genesis_;
  EntryTree tree_;
  Documents documents_;
  std::map<EntryId, Held> entries_;
  std::map<std::uint64_t, EntryId> arrivals_;
  std::map<PublicKey, Head> heads_;
  std::size_t bytes_ = 0;
  std::uint64_t last_arrival_ = 0;
  std::optional<std::uint64_t> last_restored_;  // of the life before, if this one began with it
  std::uint64_t life_begin_ = 0;                // and where the numbers of this one begin
  Checkpoints checkpoints_;
  std::vector<EntryId> dropped_;
};

}  // namespace weft::state
