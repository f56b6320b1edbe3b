#include "testnet/merged_metrics.h"

#include <gtest/gtest.h>

namespace weft::testnet {
namespace {

TEST(MergedMetrics, GivesEachSampleItsNodeAndEachFamilyOneHead) {
  MergedMetrics merged;
  const char* one =
      "# HELP weft_a Things.\n# TYPE weft_a gauge\nweft_a 1\n"
      "# HELP weft_t_seconds Times.\n# TYPE weft_t_seconds histogram\nweft_t_seconds_count 2\nweft_t_seconds_bucket{le=\"+Inf\"} 2\n";
  EXPECT_TRUE(merged.add("n0", one));
  EXPECT_TRUE(merged.add("n1", "# HELP weft_a Things.\n# TYPE weft_a gauge\nweft_a 5\n\n# HELP weft_b Other.\n# TYPE weft_b counter\nweft_b{k=\"x y\"} 7"));
  merged.add_own("weft_up", "Up.", "gauge", {{"node=\"n0\"", 1}, {"", 0.5}});
  EXPECT_EQ(merged.text(),
            "# HELP weft_a Things.\n# TYPE weft_a gauge\nweft_a{node=\"n0\"} 1\nweft_a{node=\"n1\"} 5\n"
            "# HELP weft_t_seconds Times.\n# TYPE weft_t_seconds histogram\n"
            "weft_t_seconds_count{node=\"n0\"} 2\nweft_t_seconds_bucket{node=\"n0\",le=\"+Inf\"} 2\n"
            "# HELP weft_b Other.\n# TYPE weft_b counter\nweft_b{node=\"n1\",k=\"x y\"} 7\n"
            "# HELP weft_up Up.\n# TYPE weft_up gauge\nweft_up{node=\"n0\"} 1\nweft_up 0.5\n");
}

TEST(MergedMetrics, EmptyBracesGetNoComma) {
  MergedMetrics merged;
  EXPECT_TRUE(merged.add("n0", "# TYPE weft_a gauge\nweft_a{} 1\n"));
  EXPECT_EQ(merged.text(), "# TYPE weft_a gauge\nweft_a{node=\"n0\"} 1\n");
}

TEST(MergedMetrics, ANodeThatMakesNoSenseIsLeftOutAsAWhole) {
  for (const char* text : {"weft_a 1\n", "# TYPE weft_a gauge\nweft_b 1\n", "# TYPE weft_a gauge\nweft_a\n", "# TYPE weft_a gauge\nweft_a{x 1\n",
                           "# TYPE weft_a gauge\nweft_a 1\n<html>\n"}) {
    MergedMetrics merged;
    EXPECT_FALSE(merged.add("n0", text)) << text;
    EXPECT_EQ(merged.text(), "") << text;
  }
}

TEST(MergedMetrics, IsBounded) {
  MergedMetrics merged;
  std::string text = "# TYPE weft_a gauge\n";
  while (text.size() < kMergedBytesMax / 4) text += "weft_a{some=\"label\"} 1\n";
  std::size_t taken = 0;
  while (taken < 10 && merged.add("n0", text)) ++taken;
  EXPECT_GT(taken, 0U);
  EXPECT_LT(taken, 4U);
  EXPECT_LE(merged.text().size(), kMergedBytesMax);
  EXPECT_TRUE(merged.add("n1", "# TYPE weft_b gauge\nweft_b 1\n"));
}

}  // namespace
}  // namespace weft::testnet
