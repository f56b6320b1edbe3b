// What is kept in tests/data/scenarios: each once failed, by a bug or by a planted fault (planted/),
// and passes in a sound core. And the scenarios that come with weft, where they are quick.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "testnet/sim/world.h"

namespace weft::sim {
namespace {

RunResult run(const std::filesystem::path& path, std::optional<std::uint64_t> seed = std::nullopt) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  auto scenario = scenario::parse_scenario(text.str(), path.string());
  EXPECT_TRUE(scenario.has_value()) << (scenario ? "" : to_string(scenario.error()));
  if (!scenario) return {};
  EXPECT_FALSE(unsupported(*scenario, scenario::World::kSimulator, path.string()));
  if (seed) scenario->seed = *seed;
  return run_scenario(*scenario, {});
}

void expect_passed(const RunResult& result, const std::string& name) {
  EXPECT_TRUE(result.verdict.passed) << name;
  EXPECT_EQ(result.violations_total, 0U) << name;
  if (!result.violations.empty()) {
    ADD_FAILURE() << result.violations.front().checker << ": " << result.violations.front().detail;
  }
}

TEST(Scenarios, WhatOnceFailedPasses) {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(WEFT_TEST_DATA "/scenarios")) {
    expect_passed(run(entry.path()), entry.path().string());
    ++count;
  }
  EXPECT_GE(count, 5U);
}

TEST(Scenarios, ThoseThatComeWithWeftPass) {
  for (const char* name : {"smoke", "partition", "one-way-partition", "clock-chaos", "nats", "mixed-faults", "rolling-restart"}) {
    expect_passed(run(std::string(WEFT_SOURCE_DIR "/testnet/scenarios/") + name + ".toml"), name);
  }
}

}  // namespace
}  // namespace weft::sim
