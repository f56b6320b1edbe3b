// What is believed about contacts that were not heard follows what became of others.
#include "dht/lifetimes.h"

#include <gtest/gtest.h>

#include "tests/dht/mesh.h"

namespace weft::dht {
namespace {

NodeId peer(std::uint64_t n) {
  NodeId id;
  store_le(id.bytes.data(), n);
  return id;
}

TEST(Lifetimes, EveryoneIsBelievedWhileFewAreSilent) {
  Lifetimes lifetimes;
  EXPECT_EQ(lifetimes.believed(), std::nullopt);
  for (std::uint64_t i = 0; i < 100; ++i) {
    // One of eleven.
    lifetimes.note(peer(i), 5min, i % 11 != 0);
    EXPECT_EQ(lifetimes.believed(), std::nullopt) << i;
  }
}

TEST(Lifetimes, IsTheTimeAfterWhichHalfAreGone) {
  Lifetimes lifetimes;
  for (std::uint64_t i = 0; i < kLifetimeSamples; ++i) lifetimes.note(peer(i), 100s, i % 2 == 0);
  // 32 times 100 s for 16 deaths: one in 200 s, of which ln 2 is 138.6.
  ASSERT_TRUE(lifetimes.believed());
  EXPECT_EQ(*lifetimes.believed(), 138'600ms);
  // What is long ago counts no more.
  for (std::uint64_t i = 100; i < 100 + kLifetimeSamples; ++i) lifetimes.note(peer(i), 100s, true);
  EXPECT_EQ(lifetimes.believed(), std::nullopt);
}

TEST(Lifetimes, OneLiarIsOneSampleAndManyDoNotGetBelowTheBound) {
  Lifetimes lifetimes;
  for (int i = 0; i < 1000; ++i) lifetimes.note(peer(1), 1s, false);
  EXPECT_EQ(lifetimes.believed(), std::nullopt);
  for (std::uint64_t i = 0; i < 1000; ++i) lifetimes.note(peer(i), Duration::zero(), false);
  EXPECT_EQ(lifetimes.believed(), kBelievedMin);
  for (std::uint64_t i = 0; i < 1000; ++i) lifetimes.note(peer(i), 100'000h, false);
  EXPECT_EQ(lifetimes.believed(), kUnheardMax * 693 / 1000) << "no overflow";
  lifetimes.note(peer(1), -5s, false);
}

// Exponential sessions: whoever is asked is there with the probability that its time unheard gives. Only those that are
// believed are asked, as far as there are any, so that the samples are what the rule itself chooses.
TEST(Lifetimes, SettlesNearTheHalfLifeOfExponentialSessions) {
  Rng rng(test_seed(35));
  constexpr std::int64_t kHalfLifeS = 120;
  Lifetimes lifetimes;
  std::int64_t sum = 0;
  std::int64_t count = 0;
  for (std::uint64_t i = 0; i < 4000; ++i) {
    const auto limit = lifetimes.believed().value_or(10min) / 1s;
    const auto unheard = static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(limit) + 1));
    bool there = true;
    for (std::int64_t second = 0; second < unheard && there; ++second) there = !rng.chance({693, 1000 * kHalfLifeS});
    lifetimes.note(peer(i), std::chrono::seconds(unheard), there);
    if (i < 500 || !lifetimes.believed()) continue;
    sum += *lifetimes.believed() / 1s;
    ++count;
  }
  ASSERT_GT(count, 1000);
  EXPECT_GT(sum / count, kHalfLifeS * 2 / 3);
  EXPECT_LT(sum / count, kHalfLifeS * 2);
}

}  // namespace
}  // namespace weft::dht
