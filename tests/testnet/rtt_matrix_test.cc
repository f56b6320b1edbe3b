#include "testnet/rtt_matrix.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft::testnet {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::string_view kTwo =
    "# round trips\n"
    "region,east,west\n"
    "east,8.21,262.69\r\n"
    "\n"
    "west, 255.6 ,2\n";

TEST(RttMatrix, ReadsRegionsAndTimes) {
  const auto matrix = parse_rtt_matrix(kTwo);
  ASSERT_TRUE(matrix.has_value()) << matrix.error();
  EXPECT_THAT(matrix->regions, ElementsAre("east", "west"));
  EXPECT_THAT(matrix->rtt[0], ElementsAre(8210us, 262690us));
  EXPECT_THAT(matrix->rtt[1], ElementsAre(255600us, 2ms));
}

TEST(RttMatrix, NamesTheLineOfAMistake) {
  const auto error = [](std::string_view csv) { return parse_rtt_matrix(csv).error(); };
  EXPECT_THAT(error("region,a,b\na,1,2\nb,3,x\n"), HasSubstr("line 3: 'x'"));
  EXPECT_THAT(error("region,a,b\na,1,2\nc,3,4\n"), HasSubstr("expected the row of b"));
  EXPECT_THAT(error("region,a,b\na,1\n"), HasSubstr("line 2"));
  EXPECT_THAT(error("region,a\na,1\na,1\n"), HasSubstr("more rows"));
  EXPECT_THAT(error("region,a\na,-1\n"), HasSubstr("no time"));
  EXPECT_THAT(error("region,a\na,60001\n"), HasSubstr("no time"));
  EXPECT_THAT(error("region,a,b\na,1,2\n"), HasSubstr("too early"));
  EXPECT_THAT(error(""), HasSubstr("too early"));
}

TEST(RttMatrix, BoundsTheNumberOfRegions) {
  std::string header = "region";
  for (std::size_t i = 0; i <= kRegionsMax; ++i) header += ",r" + std::to_string(i);
  EXPECT_THAT(parse_rtt_matrix(header + "\n").error(), HasSubstr("regions"));
}

TEST(RttMatrix, ARegionDependsOnSeedAndIndexAlone) {
  std::vector<std::size_t> counts(4, 0);
  for (std::size_t i = 0; i < 400; ++i) {
    const std::size_t region = region_of(7, i, 4);
    ASSERT_LT(region, 4U);
    EXPECT_EQ(region, region_of(7, i, 4));
    ++counts[region];
  }
  for (const std::size_t count : counts) EXPECT_GT(count, 60U);
}

}  // namespace
}  // namespace weft::testnet
