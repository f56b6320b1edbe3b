// Every row of the member state table (docs/PROTOCOL-membership.md), and what liars cannot do.
#include <gtest/gtest.h>

#include "gossip/membership/forming.h"
#include "tests/gossip/lab.h"

namespace weft::gossip::test {
namespace {

using S = MemberState;

TEST(Rules, OnlyTheOwnersSignatureMakesAMemberKnown) {
  Lab lab;
  const RecordRef r = lab.record(1, 5);
  Bytes forged = r->wire;
  forged[forged.size() - 64] ^= 1;  // in the signature
  lab.gossip(2, {{.record = forged, .suspicion = {}}});
  EXPECT_EQ(lab.state(1), std::nullopt);
  lab.gossip(2, {lab.suspicion(1, 5, 2)});
  EXPECT_EQ(lab.state(1), std::nullopt);
  lab.gossip(2, {Lab::item(r)});
  EXPECT_EQ(lab.state(1), S::kAlive);
  EXPECT_EQ(lab.story(), "1:+alive");
  EXPECT_EQ(lab.core->stats().records_refused_total, 1U);
}

TEST(Rules, ARecordOfAnotherNetworkIsRefused) {
  Lab lab;
  RecordFields fields;
  fields.network = {1};
  lab.gossip(2, {Lab::item(make_record(lab.identity(1), fields))});
  EXPECT_EQ(lab.state(1), std::nullopt);
  EXPECT_EQ(lab.core->stats().records_refused_total, 1U);
}

TEST(Rules, OneWrongSignatureEndsTheMessage) {
  Lab lab;
  Bytes forged = lab.record(1, 5)->wire;
  forged[forged.size() - 64] ^= 1;  // in the signature
  const RecordRef honest = lab.record(2, 1);
  lab.gossip(3, {{.record = forged, .suspicion = {}}, Lab::item(honest)});
  EXPECT_EQ(lab.state(2), std::nullopt);
}

TEST(Rules, UnknownAndAlreadyLeft) {
  Lab lab;
  const RecordRef left = lab.record(1, 3, RecordStatus::kLeft);
  const RecordRef old = lab.record(1, 2);
  lab.gossip(2, {Lab::item(left)});
  EXPECT_EQ(lab.story(), "1:+left");
  lab.gossip(2, {Lab::item(old)});  // the join that came too late does not revive it
  EXPECT_EQ(lab.state(1), S::kLeft);
}

TEST(Rules, AliveAndRecords) {
  Lab lab;
  lab.know(3);
  const RecordRef five = lab.record(2, 5);
  lab.gossip(1, {Lab::item(five)});
  EXPECT_EQ(lab.core->find(lab.id(2))->record->number, 5U);
  EXPECT_EQ(lab.story(), "");  // the state is the same
  const RecordRef four = lab.record(2, 4);
  lab.gossip(1, {Lab::item(four)});  // a replayed old record
  EXPECT_EQ(lab.core->find(lab.id(2))->record->number, 5U);
  const RecordRef old_leave = lab.record(2, 4, RecordStatus::kLeft);
  lab.gossip(1, {Lab::item(old_leave)});
  EXPECT_EQ(lab.state(2), S::kAlive);
  const RecordRef leave = lab.record(2, 6, RecordStatus::kLeft);
  lab.gossip(1, {Lab::item(leave)});
  EXPECT_EQ(lab.story(), "2:alive>left");
}

TEST(Rules, ASuspicionMustNameTheNumberAndAKnownAccuser) {
  Lab lab;
  lab.know(4);
  lab.gossip(1, {lab.suspicion(2, 2, 1)});           // above the newest signed record
  lab.gossip(1, {lab.suspicion(2, kNumberMax, 1)});  // far above
  lab.gossip(1, {lab.suspicion(2, 1, 99)});          // an accuser nobody knows
  lab.gossip(1, {lab.suspicion(2, 1, 2)});           // accused by itself
  lab.gossip(1, {lab.suspicion(98, 1, 1)});          // a subject nobody knows
  EXPECT_EQ(lab.core->stats().suspicions_dropped_total, 5U);
  lab.gossip(1, {lab.suspicion(2, 0, 1)});  // below: an old story
  EXPECT_EQ(lab.state(2), S::kAlive);
  EXPECT_EQ(lab.story(), "");
  lab.gossip(1, {lab.suspicion(2, 1, 1)});
  EXPECT_EQ(lab.state(2), S::kSuspect);
  EXPECT_EQ(lab.story(), "2:alive>suspect");
}

TEST(Rules, AnAnswerClearsASuspicionHere) {
  Lab lab;
  lab.know(4);
  lab.gossip(1, {lab.suspicion(2, 1, 1)});
  lab.run(8s);  // the own probe comes somewhere in the first three quarters
  EXPECT_EQ(lab.story(), "2:alive>suspect 2:suspect>alive");
  EXPECT_TRUE(lab.told_suspicion(2, 2));  // and it told the accused
}

TEST(Rules, AHandshakeClearsASuspicionHere) {
  Lab lab;
  lab.know(4);
  lab.silent = {2};
  lab.gossip(1, {lab.suspicion(2, 1, 1)});
  lab.heard_from(2, /*ours=*/true);
  EXPECT_EQ(lab.story(), "2:alive>suspect 2:suspect>alive");
}

TEST(Rules, AHigherNumberClearsASuspicion) {
  Lab lab;
  lab.know(4);
  lab.silent = {2};
  lab.gossip(1, {lab.suspicion(2, 1, 1)});
  const RecordRef refuted = lab.record(2, 2);
  lab.gossip(3, {Lab::item(refuted)});
  EXPECT_EQ(lab.story(), "2:alive>suspect 2:suspect>alive");
  lab.gossip(1, {lab.suspicion(2, 1, 3)});  // the old accusation means nothing now
  EXPECT_EQ(lab.state(2), S::kAlive);
}

TEST(Rules, AGoodbyeGoesToSuspectsToo) {
  Lab lab;
  lab.know(3);
  lab.silent = {1, 2, 3};
  lab.gossip(3, {lab.suspicion(2, 1, 3)});
  ASSERT_EQ(lab.state(2), S::kSuspect);
  lab.core->set_self(lab.stamp(), lab.record(0, 2, RecordStatus::kLeft), lab.out);
  const auto told = [&lab](std::size_t fanout) {
    lab.out.clear();
    lab.core->spread_now(lab.stamp(), fanout, lab.out);
    std::vector<std::size_t> to;
    for (const Send& send : lab.out.sends) to.push_back(lab.by_id.at(send.to.id));
    return to;
  };
  EXPECT_EQ(told(8).size(), 3U);
  EXPECT_EQ(told(8).back(), 2U);  // the alive come first
  const auto few = told(2);
  EXPECT_EQ(std::ranges::count(few, 2U), 0);
}

TEST(Rules, ASuspectMayLeave) {
  Lab lab;
  lab.know(4);
  lab.silent = {2};
  lab.gossip(1, {lab.suspicion(2, 1, 1)});
  const RecordRef left = lab.record(2, 2, RecordStatus::kLeft);
  lab.gossip(3, {Lab::item(left)});
  lab.run(20s);
  EXPECT_EQ(lab.story(), "2:alive>suspect 2:suspect>left");
}

TEST(Rules, FailedNeedsTheFullTimeAndTheOwnProbe) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    Lab lab({}, seed);
    lab.know(8);
    lab.silent = {2};
    lab.gossip(1, {lab.suspicion(2, 1, 1)});
    lab.run(Config{}.suspicion_min - 100ms);
    EXPECT_EQ(lab.state(2), S::kSuspect);  // never before the minimum
    lab.run(Config{}.suspicion_max);
    EXPECT_EQ(lab.state(2), S::kFailed);
    EXPECT_GE(lab.pings_to(2), 1U);
    EXPECT_EQ(lab.story(), "2:alive>suspect 2:suspect>failed");
  }
}

