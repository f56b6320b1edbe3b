// Model tests: the same random operations on a structure and on a naive version of it.
#include <gtest/gtest.h>

#include <algorithm>

#include "gossip/membership/broadcast_queue.h"
#include "gossip/membership/sync.h"
#include "tests/gossip/mesh.h"

namespace weft::gossip::test {
namespace {

class Records {
 public:
  RecordRef make(std::size_t i, std::uint64_t number, RecordStatus status = RecordStatus::kUp) {
    ByteArray<32> seed{};
    store_le(seed.data(), std::uint64_t{i} + 5);
    RecordFields fields;
    fields.number = number;
    fields.status = status;
    fields.name = std::string(i % 40, 'x');
    return make_record(Identity(provider_, seed), fields);
  }

 private:
  CheapProvider provider_;
};

struct NaiveEntry {
  std::uint32_t subject = 0;
  bool is_record = true;
  RecordRef record;
  Suspicion suspicion;
  std::uint32_t transmits = 0;
  std::uint64_t age = 0;
};

class NaiveQueue {
 public:
  explicit NaiveQueue(std::size_t capacity) : capacity_(capacity) {}
  void push(NaiveEntry e) {
    if (e.is_record) drop(e.subject, false);
    drop(e.subject, e.is_record);
    if (all.size() >= capacity_) {
      sort();
      all.pop_back();
      ++dropped;
    }
    e.age = clock_++;
    all.push_back(e);
    sort();
  }
  void drop(std::uint32_t subject, bool is_record) {
    std::erase_if(all,
                  [&](const auto& e) { return e.subject == subject && e.is_record == is_record; });
  }
  void count(std::uint32_t subject, bool is_record, std::size_t limit) {
    // Only the entry in question is measured against the limit.
    const auto it = std::ranges::find_if(
        all, [&](const auto& e) { return e.subject == subject && e.is_record == is_record; });
    if (it == all.end()) return;
    if (++it->transmits >= limit) all.erase(it);
    sort();
  }
  std::vector<NaiveEntry> fill(std::size_t budget, std::size_t limit, std::uint32_t except) {
    std::vector<NaiveEntry> taken;
    std::size_t passed = 0;
    for (const NaiveEntry& e : all) {
      if (taken.size() == kGossipItemsMax || passed > 8) break;
      if (e.subject == except) continue;
      const std::size_t size =
          e.is_record ? e.record->wire.size() + (e.record->wire.size() < 256 ? 2 : 3) : 144;
      if (size > budget) {
        ++passed;
        continue;
      }
      budget -= size;
      taken.push_back(e);
    }
    for (const NaiveEntry& e : taken) count(e.subject, e.is_record, limit);
    return taken;
  }
  void sort() {
    std::ranges::sort(all, [](const auto& a, const auto& b) {
      return a.transmits != b.transmits ? a.transmits < b.transmits : a.age > b.age;
    });
  }
  std::vector<NaiveEntry> all;
  std::uint64_t dropped = 0;

