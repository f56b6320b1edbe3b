// Backups of a home: whole, of one moment, never over anything; and what a restore refuses.
#include "node/backup.h"

#include <gmock/gmock.h>
#include <sodium.h>
#include <sqlite3.h>

#include <algorithm>
#include <map>

#include "node/home.h"
#include "node/store_rows.h"
#include "node/store_sqlite.h"
#include "node/store_tables.h"
#include "tests/node/rows_of_all_kinds.h"
#include "tests/node/scratch_dir.h"

namespace weft::node {
namespace {

using testing::HasSubstr;

std::unique_ptr<Store> open_store(const std::string& home, std::vector<Write>* rows = nullptr) {
  auto opened = open_sqlite_store({.path = store_path(home), .relaxed = false, .wake = {}});
  EXPECT_TRUE(opened) << (opened ? "" : opened.error().message);
  if (!opened) return nullptr;
  if (rows != nullptr) *rows = std::move(opened->rows);
  return std::move(opened->store);
}

void commit(Store& store, std::vector<Write> writes) {
  store.submit({{1000}, {1000}}, Ticket{1}, std::move(writes));
  std::vector<StoreDone> done;
  while (done.empty()) store.take_done(done);
  ASSERT_TRUE(done[0].ok);
}

Bytes number(std::uint64_t n) {
  Bytes bytes(8);
  store_le(bytes.data(), n);
  return bytes;
}

void sql(const std::string& file, const std::string& statements) {
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(file.c_str(), &db), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(db, statements.c_str(), nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(db);
  sqlite3_close(db);
}

class Backup : public testing::Test {
 protected:
  void SetUp() override {
    auto opened = Home::open(home_);
    ASSERT_TRUE(opened) << opened.error().message;
    IdentitySeed seed{};
    seed.fill(7);
    ASSERT_TRUE(opened->load_or_create_identity(seed));
    id_ = id_of(seed);
    dir_.write("a/weft.toml", "listen = [\"127.0.0.1:0\"]\n", 0644);
  }
  // A backup of a home with one value and the number 5.
  void make_backup() {
    const auto store = open_store(home_);
    commit(*store, {{{kRowNumber}, number(5), false}, {{'v', 1, 2}, {3, 4}, false}});
    const auto done = backup_home(home_, file_);
    ASSERT_TRUE(done) << done.error().message;
    EXPECT_EQ(done->id, id_);
  }
  // What a stranger can do to the file: any statements, and then a digest that fits.
  void change(const std::string& statements) {
    sql(file_, statements);
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(file_.c_str(), &db), SQLITE_OK);
    crypto_generichash_state state;
    crypto_generichash_init(&state, nullptr, 0, crypto_generichash_BYTES);
    const auto add = [&](const char* select) {
      sqlite3_stmt* all = nullptr;
      ASSERT_EQ(sqlite3_prepare_v2(db, select, -1, &all, nullptr), SQLITE_OK);
      while (sqlite3_step(all) == SQLITE_ROW) {
        for (int column = 0; column < sqlite3_column_count(all); ++column) {
          const void* bytes = sqlite3_column_blob(all, column);
          const std::uint64_t length = static_cast<std::uint64_t>(sqlite3_column_bytes(all, column));
          crypto_generichash_update(&state, reinterpret_cast<const std::uint8_t*>(&length), 8);
          crypto_generichash_update(&state, static_cast<const std::uint8_t*>(bytes), length);
        }
      }
      sqlite3_finalize(all);
    };
    if (statements.find("VIEW") == std::string::npos) {
      for (const char* select : table_selects(version_)) add(select);
    }
    add("SELECT name, mode, bytes FROM home ORDER BY rowid");
    Bytes digest(crypto_generichash_BYTES);
    crypto_generichash_final(&state, digest.data(), digest.size());
    sqlite3_close(db);
    sql(file_, "DELETE FROM digest; INSERT INTO digest VALUES(x'" + to_hex(digest) + "')");
  }
  std::string why_not(const std::string& home) {
    const auto done = restore_home(home, file_);
    EXPECT_FALSE(done);
    return done ? "" : done.error().message;
  }

  ScratchDir dir_;
  const std::string home_ = dir_.path("a");
  const std::string file_ = dir_.path("kept");
  NodeId id_;
  std::int64_t version_ = kStoreSchemaVersion;  // of the tables in file_
};

TEST_F(Backup, KeepsTheHomeOfARunningNode) {
  auto store = open_store(home_);
  commit(*store, {{{kRowNumber}, number(5), false}, {{'v', 1, 2}, {3, 4}, false}, {{'o'}, {}, false}});
  const auto done = backup_home(home_, file_);  // the rows are in the log yet
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(dir_.mode("kept"), 0600U);
  EXPECT_EQ(done->bytes, std::filesystem::file_size(file_));
  commit(*store, {{{'v', 9}, {9}, false}});  // later than the backup
  store->close({{2000}, {3000}});

  const auto back = restore_home(dir_.path("new/b"), file_);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(back->id, id_);
  EXPECT_EQ(dir_.read("new/b/identity"), dir_.read("a/identity"));
  EXPECT_EQ(dir_.mode("new/b/identity"), 0600U);
  EXPECT_EQ(dir_.read("new/b/weft.toml"), dir_.read("a/weft.toml"));
  EXPECT_EQ(dir_.mode("new/b/weft.toml"), 0644U);
  std::vector<Write> rows;
  store = open_store(dir_.path("new/b"), &rows);
  std::map<Bytes, Bytes> found;
  for (const Write& row : rows) found[row.key] = row.value;
  EXPECT_EQ(found, (std::map<Bytes, Bytes>{{{kRowNumber}, number(5 + kRestoreNumberStep)},
                                           {{'v', 1, 2}, {3, 4}},
                                           {{'o'}, {}}}));
  commit(*store, {{{'v', 9}, {9}, false}});
}

TEST_F(Backup, AHomeWithoutAStoreStartsAboveItsNumber) {
  ASSERT_TRUE(backup_home(home_, file_));
  ASSERT_TRUE(restore_home(dir_.path("b"), file_));
  std::vector<Write> rows;
  open_store(dir_.path("b"), &rows);
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].value, number(kRestoreNumberStep));
}