TEST(Rules, OthersShortenTheClockToTheMinimum) {
  Lab lab;
  lab.know(10);
  lab.silent = {2};
  for (std::size_t accuser : {1U, 3U, 4U, 5U, 6U, 7U}) {
    lab.gossip(accuser, {lab.suspicion(2, 1, accuser)});
  }
  lab.run(Config{}.suspicion_min - 10ms);
  EXPECT_EQ(lab.state(2), S::kSuspect);
  lab.run(1100ms);  // a probe that began late may still be under way at the end of the clock
  EXPECT_EQ(lab.state(2), S::kFailed);
}

TEST(Rules, FakeAccusersNeverEndTheClock) {
  Lab lab;
  lab.know(60);
  lab.run(2 * kFormingWindow);
  lab.sent.clear();
  for (int round = 0; round < 200; ++round) {
    GossipItems items;
    for (std::size_t a = 0; a < 16; ++a) {
      items.push(lab.suspicion(2, 1, 3 + (a + static_cast<std::size_t>(round) * 16) % 57));
    }
    lab.gossip(1, items);
    lab.run(100ms);
    EXPECT_NE(lab.state(2), S::kFailed);
  }
  // Twenty seconds of accusations cost it a bounded number of probes.
  EXPECT_LE(lab.pings_to(2), 25U);
}

