// How fast a node writes, and what becomes of writes that wait for it.
#include <gmock/gmock.h>

#include "gossip/state/pace.h"
#include "tests/gossip/state_solo.h"

namespace weft::state {
namespace {

using testing::ElementsAre;

class PaceTest : public testing::Test {
 protected:
  // So many entries of one author's in the next step, each `after` its stamp.
  void others_write(std::size_t count, Duration after, std::uint8_t author = 1) {
    for (std::size_t i = 0; i < count; ++i) pace.pushed(at(), {{author}}, stamp_of(after));
  }
  void walks_bring(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) pace.walked(at(), stamp_of(1s));
  }
  // That the author's clock made.
  std::uint64_t stamp_of(Duration ago) const { return static_cast<std::uint64_t>(at().wall.value - ago / 1ms) << 16; }
  void pass(Duration time) {
    mono += time;
    pace.step(mono);
  }
  Now at() const { return {mono, UnixMillis{1'800'000'000'000 + mono.time_since_epoch() / 1ms}}; }
  // How long a write of so many must wait.
  Duration write(std::size_t entries) { return pace.begin(mono, entries) - mono; }
  Duration wait() { return write(0); }

  Pace pace;
  Instant mono{Duration(100s)};
};

TEST_F(PaceTest, WhoWritesAloneNeverWaits) {
  for (int i = 0; i < 10'000; ++i) {
    ASSERT_EQ(write(16), 0us);
    if (i % 10 == 0) pass(1ms);
  }
}

TEST_F(PaceTest, WhoWritesBesideOthersBeginsSlowlyAndIsFreeInTheEndWhileNothingComesLate) {
  others_write(kOthersMin, 10ms);
  write(10);
  EXPECT_EQ(wait(), 10 * kPauseFirst);
  std::size_t steps = 0;
  for (; pace.pause() > 0us && steps < 100; ++steps) {
    pass(kPaceStep);
    others_write(kOthersMin, 10ms);
    write(1);
  }
  EXPECT_LE(steps, 20U);
  EXPECT_EQ(wait(), 0us);
  // And stays so while it goes on, but not after a rest.
  for (int i = 0; i < 20; ++i) {
    pass(kPaceStep);
    others_write(kOthersMin, 10ms);
    write(1);
    ASSERT_EQ(pace.pause(), 0us);
  }
  pass(kRestAfter);
  others_write(kOthersMin, 10ms);
  write(1);
  EXPECT_EQ(pace.pause(), kPauseFirst);
}

TEST_F(PaceTest, FewOthersSlowNobody) {
  others_write(kOthersMin / 2 - 1, 10ms);
  pass(kPaceStep);
  others_write(kOthersMin / 2, 10ms);
  write(1000);
  EXPECT_EQ(wait(), 0us);
}

TEST_F(PaceTest, AWalkThatBringsMuchSlowsDownUntilItIsOver) {
  for (int i = 0; i < 8; ++i) {
    walks_bring(kLateMin);
    pass(kPaceStep);
  }
  EXPECT_EQ(pace.pause(), kPauseMax);
  write(3);
  EXPECT_EQ(wait(), 3 * kPauseMax);
  write(1'000'000);
  EXPECT_EQ(wait(), kPaceWaitMax);
  pass(kPaceWaitMax);
  EXPECT_EQ(wait(), 0us);
  pass(20s);
  EXPECT_EQ(pace.pause(), 0us);
}

TEST_F(PaceTest, FewLateOnesOrAFewAmongManySlowNobody) {
  walks_bring(kLateMin - 1);
  pass(kPaceStep);
  EXPECT_EQ(pace.pause(), 0us);
  walks_bring(kLateMin);
  others_write(kLateMin * (kLatePart - 1) + 1, 10ms);
  pass(kPaceStep);
  EXPECT_EQ(pace.pause(), 0us);
  walks_bring(kLateMin);
  others_write(kLateMin * (kLatePart - 1), 10ms);
  pass(kPaceStep);
  EXPECT_EQ(pace.pause(), kPauseFirst);
}

// What they wrote long ago was not written too fast.
TEST_F(PaceTest, AWalkThatBringsOldThingsSlowsNobody) {
  for (std::size_t i = 0; i < 1000; ++i) pace.walked(at(), stamp_of(kOldAfter));
  pass(kPaceStep);
  EXPECT_EQ(pace.pause(), 0us);
}

// A clock ahead of the others pulls the stamps of all who hear of it, now and then: what they sign next is not late.
TEST_F(PaceTest, StampsThatWerePulledAheadAreNotLookedAt) {
  for (int i = 0; i < 20; ++i) {
    others_write(20, 10ms);
    for (std::size_t k = 1; k <= 100; ++k) pace.pushed(at(), {{1}}, stamp_of(-500ms) + k);
    others_write(20, 10ms);
    pass(kPaceStep);
    ASSERT_EQ(pace.pause(), 0us);
  }
  // Such an entry is as late as the one before.
  others_write(1, 10ms + kLateBy);
  for (std::size_t k = 1; k < kLateMin; ++k) pace.pushed(at(), {{1}}, stamp_of(-500ms) + k);
  pass(kPaceStep);
  EXPECT_EQ(pace.pause(), kPauseFirst);
}

TEST_F(PaceTest, OurOwnWallClockPlaysNoPart) {
  for (int i = 0; i < 10; ++i) {
    for (std::size_t k = 0; k < 100; ++k) {
      pace.pushed({mono, UnixMillis{1'800'000'000'000 + i * 100'000'000}}, {{1}}, stamp_of(10ms));
    }
    pass(kPaceStep);
    ASSERT_EQ(pace.pause(), 0us);
  }
}

// A clock that is off is off always: only what is added to the least counts.
TEST_F(PaceTest, DelayIsMeasuredAgainstTheLeastOfEachAuthor) {
  others_write(100, 24h, 1);
  others_write(100, -24h, 2);
  pass(kPaceStep);
  others_write(100, 24h + kLateBy - 1ms, 1);
  others_write(100, -24h + kLateBy - 1ms, 2);
  pass(kPaceStep);
  EXPECT_EQ(pace.pause(), 0us);
  others_write(100, 24h + kLateBy, 1);
  pass(kPaceStep);
  EXPECT_EQ(pace.pause(), kPauseFirst);
}

// After a long silence nobody's least is known: what has drifted meanwhile is not late.
TEST_F(PaceTest, ARestForgetsTheLeast) {
  others_write(kLateMin, 0ms);
  pass(2 * kLeastFor);
  others_write(kLateMin, kLateBy);
  pass(kPaceStep);
  EXPECT_EQ(pace.pause(), 0us);
}

TEST_F(PaceTest, TheLeastIsForgottenInTime) {
  others_write(kLateMin, 0ms);
  // The clock was set: what is new is reckoned against what is left of the old for two times kLeastFor at most.
  for (Duration passed{}; passed < 2 * kLeastFor; passed += kPaceStep) {
    pass(kPaceStep);
    others_write(kLateMin, 1h);
  }
  EXPECT_GT(pace.pause(), 0us);
  for (int i = 0; i < 40; ++i) {
    pass(kPaceStep);
    others_write(kLateMin, 1h);
  }
  EXPECT_EQ(pace.pause(), 0us);
}

// Keys cost nothing: authors beyond those that are known are neither late nor in time.
TEST_F(PaceTest, OfManyAuthorsTheFirstAreKnown) {
  for (std::size_t i = 0; i < kLeastsMax + 100; ++i) {
    PublicKey author{};
    store_le(author.bytes.data(), i);
    pace.pushed(at(), author, stamp_of(0s));
  }
  for (std::size_t i = kLeastsMax; i < kLeastsMax + 100; ++i) {
    PublicKey author{};
    store_le(author.bytes.data(), i);
    pace.pushed(at(), author, stamp_of(5s));
  }
  pass(kPaceStep);
  EXPECT_EQ(pace.pause(), 0us);
  // A minute later those that were silent give way.
  pass(kLeastFor);
  others_write(kLateMin, 0s, 99);
  others_write(kLateMin, kLateBy, 99);
  pass(kPaceStep);
  EXPECT_EQ(pace.pause(), kPauseFirst);
}

TEST_F(PaceTest, APushWithoutRoomSlowsDown) {
  pace.choked(mono);
  pass(kPaceStep);
  EXPECT_EQ(pace.pause(), kPauseFirst);
  pace.choked(mono);
  pass(kPaceStep);
  EXPECT_EQ(pace.pause(), 2 * kPauseFirst);
}

// ---- State

// A node beside others that write much.
class Paced : public testing::Test {
 protected:
  Paced() {
    solo.make();
    solo.commit_all();
    std::uint64_t seq = 0;
    const auto stamp = static_cast<std::uint64_t>(solo.now().wall.value) << 16;
    for (std::size_t i = 0; i < kOthersMin; ++i, ++seq) solo.push(solo.signed_by(other, seq + 1, stamp + seq, "others/" + std::to_string(i)));
    EXPECT_EQ(solo.space().documents().size(), kOthersMin);
  }
  std::size_t batches() const { return solo.pending.size(); }

