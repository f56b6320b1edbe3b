// What we know of peers' speed and of addresses' worth: RFC 6298 estimates per peer, back-off per
// address.
//
// Round trips: SRTT and RTTVAR per peer (RFC 6298, alpha 1/8, beta 1/4), and one estimate over all
// peers for those we have not measured. Retransmitted requests are not measured; how long the answer
// took since the first transmission is waited for at least, until a measurement succeeds (Karn) or
// kStale has passed.
// In a mesh a pair talks seldom, so an estimate from one bad moment (a machine that starts 200 nodes)
// would last for long: until it has kYoung samples, and when its last one is older than kStale, a peer
// is asked again after what all peers together need, if that is sooner.
// Loss: who counts answers that came only after their request went out again learns whether packets are lost, if not where. One
// that answers late on purpose makes us send more, none can make us send less than one.
// Addresses: an endpoint that never answered a handshake is only a claim. After each failed try the
// next waits longer, whichever id names it, so nobody can point the mesh at a victim by putting its
// address into many records. An endpoint that has once answered is tried without back-off.
// Both tables are bounded and forget the least recently used first.
#pragma once

#include <optional>
#include <vector>

#include "crypto/hash_index.h"
#include "crypto/time.h"

namespace weft::node {

inline constexpr Duration kRtoMin = 50ms;
inline constexpr Duration kRtoMax = 3s;
inline constexpr Duration kRtoInitial = 400ms;
inline constexpr Duration kMeasuredMax = 60s;
inline constexpr std::uint8_t kYoung = 8;
inline constexpr Duration kStale = 60s;
// Answers to requests that had gone out more than once, of all answers, in 65,536ths: a running mean by sixteenths.
inline constexpr std::uint32_t kLateAtFirst = 65536 / 4;  // nothing is known yet
inline constexpr std::uint32_t kLateFew = 65536 / 8;      // below it hardly any packet is lost
inline constexpr std::uint32_t kLateNone = 65536 / 16;    // below it none is: at a loss of 15 % chance alone leads below kLateFew now and then
inline constexpr std::uint32_t kLateWeight = 16;
inline constexpr int kSlowestFades = 64;  // the slowest round trip loses so many a part with each that is measured
inline constexpr std::size_t kPeersMeasuredMax = 4096;
inline constexpr std::size_t kEndpointsTriedMax = 4096;
inline constexpr Duration kBackoffFirst = 1s;
inline constexpr Duration kBackoffMax = 32s;
// For a second look at a member that somebody says is alive. Membership has one in 2 s of a member, and 50 a second of all.
inline constexpr Duration kBackoffOfSecondLooks = 2s;

class RttEstimate {
 public:
  // Adds one measured round trip; beyond kMeasuredMax it counts as that.
  void add(Duration rtt);
  bool known() const { return srtt_ != 0; }
  Duration srtt() const { return Duration(srtt_); }
  // SRTT + 4 RTTVAR, within [kRtoMin, kRtoMax]; kRtoInitial if nothing was measured.
  Duration rto() const;

 private:
  // Microseconds, up to kMeasuredMax: thousands of these are kept.
  std::uint32_t srtt_ = 0;
  std::uint32_t rttvar_ = 0;
};

class PeerStats {
 public:
  // `salt` keys the indexes; choices do not depend on it.
  explicit PeerStats(std::uint64_t salt = 0) : peers_(salt), tried_(salt) {}
  void measured(Instant now, const NodeId& peer, Duration rtt);
  // A request that had been retransmitted was answered, so long after it was first sent.
  void answered_late(Instant now, const NodeId& peer, Duration since_first);
  // All within [kRtoMin, kRtoMax].
  struct Waits {
    Duration rto;      // until a request to this peer is sent again
    Duration hedge;    // until somebody else may be asked, too: `rto`, or of who is hardly known what all others need, if that is less
    Duration longest;  // what its own estimate, however old, gives, and at least `rto`: what to be patient by
  };
  Waits waits(Instant now, const NodeId& peer) const;
  std::optional<Duration> rtt(const NodeId& peer) const;
  // The longest of the last measured round trips, decaying; zero: none yet.
  Duration slowest() const { return slowest_; }
  // Hardly any answer came only after its request was sent again.
  bool hardly_any_late() const { return late_ < kLateFew; }
  // Surer than that.
  bool none_late() const { return late_ < kLateNone; }

  // May a handshake be sent to this endpoint now? After a silent one it waits no longer than `most`.
  bool may_try(Instant now, const Endpoint& endpoint, Duration most = kBackoffMax) const;
  void answered(Instant now, const Endpoint& endpoint);
  void silent(Instant now, const Endpoint& endpoint);

 private:
  struct Peer {
    RttEstimate estimate;
    Instant used;                     // measured, or heard late
    std::uint32_t at_least_us = 0;    // Karn: until the next measurement, or stale; up to kRtoMax
    std::uint8_t samples = 0;         // up to kYoung
  };
  struct Tried {
    Instant used;                 // answered, or was silent
    std::uint8_t failures = 0;    // in a row, up to kFailuresMax
    bool answered = false;        // ever
  };
  static constexpr std::uint8_t kFailuresMax = 10;
  static Duration backoff(const Tried& tried);
  // Entries by key; when full, the least recently used one gives way.
  template <class Key, class Value, std::size_t kMax>
  class Table {
   public:
    explicit Table(std::uint64_t salt) : index_(salt) {}
    const Value* find(const Key& key) const;
    Value& enter(const Key& key);  // found or made; the caller sets `used`

   private:
    struct Entry {
      Value value;
      Key key;
    };
    std::uint32_t slot_of(const Key& key) const;
    std::vector<Entry> entries_;
    HashIndex<Key> index_;
  };
  Tried& tried(Instant now, const Endpoint& endpoint);

  RttEstimate all_;
  std::uint32_t late_ = kLateAtFirst;
  Duration slowest_{};
  Table<NodeId, Peer, kPeersMeasuredMax> peers_;
  Table<Endpoint, Tried, kEndpointsTriedMax> tried_;
};

}  // namespace weft::node