 private:
  std::size_t capacity_;
  std::uint64_t clock_ = 0;
};

TEST(BroadcastQueueModel, DoesWhatTheNaiveOneDoes) {
  for (std::uint64_t seed = seed_or(1), end = seed + 20; seed < end; ++seed) {
    SCOPED_TRACE("SEED=" + std::to_string(seed));
    Rng rng(seed);
    Records records;
    std::vector<RecordRef> pool;
    for (std::size_t i = 0; i < 40; ++i) pool.push_back(records.make(i, 1 + i));
    BroadcastQueue queue(25);
    NaiveQueue naive(25);
    for (int step = 0; step < 2000; ++step) {
      const auto subject = static_cast<std::uint32_t>(rng.below(40));
      const std::size_t limit = 1 + rng.below(8);
      switch (rng.below(8)) {
        case 0:
        case 1:
          queue.push(subject, pool[subject]);
          naive.push(
              {.subject = subject, .is_record = true, .record = pool[subject], .suspicion = {}});
          break;
        case 2: {
          const Suspicion s{pool[subject]->id, rng.below(100), pool[rng.below(40)]->id, {}};
          queue.push(subject, s);
          naive.push({.subject = subject, .is_record = false, .record = nullptr, .suspicion = s});
          break;
        }
        case 3: {
          const bool is_record = rng.below(2) == 0;
          queue.on_heard(subject, is_record, limit);
          naive.count(subject, is_record, limit);
          break;
        }
        case 4:
          if (rng.below(10) == 0) {
            queue.drop_records();
            std::erase_if(naive.all, [](const auto& e) { return e.is_record; });
          } else if (rng.below(2) == 0) {
            queue.erase_suspicion(subject);
            naive.drop(subject, false);
          } else {
            queue.erase(subject);
            naive.drop(subject, true);
            naive.drop(subject, false);
          }
          break;
        default: {
          const std::size_t budget = rng.below(1200);
          GossipItems items;
          const std::size_t used = queue.fill(items, budget, 6, subject);
          const auto expected = naive.fill(budget, 6, subject);
          ASSERT_EQ(items.size(), expected.size());
          std::size_t total = 0;
          for (std::size_t i = 0; i < expected.size(); ++i) {
            total += wire_size(items[i]);
            if (expected[i].is_record)
              ASSERT_TRUE(equal(items[i].record, expected[i].record->wire));
            else
              ASSERT_EQ(items[i].suspicion, expected[i].suspicion);
          }
          ASSERT_EQ(used, total);
          ASSERT_LE(used, budget);
        }
      }
      ASSERT_EQ(queue.size(), naive.all.size());
      ASSERT_EQ(queue.dropped_total(), naive.dropped);
      std::size_t i = 0;
      queue.for_each([&](std::uint32_t s, bool is_record, std::uint32_t transmits) {
        ASSERT_EQ(s, naive.all[i].subject);
        ASSERT_EQ(is_record, naive.all[i].is_record);
        ASSERT_EQ(transmits, naive.all[i].transmits);
        ++i;
      });
    }
  }
}

TEST(MemberTableModel, DoesWhatTheNaiveOneDoes) {
  for (std::uint64_t seed = seed_or(1), end = seed + 10; seed < end; ++seed) {
    SCOPED_TRACE("SEED=" + std::to_string(seed));
    Rng rng(seed);
    Records records;
    MemberTable table;
    struct Naive {
      RecordRef record;
      MemberState state;
      Slot slot;
    };
    std::map<NodeId, Naive> naive;
    for (int step = 0; step < 1500; ++step) {
      const std::size_t i = rng.below(60);
      const RecordRef r = records.make(i, 1 + rng.below(50));
      const auto state = static_cast<MemberState>(rng.below(4));
      const auto it = naive.find(r->id);
      ASSERT_EQ(table.find(r->id), it == naive.end() ? kNoSlot : it->second.slot);
      if (it == naive.end()) {
        const Slot slot = table.insert(r, state, Instant{Duration(step)});
        naive[r->id] = {r, state, slot};
      } else {
        switch (rng.below(3)) {
          case 0:
            table.erase(it->second.slot);
            naive.erase(it);
            break;
          case 1:
            ASSERT_EQ(table.set_record(it->second.slot, r), it->second.record);
            it->second.record = r;
            break;
          default:
            table.set_state(it->second.slot, state, Instant{Duration(step)});
            it->second.state = state;
        }
      }
      ASSERT_EQ(table.size(), naive.size());
      std::uint64_t digest = 0;
      std::array<std::uint64_t, kSyncBuckets> buckets{};
      std::array<std::size_t, 4> counts{};
      std::size_t position = 0;
      for (const auto& [id, n] : naive) {
        ASSERT_EQ(table.at(position++), n.slot);
        ASSERT_EQ(table[n.slot].record, n.record);
        ++counts[static_cast<std::size_t>(n.state)];
        if (!is_live(n.state)) continue;
        digest ^= fact_hash(id, n.record->number);
        buckets[id.bytes[0] >> 4] ^= fact_hash(id, n.record->number);
      }
      ASSERT_EQ(table.digest(), digest);
      for (std::size_t b = 0; b < kSyncBuckets; ++b) ASSERT_EQ(table.buckets()[b], buckets[b]);
      for (std::size_t s = 0; s < 4; ++s)
        ASSERT_EQ(table.count(static_cast<MemberState>(s)), counts[s]);
      NodeId probe;
      probe.bytes[0] = static_cast<std::uint8_t>(rng.below(256));
      const auto naive_after =
          static_cast<std::size_t>(std::distance(naive.begin(), naive.upper_bound(probe)));
      ASSERT_EQ(table.position_after(probe), naive_after);
      ASSERT_EQ(table.position_after(r->id),
                static_cast<std::size_t>(std::distance(naive.begin(), naive.upper_bound(r->id))));
    }
  }
}

// Two tables with random differences: pages and pushes together make them agree.
TEST(SyncPages, TwoTablesAgreeAfterOneExchange) {
  for (std::uint64_t seed = seed_or(1), end = seed + 30; seed < end; ++seed) {
    SCOPED_TRACE("SEED=" + std::to_string(seed));
    Rng rng(seed);
    Records records;
    MemberTable a;
    MemberTable b;
    const std::size_t n = 1 + rng.below(300);
    for (std::size_t i = 0; i < n; ++i) {
      const RecordRef r = records.make(i, 3);
      if (!rng.chance({1, 10}))
        a.insert(rng.chance({1, 20}) ? records.make(i, 4) : r, MemberState::kAlive, {});
      if (!rng.chance({1, 10})) b.insert(r, MemberState::kAlive, {});
    }
    const auto learn = [](MemberTable& t, const RecordRef& r) {
      const Slot slot = t.find(r->id);
      if (slot == kNoSlot)
        t.insert(r, MemberState::kAlive, {});
      else if (t[slot].record->number < r->number)
        t.set_record(slot, r);
    };
    const auto by_wire = [&](ByteView wire) {
      CheapProvider provider;
      return *open_record(provider, wire);
    };
    std::optional<NodeId> after;
    std::size_t pages = 0;
    for (;;) {
      ASSERT_LT(++pages, 400U);
      const MemberTable::Buckets sent = a.buckets();
      const MemberTable::Buckets theirs = b.buckets();
      GossipItems items;
      const PageEnd end_of_page = fill_page(b, sent, after, NodeId{}, {}, 900, items);
      SeenIds seen;
      std::vector<RecordRef> push;
      for (const GossipItem& item : items) {
        const RecordRef r = by_wire(item.record);
        seen.push(r->id);
        const Slot slot = a.find(r->id);
        if (slot != kNoSlot && a[slot].record->number > r->number) push.push_back(a[slot].record);
        learn(a, r);
      }
      const PageRange range{after,
                            end_of_page.more ? std::optional(end_of_page.last) : std::nullopt};
      for_each_missing(a, sent, theirs, range, seen, [&](Slot slot) {
        push.push_back(a[slot].record);
        return true;
      });
      for (const RecordRef& r : push) learn(b, r);
      if (!end_of_page.more) break;
      ASSERT_TRUE(!after || end_of_page.last > *after);
      after = end_of_page.last;
    }
    EXPECT_EQ(a.digest(), b.digest());
    EXPECT_EQ(a.size(), b.size());
  }
}

TEST(SyncPages, EqualTablesAreAnsweredWithNothing) {
  Records records;
  MemberTable a;
  for (std::size_t i = 0; i < 100; ++i) a.insert(records.make(i, 1), MemberState::kAlive, {});
  GossipItems items;
  const PageEnd end = fill_page(a, a.buckets(), std::nullopt, NodeId{}, {}, 900, items);
  EXPECT_TRUE(items.empty());
  EXPECT_FALSE(end.more);
}

TEST(SyncPages, FailedOnesAreNotPassedOnAndLeftOnesOnlyForAWhile) {
  Records records;
  MemberTable a;
  a.insert(records.make(1, 1), MemberState::kAlive, {});
  a.insert(records.make(2, 1), MemberState::kSuspect, {});
  a.insert(records.make(3, 1), MemberState::kFailed, {});
  a.insert(records.make(4, 1, RecordStatus::kLeft), MemberState::kLeft, {});
  MemberTable::Buckets zeros;
  MemberTable::Buckets others;
  for (std::size_t i = 0; i < kSyncBuckets; ++i) {
    zeros.push(0);
    others.push(1);
  }
  const auto count = [&](const MemberTable::Buckets& theirs, Instant now) {
    GossipItems items;
    fill_page(a, theirs, std::nullopt, NodeId{}, now, 1100, items);
    return items.size();
  };
  EXPECT_EQ(count(zeros, Instant{}), 2U);  // a newcomer is not told who left
  EXPECT_EQ(count(others, Instant{}), 3U);
  EXPECT_EQ(count(others, Instant{} + kLeftShared), 2U);
}

}  // namespace
}  // namespace weft::gossip::test
