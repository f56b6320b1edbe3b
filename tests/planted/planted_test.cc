// The checkers find faults: each of Plant's is planted in the core (this executable alone has the
// switch), and a checker must name it within kSeedsMax seeds, while the sound core passes the seed
// that gave it away.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

#include "crypto/planted.h"
#include "testnet/sim/shrink.h"

namespace weft {
namespace {

constexpr std::uint64_t kSeedsMax = 1'000;
constexpr std::size_t kShrinkRunsMax = 150;
constexpr std::size_t kSmallNodes = 10;
constexpr std::size_t kSmallActions = 10;

std::string text_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in) << path;
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

scenario::Scenario parsed(const std::string& text, const std::string& name) {
  auto result = scenario::parse_scenario(text, name);
  EXPECT_TRUE(result.has_value()) << (result ? "" : to_string(result.error()));
  return std::move(*result);
}

class Planted {
 public:
  explicit Planted(Plant plant) { planted_now = plant; }
  ~Planted() { planted_now = Plant::kNone; }
  Planted(const Planted&) = delete;
  Planted& operator=(const Planted&) = delete;
};

struct Case {
  const char* name;
  Plant plant;
  const char* checker;
  const char* scenario;  // of testnet/scenarios, else a text
  bool small_store = false;
  bool shrinks = false;  // kept small in tests/data/scenarios
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

constexpr const char* kCalm = R"(
nodes = 60
duration = "60s"
[link]
latency = "5ms"
[[load]]
do = "put"
rate = 2
)";
// Eight holders are fast, which is when a put is answered.
constexpr const char* kSlowDisks = R"(
nodes = 10
duration = "30s"
[link]
latency = "5ms"
[[load]]
do = "put"
rate = 1
[[at]]
t = "1s"
do = "slow-disk"
who = "8-9"
amount = "1s"
)";
// Who comes back shakes hands with everybody, and asks for contacts in its first packet.
constexpr const char* kSpoofed = R"(
nodes = 40
duration = "30s"
[link]
latency = "5ms"
[[at]]
t = "1s"
do = "kill"
who = "1-12"
[[at]]
t = "15s"
do = "restart"
who = "100%"
[[at]]
t = "15005ms"
do = "hostile"
who = "1-12"
role = "spoof"
)";
constexpr const char* kRewritten = R"(
nodes = 20
duration = "30s"
[link]
latency = "5ms"
[[load]]
do = "put"
rate = 2
keys = 5
[[load]]
do = "get"
rate = 2
quorum = 5
)";
constexpr const char* kAccused = R"(
nodes = 40
duration = "60s"
[link]
latency = "20ms"
[[at]]
t = "1s"
do = "hostile"
who = "1-8"
role = "member-accuse"
[[at]]
t = "5s"
do = "kill"
who = "20-29"
)";
constexpr const char* kOneNode = R"(
nodes = 2
duration = "30s"
[[load]]
do = "put"
rate = 10
size = 1000
)";
// Longer than it takes to declare the other side failed.
constexpr const char* kSplit = R"(
nodes = 20
duration = "90s"
heal = "40s"
[link]
latency = "10ms"
[[load]]
do = "put"
rate = 1
[[load]]
do = "get"
rate = 2
from = "5s"
[[at]]
t = "20s"
do = "partition"
share = "40%"
for = "40s"
)";

const Case kCases[] = {
    {"CopyTooMany", Plant::kCopyTooMany, "acknowledged", kSlowDisks},
    {"NumberNotKept", Plant::kNumberNotKept, "numbers", "restart-everyone"},
    {"ReplayWindowOff", Plant::kReplayWindowOff, "replays", "mixed-faults", false, true},
    {"EvictUnasked", Plant::kEvictUnasked, "evictions", kCalm},
    {"GetWithoutEnd", Plant::kGetWithoutEnd, "stuck", kSplit},
    {"PutDoneTwice", Plant::kPutDoneTwice, "one_done", kCalm, false, true},
    {"ValuesForgotten", Plant::kValuesForgotten, "values_kept", "restart-everyone", false, true},
    {"SignatureIgnored", Plant::kSignatureIgnored, "values_true", "hostile-share"},
    {"ContactsBelieved", Plant::kContactsBelieved, "contacts", "hostile-share"},
    {"Amplifier", Plant::kAmplifier, "amplification", kSpoofed},
    {"SuspicionBelieved", Plant::kSuspicionBelieved, "failures", kAccused},
    {"FailedForgotten", Plant::kFailedForgotten, "membership", kSplit, false, true},
    {"LookupHasty", Plant::kLookupHasty, "closest", kCalm},
    {"OverwriteLost", Plant::kOverwriteLost, "reads_fresh", kRewritten, false, true},
    {"GossipFlood", Plant::kGossipFlood, "work", kCalm},
    {"StoreBoundless", Plant::kStoreBoundless, "bounds", kOneNode, true},
};