TEST_F(Backup, OfAnOlderWeft) {
  make_backup();
  version_ = 1;
  change("DROP TABLE held; DROP TABLE own; DROP TABLE members; DROP TABLE contacts; DROP TABLE other;"
         "DROP TABLE spaces; DROP TABLE entries; DROP TABLE life; CREATE TABLE life(last_seen_ms INTEGER NOT NULL); INSERT INTO life VALUES(9);"
         "CREATE TABLE kv(key BLOB PRIMARY KEY, value BLOB NOT NULL);"
         "INSERT INTO kv VALUES(x'6e', x'0800000000000000'), (x'7601', x'02'); PRAGMA user_version = 1");
  const auto back = restore_home(dir_.path("b"), file_);
  ASSERT_TRUE(back) << back.error().message;
  std::vector<Write> rows;
  const auto store = open_store(dir_.path("b"), &rows);
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].value, number(8 + kRestoreNumberStep));
  EXPECT_EQ(rows[1].key, (Bytes{'v', 1}));
}

TEST_F(Backup, OfAWeftOfSchema2Or3) {
  {
    const auto store = open_store(home_);
    commit(*store, {{{kRowNumber}, number(5), false}, held_row_of(id(1), as_bytes("value"), 60)});
  }
  const std::string older = "DROP TABLE spaces; DROP TABLE entries; PRAGMA user_version = 3";
  for (const std::string& statements :
       {older, older + "; DROP INDEX held_by_end; DROP INDEX held_by_author; ALTER TABLE life DROP COLUMN node_ms;"
                       "ALTER TABLE life DROP COLUMN held_rows; ALTER TABLE life DROP COLUMN held_bytes;"
                       "PRAGMA user_version = 2"}) {
    version_ = kStoreSchemaVersion;
    ASSERT_TRUE(backup_home(home_, file_));
    version_ = statements == older ? 3 : 2;
    change(statements);  // written by that weft
    const std::string homes = "of" + std::to_string(version_);
    ASSERT_TRUE(restore_home(dir_.path(homes + "b"), file_));
    std::filesystem::remove(file_);
    sql(store_path(home_), statements);
    ASSERT_TRUE(backup_home(home_, file_));  // of a home that it left
    ASSERT_TRUE(restore_home(dir_.path(homes + "c"), file_));
    std::filesystem::remove(file_);
    for (const std::string& home : {homes + "b", homes + "c"}) {
      auto opened = open_sqlite_store({.path = store_path(dir_.path(home))});
      ASSERT_TRUE(opened);
      EXPECT_EQ(opened->rows.size(), 2U);
      EXPECT_EQ(opened->rows.back().value, held_row_of(id(1), as_bytes("value"), 60).value);
      EXPECT_EQ(opened->last_seen.value, 1000);
      EXPECT_EQ(opened->node_time.value, 1000);
      EXPECT_EQ(opened->held.values, 1U);
      EXPECT_FALSE(opened->store->stats().totals_mended);
    }
    ASSERT_TRUE(open_store(home_));  // upgraded again, for the next round
  }
}

