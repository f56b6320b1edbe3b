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

TEST(ReadTotals, FailedOperationsAndLagHaveTheirPlaces) {
  const NodeTotals totals = read_totals("weft_own_values 5\nweft_operations_failed_total{operation=\"get\"} 2\nweft_operations_failed_total{operation=\"lookup\"} 3\n"
                                        "weft_operations_failed_total{operation=\"other\"} 9\n" +
                                        buckets("weft_state_lag_seconds", std::vector<int>(Histogram::kEnds.size() + 1, 4)));
  EXPECT_EQ(totals.own_values, 5);
  EXPECT_EQ(totals.failed, (std::array<double, 3>{0, 2, 3}));
  EXPECT_EQ(totals.state_lag.back(), 4);
}

TEST(RateMeter, CopiesAreOfWhatAllHaveToKeepTheDeadToo) {
  RateMeter meter;
  const MonoTime start = mono_now();
  const auto round = [&](int s, std::vector<double> held) {
    meter.begin_round();
    for (std::size_t i = 0; i < held.size(); ++i) meter.add(start + std::chrono::seconds(s), i, {.values = held[i], .own_values = 2}, 0, 1);
    meter.end_round();
  };
  round(0, {3, 3, 3, 3});
  round(5, {3, 3, 3, 3});
  ASSERT_TRUE(meter.rates());
  EXPECT_EQ(meter.rates()->copies, 1.5);
  round(10, {3, 3});  // two are dead; what was theirs is to be found all the same
  EXPECT_EQ(meter.rates()->copies, 0.75);
  EXPECT_FALSE(meter.rates()->state_lag_p50_ms) << "nothing came";
}

TEST(RateMeter, LagAndFailuresAreOfTheLastRound) {
  RateMeter meter;
  const MonoTime start = mono_now();
  NodeTotals totals;
  const auto round = [&](int s) {
    meter.begin_round();
    meter.add(start + std::chrono::seconds(s), 0, totals, 0, 1);
    meter.end_round();
  };
  for (std::size_t i = 5; i < totals.state_lag.size(); ++i) totals.state_lag[i] = 100;  // up to 5 ms
  totals.failed = {7, 0, 0};
  round(0);
  for (std::size_t i = 8; i < totals.state_lag.size(); ++i) totals.state_lag[i] += 10;  // up to 50 ms
  totals.failed = {7, 10, 0};
  round(5);
  ASSERT_TRUE(meter.rates());
  EXPECT_EQ(meter.rates()->state_lag_p50_ms, 50);
  EXPECT_EQ(meter.rates()->operations[0].failed_per_s, 0);
  EXPECT_EQ(meter.rates()->operations[1].failed_per_s, 2);
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
