// A private network's key is replaced while its nodes run.
#include "tests/sim/helpers.h"

namespace weft::sim {
namespace {

enum class Knows { kOld, kOldNew, kNewOld, kNew };

std::function<void(node::Config&)> knowing(Knows what) {
  return [what](node::Config& config) {
    ByteArray<16> id{};
    id.fill(7);
    ByteArray<32> old{};
    old.fill(1);
    ByteArray<32> fresh{};
    fresh.fill(2);
    std::vector<ByteArray<32>> keys;
    switch (what) {
      case Knows::kOld: keys = {old}; break;
      case Knows::kOldNew: keys = {old, fresh}; break;
      case Knows::kNewOld: keys = {fresh, old}; break;
      case Knows::kNew: keys = {fresh}; break;
    }
    config.network = private_network("rotating", id, keys);
  };
}

std::size_t state_count(SimNetwork& net, std::size_t at, gossip::MemberState state) {
  std::size_t count = 0;
  net.core(at).for_each_member([&](const gossip::MemberView& m) { count += m.state == state ? 1 : 0; });
  return count;
}

void expect_mesh(const std::vector<Knows>& nodes, std::uint64_t seed) {
  SimNetwork net({.seed = seed, .link = {}});
  Ledger ledger(net);
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    net.add(i == 0 ? std::nullopt : std::optional<std::size_t>(0), knowing(nodes[i]));
    net.run_for(5ms);
  }
  EXPECT_TRUE(net.run_until([&] { return net.all_see(nodes.size()); }, 10s)) << "seed " << seed;
  net.run_for(60s);
  EXPECT_TRUE(net.all_see(nodes.size())) << "seed " << seed;
  EXPECT_TRUE(ledger.failures.empty()) << "seed " << seed;
  ASSERT_TRUE(ledger.put(1, "key", "value").result.has_value());
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    EXPECT_TRUE(ledger.get(i, "key").result.has_value()) << "node " << i << " seed " << seed;
  }
}

TEST(Rotation, AnyTwoNeighbouringRoundsFormOneMesh) {
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    using K = Knows;
    expect_mesh({K::kOld, K::kOldNew, K::kOldNew, K::kOld, K::kOldNew, K::kOld}, seed_or(seed));
    expect_mesh({K::kNewOld, K::kOldNew, K::kNewOld, K::kOldNew, K::kOldNew}, seed_or(seed));
    expect_mesh({K::kNewOld, K::kNew, K::kNew, K::kNewOld, K::kNew, K::kNewOld}, seed_or(seed));
  }
}

// The round that did not work: new in front of old, while others know the old one alone.
TEST(Rotation, ANodeWithTheNewKeyInFrontReachesThoseThatKnowOnlyTheOld) {
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    using K = Knows;
    expect_mesh({K::kOld, K::kNewOld}, seed_or(seed));
    expect_mesh({K::kOld, K::kNewOld, K::kOld, K::kNewOld, K::kNewOld, K::kOld}, seed_or(seed));
  }
}

// All at once is no round of the procedure: two nodes without a common key never hear each other.
// They keep each other alive through those that know both, who ask on their behalf.
TEST(Rotation, ThoseWithBothKeysHoldTheOthersTogether) {
  using K = Knows;
  SimNetwork net({.seed = seed_or(5), .link = {}});
  Ledger ledger(net);
  const std::vector<Knows> nodes = {K::kNewOld, K::kOld,    K::kNew, K::kNewOld,
                                    K::kNewOld, K::kNewOld, K::kOld, K::kNew};
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    net.add(i == 0 ? std::nullopt : std::optional<std::size_t>(0), knowing(nodes[i]));
    net.run_for(5ms);
  }
  EXPECT_TRUE(net.run_until([&] { return net.all_see(nodes.size()); }, 10s));
  net.run_for(60s);
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    EXPECT_EQ(state_count(net, i, gossip::MemberState::kFailed), 0U) << i;
  }
  ASSERT_TRUE(ledger.put(1, "key", "value").result.has_value());  // by one with the old key
  EXPECT_TRUE(ledger.get(3, "key").result.has_value());
  EXPECT_TRUE(ledger.get(2, "key").result.has_value());  // with the new one
}

TEST(Rotation, AKeyIsReplacedNodeByNode) {
  SimNetwork net({.seed = seed_or(6), .link = {}});
  Ledger ledger(net);
  constexpr std::size_t kNodes = 6;
  for (std::size_t i = 0; i < kNodes; ++i) {
    net.add(i == 0 ? std::nullopt : std::optional<std::size_t>(0), knowing(Knows::kOld));
    net.run_for(5ms);
  }
  ASSERT_TRUE(net.run_until([&] { return net.all_see(kNodes); }, 10s));
  ASSERT_TRUE(ledger.put(2, "key", "value").result.has_value());
  for (const Knows round : {Knows::kOldNew, Knows::kNewOld, Knows::kNew}) {
    for (std::size_t i = 0; i < kNodes; ++i) {
      net.crash(i);
      net.adjust(i, knowing(round));
      net.restart(i, i == 0 ? 1 : 0);
      EXPECT_TRUE(net.run_until([&] { return net.all_see(kNodes); }, 20s)) << i;
    }
  }
  EXPECT_TRUE(ledger.get(4, "key").result.has_value());
}

}  // namespace
}  // namespace weft::sim
