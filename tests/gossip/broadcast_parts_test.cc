// The parts of a Tree against naive versions of them: candidates, recent messages, missing ones.
#include <gtest/gtest.h>

#include "tests/gossip/broadcast_lab.h"

namespace weft::broadcast::test {
namespace {

const Candidates::Skip kNobody = [](const NodeId&) { return false; };
constexpr Instant kNow{Duration(1'000'000)};

std::vector<NodeId> make_ids(std::size_t count, std::uint64_t seed) {
  Rng rng(seed);
  std::vector<NodeId> ids;
  for (std::size_t i = 0; i < count; ++i) ids.push_back(make_id(rng));
  return ids;
}

// All that can be chosen, one after the other.
std::vector<NodeId> drain(Candidates candidates) {
  Rng rng(1);
  std::vector<NodeId> all;
  while (const auto next = candidates.any(kNow, rng, kNobody)) {
    all.push_back(*next);
    candidates.remove(*next);
  }
  std::ranges::sort(all);
  return all;
}

TEST(BroadcastCandidates, OrderAndRepetitionMakeNoDifference) {
  auto ids = make_ids(1500, 1);
  const NodeId self = ids.back();
  Candidates one(self, 7, 9);
  Candidates other(self, 7, 9);
  for (const NodeId& id : ids) one.add(id);
  Rng rng(2);
  rng.shuffle(std::span(ids));
  for (const NodeId& id : ids) {
    other.add(id);
    for (int i = 0; i < 3; ++i) other.add(ids[rng.below(10)]);  // some are told all the time
  }
  EXPECT_EQ(one.size(), kCandidatesMax);
  EXPECT_EQ(drain(one), drain(other));
  EXPECT_FALSE(one.add(self));
}

// A fifth of all that were told gets a fifth of the sample, whoever is told first and most.
TEST(BroadcastCandidates, AFloodGetsNoMoreThanItsShare) {
  const auto ids = make_ids(2000, 3);
  std::size_t flooders = 0;
  std::size_t all = 0;
  for (std::uint64_t secret = 1; secret <= 20; ++secret) {
    Candidates candidates(make_ids(1, secret)[0], 7, secret);
    for (int times = 0; times < 3; ++times) {
      for (std::size_t i = 0; i < 400; ++i) candidates.add(ids[i]);
    }
    for (const NodeId& id : ids) candidates.add(id);
    for (const NodeId& id : drain(candidates)) {
      ++all;
      flooders += std::ranges::find(ids.begin(), ids.begin() + 400, id) != ids.begin() + 400 ? 1U : 0U;
    }
  }
  EXPECT_GT(flooders * 100, all * 16);
  EXPECT_LT(flooders * 100, all * 24);
}

// Those whom all know for their rank are not chosen by all.
TEST(BroadcastCandidates, AnyIsAny) {
  const auto ids = make_ids(1000, 8);
  std::map<NodeId, std::size_t> chosen;
  Rng rng(1);
  for (int i = 0; i < 1000; ++i) {
    Candidates candidates(ids[0], 7, rng.next());
    for (const NodeId& id : ids) candidates.add(id);
    ++chosen[*candidates.any(kNow, rng, kNobody)];
  }
  for (const auto& [id, count] : chosen) EXPECT_LE(count, 8U);  // 1 on average
  EXPECT_GT(chosen.size(), 600U);  // 632 if all have the same chance
}

TEST(BroadcastCandidates, WhereAllKnowAllUplinksAreAHeap) {
  const auto ids = make_ids(200, 4);
  std::map<NodeId, NodeId> parent;
  std::map<NodeId, std::size_t> children;
  Rng rng(1);
  for (const NodeId& self : ids) {
    Candidates candidates(self, 7, rng.next());
    for (const NodeId& id : ids) candidates.add(id);
    if (const auto up = candidates.uplink(kNow, rng, kNobody)) {
      parent.emplace(self, *up);
      ++children[*up];
      EXPECT_TRUE(candidates.fits(*up));
    }
  }
  EXPECT_EQ(parent.size(), 199U);
  for (const auto& [id, count] : children) EXPECT_LE(count, kBranching);
  for (const NodeId& id : ids) {
    std::size_t depth = 0;
    for (auto at = parent.find(id); at != parent.end(); at = parent.find(at->second)) ASSERT_LE(++depth, 4U);
  }
}

// With a part known only, uplinks still lead to the root without a cycle, and nobody has many children.
TEST(BroadcastCandidates, WhereAPartIsKnownUplinksAreATreeStill) {
  const auto ids = make_ids(1000, 5);
  std::map<NodeId, NodeId> parent;
  std::map<NodeId, std::size_t> children;
  Rng rng(1);
  for (const NodeId& self : ids) {
    Candidates candidates(self, 7, rng.next());
    for (const NodeId& id : ids) candidates.add(id);
    if (const auto up = candidates.uplink(kNow, rng, kNobody)) {
      parent.emplace(self, *up);
      ++children[*up];
    }
  }
  EXPECT_EQ(parent.size(), 999U);  // one root: all know the lowest
  std::size_t crowded = 0;
  for (const auto& [id, count] : children) crowded += count > kNeighboursMax - kChosenMin ? 1U : 0U;
  EXPECT_LT(crowded, 20U);  // their children go to the next one
  for (const NodeId& id : ids) {
    std::size_t depth = 0;
    for (auto at = parent.find(id); at != parent.end(); at = parent.find(at->second)) ASSERT_LE(++depth, 9U);
  }
}

TEST(BroadcastCandidates, WhoIsPutOffComesBack) {
  const auto ids = make_ids(3, 6);
  Candidates candidates(ids[0], 7, 9);
  candidates.add(ids[1]);
  Rng rng(1);
  candidates.put_off(ids[1], kNow + 5s);
  candidates.put_off(ids[2], kNow + 1s);  // is none
  EXPECT_EQ(candidates.any(kNow, rng, kNobody), std::nullopt);
  EXPECT_EQ(candidates.uplink(kNow, rng, kNobody), std::nullopt);
  EXPECT_EQ(candidates.next_return(kNow), kNow + 5s);
  EXPECT_EQ(candidates.any(kNow + 5s, rng, kNobody), ids[1]);
  EXPECT_EQ(candidates.next_return(kNow + 5s), std::nullopt);
}

TEST(BroadcastRecent, KeepsTheLast) {
  RecentLog log;
  Rng rng(1);
  std::vector<MessageId> ids;
  for (std::size_t i = 0; i < 3 * kRecentMax; ++i) {
    ids.push_back(make_message(rng));
    log.add({.id = ids.back(), .from = static_cast<Place>(i % 3), .has = 7, .at = kNow});
    ASSERT_EQ(log.end(), i + 1);
    ASSERT_EQ(log.find(ids[i])->number, i);
    const std::uint64_t oldest = i < kRecentMax ? 0 : i + 1 - kRecentMax;
    ASSERT_EQ(log.first(), oldest);
    ASSERT_EQ(log.at(oldest).id, ids[oldest]);
    if (oldest > 0) {
      ASSERT_EQ(log.find(ids[oldest - 1]), nullptr);
    }
  }
  log.forget(1);
  for (std::uint64_t number = log.first(); number < log.end(); ++number) {
    EXPECT_EQ(log.at(number).has, 5U);
    EXPECT_EQ(log.at(number).from.has_value(), number % 3 != 1);
  }
}

// The same random operations on a table and on a list of what was announced.
TEST(BroadcastMissing, Model) {
  struct Row {
    std::set<Place> announcers;
    Instant due;
  };
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    MissingTable table;
    std::map<MessageId, Row> rows;
    Rng rng(seed);
    std::vector<MessageId> ids;
    for (int i = 0; i < 900; ++i) ids.push_back(make_message(rng));
    for (int step = 0; step < 5000; ++step) {
      const MessageId& id = ids[rng.below(ids.size())];
      const auto place = static_cast<Place>(rng.below(3));
      const Instant due = kNow + Duration(static_cast<std::int64_t>(rng.below(1000)));
      switch (rng.below(10)) {
        case 0: ASSERT_EQ(table.take(id).has_value(), rows.erase(id) == 1); break;
        case 1:
          if (rows.contains(id)) {
            table.rearm(id, due);
            rows[id].due = due;
          }
          break;
        case 2:
          if (rng.chance({1, 100})) {
            table.forget(place);
            for (auto& [key, row] : rows) row.announcers.erase(place);
            // One that no other announcer had room to stand for is forgotten as well.
            std::erase_if(rows, [&](const auto& row) {
              return row.second.announcers.empty() || table.find(row.first) == nullptr;
            });
          }
          break;
        default: {
          const auto is = table.heard(id, place, 1, kNow, due);
          ASSERT_EQ(is == MissingTable::Heard::kKnown, rows.contains(id));
          if (is == MissingTable::Heard::kFull) break;
          rows.try_emplace(id, Row{{}, due}).first->second.announcers.insert(place);
        }
      }
      ASSERT_EQ(table.size(), rows.size());
      if (step % 20 != 0) continue;
      std::optional<Instant> first;
      std::map<Place, std::size_t> opened;
      for (const auto& [key, row] : rows) {
        if (!first || row.due < *first) first = row.due;
        const Missing* missing = table.find(key);
        ASSERT_NE(missing, nullptr);
        PlaceSet set = 0;
        for (const Place one : row.announcers) set |= bit(one);
        ASSERT_EQ(missing->announcers, set);
        ASSERT_NE(missing->announcers & bit(missing->first), 0);
        ++opened[missing->first];
      }
      ASSERT_EQ(table.next_deadline(), first);
      for (const auto& [one, count] : opened) ASSERT_LE(count, kMissingPerPeer);
    }
  }
}

}  // namespace
}  // namespace weft::broadcast::test
