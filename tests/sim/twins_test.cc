// Two live processes with one identity: exactly one of them stops, and it is the newcomer.
#include "tests/sim/helpers.h"

namespace weft::sim {
namespace {

// Ends nodes that found a twin the way the shell does: at once and without a goodbye.
std::vector<std::size_t> stop_twins(SimNetwork& net, Ledger& ledger, Duration span) {
  std::vector<std::size_t> stopped;
  const Instant end = net.now().mono + span;
  while (net.now().mono < end) {
    net.run_for(1ms);
    for (const std::size_t node : ledger.twins) {
      if (!net.alive(node)) continue;
      net.crash(node);
      stopped.push_back(node);
    }
  }
  return stopped;
}

TEST(Twins, OneThatJoinsAMeshWhichShowsItsKeyStops) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {  // either instance may be the larger
    SimNetwork net({.seed = seed_or(seed), .link = {}});
    Ledger ledger(net);
    form(net, 5);
    net.run_for(3s);
    const std::size_t of = seed % 5;  // the first node, too, whom nobody let in
    const std::size_t twin = net.add_twin(of, of == 1 ? 2 : 1);
    EXPECT_EQ(stop_twins(net, ledger, 3s), std::vector<std::size_t>{twin}) << "seed " << seed;
    EXPECT_TRUE(stop_twins(net, ledger, 20s).empty()) << "seed " << seed;
    EXPECT_TRUE(net.all_see(5)) << "seed " << seed;
  }
}

TEST(Twins, OneWhoseOnlySeedIsItsTwinStops) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SimNetwork net({.seed = seed_or(seed), .link = {}});
    Ledger ledger(net);
    const std::size_t of = net.add(std::nullopt);  // alone, or...
    if (seed % 2 == 0) net.add(0);                 // ...with company
    net.run_for(4s);
    const std::size_t twin = net.add_twin(of, of);
    EXPECT_EQ(stop_twins(net, ledger, 3s), std::vector<std::size_t>{twin}) << "seed " << seed;
    EXPECT_TRUE(stop_twins(net, ledger, 20s).empty()) << "seed " << seed;
  }
}

TEST(Twins, OfTwoStartedAtOnceOneStops) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SimNetwork net({.seed = seed_or(seed), .link = {}});
    Ledger ledger(net);
    form(net, 8);
    const std::size_t one = net.add(3);
    const std::size_t other = net.add_twin(one, 6);
    const auto stopped = stop_twins(net, ledger, 30s);
    ASSERT_EQ(stopped.size(), 1U) << "seed " << seed;
    const std::size_t rest = stopped[0] == one ? other : one;
    EXPECT_TRUE(net.run_until([&] { return net.all_see(9); }, 10s)) << "seed " << seed;
    EXPECT_EQ(net.core(0).status().members.alive, 9U);
    EXPECT_TRUE(net.alive(rest));
  }
}

TEST(Twins, OfTwoThatAreEachOthersSeedsOneStops) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SimNetwork net({.seed = seed_or(seed), .link = {}});
    Ledger ledger(net);
    const std::size_t one = net.add(std::nullopt);
    net.crash(one);
    const std::size_t other = net.add_twin(one, one);
    net.run_for(Duration(seed * 100'000));
    net.restart(one, other);
    EXPECT_EQ(stop_twins(net, ledger, 30s).size(), 1U) << "seed " << seed;
    EXPECT_NE(net.alive(one), net.alive(other));
  }
}

TEST(Twins, BothSidesOfAHealedSplitAreSettledAndOneStops) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    SimNetwork net({.seed = seed_or(seed), .link = {}});
    Ledger ledger(net);
    form(net, 6);
    net.set_blocked([](std::size_t a, std::size_t b) { return (a % 2 == 0) != (b % 2 == 0); });
    net.run_for(30s);
    const std::size_t one = net.add(0);         // 6, on the even side
    const std::size_t other = net.add_twin(one, 1);  // 7, on the odd one
    EXPECT_TRUE(stop_twins(net, ledger, 20s).empty());
    net.set_blocked(nullptr);
    EXPECT_EQ(stop_twins(net, ledger, 60s).size(), 1U) << "seed " << seed;
    EXPECT_NE(net.alive(one), net.alive(other));
  }
}

TEST(Twins, AFormerLifeIsNoTwin) {
  SimNetwork net({.seed = seed_or(1), .link = {}});
  Ledger ledger(net);
  form(net, 5);
  for (int i = 0; i < 3; ++i) {
    net.crash(2);
    net.run_for(300ms);
    net.restart(2, 0);
    net.run_for(8s);
  }
  EXPECT_TRUE(ledger.twins.empty());
  EXPECT_TRUE(net.all_see(5));
}

TEST(Twins, OneselfAsSeedIsNoTwin) {
  SimNetwork net({.seed = seed_or(1), .link = {}});
  Ledger ledger(net);
  net.add(0);
  net.run_for(30s);
  EXPECT_TRUE(ledger.twins.empty());
}

}  // namespace
}  // namespace weft::sim
