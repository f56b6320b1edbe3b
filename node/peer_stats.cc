#include "node/peer_stats.h"

#include <algorithm>

namespace weft::node {
namespace {

// Drops the least recently used entry of a full table. A linear walk, but only when an entry is
// added to a full table of a few thousand.
template <class Map>
void make_room(Map& map, std::size_t max) {
  if (map.size() < max) return;
  map.erase(std::ranges::min_element(
      map, {}, [](const auto& entry) { return entry.second.used; }));
}

}  // namespace

void RttEstimate::add(Duration rtt) {
  rtt = std::max(rtt, Duration(1));
  if (!known()) {
    srtt_ = rtt;
    rttvar_ = rtt / 2;
    return;
  }
  const Duration error = rtt > srtt_ ? rtt - srtt_ : srtt_ - rtt;
  rttvar_ = (rttvar_ * 3 + error) / 4;
  srtt_ = std::max((srtt_ * 7 + rtt) / 8, Duration(1));
}

Duration RttEstimate::rto() const {
  if (!known()) return kRtoInitial;
  return std::clamp(srtt_ + 4 * rttvar_, kRtoMin, kRtoMax);
}

void PeerStats::measured(Instant now, const NodeId& peer, Duration rtt) {
  all_.add(rtt);
  auto it = peers_.find(peer);
  if (it == peers_.end()) {
    make_room(peers_, kPeersMeasuredMax);
    it = peers_.try_emplace(peer).first;
  }
  it->second.estimate.add(rtt);
  it->second.used = now;
}

Duration PeerStats::rto(const NodeId& peer) const {
  const auto it = peers_.find(peer);
  if (it != peers_.end()) return it->second.estimate.rto();
  // A stranger's first answer includes a handshake: never less than the initial guess over two.
  return std::max(all_.rto(), kRtoInitial / 2);
}

std::optional<Duration> PeerStats::rtt(const NodeId& peer) const {
  const auto it = peers_.find(peer);
  if (it == peers_.end()) return std::nullopt;
  return it->second.estimate.srtt();
}

PeerStats::Tried& PeerStats::tried(Instant now, const Endpoint& endpoint) {
  auto it = tried_.find(endpoint);
  if (it == tried_.end()) {
    make_room(tried_, kEndpointsTriedMax);
    it = tried_.try_emplace(endpoint).first;
  }
  it->second.used = now;
  return it->second;
}

bool PeerStats::may_try(Instant now, const Endpoint& endpoint) const {
  const auto it = tried_.find(endpoint);
  return it == tried_.end() || it->second.answered || now >= it->second.not_before;
}

void PeerStats::answered(Instant now, const Endpoint& endpoint) {
  Tried& entry = tried(now, endpoint);
  entry.answered = true;
  entry.failures = 0;
}

void PeerStats::silent(Instant now, const Endpoint& endpoint) {
  Tried& entry = tried(now, endpoint);
  if (entry.answered) return;
  const Duration wait = std::min(kBackoffFirst * (1 << std::min(entry.failures, 10)), kBackoffMax);
  entry.not_before = now + wait;
  ++entry.failures;
}

}  // namespace weft::node
