// Members that a node knew in an earlier life: hearsay brings them back only until it agrees with the mesh without them.
#include <gtest/gtest.h>

#include "tests/gossip/lab.h"

namespace weft::gossip::test {
namespace {

using S = MemberState;

// Started anew: nine of ten live, and 10 is known from before.
void start_anew(Lab& lab, std::size_t living = 9) {
  for (std::size_t i = 1; i <= 10; ++i) lab.core->restore(lab.stamp(), lab.record(i, 3));
  for (std::size_t i = 1; i <= living; ++i) {
    const RecordRef r = lab.record(i, 3);
    lab.gossip(1, {Lab::item(r)});
    lab.heard_from(i, true);
  }
  lab.events.clear();
  lab.sent.clear();
  lab.told.clear();
}

void agree(Lab& lab, std::size_t first, std::size_t last) {
  for (std::size_t i = first; i <= last; ++i) (void)lab.ping(i, Ping{.number = 3, .digest = lab.core->facts_digest(), .items = {}});
}

TEST(Restored, HearsayBringsThemBackWhileTheMeshIsUnknown) {
  Lab lab;
  start_anew(lab);
  (void)lab.ping(2, Ping{.number = 3, .digest = lab.core->facts_digest() + 1, .items = {}});
  const RecordRef ten = lab.record(10, 3);
  lab.gossip(2, {Lab::item(ten)});
  EXPECT_EQ(lab.story(), "10:+alive");
}

TEST(Restored, OnePeerThatAgreesIsNotTheMesh) {
  Lab lab;
  start_anew(lab);
  agree(lab, 2, 2);
  agree(lab, 2, 2);
  agree(lab, 2, 2);
  const RecordRef ten = lab.record(10, 3);
  lab.gossip(2, {Lab::item(ten)});
  EXPECT_EQ(lab.story(), "10:+alive");
}

// It has answered others: then two speak for it.
TEST(Restored, WhomOnlyOthersReachIsBack) {
  Lab lab;
  start_anew(lab);
  agree(lab, 2, 4);
  lab.silent = {10};
  for (std::size_t i = 1; i < 10; ++i) lab.vouching.insert(i);
  const RecordRef ten = lab.record(10, 3);
  lab.gossip(2, {Lab::item(ten)});
  lab.run(2s);
  EXPECT_EQ(lab.story(), "10:+alive");
}

// The address is not to be tried yet: nobody is accused, nobody believed.
TEST(Restored, AProbeThatDidNotLeaveSaysNothing) {
  Lab lab;
  start_anew(lab);
  agree(lab, 2, 4);
  const RecordRef ten = lab.record(10, 3);
  lab.core->on_gossip(lab.stamp(), lab.asker(2), Gossip{{Lab::item(ten)}}, lab.out);
  lab.core->on_deadline(lab.stamp(), lab.out);
  ASSERT_EQ(lab.out.requests.size(), 1U);
  EXPECT_TRUE(lab.out.requests[0].look_again);
  const RequestTag tag = lab.out.requests[0].tag;
  lab.out.requests.clear();
  lab.core->on_unsent(lab.stamp(), tag, lab.out);
  for (const Request& request : lab.out.requests) lab.core->on_timeout(lab.stamp(), request.tag, lab.out);
  EXPECT_EQ(lab.state(10), S::kFailed);
  EXPECT_TRUE(lab.out.sends.empty());
  EXPECT_TRUE(lab.out.events.empty());
}

TEST(Restored, ARelayThatCannotAskSaysNothing) {
  for (const bool sent : {true, false}) {
    Lab lab;
    lab.know(4);
    lab.core->on_ping_req(lab.stamp(), lab.asker(3), {lab.id(2)}, lab.out);
    ASSERT_EQ(lab.out.requests.size(), 1U);
    const RequestTag tag = lab.out.requests[0].tag;
    lab.out.requests.clear();
    if (sent) lab.core->on_timeout(lab.stamp(), tag, lab.out);
    else lab.core->on_unsent(lab.stamp(), tag, lab.out);
    EXPECT_EQ(lab.out.replies.size(), sent ? 1U : 0U);
  }
}

// Whose turn it is, and whose address is not to be tried: a nack, of a relay that has asked, makes a suspect, silence of relays none.
TEST(Restored, RelaysDecideAboutWhomWeCannotAsk) {
  for (const bool nack : {true, false}) {
    Lab lab;
    lab.know(6);
    lab.settle(2);
    std::optional<RequestTag> direct;
    for (int i = 0; !direct && i < 100; ++i) {
      lab.now = *lab.core->next_deadline();
      lab.core->on_deadline(lab.stamp(), lab.out);
      for (const Request& request : lab.out.requests) {
        if (!std::holds_alternative<Ping>(request.message)) continue;
        const std::size_t who = lab.by_id.at(request.to.id);
        if (who == 2) {
          direct = request.tag;
          continue;
        }
        const Ack ack{.number = 1, .instance = 100 + who, .digest = lab.core->facts_digest(), .observed = Lab::endpoint(0), .items = {}, .state = {}};
        lab.core->on_ack(lab.stamp(), request.tag, 1ms, lab.contact(who), ack, lab.out);
      }
      lab.out.clear();
    }
    ASSERT_TRUE(direct);
    lab.core->on_unsent(lab.stamp(), *direct, lab.out);
    const std::vector<Request> relays = std::exchange(lab.out.requests, {});
    ASSERT_EQ(relays.size(), 3U);
    for (const Request& request : relays) {
      if (nack) lab.core->on_ping_req_reply(lab.stamp(), request.tag, {.answered = false}, lab.out);
      else lab.core->on_timeout(lab.stamp(), request.tag, lab.out);
    }
    EXPECT_EQ(lab.state(2), nack ? S::kSuspect : S::kAlive);
  }
}

TEST(Restored, WhomTheMeshDoesWithoutIsAskedFirst) {
  Lab lab;
  start_anew(lab);
  agree(lab, 2, 4);
  lab.silent = {10};
  const RecordRef ten = lab.record(10, 3);
  lab.gossip(2, {Lab::item(ten)});
  EXPECT_EQ(lab.state(10), S::kFailed);
  lab.run(5s);
  EXPECT_GE(lab.pings_to(10), 1U);
  EXPECT_EQ(lab.story(), "");
  EXPECT_TRUE(lab.told_suspicion(2, 10)) << "who takes it for alive should doubt it, too";

  lab.silent.clear();
  const std::size_t waiting = lab.core->stats().queue;
  lab.gossip(3, {Lab::item(ten)});
  lab.run(5ms);
  EXPECT_EQ(lab.story(), "10:+alive");
  EXPECT_EQ(lab.core->stats().queue, waiting + 1) << "it is news to others";
  lab.fail(10);
  lab.gossip(3, {Lab::item(ten)});
  EXPECT_EQ(lab.state(10), S::kFailed) << "the verdict of this life";
}

TEST(Restored, ItsOwnWordNeedsNoProbe) {
  Lab lab;
  start_anew(lab);
  agree(lab, 2, 4);
  const RecordRef ten = lab.record(10, 3);
  lab.gossip(10, {Lab::item(ten)});
  EXPECT_EQ(lab.story(), "10:+alive");
}

TEST(Restored, AHigherNumberIsBelieved) {
  Lab lab;
  start_anew(lab);
  agree(lab, 2, 4);
  const RecordRef back = lab.record(10, 7);
  lab.gossip(2, {Lab::item(back)});
  EXPECT_EQ(lab.story(), "10:+alive");
}

TEST(Restored, ALeaveNeedsNoProbe) {
  Lab lab;
  start_anew(lab);
  agree(lab, 2, 4);
  const RecordRef left = lab.record(10, 7, RecordStatus::kLeft);
  lab.gossip(2, {Lab::item(left)});
  EXPECT_EQ(lab.state(10), S::kLeft);
}

// All start at once: two agree soon that nobody else is there.
TEST(Restored, WhoHasSeenLittleOfTheMeshDoesNotCount) {
  Lab lab;
  start_anew(lab, 7);
  agree(lab, 2, 4);
  const RecordRef ten = lab.record(10, 3);
  lab.gossip(2, {Lab::item(ten)});
  EXPECT_EQ(lab.story(), "10:+alive") << "three of ten are missing, more than a third of seven";
}

// Its row on disk must go, too, or each start would take it up again.
TEST(Restored, WhoIsForgottenIsToldOf) {
  Config config;
  config.forget_failed = 1h;
  Lab lab(config);
  lab.know(4);
  lab.fail(2);
  lab.run(59min);
  EXPECT_TRUE(lab.take<MemberForgotten>().empty());
  lab.run(2h);  // the sweep comes every ten minutes, and passes over whom a retry is under way to
  const auto forgotten = lab.take<MemberForgotten>();
  ASSERT_EQ(forgotten.size(), 1U);
  EXPECT_EQ(forgotten[0].id, lab.id(2));
  EXPECT_EQ(lab.state(2), std::nullopt);
}

}  // namespace
}  // namespace weft::gossip::test
