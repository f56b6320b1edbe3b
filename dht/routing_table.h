// Routing table of one node: buckets by the number of leading bits shared with the own id.
//
// Invariants: at most bucket_size live contacts and `replacements` spare ones a bucket, spares
// newest last; nobody is in both; the own id is in neither; live contacts are ordered by when they
// were last heard, the longest silent first. A contact entered because it proved its key at its
// endpoint. A live contact leaves for a spare only after it failed to answer (Maymounkov, Mazieres
// 2002, section 2.2: old contacts live longest); it is dropped without a spare after
// kFailuresToDrop, but never one of the last kContactsKept. Where nobody tells of deaths (Config::unasked) it leaves, too, for a
// newcomer when it was not heard for longer than is believed (lifetimes.h), without being asked: likelier than not it is gone, and a
// question costs a handshake that nobody answers; and one failure less is enough for a spare and for being dropped. At most prefix_per_bucket
// (prefix_per_table) live contacts share a /24 or /48.
//
// Near peers (proximity neighbour selection: Gummadi et al. 2003): in a full bucket a newcomer takes the place of the
// farthest of those that it is nearer than by far (kNearerTimes, kNearerBy), who becomes a spare. It may do so to the younger half of a bucket only,
// and to those alone that share its next kDiverseBits bits: a liar that is near us, which it cannot pretend, gets no more than that half, within the limits
// of a /24; those that have lived longest stay whatever happens; and each quarter of the bucket's ids keeps as many contacts as it had.
#pragma once

#include <map>
#include <span>
#include <vector>

#include "crypto/contact.h"
#include "crypto/rng.h"
#include "crypto/time.h"

namespace weft::dht {

inline constexpr std::size_t kBucketSizeMax = 32;
// A live contact that has been silent this often gives way to a spare...
inline constexpr std::uint8_t kFailuresToReplace = 2;  // 1 where nobody tells of deaths
// ...and this often leaves even if nobody takes its place.
inline constexpr std::uint8_t kFailuresToDrop = 3;  // 2
// ...unless hardly anybody is left: an empty table finds nobody ever again.
inline constexpr std::size_t kContactsKept = 4;
// A full bucket asks its longest silent contact whether it is alive only if it was not heard for this long, and all buckets
// together only so often; otherwise each newcomer would cost a request. Newcomers are what tells of churn: who asks when they
// come learns how many die (lifetimes.h), and in a calm mesh nobody asks.
inline constexpr Duration kQuestionableAfter = 1min;
inline constexpr Duration kQuestionEvery = 5s;
// Where somebody tells of deaths (Config::unasked is off): all members are heard every now and then, so newcomers to a full bucket come
// all the time and tell nothing of churn. Questions are for those then of whom nobody would tell.
inline constexpr Duration kQuestionableAfterTold = 5min;

// A newcomer is nearer by far if its round trip is so many times shorter, and by so much: within a site all are as near.
inline constexpr int kNearerTimes = 2;
inline constexpr Duration kNearerBy = 10ms;
inline constexpr std::size_t kDiverseBits = 2;

class RoutingTable {
 public:
  struct Config {
    std::size_t bucket_size = 20;
    std::size_t replacements = 8;
    std::size_t prefix_per_bucket = 2;  // 0: no limit
    std::size_t prefix_per_table = 10;  // 0: no limit
    bool unasked = false;               // whoever is believed no more gives way to a newcomer
  };
  struct Entry {
    Contact contact;
    Instant first_seen;
    Instant last_seen;
    Duration srtt{};             // smoothed round trip; zero: not measured
    std::uint8_t failures = 0;   // requests given up since it was last heard
    bool pinged = false;         // asked whether it lives, not yet answered
  };
  struct Heard {
    bool added = false;            // a live contact now, and was not before
    std::optional<Contact> ping;   // ask this one whether it lives; it may have to make room
  };

  // An empty table for the node `self`.
  RoutingTable(const NodeId& self, const Config& config);

