// What is kept in tests/data/scenarios: each once failed, by a bug or by a planted fault (planted/),
// and passes in a sound core. And the scenarios that come with weft, where they are quick.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "testnet/sim/world.h"

namespace weft::sim {
namespace {

std::string text_of(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

RunResult run(const std::filesystem::path& path, std::optional<std::uint64_t> seed = std::nullopt) {
  auto scenario = scenario::parse_scenario(text_of(path), path.string());
  EXPECT_TRUE(scenario.has_value()) << (scenario ? "" : to_string(scenario.error()));
  if (!scenario) return {};
  EXPECT_FALSE(unsupported(*scenario, scenario::World::kSimulator, path.string()));
  if (scenario->churn && !scenario->churn->trace_file.empty()) {
    const std::filesystem::path trace = path.parent_path() / scenario->churn->trace_file;
    EXPECT_FALSE(attach_trace(*scenario, text_of(trace), trace.string()));
  }
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
    if (entry.path().extension() != ".toml") continue;  // sessions that one of them reads
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
