// Shared state in whole simulated meshes.
#include <gtest/gtest.h>

#include <fstream>
#include <iostream>
#include <sstream>

#include "testnet/sim/world.h"

namespace weft::sim {
namespace {

RunResult run(const std::string& text) {
  auto scenario = scenario::parse_scenario(text, "inline");
  EXPECT_TRUE(scenario) << to_string(scenario.error());
  RunResult result = run_scenario(*scenario, {});
  for (const Violation& v : result.violations) ADD_FAILURE() << v.checker << ": " << v.detail;
  return result;
}

TEST(SharedState, SurvivesSplitsAndCrashes) {
  std::ifstream in(WEFT_SOURCE_DIR "/testnet/scenarios/shared-state.toml", std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  const RunResult result = run(text.str());
  EXPECT_TRUE(result.verdict.passed) << result.verdict.report.dump(1);
  const auto& state = result.verdict.report["total"]["state"];
  EXPECT_GT(state["writes"], 400);
  EXPECT_GT(state["everywhere_ms"]["n"], 200);
  EXPECT_EQ(run(text.str()).trace_hash, result.trace_hash);
}

}  // namespace
}  // namespace weft::sim