class Faults : public testing::TestWithParam<Case> {
 protected:
  static scenario::Scenario load(const Case& c) {
    const std::string what = c.scenario;
    if (what.find('=') != std::string::npos) return parsed(what, c.name);
    return parsed(text_of(WEFT_SOURCE_DIR "/testnet/scenarios/" + what + ".toml"), what);
  }
  static sim::RunOptions options(const Case& c) {
    sim::RunOptions options;
    if (c.small_store) {
      options.adjust = [](node::Config& config) { config.dht.values_bytes_max = 64 << 10; };
    }
    return options;
  }
  // What is one node's doing names it, so that a replay can show its last steps.
  static bool names(const sim::RunResult& result, const std::string& checker) {
    static const std::set<std::string> of_all = {"closest", "membership", "stuck"};
    const auto found = std::ranges::find(result.violations, checker, &sim::Violation::checker);
    if (found == result.violations.end()) return false;
    EXPECT_TRUE(found->node || of_all.contains(checker)) << found->detail;
    return true;
  }
};

TEST_P(Faults, AreFound) {
  const Case& c = GetParam();
  scenario::Scenario scenario = load(c);
  const sim::RunOptions run = options(c);
  std::uint64_t seed = 1;
  for (; seed <= kSeedsMax; ++seed) {
    scenario.seed = seed;
    const Planted planted(c.plant);
    if (names(sim::run_scenario(scenario, run), c.checker)) break;
  }
  ASSERT_LE(seed, kSeedsMax) << "not found";
  RecordProperty("seed", static_cast<int>(seed));
  const sim::RunResult sound = sim::run_scenario(scenario, run);
  EXPECT_TRUE(sound.violations.empty()) << sound.violations.front().checker << ": "
                                        << sound.violations.front().detail;
}

TEST_P(Faults, ShrinkToAFewNodes) {
  const Case& c = GetParam();
  if (!c.shrinks) GTEST_SKIP() << "has no small scenario";
  const std::string path = std::string(WEFT_TEST_DATA "/scenarios/") + c.name + ".toml";
  const sim::RunOptions run = options(c);
  if (std::getenv("UPDATE_GOLDEN") != nullptr) {
    const Planted planted(c.plant);
    scenario::Scenario scenario = load(c);
    for (; sim::failure_kind(sim::run_scenario(scenario, run)) != c.checker; ++scenario.seed) {
      ASSERT_LE(scenario.seed, kSeedsMax);
    }
    const auto shrunk = sim::shrink(scenario, run, kShrinkRunsMax);
    ASSERT_TRUE(shrunk);
    std::ofstream out(path, std::ios::binary | std::ios::trunc);
    out << "# What Plant::k" << c.name << " comes down to: it fails of " << shrunk->kind << ".\n"
        << to_toml(shrunk->scenario);
    ASSERT_TRUE(out.flush());
  }
  const scenario::Scenario scenario = parsed(text_of(path), path);
  EXPECT_LE(scenario.nodes, kSmallNodes);
  EXPECT_LE(scenario.actions.size(), kSmallActions);
  EXPECT_TRUE(sim::run_scenario(scenario, run).violations.empty());
  const Planted planted(c.plant);
  EXPECT_EQ(sim::failure_kind(sim::run_scenario(scenario, run)), c.checker);
}

INSTANTIATE_TEST_SUITE_P(Planted, Faults, testing::ValuesIn(kCases),
                         [](const auto& one) { return std::string(one.param.name); });

}  // namespace
}  // namespace weft