// Shared state goes along: what a restored node tells others of is what it told before.
TEST_F(Backup, KeepsNamespacesWithTheirEntries) {
  std::vector<Write> rows = {{{kRowNumber}, number(5), false}};
  for (const std::string_view name : {"garden", "kitchen"}) {
    rows.push_back(space_row(space_of(name)));
    for (std::uint64_t i = 1; i <= 50; ++i) rows.push_back(entry_row(entry_of(space_of(name).id, i), i));
  }
  {
    const auto store = open_store(home_);
    commit(*store, rows);
  }
  ASSERT_TRUE(backup_home(home_, file_));
  ASSERT_TRUE(restore_home(dir_.path("b"), file_));
  std::vector<Write> before;
  std::vector<Write> found;
  open_store(home_, &before);
  {
    const auto store = open_store(dir_.path("b"), &found);
    rows[0].value = number(5 + kRestoreNumberStep);
    EXPECT_EQ(by_key(found), by_key(rows));
    EXPECT_TRUE(std::ranges::equal(before, found, {}, &Write::key, &Write::key)) << "in another order";
    commit(*store, {{rows[1].key, {}, true}});  // the garden is left
  }
  rows.erase(rows.begin() + 1, rows.begin() + 52);
  open_store(dir_.path("b"), &found);
  EXPECT_EQ(by_key(found), by_key(rows));
}

TEST_F(Backup, DamageToSharedStateIsNoticed) {
  {
    const auto store = open_store(home_);
    commit(*store, {space_row(space_of("garden")), entry_row(entry_of(space_of("garden").id, 1), 1)});
  }
  ASSERT_TRUE(backup_home(home_, file_));
  const std::string good = dir_.read("kept");
  for (const std::string column : {"spaces SET name", "spaces SET genesis", "entries SET arrival", "entries SET path", "entries SET entry"}) {
    sql(file_, "UPDATE " + column + " = 7");
    EXPECT_THAT(why_not(dir_.path("b")), HasSubstr("damaged")) << column;
    dir_.write("kept", good);
  }
  EXPECT_TRUE(restore_home(dir_.path("b"), file_));
}

// A home in which no newer weft has run yet can be kept as it is.
TEST_F(Backup, OfAHomeOfAnOlderWeft) {
  sql(old_store_path(home_), "CREATE TABLE life(last_seen_ms INTEGER NOT NULL); INSERT INTO life VALUES(9);"
                             "CREATE TABLE kv(key BLOB PRIMARY KEY, value BLOB NOT NULL);"
                             "INSERT INTO kv VALUES(x'6e', x'0800000000000000'); PRAGMA user_version = 1");
  ASSERT_TRUE(backup_home(home_, file_));
  EXPECT_FALSE(std::filesystem::exists(store_path(home_)));
  ASSERT_TRUE(restore_home(dir_.path("b"), file_));
  std::vector<Write> rows;
  open_store(dir_.path("b"), &rows);
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].value, number(8 + kRestoreNumberStep));
}

