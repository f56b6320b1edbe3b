// The values that this node holds for the mesh: one slot a (key, author), in memory, bounded.
//
// It keeps what it is given; form and signature were checked before (signed_value.h). Holders count
// a value's lifetime down: `expires` is when it reaches zero here. Quotas: values_bytes_max in all
// (each value costs its bytes and kHeldOverheadBytes), values_per_author_max, and
// authors_per_key_max: who fills a slot under a key first keeps it, others are refused. When the
// bytes run out, a value whose key is nearer to the own id displaces the one that is farthest;
// others are refused, so a flood under far keys cannot displace what this node is responsible for.
// After the limit was lowered the store shrinks with what comes, kEvictionsPerInsert at a time.
#pragma once

#include <map>
#include <set>

#include "crypto/time.h"
#include "dht/signed_value.h"

namespace weft::dht {

// What a held value costs besides its blob: tree nodes and bookkeeping.
inline constexpr std::size_t kHeldOverheadBytes = 512;
// Values that give way to one.
inline constexpr std::size_t kEvictionsPerInsert = 8;

struct Slot {
  NodeId key;
  NodeId author;
  auto operator<=>(const Slot&) const = default;
};

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

class ValueStore {
 public:
  struct Limits {
    std::size_t bytes_max = 16 << 20;
    std::size_t per_author_max = 2048;
    std::size_t per_key_max = kAuthorsPerKeyMax;
  };
  ValueStore(const NodeId& self, const Limits& limits);

  // The value in a slot, or nullptr; valid until the next change.
  const Held* find(const Slot& slot) const;
  Verdict judge(const Slot& slot, std::uint64_t seq, ByteView blob) const;
  // False if the author's or the key's quota is used up, or the bytes are and no farther key could give way.
  // insert() may still refuse when several values would have to go.
  bool has_room(const Slot& slot, std::size_t blob_bytes) const;
  // Fills or replaces a slot. Returns the slots that had to go, or nullopt (nothing changed) if
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
  // The same for the values of all keys from `first` to `last`, with their slots.
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
  // The first slot after `slot` (or the first at all), to walk through everything in pieces.
  std::optional<Slot> next_after(const std::optional<Slot>& slot) const;

  std::optional<Instant> next_expiry() const;
  // Takes out at most `max` values whose time has come; returns their slots.
  std::vector<Slot> take_expired(Now now, std::size_t max);
  std::optional<Instant> next_republish() const;
  // A slot whose republish time has come.
  std::optional<Slot> due_republish(Now now) const;

  std::size_t size() const { return held_.size(); }
  std::size_t bytes() const { return bytes_; }
  std::size_t bytes_max() const { return limits_.bytes_max; }
  // Nothing held goes at once.
  void set_bytes_max(std::size_t bytes_max) { limits_.bytes_max = bytes_max; }

 private:
  using Map = std::map<Slot, Held>;
  static std::size_t cost(std::size_t blob_bytes) { return blob_bytes + kHeldOverheadBytes; }
  const Slot* farthest() const;
  void add(const Slot& slot, Held held);
  std::pair<Slot, Held> take(Map::iterator it);
  void erase(Map::iterator it);

  NodeId self_;
  Limits limits_;
  Map held_;
  std::set<std::pair<Instant, Slot>> by_expiry_;
  std::set<std::pair<Instant, Slot>> by_republish_;
  std::map<NodeId, std::size_t> per_author_;
  std::map<NodeId, std::size_t> per_key_;
  std::size_t bytes_ = 0;
};

}  // namespace weft::dht
