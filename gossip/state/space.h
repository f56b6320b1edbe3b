// One namespace at one node: the set of its entries, the tree over it by which nodes compare, and the documents that follow.
//
// An entry of this node's own is in the documents from the moment it is signed (the next one must see it), but in the tree, which is
// what others are shown, only when it is durable. Entries of others are in both at once.
//
// What its author has discarded (checkpoint.h) is dropped, or not taken, unless it voids another entry that is here and not
// discarded. So what the set is in the end does not depend on the order in which things came.
//
// In an owned namespace only what is admitted (rights.h) is in the set. When a Grant or a Revoke comes, its receiver's entries are judged
// anew, and what is not admitted any more goes as if it had never been there.
//
// An author has at most so many entries as a Grant of its says, and kAuthorEntriesMax in any case. Of more, those stay first that it has not
// discarded, by the lowest (stamp, id), then the others: so what counts never depends on what does not, and which they are depends on
// the entries and not on their order. Checkpoints are reckoned apart: the highest kCheckpointsKept of an author stay.
//
// Two entries of one author at one place are a fork: both stay, and take_forks() tells of them. Of the proofs against one author the one of
// the lowest id stays; in an open namespace only if that author has another entry in the set (fork.h).
//
// Arrivals: each entry that joins the set gets the next number here, so a reader who remembers one can ask for what came
// after. It says nothing to another node. A crash may take entries of others that were told of already and not yet on the disk: so that
// their numbers are not given to other entries, the next life begins higher, by kArrivalJump and by luck: of a life of which nothing reached the disk
// the next one does not know where it began. So does a namespace that is new here: it may have been here before.
//
// The caller has verified signatures and rights, and bounds how much is put in. One thread.
#pragma once

#include <map>
#include <set>
#include <utility>

#include "gossip/state/checkpoint.h"
#include "gossip/state/documents.h"
#include "gossip/state/entry_tree.h"
#include "gossip/state/fork.h"
#include "gossip/state/rights.h"

namespace weft::state {

inline constexpr std::uint64_t kArrivalJump = 1 << 20;
inline constexpr std::size_t kAuthorEntriesMax = 1 << 17;
inline constexpr std::size_t kCheckpointsKept = 2 * kCheckpointsCounted;  // of an author
inline constexpr std::size_t kForksToldMax = 64;  // authors that wait for take_forks()
inline constexpr std::size_t kEntryMemory = 600;  // bytes that an entry takes beside its own, as reckoned: what finds it, and its place in the tree
inline constexpr std::size_t kNameMemory = 100;   // and for each that it names
inline constexpr std::size_t kDecodeWork = 4;     // as much as looking at so many
inline constexpr std::uint64_t kArrivalLuck = std::uint64_t{1} << 32;  // a million restarts stay below 2^53

class Space {
 public:
  explicit Space(Genesis genesis) : genesis_(std::move(genesis)), rights_(genesis_) {}

