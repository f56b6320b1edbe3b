// The fold: what a set of entries of one namespace means.
//
// Every value is a pure function of the set of entries put in, for any order, duplication and grouping (strong eventual
// consistency: Shapiro et al. 2011). Rules decide that look at no clock:
//
// - Overwriting by observation. An entry is void if another one that is in the set names it in `saw` and may: a Set voids
//   Sets of its path; an Add or a Remove voids Adds of its element at its path; a Count voids Counts of its own author at its
//   path; a Clear voids anything at its path and below. Whoever has seen a value can replace it, whatever stamp it has; whoever
//   has not cannot: an Add or a Set that is concurrent with a Remove or a Clear stays (add wins, update wins).
// - In an owned namespace (rights.h) an entry whose author may not overwrite others voids only its own author's.
// - An author's own order. Of one author and epoch the entry with the highest seq counts: of its Sets of a path, of its
//   Counts of a path, of its Adds of an element. So one that overwrites itself need not name what it overwrites.
//
// What is left:
//   register   the undominated Sets. More than one were written concurrently; stamps, then authors, then ids order them, so that
//              "the last writer" is a way of reading a register and never loses the others
//   counter    the sum of the undominated Counts: each is all that its author counted in that epoch. A Clear that is concurrent with an
//              author's next Count leaves that author's whole count (update wins)
//   set        the elements of the undominated Adds
//   map        the paths below a path at which anything is undominated
//
// A register, a counter and a set at one path are three documents that share a name.
//
// What its author has discarded (checkpoint.h) counts for nothing, whatever it is, and still voids what it names.
//
// An author that forks, or signs the same place in its history twice, has both entries in the set: both are undominated, or one names
// the other. That it did is found elsewhere; here it costs nothing but its own words.
//
// Costs: logarithmic in the entries for an insertion (times what the entry saw, and those that named it before it came), linear in the
// entries at its path for a reading. Memory: some 210 bytes an entry and 80 for each that it names; paths and bodies stay where the caller
// has them. Bounds are those of the caller, which decides what is inserted. The caller has verified signatures and rights. One thread.
#pragma once

#include <compare>
#include <map>
#include <set>
#include <span>
#include <string>

#include "gossip/state/entry.h"

namespace weft::state {

// One value of a register, with who wrote it and when by its own clock.
struct Written {
  EntryId id;
  PublicKey author;
  std::uint64_t stamp = 0;
  Bytes value;
  bool operator==(const Written&) const = default;
};

class Documents {
 public:
  // What is known of an entry here.
  struct Item {
    PublicKey author;
    std::uint64_t epoch = 0;
    std::uint64_t seq = 0;
    std::uint64_t stamp = 0;
    ByteView path;
    ByteView body;
    std::uint32_t voiders = 0;  // entries here that name it and may void it
    Kind kind = Kind::kSet;
    bool discarded = false;
    bool kept = false;
    bool over_others = true;
  };

  Documents() = default;
  Documents(Documents&&) = default;
  Documents& operator=(Documents&&) = default;

  // True if the entry was not there before. The bytes of its path and body must stay where they are for as long as it is here; the rest of
  // it need not outlive the call. `over_others`: it may void what others wrote.
  bool insert(const Entry& entry, bool over_others = true);
  // Takes an entry away again, as if it had never been inserted. It must be there.
  void erase(const Entry& entry);
  // Marks an entry as discarded, or not; true if that is a change. It must be there.
  bool set_discarded(const EntryId& id, bool discarded);
  const Item& at(const EntryId& id) const { return items_.at(id); }  // it must be there
  bool discarded(const EntryId& id) const { return items_.at(id).discarded; }
  // Whether an entry names one that is here, not discarded, and that it may void.
  bool holds_down(const Entry& entry, bool over_others) const;
  bool over_others(const EntryId& id) const { return items_.at(id).over_others; }
  // True if that is a change. It must be there.
  bool set_over_others(const Entry& entry, bool over_others);
  bool is_named(const EntryId& id) const;
  // A discarded entry that stays, as it holds something down: from now on visit_keepers finds it by what it names.
  void keep(const Entry& entry);
  // Calls visit(id) for those kept that name `id` and are discarded still; returns how many it looked at. What it calls changes nothing here.
  template <class Visit>
  std::size_t visit_keepers(const EntryId& id, Visit visit) const {
    std::size_t looked_at = 0;
    for (auto it = keepers_.lower_bound({id, EntryId{}}); it != keepers_.end() && it->first == id; ++it, ++looked_at) {
      if (items_.at(it->second).discarded) visit(it->second);
    }
    return looked_at;
  }
  const PublicKey& author(const EntryId& id) const { return items_.at(id).author; }
  Kind kind(const EntryId& id) const { return items_.at(id).kind; }
  std::uint64_t stamp(const EntryId& id) const { return items_.at(id).stamp; }
  // Whether it still counts for a value here.
  bool counts(const Item& item) const;
  // Of this author it is reckoned how many entries have ceased to count, or came without counting, since forget_lost(): at least so many as
  // really did, and more where what they gave way to is gone again.
  void watch(const PublicKey& author) { watched_ = author; }
  std::size_t lost() const { return lost_; }
  void forget_lost() { lost_ = 0; }
  bool contains(const EntryId& id) const { return items_.contains(id); }
  std::size_t size() const { return items_.size(); }