TEST(Rules, AnAccusationOfAMemberThatJustAnsweredIsCheckedFirst) {
  Lab lab;
  lab.know(6);
  lab.heard_from(2, true);
  lab.silent = {2};
  lab.gossip(1, {lab.suspicion(2, 1, 1)});
  EXPECT_EQ(lab.state(2), S::kAlive);
  lab.run(1500ms);  // one probe of our own, unanswered: now it is our suspicion
  EXPECT_EQ(lab.state(2), S::kSuspect);
  lab.run(9s);
  EXPECT_EQ(lab.state(2), S::kFailed);
}

TEST(Rules, AFailedMemberIsNotRevivedByHearsay) {
  Lab lab;
  lab.know(8);
  lab.fail(2);
  ASSERT_EQ(lab.state(2), S::kFailed);
  const RecordRef same = lab.record(2, 1);
  lab.gossip(3, {Lab::item(same)});
  EXPECT_EQ(lab.state(2), S::kFailed);
  lab.run(1500ms);
  EXPECT_GE(lab.pings_to(2), 1U);         // but it was worth a probe
  EXPECT_TRUE(lab.told_suspicion(3, 2));  // and who claimed it hears of our doubt
  EXPECT_EQ(lab.state(2), S::kFailed);
  EXPECT_EQ(lab.story(), "");
}

TEST(Rules, AFailedMemberIsAliveOnItsAnswerAtTheSameNumber) {
  Lab lab;
  lab.know(8);
  lab.fail(2);
  lab.silent.clear();
  const RecordRef same = lab.record(2, 1);
  lab.gossip(3, {Lab::item(same)});
  lab.run(30ms);
  EXPECT_EQ(lab.story(), "2:failed>alive");
}

TEST(Rules, AFailedMemberThatPingsUsIsProbed) {
  Lab lab;
  lab.know(8);
  lab.fail(2);
  lab.ping(2, Ping{.number = 1, .digest = 0, .items = {}});
  EXPECT_EQ(lab.state(2), S::kFailed);
  lab.run(50ms);
  EXPECT_EQ(lab.pings_to(2), 1U);
  lab.heard_from(2, /*ours=*/true);
  EXPECT_EQ(lab.story(), "2:failed>alive");
}

TEST(Rules, AFailedMemberAndSignedNews) {
  Lab lab;
  lab.know(8);
  lab.fail(2);
  lab.fail(3);
  lab.gossip(1, {lab.suspicion(2, 1, 1)});
  EXPECT_EQ(lab.story(), "");
  const RecordRef two = lab.record(2, 2);
  const RecordRef three = lab.record(3, 2, RecordStatus::kLeft);
  lab.gossip(1, {Lab::item(two), Lab::item(three)});
  EXPECT_EQ(lab.story(), "2:failed>alive 3:failed>left");
}

