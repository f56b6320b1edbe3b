// What is read off a node's metrics for the page of a testnet.
#include "testnet/watch.h"

#include <gtest/gtest.h>

namespace weft::testnet {
namespace {

std::string buckets(const std::string& family, const std::vector<int>& cumulative) {
  std::string text = "# TYPE " + family + " histogram\n" + family + "_count 9\n" + family + "_sum 1.5\n";
  for (const int n : cumulative) text += family + "_bucket{le=\"0.1\"} " + std::to_string(n) + "\n";
  return text;
}

TEST(ReadTotals, TakesWhatItNeedsAndPassesOverTheRest) {
  std::vector<int> puts(Histogram::kEnds.size() + 1, 7);
  puts.front() = 3;
  const NodeTotals totals = read_totals("# HELP weft_values Values held.\nweft_values 12\nweft_values_bytes 99\nweft_sent_bytes_total 1.5e+06\n\n"
                                        "weft_sent_packets_total 34\nnothing of the kind\n" +
                                        buckets("weft_put_seconds", puts) + buckets("weft_put_commit_seconds", {1}));
  EXPECT_EQ(totals.values, 12);
  EXPECT_EQ(totals.bytes, 1.5e6);
  EXPECT_EQ(totals.packets, 34);
  EXPECT_EQ(totals.operations[0].front(), 3);
  EXPECT_EQ(totals.operations[0].back(), 7);
  EXPECT_EQ(totals.operations[1].back(), 0);
}

TEST(ReadTotals, MoreClassesThanThereAreAndWhatIsNoNumberDoNoHarm) {
  const NodeTotals totals = read_totals(buckets("weft_get_seconds", std::vector<int>(100, 5)) + "weft_values none\nweft_sent_bytes_total \nweft_sent_packets_total");
  EXPECT_EQ(totals.operations[1].back(), 5);
  EXPECT_EQ(totals.values, 0);
  EXPECT_EQ(totals.bytes, 0);
  EXPECT_EQ(totals.packets, 0);
}

}  // namespace
}  // namespace weft::testnet
