// The rules of the links of one Tree, and what a liar gets of it.
#include <gtest/gtest.h>

#include "tests/gossip/broadcast_bench.h"

namespace weft::broadcast::test {
namespace {

// ---- links

TEST(BroadcastLinks, WhoIsAskedIsNoStranger) {
  Bench b;
  b.tree.add_candidate(b.stamp(), b.id(1));
  b.run(2 * kFirstFill);
  b.said();
  b.ihave(1, 1);  // its yes was lost
  EXPECT_EQ(b.said(), "");
  b.link(1, LinkStep::kAsk);  // or it asked at the same time
  b.link(1, LinkStep::kYes);
  EXPECT_EQ(b.said(), "yes 1");
  EXPECT_TRUE(b.at(1)->ours);
  EXPECT_EQ(b.tree.stats().neighbours, 1U);
}

TEST(BroadcastLinks, AsksThreeTimesThenAnother) {
  Bench b;
  b.tree.add_candidate(b.stamp(), b.id(0));  // ourselves
  EXPECT_EQ(b.tree.next_deadline(), std::nullopt);
  b.tree.add_candidate(b.stamp(), b.id(1));
  b.run(2 * kFirstFill + 2 * kLinkPatience);
  EXPECT_EQ(b.said(true), "ask 1; ask 1; ask 1");
  b.run(kPutOff / 2);
  EXPECT_EQ(b.said(true), "");
  b.run(kPutOff / 2);
  EXPECT_EQ(b.said(true).substr(0, 5), "ask 1");
  b.link(1, LinkStep::kYes);
  EXPECT_EQ(b.tree.stats().neighbours, 1U);
}

TEST(BroadcastLinks, ChoosesSixAndOneOfThemIsTheUplink) {
  Bench b;
  for (std::size_t i = 1; i <= 20; ++i) b.tree.add_candidate(b.stamp(), b.id(i));
  std::size_t eager = 0;
  for (int step = 0; step < 40; ++step) {
    b.run(100ms);
    for (const Link& link : Output(std::exchange(b.out, {})).links) {
      if (link.step != LinkStep::kAsk && link.step != LinkStep::kAskEager) continue;
      eager += link.step == LinkStep::kAskEager ? 1U : 0U;
      b.tree.on_link(b.stamp(), link.to, LinkStep::kYes, {}, b.out);
    }
  }
  EXPECT_EQ(b.tree.stats().neighbours, kDegreeMin);
  EXPECT_EQ(b.tree.stats().eager, eager);
  EXPECT_LE(eager, 1U);  // none if node 0 has the lowest rank
  // One ends the link: another is asked.
  b.said();
  b.link(static_cast<std::size_t>(std::stoul(b.who(b.tree.links().at(0).id))), LinkStep::kNo);
  b.run(1s);
  EXPECT_NE(b.said(true), "");
}

TEST(BroadcastLinks, RoomForGuestsIsBounded) {
  Bench b;
  for (std::size_t i = 1; i <= 60; ++i) {
    b.lazy(i);
    b.run(kAdmitInterval);
  }
  EXPECT_LE(b.tree.stats().neighbours, kLazyRoom);
  for (std::size_t i = 61; i <= 120; ++i) {
    b.home(i);
    b.run(kAdmitInterval);
  }
  EXPECT_LE(b.tree.stats().neighbours, kNeighboursMax);
  std::size_t guests = 0;
  for (Place place = 0; place < kNeighboursMax; ++place) {
    guests += b.tree.links().used(place) && !b.tree.links().at(place).ours ? 1U : 0U;
  }
  EXPECT_LE(guests, kNeighboursMax - kChosenMin);
  EXPECT_GT(b.tree.stats().links.refused_total, 60U);
}

TEST(BroadcastLinks, AChildTakesThePlaceOfAGuest) {
  Bench b;
  for (std::size_t i = 1; i <= kLazyRoom; ++i) b.lazy(i);
  b.home(20);
  ASSERT_EQ(b.tree.stats().neighbours, kNeighboursMax - kChosenMin);
  b.ihave(1, 1);
  b.said();
  b.home(21);
  EXPECT_EQ(b.said(), "no 1; yes 21");
  EXPECT_EQ(b.tree.stats().missing, 0U);
  EXPECT_TRUE(b.eager(21));
  b.lazy(22);
  EXPECT_EQ(b.said(), "no 22");
}

// Whoever knows of nobody nearer to the root asks its neighbours, more and more seldom.
TEST(BroadcastLinks, ARootAsksForLowerOnes) {
  std::size_t roots = 0;
  for (std::size_t i = 1; i <= 10; ++i) {
    Bench b;
    b.lazy(i);
    b.run(500ms);
    const std::string who = std::to_string(i);
    if (b.said(true).find("ask eager") != std::string::npos) continue;
    ++roots;
    b.run(2 * kLookMin);
    EXPECT_NE(b.said(true).find("ask " + who), std::string::npos);
    b.run(1h);
    EXPECT_LE(b.out.links.size(), 1h / (kLookMax * 3 / 4) + 10);
  }
  EXPECT_GT(roots, 0U);
  EXPECT_LT(roots, 10U);
}

TEST(BroadcastLinks, NewcomersComeOneByOne) {
  Bench b;
  for (std::size_t i = 1; i <= kAdmitBurst; ++i) {
    b.lazy(i);
    b.link(i, LinkStep::kNo);  // and go
  }
  b.said();
  b.lazy(1);
  EXPECT_EQ(b.said(), "no 1");
  b.run(kAdmitInterval);
  b.out.clear();
  b.lazy(1);
  EXPECT_EQ(b.said(), "yes 1");
}

TEST(BroadcastLinks, LinksAreGivenBackIfBothHaveEnough) {
  Bench b;
  for (std::size_t i = 1; i <= kDegreeMin; ++i) b.lazy(i);
  b.said();
  b.link(1, LinkStep::kSpare);
  EXPECT_EQ(b.said(), "");  // we have not
  b.home(7);
  b.lazy(8);
  b.said();
  b.link(7, LinkStep::kSpare);
  EXPECT_EQ(b.said(), "");  // the tree of uplinks stays
  b.link(1, LinkStep::kSpare);
  EXPECT_EQ(b.said(), "no 1");
  // Who has too many offers.
  for (std::size_t i = 9; i <= 12; ++i) b.lazy(i);
  b.said();
  ASSERT_GT(b.tree.stats().neighbours, kDegreeEnough);
  b.run(2 * kSpareMin);
  EXPECT_NE(b.said(true).find("spare"), std::string::npos);
}

TEST(BroadcastLinks, OthersAreNamedAndLearned) {
  Bench b;
  std::vector<NodeId> others;
  for (std::size_t i = 0; i <= kOthersMax; ++i) others.push_back(b.id(5 + i));
  b.tree.on_link(b.stamp(), b.id(1), LinkStep::kAsk, others, b.out);
  EXPECT_EQ(b.tree.stats().candidates, kOthersMax + 1);  // the last is beyond the limit
  b.tree.on_link(b.stamp(), b.id(2), LinkStep::kAsk, {}, b.out);
  ASSERT_FALSE(b.out.links.empty());
  EXPECT_EQ(b.out.links.back().others.size(), kOthersMax);
  for (const NodeId& other : b.out.links.back().others) EXPECT_NE(other, b.id(2));
  b.tree.on_link(b.stamp(), b.id(60), LinkStep::kYes, others, b.out);  // a stranger's are not
  EXPECT_EQ(b.tree.stats().candidates, kOthersMax + 2);
}

// ---- liars

TEST(BroadcastLiars, AnnouncesWhatNeverComes) {
  Bench b;
  b.home(1);
  b.lazy(2);
  b.lazy(3);
  b.said();
  for (std::size_t m = 0; m < 2 * kMissingPerPeer; ++m) b.ihave(2, 1000 + m);
  EXPECT_EQ(b.tree.stats().missing, kMissingPerPeer);
  EXPECT_EQ(b.tree.stats().announcements_refused_total, kMissingPerPeer);
  b.ihave(3, 1);  // has its own room
  EXPECT_EQ(b.tree.stats().missing, kMissingPerPeer + 1);
  b.run(450ms);
  bool asked = false;
  for (const Graft& graft : b.out.grafts) {
    asked |= graft.to == b.id(3);
    EXPECT_LE(graft.ids.size(), kGraftIdsMax);
  }
  EXPECT_TRUE(asked);
  b.push(3, 1);
  EXPECT_LE(b.out.grafts.size(), kMissingPerPeer / kGraftIdsMax + 2);
  b.said();
  b.run(5s);
  EXPECT_EQ(b.at(2), nullptr);
  EXPECT_EQ(b.tree.stats().banned_total, 1U);
  EXPECT_EQ(b.tree.stats().missing, 0U);
  // It does not come back for a while.
  b.said();
  b.lazy(2);
  EXPECT_EQ(b.said(), "no 2");
  b.run(kBan);
  b.out.clear();
  b.lazy(2);
  EXPECT_EQ(b.said(), "yes 2");
}

TEST(BroadcastLiars, AnnouncesMoreThanFitsIntoADatagram) {
  Bench b;
  b.lazy(1);
  std::vector<Heard> many;
  for (std::size_t m = 0; m < 1000; ++m) many.push_back({Bench::message(m), 1, false});
  b.tree.on_ihave(b.stamp(), b.id(1), many, b.out);
  EXPECT_EQ(b.tree.stats().missing, kAnnouncementsMax);
}

TEST(BroadcastLiars, GraftsEverything) {
  Bench b;
  b.home(1);
  b.lazy(2);
  for (std::size_t m = 0; m < 100; ++m) b.push(1, m);
  b.said();
  std::vector<MessageId> ids;
  for (std::size_t m = 0; m < 100; ++m) ids.push_back(Bench::message(m));
  b.tree.on_graft(b.stamp(), b.id(2), true, ids, b.out);
  EXPECT_EQ(b.out.pushes.size(), kGraftIdsMax);  // of one datagram
  for (int i = 0; i < 1000; ++i) b.tree.on_graft(b.stamp(), b.id(2), true, ids, b.out);
  EXPECT_EQ(b.out.pushes.size(), 100U + kCreditStart);
  // A new link is no new credit beyond the first.
  b.said();
  b.link(2, LinkStep::kNo);
  b.lazy(2);
  for (int i = 0; i < 1000; ++i) b.tree.on_graft(b.stamp(), b.id(2), true, ids, b.out);
  EXPECT_EQ(b.out.pushes.size(), kCreditStart);
}

TEST(BroadcastLiars, HopsAreBounded) {
  Bench b;
  b.home(1);
  b.home(2);
  b.lazy(3);
  b.said();
  b.push(1, 1, UINT32_MAX);
  EXPECT_EQ(b.said(), "push 2 #1 hops 255");
  b.ihave(3, 2, false, UINT32_MAX);
  b.push(1, 2, 0);
  EXPECT_EQ(b.said(), "push 2 #2 hops 1");
}

// Anything from anybody in any order: every bound holds, and nothing is said without a reason.
TEST(BroadcastLiars, AnythingFromAnybody) {
  Stats most;
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    Bench b;
    Rng rng(seed);
    std::set<MessageId> here;
    std::vector<NodeId> asked;
    for (int step = 0; step < 4000; ++step) {
      const std::size_t peer = 1 + rng.below(40);
      const std::size_t m = rng.below(300);
      for (const Link& link : b.out.links) {
        if (link.step == LinkStep::kAsk || link.step == LinkStep::kAskEager) asked.push_back(link.to);
      }
      b.out.clear();
      switch (rng.below(16)) {
        case 0: b.tree.add_candidate(b.stamp(), b.id(peer)); break;
        case 1: b.tree.peer_gone(b.stamp(), b.id(peer)); break;
        case 2: b.link(peer, static_cast<LinkStep>(1 + rng.below(5))); break;
        case 3: b.graft(peer, m, rng.chance({1, 2})); break;
        case 4: b.tree.on_prune(b.stamp(), b.id(peer), b.out); break;
        case 5:
        case 6: b.ihave(peer, m, here.contains(Bench::message(m)), static_cast<std::uint32_t>(rng.below(300))); break;
        case 7: b.run(Duration(static_cast<std::int64_t>(rng.below(500'000)))); break;
        case 8:
          if (here.insert(Bench::message(m)).second) b.tree.arrived_otherwise(Bench::message(m));
          break;
        case 12:
        case 13:
          if (asked.empty()) break;
          b.tree.on_link(b.stamp(), asked.back(), rng.chance({3, 4}) ? LinkStep::kYes : LinkStep::kAsk, {}, b.out);
          if (rng.chance({1, 2})) asked.pop_back();
          break;
        case 14: b.link(peer, LinkStep::kAskEager); break;
        case 15: b.link(peer, LinkStep::kAsk); break;
        case 9: b.tree.set_round_trip(b.id(peer), Duration(static_cast<std::int64_t>(rng.below(2'000'000)))); break;
        default:
          if (here.insert(Bench::message(m)).second)
            b.push(peer, m, static_cast<std::uint32_t>(rng.below(300)));
          else
            b.again(peer, m, static_cast<std::uint32_t>(rng.below(300)));
          ASSERT_LE(b.out.pushes.size(), kNeighboursMax);
          for (const Push& push : b.out.pushes) ASSERT_NE(push.to, b.id(peer)) << "seed " << seed;
      }
      const Stats stats = b.tree.stats();
      ASSERT_LE(stats.neighbours, kNeighboursMax);
      ASSERT_LE(stats.missing, kNeighboursMax * kMissingPerPeer);
      most.neighbours = std::max(most.neighbours, stats.neighbours);
      most.missing = std::max(most.missing, stats.missing);
      most.given_up_total = std::max(most.given_up_total, stats.given_up_total);
      most.banned_total = std::max(most.banned_total, stats.banned_total);
      most.relinks_total = std::max(most.relinks_total, stats.relinks_total);
      most.prunes_total = std::max(most.prunes_total, stats.prunes_total);
      if (here.size() > 250) here.clear();  // a message may come again as if new: the owner forgot it
    }
  }
  // It has been everywhere.
  EXPECT_EQ(most.neighbours, kNeighboursMax);
  EXPECT_GT(most.missing, 10U);
  EXPECT_GT(most.given_up_total, 0U);
  EXPECT_GT(most.banned_total, 0U);
  EXPECT_GT(most.relinks_total, 0U);
  EXPECT_GT(most.prunes_total, 10U);
}

}  // namespace
}  // namespace weft::broadcast::test