  // `peer` proved its key at its endpoint just now.
  Heard heard(Now now, const Contact& peer, std::optional<Duration> rtt);
  // A request to `id` was given up. Returns the contact if it should be asked once more at once.
  std::optional<Contact> silent(const NodeId& id);
  // From now on, who was not heard for longer than this may be gone (lifetimes.h); nullopt: nobody is thought to be.
  void believe(std::optional<Duration> unheard_max) { believed_ = unheard_max; }
  std::optional<Duration> believed_unheard() const { return believed_; }
  // True if an entry answered when last asked, and was heard lately enough.
  bool believed(Now now, const Entry& entry) const {
    return entry.failures == 0 && (!believed_ || now.mono - entry.last_seen <= *believed_);
  }
  // Takes `id` out, wherever it is; a spare moves up.
  void remove(const NodeId& id);

  // The live contact with that id, or nullptr. Valid until the next change.
  const Entry* find(const NodeId& id) const;
  std::size_t size() const { return size_; }
  // Live contacts that gave way to somebody else so far.
  std::uint64_t evicted_total() const { return evicted_total_; }
  // Live contacts that became spares for one that is nearer by far.
  std::uint64_t displaced_total() const { return displaced_total_; }
  // Number of buckets that are not empty.
  std::size_t buckets() const;
  // One more than the index of the deepest bucket that is not empty.
  std::size_t depth() const;
  std::size_t bucket_population(std::size_t bucket) const;
  // How many leading bits of the own id a key must share for all nodes that share them, too, to be in the
  // table, and to be at least `wanted` with ourselves: no bucket there turns anybody away. 0 if that is so of
  // the whole mesh, however small; nullopt if it is nowhere so.
  std::optional<int> bits_known(std::size_t wanted) const;

  // Calls visit(const Entry&) for live contacts, nearest to `target` first, until it returns false.
  // Allocates nothing.
  template <class Visit>
  void visit_nearest(const NodeId& target, Visit visit) const;
  // How many live contacts are nearer to `target` than we are, without a look at any of them.
  std::size_t nearer_than_self(const NodeId& target) const;
  // Calls visit(const Entry&, int bucket) for each live contact, bucket by bucket.
  template <class Visit>
  void for_each(Visit visit) const;

  // Remembers that a lookup for `target` was made: its bucket needs no refresh for a while.
  void note_lookup(Now now, const NodeId& target);
  // How many buckets need refreshing. Where all that is deeper has fewer than bucket_size contacts,
  // a lookup of the own id finds them at once.
  std::size_t refresh_depth() const;
  // The widest of those buckets that no lookup has visited for `every`.
  std::optional<std::size_t> stale_bucket(Now now, Duration every) const;
  // When stale_bucket will next have an answer.
  std::optional<Instant> next_stale(Duration every) const;
  // A random id that belongs into that bucket.
  NodeId random_id_in(std::size_t bucket, Rng& rng) const;

 private:
  // Entries in an order, the longest silent first. Every message that is heard searches and reorders
  // one of these, so search and order touch 16 bytes an entry and the entries lie still.
  class Ordered {
   public:
    std::size_t size() const { return order_.size(); }
    bool empty() const { return order_.empty(); }
    Entry& operator[](std::size_t position) { return entries_[order_[position].slot]; }
    const Entry& operator[](std::size_t position) const { return entries_[order_[position].slot]; }
    // SIZE_MAX if it is not there.
    std::size_t position_of(const NodeId& id) const;
    // Room is made for `limit` entries at most.
    void push_back(const Entry& entry, std::size_t limit);
    void erase(std::size_t position);
    // Those between move up.
    void move(std::size_t from, std::size_t to);

   private:
    struct Place {
      std::uint64_t tag = 0;  // of the id, behind what ids of a bucket may share
      std::uint32_t slot = 0;
    };
    std::vector<Place> order_;
    std::vector<Entry> entries_;
    std::vector<std::uint32_t> free_;
  };
  struct Bucket {
    Ordered live;
    Ordered spare;
    Instant last_lookup;
  };

