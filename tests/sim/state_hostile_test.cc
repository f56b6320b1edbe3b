// Shared state among liars, and where homes are lost, doubled and put back: what the simulator's checker asks for holds, and it sees what it should.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "testnet/sim/naive_fold.h"
#include "testnet/sim/world.h"

namespace weft::sim {
namespace {

using testing::HasSubstr;

scenario::Scenario parsed(const std::string& text) {
  auto scenario = scenario::parse_scenario(text, "inline");
  EXPECT_TRUE(scenario) << to_string(scenario.error());
  EXPECT_FALSE(unsupported(*scenario, scenario::World::kSimulator, "inline"));
  return *scenario;
}

// `meddle` looks at the network now and then.
RunResult run(const scenario::Scenario& scenario, std::function<void(SimNetwork&, Duration)> meddle = {}) {
  RunOptions options;
  options.meddle = std::move(meddle);
  RunResult result = run_scenario(scenario, options);
  for (const Violation& v : result.violations) ADD_FAILURE() << "seed " << scenario.seed << ", " << v.checker << ": " << v.detail;
  EXPECT_TRUE(result.verdict.passed) << result.verdict.report["checks"].dump(1);
  return result;
}

constexpr const char* kSmall = R"(
nodes = 8
duration = "20s"
heal = "35s"
[link]
latency = "20ms"
jitter = "30%"
loss = "3%"
[[load]]
do = "state"
rate = 5
size = 30
keys = 5
from = "500ms"
)";

std::string at(std::string_view t, std::string_view rest) {
  return "[[at]]\nt = \"" + std::string(t) + "\"\n" + std::string(rest) + "\n";
}

class EachRole : public testing::TestWithParam<const char*> {};

TEST_P(EachRole, IsHeardAndHonestNodesComeToHaveTheSame) {
  const std::string role = GetParam();
  for (std::uint64_t seed = 1; seed <= 2; ++seed) {
    scenario::Scenario scenario = parsed(kSmall + at("2s", "do = \"hostile\"\nwho = \"5-6\"\nrole = \"" + role + "\"") +
                                         at("8s", "do = \"kill\"\nwho = \"1\"") + at("12s", "do = \"restart\"\nwho = \"1\""));
    scenario.seed = seed;
    const RunResult result = run(scenario);
    EXPECT_GT(result.verdict.report["total"]["lies"][role], 0) << "seed " << seed;
    EXPECT_GT(result.verdict.report["acknowledged"]["entries"], 50) << "seed " << seed;
    EXPECT_EQ(result.verdict.report["acknowledged"]["lost_with_a_disk"], 0) << "seed " << seed;
  }
}
INSTANTIATE_TEST_SUITE_P(StateHostile, EachRole,
                         testing::Values("state-fork", "state-forge", "state-future", "state-replay", "state-withhold", "state-flood",
                                         "state-void"),
                         [](const auto& param) { return std::string(param.param).substr(6); });

TEST(StateHostile, AllRolesAndAllFaultsTogether) {
  std::ifstream in(WEFT_SOURCE_DIR "/tests/bench/state-seeds.toml", std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  scenario::Scenario scenario = parsed(text.str());
  std::uint64_t lost = 0;
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    scenario.seed = seed;
    lost += run(scenario).verdict.report["acknowledged"]["lost_with_a_disk"].get<std::uint64_t>();
  }
  EXPECT_GT(lost, 0U) << "the disks that were put back had nothing on them that nobody else had";
  EXPECT_EQ(run(scenario).trace_hash, run(scenario).trace_hash);
}

TEST(StateHostile, WordsThatTheirAuthorHasDiscardedAreRefusedWhenTheyComeAgain) {
  scenario::Scenario scenario = parsed(R"(
nodes = 6
duration = "40s"
heal = "30s"
[[load]]
do = "state"
rate = 15
size = 10
keys = 2
writers = 1
)" + at("1s", "do = \"hostile\"\nwho = \"5\"\nrole = \"state-replay\""));
  state::Stats most;
  const RunResult result = run(scenario, [&](SimNetwork& network, Duration) {
    for (std::size_t i = 0; i < 5 && i < network.size(); ++i) {
      const state::Stats stats = network.core(i).shared_state().stats();
      most.discarded_total = std::max(most.discarded_total, stats.discarded_total);
      most.dropped_total = std::max(most.dropped_total, stats.dropped_total);
    }
  });
  EXPECT_GT(most.dropped_total, 100U);
  EXPECT_GT(most.discarded_total, 100U);
  EXPECT_GT(result.verdict.report["total"]["lies"]["state-replay"], 0);
}

