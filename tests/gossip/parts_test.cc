// The small parts alone: suspicion clock, local health, probe round, probe order, requests.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "gossip/membership/awareness.h"
#include "gossip/membership/probe.h"
#include "gossip/membership/probe_order.h"
#include "gossip/membership/requests.h"
#include "gossip/membership/retry.h"
#include "gossip/membership/suspicion.h"

namespace weft::gossip {
namespace {

NodeId id_of(std::uint8_t n) {
  NodeId id;
  id.bytes[0] = n;
  return id;
}
const Instant kStart{Duration(5'000'000)};

TEST(SuspicionTime, FollowsTheFormula) {
  // max - (max - min) * log(c + 1) / log(k + 1), with k = 3, 4 s and 8 s.
  EXPECT_EQ(suspicion_time(4s, 8s, 3, 1), 8s);
  EXPECT_EQ(suspicion_time(4s, 8s, 3, 2), 6s);                   // log 2 / log 4 = 1/2
  EXPECT_EQ(suspicion_time(4s, 8s, 3, 3), Duration(4'830'000));  // log 3 / log 4 = 0.7925
  EXPECT_EQ(suspicion_time(4s, 8s, 3, 4), 4s);
  EXPECT_EQ(suspicion_time(4s, 8s, 3, 100), 4s);
  EXPECT_EQ(suspicion_time(4s, 8s, 0, 1), 4s);  // nobody else could confirm
  EXPECT_EQ(suspicion_time(4s, 8s, 1, 1), 8s);
  EXPECT_EQ(suspicion_time(4s, 8s, 1, 2), 4s);
  EXPECT_EQ(suspicion_time(4s, 4s, 3, 1), 4s);
  EXPECT_EQ(suspicion_time(4s, 8s, 3, 0), 8s);
}

TEST(SuspicionTime, NeverGrowsWithAccusersNorLeavesItsBounds) {
  for (std::size_t k = 0; k <= 12; ++k) {
    Duration last = 8s;
    for (std::size_t c = 1; c <= 14; ++c) {
      const Duration t = suspicion_time(4s, 8s, k, c);
      EXPECT_LE(t, last);
      EXPECT_GE(t, 4s);
      last = t;
    }
    EXPECT_EQ(last, 4s);
  }
}

TEST(SuspicionClock, CountsDistinctAccusersOnly) {
  SuspicionClock clock(kStart, 1, 0, id_of(1));
  EXPECT_FALSE(clock.accuse(id_of(1), 3));
  EXPECT_TRUE(clock.accuse(id_of(2), 3));
  EXPECT_FALSE(clock.accuse(id_of(2), 3));
  EXPECT_TRUE(clock.accuse(id_of(3), 3));
  EXPECT_TRUE(clock.accuse(id_of(4), 3));
  EXPECT_FALSE(clock.accuse(id_of(5), 3));  // more would not shorten it
  EXPECT_EQ(clock.accusers(), 4U);
}

TEST(SuspicionClock, ProbesInTheFirstHalf) {
  for (std::uint32_t draw = 0; draw < 65536; draw += 257) {
    SuspicionClock clock(kStart, 1, static_cast<std::uint16_t>(draw), id_of(1));
    EXPECT_GE(clock.probe_at(8s), kStart);
    EXPECT_LT(clock.probe_at(8s), kStart + 4s);
    EXPECT_LT(clock.probe_at(4s), kStart + 2s);  // it moves along when the clock shrinks
  }
}

TEST(SuspicionClock, AFullOneProbesInItsMiddleThird) {
  for (std::uint32_t draw = 0; draw < 65536; draw += 257) {
    SuspicionClock clock(kStart, 1, static_cast<std::uint16_t>(draw), id_of(1));
    clock.keep_full();
    EXPECT_GE(clock.probe_at(6s), kStart + 2s);
    EXPECT_LT(clock.probe_at(6s), kStart + 4s);
    clock.hurry();
    EXPECT_EQ(clock.probe_at(6s), kStart);
  }
}

TEST(SuspicionClock, ExpiresOnlyAfterTheTimeAndASilentProbe) {
  SuspicionClock clock(kStart, 1, 30000, id_of(1));
  EXPECT_FALSE(clock.expired(kStart + 100s, 4s));  // no probe yet
  clock.on_probe_started();
  EXPECT_FALSE(clock.expired(kStart + 100s, 4s));  // under way
  clock.on_probe_silent();
  EXPECT_FALSE(clock.expired(kStart + 3999ms, 4s));
  EXPECT_TRUE(clock.expired(kStart + 4s, 4s));
  clock.shift(1s);
  EXPECT_FALSE(clock.expired(kStart + 4s, 4s));
  EXPECT_TRUE(clock.expired(kStart + 5s, 4s));
}

TEST(SuspicionClock, AVoidProbeIsRepeated) {
  SuspicionClock clock(kStart, 1, 60000, id_of(1));
  clock.on_probe_started();
  clock.on_probe_void();
  EXPECT_EQ(clock.probe(), SuspicionClock::Probe::kWaiting);
  EXPECT_LE(clock.probe_at(8s), kStart);
}

TEST(Awareness, RisesAndFalls) {
  Awareness health(8);
  EXPECT_EQ(health.stretch(1s), 1s);
  EXPECT_EQ(health.stretch_clock(4s), 4s);
  health.on_silence(3, 1);  // a relay reacted: it is not us
  EXPECT_EQ(health.score(), 0U);
  health.on_silence(3, 0);
  health.on_silence(0, 0);
  EXPECT_EQ(health.score(), 2U);
  EXPECT_EQ(health.stretch(1s), 3s);
  EXPECT_EQ(health.stretch_clock(4s), 8s);
  for (int i = 0; i < 100; ++i) health.on_refute();
  EXPECT_EQ(health.score(), 8U);
  for (int i = 0; i < 100; ++i) health.on_success();
  EXPECT_EQ(health.score(), 0U);
  health.on_stall(499ms, 1s);
  EXPECT_EQ(health.score(), 0U);
  for (int i = 0; i < 10; ++i) health.on_stall(5s, 1s);
  EXPECT_EQ(health.score(), kStallScoreMax);
}

TEST(ProbeRound, DirectAnswer) {
  ProbeRound round(kStart, ProbeKind::kPeriodic, true);
  EXPECT_EQ(round.verdict(kStart), std::nullopt);
  round.on_answer();
  EXPECT_EQ(round.verdict(kStart), Verdict::kAlive);
  EXPECT_FALSE(round.wants_relays());
}

TEST(ProbeRound, SilentOnlyWhenAllAreClosed) {
  ProbeRound round(kStart, ProbeKind::kPeriodic, true);
  EXPECT_TRUE(round.wants_relays());
  round.on_relays_asked(3);
  EXPECT_FALSE(round.wants_relays());
  round.on_nack();
  round.on_relay_timeout();
  round.on_direct_timeout();
  EXPECT_EQ(round.verdict(kStart + 1s), std::nullopt);
  round.on_nack();
  EXPECT_EQ(round.verdict(kStart + 1s), Verdict::kSilent);
  EXPECT_EQ(round.asked(), 3U);
  EXPECT_EQ(round.reacted(), 2U);
}

TEST(ProbeRound, WithoutASlowSignalTheRelaysStillComeBeforeTheVerdict) {
  ProbeRound round(kStart, ProbeKind::kVerify, true);
  round.on_direct_timeout();
  EXPECT_EQ(round.verdict(kStart + 1s), std::nullopt);
  EXPECT_TRUE(round.wants_relays());
  round.on_relays_asked(0);
  EXPECT_EQ(round.verdict(kStart + 1s), Verdict::kSilent);
}

TEST(ProbeRound, ALateYesOfARelaySavesTheMember) {
  ProbeRound round(kStart, ProbeKind::kVerify, true);
  round.on_relays_asked(1);
  round.on_direct_timeout();
  EXPECT_EQ(round.verdict(kStart + 1s), std::nullopt);
  round.on_vouched();
  EXPECT_EQ(round.verdict(kStart + 2s), Verdict::kVouched);
}

TEST(ProbeRound, ARelaysYesWaitsForTheMembersOwn) {
  ProbeRound round(kStart, ProbeKind::kVerify, true);
  round.on_relays_asked(3);
  round.on_vouched();
  EXPECT_EQ(round.verdict(kStart + 100ms), std::nullopt);
  round.on_direct_timeout();  // the other two relays need not be waited for
  EXPECT_EQ(round.verdict(kStart + 1s), Verdict::kVouched);
  round.on_answer();
  EXPECT_EQ(round.verdict(kStart + 1s), Verdict::kAlive);
}

TEST(ProbeRound, AStallVoidsIt) {
  ProbeRound round(kStart, ProbeKind::kPeriodic, false);
  round.on_stall(200ms);
  round.on_direct_timeout();
  EXPECT_EQ(round.verdict(kStart + 1s), Verdict::kSilent);  // a fifth: counts
  round.on_stall(100ms);
  EXPECT_EQ(round.verdict(kStart + 1s), Verdict::kVoid);
}

TEST(ProbeOrder, EveryoneOncePerPass) {
  Rng rng(3);
  ProbeOrder order;
  for (std::uint32_t i = 0; i < 50; ++i) order.insert(i, rng);
  (void)order.next(rng);  // inserting moved the pointer about; start from a whole pass
  while (true) {
    std::set<std::uint32_t> seen;
    for (int i = 0; i < 49; ++i) seen.insert(*order.next(rng));
    if (seen.size() == 49) break;
    FAIL() << "a member came up twice in a pass";
  }
  for (int pass = 0; pass < 10; ++pass) {
    std::set<std::uint32_t> seen;
    for (int i = 0; i < 50; ++i) seen.insert(*order.next(rng));
    EXPECT_EQ(seen.size(), 50U);
  }
}

// The bound of SWIM 4.3: with members coming and going, nobody waits longer than 2n - 1 turns.
TEST(ProbeOrder, TheWaitIsBoundedWhileMembersComeAndGo) {
  Rng rng(4);
  ProbeOrder order;
  std::map<std::uint32_t, std::size_t> waiting;
  std::uint32_t next_id = 0;
  for (; next_id < 20; ++next_id) {
    order.insert(next_id, rng);
    waiting[next_id] = 0;
  }
  for (int turn = 0; turn < 20000; ++turn) {
    if (turn % 50 == 7) {
      const std::uint32_t victim = order.slots()[rng.below(order.size())];
      order.remove(victim);
      waiting.erase(victim);
      order.insert(next_id, rng);
      waiting[next_id++] = 0;
    }
    const auto probed = order.next(rng);
    ASSERT_TRUE(probed && waiting.contains(*probed));
    for (auto& [slot, turns] : waiting) {
      ++turns;
      ASSERT_LE(turns, 2 * 20 + 2U);  // plus the two inserted meanwhile
    }
    waiting[*probed] = 0;
  }
}

TEST(ProbeOrder, EmptyAndUnknown) {
  Rng rng(1);
  ProbeOrder order;
  EXPECT_EQ(order.next(rng), std::nullopt);
  order.remove(3);
  order.insert(3, rng);
  EXPECT_EQ(order.next(rng), 3U);
  order.remove(3);
  EXPECT_EQ(order.next(rng), std::nullopt);
}

TEST(RequestTable, TagsAreUsedOnce) {
  RequestTable table;
  const RequestTag a = table.add(Purpose::kDirect, 1);
  const RequestTag b = table.add(Purpose::kSync, 2);
  EXPECT_EQ(table.size(), 2U);
  ASSERT_TRUE(table.take(a));
  EXPECT_FALSE(table.take(a));
  const RequestTag c = table.add(Purpose::kRelay, 3);  // same place, another generation
  EXPECT_NE(a, c);
  EXPECT_FALSE(table.peek(a));
  EXPECT_EQ(table.peek(b)->owner, 2U);
  EXPECT_EQ(table.peek(c)->purpose, Purpose::kRelay);
  EXPECT_FALSE(table.peek(RequestTag{~0ULL}));
  EXPECT_FALSE(table.peek(RequestTag{0}));
}

TEST(RecheckQueue, FirstInFirstOutAndBounded) {
  RecheckQueue queue;
  std::uint32_t in = 0;
  std::uint32_t out = 0;
  for (int round = 0; round < 5000; ++round) {
    ASSERT_TRUE(queue.push({in++, std::nullopt}));
    if (round % 3 != 0) {
      ASSERT_EQ(queue.pop()->slot, out++);
    }
    while (queue.size() > 100) ASSERT_EQ(queue.pop()->slot, out++);
  }
  while (const auto item = queue.pop()) EXPECT_EQ(item->slot, out++);
  EXPECT_EQ(in, out);
  for (std::size_t i = 0; i < kRechecksMax; ++i) EXPECT_TRUE(queue.push({0, std::nullopt}));
  EXPECT_FALSE(queue.push({0, std::nullopt}));
}

}  // namespace
}  // namespace weft::gossip
