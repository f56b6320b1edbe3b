// A key around which ids were ground: what is stored there is found, beside it.
#include <gtest/gtest.h>

#include "testnet/sim/world.h"

namespace weft::sim {
namespace {

TEST(Crowd, WhatIsStoredAmongGroundIdsIsFound) {
  const auto scenario = scenario::parse_scenario(R"(
nodes = 200
duration = "2m"
settle = "10s"
heal = "5s"
membership = false
[link]
latency = "20ms"
jitter = "20%"
[[load]]
do = "put"
rate = 0.5
keys = 1
from = "20s"
[[load]]
do = "get"
rate = 5
from = "40s"
[[at]]
t = "5s"
do = "hostile"
who = "100-144"
role = "grind"
)", "inline");
  ASSERT_TRUE(scenario) << to_string(scenario.error());
  const RunResult result = run_scenario(*scenario, {});
  for (const Violation& v : result.violations) ADD_FAILURE() << v.checker << ": " << v.detail;
  const auto& total = result.verdict.report["total"];
  EXPECT_EQ(total["puts"]["ok_share"], 1.0);
  EXPECT_GE(total["gets"]["ok_share"], 0.99) << total["gets"].dump();
  EXPECT_GT(total["gets"]["ops"], 300);
  EXPECT_EQ(total["gets"]["wrong"], 0);
}

}  // namespace
}  // namespace weft::sim
