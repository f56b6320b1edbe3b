// The trace hash sees everything: one changed bit, one swapped tie, one moved deadline change it; and it
// is the same in every build.
#include <fstream>
#include <map>
#include <sstream>
#include <utility>

#include "helpers.h"
#include "testnet/sim/world.h"

namespace weft::sim {
namespace {

using Tamper = SimNetwork::Tamper;

std::uint64_t hash_of(Tamper what, std::uint64_t nth) {
  SimNetwork net({.seed = 5, .link = {.latency_min = 200us, .latency_max = 200us}});
  net.tamper(what, nth);
  for (std::size_t i = 0; i < 12; ++i) net.add(i == 0 ? std::nullopt : std::optional<std::size_t>(0));
  net.run_for(8s);
  EXPECT_EQ(net.tampered(), what != Tamper::kNothing);
  net.mix_digests();
  return net.trace_hash();
}

TEST(TraceHash, IsChangedByTheLeastChange) {
  const std::uint64_t whole = hash_of(Tamper::kNothing, 0);
  EXPECT_EQ(whole, hash_of(Tamper::kNothing, 0));
  for (const std::uint64_t nth : {10U, 200U, 400U}) {
    EXPECT_NE(whole, hash_of(Tamper::kPayloadBit, nth)) << nth;
    EXPECT_NE(whole, hash_of(Tamper::kTie, nth)) << nth;
    EXPECT_NE(whole, hash_of(Tamper::kDeadline, nth)) << nth;
  }
}

// Written by one build (`golden`), read by all: with and without optimisation and sanitizers.
TEST(TraceHash, IsTheSameInEveryBuild) {
  const std::string path = WEFT_TEST_DATA "/trace_hashes.txt";
  std::ostringstream now;
  for (const char* name : {"smoke", "clock-chaos"}) {
    std::ifstream in(std::string(WEFT_SOURCE_DIR "/testnet/scenarios/") + name + ".toml", std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    auto scenario = scenario::parse_scenario(text.str(), name);
    ASSERT_TRUE(scenario) << to_string(scenario.error());
    scenario->nodes = std::min(scenario->nodes, 12U);
    now << name << ' ' << std::hex << run_scenario(*scenario, {}).trace_hash << std::dec << '\n';
  }
  if (std::getenv("UPDATE_GOLDEN") != nullptr) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << now.str();
  }
  std::ifstream in(path, std::ios::binary);
  std::ostringstream kept;
  kept << in.rdbuf();
  EXPECT_EQ(kept.str(), now.str()) << "if the protocol changed: cmake --build --preset release --target golden";
}

// And a log, of whatever kind, changes no run.
TEST(TraceHash, IsTheSameWithALog) {
  const auto scenario = scenario::parse_scenario("nodes = 12\nduration = \"20s\"\nheal = \"5s\"\n[[at]]\nt = \"2s\"\ndo = \"kill\"\nwho = \"3\"\n"
                                                 "[[at]]\nt = \"12s\"\ndo = \"partition\"\nshare = \"25%\"\n", "logged");
  ASSERT_TRUE(scenario) << to_string(scenario.error());
  std::size_t logged = 0, recorded = 0, sightings = 0;
  RunOptions options;
  const RunResult plain = run_scenario(*scenario, options);
  options.log = [&](const std::string& line) { logged += line.find("\"event\":\"saw\"") == std::string::npos ? 1U : 1'000'000U; };
  EXPECT_EQ(plain.trace_hash, run_scenario(*scenario, options).trace_hash);
  options.record = [&](const std::string& line) {
    ++recorded;
    sightings += line.find("\"event\":\"saw\"") == std::string::npos ? 0U : 1U;
  };
  const std::size_t alone = std::exchange(logged, 0);
  EXPECT_EQ(plain.trace_hash, run_scenario(*scenario, options).trace_hash);
  EXPECT_EQ(logged, alone) << "beside a recording the log is as it was";
  EXPECT_GT(sightings, 0U);
  EXPECT_GE(recorded, logged + sightings + 2 * 12);
  options.log = nullptr;
  EXPECT_EQ(plain.trace_hash, run_scenario(*scenario, options).trace_hash);
}

}  // namespace
}  // namespace weft::sim
