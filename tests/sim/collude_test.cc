// Hostile nodes that name each other, the nearest first: what lookups and gets find among them, along one path and along many.
#include <gtest/gtest.h>

#include "testnet/sim/world.h"

namespace weft::sim {
namespace {

nlohmann::json total_of(const std::string& who, std::size_t paths) {
  const auto scenario = scenario::parse_scenario(R"(
nodes = 150
duration = "100s"
settle = "10s"
heal = "5s"
membership = false
[link]
latency = "20ms"
jitter = "20%"
[dht]
bucket_size = 8
lookup_want = 3
paths = )" + std::to_string(paths) + R"(
[[at]]
t = "1s"
do = "hostile"
who = ")" + who + R"("
role = "collude"
[[load]]
do = "put"
rate = 2
from = "2s"
until = "30s"
[[load]]
do = "get"
rate = 4
from = "35s"
[[load]]
do = "lookup"
rate = 4
from = "35s"
)", "inline");
  EXPECT_TRUE(scenario) << to_string(scenario.error());
  const RunResult result = run_scenario(*scenario, {});
  for (const Violation& v : result.violations) ADD_FAILURE() << v.checker << ": " << v.detail;
  return result.verdict.report["total"];
}

TEST(Collude, NobodyHostileNothingLost) {
  const auto total = total_of("0%", 4);
  EXPECT_EQ(total["lookups"]["right_share"], 1.0);
  EXPECT_EQ(total["gets"]["ok_share"], 1.0);
}

TEST(Collude, LiesArriveAndMorePathsFindMore) {
  const auto one = total_of("50%", 1);
  const auto eight = total_of("50%", 8);
  EXPECT_GT(one["lies"]["collude"], 1000);
  EXPECT_LT(one["lookups"]["right_share"], 0.97) << "they lead astray";
  EXPECT_GT(eight["lookups"]["right_share"], one["lookups"]["right_share"]);
  EXPECT_GT(eight["lookups"]["right_share"], 0.97) << one["lookups"] << one["gets"] << eight["gets"];
  for (const auto& total : {one, eight}) {
    EXPECT_EQ(total["gets"]["wrong"], 0) << "a damaged value is none";
    EXPECT_GT(total["gets"]["ok_share"], 0.9);
  }
}

}  // namespace
}  // namespace weft::sim