TEST_F(Backup, ReplacesNothing) {
  make_backup();
  const std::string before = dir_.read("kept");
  const auto again = backup_home(home_, file_);
  ASSERT_FALSE(again);
  EXPECT_THAT(again.error().message, HasSubstr("exists"));
  EXPECT_EQ(dir_.read("kept"), before);
  EXPECT_THAT(why_not(home_), HasSubstr("identity exists"));

  std::filesystem::create_directory(dir_.path("b"));
  dir_.write("b/weft.toml", "name = \"other\"\n");
  EXPECT_THAT(why_not(dir_.path("b")), HasSubstr("weft.toml exists"));
  EXPECT_EQ(dir_.read("b/weft.toml"), "name = \"other\"\n");
  EXPECT_FALSE(std::filesystem::exists(dir_.path("b/identity")));

  std::filesystem::create_directory(dir_.path("c"));
  dir_.write("c/weft.db-wal", "of another life");
  EXPECT_THAT(why_not(dir_.path("c")), HasSubstr("weft.db-wal exists"));
  EXPECT_EQ(dir_.read("c/weft.db-wal"), "of another life");
  std::filesystem::create_directory(dir_.path("d"));
  dir_.write("d/store.db", "of an older weft");
  EXPECT_THAT(why_not(dir_.path("d")), HasSubstr("store.db exists"));
}

TEST_F(Backup, RefusesAHomeInUse) {
  make_backup();
  const auto held = Home::open(dir_.path("b"));
  ASSERT_TRUE(held);
  EXPECT_THAT(why_not(dir_.path("b")), HasSubstr("in use"));
}

TEST_F(Backup, GoesOnAfterACrash) {
  dir_.write("kept.new", "half a backup");
  make_backup();
  EXPECT_FALSE(std::filesystem::exists(file_ + ".new"));
  std::filesystem::create_directory(dir_.path("b"));
  dir_.write("b/weft.db.new", "half a store");
  dir_.write("b/weft.db.new-wal", "and its log");
  dir_.write("b/weft.toml", dir_.read("a/weft.toml"));  // was already there
  const auto done = restore_home(dir_.path("b"), file_);
  ASSERT_TRUE(done) << done.error().message;
  for (const auto& entry : std::filesystem::directory_iterator(dir_.path("b"))) {
    EXPECT_THAT(entry.path().filename().string(), testing::Not(HasSubstr(".new")));
  }
}

TEST_F(Backup, WhatIsTooLargeIsNamed) {
  dir_.write("a/core", std::string(kBackupFileBytesMax + 1, 'x'));
  const auto done = backup_home(home_, file_);
  ASSERT_FALSE(done);
  EXPECT_THAT(done.error().message, HasSubstr("a/core"));
  EXPECT_FALSE(std::filesystem::exists(file_));
  EXPECT_FALSE(std::filesystem::exists(file_ + ".new"));
}

TEST_F(Backup, OtherFilesAreNoBackups) {
  const std::string home = dir_.path("b");
  EXPECT_THAT(why_not(home), HasSubstr("there is no"));
  dir_.write("kept", "not a database, and long enough to be looked at as one by SQLite");
  EXPECT_THAT(why_not(home), HasSubstr("not a backup"));
  std::filesystem::remove(file_);
  sql(file_, "CREATE TABLE kv(key, value)");
  EXPECT_THAT(why_not(home), HasSubstr("not a backup"));
  EXPECT_FALSE(std::filesystem::exists(home)) << "nothing is made before the backup was looked at";
}

TEST_F(Backup, NewerOnesAndHalfOnesAreRefused) {
  make_backup();
  sql(file_, "PRAGMA user_version = 99");
  EXPECT_THAT(why_not(dir_.path("b")), HasSubstr("newer weft"));
  sql(file_, "PRAGMA user_version = " + std::to_string(kStoreSchemaVersion) + "; DELETE FROM digest");
  EXPECT_THAT(why_not(dir_.path("b")), HasSubstr("damaged"));
  change("DELETE FROM home WHERE name = 'identity'");
  EXPECT_THAT(why_not(dir_.path("b")), HasSubstr("no identity"));
  change("INSERT INTO home VALUES('identity', 384, 'seed')");
  EXPECT_THAT(why_not(dir_.path("b")), HasSubstr("not a weft identity"));
  EXPECT_FALSE(std::filesystem::exists(dir_.path("b")));
}

