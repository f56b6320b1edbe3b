// The values that this node holds for the mesh: one slot a (key, author), bounded.
//
// It keeps what it is given; form and signature were checked before (signed_value.h). Holders count
// a value's lifetime down: `expires` is when it reaches zero here. Quotas: values_bytes_max in all
// (each value costs its bytes and kHeldOverheadBytes), values_per_author_max, and
// authors_per_key_max: who fills a slot under a key first keeps it, others are refused. When the
// bytes run out, a value whose key is nearer to the own id displaces the one that is farthest;
// others are refused, so a flood under far keys cannot displace what this node is responsible for.
// After the limit was lowered the store shrinks with what comes, kEvictionsPerInsert at a time.
//
// Beyond memory. Up to memory_max bytes everything is here. With more, or after page(), the store is paged: all
// values are in the durable store, and here is a cache of whole keys. Of a key that is known, everything is here (it
// may be nothing); of one that is not, nothing. It becomes so in pieces, as fast as it is called (page_more()), and is
// as before until the last of them. Rules of a paged store:
// - Only known keys are changed, so what is here is never older than what the durable store has.
// - A key that was changed stays known until its write has ended and so have all loads asked for before that
//   (`settled` of trim()): an older answer could bring back what was. The caller ignores what a load says
//   about known keys.
// - Counts of authors are those of a load, kept current; they are forgotten kAuthorsKnownMax at a time. With many
//   stores under way a quota may be overrun by as many.
// - Giving way needs the farthest values; they are told by farthest_are() and stay known as long as they are needed.
#pragma once

#include <map>
#include <set>

#include "crypto/time.h"
#include "dht/known_keys.h"
#include "dht/loads.h"
#include "dht/recency.h"
#include "dht/signed_value.h"
#include "dht/slot.h"

namespace weft::dht {

// What a held value costs besides its blob: tree nodes and bookkeeping, or indexes on the disk.
inline constexpr std::size_t kHeldOverheadBytes = 512;
// What a known key costs, and so one under which there is nothing.
inline constexpr std::size_t kKnownBytes = 256;
// Values that give way to one.
inline constexpr std::size_t kEvictionsPerInsert = 8;
inline constexpr std::size_t kAuthorsKnownMax = 4096;
// Keys looked at in one trim(): it frees more than calls bring, over time.
inline constexpr std::size_t kTrimmedPerCall = 64;
// Values looked at in one page_more().
inline constexpr std::size_t kPagedPerCall = 64;

struct Held {
  Bytes blob;
  std::uint64_t seq = 0;
  Instant expires;
  Instant republish;  // when this holder sees to the copies, unless another did before
};

// What storing a blob where something is held would mean.
enum class Verdict : std::uint8_t {
  kNewer,  // it would replace what is held, or fill the slot
  kSame,   // exactly this is held
  kOlder,  // something is held that supersedes it
};

// Whether there is room for a value. Of a paged store it may not be known yet.
enum class Room : std::uint8_t {
  kYes,
  kNo,
  kAskAuthor,    // how many values of this author are there?
  kAskFarthest,  // which are farthest?
};

class ValueStore {
 public:
  struct Limits {
    std::size_t bytes_max = 16 << 20;
    std::size_t per_author_max = 2048;
    std::size_t per_key_max = kAuthorsPerKeyMax;
    std::size_t memory_max = 0;  // 0: everything is in memory, always
    Duration republish_every = 1h;
  };
  ValueStore(const NodeId& self, const Limits& limits);

  // The value in a slot, or nullptr; valid until the next change.
  const Held* find(const Slot& slot) const;
  Verdict judge(const Slot& slot, std::uint64_t seq, ByteView blob) const;
  // No if the author's or the key's quota is used up, or the bytes are and no farther key could give way.
  // insert() may still refuse when several values would have to go. The key is known.
  Room room_for(const Slot& slot, std::size_t blob_bytes) const;
  bool has_room(const Slot& slot, std::size_t blob_bytes) const {
    return room_for(slot, blob_bytes) == Room::kYes;
  }
  // Fills or replaces a slot of a known key. Returns the slots that had to go, or nullopt (nothing changed) if
  // there is no room.
  std::optional<std::vector<Slot>> insert(const Slot& slot, Held held);
  void erase(const Slot& slot);
  void set_republish(const Slot& slot, Instant at);
  void set_expiry(const Slot& slot, Instant at);

  // Calls visit(const NodeId& author, const Held&) for the values under `key` in the order of
  // authors, beginning after `after` unless it is null, until it returns false. Allocates nothing.
  template <class Visit>
  void visit_key(const NodeId& key, const NodeId* after, Visit visit) const {
    auto it = after != nullptr ? held_.upper_bound({key, *after}) : held_.lower_bound({key, NodeId{}});
    for (; it != held_.end() && it->first.key == key; ++it) {
      if (!visit(it->first.author, it->second)) return;
    }
  }
  // The same for the values in memory of all keys from `first` to `last`, with their slots.
  template <class Visit>
  void visit_range(const NodeId& first, const NodeId& last, Visit visit) const {
    for (auto it = held_.lower_bound({first, NodeId{}}); it != held_.end() && it->first.key <= last;
         ++it) {
      if (!visit(it->first, it->second)) return;
    }
  }
  // `slot` and the slots next to it in the order of keys that are due by `until`: at most `max`, found among
  // the 2 * max nearest in that order.
  std::vector<Slot> due_near(const Slot& slot, Instant until, std::size_t max) const;
  // Calls visit(slot, held) for what is in memory after `slot` (or all) until it returns false, to walk through
  // everything in pieces.
  template <class Visit>
  void visit_after(const std::optional<Slot>& slot, Visit visit) const {
    for (auto it = slot ? held_.upper_bound(*slot) : held_.begin(); it != held_.end(); ++it) {
      if (!visit(it->first, it->second)) return;
    }
  }

