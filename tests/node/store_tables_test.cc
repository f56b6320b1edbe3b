// The tables: what a person reads in them, that rows come back byte for byte, and that the totals are exact.
#include "node/store_tables.h"

#include <gmock/gmock.h>

#include "crypto/rng.h"
#include "tests/node/rows_of_all_kinds.h"
#include "tests/node/tables_in_memory.h"

namespace weft::node {
namespace {

class Tables : public TablesInMemory {};

TEST_F(Tables, GiveBackWhatWasWritten) {
  for (const Write& row : all_kinds()) ASSERT_TRUE(writer_.apply(row));
  EXPECT_EQ(by_key(rows()), by_key(all_kinds()));
  for (const Write& row : all_kinds()) ASSERT_TRUE(writer_.apply(row));  // once more
  EXPECT_EQ(by_key(rows()), by_key(all_kinds()));
  for (Write row : all_kinds()) {
    row.erase = true;
    ASSERT_TRUE(writer_.apply(row));
  }
  EXPECT_TRUE(rows().empty());
}

TEST_F(Tables, CanBeReadByAPerson) {
  for (const Write& row : all_kinds()) ASSERT_TRUE(writer_.apply(row));
  ASSERT_TRUE(writer_.note_life({{5}, {6}}));
  EXPECT_EQ(shell("SELECT last_seen_ms, number, node_ms, held_rows FROM life"), "5|298|6|1\n");
  EXPECT_EQ(shell("SELECT lower(hex(id)) = '" + to_hex(identity().id().bytes) + "', number, status, name FROM members"),
            "1|9|up|alice\n");
  EXPECT_EQ(shell("SELECT rank, address FROM contacts"), "1|1.2.3.4:5\n2|[2001:db8::1]:6\n");
  EXPECT_EQ(shell("SELECT number, remaining_s, written_ms, renew FROM own"), "7|600|1700000000123|1\n");
  EXPECT_EQ(shell("SELECT number, remaining_s, written_ms FROM held"), "7|300|1700000000123\n");
  EXPECT_EQ(shell("SELECT name FROM spaces"), "garden\n");
  EXPECT_EQ(shell("SELECT path FROM entries"), "beds/1\n");
  EXPECT_EQ(shell("SELECT count(*) FROM other"), "1\n");
}

// What is malformed, or not as the core writes it, is kept as it is and given back; a good row under
// the same key takes its place.
TEST_F(Tables, OddRowsAreKept) {
  for (const Write& good : all_kinds()) {
    for (int how = 0; how < 3; ++how) {
      Write odd = good;
      if (how == 0) odd.value.push_back(0);
      if (how == 1) odd.value.clear();
      if (how == 2) odd.value[0] = static_cast<std::uint8_t>(odd.value[0] ^ 0x40);
      ASSERT_TRUE(writer_.apply(good));
      ASSERT_TRUE(writer_.apply(odd));
      EXPECT_EQ(by_key(rows()), by_key({odd})) << good.key[0] << how;
      ASSERT_TRUE(writer_.apply(good));
      EXPECT_EQ(by_key(rows()), by_key({good})) << good.key[0] << how;
      Write gone = good;
      gone.erase = true;
      ASSERT_TRUE(writer_.apply(odd));
      ASSERT_TRUE(writer_.apply(gone));
      EXPECT_TRUE(rows().empty()) << good.key[0] << how;
    }
  }
}

// Bit rot in a column: the row is told under its key, so that the core erases it; a number that none can
// be is an error, as a lost number might be used again.
TEST_F(Tables, RotIsTold) {
  for (const Write& row : all_kinds()) ASSERT_TRUE(writer_.apply(row));
  ASSERT_TRUE(run(db_.get(), "UPDATE held SET value = zeroblob(5000), remaining_s = -9"));
  ASSERT_TRUE(run(db_.get(), "UPDATE own SET remaining_s = 1 << 40, written_ms = -1"));
  ASSERT_TRUE(run(db_.get(), "UPDATE contacts SET contact = x'00' WHERE rank = 1"));
  const auto found = by_key(rows());
  EXPECT_EQ(found.size(), all_kinds().size());
  EXPECT_TRUE(found.at(all_kinds()[4].key).empty());
  EXPECT_EQ(dht::read_contacts_row(found.at({dht::kContactsTable})).size(), 1U);
  ASSERT_TRUE(run(db_.get(), "UPDATE life SET number = -1"));
  EXPECT_FALSE(visit_rows(db_.get(), kStoreSchemaVersion, [](const Write&) { return true; }));
}

// ---- totals

dht::HeldTotals counted(sqlite3* db) {
  return {.values = static_cast<std::uint64_t>(read_number(db, "SELECT count(*) FROM held").value_or(-1)),
          .bytes = static_cast<std::uint64_t>(
              read_number(db, "SELECT ifnull(sum(length(value)), 0) FROM held").value_or(-1))};
}

// Puts, replacements by longer and shorter values, erasures of what is there and what is not, rows that go to
// `other` and come back, in transactions of which some are rolled back.
TEST_F(Tables, TotalsAreExactAfterEveryTransaction) {
  Rng rng(1);
  std::vector<Write> pool;
  for (std::uint8_t key = 0; key < 8; ++key) {
    for (const std::size_t bytes : {0U, 5U, 900U}) {
      Write row = held_row_of(id(key), Bytes(bytes, key), /*remaining_s=*/300);
      pool.push_back(row);
      row.value.push_back(0);  // odd
      pool.push_back(row);
      pool.push_back({row.key, {}, true});
    }
  }
  std::size_t seen_filled = 0;
  for (int round = 0; round < 500; ++round) {
    ASSERT_TRUE(run(db_.get(), "BEGIN"));
    for (std::uint64_t i = rng.below(6); i > 0; --i) ASSERT_TRUE(writer_.apply(pool[rng.below(pool.size())]));
    if (rng.below(4) == 0) {
      if (rng.below(2) == 0) {
        ASSERT_TRUE(writer_.note_life({{1}, {1}}));
      }
      ASSERT_TRUE(run(db_.get(), "ROLLBACK"));
      writer_.rolled_back();
    } else {
      ASSERT_TRUE(writer_.note_life({{1}, {1}}));
      ASSERT_TRUE(run(db_.get(), "COMMIT"));
    }
    const auto life = read_life(db_.get());
    ASSERT_TRUE(life);
    const dht::HeldTotals there = counted(db_.get());
    ASSERT_EQ(life->held.values, there.values) << round;
    ASSERT_EQ(life->held.bytes, there.bytes) << round;
    seen_filled += there.values > 3 ? 1U : 0U;
    EXPECT_EQ(mend_totals(db_.get()), false);
  }
  EXPECT_GT(seen_filled, 50U);
}

TEST_F(Tables, WrongTotalsAreMendedAndTold) {
  for (const Write& row : all_kinds()) ASSERT_TRUE(writer_.apply(row));
  EXPECT_EQ(mend_totals(db_.get()), true) << "no note_life() came";
  EXPECT_EQ(mend_totals(db_.get()), false);
  ASSERT_TRUE(run(db_.get(), "UPDATE life SET held_bytes = held_bytes - 1"));
  EXPECT_EQ(mend_totals(db_.get()), true);
  EXPECT_EQ(read_life(db_.get())->held.bytes, counted(db_.get()).bytes);
  ASSERT_TRUE(run(db_.get(), "UPDATE life SET held_rows = -4"));
  EXPECT_EQ(read_life(db_.get())->held.values, 0U);
}

TEST_F(Tables, AZeroStampLeavesTheLastOne) {
  ASSERT_TRUE(writer_.note_life({{5}, {6}}));
  ASSERT_TRUE(writer_.note_life({{0}, {7}}));
  EXPECT_EQ(shell("SELECT last_seen_ms, node_ms FROM life"), "5|7\n");
  ASSERT_TRUE(writer_.note_life({{8}, {0}}));
  EXPECT_EQ(shell("SELECT last_seen_ms, node_ms FROM life"), "8|7\n");
}

}  // namespace
}  // namespace weft::node
