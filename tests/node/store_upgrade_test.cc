// Stores of older schema versions: what they hold is kept byte for byte, wherever an upgrade ends.
#include <gmock/gmock.h>

#include "node/store_sqlite.h"
#include "node/store_tables.h"
#include "tests/node/faulty_vfs.h"
#include "tests/node/rows_of_all_kinds.h"
#include "tests/node/scratch_dir.h"

namespace weft::node {
namespace {

using testing::HasSubstr;

// ---- version 1

std::string hex_literal(const Bytes& bytes) { return "x'" + to_hex(bytes) + "'"; }

void make_version_1(const std::string& path, const std::vector<Write>& rows) {
  sqlite3* raw = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &raw), SQLITE_OK);
  const Db db(raw);
  std::string sql = "PRAGMA journal_mode = WAL; CREATE TABLE kv(key BLOB PRIMARY KEY, value BLOB NOT NULL);"
                    "CREATE TABLE life(last_seen_ms INTEGER NOT NULL); INSERT INTO life VALUES(77);"
                    "PRAGMA user_version = 1;";
  for (const Write& row : rows) {
    sql += "INSERT INTO kv VALUES(" + hex_literal(row.key) + "," + hex_literal(row.value) + ");";
  }
  ASSERT_TRUE(run(raw, sql.c_str())) << sqlite3_errmsg(raw);
}

TEST(StoreVersion1, IsUpgradedWithAllItHolds) {
  const ScratchDir dir;
  make_version_1(dir.path("s.db"), all_kinds());
  for (int i = 0; i < 2; ++i) {
    auto opened = open_sqlite_store({.path = dir.path("s.db"), .relaxed = false, .wake = {}});
    ASSERT_TRUE(opened) << opened.error().message;
    EXPECT_EQ(by_key(opened->rows), by_key(all_kinds()));
    EXPECT_EQ(opened->last_seen.value, 77);
    EXPECT_EQ(opened->node_time.value, 77);
    EXPECT_EQ(opened->held.values, 1U);
    EXPECT_FALSE(opened->store->stats().totals_mended);
  }
}

TEST(StoreVersion1, AFailedUpgradeChangesNothing) {
  const ScratchDir dir;
  make_version_1(dir.path("s.db"), all_kinds());
  {
    sqlite3* raw = nullptr;
    ASSERT_EQ(sqlite3_open(dir.path("s.db").c_str(), &raw), SQLITE_OK);
    const Db db(raw);
    ASSERT_TRUE(run(raw, "CREATE TABLE own(in_the_way)"));
    EXPECT_FALSE(upgrade_tables(raw));
    EXPECT_EQ(read_number(raw, "SELECT count(*) FROM kv"), std::int64_t(all_kinds().size()));
    EXPECT_EQ(read_number(raw, "PRAGMA user_version"), 1);
    ASSERT_TRUE(run(raw, "DROP TABLE own"));
  }
  auto opened = open_sqlite_store({.path = dir.path("s.db"), .relaxed = false, .wake = {}});
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_EQ(by_key(opened->rows), by_key(all_kinds()));
}

// From store.db to weft.db, however often and wherever the last attempt ended.
TEST(StoreVersion1, MovesToItsNewName) {
  for (const std::string ended : {"nowhere", "in the copy", "upgraded", "before the old one was emptied"}) {
    const ScratchDir dir;
    const std::string from = dir.path("store.db");
    const std::string to = dir.path("weft.db");
    make_version_1(from, all_kinds());
    if (ended == "in the copy") dir.write("weft.db.new", "half");
    if (ended == "upgraded") {
      ASSERT_TRUE(open_sqlite_store({.path = from, .relaxed = false, .wake = {}}));
    }
    if (ended == "before the old one was emptied") {
      ASSERT_TRUE(move_old_store(from, to));
      std::filesystem::remove(from);
      make_version_1(from, {});
      ASSERT_TRUE(open_sqlite_store({.path = from, .relaxed = false, .wake = {}}));
    }
    for (int i = 0; i < 2; ++i) {
      const auto moved = move_old_store(from, to);
      ASSERT_TRUE(moved) << ended << moved.error().message;
      auto opened = open_sqlite_store({.path = to, .relaxed = false, .wake = {}});
      ASSERT_TRUE(opened) << ended << opened.error().message;
      EXPECT_EQ(by_key(opened->rows), by_key(all_kinds())) << ended;
      EXPECT_EQ(opened->last_seen.value, 77);
    }
    // An older weft reads the version first and refuses.
    sqlite3* raw = nullptr;
    ASSERT_EQ(sqlite3_open(from.c_str(), &raw), SQLITE_OK);
    const Db db(raw);
    EXPECT_EQ(read_number(raw, "PRAGMA user_version"), std::int64_t{kStoreSchemaVersion});
    EXPECT_EQ(read_number(raw, "SELECT count(*) FROM sqlite_master"), 1) << ended;
    EXPECT_FALSE(std::filesystem::exists(to + ".new"));
  }
}

