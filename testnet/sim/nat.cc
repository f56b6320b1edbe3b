#include "testnet/sim/nat.h"

#include <algorithm>

#include "crypto/check.h"
#include "crypto/rng.h"

namespace weft::sim {
namespace {

using scenario::NatKind;

// What a NAT tells senders apart by.
Endpoint remote_of(NatKind kind, Endpoint from) {
  if (kind == NatKind::kAddressRestricted) from.port = 0;
  return from;
}

std::uint16_t next_port(std::uint16_t start, std::uint32_t given) {
  return static_cast<std::uint16_t>(kNatPortFirst + (start + given) % kNatPorts);
}

}  // namespace

Nats::Nats(std::uint64_t seed, const scenario::Link& link)
    : seed_(seed), kind_(link.nat), share_ppm_(link.nat_ppm), expiry_(link.nat_expiry) {}

Nats::Box& Nats::box(std::size_t node) {
  while (boxes_.size() <= node) {
    Rng rng = Rng(seed_).fork("nat " + std::to_string(boxes_.size()));
    Box box;
    const bool behind = rng.below(1'000'000) < share_ppm_;
    box.start = static_cast<std::uint16_t>(rng.below(kNatPorts));
    const auto drawn = static_cast<NatKind>(1 + rng.below(4));
    // Node 0 is the seed of all: somebody has to be reachable.
    if (behind && !boxes_.empty()) box.kind = kind_ == NatKind::kMixed ? drawn : kind_;
    boxes_.push_back(std::move(box));
  }
  return boxes_[node];
}

NatKind Nats::kind(std::size_t node) { return box(node).kind; }

std::uint16_t Nats::outbound(Instant now, std::size_t node, const Endpoint& to) {
  Box& b = box(node);
  CHECK(b.kind != NatKind::kNone);
  if (b.kind != NatKind::kSymmetric) {
    if (!b.port || !lives(now, b.last)) {
      b.port = next_port(b.start, b.given++);
      b.remotes.clear();
    }
    b.last = now;
    if (b.kind == NatKind::kFullCone) return *b.port;
  }
  const Endpoint remote = remote_of(b.kind, to);
  auto it = b.remotes.find(remote);
  if (it == b.remotes.end()) {
    make_room(now, b);
    it = b.remotes.emplace(remote, Remote{}).first;
  }
  if (b.kind != NatKind::kSymmetric) {
    it->second.port = *b.port;
  } else if (it->second.port == 0 || !lives(now, it->second.last)) {
    it->second.port = next_port(b.start, b.given++);
  }
  it->second.last = now;
  return it->second.port;
}

bool Nats::inbound(Instant now, std::size_t node, std::uint16_t port, const Endpoint& from) {
  const Box& b = box(node);
  CHECK(b.kind != NatKind::kNone);
  if (b.kind == NatKind::kFullCone) {
    const bool passes = b.port == port && lives(now, b.last);
    refused_ += passes ? 0 : 1;
    return passes;
  }
  const auto it = b.remotes.find(remote_of(b.kind, from));
  const bool passes = it != b.remotes.end() && it->second.port == port && lives(now, it->second.last);
  refused_ += passes ? 0 : 1;
  return passes;
}

void Nats::renew(std::size_t node) {
  Box& b = box(node);
  b.port.reset();
  b.remotes.clear();
}

bool Nats::was_mapped(std::size_t node, std::uint16_t port) const {
  if (node >= boxes_.size() || port < kNatPortFirst || port >= kNatPortFirst + kNatPorts) return false;
  const Box& b = boxes_[node];
  return (std::uint32_t{port} - kNatPortFirst + kNatPorts - b.start) % kNatPorts < b.given;
}

// For one more: the dead go together, which happens seldom; else the one that was used longest ago.
void Nats::make_room(Instant now, Box& box) const {
  if (box.remotes.size() < kNatMappingsMax) return;
  std::erase_if(box.remotes, [&](const auto& entry) { return !lives(now, entry.second.last); });
  if (box.remotes.size() < kNatMappingsMax) return;
  box.remotes.erase(std::ranges::min_element(
      box.remotes, {}, [](const auto& entry) { return entry.second.last; }));
}

}  // namespace weft::sim