TEST(Rules, FailedMembersAreRetriedOneAtATime) {
  Lab lab;
  lab.know(8);
  lab.fail(2);
  lab.fail(3);
  lab.sent.clear();
  lab.run(40s);
  const std::size_t tries = lab.pings_to(2) + lab.pings_to(3);
  EXPECT_GE(tries, 13U);  // one in two seconds, jittered by a half
  EXPECT_LE(tries, 40U);
  EXPECT_GE(lab.pings_to(2), 6U);
  EXPECT_GE(lab.pings_to(3), 6U);
  EXPECT_TRUE(lab.told_suspicion(2, 2));  // so that it can refute for everybody
}

TEST(Rules, ALargeMeshSharesTheTriesOfFailedMembers) {
  Lab lab;
  lab.know(131);  // 128 live others once two have failed
  lab.fail(2);
  lab.fail(3);
  lab.sent.clear();
  lab.run(80s);
  const std::size_t tries = lab.pings_to(2) + lab.pings_to(3);
  EXPECT_GE(tries, 80U / 12U);  // one in 8 s, jittered by a half
  EXPECT_LE(tries, 80U / 4U);
}

TEST(Rules, FailedMembersAreForgottenAfterThreeDays) {
  Config config;
  config.forget_failed = 2h;
  config.retry_failed = 10min;
  Lab lab(config);
  lab.know(4);
  lab.fail(2);
  lab.run(110min);
  EXPECT_EQ(lab.state(2), S::kFailed);
  lab.run(20min);
  EXPECT_EQ(lab.state(2), std::nullopt);
}

TEST(Rules, LeftStaysLeft) {
  Lab lab;
  lab.know(5);
  const RecordRef left = lab.record(2, 2, RecordStatus::kLeft);
  lab.gossip(1, {Lab::item(left)});
  lab.events.clear();
  const RecordRef one = lab.record(2, 1);
  lab.gossip(1, {Lab::item(one), Lab::item(left), lab.suspicion(2, 2, 1)});
  lab.heard_from(2, true);
  lab.ping(2, Ping{.number = 2, .digest = 0, .items = {}});
  lab.run(20s);
  EXPECT_EQ(lab.story(), "");
  EXPECT_EQ(lab.pings_to(2), 0U);
  const RecordRef back = lab.record(2, 3);
  lab.gossip(1, {Lab::item(back)});
  EXPECT_EQ(lab.story(), "2:left>alive");
}

TEST(Rules, OurOwnNumberAndSuspicionsOfUs) {
  Lab lab;
  lab.know(3);
  lab.gossip(1, {lab.suspicion(0, 2, 1)});  // above our number: nobody signed that
  lab.gossip(1, {lab.suspicion(0, kNumberMax, 1)});
  EXPECT_TRUE(lab.take<NumberWanted>().empty());
  lab.gossip(1, {lab.suspicion(0, 0, 1)});  // below: refuted already
  EXPECT_TRUE(lab.take<NumberWanted>().empty());
  lab.gossip(1, {lab.suspicion(0, 1, 1)});
  const auto wanted = lab.take<NumberWanted>();
  ASSERT_EQ(wanted.size(), 1U);
  EXPECT_EQ(wanted[0].above, 1U);
  EXPECT_EQ(lab.core->stats().health, 1U);
  lab.core->set_self(lab.stamp(), lab.record(0, 2), lab.out);
  EXPECT_EQ(lab.core->self()->number, 2U);
}