  // When the first value ends; of a paged store, as far as is known: then ended values are asked for.
  std::optional<Instant> next_expiry() const;
  // Takes out at most `max` values whose time has come; returns their slots. None of a paged store.
  std::vector<Slot> take_expired(Now now, std::size_t max);
  // Of those in memory.
  std::optional<Instant> next_republish() const;
  // A slot whose republish time has come.
  std::optional<Slot> due_republish(Now now) const;

  std::size_t size() const { return totals_.values; }
  // As quotas count them.
  std::size_t bytes() const { return totals_.bytes + totals_.values * kHeldOverheadBytes; }
  std::size_t bytes_max() const { return limits_.bytes_max; }
  std::size_t memory_bytes() const { return memory_; }
  // Nothing held goes at once.
  void set_bytes_max(std::size_t bytes_max) { limits_.bytes_max = bytes_max; }

  // ---- beyond memory
  bool paged() const { return paged_; }
  // Before anything was inserted: the durable store has this much, and nothing of it is here.
  void page(const HeldTotals& on_disk, const ByteArray<16>& table_key);
  // Everything is here and is, or was lately, more than memory_max: it is to be paged.
  bool outgrown() const {
    return !paged_ && limits_.memory_max > 0 && (recency_.has_value() || memory_ > limits_.memory_max);
  }
  bool paging() const { return !paged_ && recency_.has_value(); }
  // Of one that is outgrown: begins, or does a further piece. Writes up to `ticket` may be under way. True: only
  // become_paged() is left.
  void begin_paging(const ByteArray<16>& table_key);
  bool page_more(std::uint64_t ticket);
  // From now on what is here may be forgotten. No erasure is under way; the other writes up to `ticket` may add
  // something under keys of `coming`.
  void become_paged(std::uint64_t ticket, std::span<const NodeId> coming);
  // Everything under this key is here. It is kept for longer than those asked about before.
  bool knows(const NodeId& key);
  // All that there is under a key that was not known, as the durable store has it; `republish` of each is
  // set here, to when was last noted, or to never.
  void fill(Now now, const NodeId& key, std::vector<std::pair<NodeId, Held>> values);
  // The turn of a value in memory has come: it is due now if it would be by `until`, or if nothing was noted.
  void its_turn(Now now, const Slot& slot, Instant until);
  // It is known how many values of this author there are.
  bool counts_author(const NodeId& author) const { return !paged_ || per_author_.contains(author); }
  void author_has(const NodeId& author, std::size_t values);
  // Those of the answer to LoadFarthest, whose keys are known: no value elsewhere is farther.
  void farthest_are(std::vector<Slot> slots);
  // A write of this ticket changes what is under a known key.
  void note_change(const NodeId& key, std::uint64_t ticket);
  // A value that is not in memory has ended and is erased from the durable store.
  void forget_ended(const Slot& slot, std::size_t blob_bytes);
  void next_end_is(std::optional<Instant> at) { next_end_ = at; }
  // Forgets keys until what is in memory fits memory_max, the longest not asked about first. Writes below
  // `oldest_write` and loads below `oldest_load` have ended; `now_at` is above all that were begun.
  struct Settled {
    std::uint64_t oldest_write;
    std::uint64_t oldest_load;
    std::uint64_t now_at;
  };
  void trim(const Settled& settled);  // no-op unless paged

 private:
  using Turns = std::set<std::pair<Instant, Slot>>;
  struct Kept : Held {
    Turns::iterator turn;  // in by_republish_
  };
  using Map = std::map<Slot, Kept>;
  static std::size_t cost(std::size_t blob_bytes) { return blob_bytes + kHeldOverheadBytes; }
  const Slot* farthest() const;
  std::size_t authors_under(const NodeId& key) const;  // in memory
  // Another author's value lies under the same key.
  bool has_neighbour(Map::iterator it) const;
  void add(const Slot& slot, Held held);
  void put_in_memory(const Slot& slot, Held held);
  void take_from_memory(Map::iterator it);
  void put_turn(Map::iterator it, Instant at);
  std::pair<Slot, Held> take(Map::iterator it);
  void erase(Map::iterator it);
  void make_tables(const ByteArray<16>& table_key);
  KnownKeys::Entry& know(const NodeId& key);
  void keep(const NodeId& key);
  void forget_oldest();
  // Of two that may have to give way, as farthest() chooses.
  bool goes_after(const Slot& a, const Slot& b) const;
  void among_farthest(const Slot& slot);
  void drop_farthest();

  NodeId self_;
  Limits limits_;
  Map held_;
  HeldTotals totals_;
  std::size_t memory_ = 0;  // of values and known keys in memory
  Turns by_expiry_;  // empty if paged
  Turns by_republish_;
  std::map<NodeId, std::size_t> crowded_;     // values in memory under keys that have several: most have one
  std::map<NodeId, std::size_t> per_author_;  // if paged, of those that were asked for

  // If paged.
  bool paged_ = false;
  std::optional<KnownKeys> known_;  // these two from the first piece on
  std::optional<Recency> recency_;
  std::optional<Slot> paged_up_to_;  // by page_more()
  std::uint64_t paging_ticket_ = 0;  // given to it last
  Turns old_expiry_;  // taken apart by trim()
  std::vector<Slot> farthest_;  // what goes last first
  std::optional<Instant> next_end_;
};

}  // namespace weft::dht
