// Settings of [membership], a node that is blocked, seeds that are dead, and liars of membership: that the simulated world does what the
// scenario says.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "node/codec.h"
#include "testnet/sim/world.h"

namespace weft::sim {
namespace {

using scenario::Scenario;

Scenario parsed(const std::string& text) {
  const auto result = scenario::parse_scenario(text, "s.toml");
  EXPECT_TRUE(result.has_value()) << (result ? "" : to_string(result.error()));
  return result ? *result : Scenario{};
}

node::Config configured(const std::string& settings) {
  node::Config found;
  RunOptions options;
  options.adjust = [&found](node::Config& config) { found = config; };
  (void)run_scenario(parsed("nodes = 2\nduration = \"1s\"\nheal = \"1s\"\n" + settings), options);
  return found;
}

TEST(MembershipSettings, EachKeySetsItsOwn) {
  const gossip::Config plain = configured("").membership;
  EXPECT_EQ(plain.probe_interval, gossip::Config{}.probe_interval);
  EXPECT_EQ(plain.health_max, gossip::Config{}.health_max);
  const gossip::Config set = configured("[membership]\nprobe_interval = \"2s\"\nsuspicion_min = \"3s\"\nsuspicion_max = \"9s\"\n"
                                        "indirect_probes = 1\ngossip_fanout = 0\nhealth = false\n").membership;
  EXPECT_EQ(set.probe_interval, Duration(2s));
  EXPECT_EQ(set.suspicion_min, Duration(3s));
  EXPECT_EQ(set.suspicion_max, Duration(9s));
  EXPECT_EQ(set.indirect_probes, 1U);
  EXPECT_EQ(set.gossip_fanout, 0U);
  EXPECT_EQ(set.health_max, 0U);
  const std::pair<const char*, bool gossip::Parts::*> parts[] = {
      {"tries", &gossip::Parts::tries}, {"nacks", &gossip::Parts::nacks}, {"buddy", &gossip::Parts::buddy},
      {"shortening", &gossip::Parts::shortening}, {"own_probe", &gossip::Parts::own_probe}, {"proofs", &gossip::Parts::proofs},
      {"burst", &gossip::Parts::burst}, {"forming", &gossip::Parts::forming}, {"stalls", &gossip::Parts::stalls}, {"credit", &gossip::Parts::credit}};
  for (const auto& [key, part] : parts) {
    EXPECT_TRUE(plain.parts.*part) << key;
    const gossip::Parts off = configured("[membership]\n" + std::string(key) + " = false\n").membership.parts;
    for (const auto& [other, its] : parts) EXPECT_EQ(off.*its, key != other) << key << ", " << other;
  }
}

// How often node 0 sends a ping to node 3, which has just died, until it suspects it.
std::size_t pings_until_suspected(const std::string& settings) {
  std::size_t sent = 0;
  bool dead = false, suspected = false;
  RunOptions options;
  options.tap = [&](const SimNetwork& network, const SimNetwork::Step& step) {
    if (network.size() < 4 || suspected) return;
    if (step.what == SimNetwork::Step::What::kEvent) {
      const auto* changed = std::get_if<gossip::MemberChanged>(step.event);
      suspected = step.node == 0 && changed != nullptr && changed->record->id == network.id(3) && changed->to == gossip::MemberState::kSuspect;
      return;
    }
    dead = dead || (!network.alive(3) && network.now().mono > Instant(Duration(20s)));
    if (dead && step.what == SimNetwork::Step::What::kSend && step.node == 0 && step.peer == network.endpoint(3)) ++sent;
  };
  (void)run_scenario(parsed("nodes = 4\nseed = 5\nduration = \"30s\"\nsettle = \"25s\"\nheal = \"1s\"\n[membership]\nindirect_probes = 0\n" + settings +
                            "[[at]]\nt = \"1s\"\ndo = \"kill\"\nwho = \"3\"\n"), options);
  EXPECT_TRUE(suspected);
  return sent;
}

TEST(MembershipSettings, WithoutTriesAPingGoesOutOnce) {
  EXPECT_GE(pings_until_suspected(""), 3U);
  EXPECT_EQ(pings_until_suspected("tries = false\n"), 1U);
}

TEST(BlockedNodes, HearAndSayNothingWhileTheirTimersFire) {
  const Duration from = 2s, until = 4s;
  std::size_t heard = 0, heard_when_over = 0, woken = 0;
  Instant over;
  std::optional<Instant> zero;
  RunOptions options;
  std::set<std::size_t> heard_of;  // who heard node 3 meanwhile
  options.tap = [&](const SimNetwork& network, const SimNetwork::Step& step) {
    if (!zero) return;
    const Duration t = step.now.mono - *zero;
    const bool blocked = t > from + 10ms && t < until - 10ms;
    if (step.node == 3 && step.what == SimNetwork::Step::What::kDatagram) {
      heard += blocked ? 1U : 0U;
      if (t >= until - 10ms && over == Instant{}) over = step.now.mono;
      heard_when_over += step.now.mono == over ? 1U : 0U;
    }
    if (step.node == 3 && step.what == SimNetwork::Step::What::kDeadline) woken += blocked ? 1U : 0U;
    if (blocked && step.what == SimNetwork::Step::What::kDatagram && step.peer == network.endpoint(3)) heard_of.insert(step.node);
  };
  options.log = [&](const std::string& line) {
    const auto event = nlohmann::json::parse(line);
    if (event["event"] == "phase" && event["name"] == "run") zero = Instant(Duration(static_cast<std::int64_t>(event["t"].get<double>() * 1e6)));
  };
  (void)run_scenario(parsed("nodes = 6\nduration = \"8s\"\nheal = \"1s\"\n[[at]]\nt = \"2s\"\ndo = \"block\"\nwho = \"3\"\nfor = \"2s\"\n"), options);
  ASSERT_TRUE(zero);
  EXPECT_EQ(heard, 0U);
  EXPECT_TRUE(heard_of.empty());
  EXPECT_GT(woken, 1U);
  EXPECT_GT(heard_when_over, 1U) << "what had waited comes at once";
}

TEST(DeadSeeds, NewcomersAskThemAndJoinThroughTheOther) {
  std::set<std::size_t> asked;
  RunOptions options;
  options.tap = [&](const SimNetwork& network, const SimNetwork::Step& step) {
    if (step.node != 8 || step.what != SimNetwork::Step::What::kSend) return;
    for (std::size_t i = 0; i < 8; ++i) {
      if (step.peer == network.endpoint(i) && !network.alive(i)) asked.insert(i);
    }
  };
  const RunResult result = run_scenario(parsed("nodes = 8\nduration = \"20s\"\nheal = \"5s\"\n[link]\nlatency = \"20ms\"\n[[at]]\nt = \"1s\"\ndo = \"kill\"\nwho = \"2-4\"\n"
                                               "[[at]]\nt = \"12s\"\ndo = \"add\"\nnodes = 1\ndead_seeds = 3\nphase = \"joins\"\n"), options);
  EXPECT_EQ(asked, (std::set<std::size_t>{2, 3, 4}));
  const auto members = result.verdict.report["phases"][2]["members"];
  EXPECT_EQ(members["converged"], true);
  EXPECT_LT(members["converge_s"].get<double>(), 1.0);
}

class LiarsOfMembership : public testing::TestWithParam<const char*> {};

// Four of fourteen lie for a minute, on lines that lose a tenth, and one honest node dies.
TEST_P(LiarsOfMembership, EvictNobodyAndHideNoDeath) {
  const std::string role = GetParam();
  std::vector<std::string> false_failures;
  RunOptions options;
  options.log = [&](const std::string& line) {
    if (line.find("\"false_failure\"") != std::string::npos) false_failures.push_back(line);
  };
  const RunResult result = run_scenario(parsed("nodes = 14\nseed = 3\nduration = \"60s\"\nsettle = \"5s\"\nheal = \"30s\"\n[link]\nlatency = \"10ms\"\nloss = \"10%\"\n"
                                               "[[at]]\nt = \"0s\"\ndo = \"hostile\"\nwho = \"1-4\"\nrole = \"" + role + "\"\n"
                                               "[[at]]\nt = \"20s\"\ndo = \"kill\"\nwho = \"9\"\n"), options);
  EXPECT_THAT(false_failures, testing::IsEmpty());
  EXPECT_EQ(result.violations_total, 0U) << (result.violations.empty() ? "" : result.violations.front().detail);
  EXPECT_EQ(result.verdict.report["total"]["members"]["deaths_unseen"], 0);
  EXPECT_GT(result.verdict.report["total"]["lies"][role].get<int>(), role == "member-withhold" ? 0 : 10) << "nobody was lied to";
}
INSTANTIATE_TEST_SUITE_P(Roles, LiarsOfMembership, testing::Values("member-accuse", "member-replay", "member-withhold", "member-vouch"),
                         [](const auto& made) {
                           std::string name = made.param;
                           name.erase(std::ranges::find(name, '-'));
                           return name;
                         });

}  // namespace
}  // namespace weft::sim