  Solo solo;
  Identity other{solo.provider, ByteArray<32>{2}};
};

TEST_F(Paced, WritesWaitInTheirOrderAndEndOnceEach) {
  solo.commit_all();
  const std::size_t before = batches();
  const OpId first = solo.set("k", "1");
  EXPECT_EQ(batches(), before + 1);
  const OpId second = solo.set("k", "2");
  const OpId third = solo.change(Change::What::kCount, "c", "", 5);
  EXPECT_EQ(batches(), before + 1);
  EXPECT_EQ(solo.state->stats().delayed, 2U);
  EXPECT_EQ(solo.state->stats().delayed_total, 2U);
  EXPECT_LE(*solo.state->next_deadline(), solo.now().mono + kPauseFirst);
  solo.pass(kPauseFirst);
  EXPECT_EQ(solo.state->stats().delayed, 1U);
  solo.pass(kPauseFirst);
  EXPECT_EQ(solo.state->stats().delayed, 0U);
  solo.commit_all();
  for (const OpId op : {first, second, third}) EXPECT_EQ(solo.end_of(op), 1U);
  EXPECT_THAT(values(solo.space().documents(), "k"), ElementsAre("2"));
  EXPECT_EQ(solo.space().documents().counter(as_bytes("c")), 5);
}

// A path or a value lives in the caller's hands only for the call.
TEST_F(Paced, WhatWaitsIsTheNodesOwn) {
  solo.set("k", "1");
  std::string path = "a-path-that-is-no-short-string-of-a-few-bytes", value(200, 'v');
  const OpId op = solo.set(path, value);
  path.assign(path.size(), 'x');
  value.assign(value.size(), 'x');
  solo.pass(1s);
  solo.commit_all();
  EXPECT_EQ(solo.end_of(op), 1U);
  EXPECT_THAT(values(solo.space().documents(), "a-path-that-is-no-short-string-of-a-few-bytes"), ElementsAre(std::string(200, 'v')));
}

TEST_F(Paced, TheEndOfTheNodeOrOfTheNamespaceEndsThem) {
  solo.set("k", "1");
  const OpId waits = solo.set("k", "2");
  solo.leave();
  // What waited is not written to the next life.
  solo.make();
  const OpId next = solo.set("k", "3");
  solo.pass(kPaceWaitMax);
  solo.commit_all();
  EXPECT_EQ(solo.end_of(waits), std::unexpected(Error::kUnknownNamespace));
  EXPECT_EQ(solo.end_of(next), 1U);
  EXPECT_THAT(values(solo.space().documents(), "k"), ElementsAre("3"));
  solo.set("k", "4");
  const OpId last = solo.set("k", "5");
  solo.call([&](OpId, Output& out) { solo.state->shutdown(solo.now(), out); });
  EXPECT_EQ(solo.done.at(last).error(), Error::kShutdown);
}

// Its row was refused while a write waited: there is nothing to write to.
TEST_F(Paced, ANamespaceThatTheDiskRefusesEndsThemToo) {
  const NamespaceId busy = solo.space_id;
  solo.commit_all();
  const OpId made = solo.call([&](OpId op, Output& out) { solo.state->create(solo.now(), op, "other", Access::kOpen, out); });
  solo.space_id = make_genesis(solo.self, "other", Access::kOpen).id;
  ASSERT_NE(solo.space_id, busy);
  const OpId first = solo.set("k", "1");
  const OpId second = solo.set("k", "2");
  EXPECT_EQ(solo.state->stats().delayed, 1U);
  while (!solo.pending.empty()) solo.commit(/*ok=*/false);
  EXPECT_EQ(solo.state->find(solo.space_id), nullptr);
  solo.pass(kPaceWaitMax);
  EXPECT_EQ(solo.end_of(made), std::unexpected(Error::kStore));
  EXPECT_FALSE(solo.end_of(first));
  EXPECT_EQ(solo.end_of(second), std::unexpected(Error::kUnknownNamespace));
}

TEST_F(Paced, NoMoreWaitThanMayWaitForTheDisk) {
  solo.commit_all();
  for (std::size_t i = 0; i < kWritesMax; ++i) solo.set("k", std::to_string(i));
  EXPECT_EQ(solo.state->stats().delayed, kWritesMax - 1);
  const OpId more = solo.set("k", "more");
  EXPECT_EQ(solo.done.at(more).error(), Error::kTooMany);
  // All of them come to their end in kPaceWaitMax, those at its end as fast as turns come.
  const Instant began = solo.now().mono;
  for (std::size_t i = 0; i < 2 * kWritesMax && solo.state->stats().delayed > 0; ++i) {
    solo.pass(std::max<Duration>(0us, *solo.state->next_deadline() - solo.now().mono));
    solo.commit_all();
  }
  EXPECT_EQ(solo.state->stats().delayed, 0U);
  EXPECT_LE(solo.now().mono, began + kPaceWaitMax);
  EXPECT_THAT(values(solo.space().documents(), "k"), ElementsAre(std::to_string(kWritesMax - 1)));
}

}  // namespace
}  // namespace weft::state
