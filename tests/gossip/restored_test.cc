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

void agree(Lab& lab, std::size_t with) { (void)lab.ping(with, Ping{.number = 3, .digest = lab.core->facts_digest(), .items = {}}); }

TEST(Restored, HearsayBringsThemBackWhileTheMeshIsUnknown) {
  Lab lab;
  start_anew(lab);
  (void)lab.ping(2, Ping{.number = 3, .digest = lab.core->facts_digest() + 1, .items = {}});
  const RecordRef ten = lab.record(10, 3);
  lab.gossip(2, {Lab::item(ten)});
  EXPECT_EQ(lab.story(), "10:+alive");
}

TEST(Restored, WhomTheMeshDoesWithoutIsAskedFirst) {
  Lab lab;
  start_anew(lab);
  agree(lab, 2);
  lab.silent = {10};
  const RecordRef ten = lab.record(10, 3);
  lab.gossip(2, {Lab::item(ten)});
  EXPECT_EQ(lab.state(10), S::kFailed);
  lab.run(5s);
  EXPECT_GE(lab.pings_to(10), 1U);
  EXPECT_EQ(lab.story(), "");
  EXPECT_TRUE(lab.told_suspicion(2, 10)) << "who takes it for alive should doubt it, too";

  lab.silent.clear();
  lab.gossip(3, {Lab::item(ten)});
  lab.run(1s);
  EXPECT_EQ(lab.story(), "10:+alive");
  lab.fail(10);
  lab.gossip(3, {Lab::item(ten)});
  EXPECT_EQ(lab.state(10), S::kFailed) << "the verdict of this life";
}

TEST(Restored, ItsOwnWordNeedsNoProbe) {
  Lab lab;
  start_anew(lab);
  agree(lab, 2);
  const RecordRef ten = lab.record(10, 3);
  lab.gossip(10, {Lab::item(ten)});
  EXPECT_EQ(lab.story(), "10:+alive");
}

// The dead are handed on by numbers that we have not heard of, too; the living tell their own.
TEST(Restored, ANewNumberIsTakenUpAndAskedFirst) {
  Lab lab;
  start_anew(lab);
  agree(lab, 2);
  lab.silent = {10};
  const RecordRef later = lab.record(10, 7);
  lab.gossip(2, {Lab::item(later)});
  EXPECT_EQ(lab.state(10), S::kFailed);
  EXPECT_EQ(lab.core->find(lab.id(10))->record->number, 7U);
  lab.run(5s);
  EXPECT_GE(lab.pings_to(10), 1U);
  EXPECT_EQ(lab.story(), "");
  const RecordRef own = lab.record(10, 8);
  lab.gossip(10, {Lab::item(own)});
  EXPECT_EQ(lab.story(), "10:+alive");
}

TEST(Restored, ALeaveNeedsNoProbe) {
  Lab lab;
  start_anew(lab);
  agree(lab, 2);
  const RecordRef left = lab.record(10, 7, RecordStatus::kLeft);
  lab.gossip(2, {Lab::item(left)});
  EXPECT_EQ(lab.state(10), S::kLeft);
}

// All start at once: two agree soon that nobody else is there.
TEST(Restored, WhoHasSeenLittleOfTheMeshDoesNotCount) {
  Lab lab;
  start_anew(lab, 7);
  agree(lab, 2);
  const RecordRef ten = lab.record(10, 3);
  lab.gossip(2, {Lab::item(ten)});
  EXPECT_EQ(lab.story(), "10:+alive") << "three of ten are missing, more than a third of seven";
}

}  // namespace
}  // namespace weft::gossip::test