TEST(Rules, RefutationsAreRateLimited) {
  Lab lab;
  lab.know(3);
  std::size_t wanted = 0;
  for (int i = 0; i < 100; ++i) {
    lab.gossip(1, {lab.suspicion(0, lab.core->self()->number, 1)});
    lab.run(50ms);
    for (const NumberWanted& w : lab.take<NumberWanted>()) {
      ++wanted;
      lab.core->set_self(lab.stamp(), lab.record(0, w.above + 1), lab.out);
    }
    lab.events.clear();
  }
  EXPECT_LE(wanted, 6U);  // five seconds, one a second
  EXPECT_GE(wanted, 3U);
}

TEST(Rules, OurOwnRecordWithAHigherNumber) {
  Lab lab;
  lab.know(3);
  const RecordRef mine = lab.record(0, 7, RecordStatus::kUp, /*instance=*/4711);
  lab.gossip(1, {Lab::item(mine)});
  const auto wanted = lab.take<NumberWanted>();
  ASSERT_EQ(wanted.size(), 1U);
  EXPECT_EQ(wanted[0].above, 7U);
  ASSERT_EQ(lab.take<OwnRecordSeen>().size(), 1U);
  EXPECT_EQ(lab.core->self()->number, 1U);
  // The same key and number, another process: a twin.
  lab.run(2s);
  lab.take<NumberWanted>();
  const RecordRef twin = lab.record(0, 1, RecordStatus::kUp, /*instance=*/4712);
  lab.gossip(1, {Lab::item(twin)});
  EXPECT_EQ(lab.take<OwnRecordSeen>().size(), 1U);
  EXPECT_EQ(lab.core->stats().alive, 4U);
}

TEST(Rules, OurOwnRecordForged) {
  Lab lab;
  lab.know(3);
  Bytes forged = lab.record(0, 7)->wire;
  forged[forged.size() - 64] ^= 1;  // in the signature
  lab.gossip(1, {{.record = forged, .suspicion = {}}});
  EXPECT_TRUE(lab.take<NumberWanted>().empty());
  EXPECT_TRUE(lab.take<OwnRecordSeen>().empty());
}

TEST(Rules, OurOwnRecordAtTheMaximumNumber) {
  Lab lab;
  lab.know(3);
  const RecordRef last = lab.record(0, kNumberMax, RecordStatus::kUp, 4711);
  lab.gossip(1, {Lab::item(last)});
  EXPECT_TRUE(lab.take<NumberWanted>().empty());  // there is none above
  EXPECT_EQ(lab.take<OwnRecordSeen>().size(), 1U);
}

TEST(Rules, WhoHasForgottenItsNumberIsShownItsRecord) {
  Lab lab;
  lab.know(3);
  const RecordRef nine = lab.record(2, 9);
  lab.gossip(1, {Lab::item(nine)});
  const Ack ack = lab.ping(2, Ping{.number = 1, .digest = 0, .items = {}});
  ASSERT_FALSE(ack.items.empty());
  EXPECT_TRUE(equal(ack.items[0].record, nine->wire));
  const RecordRef pushed = lab.record(2, 1);
  Sync sync;
  for (std::size_t i = 0; i < kSyncBuckets; ++i) sync.buckets.push(0);
  sync.items.push(Lab::item(pushed));
  const SyncPage page = lab.sync(2, sync);
  ASSERT_FALSE(page.items.empty());
  EXPECT_TRUE(equal(page.items[0].record, nine->wire));
}

TEST(Rules, EarlyAskersTeachNothing) {
  Lab lab;
  lab.know(3);
  const std::uint64_t before = lab.core->digest();
  const RecordRef r = lab.record(9, 1);
  lab.ping(2, Ping{.number = 1, .digest = 1, .items = {Lab::item(r), lab.suspicion(1, 1, 2)}},
           /*early=*/true);
  Sync sync;
  for (std::size_t i = 0; i < kSyncBuckets; ++i) sync.buckets.push(0);
  sync.items.push(Lab::item(r));
  const SyncPage page = lab.sync(2, sync, /*early=*/true);
  EXPECT_FALSE(page.items.empty());  // reads are answered
  lab.core->on_ping_req(lab.stamp(), lab.asker(2, true), {lab.id(1)}, lab.out);
  lab.core->on_gossip(lab.stamp(), lab.asker(2, true), {{Lab::item(r)}}, lab.out);
  EXPECT_TRUE(lab.out.requests.empty());
  EXPECT_EQ(lab.core->digest(), before);
  EXPECT_EQ(lab.state(9), std::nullopt);
}