  // The values of the register at `path`, at most `max`; the last writer's first. Empty: nothing was set, or all was cleared.
  std::vector<Written> read_register(ByteView path, std::size_t max = SIZE_MAX) const;
  // The sum of all counts at `path`, kept within -(2^63 - 1) to 2^63 - 1.
  std::int64_t counter(ByteView path) const;
  // The elements of the set at `path`, ascending.
  std::vector<Bytes> elements(ByteView path) const;
  // The first `max` of them, after `after` if that is given: no more than these are ever copied.
  std::vector<Bytes> elements(ByteView path, std::size_t max, const std::optional<Bytes>& after) const;
  // Which documents there are at `path`.
  struct Kinds {
    bool has_register = false;
    bool has_counter = false;
    bool has_set = false;
    bool operator==(const Kinds&) const = default;
  };
  Kinds kinds(ByteView path) const;
  // The paths at and below `path` (all, if it is empty) at which anything is left, ascending: at most `max`, after `after` if that
  // is given.
  std::vector<std::string> paths(ByteView path, std::size_t max, const std::optional<std::string>& after = {}) const;

  // What a new entry of this kind at this path has to name to overwrite all that is here: ids ascending, at most kSawMax, the
  // author's own of this epoch left out as far as its seq says it. `element`: of a set. `more`: there was more than fits.
  struct Seen {
    std::vector<EntryId> saw;
    bool more = false;
    bool others = false;  // there is something of others that it may not name
  };
  Seen seen(Kind kind, ByteView path, ByteView element, const PublicKey& author, std::uint64_t epoch, bool over_others = true) const;
  // Whether something of this author's is left at this path: a value of a register, or an addition of this element to a set.
  bool has_own(Kind kind, ByteView path, ByteView element, const PublicKey& author) const;
  // What this author has counted at this path in this epoch, and would count on from.
  Counted counted_by(ByteView path, const PublicKey& author, std::uint64_t epoch) const;

 private:
  using Items = std::map<EntryId, Item>;
  using Ref = const Items::value_type*;
  using Name = std::pair<EntryId, EntryId>;  // what is named, here or not yet, and who names it
  // By path, kind, element (of a set), author and epoch: those alike are a series, of which the highest seq counts; then by seq and id.
  struct SeriesOrder {
    using is_transparent = void;
    bool operator()(Ref a, Ref b) const;
    // The first of a path, and what comes after all of one series up to a seq.
    bool operator()(Ref a, ByteView path) const;
    bool operator()(const Item& a, Ref b) const;
  };

  static Item item_of(const Entry& entry, bool over_others);
  static std::strong_ordering compare_series(const Item& a, const Item& b);
  // Whether `by` may void `item`, which it names.
  static bool may_void(const Item& by, const Item& item);
  bool left(const Item& item) const;
  void add_voider(Item& item);
  // Calls visit(Ref) for what is at a path, of any kind, until it returns false.
  template <class Visit>
  void visit_path(ByteView path, Visit visit) const;
  // Calls visit(Ref) for what is left of a kind at a path.
  template <class Visit>
  void visit(ByteView path, Kind kind, Visit visit) const;

  Items items_;
  std::set<Ref, SeriesOrder> order_;  // Sets, Counts and Adds
  std::set<Name> names_;
  std::set<Name> keepers_;  // of them those of entries that are kept
  std::optional<PublicKey> watched_;
  std::size_t lost_ = 0;
};

}  // namespace weft::state
