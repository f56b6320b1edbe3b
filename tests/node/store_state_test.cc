// The tables of shared state: what a person reads in them, the order of their rows, and what goes with a namespace.
#include "node/store_state.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <set>

#include "crypto/rng.h"
#include "tests/node/rows_of_all_kinds.h"
#include "tests/node/tables_in_memory.h"

namespace weft::node {
namespace {

using state::Kind;

class StoreState : public TablesInMemory {
 protected:
  void apply_all(const std::vector<Write>& writes) {
    for (const Write& write : writes) ASSERT_TRUE(writer_.apply(write));
  }
};

std::vector<Bytes> keys_of(const std::vector<Write>& rows) {
  std::vector<Bytes> keys;
  for (const Write& row : rows) keys.push_back(row.key);
  return keys;
}
Write erasure_of(const Write& row) { return {.key = row.key, .value = {}, .erase = true}; }
// What is no entry, under the key of one.
Write odd_of(Write row) {
  row.value.push_back(0);
  return row;
}

TEST_F(StoreState, CanBeReadByAPerson) {
  const state::Genesis garden = space_of("garden");
  ASSERT_NO_FATAL_FAILURE(apply_all({all_kinds()[1], space_row(garden)}));
  for (const Kind kind : {Kind::kSet, Kind::kCount, Kind::kAdd, Kind::kRemove, Kind::kClear}) {
    const auto number = static_cast<std::uint64_t>(kind);
    ASSERT_TRUE(writer_.apply(entry_row(entry_of(garden.id, number, kind), 10 + number)));
  }
  EXPECT_EQ(shell("SELECT lower(hex(spaces.id)) = '" + to_hex(garden.id.bytes) + "', spaces.name, access, members.name"
                  " FROM spaces JOIN members ON members.id = creator"),
            "1|garden|open|alice\n");
  EXPECT_EQ(shell("SELECT arrival, name, epoch, seq, kind, path, stamp_ms FROM entries JOIN members"
                  " ON members.id = author ORDER BY arrival"),
            "11|alice|0edcba9876543210|1|set|beds/1|1700000000123\n"
            "12|alice|0edcba9876543210|2|count|beds/1|1700000000123\n"
            "13|alice|0edcba9876543210|3|add|beds/1|1700000000123\n"
            "14|alice|0edcba9876543210|4|remove|beds/1|1700000000123\n"
            "15|alice|0edcba9876543210|5|clear|beds/1|1700000000123\n");
  EXPECT_EQ(shell("SELECT count(*) FROM other"), "0\n");
}

TEST_F(StoreState, AreVisitedInOrderOfArrival) {
  const state::Genesis garden = space_of("garden");
  const state::Genesis kitchen = space_of("kitchen");
  std::vector<Write> spaces = {space_row(garden), space_row(kitchen)};
  std::vector<Write> expected;
  for (const state::Genesis* space : {&garden, &kitchen}) {
    for (std::uint64_t i = 1; i <= 300; ++i) expected.push_back(entry_row(entry_of(space->id, i), i));
  }
  if (garden.id > kitchen.id) std::ranges::rotate(expected, expected.begin() + 300);
  std::vector<Write> shuffled = expected;
  Rng rng(1);
  for (std::size_t i = shuffled.size(); i > 1; --i) std::swap(shuffled[i - 1], shuffled[rng.below(i)]);
  ASSERT_NO_FATAL_FAILURE(apply_all(shuffled));
  ASSERT_NO_FATAL_FAILURE(apply_all(spaces));
  ASSERT_NO_FATAL_FAILURE(apply_all({shuffled[0], shuffled[1]}));  // once more, which moves them in their table

  const std::vector<Bytes> found = keys_of(rows());
  ASSERT_EQ(found.size(), 602U);
  EXPECT_EQ(found[0], spaces[0].key);
  EXPECT_EQ(found[1], spaces[1].key);
  EXPECT_TRUE(std::ranges::equal(found.begin() + 2, found.end(), expected.begin(), expected.end(), {}, {}, &Write::key));
  std::vector<Bytes> without_held;
  const auto visit = [&without_held](const Write& row) {
    without_held.push_back(row.key);
    return true;
  };
  EXPECT_TRUE(visit_rows(db_.get(), kStoreSchemaVersion, visit, Rows::kAllButHeld));
  EXPECT_EQ(without_held, found);
}

// A sorter would have all entries of a node in memory once more.
TEST_F(StoreState, AreReadAndLetGoOfByTheIndex) {
  EXPECT_THAT(shell(std::string("EXPLAIN QUERY PLAN ") + kSelectArrivals),
              testing::EndsWith("|SCAN entries USING INDEX entries_by_arrival\n"));
  EXPECT_THAT(shell("EXPLAIN QUERY PLAN DELETE FROM entries WHERE space = ?1"),
              testing::EndsWith("|SEARCH entries USING INDEX entries_by_arrival (space=?)\n"));
}

TEST_F(StoreState, AVisitThatEndsIsTold) {
  ASSERT_NO_FATAL_FAILURE(apply_all(all_kinds()));
  for (const std::uint8_t last : {state::kRowSpace, state::kRowEntry}) {
    std::size_t after = 0;
    bool ended = false;
    EXPECT_FALSE(visit_state(db_.get(), [&](const Write& row) {
      after += ended ? 1U : 0U;
      ended = row.key[0] == last;
      return !ended;
    }));
    EXPECT_EQ(after, 0U);
  }
}

TEST_F(StoreState, ANamespaceTakesItsEntriesAlongAndNoOthers) {
  const state::Genesis garden = space_of("garden");
  const state::Genesis kitchen = space_of("kitchen");
  std::vector<Write> kept = {space_row(kitchen)};
  std::vector<Write> gone = {space_row(garden)};
  for (std::uint64_t i = 1; i <= 20; ++i) {
    gone.push_back(entry_row(entry_of(garden.id, i), i));
    kept.push_back(entry_row(entry_of(kitchen.id, i), i));
  }
  // In `other`: entries that are none, and keys that only begin like one.
  gone.push_back(odd_of(entry_row(entry_of(garden.id, 100), 100)));
  kept.push_back(odd_of(entry_row(entry_of(kitchen.id, 100), 100)));
  Write longer = gone.back();
  longer.key.push_back(0);
  kept.push_back(longer);
  Write shorter = gone.back();
  shorter.key.pop_back();
  kept.push_back(shorter);
  ASSERT_NO_FATAL_FAILURE(apply_all(gone));
  ASSERT_NO_FATAL_FAILURE(apply_all(kept));
  ASSERT_EQ(rows().size(), gone.size() + kept.size());
  ASSERT_TRUE(writer_.apply(erasure_of(gone[0])));
  EXPECT_EQ(by_key(rows()), by_key(kept));
  EXPECT_EQ(shell("SELECT count(*) FROM other"), "3\n");
  ASSERT_NO_FATAL_FAILURE(apply_all(gone));  // joined once more
  EXPECT_EQ(rows().size(), gone.size() + kept.size());
}

TEST_F(StoreState, OneEntryIsErasedAlone) {
  const state::Genesis garden = space_of("garden");
  const std::vector<Write> all = {space_row(garden), entry_row(entry_of(garden.id, 1), 1),
                                  entry_row(entry_of(garden.id, 2), 2)};
  ASSERT_NO_FATAL_FAILURE(apply_all(all));
  ASSERT_TRUE(writer_.apply(erasure_of(all[1])));
  EXPECT_EQ(by_key(rows()), by_key({all[0], all[2]}));
}

// A genesis that is no good one any more is not the namespace's end.
TEST_F(StoreState, AnOddGenesisLeavesTheEntries) {
  const state::Genesis garden = space_of("garden");
  const Write space = space_row(garden);
  const Write entry = entry_row(entry_of(garden.id, 1), 1);
  ASSERT_NO_FATAL_FAILURE(apply_all({space, entry, odd_of(space)}));
  EXPECT_EQ(by_key(rows()), by_key({odd_of(space), entry}));
  EXPECT_EQ(shell("SELECT count(*) FROM spaces"), "0\n");
  ASSERT_TRUE(writer_.apply(space));
  EXPECT_EQ(by_key(rows()), by_key({space, entry}));
  ASSERT_NO_FATAL_FAILURE(apply_all({odd_of(space), erasure_of(space)}));
  EXPECT_TRUE(rows().empty());
}

// Rows whose columns would tell of another namespace, or that an arrival of SQLite's cannot hold.
TEST_F(StoreState, WhatIsNotAsItsKeySaysIsKeptAside) {
  const state::Genesis garden = space_of("garden");
  const state::Genesis kitchen = space_of("kitchen");
  const Write entry = entry_row(entry_of(garden.id, 1), 1);
  std::vector<Write> odd(7);
  odd[0] = {space_row(kitchen).key, space_row(garden).value, false};
  odd[1] = {entry.key, entry_row(entry_of(garden.id, 2), 1).value, false};
  odd[2] = entry;
  std::ranges::copy(kitchen.id.bytes, odd[2].key.begin() + 1);
  odd[3] = entry_row(entry_of(garden.id, 3), std::uint64_t{1} << 63);
  odd[4] = entry_row(entry_of(garden.id, 4), UINT64_MAX);
  odd[5] = {entry_row(entry_of(garden.id, 5), 1).key, Bytes(7), false};
  odd[6] = {space_row(garden).key, Bytes(state::kGenesisBytesMax + 1, 0x92), false};
  for (const Write& row : odd) {
    ASSERT_TRUE(writer_.apply(row));
    EXPECT_EQ(by_key(rows()), by_key({row}));
    EXPECT_EQ(shell("SELECT (SELECT count(*) FROM spaces) + (SELECT count(*) FROM entries)"), "0\n");
    ASSERT_TRUE(writer_.apply(erasure_of(row)));
  }
  const Write last = entry_row(entry_of(garden.id, 3), INT64_MAX);
  ASSERT_TRUE(writer_.apply(last));
  EXPECT_EQ(by_key(rows()), by_key({last}));
  EXPECT_EQ(shell("SELECT arrival FROM entries"), "9223372036854775807\n");
}

// Bit rot is told without its value, so that the core refuses it; the rest is there.
TEST_F(StoreState, RotIsTold) {
  const state::Genesis garden = space_of("garden");
  const state::Genesis kitchen = space_of("kitchen");
  std::vector<Write> all = {space_row(garden), space_row(kitchen)};
  for (std::uint64_t i = 1; i <= 4; ++i) all.push_back(entry_row(entry_of(garden.id, i), i));
  ASSERT_NO_FATAL_FAILURE(apply_all(all));
  ASSERT_TRUE(run(db_.get(), "UPDATE spaces SET genesis = zeroblob(5000) WHERE name = 'kitchen'"));
  ASSERT_TRUE(run(db_.get(), "UPDATE entries SET arrival = -5 WHERE seq = 1"));
  ASSERT_TRUE(run(db_.get(), "UPDATE entries SET entry = zeroblob(5000) WHERE seq = 2"));
  ASSERT_TRUE(run(db_.get(), "UPDATE entries SET id = x'01' WHERE seq = 3"));
  all[1].value.clear();
  all[2].value.clear();
  all[3].value.clear();
  std::fill_n(all[4].key.end() - sizeof(state::EntryId), sizeof(state::EntryId), std::uint8_t{0});
  EXPECT_EQ(by_key(rows()), by_key(all));
}

// ---- against a naive model

void apply_to(std::map<Bytes, Bytes>& model, const Write& write) {
  if (!write.erase) {
    model[write.key] = write.value;
    return;
  }
  model.erase(write.key);
  if (write.key[0] != state::kRowSpace) return;
  std::erase_if(model, [&write](const auto& row) {
    return row.first[0] == state::kRowEntry && std::equal(write.key.begin() + 1, write.key.end(), row.first.begin() + 1);
  });
}

TEST_F(StoreState, AgreeWithAModel) {
  const std::uint64_t seed = 7;
  Rng rng(seed);
  std::vector<Write> pool;
  for (const std::string_view name : {"garden", "kitchen", "cellar"}) {
    const state::Genesis space = space_of(name);
    const Write row = space_row(space);
    pool.insert(pool.end(), {row, odd_of(row), erasure_of(row)});
    for (std::uint64_t i = 1; i <= 6; ++i) {
      const Write entry = entry_row(entry_of(space.id, i), i);
      pool.insert(pool.end(), {entry, entry, entry_row(entry_of(space.id, i), i + 3), odd_of(entry), erasure_of(entry)});
    }
  }
  std::map<Bytes, Bytes> model;
  std::set<std::size_t> sizes;
  for (int round = 0; round < 2000; ++round) {
    const Write& write = pool[rng.below(pool.size())];
    ASSERT_TRUE(writer_.apply(write));
    apply_to(model, write);
    ASSERT_EQ(by_key(rows()), model) << "seed " << seed << " round " << round;
    sizes.insert(model.size());
  }
  EXPECT_GT(sizes.size(), 10U);
}

}  // namespace
}  // namespace weft::node
