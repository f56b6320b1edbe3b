// The tables: what a person reads in them, that rows come back byte for byte, and the way from version 1.
#include "node/store_tables.h"

#include <gmock/gmock.h>

#include <map>

#include "crypto/provider.h"
#include "dht/rows.h"
#include "node/store_rows.h"
#include "node/store_sqlite.h"
#include "tests/node/scratch_dir.h"

namespace weft::node {
namespace {

using testing::HasSubstr;

constexpr Now kThen{.mono = Instant{}, .wall = {1'700'000'000'123}};

NodeId id(std::uint8_t fill) {
  NodeId out;
  out.bytes.fill(fill);
  return out;
}

const Identity& identity() {
  static const SodiumProvider provider;
  static const Identity alice(provider, {3});
  return alice;
}

// One row of each kind, and what a row that no table fits looks like.
std::vector<Write> all_kinds() {
  const Identity& self = identity();
  const Bytes blob = dht::sign_value(
      self, {.key = id(1), .seq = 7, .lifetime_s = 600, .value = as_bytes("hello")});
  dht::Own own;
  own.blob = blob;
  own.expires = Instant{} + 600s;
  own.renew = true;
  const std::vector<Contact> contacts = {
      make_contact(self.public_key(), *parse_endpoint("1.2.3.4:5")),
      make_contact(self.public_key(), *parse_endpoint("[2001:db8::1]:6"))};
  RecordFields fields;
  fields.number = 9;
  fields.name = "alice";
  const RecordRef record = make_record(self, fields);
  Bytes member_key(33, kRowMember);
  std::ranges::copy(record->id.bytes, member_key.begin() + 1);
  return {{{kRowNumber}, {42, 1, 0, 0, 0, 0, 0, 0}, false},
          {member_key, record->wire, false},
          dht::contacts_row(contacts),
          dht::own_row(kThen, id(1), own),
          dht::value_row(kThen, {id(1), self.id()}, blob, Instant{} + 300s),
          {{'x', 1}, {2}, false}};
}

std::map<Bytes, Bytes> by_key(const std::vector<Write>& rows) {
  std::map<Bytes, Bytes> out;
  for (const Write& row : rows) EXPECT_TRUE(out.emplace(row.key, row.value).second) << "twice";
  return out;
}

class Tables : public testing::Test {
 protected:
  void open(const std::string& path) {
    sqlite3* raw = nullptr;
    ASSERT_EQ(sqlite3_open(path.c_str(), &raw), SQLITE_OK);
    db_.reset(raw);
  }
  void SetUp() override {
    open(":memory:");
    ASSERT_TRUE(create_tables(db_.get()));
    ASSERT_TRUE(writer_.prepare_all(db_.get()));
  }
  void TearDown() override { writer_.close(); }
  std::vector<Write> rows(std::int64_t version = kStoreSchemaVersion) {
    std::vector<Write> out;
    EXPECT_TRUE(visit_rows(db_.get(), version, [&out](Write row) {
      out.push_back(std::move(row));
      return true;
    }));
    return out;
  }
  // The rows of a query as text, columns divided by bars.
  std::string shell(const std::string& sql) {
    std::string out;
    const Statement all = prepare(db_.get(), sql.c_str());
    if (!all) return sqlite3_errmsg(db_.get());
    while (sqlite3_step(all.get()) == SQLITE_ROW) {
      for (int i = 0; i < sqlite3_column_count(all.get()); ++i) {
        const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(all.get(), i));
        out += std::string(i > 0 ? "|" : "") + (text == nullptr ? "" : text);
      }
      out += "\n";
    }
    return out;
  }

  Db db_;
  TableWriter writer_;
};

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
  ASSERT_TRUE(writer_.note_life({5}));
  EXPECT_EQ(shell("SELECT last_seen_ms, number FROM life"), "5|298\n");
  EXPECT_EQ(shell("SELECT lower(hex(id)) = '" + to_hex(identity().id().bytes) + "', number, status, name FROM members"),
            "1|9|up|alice\n");
  EXPECT_EQ(shell("SELECT rank, address FROM contacts"), "1|1.2.3.4:5\n2|[2001:db8::1]:6\n");
  EXPECT_EQ(shell("SELECT number, remaining_s, written_ms, renew FROM own"), "7|600|1700000000123|1\n");
  EXPECT_EQ(shell("SELECT number, remaining_s, written_ms FROM held"), "7|300|1700000000123\n");
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
    EXPECT_EQ(read_number(raw, "SELECT count(*) FROM kv"), std::int64_t{6});
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

}  // namespace
}  // namespace weft::node
