#include "crypto/rng.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

namespace weft {
namespace {

TEST(Rng, GivesTheSameNumbersOnEveryBuild) {
  // Pinned: a change of these is a change of every recorded simulation. First draws of xoshiro256**
  // seeded by splitmix64(0), computed independently.
  Rng rng(0);
  EXPECT_EQ(rng.next(), 0x99ec5f36cb75f2b4U);
  EXPECT_EQ(rng.next(), 0xbf6e1f784956452aU);
  EXPECT_EQ(rng.next(), 0x1a5f849d4933e6e0U);
}

TEST(Rng, BelowIsInRangeAndReachesEverything) {
  Rng rng(1);
  std::map<std::uint64_t, int> seen;
  for (int i = 0; i < 60'000; ++i) ++seen[rng.below(6)];
  ASSERT_EQ(seen.size(), 6U);
  for (const auto& [value, count] : seen) {
    EXPECT_LT(value, 6U);
    EXPECT_NEAR(count, 10'000, 500);
  }
  EXPECT_EQ(rng.below(1), 0U);
  for (int i = 0; i < 100; ++i) EXPECT_LE(rng.below(UINT64_MAX), UINT64_MAX - 1);
}

TEST(Rng, ChanceAndSpans) {
  Rng rng(2);
  int hits = 0;
  for (int i = 0; i < 30'000; ++i) hits += rng.chance({1, 3});
  EXPECT_NEAR(hits, 10'000, 500);
  EXPECT_FALSE(rng.chance({0, 1}));
  EXPECT_TRUE(rng.chance({1, 1}));
  for (int i = 0; i < 1000; ++i) {
    const Duration j = rng.jitter(100ms, {1, 5});
    EXPECT_GE(j, 80ms);
    EXPECT_LE(j, 120ms);
    const Duration b = rng.between(3us, 5us);
    EXPECT_GE(b, 3us);
    EXPECT_LE(b, 5us);
  }
  EXPECT_EQ(rng.between(7ms, 7ms), 7ms);
  EXPECT_EQ(rng.jitter(7ms, {0, 1}), 7ms);
}

TEST(Rng, ForksDependOnSeedAndLabelAlone) {
  Rng a(5);
  const std::uint64_t early = a.fork("x").next();
  for (int i = 0; i < 10; ++i) (void)a.next();
  EXPECT_EQ(a.fork("x").next(), early);
  std::set<std::uint64_t> firsts;
  for (const auto* label : {"x", "y", "xy", "yx", "", "x ", "dht", "gossip"}) {
    firsts.insert(a.fork(label).next());
    firsts.insert(Rng(6).fork(label).next());
  }
  EXPECT_EQ(firsts.size(), 16U);
}

TEST(Rng, ShuffleKeepsTheElementsAndReachesEveryOrder) {
  Rng rng(3);
  std::map<std::array<int, 3>, int> orders;
  for (int i = 0; i < 6000; ++i) {
    std::array<int, 3> items = {1, 2, 3};
    rng.shuffle(std::span<int>(items));
    ++orders[items];
  }
  ASSERT_EQ(orders.size(), 6U);
  for (const auto& [order, count] : orders) EXPECT_NEAR(count, 1000, 150);
}

TEST(Entropy, SeededOneRepeatsAndNeverTwiceTheSame) {
  SeededEntropy a(1);
  SeededEntropy b(1);
  SeededEntropy c(2);
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 1000; ++i) {
    const std::uint64_t value = a.next_u64();
    EXPECT_EQ(value, b.next_u64());
    EXPECT_NE(value, c.next_u64());
    EXPECT_TRUE(seen.insert(value).second);
  }
}

TEST(Entropy, SystemOneFillsAll) {
  SystemEntropy entropy;
  ByteArray<64> all{};
  ByteArray<64> raw{};
  for (int i = 0; i < 20; ++i) {
    entropy.fill(raw);
    for (std::size_t j = 0; j < raw.size(); ++j) all[j] |= raw[j];
  }
  for (const auto byte : all) EXPECT_NE(byte, 0);
}

TEST(Entropy, PooledNumbersNeverRepeat) {
  SystemEntropy entropy;
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 1000; ++i) {
    EXPECT_TRUE(seen.insert(entropy.next_u64()).second);
    ByteArray<3> odd;  // leaves a rest that is too short for a number
    entropy.fill(odd);
  }
}

}  // namespace
}  // namespace weft
