// Whether a mesh is forming, alone and in the rules: while it is, suspicions last their full time.
#include "gossip/membership/forming.h"

#include <gtest/gtest.h>

#include "tests/gossip/lab.h"

namespace weft::gossip::test {
namespace {

using S = MemberState;
const Instant kStart{Duration(5'000'000)};

TEST(Forming, AShareInTheLastWindows) {
  Forming forming(kStart);
  for (std::size_t i = 1; i < kFormingLeast; ++i) forming.on_arrival(kStart);
  EXPECT_FALSE(forming.now_forming(kStart, 2)) << "fewer than the least";
  forming.on_arrival(kStart);
  EXPECT_TRUE(forming.now_forming(kStart, 16));
  EXPECT_TRUE(forming.now_forming(kStart, 17 * kFormingShare - 1));
  EXPECT_FALSE(forming.now_forming(kStart, 17 * kFormingShare)) << "less than the share";
}

TEST(Forming, FewArriveUntilTheyAreTheLeastOfAForming) {
  Forming forming(kStart);
  EXPECT_TRUE(forming.few_arrive(kStart));
  for (std::size_t i = 1; i < kFormingLeast; ++i) forming.on_arrival(kStart);
  EXPECT_TRUE(forming.few_arrive(kStart));
  forming.on_arrival(kStart);
  EXPECT_FALSE(forming.few_arrive(kStart));
  EXPECT_FALSE(forming.few_arrive(kStart + kFormingWindow));
  EXPECT_TRUE(forming.few_arrive(kStart + 2 * kFormingWindow));
}

TEST(Forming, PassesAtLatestAfterTwoWindows) {
  Forming forming(kStart);
  for (std::size_t i = 0; i < 50; ++i) forming.on_arrival(kStart);
  EXPECT_TRUE(forming.now_forming(kStart + kFormingWindow, 50));
  // One that comes later opens the next window, and those before it count until that one ends.
  forming.on_arrival(kStart + kFormingWindow);
  EXPECT_TRUE(forming.now_forming(kStart + 2 * kFormingWindow - 1us, 50));
  EXPECT_FALSE(forming.now_forming(kStart + 2 * kFormingWindow, 50));
  Forming alone(kStart);
  for (std::size_t i = 0; i < 50; ++i) alone.on_arrival(kStart);
  EXPECT_FALSE(alone.now_forming(kStart + 2 * kFormingWindow, 50));
  alone.on_arrival(kStart + 2 * kFormingWindow);
  EXPECT_FALSE(alone.now_forming(kStart + 2 * kFormingWindow, 50)) << "a window that ended long ago";
}

TEST(Forming, WhileTheMeshFormsNobodyShortensTheClock) {
  const auto failed_after = [](bool forming, Duration rest) {
    Config config;
    config.parts.forming = forming;
    Lab lab(config);
    lab.know(30);
    lab.run(rest);
    lab.settle(2);
    lab.silent = {2};
    lab.sent.clear();
    const Instant start = lab.now;
    for (std::size_t accuser : {1U, 3U, 4U, 5U, 6U, 7U}) lab.gossip(accuser, {lab.suspicion(2, 1, accuser)});
    Instant asked{};
    while (lab.state(2) != S::kFailed && lab.now - start < 20s) {
      lab.run(10ms);
      if (asked == Instant{} && lab.pings_to(2) > 0) asked = lab.now;
    }
    return std::pair(asked - start, lab.now - start);
  };
  const Config config;
  const auto [asked, failed] = failed_after(true, Duration(0));
  EXPECT_GE(asked, config.suspicion_max / 3);  // time for one new number before everybody asks
  EXPECT_LE(asked, config.suspicion_max * 2 / 3 + 10ms);
  EXPECT_GE(failed, config.suspicion_max);
  EXPECT_LE(failed, config.suspicion_max + 20ms);
  // At rest, or with the part off, accusers shorten it.
  EXPECT_LE(failed_after(true, 2 * kFormingWindow).second, config.suspicion_min + 1200ms);
  EXPECT_LE(failed_after(false, Duration(0)).second, config.suspicion_min + 1200ms);
}

// All of a mesh restarted are other processes: that is a start like the first.
TEST(Forming, OtherProcessesOfManyAreAForming) {
  Lab lab;
  lab.know(30);
  lab.run(2 * kFormingWindow);
  for (std::size_t i = 3; i <= 20; ++i) lab.gossip(i, {Lab::item(lab.record(i, 2, RecordStatus::kUp, 500 + i))});
  lab.settle(2);
  lab.silent = {2};
  for (std::size_t accuser : {1U, 3U, 4U}) lab.gossip(accuser, {lab.suspicion(2, 1, accuser)});
  lab.run(Config{}.suspicion_max - 10ms);
  EXPECT_EQ(lab.state(2), S::kSuspect);
  lab.run(20ms);
  EXPECT_EQ(lab.state(2), S::kFailed);
}

TEST(Forming, OneThatIsEverAnotherProcessCountsOnce) {
  Lab lab;
  lab.know(30);
  lab.run(2 * kFormingWindow);
  for (std::uint64_t i = 2; i <= 40; ++i) lab.gossip(3, {Lab::item(lab.record(3, i, RecordStatus::kUp, 500 + i))});
  lab.settle(2);
  lab.silent = {2};
  for (std::size_t accuser : {1U, 4U, 5U}) lab.gossip(accuser, {lab.suspicion(2, 1, accuser)});
  lab.run(Config{}.suspicion_min + 1200ms);
  EXPECT_EQ(lab.state(2), S::kFailed);
}

}  // namespace
}  // namespace weft::gossip::test
