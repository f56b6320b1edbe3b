// Each part of what keeps the living from being called failed, on and off: that its switch really switches it.
#include <gtest/gtest.h>

#include "gossip/membership/forming.h"
#include "tests/gossip/lab.h"

namespace weft::gossip::test {
namespace {

using S = MemberState;

Config without(bool Parts::*part) {
  Config config;
  config.parts.*part = false;
  return config;
}

TEST(PartsOff, WithoutShorteningTheClockIsTheLeastAtOnce) {
  const auto state_after = [](const Config& config, Duration time) {
    Lab lab(config);
    lab.know(6);
    lab.silent = {2};
    lab.gossip(1, {lab.suspicion(2, 1, 1)});
    lab.run(time);
    return lab.state(2);
  };
  // The accuser and our own probe: one beside the first, so the clock of all parts stands between its least and its most.
  EXPECT_EQ(state_after({}, 2100ms), S::kSuspect);
  EXPECT_EQ(state_after({}, 3600ms), S::kFailed);
  EXPECT_EQ(state_after(without(&Parts::shortening), 1900ms), S::kSuspect);
  EXPECT_EQ(state_after(without(&Parts::shortening), 2100ms), S::kFailed);
}

TEST(PartsOff, WithoutABuddyTheAccusedDoesNotHearOfIt) {
  const auto hears = [](const Config& config) {
    Lab lab(config);
    lab.know(4);
    lab.gossip(1, {lab.suspicion(2, 1, 1)});
    lab.run(8s);
    EXPECT_EQ(lab.story(), "2:alive>suspect 2:suspect>alive");
    return lab.told_suspicion(2, 2);
  };
  EXPECT_TRUE(hears({}));
  EXPECT_FALSE(hears(without(&Parts::buddy)));
}

TEST(PartsOff, WithoutNacksARelayIsSilentAndSilenceIsOurOwnFault) {
  const auto replies = [](const Config& config) {
    Lab lab(config);
    lab.know(4);
    lab.silent = {2};
    lab.core->on_ping_req(lab.stamp(), lab.asker(1), {lab.id(2)}, lab.out);
    lab.core->on_timeout(lab.stamp(), lab.out.requests[0].tag, lab.out);
    lab.core->on_ping_req(lab.stamp(), lab.asker(1), {lab.id(77)}, lab.out);
    return lab.out.replies.size();
  };
  EXPECT_EQ(replies({}), 2U);
  EXPECT_EQ(replies(without(&Parts::nacks)), 0U);
  const auto health = [](const Config& config) {
    Lab lab(config);
    lab.know(4);
    lab.silent = {2};
    for (int i = 0; i < 1000 && lab.state(2) == S::kAlive; ++i) lab.run(10ms);
    EXPECT_EQ(lab.state(2), S::kSuspect);
    return lab.core->stats().health;
  };
  EXPECT_EQ(health({}), 0U);
  EXPECT_EQ(health(without(&Parts::nacks)), 1U);
}

TEST(PartsOff, WithoutAnOwnProbeHearsayIsAVerdict) {
  const auto accused = [](const Config& config) {
    auto lab = std::make_unique<Lab>(config);
    lab->know(6);
    for (const std::size_t accuser : {1UL, 3UL, 4UL}) lab->gossip(accuser, {lab->suspicion(2, 1, accuser)});
    return lab;
  };
  auto lab = accused({});
  lab->run(2050ms);
  EXPECT_EQ(lab->story(), "2:alive>suspect 2:suspect>alive");
  lab = accused(without(&Parts::own_probe));
  lab->run(2050ms);  // it answered all of its pings
  EXPECT_EQ(lab->story(), "2:alive>suspect 2:suspect>failed");
  // Its own word still counts.
  lab = accused(without(&Parts::own_probe));
  lab->heard_from(2, /*ours=*/true);
  EXPECT_EQ(lab->state(2), S::kSuspect);
  const RecordRef refuted = lab->record(2, 2);
  lab->gossip(3, {Lab::item(refuted)});
  EXPECT_EQ(lab->story(), "2:alive>suspect 2:suspect>alive");
}

TEST(PartsOff, WithoutProofsAnAnswerOfJustNowOutweighsNothing) {
  const auto state = [](const Config& config) {
    Lab lab(config);
    lab.know(4);
    lab.heard_from(2, /*ours=*/true);
    lab.gossip(1, {lab.suspicion(2, 1, 1)});
    return lab.state(2);
  };
  EXPECT_EQ(state({}), S::kAlive);
  EXPECT_EQ(state(without(&Parts::proofs)), S::kSuspect);
}

TEST(PartsOff, WithoutBurstsManySuspectsChangeNoPace) {
  const auto pings = [](const Config& config) {
    Lab lab(config);
    lab.know(30);
    lab.run(2 * kFormingWindow);
    for (const std::size_t i : {5UL, 6UL, 7UL}) lab.settle(i);
    lab.silent = {5, 6, 7};
    for (const std::size_t i : {5UL, 6UL, 7UL}) lab.gossip(1, {lab.suspicion(i, 1, 1)});
    lab.sent.clear();
    lab.run(3s);
    std::size_t periodic = 0;
    for (std::size_t i = 1; i <= 30; ++i) periodic += lab.silent.contains(i) ? 0 : lab.pings_to(i);
    return periodic;
  };
  EXPECT_GE(pings({}), 8U);
  EXPECT_LE(pings(without(&Parts::burst)), 3U);
}

TEST(PartsOff, WithoutStallsOurOwnSleepIsHeldAgainstOthers) {
  const auto state = [](const Config& config) {
    Lab lab(config);
    lab.know(8);
    lab.silent = {2};
    lab.gossip(1, {lab.suspicion(2, 1, 1)});
    lab.run(1500ms);  // its probe is under way or over
    lab.now += 60s;
    lab.core->was_late(lab.stamp(), 60s);
    lab.run(100ms);
    return lab.state(2);
  };
  EXPECT_EQ(state({}), S::kSuspect);
  EXPECT_EQ(state(without(&Parts::stalls)), S::kFailed);
}

}  // namespace
}  // namespace weft::gossip::test
