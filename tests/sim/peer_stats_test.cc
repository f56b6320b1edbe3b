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

NodeId peer(std::uint8_t fill) {
  NodeId id;
  id.bytes.fill(fill);
  return id;
}

// One bad moment, as when 200 nodes start on two cores, is not held against a peer for ever.
TEST(PeerStats, YoungAndStaleEstimatesAreCappedByWhatAllNeed) {
  PeerStats stats;
  stats.measured(at(1s), peer(1), 1s);
  for (int i = 0; i < 100; ++i) stats.measured(at(2s), peer(2), 40ms);
  EXPECT_EQ(stats.waits(at(70s), peer(1)).longest, 3s);
  EXPECT_EQ(stats.waits(at(3s), peer(1)).rto, kRtoInitial / 2);  // all's, at its least
  EXPECT_EQ(stats.waits(at(3s), peer(2)).rto, kRtoMin);
  EXPECT_EQ(stats.waits(at(3s), peer(3)).rto, kRtoInitial / 2);
  for (int i = 0; i < 7; ++i) stats.measured(at(4s), peer(1), 1s);
  EXPECT_GE(stats.waits(at(5s), peer(1)).rto, 1s);   // it is slow indeed
  for (int i = 0; i < 100; ++i) stats.measured(at(60s), peer(2), 40ms);
  EXPECT_EQ(stats.waits(at(65s), peer(1)).rto, kRtoInitial / 2);  // or was, a minute ago
}

// Somebody else may be asked sooner than a request is sent again: after what all others need, of whom one knows little of.
TEST(PeerStats, AHedgeOfWhoIsHardlyKnownGoesByAllOthers) {
  PeerStats stats;
  EXPECT_EQ(stats.waits(at(1s), peer(3)).hedge, kRtoInitial) << "nobody was measured yet";
  stats.measured(at(1s), peer(1), 1s);
  EXPECT_EQ(stats.waits(at(1s), peer(3)).hedge, kRtoMax) << "all others are slow";
  for (int i = 0; i < 100; ++i) stats.measured(at(2s), peer(2), 40ms);
  EXPECT_EQ(stats.waits(at(3s), peer(3)).hedge, kRtoMin) << "a stranger";
  EXPECT_EQ(stats.waits(at(3s), peer(1)).hedge, kRtoMin) << "measured once, in a bad moment";
  EXPECT_EQ(stats.waits(at(3s), peer(1)).rto, kRtoInitial / 2);
  stats.answered_late(at(3s), peer(4), 900ms);
  EXPECT_EQ(stats.waits(at(3s), peer(4)).hedge, 900ms) << "just now it needed that";
  EXPECT_EQ(stats.waits(at(70s), peer(4)).hedge, kRtoMin) << "a minute ago";
  for (int i = 0; i < 7; ++i) stats.measured(at(4s), peer(1), 1s);
  EXPECT_EQ(stats.waits(at(5s), peer(1)).hedge, stats.waits(at(5s), peer(1)).rto) << "well known, and slow";
  for (std::uint8_t p = 0; p < 5; ++p) {
    const PeerStats::Waits waits = stats.waits(at(5s), peer(p));
    EXPECT_LE(waits.hedge, waits.rto);
    EXPECT_LE(waits.rto, waits.longest);
  }
}

TEST(PeerStats, HardlyAnyAnswerIsLate) {
  PeerStats stats;
  EXPECT_FALSE(stats.hardly_any_late()) << "nothing is known yet";
  for (int i = 0; i < 30; ++i) stats.measured(at(1s), peer(1), 40ms);
  EXPECT_TRUE(stats.hardly_any_late());
  EXPECT_TRUE(stats.none_late());
  stats.answered_late(at(1s), peer(1), 900ms);
  EXPECT_TRUE(stats.hardly_any_late()) << "one of thirty";
  EXPECT_FALSE(stats.none_late());
  for (int i = 0; i < 2; ++i) stats.answered_late(at(1s), peer(1), 900ms);
  EXPECT_FALSE(stats.hardly_any_late()) << "three in a row";
  // One of four for ever is loss.
  for (int i = 0; i < 200; ++i) {
    if (i % 4 == 0) stats.answered_late(at(2s), peer(2), 900ms);
    else stats.measured(at(2s), peer(2), 40ms);
    if (i > 40) {
      EXPECT_FALSE(stats.hardly_any_late()) << i;
    }
  }
}

TEST(PeerStats, TheSlowestFades) {
  PeerStats stats;
  EXPECT_EQ(stats.slowest(), Duration(0));
  stats.measured(at(1s), peer(1), 400ms);
  stats.measured(at(1s), peer(2), 40ms);
  EXPECT_GT(stats.slowest(), Duration(390ms));
  EXPECT_LT(stats.slowest(), Duration(400ms));
  for (int i = 0; i < 1000; ++i) stats.measured(at(1s), peer(2), 40ms);
  EXPECT_EQ(stats.slowest(), Duration(40ms));
  stats.measured(at(1s), peer(1), 60s);
  EXPECT_EQ(stats.slowest(), kRtoMax);
}

// A slow peer whose estimate is capped would never be measured: each request would go twice.
TEST(PeerStats, WhoAnsweredLateIsGivenTheTimeToBeMeasured) {
  PeerStats stats;
  for (int i = 0; i < 100; ++i) stats.measured(at(1s), peer(2), 40ms);
  stats.answered_late(at(1s), peer(1), 900ms);
  EXPECT_EQ(stats.waits(at(1s), peer(1)).rto, 900ms);
  EXPECT_EQ(stats.rtt(peer(1)), std::nullopt);
  stats.measured(at(2s), peer(1), 800ms);
  for (int i = 0; i < 100; ++i) stats.measured(at(2s), peer(2), 40ms);
  EXPECT_EQ(stats.waits(at(2s), peer(1)).rto, kRtoInitial / 2);
  // A late answer does not make an old estimate young again.
  for (int i = 0; i < 20; ++i) stats.measured(at(2s), peer(4), 1s);
  for (int i = 0; i < 100; ++i) stats.measured(at(2s), peer(2), 40ms);
  stats.answered_late(at(70s), peer(4), 500ms);
  EXPECT_GE(stats.waits(at(70s), peer(4)).longest, 1s);
  EXPECT_EQ(stats.waits(at(70s), peer(4)).rto, 500ms);
  stats.answered_late(at(3s), peer(1), 60s);
  EXPECT_EQ(stats.waits(at(3s), peer(1)).rto, kRtoMax);
  // Nor is one bad answer held against it for longer than an estimate; we stay patient.
  for (int i = 0; i < 100; ++i) stats.measured(at(60s), peer(2), 40ms);
  EXPECT_EQ(stats.waits(at(64s), peer(1)).rto, kRtoInitial / 2);
  EXPECT_EQ(stats.waits(at(64s), peer(1)).longest, kRtoMax);
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
  // Somebody says that who names it lives.
  EXPECT_FALSE(stats.may_try(at(3s + kBackoffOfSecondLooks - 1ms), victim, kBackoffOfSecondLooks));
  EXPECT_TRUE(stats.may_try(at(3s + kBackoffOfSecondLooks), victim, kBackoffOfSecondLooks));
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
