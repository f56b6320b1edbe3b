// What this node itself has published: its numbers, and when each value is published again.
//
// A number is taken when a put signs it (take), before it is durable, so that two puts under one
// key at the same time get different numbers; it becomes the current value when it is durable
// (commit). A number once taken is never used again in this life, whatever became of it.
//
// All in memory: about 620 bytes a value of 256 bytes. Nothing here walks through all of them but `all`.
#pragma once

#include <map>
#include <set>
#include <vector>

#include "crypto/time.h"
#include "dht/signed_value.h"

namespace weft::dht {

inline constexpr std::size_t kOwnValuesMax = 131'072;
// A number is remembered this long after the value expired: no holder can still have it then.
inline constexpr Duration kOwnGrace = 10min;

// Each time an owner finds all copies in place it looks half as often, so many times.
inline constexpr unsigned kCalmMax = 3;

struct Own {
  Bytes blob;
  std::uint64_t seq = 0;
  std::uint32_t lifetime_s = 0;
  Instant expires;      // of the lifetime as it was last renewed
  bool renew = false;   // kept alive by the owner until withdrawn
  std::size_t copies = 0;
  Instant republish;    // Instant::max(): not again
  unsigned calm = 0;    // publications in a row, up to kCalmMax, that found every copy where it should be
  bool withdrawn() const { return blob.size() == kBlobHeadBytes; }
  std::size_t value_bytes() const { return blob.size() - kBlobHeadBytes; }
};

class OwnValues {
 public:
  // The current value under a key, or nullptr; valid until the next change.
  const Own* find(const NodeId& key) const;
  // The highest number used under a key, 0 if none: of the current value, or one being written.
  std::uint64_t number(const NodeId& key) const;
  // True if one more key can be published under.
  bool has_room(const NodeId& key) const;

  // A put has signed this number. Each take is ended by one commit or drop.
  void take(const NodeId& key, std::uint64_t seq);
  // The number is durable: it is the current value if it is the highest so far.
  void commit(const NodeId& key, Own own);
  // The number could not be made durable.
  void drop(const NodeId& key);
  // As commit, from an earlier life.
  void restore(const NodeId& key, Own own);
  void erase(const NodeId& key);

  // A publication ended with so many copies; the next one is due at `republish`.
  void published(const NodeId& key, std::size_t copies, Instant republish);
  // That publication missed no copy, or did.
  void set_calm(const NodeId& key, bool all_there);
  // The owner's refresh starts the lifetime anew.
  void renewed(const NodeId& key, Instant expires);

  std::optional<Instant> next_due() const;
  // A key whose republication, or whose end, is due.
  std::optional<NodeId> due(Now now) const;

  // `key` and those next to it whose republication is due by `until`: at most `max`, found among the
  // 2 * max nearest in the order of keys.
  std::vector<NodeId> due_near(const NodeId& key, Instant until, std::size_t max) const;

  std::size_t size() const { return values_.size(); }
  // How many values that are not withdrawn had how many copies when last published; none with 0 values.
  const std::map<std::size_t, std::size_t>& by_copies() const { return by_copies_; }
  std::size_t copies_min() const { return by_copies_.empty() ? 0 : by_copies_.begin()->first; }
  const std::map<NodeId, Own>& all() const { return values_; }

 private:
  struct Taken {
    std::uint64_t seq = 0;
    std::size_t writers = 0;
  };
  static Instant due_of(const Own& own);
  void put(const NodeId& key, Own own);
  void count(const Own& own);
  void discount(const Own& own);

  std::map<NodeId, Own> values_;
  std::map<NodeId, Taken> taken_;
  std::set<std::pair<Instant, NodeId>> schedule_;
  std::map<std::size_t, std::size_t> by_copies_;
};

}  // namespace weft::dht
