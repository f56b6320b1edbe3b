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
    for (std::size_t i = 0; i < count; ++i) pace.pushed(at(), {{author}}, static_cast<std::uint64_t>(at().wall.value - after / 1ms));
  }
  void walks_bring(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) pace.walked(mono);
  }
  void pass(Duration time) {
    mono += time;
    (void)pace.next(mono);
  }
  Now at() const { return {mono, UnixMillis{1'800'000'000'000 + mono.time_since_epoch() / 1ms}}; }
  // How long a write must wait now.
  Duration wait() { return pace.next(mono) - mono; }

  Pace pace;
  Instant mono{Duration(100s)};
};

TEST_F(PaceTest, WhoWritesAloneNeverWaits) {
  for (int i = 0; i < 10'000; ++i) {
    ASSERT_EQ(wait(), 0us);
    pace.wrote(mono, 16);
    if (i % 10 == 0) pass(1ms);
  }
}

TEST_F(PaceTest, WhoWritesBesideOthersBeginsSlowlyAndIsFreeInTheEndWhileNothingComesLate) {
  others_write(kOthersMin, 10ms);
  pace.wrote(mono, 10);
  EXPECT_EQ(wait(), 10 * kPauseFirst);
  std::size_t steps = 0;
  for (; pace.pause() > 0us && steps < 100; ++steps) {
    pass(kPaceStep);
    others_write(kOthersMin, 10ms);
    pace.wrote(mono, 1);
  }
  EXPECT_LE(steps, 10U);
  EXPECT_EQ(wait(), 0us);
  // And stays so while it goes on, but not after a rest.
  for (int i = 0; i < 20; ++i) {
    pass(kPaceStep);
    others_write(kOthersMin, 10ms);
    pace.wrote(mono, 1);
    ASSERT_EQ(pace.pause(), 0us);
  }
  pass(kRestAfter);
  others_write(kOthersMin, 10ms);
  pace.wrote(mono, 1);
  EXPECT_EQ(pace.pause(), kPauseFirst);
}

TEST_F(PaceTest, FewOthersSlowNobody) {
  others_write(kOthersMin / 2 - 1, 10ms);
  pass(kPaceStep);
  others_write(kOthersMin / 2, 10ms);
  pace.wrote(mono, 1000);
  EXPECT_EQ(wait(), 0us);
}

TEST_F(PaceTest, AWalkThatBringsMuchSlowsDownUntilItIsOver) {
  for (int i = 0; i < 8; ++i) {
    walks_bring(kLateMin);
    pass(kPaceStep);
  }
  EXPECT_EQ(pace.pause(), kPauseMax);
  pace.wrote(mono, 3);
  EXPECT_EQ(wait(), 3 * kPauseMax);
  pace.wrote(mono, 1'000'000);
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

TEST_F(PaceTest, TheLeastIsForgottenInTime) {
  others_write(kLateMin, 0ms);
  // The clock was set: what is new is reckoned against what is left of the old for two times kLeastFor at most.
  for (Duration passed{}; passed < 2 * kLeastFor; passed += kPaceStep) {
    pass(kPaceStep);
    others_write(kLateMin, 1h);
  }
  EXPECT_GT(pace.pause(), 0us);
  for (int i = 0; i < 20; ++i) {
    pass(kPaceStep);
    others_write(kLateMin, 1h);
  }
  EXPECT_EQ(pace.pause(), 0us);
}

// Keys cost nothing: authors beyond those that are known are never late.
TEST_F(PaceTest, OfManyAuthorsTheFirstAreKnown) {
  for (std::size_t i = 0; i < kLeastsMax + 100; ++i) {
    PublicKey author{};
    store_le(author.bytes.data(), i);
    pace.pushed(at(), author, static_cast<std::uint64_t>(at().wall.value));
  }
  for (std::size_t i = kLeastsMax; i < kLeastsMax + 100; ++i) {
    PublicKey author{};
    store_le(author.bytes.data(), i);
    pace.pushed(at(), author, static_cast<std::uint64_t>(at().wall.value - 5000));
  }
  pass(kPaceStep);
  EXPECT_EQ(pace.pause(), 0us);
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
  EXPECT_EQ(solo.end_of(waits).error(), Error::kUnknownNamespace);
  EXPECT_EQ(solo.state->stats().delayed, 0U);
  // Another namespace's writes are as slow, and go on.
  solo.make();
  const OpId other_one = solo.set("k", "3");
  solo.pass(1s);
  solo.commit_all();
  EXPECT_EQ(solo.end_of(other_one), 1U);
  solo.set("k", "4");
  const OpId last = solo.set("k", "5");
  solo.call([&](OpId, Output& out) { solo.state->shutdown(solo.now(), out); });
  EXPECT_EQ(solo.done.at(last).error(), Error::kShutdown);
}

TEST_F(Paced, NoMoreWaitThanMayWaitForTheDisk) {
  solo.commit_all();
  for (std::size_t i = 0; i < kWritesMax; ++i) solo.set("k", std::to_string(i));
  EXPECT_EQ(solo.state->stats().delayed, kWritesMax - 1);
  const OpId more = solo.set("k", "more");
  EXPECT_EQ(solo.done.at(more).error(), Error::kTooMany);
  // All of them come to their end.
  for (int i = 0; i < 10'000 && solo.state->stats().delayed > 0; ++i) {
    solo.pass(std::max<Duration>(1ms, *solo.state->next_deadline() - solo.now().mono));
    solo.commit_all();
  }
  EXPECT_THAT(values(solo.space().documents(), "k"), ElementsAre(std::to_string(kWritesMax - 1)));
}

}  // namespace
}  // namespace weft::state
