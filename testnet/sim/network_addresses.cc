// Who has which address in the simulated network, and from which one others see a packet come.
#include "crypto/check.h"
#include "testnet/sim/network.h"

namespace weft::sim {
namespace {

// Simulated nodes live in 10/8: one address each, the default port. The low bits are the node's index;
// with each move the high ones change, and once all have been had the port.
constexpr std::size_t kIndexBits = 15;
constexpr std::uint32_t kAddressesEach = 1U << (24 - kIndexBits);
constexpr std::uint16_t kPort = 9338;
static_assert(scenario::kNodesMax < 1U << kIndexBits);

Endpoint address(std::size_t index, std::uint32_t moves) {
  CHECK(index < 1U << kIndexBits);
  const std::size_t host = std::size_t{moves % kAddressesEach} << kIndexBits | index;
  return Endpoint::v4(10, static_cast<std::uint8_t>(host >> 16),
                      static_cast<std::uint8_t>(host >> 8), static_cast<std::uint8_t>(host),
                      static_cast<std::uint16_t>(kPort + moves / kAddressesEach));
}

// Behind a NAT: out of 172.16/12, where nobody else can send to.
Endpoint inside_address(std::size_t index) {
  return Endpoint::v4(172, static_cast<std::uint8_t>(16 + (index >> 16)),
                      static_cast<std::uint8_t>(index >> 8), static_cast<std::uint8_t>(index), kPort);
}

}  // namespace

// Gives a node the addresses that it has after so many moves.
void SimNetwork::place(std::size_t index, Node& n) {
  n.outside = address(index, n.moves);
  n.endpoint = n.natted ? inside_address(index) : n.outside;
}

std::optional<std::size_t> SimNetwork::index_of(const Endpoint& endpoint) const {
  if (!endpoint.is_v4()) return std::nullopt;
  const std::uint8_t* ip = endpoint.ip.data() + 12;
  const std::size_t host = std::size_t{ip[1]} << 16 | std::size_t{ip[2]} << 8 | ip[3];
  const std::size_t index = host & ((1U << kIndexBits) - 1);
  if (index >= nodes_.size()) return std::nullopt;
  const Node& n = *nodes_[index];
  if (n.endpoint == endpoint) return index;
  if (ip[0] != 10) return std::nullopt;
  // Where it was before, or a mapping there.
  auto moves = static_cast<std::uint32_t>(host >> kIndexBits);
  if (n.natted) return moves <= n.moves && nats_->was_mapped(index, endpoint.port) ? std::optional(index) : std::nullopt;
  if (endpoint.port < kPort) return std::nullopt;
  moves += (endpoint.port - kPort) * kAddressesEach;
  return moves < n.moves ? std::optional(index) : std::nullopt;
}

// Whether what is sent there now comes to the node's door. If it is behind a NAT, that decides on arrival.
bool SimNetwork::reaches(std::size_t index, const Endpoint& to) const {
  const Node& n = *nodes_[index];
  return n.natted ? to.ip == n.outside.ip : to == n.endpoint;
}

// The address that a packet to `to` comes from.
Endpoint SimNetwork::source_of(std::size_t index, const Endpoint& to) {
  const Node& n = *nodes_[index];
  if (!n.natted) return n.endpoint;
  Endpoint source = n.outside;
  source.port = nats_->outbound(now_.mono, index, to);
  return source;
}

// Whom a node asks to let it in, if `seed` was meant: nobody gives away an address behind a NAT.
std::size_t SimNetwork::door(std::size_t index, std::size_t seed) const {
  if (!nodes_[seed]->natted) return seed;
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (i != index && !nodes_[i]->natted && nodes_[i]->core != nullptr) return i;
  }
  return seed;
}

void SimNetwork::move(std::size_t index) {
  Node& n = *nodes_[index];
  CHECK(n.core == nullptr);
  ++n.moves;
  place(index, n);
  if (n.natted) nats_->renew(index);
  n.config.endpoints = {n.endpoint};
}

}  // namespace weft::sim