TEST(StateFaults, OnlyWhatNobodyElseHadIsLostWithADisk) {
  const auto with = [](bool alone) {
    std::string text = R"(
nodes = 5
duration = "30s"
heal = "30s"
[[load]]
do = "state"
rate = 4
size = 10
writers = 1
until = "20s"
)" + at("5s", "do = \"backup\"\nwho = \"0\"");
    if (alone) text += at("12s", "do = \"partition\"\nwho = \"0\"\nfor = \"15s\"");
    return parsed(text + at("22s", "do = \"restore-backup\"\nwho = \"0\""));
  };
  const RunResult among_others = run(with(false));
  EXPECT_EQ(among_others.verdict.report["acknowledged"]["lost_with_a_disk"], 0);
  const RunResult alone = run(with(true));
  const std::uint64_t lost = alone.verdict.report["acknowledged"]["lost_with_a_disk"];
  EXPECT_GE(lost, 25U);  // eight seconds of writes
  EXPECT_LE(lost, 40U);
}

TEST(StateFaults, AuthorsWhoOverwriteEachOtherDropWhatIsUseless) {
  const scenario::Scenario scenario = parsed(R"(
nodes = 5
duration = "60s"
heal = "30s"
[link]
latency = "20ms"
loss = "2%"
[[load]]
do = "state"
rate = 25
size = 10
keys = 3
)" + at("20s", "do = \"backup\"\nwho = \"0-4\"") + at("30s", "do = \"kill\"\nwho = \"1\"") + at("34s", "do = \"restart\"\nwho = \"1\"") +
                                             at("45s", "do = \"restore-backup\"\nwho = \"2\""));
  std::uint64_t dropped = 0;
  run(scenario, [&](SimNetwork& network, Duration) {
    if (network.size() == 5) dropped = std::max(dropped, network.core(0).shared_state().stats().dropped_total);
  });
  EXPECT_GT(dropped, 300U);
}

TEST(StateFaults, ATwinWritesAndStops) {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    scenario::Scenario scenario = parsed(kSmall + at("5s", "do = \"partition\"\nwho = \"3,4\"\nfor = \"6s\"") +
                                         at("6s", "do = \"twin\"\nwho = \"3\"") + at("18s", "do = \"restart\"\nwho = \"3\""));
    scenario.seed = seed;
    std::size_t most = 0;
    std::set<std::uint64_t> epochs;
    run(scenario, [&](SimNetwork& network, Duration) {
      if (network.size() < 8) return;
      std::size_t alive = 0;
      for (std::size_t i = 0; i < network.size(); ++i) {
        if (network.id(i) != network.id(3) || !network.alive(i)) continue;
        ++alive;
        network.core(i).shared_state().for_each([&](const state::Space& space) {
          for (const state::Space::Own& own : space.own(network.public_key(3))) epochs.insert(own.epoch);
        });
      }
      most = std::max(most, alive);
      EXPECT_LE(alive, network.now().mono > Instant(25s) ? 1U : 2U) << "seed " << seed;
    });
    EXPECT_EQ(most, 2U) << "seed " << seed;
    EXPECT_GE(epochs.size(), 2U) << "both wrote, each in an epoch of its own; seed " << seed;
  }
}

TEST(StateFaults, WhatAClockADayAheadHasWrittenIsEverywhereADayLater) {
  const scenario::Scenario scenario = parsed(kSmall + at("3s", "do = \"clock-step\"\nwho = \"1\"\namount = \"24h\"\nfor = \"5s\"") +
                                             at("3s", "do = \"clock-step\"\nwho = \"2\"\namount = \"-24h\"\nfor = \"5s\""));
  std::size_t held_back = 0;
  const RunResult result = run(scenario, [&](SimNetwork& network, Duration) {
    if (network.size() == 8) held_back = std::max(held_back, network.core(0).shared_state().stats().held_back);
  });
  EXPECT_GT(held_back, 0U);
  EXPECT_EQ(result.verdict.report["acknowledged"]["lost_with_a_disk"], 0);
}

TEST(StateFaults, AClockThatIsRightAgainStampsRightAgain) {
  for (const bool restarted : {false, true}) {
    std::string text = R"(
nodes = 5
duration = "60s"
heal = "65s"
[[load]]
do = "state"
rate = 2
size = 10
keys = 5
writers = 1
)" + at("10s", "do = \"clock-step\"\nwho = \"0\"\namount = \"24h\"\nfor = \"5s\"");
    if (restarted) text += at("20s", "do = \"kill\"\nwho = \"0\"") + at("22s", "do = \"restart\"\nwho = \"0\"");
    const RunResult result = run(parsed(text));
    const std::uint64_t ahead = result.verdict.report["acknowledged"]["stamped_ahead"];
    EXPECT_GE(ahead, 8U);  // of these five seconds
    EXPECT_LE(ahead, 11U);
  }
}