TEST(Rules, AFakeObservedAddressChangesNothing) {
  Lab lab;
  lab.know(2);
  const std::uint64_t before = lab.core->digest();
  lab.core->on_ack(lab.stamp(), RequestTag{12345}, 1ms, lab.contact(1),
                   Ack{.number = 1,
                       .instance = 1,
                       .digest = 0,
                       .observed = Endpoint::v4(6, 6, 6, 6, 666),
                       .items = {}},
                   lab.out);
  EXPECT_EQ(lab.core->digest(), before);
  EXPECT_EQ(lab.core->self()->endpoints[0], Lab::endpoint(0));
}

TEST(Rules, AStallOfOurOwnIsNotHeldAgainstOthers) {
  Lab lab;
  lab.know(8);
  lab.silent = {2};
  lab.gossip(1, {lab.suspicion(2, 1, 1)});
  // Stopped for a minute: the clock ran out and every probe under way timed out.
  lab.now += 60s;
  lab.core->was_late(lab.stamp(), 60s);
  lab.run(3s);
  EXPECT_NE(lab.state(2), S::kFailed);
  lab.silent.clear();
  lab.run(20s);
  EXPECT_EQ(lab.state(2), S::kAlive);
  for (std::size_t i = 1; i <= 8; ++i) EXPECT_EQ(lab.state(i), S::kAlive);
}

TEST(Rules, ARelaysYesNeitherAccusesNorAcquits) {
  Lab lab;
  lab.know(8);
  lab.silent = {2};
  lab.vouching = {1, 3, 4, 5, 6, 7, 8};
  lab.run(20s);  // periodic probes alone
  EXPECT_EQ(lab.state(2), S::kAlive);
  lab.gossip(1, {lab.suspicion(2, 1, 1)});
  lab.run(20s);
  EXPECT_EQ(lab.story(), "2:alive>suspect");
  const RecordRef refuted = lab.record(2, 2);
  lab.gossip(3, {Lab::item(refuted)});
  EXPECT_EQ(lab.story(), "2:suspect>alive");
  // One that is dead is found out as soon as three relays are asked of which none lies.
  lab.gossip(1, {lab.suspicion(2, 2, 1)});
  lab.run(10s);
  EXPECT_EQ(lab.state(2), S::kSuspect);
  lab.vouching.clear();
  lab.run(2s);
  EXPECT_EQ(lab.story(), "2:alive>suspect 2:suspect>failed");
}

TEST(Rules, RelaysAnswerForOthers) {
  Lab lab;
  lab.know(4);
  lab.core->on_ping_req(lab.stamp(), lab.asker(1), {lab.id(2)}, lab.out);
  ASSERT_EQ(lab.out.requests.size(), 1U);
  lab.core->on_ping_req(lab.stamp(), lab.asker(3), {lab.id(2)}, lab.out);
  ASSERT_EQ(lab.out.requests.size(), 1U);  // both wait for one ping
  const RequestTag tag = lab.out.requests[0].tag;
  Ack ack;
  ack.number = 1;
  ack.instance = 102;
  lab.core->on_ack(lab.stamp(), tag, 1ms, lab.contact(2), ack, lab.out);
  ASSERT_EQ(lab.out.replies.size(), 2U);
  EXPECT_TRUE(lab.out.replies[0].message.answered);
  lab.out.clear();
  lab.core->on_ping_req(lab.stamp(), lab.asker(1), {lab.id(4)}, lab.out);
  lab.core->on_timeout(lab.stamp(), lab.out.requests[0].tag, lab.out);
  ASSERT_EQ(lab.out.replies.size(), 1U);
  EXPECT_FALSE(lab.out.replies[0].message.answered);
  EXPECT_EQ(lab.state(4), S::kAlive);  // a relayed silence is not ours to judge
  lab.out.clear();
  lab.core->on_ping_req(lab.stamp(), lab.asker(1), {lab.id(77)}, lab.out);
  ASSERT_EQ(lab.out.replies.size(), 1U);
  EXPECT_FALSE(lab.out.replies[0].message.answered);
}