// Whatever bytes are wrong: refused, or restored all the same because they were no content.
TEST_F(Backup, DamageIsNoticed) {
  make_backup();
  const std::string good = dir_.read("kept");
  const auto row_of = [&](std::string_view bytes) { return good.find(bytes); };
  const std::size_t value = row_of(std::string_view("v\x01\x02\x03\x04"));
  ASSERT_NE(value, std::string::npos);
  for (const std::size_t at : {std::size_t{0}, std::size_t{24}, std::size_t{100}, value, value + 4,
                               row_of("listen ="), row_of("weft-identity"), row_of("CREATE TABLE other"), good.size() / 2}) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 1);
    dir_.write("kept", bad);
    const std::string home = dir_.path("b" + std::to_string(at));
    if (!restore_home(home, file_)) {
      EXPECT_FALSE(std::filesystem::exists(home)) << at;
      continue;
    }
    EXPECT_NE(at, value);
    EXPECT_NE(at, value + 4);
    std::vector<Write> rows;
    open_store(home, &rows);
    EXPECT_EQ(rows.size(), 2U) << at;
    EXPECT_EQ(dir_.read("b" + std::to_string(at) + "/weft.toml"), dir_.read("a/weft.toml")) << at;
  }
  dir_.write("kept", good.substr(0, good.size() / 2));
  EXPECT_NE(why_not(dir_.path("half")), "");
}

TEST_F(Backup, ARowWithoutEndIsRefused) {
  make_backup();
  sql(file_, "INSERT INTO home VALUES('large', 420, zeroblob(3 << 20))");
  EXPECT_THAT(why_not(dir_.path("b")), HasSubstr("damaged"));
  EXPECT_FALSE(std::filesystem::exists(dir_.path("b")));
}

TEST_F(Backup, NamesThatLeaveTheHomeAreRefused) {
  make_backup();
  for (const std::string name : {"../x", "/tmp/x", "a/b", "", ".", "..", "lock", "weft.db", "store.db", "x.new", "a\nb"}) {
    change("INSERT INTO home VALUES('" + name + "', 420, 'x')");
    EXPECT_THAT(why_not(dir_.path("b")), HasSubstr("no backup of weft has")) << name;
    change("DELETE FROM home WHERE name <> 'identity'");
  }
  EXPECT_FALSE(std::filesystem::exists(dir_.path("x")));
}

TEST_F(Backup, AViewInPlaceOfSharedStateIsNoStore) {
  make_backup();
  change("DROP TABLE entries; CREATE VIEW entries AS SELECT 1 AS space, 2 AS id, 3 AS arrival, 4 AS entry");
  ASSERT_TRUE(restore_home(dir_.path("b"), file_));
  std::vector<Write> rows;
  open_store(dir_.path("b"), &rows);
  EXPECT_EQ(rows.size(), 1U) << "the number only";
}

TEST_F(Backup, ASchemaInTheFileDoesNothing) {
  make_backup();
  change("CREATE TRIGGER t AFTER INSERT ON other BEGIN DELETE FROM other; END;"
         "ALTER TABLE life RENAME TO old; CREATE VIEW life AS SELECT 7 AS last_seen_ms, 1 AS number");
  ASSERT_TRUE(restore_home(dir_.path("b"), file_));
  std::vector<Write> rows;
  const auto store = open_store(dir_.path("b"), &rows);
  EXPECT_EQ(rows.size(), 1U) << "a view is no store: the number only";
  commit(*store, {{{'v', 1}, {1}, false}});
  store->close({{1}, {1}});
  open_store(dir_.path("b"), &rows);
  EXPECT_EQ(rows.size(), 2U);
}

}  // namespace
}  // namespace weft::node
