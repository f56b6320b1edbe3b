#include "crypto/histogram.h"

#include <gtest/gtest.h>

namespace weft {
namespace {

TEST(Histogram, CountsInTheClassWhoseEndIsNotPassed) {
  Histogram h;
  h.add(0us);
  h.add(-5s);
  h.add(100us);
  h.add(101us);
  h.add(20s);
  h.add(20s + 1us);
  h.add(10h);
  EXPECT_EQ(h.counts().front(), 3U);
  EXPECT_EQ(h.counts()[1], 1U);
  EXPECT_EQ(h.counts()[Histogram::kEnds.size() - 1], 1U);
  EXPECT_EQ(h.counts().back(), 2U);
  EXPECT_EQ(h.count(), 7U);
  EXPECT_EQ(h.sum(), 0us + 100us + 101us + 20s + 20s + 1us + 10h);
}

TEST(Histogram, EndsAscend) {
  EXPECT_TRUE(std::ranges::is_sorted(Histogram::kEnds));
  EXPECT_EQ(std::ranges::adjacent_find(Histogram::kEnds), Histogram::kEnds.end());
}

}  // namespace
}  // namespace weft