  std::uint8_t failures_to_replace() const { return config_.unasked ? kFailuresToReplace - 1 : kFailuresToReplace; }
  std::uint8_t failures_to_drop() const { return config_.unasked ? kFailuresToDrop - 1 : kFailuresToDrop; }
  std::size_t index_of(const NodeId& id) const;
  Bucket& bucket_of(Now now, const NodeId& id);
  static std::size_t same_prefix(const Ordered& entries, std::uint64_t wanted);
  bool prefix_fits(const Bucket& bucket, const Endpoint& endpoint) const;
  void count_prefix(const Endpoint& endpoint, int change);
  void add_live(Bucket& bucket, const Entry& entry);
  void erase_live(Bucket& bucket, std::size_t position);
  std::size_t farther_than(const Bucket& bucket, const Entry& entry) const;
  bool promote(Bucket& bucket);
  void add_spare(Bucket& bucket, const Entry& entry);
  template <class Visit>
  static bool visit_bucket(const Bucket& bucket, const NodeId& target, Visit& visit);

  NodeId self_;
  Config config_;
  std::vector<Bucket> buckets_;  // only as deep as contacts have been
  std::size_t size_ = 0;
  std::uint64_t evicted_total_ = 0;
  std::uint64_t displaced_total_ = 0;
  std::optional<Duration> believed_;
  Instant next_question_;
  std::map<std::uint64_t, std::size_t> prefixes_;
};

template <class Visit>
bool RoutingTable::visit_bucket(const Bucket& bucket, const NodeId& target, Visit& visit) {
  // Insertion sort by distance into an array on the stack: a bucket is small.
  struct Near {
    std::uint64_t head = 0;
    const Entry* entry = nullptr;
  };
  const auto nearer = [&target](const Near& a, const Near& b) {
    return a.head != b.head ? a.head < b.head : closer(target, a.entry->contact.id, b.entry->contact.id);
  };
  std::array<Near, kBucketSizeMax> sorted;
  std::size_t count = 0;
  for (std::size_t i = 0; i < bucket.live.size(); ++i) {
    const Entry& entry = bucket.live[i];
    const Near near{distance_head(entry.contact.id, target), &entry};
    std::size_t at = count++;
    for (; at > 0 && nearer(near, sorted[at - 1]); --at) sorted[at] = sorted[at - 1];
    sorted[at] = near;
  }
  for (std::size_t i = 0; i < count; ++i) {
    if (!visit(*sorted[i].entry)) return false;
  }
  return true;
}

template <class Visit>
void RoutingTable::visit_nearest(const NodeId& target, Visit visit) const {
  // Everything in bucket j differs from us first at bit j. Where we differ from the target at j,
  // bucket j agrees with it there and is nearer than all deeper buckets; where we agree, it is
  // farther than all deeper ones. So: those with a set bit going down, then the others coming up.
  const Distance away = distance(self_, target);
  const auto differs = [&away](std::size_t bit) {
    return ((away.bytes[bit / 8] >> (7 - bit % 8)) & 1) != 0;
  };
  for (std::size_t j = 0; j < buckets_.size(); ++j) {
    if (differs(j) && !visit_bucket(buckets_[j], target, visit)) return;
  }
  for (std::size_t j = buckets_.size(); j-- > 0;) {
    if (!differs(j) && !visit_bucket(buckets_[j], target, visit)) return;
  }
}

template <class Visit>
void RoutingTable::for_each(Visit visit) const {
  for (std::size_t j = 0; j < buckets_.size(); ++j) {
    const Ordered& live = buckets_[j].live;
    for (std::size_t i = 0; i < live.size(); ++i) visit(live[i], static_cast<int>(j));
  }
}

}  // namespace weft::dht
