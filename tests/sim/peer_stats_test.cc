// Round-trip estimates and the back-off of addresses.
#include "node/peer_stats.h"

#include <gtest/gtest.h>

namespace weft::node {
namespace {

Instant at(Duration since) { return Instant(since); }

TEST(RttEstimate, FollowsRfc6298) {
  RttEstimate e;
  EXPECT_EQ(e.rto(), kRtoInitial);
  e.add(100ms);
  EXPECT_EQ(e.srtt(), 100ms);
  EXPECT_EQ(e.rto(), 300ms);  // SRTT + 4 * SRTT/2
  e.add(200ms);               // RTTVAR = 3/4*50 + 1/4*100 = 62.5; SRTT = 7/8*100 + 1/8*200 = 112.5
  EXPECT_EQ(e.srtt(), 112500us);
  EXPECT_EQ(e.rto(), 362500us);
}

TEST(RttEstimate, StaysWithinItsBounds) {
  RttEstimate fast;
  for (int i = 0; i < 100; ++i) fast.add(10us);
  EXPECT_EQ(fast.rto(), kRtoMin);
  RttEstimate slow;
  for (int i = 0; i < 100; ++i) slow.add(60s);
  EXPECT_EQ(slow.rto(), kRtoMax);
}

TEST(PeerStats, AnAddressThatNeverAnsweredIsTriedEverLessOften) {
  PeerStats stats;
  const Endpoint victim = Endpoint::v4(192, 0, 2, 1, 53);
  EXPECT_TRUE(stats.may_try(at(0s), victim));
  stats.silent(at(0s), victim);
  EXPECT_FALSE(stats.may_try(at(999ms), victim));
  EXPECT_TRUE(stats.may_try(at(1s), victim));
  stats.silent(at(1s), victim);
  EXPECT_FALSE(stats.may_try(at(2999ms), victim));
  for (int i = 0; i < 20; ++i) stats.silent(at(3s), victim);
  EXPECT_FALSE(stats.may_try(at(3s + kBackoffMax - 1ms), victim));
  EXPECT_TRUE(stats.may_try(at(3s + kBackoffMax), victim));
}

TEST(PeerStats, AnAddressThatOnceAnsweredIsTriedFreely) {
  PeerStats stats;
  const Endpoint peer = Endpoint::v4(10, 0, 0, 1, 9338);
  stats.silent(at(0s), peer);
  stats.answered(at(1s), peer);
  EXPECT_TRUE(stats.may_try(at(1s), peer));
  stats.silent(at(2s), peer);
  EXPECT_TRUE(stats.may_try(at(2s), peer));
}

TEST(PeerStats, TablesAreBounded) {
  PeerStats stats;
  for (std::size_t i = 0; i < kEndpointsTriedMax + 100; ++i) {
    Endpoint e = Endpoint::v4(10, static_cast<std::uint8_t>(i >> 16), static_cast<std::uint8_t>(i >> 8),
                              static_cast<std::uint8_t>(i), 1);
    stats.silent(at(Duration(static_cast<Duration::rep>(i))), e);
  }
  // The first ones were forgotten, the last are remembered.
  EXPECT_TRUE(stats.may_try(at(0s), Endpoint::v4(10, 0, 0, 0, 1)));
  EXPECT_FALSE(stats.may_try(at(0s), Endpoint::v4(10, 0, 0x10, 0x63, 1)));
}

}  // namespace
}  // namespace weft::node