TEST(StoreVersion1, NothingToMoveIsNoError) {
  const ScratchDir dir;
  EXPECT_TRUE(move_old_store(dir.path("store.db"), dir.path("weft.db")));
  dir.write("store.db", "");
  EXPECT_TRUE(move_old_store(dir.path("store.db"), dir.path("weft.db")));
  EXPECT_FALSE(std::filesystem::exists(dir.path("weft.db")));
  dir.write("store.db", std::string(5000, 'x'));
  const auto moved = move_old_store(dir.path("store.db"), dir.path("weft.db"));
  ASSERT_FALSE(moved);
  EXPECT_THAT(moved.error().message, HasSubstr("cannot open the store " + dir.path("store.db")));
}

// ---- versions 2 and 3

// The database at `path` as the weft of schema 3 left it. Shared state had no tables yet; a row of it went to `other`.
void make_version_3(const std::string& path, const std::vector<Write>& rows) {
  sqlite3* raw = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &raw), SQLITE_OK);
  const Db db(raw);
  ASSERT_TRUE(run(raw, "PRAGMA journal_mode = WAL; BEGIN"));
  ASSERT_TRUE(create_tables(raw));
  TableWriter writer;
  ASSERT_TRUE(writer.prepare_all(raw));
  const Statement other = prepare(raw, "INSERT INTO other VALUES(?1, ?2)");
  for (const Write& row : rows) {
    ASSERT_TRUE(is_state_row(row.key) ? step_with(other, ByteView(row.key), ByteView(row.value)) : writer.apply(row));
  }
  ASSERT_TRUE(writer.note_life({{77}, {77}}));
  writer.close();
  ASSERT_TRUE(run(raw, "DROP TABLE spaces; DROP TABLE entries; PRAGMA user_version = 3; COMMIT"))
      << sqlite3_errmsg(raw);
}

// The same of schema 2.
void make_version_2(const std::string& path, const std::vector<Write>& rows) {
  make_version_3(path, rows);
  sqlite3* raw = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &raw), SQLITE_OK);
  const Db db(raw);
  ASSERT_TRUE(run(raw, "BEGIN; DROP INDEX held_by_end; DROP INDEX held_by_author; ALTER TABLE life DROP COLUMN node_ms;"
                       "ALTER TABLE life DROP COLUMN held_rows; ALTER TABLE life DROP COLUMN held_bytes;"
                       "PRAGMA user_version = 2; COMMIT"))
      << sqlite3_errmsg(raw);
}

// Tables and indexes, in words.
std::string schema_of(const std::string& path) {
  sqlite3* raw = nullptr;
  EXPECT_EQ(sqlite3_open(path.c_str(), &raw), SQLITE_OK);
  const Db db(raw);
  std::string text;
  const Statement all = prepare(raw, "SELECT name, (SELECT group_concat(name) FROM pragma_table_info(s.name)),"
                                     " iif(type = 'index', sql, '') FROM sqlite_schema AS s ORDER BY name");
  while (sqlite3_step(all.get()) == SQLITE_ROW) {
    for (int i = 0; i < 3; ++i) text += std::string(as_text(column_bytes(all.get(), i))) + "|";
  }
  return text;
}

// Two namespaces with entries, such that none of a namespace lies together or in its order.
std::vector<Write> rows_of_state() {
  std::vector<Write> rows;
  for (std::uint64_t i = 20; i > 0; --i) {
    for (const std::string_view name : {"garden", "kitchen"}) rows.push_back(entry_row(entry_of(space_of(name).id, i), i));
  }
  for (const std::string_view name : {"garden", "kitchen"}) rows.push_back(space_row(space_of(name)));
  return rows;
}

TEST(StoreUpgrade, KeepsAllThatVersions2And3Hold) {
  for (const auto make : {make_version_2, make_version_3}) {
    const ScratchDir dir;
    std::vector<Write> rows = all_kinds();
    rows.resize(6);  // without shared state
    for (const Write& row : rows_of_state()) rows.push_back(row);
    for (std::uint8_t i = 2; i < 200; ++i) rows.push_back(held_row_of(id(i), Bytes(i, i), i));
    make(dir.path("s.db"), rows);
    for (int i = 0; i < 2; ++i) {
      auto opened = open_sqlite_store({.path = dir.path("s.db")});
      ASSERT_TRUE(opened) << opened.error().message;
      EXPECT_EQ(by_key(opened->rows), by_key(rows));
      EXPECT_EQ(opened->last_seen.value, 77);
      EXPECT_EQ(opened->node_time.value, 77);
      EXPECT_EQ(opened->held.values, 199U);
      EXPECT_FALSE(opened->store->stats().totals_mended) << "counted by the upgrade";
    }
    ASSERT_TRUE(open_sqlite_store({.path = dir.path("new.db")}));
    EXPECT_EQ(schema_of(dir.path("s.db")), schema_of(dir.path("new.db")));
  }
}

