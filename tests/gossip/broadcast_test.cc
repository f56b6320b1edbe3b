// The rules of one Tree, row by row.
#include <gtest/gtest.h>

#include "tests/gossip/broadcast_bench.h"

namespace weft::broadcast::test {
namespace {

TEST(Broadcast, PushesToEagerNeighboursAndAnnouncesToLazyOnes) {
  Bench b;
  b.home(1);
  b.detour(2);
  b.lazy(3);
  EXPECT_EQ(b.said(), "yes 1; yes 2; yes 3");
  b.tree.originate(b.stamp(), Bench::message(1), b.out);
  EXPECT_EQ(b.said(), "push 1 #1 hops 1; push 2 #1 hops 1");
  b.run(5ms);
  b.tree.originate(b.stamp(), Bench::message(2), b.out);
  b.said();
  b.run(kAnnounceDelay);
  EXPECT_EQ(b.said(), "ihave 3 #1 #2");
  // Not a second time for the same id.
  b.tree.originate(b.stamp(), Bench::message(1), b.out);
  EXPECT_EQ(b.said(), "");
}

TEST(Broadcast, WhatAPeerSentOrAnnouncedIsNotSentToIt) {
  Bench b;
  for (std::size_t i = 1; i <= 3; ++i) b.home(i);
  b.lazy(4);
  b.lazy(5);
  b.ihave(3, 1);
  b.ihave(4, 1);
  b.said();
  b.push(1, 1, /*hops=*/4);
  EXPECT_EQ(b.said(), "push 2 #1 hops 5");
  b.run(kAnnounceDelay);
  EXPECT_EQ(b.said(), "ihave 5 #1");
  b.graft(1, 1);
  b.graft(3, 1);
  EXPECT_EQ(b.said(), "");
  EXPECT_EQ(b.tree.stats().grafts_refused_total, 2U);
}

TEST(Broadcast, AnnouncesOnceMoreToWhoIsSilent) {
  Bench b;
  for (std::size_t i = 1; i <= 3; ++i) b.lazy(i);
  b.tree.originate(b.stamp(), Bench::message(1), b.out);
  b.run(kAnnounceDelay);
  b.said();
  b.ihave(2, 1, /*here=*/true);
  b.run(kRepeatDelay);
  EXPECT_EQ(b.said(), "ihave 1 #1; ihave 3 #1");
  b.run(10s);
  EXPECT_EQ(b.tree.stats().announced_total, 5U);
}

TEST(Broadcast, ADuplicatePrunesADetourOnce) {
  Bench b;
  b.home(1);
  b.detour(2);
  b.said();
  b.push(1, 1);
  b.again(2, 1);
  EXPECT_EQ(b.said(), "push 2 #1 hops 2; prune 2");
  EXPECT_FALSE(b.eager(2));
  b.push(1, 2);
  b.again(2, 2);  // was under way
  EXPECT_EQ(b.said(), "");
  b.run(kPruneInterval);
  b.said();
  b.push(1, 3);
  b.again(2, 3);  // it has not heard
  EXPECT_EQ(b.said(), "prune 2");
}

TEST(Broadcast, TheLastEagerLinkIsKept) {
  Bench b;
  b.detour(1);
  b.lazy(2);
  b.said();
  b.ihave(2, 1);
  b.run(320ms);
  b.push(2, 1);  // asked for
  b.said();
  b.again(1, 1);
  EXPECT_EQ(b.said(), "");
  EXPECT_TRUE(b.eager(1));
  EXPECT_EQ(b.tree.stats().prunes_held_total, 1U);
}

TEST(Broadcast, ADuplicateByAHomeLinkPrunesTheDetour) {
  Bench b;
  b.home(1);
  b.detour(2);
  b.home(3);
  b.said();
  // The parity of the id says which side acts.
  const std::size_t ours = b.id(0) < b.id(1) ? 1 : 2;
  b.push(2, ours + 2);
  b.again(1, ours + 2);
  b.said();
  EXPECT_TRUE(b.eager(1));
  EXPECT_FALSE(b.eager(2));
  b.run(kPruneInterval);
  b.tree.on_graft(b.stamp(), b.id(2), true, {}, b.out);
  b.push(2, 2 * 50 + (3 - ours));
  b.again(1, 2 * 50 + (3 - ours));
  EXPECT_TRUE(b.eager(2));  // the other side's turn
  // Between home links nothing is pruned at once.
  b.push(3, 5);
  b.again(1, 5);
  EXPECT_TRUE(b.eager(1));
  EXPECT_TRUE(b.eager(3));
}

TEST(Broadcast, AHomeLinkThatIsAlwaysLateIsPrunedInTheEnd) {
  Bench b;
  b.home(1);
  b.detour(2);
  std::size_t m = 0;
  for (std::uint32_t strike = 1; strike <= kStrikesMax; ++strike) {
    EXPECT_TRUE(b.eager(1));
    b.push(2, ++m);
    b.run(1s);  // later than a tree would be: the detour stays, whoever's turn it is
    b.again(1, m);
    EXPECT_TRUE(b.eager(2));
  }
  EXPECT_FALSE(b.eager(1));
  EXPECT_FALSE(b.at(1)->home);
}

// However many come in the time in which one strike counts.
TEST(Broadcast, AHomeLinkThatIsAlwaysLateIsPrunedAtAnyRate) {
  Bench b;
  b.home(1);
  b.detour(2);
  for (std::size_t m = 1; m <= 20; ++m) {
    b.push(2, m);
    b.run(400ms);
    b.again(1, m);
    EXPECT_TRUE(b.eager(2));
  }
  EXPECT_FALSE(b.eager(1));
}

TEST(Broadcast, AHomeLinkThatIsLateNowAndThenStays) {
  Bench b;
  b.home(1);
  b.detour(2);
  std::size_t m = 0;
  for (int i = 0; i < 20; ++i) {
    b.push(2, ++m);
    b.run(1s);
    b.again(1, m);
    for (std::size_t j = 0; j < kStrikeGap; ++j) b.push(2, ++m);
  }
  EXPECT_TRUE(b.eager(1));
  // Nor is one that is late in turn with the other.
  for (int i = 0; i < 20; ++i) {
    b.push(2, ++m);
    b.run(1s);
    b.again(1, m);
    b.push(1, ++m);
  }
  EXPECT_TRUE(b.eager(1));
}

TEST(Broadcast, WhatCameByAntiEntropyPrunesNothing) {
  Bench b;
  b.home(1);
  b.detour(2);
  b.lazy(3);
  b.ihave(3, 1);
  b.tree.arrived_otherwise(Bench::message(1));
  b.said();
  b.again(2, 1);
  b.run(10s);
  for (const Graft& graft : b.out.grafts) EXPECT_TRUE(graft.ids.empty());
  EXPECT_TRUE(b.out.pushes.empty());
  EXPECT_TRUE(b.out.ihaves.empty());
  EXPECT_TRUE(b.out.prunes.empty());
  EXPECT_TRUE(b.eager(2));
}

TEST(Broadcast, AsksOneAnnouncerAfterTheOther) {
  Bench b;
  b.home(1);
  b.lazy(2);
  b.lazy(3);
  b.ihave(2, 1);
  b.ihave(3, 1);
  b.said();
  b.run(kLagStart * 50ms);
  EXPECT_EQ(b.said(), "");  // the tree may take so long
  b.run(150ms);
  EXPECT_EQ(b.said(), "graft 2 #1");  // a message that was lost needs no other tree
  EXPECT_FALSE(b.eager(2));
  b.run(100ms);
  EXPECT_EQ(b.said(), "graft 3 #1");
  b.push(3, 1);
  EXPECT_EQ(b.said(), "push 1 #1 hops 2");
  EXPECT_FALSE(b.eager(3));  // it was an answer
  EXPECT_EQ(b.tree.stats().missing, 0U);
}

TEST(Broadcast, TheSecondMessageInARowThatDoesNotComeMakesALink) {
  Bench b;
  b.home(1);
  b.lazy(2);
  b.ihave(2, 1);
  b.run(400ms);
  b.push(2, 1);
  b.ihave(2, 2);
  b.said();
  b.run(320ms);
  EXPECT_EQ(b.said(), "graft 2 #2 eager");
  EXPECT_TRUE(b.eager(2));
  // One by the tree in between, and it is an accident again.
  Bench c;
  c.home(1);
  c.lazy(2);
  c.ihave(2, 1);
  c.run(400ms);
  c.push(2, 1);
  c.push(1, 3);
  c.ihave(2, 2);
  c.run(400ms);
  EXPECT_FALSE(c.eager(2));
}

TEST(Broadcast, AHundredThatAreLateAtOnceMakeOneLink) {
  Bench b;
  b.home(1);
  for (std::size_t i = 2; i <= 6; ++i) b.lazy(i);
  b.said();
  for (std::size_t m = 0; m < 100; ++m) b.ihave(2 + m % 5, m);
  b.run(450ms);
  EXPECT_EQ(b.tree.stats().relinks_total, 1U);
  EXPECT_LE(b.out.grafts.size(), 25U);  // many ids in each
}

TEST(Broadcast, GivesUpWhatNobodySends) {
  Bench b;
  b.home(1);
  b.lazy(2);
  b.ihave(2, 1);
  b.run(5s);
  EXPECT_EQ(b.tree.stats().given_up_total, 1U);
  EXPECT_EQ(b.tree.stats().missing, 0U);
  EXPECT_EQ(b.tree.stats().grafts_total, static_cast<std::uint64_t>(kRoundsMax));
}

TEST(Broadcast, TheTimeToWaitFollowsTheTree) {
  Bench b;
  b.home(1);
  b.lazy(2);
  std::size_t m = 0;
  for (std::uint32_t i = 0; i < 2 * kLagSamples; ++i) {  // by the tree 20 ms after the announcement
    b.ihave(2, ++m, false, 2);
    b.run(20ms);
    b.push(1, m, 3);
    b.run(980ms);
  }
  b.said();
  b.ihave(2, ++m);
  b.run(100ms);
  EXPECT_EQ(b.said(), "graft 2 #" + std::to_string(m));
  // Asked too soon: what comes by the tree after all tells how long it takes.
  b.push(2, m, 1);
  b.run(30ms);
  b.again(1, m, 9);
  b.said();
  b.ihave(2, ++m);
  b.run(120ms);
  EXPECT_EQ(b.said(), "");
  // A round trip is waited for in any case.
  Bench far;
  far.lazy(1);
  far.tree.set_round_trip(far.id(1), 300ms);
  far.said();
  far.ihave(1, 1);
  far.run(449ms);
  EXPECT_EQ(far.said(), "");
}

TEST(Broadcast, ServesGraftsOfWhatIsNewHere) {
  Bench b;
  b.home(1);
  b.lazy(2);
  b.push(1, 1, 2);
  b.said();
  b.graft(2, 1, /*eager=*/false);
  EXPECT_EQ(b.said(), "push 2 #1 hops 3");
  EXPECT_FALSE(b.eager(2));
  b.graft(2, 1, /*eager=*/true);
  EXPECT_EQ(b.said(), "push 2 #1 hops 3");
  EXPECT_TRUE(b.eager(2));
  b.graft(2, 99);
  EXPECT_EQ(b.said(), "");
  EXPECT_EQ(b.tree.stats().grafts_served_total, 2U);
}

TEST(Broadcast, APruneMakesLazyUnlessItCrossesOurGraft) {
  Bench b;
  b.home(1);
  b.lazy(2);
  b.tree.on_prune(b.stamp(), b.id(1), b.out);
  EXPECT_FALSE(b.eager(1));
  b.ihave(2, 1);
  b.run(320ms);
  b.ihave(2, 2);
  while (!b.eager(2)) b.run(1ms);
  b.tree.on_prune(b.stamp(), b.id(2), b.out);
  EXPECT_TRUE(b.eager(2));
  b.run(kCrossing);
  b.tree.on_prune(b.stamp(), b.id(2), b.out);
  EXPECT_FALSE(b.eager(2));
}

TEST(Broadcast, BothSidesAgreeAfterTheNextMessage) {
  Bench b;
  b.detour(1);
  b.lazy(2);
  b.home(3);
  b.push(3, 1);
  b.run(1s);
  b.ihave(1, 1, /*here=*/true);  // it announces, so it does not push
  EXPECT_FALSE(b.eager(1));
  b.push(2, 2);  // it pushes, so it does not announce
  EXPECT_TRUE(b.eager(2));
}

TEST(Broadcast, StrangersAreToldThatTheyAre) {
  Bench b;
  b.home(1);
  b.said();
  b.push(9, 1);
  EXPECT_EQ(b.said(), "push 1 #1 hops 2; no 9");  // the message is worth no less
  b.again(9, 1);
  b.ihave(9, 2);
  b.graft(9, 1);
  b.tree.on_prune(b.stamp(), b.id(9), b.out);
  EXPECT_EQ(b.said(), "no 9; no 9; no 9; no 9");
  b.link(9, LinkStep::kYes);
  EXPECT_EQ(b.said(), "no 9");
  b.link(9, LinkStep::kNo);
  b.link(9, LinkStep::kSpare);
  EXPECT_EQ(b.said(), "no 9");
  EXPECT_EQ(b.tree.stats().missing, 0U);
  EXPECT_EQ(b.tree.stats().neighbours, 1U);
}

TEST(Broadcast, ANewNeighbourIsToldOfTheLatest) {
  Bench b;
  b.tree.originate(b.stamp(), Bench::message(1), b.out);
  b.run(5s);
  b.tree.originate(b.stamp(), Bench::message(2), b.out);
  b.run(100ms);
  b.said();
  b.lazy(1);
  EXPECT_EQ(b.said(), "ihave 1 #2; yes 1");
}

TEST(Broadcast, ForgetsWhoIsGone) {
  Bench b;
  b.home(1);
  b.lazy(2);
  b.ihave(2, 1);
  b.tree.peer_gone(b.stamp(), b.id(1));
  b.tree.peer_gone(b.stamp(), b.id(2));
  b.tree.peer_gone(b.stamp(), b.id(7));
  b.said();
  EXPECT_EQ(b.tree.stats().neighbours, 0U);
  EXPECT_EQ(b.tree.stats().missing, 0U);
  EXPECT_EQ(b.tree.stats().candidates, 0U);
  b.tree.originate(b.stamp(), Bench::message(2), b.out);
  b.run(1min);
  EXPECT_EQ(b.said(), "");
}

TEST(Broadcast, TakesLeave) {
  Bench b;
  b.home(1);
  b.lazy(2);
  b.tree.originate(b.stamp(), Bench::message(2), b.out);
  b.said();
  b.tree.leave(b.out);
  EXPECT_EQ(b.said(), "no 1; no 2");
  EXPECT_EQ(b.tree.next_deadline(), std::nullopt);
}

}  // namespace
}  // namespace weft::broadcast::test