  const Genesis& genesis() const { return genesis_; }
  const EntryTree& tree() const { return tree_; }
  const Documents& documents() const { return documents_; }
  // See Documents.
  void watch(const PublicKey& author) { documents_.watch(author); }
  void forget_lost() { documents_.forget_lost(); }
  std::size_t bytes() const { return bytes_; }
  // What the entries take in memory, in bytes, as reckoned from above.
  std::size_t memory() const { return bytes_ + entries_.size() * kEntryMemory + names_ * kNameMemory; }
  // How much was looked through since the last call, in entries.
  std::size_t take_work() { return std::exchange(work_, 0); }
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
      const auto& [id, held] = *it->second;
      if (!held.settled || !visit(it->first, id, ByteView(held.wire))) return;
    }
  }

  // Whether it may be in the set, by what is here now.
  Rights::Verdict judge(const Entry& entry) const { return rights_.judge(entry); }
  const Rights& rights() const { return rights_; }

  enum class Inserted : std::uint8_t { kNew, kKnown, kDiscarded };
  // An unsettled entry waits for settle() or withdraw(). It must be admitted.
  Inserted insert(const Entry& entry, ByteView wire, bool settled);
  // Those of an earlier life, in any order and with their arrivals; restored() when all are back. False if it was there.
  bool restore(const Entry& entry, ByteView wire, std::uint64_t arrival);
  // `luck`: any number, another one in each life.
  void restored(std::uint64_t luck = 0);
  // All but kHere: it is gone. It is not admitted any more, or its author has enough that goes before it.
  enum class Settled : std::uint8_t { kHere, kNotAdmitted, kTooMany };
  Settled settle(const EntryId& id);
  // Takes unsettled entries of one author away again.
  void withdraw(std::span<const EntryId> ids);

  // Whether its author has discarded it and nothing here needs it, or its author has enough entries that go before it, or it is a proof and
  // there is one, or nothing here is the accused's.
  bool unwanted(const Entry& entry) const;
  // What was dropped since the last call.
  std::vector<EntryId> take_dropped() { return std::exchange(dropped_, {}); }
  // What this author's settled entries amount to, by (epoch, seq): whether each still counts for a value here.
  struct Own {
    std::uint64_t epoch = 0;
    std::uint64_t seq = 0;
    bool counts = false;
    bool checkpoint = false;
    bool discarded = false;
  };
  std::vector<Own> own(const PublicKey& author) const;
  // The same, as if what is not settled yet were not here: it may be withdrawn.
  std::vector<Own> own_settled(const PublicKey& author);
  const Checkpoints& checkpoints() const { return checkpoints_; }
  // Epochs of this author that a checkpoint of its has not closed: each that has an entry above the newest one, and that one's own.
  std::set<std::uint64_t> open_epochs(const PublicKey& author) const;
  // The key of a node that has written here, in an owned namespace.
  std::optional<PublicKey> author_of(const NodeId& id) const {
    const auto at = authors_.find(id);
    return at == authors_.end() ? std::nullopt : std::optional(at->second);
  }
  // The places at which this author has an entry here.
  std::vector<Run> frontier(const NodeId& author) const;
  // Settled entries of an author, checkpoints and what comes first (entry.h) aside, and the most that it may have.
  std::size_t entries_of(const PublicKey& author) const;
  std::size_t entries_max(const PublicKey& author) const;

  // Pairs of entries, as they were signed, that share a place and were not here together before the last call; only of authors
  // against whom there is no proof.
  struct Forked {
    Bytes first, second;
  };
  std::map<PublicKey, Forked> take_forks() { return std::exchange(forks_, {}); }
  // Who is proven to have forked, and the entry that proves it.
  const std::map<PublicKey, EntryId>& proofs() const { return proofs_; }
  // Of them those that are new since the last call; at most kForksToldMax.
  std::vector<PublicKey> take_proven() { return std::exchange(proven_, {}); }
  // What a restored entry lacks is its Grant: it is not in the set, and its row is still there. Since the last call.
  std::vector<Bytes> take_set_aside() { return std::exchange(set_aside_, {}); }
  // How many entries of whom were taken away because they are not admitted any more, since the last call.
  std::map<PublicKey, std::size_t> take_cut_off() { return std::exchange(cut_off_, {}); }
  // How many entries of whom, that were not discarded, were taken away because others of theirs came that go before them.
  std::map<PublicKey, std::size_t> take_crowded_out() { return std::exchange(crowded_out_, {}); }

  // The newest entry of an author here, by stamp, or none.
  struct Head {
    EntryId id;
    std::uint64_t stamp = 0;
    std::size_t settled = 0;  // entries of this author's, without checkpoints and those that come first (entry.h)
  };
  std::optional<Head> head(const PublicKey& author) const;
  std::size_t authors() const { return heads_.size(); }

 private:
  using Rank = std::pair<std::uint64_t, EntryId>;
  // What stays last of an author that has too much: what it has discarded, then the highest.
  struct Place {
    bool discarded = false;
    Rank rank;
    auto operator<=>(const Place&) const = default;
  };

  using Entries = std::map<EntryId, Held>;

  Held& put(const Entry& entry, ByteView wire, std::uint64_t arrival);
  void into_tree(const Entry& entry);
  Place place_of(const EntryId& id) const;
  static bool counted(Kind kind) { return kind != Kind::kCheckpoint && !comes_first(kind); }
  void mark_discarded(const EntryId& id, bool discarded);
  bool discards(const Entry& entry) const { return !comes_first(entry.content.kind) && checkpoints_.discards(entry); }
  Entry decode(const EntryId& id) const;
  void find_forks(const Entry& entry);
  PublicKey accused_by(const Entry& proof) const;
  bool may_be_proven(const PublicKey& accused) const;
  void take_proof(const Entry& entry);
  Head& note_head(const PublicKey& author, std::uint64_t stamp, const EntryId& id);
  // Keys of an author's settled entries, ascending; without those that come first, and of these places only.
  std::vector<EntryKey> keys_of(const PublicKey& author, Revocation::Place first = {0, 0},
                                Revocation::Place last = {UINT64_MAX, kSeqMax}) const;
  std::vector<EntryKey> first_keys() const;
  // Sections of authors in which something may be discarded, or not, that was not so before.
  using Changed = std::map<PublicKey, std::vector<Section>>;
  // Looks at them, and drops of that and of the candidates what is discarded and not needed.
  void drop_unneeded(Changed changed, std::set<EntryId> candidates);
  void look_at(const PublicKey& author, const Section& section, std::set<EntryId>& candidates);
  // Judges an author's entries anew.
  // `restoring`: what only lacks its Grant is set aside.
  void enforce(const PublicKey& author, bool restoring = false) { enforce(author, keys_of(author), restoring); }
  void enforce(const PublicKey& author, std::span<const EntryKey> keys, bool restoring);
  bool judge_anew(const Entry& entry);
  // Takes what is too much away; that `coming`, which is just being put in, goes at once is not counted.
  void trim(const PublicKey& author, const EntryId& coming);
  // The author's settled entries in the order of Place, kept for those who have all that they may.
  std::set<Place>& places(const PublicKey& author) const;
  // All but the tree's part; the entry's views point into `wire`.
  Entry take_out(const EntryId& id, Bytes& wire);
  // Adds to `changed` if it was a checkpoint.
  void drop(const EntryId& id, Changed& changed);
  // True if it is discarded and needed by nothing.
  bool droppable(const EntryId& id);

  Genesis genesis_;
  Rights rights_;
  EntryTree tree_;
  Documents documents_;
  Entries entries_;
  std::map<std::uint64_t, const Entries::value_type*> arrivals_;
  std::set<EntryId> unsettled_;
  std::map<PublicKey, Head> heads_;
  std::map<NodeId, PublicKey> authors_;  // of an owned namespace; who has only proven something is none
  mutable std::map<PublicKey, std::set<Place>> places_;
  std::size_t bytes_ = 0;
  std::size_t names_ = 0;  // that the entries name
  std::size_t work_ = 0;
  std::uint64_t last_arrival_ = 0;
  std::optional<std::uint64_t> last_restored_;  // of the life before, if this one began with it
  std::uint64_t life_begin_ = 0;                // and where the numbers of this one begin
  Checkpoints checkpoints_;
  std::vector<EntryId> dropped_;
  std::map<PublicKey, std::size_t> cut_off_;
  std::map<PublicKey, std::size_t> crowded_out_;
  std::map<PublicKey, Forked> forks_;
  std::vector<PublicKey> proven_;
  std::vector<Bytes> set_aside_;
  std::map<PublicKey, EntryId> proofs_;
};

}  // namespace weft::state