TEST(StateFaults, RealProcessesRefuseThem) {
  const auto why = [](const std::string& rest) {
    const auto scenario = scenario::parse_scenario(kSmall + at("1s", rest), "inline");
    EXPECT_TRUE(scenario);
    const auto no = unsupported(*scenario, scenario::World::kProcesses, "inline");
    return no ? no->message : std::string();
  };
  EXPECT_THAT(why("do = \"hostile\"\nwho = \"1\"\nrole = \"state-fork\""), HasSubstr("real processes cannot honour do = \"hostile\", role = \"state-fork\""));
  EXPECT_THAT(why("do = \"backup\"\nwho = \"1\""), HasSubstr("do = \"backup\""));
  EXPECT_THAT(why("do = \"restore-backup\"\nwho = \"1\""), HasSubstr("do = \"restore-backup\""));
  EXPECT_THAT(why("do = \"twin\"\nwho = \"1\""), HasSubstr("do = \"twin\""));
}

// The library's documents and the naive fold agree about any set, in whatever order it came.
TEST(NaiveFold, AgreesWithTheDocumentsOfASpace) {
  CheapProvider provider;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    Rng rng(seed);
    const Identity a(provider, ByteArray<32>{1}), b(provider, ByteArray<32>{2});
    state::Space space(state::make_genesis(a, "n", state::Access::kOpen));
    std::vector<state::EntryId> ids;
    std::vector<Bytes> wires;
    for (std::uint64_t i = 0; i < 150; ++i) {
      const Identity& author = rng.below(2) == 0 ? a : b;
      const auto kind = static_cast<state::Kind>(1 + rng.below(6));
      std::vector<state::EntryId> saw;
      for (int k = 0; k < 3 && !ids.empty(); ++k) saw.push_back(ids[rng.below(ids.size())]);
      std::ranges::sort(saw);
      saw.erase(std::unique(saw.begin(), saw.end()), saw.end());
      Bytes body{static_cast<std::uint8_t>('a' + rng.below(3))};
      std::string path = rng.below(2) == 0 ? "x" : "x/y";
      if (kind == state::Kind::kCount) body = state::count_body({.up = rng.next(), .down = rng.next()});
      if (kind == state::Kind::kClear) body.clear();
      if (kind == state::Kind::kCheckpoint) {
        state::Section section{.epoch = rng.below(2), .first = 1 + rng.below(60), .last = 1, .wanted = {}};
        section.last = section.first + rng.below(9);
        if (rng.below(2) == 0) section.wanted.push_back(section.first);
        body = state::checkpoint_body({&section, 1});
        path = state::kCheckpointPath;
        saw.clear();
      }
      const state::Content content{.space = space.genesis().id, .author = author.public_key(), .epoch = rng.below(2), .seq = 1 + rng.below(80),
                                   .prev = {}, .stamp = rng.below(1'000), .kind = kind, .path = as_bytes(path), .body = body, .saw = saw};
      const auto signed_alone = state::sign_entries(author, {&content, 1});
      if (!signed_alone) continue;  // a Clear or a Remove that names nothing
      wires.push_back(signed_alone->front());
      ids.push_back(state::decode_entry(wires.back())->id);
    }
    rng.shuffle(std::span(wires));
    for (const Bytes& wire : wires) (void)space.insert(*state::decode_entry(wire), wire, /*settled=*/true);
    std::vector<Bytes> held;
    space.visit_arrivals(0, [&](std::uint64_t, const state::EntryId&, ByteView wire) {
      held.push_back(to_bytes(wire));
      return true;
    });
    const NaiveFold fold = naive_fold(std::move(held));
    EXPECT_TRUE(same(fold, space.documents())) << "seed " << seed;
    EXPECT_TRUE(fold.droppable.empty()) << "seed " << seed;
    EXPECT_EQ(fold.malformed, 0U);
    EXPECT_FALSE(fold.paths.empty());
    // And it notices one value less.
    const auto counting = std::ranges::find_if(fold.wires, [&](const Bytes& wire) {
      const auto entry = state::decode_entry(wire);
      return entry->content.kind == state::Kind::kSet && space.documents().counts(space.documents().at(entry->id));
    });
    ASSERT_NE(counting, fold.wires.end());
    std::vector<Bytes> less = fold.wires;
    less.erase(less.begin() + (counting - fold.wires.begin()));
    EXPECT_FALSE(same(naive_fold(std::move(less)), space.documents())) << "seed " << seed;
  }
}

}  // namespace
}  // namespace weft::sim
