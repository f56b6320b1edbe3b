#include "testnet/sim/nat.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/sim/helpers.h"

namespace weft::sim {
namespace {

using scenario::NatKind;

constexpr std::size_t kInside = 1;
const Endpoint kA = Endpoint::v4(10, 0, 0, 8, 9338);
const Endpoint kOtherPort = Endpoint::v4(10, 0, 0, 8, 9339);
const Endpoint kB = Endpoint::v4(10, 0, 0, 9, 9338);

Instant at(Duration since) { return Instant(since); }

scenario::Link link_of(NatKind kind, Duration expiry = 30s) {
  scenario::Link link;
  link.nat = kind;
  link.nat_ppm = 1'000'000;
  link.nat_expiry = expiry;
  return link;
}

TEST(Nat, AFullConeLetsEverybodyIn) {
  Nats nats(1, link_of(NatKind::kFullCone));
  const auto port = nats.outbound(at(0s), kInside, kA);
  EXPECT_EQ(nats.outbound(at(1s), kInside, kB), port);
  EXPECT_TRUE(nats.inbound(at(2s), kInside, port, kOtherPort));
  EXPECT_FALSE(nats.inbound(at(2s), kInside, static_cast<std::uint16_t>(port + 1), kA));
  EXPECT_EQ(nats.refused(), 1u);
}

TEST(Nat, TheRestrictedLetInWhomTheySentTo) {
  Nats address(1, link_of(NatKind::kAddressRestricted));
  Nats both(1, link_of(NatKind::kPortRestricted));
  for (Nats* nats : {&address, &both}) {
    const auto port = nats->outbound(at(0s), kInside, kA);
    EXPECT_TRUE(nats->inbound(at(1s), kInside, port, kA));
    EXPECT_EQ(nats->inbound(at(1s), kInside, port, kOtherPort), nats == &address);
    EXPECT_FALSE(nats->inbound(at(1s), kInside, port, kB));
    EXPECT_EQ(nats->outbound(at(2s), kInside, kB), port);
    EXPECT_TRUE(nats->inbound(at(3s), kInside, port, kB));
  }
}

TEST(Nat, ASymmetricOneHasAPortForEachDestination) {
  Nats nats(1, link_of(NatKind::kSymmetric));
  const auto a = nats.outbound(at(0s), kInside, kA);
  const auto b = nats.outbound(at(0s), kInside, kB);
  EXPECT_NE(a, b);
  EXPECT_TRUE(nats.inbound(at(1s), kInside, a, kA));
  EXPECT_FALSE(nats.inbound(at(1s), kInside, a, kB));
  EXPECT_FALSE(nats.inbound(at(1s), kInside, b, kA));
  EXPECT_EQ(nats.outbound(at(1s), kInside, kA), a);
}

TEST(Nat, AMappingLivesFromTheLastPacketOut) {
  for (const auto kind : {NatKind::kFullCone, NatKind::kAddressRestricted, NatKind::kPortRestricted,
                          NatKind::kSymmetric}) {
    Nats nats(1, link_of(kind));
    const auto port = nats.outbound(at(0s), kInside, kA);
    EXPECT_EQ(nats.outbound(at(20s), kInside, kA), port);
    EXPECT_TRUE(nats.inbound(at(50s), kInside, port, kA));
    EXPECT_FALSE(nats.inbound(at(50s + 1us), kInside, port, kA)) << "what comes in keeps nothing alive";
    const auto next = nats.outbound(at(51s), kInside, kA);
    EXPECT_NE(next, port);
    EXPECT_FALSE(nats.inbound(at(52s), kInside, port, kA));
    EXPECT_TRUE(nats.inbound(at(52s), kInside, next, kA));
    EXPECT_TRUE(nats.was_mapped(kInside, port));
    EXPECT_TRUE(nats.was_mapped(kInside, next));
    EXPECT_FALSE(nats.was_mapped(kInside, 9338));
    EXPECT_FALSE(nats.was_mapped(0, port));
  }
}

TEST(Nat, KeepsABoundedNumberOfMappings) {
  Nats nats(1, link_of(NatKind::kSymmetric));
  const auto remote = [](std::size_t i) {
    return Endpoint::v4(10, 1, static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i), 9338);
  };
  std::vector<std::uint16_t> ports;
  for (std::size_t i = 0; i < kNatMappingsMax; ++i) {
    ports.push_back(nats.outbound(at(Duration(i)), kInside, remote(i)));
  }
  EXPECT_EQ(nats.outbound(at(1s), kInside, remote(0)), ports[0]);  // used again
  nats.outbound(at(2s), kInside, kA);
  EXPECT_EQ(nats.mappings(kInside), kNatMappingsMax);
  EXPECT_TRUE(nats.inbound(at(2s), kInside, ports[0], remote(0)));
  EXPECT_FALSE(nats.inbound(at(2s), kInside, ports[1], remote(1))) << "the least recently used";
  EXPECT_TRUE(nats.inbound(at(2s), kInside, ports[2], remote(2)));
}

TEST(Nat, TheSeedSaysWhoIsBehindWhich) {
  scenario::Link link = link_of(NatKind::kMixed);
  link.nat_ppm = 400'000;
  Nats nats(7, link), again(7, link);
  EXPECT_FALSE(nats.behind(0));
  std::size_t behind = 0;
  std::set<NatKind> kinds;
  for (std::size_t i = 0; i < 1'000; ++i) {
    behind += nats.behind(i) ? 1U : 0U;
    kinds.insert(nats.kind(i));
    EXPECT_EQ(nats.kind(i), again.kind(i));
  }
  EXPECT_NEAR(static_cast<double>(behind), 400, 60);
  EXPECT_EQ(kinds.size(), 5u);
  EXPECT_FALSE(kinds.contains(NatKind::kMixed));
}

// Two nodes, of which the second is behind a NAT.
struct Pair {
  explicit Pair(NatKind kind, Duration expiry = 30s) : nats(1, link_of(kind, expiry)), weather(1) {
    weather.set_link(link_of(kind, expiry), std::nullopt);
    net.set_weather(&weather);
    net.set_nats(&nats);
  }
  Nats nats;
  Weather weather;
  SimNetwork net{NetworkOptions{}};
};

TEST(Nat, OthersSeeTheMappedEndpoint) {
  Pair pair(NatKind::kPortRestricted);
  std::set<Endpoint> seen;
  pair.net.tap([&](const SimNetwork::Step& step) {
    if (step.what == SimNetwork::Step::What::kDatagram && step.node == 0) seen.insert(step.peer);
  });
  form(pair.net, 2);
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(ip_string(*seen.begin()), "10.0.0.1");
  EXPECT_GE(seen.begin()->port, kNatPortFirst);
  EXPECT_EQ(pair.net.index_of(*seen.begin()), 1u);
  EXPECT_EQ(pair.net.index_of(pair.net.config(1).endpoints.front()), 1u);
  EXPECT_FALSE(pair.net.index_of(Endpoint::v4(10, 0, 0, 1, 9338)).has_value()) << "never mapped";
}

TEST(Nat, AMovedNodeKeepsItsFormerAddressesInMindButNotInReach) {
  SimNetwork net{NetworkOptions{}};
  form(net, 3);
  const Endpoint before = net.config(2).endpoints.front();
  net.crash(2);
  net.move(2);
  net.restart(2, 0);
  const Endpoint after = net.config(2).endpoints.front();
  EXPECT_NE(before, after);
  EXPECT_EQ(net.index_of(before), 2u);
  EXPECT_EQ(net.index_of(after), 2u);
  std::set<Endpoint> seen;
  net.tap([&](const SimNetwork::Step& step) {
    if (step.what == SimNetwork::Step::What::kDatagram && step.node == 0) seen.insert(step.peer);
  });
  ASSERT_TRUE(net.run_until([&] { return net.all_see(3); }, 60s));
  net.run_for(30s);
  EXPECT_TRUE(seen.contains(after));
  EXPECT_FALSE(seen.contains(before));
  // Addresses of one index never collide with those of another, and run through the ports at last.
  net.crash(2);
  std::set<Endpoint> all = {before, after};
  for (int i = 0; i < 1'100; ++i) {
    net.move(2);
    EXPECT_TRUE(all.insert(net.config(2).endpoints.front()).second);
  }
  for (const Endpoint& e : all) EXPECT_EQ(net.index_of(e), 2u);
}

}  // namespace
}  // namespace weft::sim