// From whatever version: they lay in `other` or among all rows, where no order was promised.
TEST(StoreUpgrade, BringsSharedStateIntoItsTables) {
  for (const auto make : {make_version_1, make_version_2, make_version_3}) {
    const ScratchDir dir;
    make(dir.path("s.db"), rows_of_state());
    auto opened = open_sqlite_store({.path = dir.path("s.db")});
    ASSERT_TRUE(opened) << opened.error().message;
    ASSERT_EQ(opened->rows.size(), 42U);
    std::vector<std::uint64_t> arrivals;
    for (const Write& row : opened->rows) {
      if (row.key[0] == state::kRowEntry) arrivals.push_back(load_le<std::uint64_t>(row.value.data()));
    }
    EXPECT_EQ(opened->rows[0].key[0], state::kRowSpace);
    EXPECT_EQ(opened->rows[1].key[0], state::kRowSpace);
    ASSERT_EQ(arrivals.size(), 40U);
    EXPECT_TRUE(std::ranges::is_sorted(arrivals.begin(), arrivals.begin() + 20));
    EXPECT_TRUE(std::ranges::is_sorted(arrivals.begin() + 20, arrivals.end()));
  }
}

TEST(StoreUpgrade, OfVersion3ThatFailsChangesNothing) {
  const ScratchDir dir;
  make_version_3(dir.path("s.db"), all_kinds());
  {
    sqlite3* raw = nullptr;
    ASSERT_EQ(sqlite3_open(dir.path("s.db").c_str(), &raw), SQLITE_OK);
    const Db db(raw);
    ASSERT_TRUE(run(raw, "CREATE TABLE entries(in_the_way)"));
    EXPECT_FALSE(upgrade_tables(raw));
    EXPECT_EQ(read_number(raw, "PRAGMA user_version"), 3);
    EXPECT_EQ(read_number(raw, "SELECT count(*) FROM other"), 3);
    EXPECT_EQ(read_number(raw, "SELECT count(*) FROM sqlite_schema WHERE name = 'spaces'"), 0);
    ASSERT_TRUE(run(raw, "DROP TABLE entries"));
  }
  auto opened = open_sqlite_store({.path = dir.path("s.db")});
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_EQ(by_key(opened->rows), by_key(all_kinds()));
}

// A weft of schema 3 was cut off when it had copied store.db and not yet emptied it.
TEST(StoreUpgrade, EndsAMoveThatAWeftOfSchema3Began) {
  const ScratchDir dir;
  make_version_3(dir.path("store.db"), all_kinds());
  make_version_3(dir.path("weft.db"), all_kinds());
  for (int i = 0; i < 2; ++i) {
    const auto moved = move_old_store(dir.path("store.db"), dir.path("weft.db"));
    ASSERT_TRUE(moved) << moved.error().message;
  }
  EXPECT_EQ(schema_of(dir.path("store.db")), "moved|file||");
  auto opened = open_sqlite_store({.path = dir.path("weft.db")});
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_EQ(by_key(opened->rows), by_key(all_kinds()));
}

// A power cut at each operation of an upgrade, from each version: the next start has every row.
TEST(StoreUpgrade, APowerCutAnywhereLosesNothing) {
  std::vector<Write> rows = all_kinds();
  for (std::uint8_t i = 2; i < 60; ++i) rows.push_back(held_row_of(id(i), Bytes(100, i), i));
  for (const auto make : {make_version_1, make_version_2, make_version_3}) {
    std::size_t cut = 0;
    for (std::uint64_t at = 0; at == cut; ++at) {
      const ScratchDir dir("/dev/shm");
      const std::string path = dir.path("s.db");
      make(path, rows);
      {
        FaultyVfs disk;
        disk.cut_power_at(at);
        static_cast<void>(open_sqlite_store({.path = path}));
        cut += disk.is_off() ? 1U : 0U;
        disk.lose_unsynced(at);
        std::filesystem::remove(path + "-shm");
      }
      const FaultyVfs well;
      auto opened = open_sqlite_store({.path = path});
      ASSERT_TRUE(opened) << at << ": " << opened.error().message;
      ASSERT_EQ(by_key(opened->rows), by_key(rows)) << at;
      ASSERT_EQ(opened->held.values, 59U) << at;
      ASSERT_FALSE(opened->store->stats().totals_mended) << at;
    }
    EXPECT_GT(cut, 12U);
  }
}

}  // namespace
}  // namespace weft::node