TEST(Rules, RelayedProbesAreBounded) {
  Lab lab;
  lab.know(100);
  for (std::size_t i = 2; i <= 100; ++i) {
    lab.core->on_ping_req(lab.stamp(), lab.asker(1), {lab.id(i)}, lab.out);
  }
  EXPECT_EQ(lab.out.requests.size(), 64U);
  EXPECT_EQ(lab.out.replies.size(), 35U);
}

TEST(Rules, TheTableIsBounded) {
  Config config;
  config.members_max = 5;
  Lab lab(config);
  lab.know(4);
  const RecordRef r = lab.record(9, 1);
  lab.gossip(1, {Lab::item(r)});
  EXPECT_EQ(lab.state(9), std::nullopt);
  EXPECT_GT(lab.core->stats().records_refused_total, 0U);
  lab.fail(2);
  for (int i = 0; i < 20; ++i) {  // the failed one makes room, between two of its retries
    lab.gossip(1, {Lab::item(r)});
    lab.run(100ms);
  }
  EXPECT_EQ(lab.state(9), S::kAlive);
  EXPECT_EQ(lab.state(2), std::nullopt);
}

TEST(Rules, MembersOfAnEarlierLife) {
  Lab lab;
  lab.core->restore(lab.stamp(), lab.record(1, 3));
  lab.core->restore(lab.stamp(), lab.record(2, 3));
  lab.core->restore(lab.stamp(), lab.record(3, 3, RecordStatus::kLeft));
  EXPECT_EQ(lab.state(1), S::kFailed);
  EXPECT_EQ(lab.story(), "");
  const RecordRef same = lab.record(1, 3);
  lab.gossip(2, {Lab::item(same)});  // no verdict of this life stands against it
  EXPECT_EQ(lab.story(), "1:+alive");
  lab.run(3s);  // the other one answers a retry
  EXPECT_EQ(lab.story(), "2:+alive");
  EXPECT_EQ(lab.state(3), S::kLeft);
}

TEST(Rules, DeadlinesMayComeEarlyLateAndTwice) {
  Lab lab;
  lab.know(5);
  const std::uint64_t before = lab.core->digest();
  for (int i = 0; i < 3; ++i) {
    lab.core->on_deadline({*lab.core->next_deadline() - 1us, {}}, lab.out);
  }
  EXPECT_EQ(lab.core->digest(), before);
  EXPECT_TRUE(lab.out.requests.empty());
  const Now late{lab.now + 1h, {}};
  lab.core->on_deadline(late, lab.out);
  EXPECT_LE(lab.out.requests.size(), 1U);  // an hour late: one probe, not 3,600
  EXPECT_GT(*lab.core->next_deadline(), late.mono);
  lab.core->on_deadline(late, lab.out);
  EXPECT_LE(lab.out.requests.size(), 1U);
}

TEST(Rules, AnswersToUnknownTagsAreHarmless) {
  Lab lab;
  lab.know(5);
  const std::uint64_t before = lab.core->digest();
  for (const std::uint64_t raw : {0ULL, 1ULL, 1ULL << 32, ~0ULL}) {
    const RequestTag tag{raw};
    lab.core->on_ping_req_reply(lab.stamp(), tag, {true}, lab.out);
    lab.core->on_sync_page(lab.stamp(), tag, lab.contact(1), SyncPage{}, lab.out);
    lab.core->on_slow(lab.stamp(), tag, lab.out);
    lab.core->on_timeout(lab.stamp(), tag, lab.out);
  }
  EXPECT_EQ(lab.core->digest(), before);
}

}  // namespace
}  // namespace weft::gossip::test
