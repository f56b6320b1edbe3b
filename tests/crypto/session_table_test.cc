#include "crypto/session_table.h"

#include <gtest/gtest.h>

#include <list>
#include <map>
#include <set>

#include "tests/allocations.h"
#include "tests/crypto/session_world.h"

namespace weft::session {
namespace {

TEST(Slab, AgreesWithAMapAndReusesItsSlots) {
  Slab<std::uint64_t> slab;
  std::map<std::uint32_t, std::uint64_t> naive;
  Rng rng(testing::seed_from_env(1));
  for (int i = 0; i < 20'000; ++i) {
    if (naive.size() < 100 && (naive.empty() || rng.chance({1, 2}))) {
      const std::uint32_t slot = slab.acquire();
      ASSERT_FALSE(naive.contains(slot));
      ASSERT_EQ(slab[slot], 0U);
      naive[slot] = slab[slot] = rng.next() | 1;
    } else {
      auto it = naive.begin();
      std::advance(it, static_cast<std::ptrdiff_t>(rng.below(naive.size())));
      ASSERT_EQ(slab[it->first], it->second);
      slab.release(it->first);
      naive.erase(it);
    }
    ASSERT_EQ(slab.used(), naive.size());
  }
  EXPECT_LE(slab.slots(), 112U);
  for (const auto& [slot, value] : naive) EXPECT_EQ(slab[slot], value);
}

TEST(Slab, DoesNotMoveAndAllocatesNothingOnceItIsLargeEnough) {
  Slab<std::uint64_t> slab;
  const std::uint32_t first = slab.acquire();
  const std::uint64_t* at = &slab[first];
  std::vector<std::uint32_t> slots;
  for (int i = 0; i < 1000; ++i) slots.push_back(slab.acquire());
  EXPECT_EQ(&slab[first], at);
  const std::size_t before = testing::allocations();
  for (int round = 0; round < 3; ++round) {
    for (auto& slot : slots) slab.release(slot);
    for (auto& slot : slots) slot = slab.acquire();
  }
  EXPECT_EQ(testing::allocations(), before);
}

TEST(TransportTable, AnOldIndexNamesNothing) {
  SeededEntropy entropy(3);
  TransportTable table;
  std::set<std::uint32_t> seen;
  for (int i = 0; i < 2000; ++i) {
    const std::uint32_t slot = table.acquire(entropy);
    table[slot].use = Transport::Use::kLive;
    table[slot].send_key.fill(1);
    const std::uint32_t index = table.index_of(slot);
    EXPECT_EQ(table.find(index), slot);
    EXPECT_EQ(table.find(index ^ 1), kNoSlot);
    EXPECT_EQ(table.find(index ^ 0x10000), kNoSlot);
    table.release(slot);
    EXPECT_EQ(table.find(index), kNoSlot);
    const std::uint32_t next = table.acquire(entropy);
    table[next].use = Transport::Use::kLive;
    EXPECT_EQ(next, slot);
    EXPECT_NE(table.index_of(next), index);
    EXPECT_EQ(table[next].send_key, CipherKey{}) << "keys are wiped";
    table.release(next);
    seen.insert(index);
  }
  EXPECT_GT(seen.size(), 1900U) << "generations are random";
  EXPECT_EQ(table.find(UINT32_MAX), kNoSlot);
}

TEST(PeerTable, AgreesWithAListInOrderOfUse) {
  PeerTable table;
  std::list<NodeId> by_use;  // oldest first
  Rng rng(testing::seed_from_env(2));
  Instant now{};
  for (int i = 0; i < 20'000; ++i) {
    now += 1ms;
    PublicKey key;
    key.bytes[0] = static_cast<std::uint8_t>(rng.below(60));
    const NodeId id = node_id_of(key);
    const std::uint32_t slot = table.find(id);
    const auto at = std::ranges::find(by_use, id);
    ASSERT_EQ(slot != kNoSlot, at != by_use.end());
    if (slot == kNoSlot) {
      table.add(now, key, id);
      by_use.push_back(id);
    } else if (rng.chance({1, 2})) {
      ASSERT_EQ(table[slot].key, key);
      table.touch(slot, now);
      by_use.splice(by_use.end(), by_use, at);
    } else {
      table.remove(slot);
      by_use.erase(at);
    }
    ASSERT_EQ(table.size(), by_use.size());
    ASSERT_EQ(table.oldest() == kNoSlot, by_use.empty());
    ASSERT_TRUE(by_use.empty() || table[table.oldest()].id == by_use.front());
    ASSERT_TRUE(
        std::ranges::is_sorted(table.sorted(), {}, [&](std::uint32_t s) { return table[s].id; }));
  }
  // The whole order, by removing from the old end.
  for (const NodeId& id : by_use) {
    ASSERT_EQ(table[table.oldest()].id, id);
    table.remove(table.oldest());
  }
}

TEST(PendingTable, FindsByMacAndAddressAndKeepsTheOrderOfArrival) {
  PendingTable table;
  const Endpoint here = Endpoint::v4(1, 1, 1, 1, 1);
  const Endpoint there = Endpoint::v4(2, 1, 1, 1, 1);
  const NodeId x{{1}};
  const NodeId y{{2}};
  std::vector<std::uint32_t> slots;
  for (std::uint8_t i = 0; i < 6; ++i) {
    const std::uint32_t slot = table.add({i, 7});
    table[slot].from = i == 3 ? there : here;
    table[slot].id = i % 2 == 0 ? x : y;
    slots.push_back(slot);
  }
  EXPECT_EQ(table.find({2, 7}, here), slots[2]);
  EXPECT_EQ(table.find({2, 7}, there), kNoSlot);
  EXPECT_EQ(table.find({3, 7}, there), slots[3]);
  ByteArray<16> same_tag{2, 7};
  same_tag[15] = 1;
  EXPECT_EQ(table.find(same_tag, here), kNoSlot);
  EXPECT_EQ(table.oldest(), slots[0]);
  EXPECT_EQ(table.oldest_of(y, 1), slots[1]);
  EXPECT_EQ(table.oldest_of(y, 3), slots[1]);
  EXPECT_EQ(table.oldest_of(y, 4), kNoSlot);
  table.remove(slots[0]);
  EXPECT_EQ(table.oldest(), slots[1]);
  EXPECT_EQ(table.oldest_of(x, 1), slots[2]);
  EXPECT_EQ(table.size(), 5U);
}

}  // namespace
}  // namespace weft::session
