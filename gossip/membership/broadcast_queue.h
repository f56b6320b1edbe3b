// Updates that wait to be spread on pings, acks and gossip: fewest transmissions first, then newest
// (SWIM section 4.1). At most one record and one suspicion per subject; a newer one of the same
// kind takes the place of the older, and a record drives out the suspicion that it answers.
//
// Hearing an update from others counts as one of its transmissions ("feedback" and "counter" of
// Demers et al. 1987), if the caller says so: when the whole mesh spreads two hundred joins, everybody stops early.
//
// Invariants: at most `capacity` updates; when full, the one spread most often (oldest first) makes
// room. Filling a message allocates nothing.
#pragma once

#include <vector>

#include "gossip/membership/messages.h"

namespace weft::gossip {

class BroadcastQueue {
 public:
  using Subject = std::uint32_t;
  static constexpr Subject kNobody = UINT32_MAX;

  explicit BroadcastQueue(std::size_t capacity) : capacity_(capacity) {}

  // A new record of `subject`: replaces its queued record and removes its queued suspicion.
  void push(Subject subject, RecordRef record);
  // A suspicion about `subject`: replaces a queued one, keeps a queued record.
  void push(Subject subject, const Suspicion& suspicion);
  // Forgets all about `subject`.
  void erase(Subject subject);
  // Forgets all records, keeps suspicions: everybody we asked holds them already.
  void drop_records();
  // Forgets the suspicion of `subject`: it proved itself to us.
  void erase_suspicion(Subject subject) { remove(key_of(subject, false)); }
  // The same record or suspicion came from somebody else; it is dropped after `limit`.
  void on_heard(Subject subject, bool is_record, std::size_t limit);
  // Appends updates that fit into `budget` bytes, counts each as sent once and drops those that
  // were sent `limit` times. Nothing about `except` is taken, and no suspicion unless `suspicions`. Returns the bytes used.
  std::size_t fill(GossipItems& items, std::size_t budget, std::size_t limit,
                   Subject except = kNobody, bool suspicions = true);

  // A suspicion comes next.
  bool accusation_next() const { return !order_.empty() && (order_[0].key & 1) != 0; }
  std::size_t size() const { return order_.size(); }
  bool empty() const { return order_.empty(); }
  std::uint64_t dropped_total() const { return dropped_; }
  // Visits all updates in the order in which they would leave: (subject, is_record, transmissions).
  template <class Visit>
  void for_each(const Visit& visit) const {
    for (const Rank& rank : order_) {
      visit(static_cast<Subject>(rank.key >> 1), (rank.key & 1) == 0, rank.transmits);
    }
  }

 private:
  using Key = std::uint64_t;  // subject, then one bit: 0 record, 1 suspicion
  static constexpr std::uint32_t kNowhere = UINT32_MAX;
  struct Entry {
    RecordRef record;
    Suspicion suspicion;
    std::uint32_t transmits = 0;
    std::uint64_t age = 0;
  };
  struct Rank {
    std::uint32_t transmits = 0;
    std::uint32_t at = 0;  // of entries_
    std::uint64_t age = 0;
    Key key = 0;
    bool operator<(const Rank& other) const {
      if (transmits != other.transmits) return transmits < other.transmits;
      return age > other.age;  // ages are unique
    }
  };
  static Key key_of(Subject subject, bool is_record) {
    return Key{subject} << 1 | Key{is_record ? 0U : 1U};
  }
  void put(Key key, Entry entry);
  void remove(Key key);
  void count(Key key, std::size_t limit);
  // The rank of a queued update.
  std::vector<Rank>::iterator rank_of(Key key);
  std::uint32_t find(Key key) const { return key < index_.size() ? index_[key] : kNowhere; }

  // Subjects are the small numbers of a table, so keys index a vector; ranks lie sorted in another,
  // which moves less memory than a tree chases.
  std::size_t capacity_;
  std::vector<std::uint32_t> index_;  // by key: where in entries_
  std::vector<Entry> entries_;
  std::vector<std::uint32_t> free_;   // of entries_
  std::vector<Rank> order_;
  std::uint64_t clock_ = 0;
  std::uint64_t dropped_ = 0;
};

}  // namespace weft::gossip
