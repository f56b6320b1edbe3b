// Those that may be gone, in a mesh that is a DHT and no more: how often an INIT goes to them, and who is asked when nobody is left.
#include <map>

#include "crypto/bytes.h"
#include "helpers.h"
#include "testnet/sim/world.h"

namespace weft::sim {
namespace {

scenario::Scenario parsed(const std::string& text) {
  auto scenario = scenario::parse_scenario(text, "inline");
  EXPECT_TRUE(scenario) << (scenario ? "" : to_string(scenario.error()));
  return scenario ? *scenario : scenario::Scenario{};
}

struct Inits {
  std::size_t first = 0;
  std::size_t again = 0;
};

// INITs to nodes that are dead, of handshakes begun after all had answers enough to know their links.
Inits inits_to_the_dead(const std::string& link) {
  Inits inits;
  std::map<std::tuple<std::size_t, std::uint32_t>, int> seen;
  RunOptions options;
  options.tap = [&](const SimNetwork& network, const SimNetwork::Step& step) {
    if (step.what != SimNetwork::Step::What::kSend || step.now.mono < Instant(Duration(60s))) return;
    if (step.bytes.size() < 256 || step.bytes[1] != 1) return;
    const auto to = network.index_of(step.peer);
    if (!to || network.alive(*to)) return;
    const auto index = load_le<std::uint32_t>(step.bytes.data() + 2);
    ++(seen[{step.node, index}]++ == 0 ? inits.first : inits.again);
  };
  (void)run_scenario(parsed("nodes = 200\nseed = 3\nduration = \"90s\"\nmembership = false\n[link]\nlatency = \"20ms\"\n" + link +
                            "[churn]\nmodel = \"exponential\"\nmedian_session = \"60s\"\nmedian_absence = \"100ms\"\nidentity = \"new\"\nseeds = 3\n"
                            "[[load]]\ndo = \"lookup\"\nrate = 5\n"),
                     options);
  return inits;
}

TEST(Strangers, GetOneInitWhereHardlyAnyPacketIsLost) {
  const Inits calm = inits_to_the_dead("");
  EXPECT_GE(calm.first, 500U);
  EXPECT_LE(calm.again * 5, calm.first * 2) << "what newcomers ask at first";
  const Inits lossy = inits_to_the_dead("loss = \"15%\"\n");
  EXPECT_GE(lossy.first, 500U);
  EXPECT_GE(lossy.again * 4, lossy.first * 3) << "one may be lost, so there is a second";
}

TEST(Strangers, WhoHearsNobodyAsksItsSeeds) {
  NetworkOptions options;
  options.seed = seed_or(5);
  SimNetwork net(options);
  const auto alone = [](node::Config& config) { config.membership.alone = true; };
  std::size_t asked = 0;
  net.observe([&](std::size_t node, Now, const node::Event& event) {
    if (node == 1 && std::holds_alternative<node::SeedsWanted>(event)) ++asked;
  });
  net.add(std::nullopt, alone);
  net.add(0, alone);
  net.run_for(10s);
  ASSERT_EQ(net.core(1).status().dht.contacts, 1U);
  asked = 0;
  net.crash(0);
  net.run_for(1min);
  EXPECT_EQ(asked, 0U) << "heard a moment ago";
  net.run_for(3min);
  EXPECT_EQ(net.core(1).status().dht.contacts, 1U) << "the last contact is never dropped";
  EXPECT_GE(asked, 2U);
}

}  // namespace
}  // namespace weft::sim
