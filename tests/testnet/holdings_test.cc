#include "testnet/scenario/holdings.h"

#include <gtest/gtest.h>

namespace weft::scenario {
namespace {

TEST(Holdings, OfADeadNodeWhatItHasToKeepAliveCountsAndWhatItHeldDoesNot) {
  HoldingsMeter meter;
  meter.begin();
  meter.add(0, 1, 10, 2, {5, 1});
  meter.add(1, 1, 10, 3, {});
  EXPECT_EQ(meter.now().values, 20U);
  EXPECT_EQ(meter.now().own_values, 5U);
  meter.begin();
  meter.add(1, 1, 12, 3, {0, 0, 4});
  EXPECT_EQ(meter.now().values, 12U);
  EXPECT_EQ(meter.now().own_values, 5U);
  EXPECT_EQ(meter.now().arrivals, (Holdings::Classes{5, 1, 4}));
  // It had put one more since it was looked at, and ended.
  meter.keeps(1, 4);
  EXPECT_EQ(meter.now().own_values, 6U);
  meter.keeps(1, 3);
  // Back, with some of it, and counting from 0.
  meter.begin();
  meter.add(0, 2, 7, 1, {3});
  EXPECT_EQ(meter.now().own_values, 4U);
  EXPECT_EQ(meter.now().arrivals, (Holdings::Classes{8, 1, 4}));
  meter.begin();
  meter.add(0, 2, 7, 1, {6});
  EXPECT_EQ(meter.now().arrivals, (Holdings::Classes{11, 1, 4}));
}

}  // namespace
}  // namespace weft::scenario
