// What we know of peers' speed and of addresses' worth: RFC 6298 estimates per peer, back-off per
// address.
//
// Round trips: SRTT and RTTVAR per peer (RFC 6298, alpha 1/8, beta 1/4), and one estimate over all
// peers for those we have not measured. Retransmitted requests are not measured (Karn).
// Addresses: an endpoint that never answered a handshake is only a claim. After each failed try the
// next waits longer, whichever id names it, so nobody can point the mesh at a victim by putting its
// address into many records. An endpoint that has once answered is tried without back-off.
// Both tables are bounded and forget the least recently used first.
#pragma once

#include <map>
#include <optional>

#include "crypto/endpoint.h"
#include "crypto/node_id.h"
#include "crypto/time.h"

namespace weft::node {

inline constexpr Duration kRtoMin = 50ms;
inline constexpr Duration kRtoMax = 3s;
inline constexpr Duration kRtoInitial = 400ms;
inline constexpr std::size_t kPeersMeasuredMax = 4096;
inline constexpr std::size_t kEndpointsTriedMax = 4096;
inline constexpr Duration kBackoffFirst = 1s;
inline constexpr Duration kBackoffMax = 32s;

class RttEstimate {
 public:
  // Adds one measured round trip.
  void add(Duration rtt);
  bool known() const { return srtt_ != Duration::zero(); }
  Duration srtt() const { return srtt_; }
  // SRTT + 4 RTTVAR, within [kRtoMin, kRtoMax]; kRtoInitial if nothing was measured.
  Duration rto() const;

 private:
  Duration srtt_{};
  Duration rttvar_{};
};

class PeerStats {
 public:
  void measured(Instant now, const NodeId& peer, Duration rtt);
  // Retransmission time-out for a peer: its own, else that of all peers.
  Duration rto(const NodeId& peer) const;
  std::optional<Duration> rtt(const NodeId& peer) const;

  // May a handshake be sent to this endpoint now?
  bool may_try(Instant now, const Endpoint& endpoint) const;
  void answered(Instant now, const Endpoint& endpoint);
  void silent(Instant now, const Endpoint& endpoint);

 private:
  struct Peer {
    RttEstimate estimate;
    Instant used;
  };
  struct Tried {
    bool answered = false;
    int failures = 0;
    Instant not_before;
    Instant used;
  };
  Tried& tried(Instant now, const Endpoint& endpoint);

  RttEstimate all_;
  std::map<NodeId, Peer> peers_;
  std::map<Endpoint, Tried> tried_;
};

}  // namespace weft::node
