// NATs: one before each node that is behind one. A packet out gets a mapped port, a packet in passes
// if a mapping lives that lets its sender in. Ports only: whose public address is which, and who
// travels when, is the network's affair.
//
// By RFC 4787: a mapping lives `expiry` from the last packet out through it (nothing that comes in
// keeps it alive), and whoever sends after that gets another port. Full cone and restricted kinds
// have one port for everybody at a time; a symmetric one has a port for each destination. A restricted
// kind lets in addresses, or addresses and ports, to which it sent within `expiry`.
//
// Invariants: node 0 is behind none. At most kNatMappingsMax destinations are kept for each NAT; the
// least recently used gives way. Ports are given out in turn from a seeded start, so that a port is
// taken again only kNatPorts mappings later, and which ones were ever given out is two numbers.
// Who is behind which kind is a hash of seed and index. Integers only; grows with nodes and whom they
// talk to, never with pairs.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "crypto/endpoint.h"
#include "testnet/scenario/scenario.h"

namespace weft::sim {

inline constexpr std::size_t kNatMappingsMax = 1'024;
inline constexpr std::uint16_t kNatPortFirst = 20'000;
inline constexpr std::uint16_t kNatPorts = 40'000;

class Nats {
 public:
  // `link` is the scenario's own: nobody moves behind a NAT or out of it during a run.
  Nats(std::uint64_t seed, const scenario::Link& link);
  void set_expiry(Duration expiry) { expiry_ = expiry; }

  scenario::NatKind kind(std::size_t node);
  bool behind(std::size_t node) { return kind(node) != scenario::NatKind::kNone; }
  // A node behind a NAT sends to `to`: the port that others see it come from.
  std::uint16_t outbound(Instant now, std::size_t node, const Endpoint& to);
  // Something comes from `from` to a port of the node's NAT: whether it passes.
  bool inbound(Instant now, std::size_t node, std::uint16_t port, const Endpoint& from);
  // Another NAT of the same kind: all mappings are gone.
  void renew(std::size_t node);
  // Whether this port ever was a mapping of the node.
  bool was_mapped(std::size_t node, std::uint16_t port) const;

  std::uint64_t refused() const { return refused_; }
  std::size_t mappings(std::size_t node) const { return boxes_[node].remotes.size(); }

 private:
  struct Remote {
    Instant last{};           // packet out to it
    std::uint16_t port = 0;
  };
  struct Box {
    scenario::NatKind kind = scenario::NatKind::kNone;
    std::optional<std::uint16_t> port;  // all but symmetric: the mapping of now
    Instant last{};                     // packet out through `port`
    std::map<Endpoint, Remote> remotes;  // restricted: port 0 if the port does not count
    std::uint16_t start = 0;            // of its ports, from kNatPortFirst
    std::uint32_t given = 0;            // so many since
  };
  Box& box(std::size_t node);
  bool lives(Instant now, Instant last) const { return now - last <= expiry_; }
  void make_room(Instant now, Box& box) const;

  std::uint64_t seed_;
  scenario::NatKind kind_;
  std::uint32_t share_ppm_;
  Duration expiry_;
  std::vector<Box> boxes_;  // by node
  std::uint64_t refused_ = 0;
};

}  // namespace weft::sim
