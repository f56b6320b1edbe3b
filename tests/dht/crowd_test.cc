// Ids ground around a key are told from those that chance puts there.
#include "dht/crowd.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "crypto/rng.h"
#include "dht/size_estimate.h"

namespace weft::dht {
namespace {

NodeId random_id(Rng& rng) {
  NodeId id;
  for (auto& byte : id.bytes) byte = static_cast<std::uint8_t>(rng.below(256));
  return id;
}

// The nearest of `nodes` random ids and of `ground` ones that share so many bits with the key.
std::vector<Distance> around(Rng& rng, const NodeId& key, std::size_t nodes, std::size_t ground, std::size_t bits) {
  std::vector<Distance> all;
  for (std::size_t i = 0; i < nodes; ++i) all.push_back(distance(random_id(rng), key));
  for (std::size_t i = 0; i < ground; ++i) {
    Distance away = distance(random_id(rng), key);
    for (std::size_t bit = 0; bit < bits; ++bit) away.bytes[bit / 8] &= static_cast<std::uint8_t>(~(0x80U >> (bit % 8)));
    all.push_back(away);
  }
  std::ranges::sort(all);
  all.resize(std::min(all.size(), kCrowdMost));
  return all;
}

TEST(Crowd, OfHonestIdsHardlyAnyKeyIsCrowded) {
  Rng rng(1);
  std::size_t alarms = 0;
  constexpr std::size_t kKeys = 4000;
  for (std::size_t i = 0; i < kKeys; ++i) {
    const std::size_t nodes = 10 + rng.below(1000);
    if (crowded(around(rng, random_id(rng), nodes, 0, 0), nodes)) ++alarms;
  }
  // Each of 15 numbers has a chance of 1 in 10,000, and they are not independent.
  EXPECT_LE(alarms, kKeys * 15 / 10'000 * 2);
}

TEST(Crowd, TenIdsGroundByTenBitsAreSeen) {
  Rng rng(2);
  for (int i = 0; i < 200; ++i) {
    EXPECT_TRUE(crowded(around(rng, random_id(rng), 1000, 10, 14), 1000));
    // The estimate may be wrong by half.
    EXPECT_TRUE(crowded(around(rng, random_id(rng), 1000, 45, 12), 1500));
    EXPECT_TRUE(crowded(around(rng, random_id(rng), 1000, 45, 12), 500));
  }
}

TEST(Crowd, FewNodesAreNoneHoweverNear) {
  Rng rng(3);
  EXPECT_FALSE(crowded({}, 1000));
  std::vector<Distance> few = around(rng, random_id(rng), 1000, kCrowdLeast - 1, 40);
  few.resize(kCrowdLeast - 1);
  EXPECT_FALSE(crowded(few, 1000));
  EXPECT_TRUE(crowded(around(rng, random_id(rng), 1000, kCrowdLeast, 40), 1000));
  EXPECT_FALSE(crowded(around(rng, random_id(rng), 3, 0, 0), 3));
  // Whatever the numbers, it answers.
  (void)crowded(std::vector<Distance>(50), UINT64_MAX);
  (void)crowded(std::vector<Distance>(50), 0);
}

TEST(Crowd, PlacesHaveHalfAQuarterAndAnEighthOfWhatSharesThePrefix) {
  const NodeId key{};
  // 5,000 nodes and 12 copies: 2^7 parts of 39 nodes.
  for (std::size_t i = 0; i < kPlacesBeside; ++i) EXPECT_EQ(common_prefix_bits(key, place_beside(key, i, 5000, 12)), static_cast<int>(7 + i));
  EXPECT_EQ(common_prefix_bits(key, place_beside(key, 0, 10, 12)), 0);
  EXPECT_EQ(common_prefix_bits(key, place_beside(key, 0, 0, 12)), 0);
  EXPECT_EQ(common_prefix_bits(key, place_beside(key, 2, UINT64_MAX, 1)), 64);
}

TEST(SizeEstimate, OneKeyIsOneSample) {
  Rng rng(4);
  SizeEstimate size;
  for (std::size_t i = 0; i < kSizeSamples; ++i) {
    const NodeId target = random_id(rng);
    size.note(target, around(rng, target, 1000, 0, 0));
  }
  const std::uint64_t before = size.nodes();
  EXPECT_NEAR(static_cast<double>(before), 1000, 250);
  const NodeId key = random_id(rng);
  for (int i = 0; i < 100; ++i) size.note(key, around(rng, key, 1000, 45, 20));
  EXPECT_LE(size.nodes(), before * 5 / 4);
}

}  // namespace
}  // namespace weft::dht
