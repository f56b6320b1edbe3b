#include "testnet/fault_plan.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "testnet/supervisor_verbs.h"

namespace weft::testnet {
namespace {

using nlohmann::json;

const std::vector<std::vector<std::string>> kListens{
    {"127.0.0.1:1"}, {"127.0.0.1:2"}, {"127.0.0.1:3"}, {}};

json body(const FaultPlan& plan, std::size_t self) {
  return json::parse(plan.body(self, kListens));
}

TEST(FaultPlan, WithoutAnythingTakesEverythingAway) {
  EXPECT_EQ(body({.seed = 9}, 0), json::parse(R"({"seed":9,"link":"","block":[],"matrix":{}})"));
}

TEST(FaultPlan, APartitionCutsBothWays) {
  const FaultPlan plan{.cut_off = {false, true, false, false}};
  EXPECT_EQ(body(plan, 0)["block"], json::parse(R"(["127.0.0.1:2"])"));
  EXPECT_EQ(body(plan, 1)["block"], json::parse(R"(["127.0.0.1:1","127.0.0.1:3"])"));
  // A node that came later is on the other side.
  EXPECT_EQ(body({.cut_off = {true}}, 2)["block"], json::parse(R"(["127.0.0.1:1"])"));
}

TEST(FaultPlan, OneWayOnlyTheCutOffAreMute) {
  const FaultPlan plan{.cut_off = {false, true, false, false}, .one_way = true};
  EXPECT_EQ(body(plan, 0)["block"], json::array());
  EXPECT_EQ(body(plan, 1)["block"].size(), 2U);
}

TEST(FaultPlan, ABridgeReachesBothSides) {
  const FaultPlan plan{.cut_off = {false, true, true, false}, .bridges = {true, false, false}};
  EXPECT_EQ(body(plan, 0)["block"], json::array());
  EXPECT_EQ(body(plan, 1)["block"], json::array());  // node 3 has no address yet
  EXPECT_EQ(body(plan, 3)["block"], json::parse(R"(["127.0.0.1:2","127.0.0.1:3"])"));
}

TEST(FaultPlan, AMatrixGivesEachPeerItsRegion) {
  const auto plan =
      plan_with_link({.seed = 5}, "latency=matrix:x.csv,loss=2%", "region,a,b\na,1.5,2\nb,3,4\n");
  ASSERT_TRUE(plan.has_value()) << plan.error();
  const json matrix = body(*plan, 1)["matrix"];
  EXPECT_EQ(matrix["rtt_ms"], json::parse("[[1.5,2.0],[3.0,4.0]]"));
  EXPECT_EQ(matrix["self"], region_of(5, 1, 2));
  EXPECT_EQ(matrix["peers"].size(), 2U);
  EXPECT_EQ(matrix["peers"]["127.0.0.1:3"], region_of(5, 2, 2));
  EXPECT_EQ(plan->link, "loss=2%");
}

TEST(FaultPlan, ANewLinkReplacesTheMatrix) {
  auto plan = plan_with_link({}, "latency=matrix:x.csv", "region,a\na,1\n");
  plan = plan_with_link(*plan, "loss=1%", "");
  EXPECT_FALSE(plan->matrix.has_value());
  EXPECT_FALSE(plan_with_link({}, "loss=often", "").has_value());
  EXPECT_FALSE(plan_with_link({}, "latency=matrix:x.csv", "").has_value());
}

}  // namespace
}  // namespace weft::testnet
