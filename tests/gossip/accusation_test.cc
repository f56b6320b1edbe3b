// Who accuses: signatures, and what one accuser sets in motion.
#include "gossip/membership/accusation.h"

#include <gtest/gtest.h>

#include "tests/gossip/lab.h"

namespace weft::gossip::test {
namespace {

using S = MemberState;

TEST(Accusation, OnlyItsAccuserSignsIt) {
  const SodiumProvider provider;
  const Identity accuser(provider, {}), subject(provider, ByteArray<32>{1});
  const ByteArray<16> network{7};
  const Suspicion s = sign_suspicion(accuser, network, subject.id(), 5);
  EXPECT_EQ(s.accuser, accuser.id());
  EXPECT_TRUE(verify_suspicion(provider, accuser.public_key(), network, s));
  EXPECT_FALSE(verify_suspicion(provider, subject.public_key(), network, s));
  EXPECT_FALSE(verify_suspicion(provider, accuser.public_key(), {}, s)) << "another network";
  Suspicion other = s;
  other.number = 6;
  EXPECT_FALSE(verify_suspicion(provider, accuser.public_key(), network, other));
  other = s;
  other.subject = accuser.id();
  EXPECT_FALSE(verify_suspicion(provider, accuser.public_key(), network, other));
  other = s;
  other.signature.bytes[3] ^= 1;
  EXPECT_FALSE(verify_suspicion(provider, accuser.public_key(), network, other));
}

TEST(Accusation, InSomebodyElsesNameIsNotHeardAndEndsTheMessage) {
  Lab lab;
  lab.know(6);
  GossipItem forged = lab.suspicion(2, 1, 1);
  forged.suspicion.accuser = lab.id(3);
  const RecordRef news = lab.record(7, 1);
  lab.gossip(1, {forged, Lab::item(news)});
  EXPECT_EQ(lab.state(2), S::kAlive);
  EXPECT_EQ(lab.state(7), std::nullopt);
  EXPECT_EQ(lab.core->stats().suspicions_dropped_total, 1U);
  // Nor does it shorten the clock of one that is genuine, or make us take a new number.
  lab.silent = {2};
  lab.gossip(1, {lab.suspicion(2, 1, 1)});
  for (const std::size_t name : {3U, 4U, 5U, 6U}) {
    forged.suspicion.accuser = lab.id(name);
    lab.gossip(1, {forged});
  }
  EXPECT_EQ(lab.core->stats().suspicions_dropped_total, 5U);
  lab.run(Config{}.suspicion_min + 1200ms);  // one accuser and we: 3.5 s
  EXPECT_EQ(lab.state(2), S::kSuspect);
  GossipItem of_us = lab.suspicion(0, 1, 1);
  of_us.suspicion.accuser = lab.id(3);
  lab.gossip(1, {of_us});
  EXPECT_TRUE(lab.take<NumberWanted>().empty());
}

TEST(Accusation, OneAccuserSetsSoMuchInMotion) {
  Config config;
  config.probe_interval = 1h;
  Lab lab(config);
  lab.know(40);
  lab.run(3h);
  for (std::size_t i = 3; i <= 40; ++i) lab.gossip(1, {lab.suspicion(i, 1, 1)});
  EXPECT_EQ(lab.core->stats().suspicions_dropped_total, 38 - kCreditMax);
  const std::size_t suspects = lab.core->stats().suspect;
  EXPECT_LE(suspects, kCreditMax);
  EXPECT_GE(suspects, kCreditMax - 3) << "two or three were asked less than two intervals ago";
  for (std::size_t i = 3; i <= 40; ++i) lab.gossip(1, {lab.suspicion(i, 1, 2)});
  EXPECT_GE(lab.core->stats().suspect, suspects + kCreditMax - 3) << "another accuser has a credit of its own";
}

TEST(Accusation, WhoeverIsRightIsHeardAgain) {
  Lab lab;
  lab.know(40);
  const Instant began = lab.now;
  const std::size_t deaths = 30;
  for (std::size_t i = 3; i < 3 + deaths; ++i) {
    lab.settle(i);
    lab.silent.insert(i);
    lab.gossip(1, {lab.suspicion(i, 1, 1)});
    ASSERT_EQ(lab.state(i), S::kSuspect) << i;
    for (int tries = 0; tries < 100 && lab.state(i) != S::kFailed; ++tries) lab.run(100ms);
    ASSERT_EQ(lab.state(i), S::kFailed) << i;
  }
  const auto came_back = static_cast<std::size_t>((lab.now - began) / kCreditEvery);
  EXPECT_GT(deaths, kCreditMax + came_back) << "time alone would not have been enough";
}

TEST(Accusation, CreditComesBackOneByOne) {
  Credit credit;
  Instant now{};
  now += 1h;
  std::size_t taken = 0;
  for (; credit.left(now); ++taken) credit.take(now);
  EXPECT_EQ(taken, kCreditMax);
  EXPECT_FALSE(credit.left(now + kCreditEvery - 1ms));
  EXPECT_TRUE(credit.left(now + kCreditEvery));
  credit.give_back();
  EXPECT_TRUE(credit.left(now));
  credit.take(now);
  EXPECT_FALSE(credit.left(now));
  now += 24h;  // no more than all of it
  for (taken = 0; credit.left(now); ++taken) credit.take(now);
  EXPECT_EQ(taken, kCreditMax);
  for (std::size_t i = 0; i < 3 * kCreditMax; ++i) credit.give_back();
  for (taken = 0; credit.left(now); ++taken) credit.take(now);
  EXPECT_EQ(taken, kCreditMax);
}

TEST(Accusation, OneAccuserMakesUsTakeSoManyNumbers) {
  Lab lab;
  lab.know(4);
  const auto numbers = [&](std::size_t accuser, Duration time) {
    std::size_t wanted = 0;
    for (Duration t{}; t < time; t += 100ms) {
      lab.gossip(accuser, {lab.suspicion(0, lab.core->self()->number, accuser)});
      lab.run(100ms);
      for (const NumberWanted& w : lab.take<NumberWanted>()) {
        ++wanted;
        lab.core->set_self(lab.stamp(), lab.record(0, w.above + 1), lab.out);
      }
      lab.events.clear();
    }
    return wanted;
  };
  EXPECT_LE(numbers(1, 60s), kCreditMax + 60s / kCreditEvery + 1);
  EXPECT_GE(numbers(3, 10s), 6U) << "another is heard";
}

// Eight fit into a datagram.
TEST(Accusation, TwelveAreToldToEachPeerAtOnce) {
  Config config;
  config.probe_interval = 1h;
  Lab lab(config);
  lab.know(40);
  lab.run(3h);
  lab.told.clear();
  for (std::size_t i = 3; lab.core->stats().suspect < 12 && i <= 40; ++i) {
    lab.gossip(1 + i % 2, {lab.suspicion(i, 1, 1 + i % 2)});
  }
  ASSERT_EQ(lab.core->stats().suspect, 12U);
  ASSERT_TRUE(lab.told.empty());
  lab.run(config.gossip_interval);
  std::map<std::size_t, std::set<NodeId>> told;
  for (const auto& [peer, subject] : lab.told) told[peer].insert(subject);
  EXPECT_EQ(told.size(), config.gossip_fanout);
  for (const auto& [peer, subjects] : told) EXPECT_EQ(subjects.size(), 12U) << peer;
}

TEST(Accusation, WhoAsksForTheMembersHearsWhoIsSuspect) {
  Lab lab;
  lab.know(40);
  std::size_t most_at_once = 0;
  const auto told_to = [&lab, &most_at_once](std::size_t asker, std::uint64_t bucket_hash) {
    const RecordRef r = lab.record(asker, 1);
    Sync sync;
    for (std::size_t i = 0; i < kSyncBuckets; ++i) sync.buckets.push(bucket_hash);
    sync.items.push(Lab::item(r));
    std::set<NodeId> subjects;
    for (bool more = true; more;) {
      lab.told.clear();
      const SyncPage page = lab.sync(asker, sync);
      std::size_t at_once = 0;
      for (const auto& [peer, subject] : lab.told) {
        if (peer == asker) at_once += subjects.insert(subject).second ? 1U : 0U;
      }
      most_at_once = std::max(most_at_once, at_once);
      sync.after = page.last;
      more = page.more;
    }
    return subjects;
  };
  EXPECT_TRUE(told_to(50, 0).empty());
  lab.silent = {2};
  lab.gossip(1, {lab.suspicion(2, 1, 1)});
  ASSERT_EQ(lab.state(2), MemberState::kSuspect);
  EXPECT_EQ(told_to(51, 0), std::set<NodeId>{lab.id(2)}) << "a newcomer";
  EXPECT_EQ(told_to(3, 77), std::set<NodeId>{lab.id(2)}) << "who holds something else";
  EXPECT_TRUE(told_to(2, 0).empty()) << "it is told by the answer to its ping";
  EXPECT_TRUE(told_to(1, 0).empty()) << "nobody hears what it said itself";
  lab.silent = {2};
  lab.run(30s);
  ASSERT_EQ(lab.state(2), MemberState::kFailed);
  EXPECT_TRUE(told_to(52, 0).empty());

  most_at_once = 0;
  for (std::size_t i = 3; i <= 30; ++i) lab.silent.insert(i);
  for (std::size_t i = 3; i <= 30; ++i) {
    const std::size_t accuser = 31 + i % 10;
    lab.gossip(accuser, {lab.suspicion(i, 1, accuser)});
  }
  const std::size_t suspects = lab.core->stats().suspect;
  ASSERT_GT(suspects, 2 * kCreditMax);
  EXPECT_GT(told_to(53, 0).size(), suspects / 2);
  EXPECT_LE(most_at_once, kCreditMax);
}

TEST(Accusation, NodesBeforeItsMinorAreToldNone) {
  Lab lab;
  lab.know(6);
  RecordFields old;
  old.number = 2;
  old.instance = 104;
  old.endpoints = {Lab::endpoint(4)};
  old.minor = kSuspicionMinor - 1;
  const RecordRef four = make_record(lab.identity(4), old);
  lab.gossip(4, {Lab::item(four)});
  lab.heard_from(4, true);
  lab.silent = {2};
  lab.told.clear();
  lab.gossip(1, {lab.suspicion(2, 1, 1)});
  lab.run(4s);
  EXPECT_TRUE(lab.told_suspicion(3, 2) || lab.told_suspicion(5, 2) || lab.told_suspicion(6, 2));
  EXPECT_FALSE(lab.told_suspicion(4, 2));
}

}  // namespace
}  // namespace weft::gossip::test
