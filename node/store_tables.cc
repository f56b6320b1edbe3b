#include "node/store_tables.h"

#include <algorithm>
#include <array>

#include "dht/rows.h"
#include "node/store_rows.h"

namespace weft::node {
namespace {

constexpr std::size_t kIdBytes = 32;
constexpr const char* kIndexes =
    "CREATE INDEX held_by_end ON held(written_ms + 1000 * remaining_s);"
    "CREATE INDEX held_by_author ON held(author);";
constexpr const char* kTables =
    "CREATE TABLE held(key BLOB NOT NULL, author BLOB NOT NULL, number INTEGER NOT NULL,"
    " remaining_s INTEGER NOT NULL, written_ms INTEGER NOT NULL, value BLOB NOT NULL,"
    " PRIMARY KEY(key, author));"
    "CREATE TABLE own(key BLOB PRIMARY KEY, number INTEGER NOT NULL, remaining_s INTEGER NOT NULL,"
    " written_ms INTEGER NOT NULL, renew INTEGER NOT NULL, value BLOB NOT NULL);"
    "CREATE TABLE members(id BLOB PRIMARY KEY, number INTEGER NOT NULL, status TEXT NOT NULL,"
    " name TEXT NOT NULL, record BLOB NOT NULL);"
    "CREATE TABLE contacts(rank INTEGER PRIMARY KEY, id BLOB NOT NULL, address TEXT NOT NULL,"
    " contact BLOB NOT NULL);"
    "CREATE TABLE other(key BLOB PRIMARY KEY, value BLOB NOT NULL);";

constexpr const char* kSelectHeld =
    "SELECT key, author, number, remaining_s, written_ms, value FROM held ORDER BY rowid";
constexpr const char* kSelectOwn =
    "SELECT key, number, remaining_s, written_ms, renew, value FROM own ORDER BY rowid";
constexpr const char* kSelectMembers = "SELECT id, number, status, name, record FROM members ORDER BY rowid";
constexpr const char* kSelectContacts = "SELECT rank, id, address, contact FROM contacts ORDER BY rowid";
constexpr const char* kSelectLife = "SELECT last_seen_ms, number FROM life";
constexpr const char* kSelectOther = "SELECT key, value FROM other ORDER BY rowid";
constexpr const char* kSelectWholeLife = "SELECT last_seen_ms, number, node_ms, held_rows, held_bytes FROM life";
constexpr std::array<const char*, 8> kSelects = {kSelectHeld,      kSelectOwn,   kSelectMembers, kSelectContacts,
                                                 kSelectWholeLife, kSelectOther, kSelectSpaces,  kSelectEntries};
constexpr std::array<const char*, 6> kSelectsOfVersion3 = {
    kSelectHeld, kSelectOwn, kSelectMembers, kSelectContacts, kSelectWholeLife, kSelectOther};
constexpr std::array<const char*, 6> kSelectsOfVersion2 = {
    kSelectHeld, kSelectOwn, kSelectMembers, kSelectContacts, kSelectLife, kSelectOther};
constexpr std::array<const char*, 2> kSelectsOfVersion1 = {
    "SELECT key, value FROM kv ORDER BY rowid", "SELECT last_seen_ms FROM life"};

bool has_form(const Bytes& key, std::uint8_t table, std::size_t size) {
  return key.size() == size && key[0] == table;
}
bool is_held(const Bytes& key) { return has_form(key, dht::kValueTable, 1 + 2 * kIdBytes); }
bool is_own(const Bytes& key) { return has_form(key, dht::kOwnTable, 1 + kIdBytes); }
bool is_member(const Bytes& key) { return has_form(key, kRowMember, 1 + kIdBytes); }
bool is_contacts(const Bytes& key) { return has_form(key, dht::kContactsTable, 1); }
bool is_number(const Bytes& key) { return has_form(key, kRowNumber, 1); }

NodeId id_at(const Bytes& bytes, std::size_t at) {
  NodeId id;
  std::ranges::copy(ByteView(bytes).subspan(at, kIdBytes), id.bytes.begin());
  return id;
}

// The rows as the core encodes them, from what the columns hold.
Now written_at(std::int64_t wall_ms) { return {.mono = Instant{}, .wall = {wall_ms}}; }
Instant ends_after(std::int64_t remaining_s) {
  return Instant{} + std::chrono::seconds(
                         std::clamp<std::int64_t>(remaining_s, 0, dht::kLifetimeMaxS));
}
Write held_row(const dht::Slot& slot, ByteView blob, std::int64_t remaining_s, std::int64_t wall) {
  return dht::value_row(written_at(wall), slot, blob, ends_after(remaining_s));
}
Write own_row(const NodeId& key, Bytes blob, std::int64_t remaining_s, std::int64_t wall,
              bool renew) {
  dht::Own own;
  own.blob = std::move(blob);
  own.expires = ends_after(remaining_s);
  own.renew = renew;
  return dht::own_row(written_at(wall), key, own);
}
Write number_row(std::uint64_t number) {
  Write row{.key = {kRowNumber}, .value = Bytes(8), .erase = false};
  store_le(row.value.data(), number);
  return row;
}

std::string_view word_of(RecordStatus status) {
  return status == RecordStatus::kUp ? "up" : "left";
}

// ---- reading

NodeId column_id(sqlite3_stmt* s, int column) {
  const Bytes bytes = column_bytes(s, column);
  return bytes.size() == kIdBytes ? id_at(bytes, 0) : NodeId{};
}

using Visit = std::function<bool(Write)>;
using ReadRow = bool (*)(sqlite3_stmt*, const Visit&);

bool visit_all(sqlite3* db, const char* sql, const Visit& visit, ReadRow read) {
  return for_each_row(db, sql, [&visit, read](sqlite3_stmt* s) { return read(s, visit); });
}

bool read_plain(sqlite3_stmt* s, const Visit& visit) {
  return visit({column_bytes(s, 0), column_bytes(s, 1), false});
}
// The key of a row that was not written here: the core finds it malformed, and erases it.
Bytes rot_key(sqlite3_stmt* s, std::uint8_t table, int columns) {
  Bytes key = {table};
  for (int column = 0; column < columns; ++column) {
    const NodeId id = column_id(s, column);
    key.insert(key.end(), id.bytes.begin(), id.bytes.end());
  }
  return key;
}
bool read_held(sqlite3_stmt* s, const Visit& visit) {
  auto row = held_row_at(s);
  return row ? visit(std::move(*row)) : visit({rot_key(s, dht::kValueTable, 2), {}, false});
}
bool read_own(sqlite3_stmt* s, const Visit& visit) {
  Bytes blob = column_bytes(s, 5);
  if (blob.size() > dht::kBlobBytesMax) return visit({rot_key(s, dht::kOwnTable, 1), {}, false});
  return visit(own_row(column_id(s, 0), std::move(blob), sqlite3_column_int64(s, 2),
                       sqlite3_column_int64(s, 3), sqlite3_column_int64(s, 4) != 0));
}
bool read_member(sqlite3_stmt* s, const Visit& visit) {
  Write row{.key = {kRowMember}, .value = column_bytes(s, 4), .erase = false};
  const NodeId id = column_id(s, 0);
  row.key.insert(row.key.end(), id.bytes.begin(), id.bytes.end());
  return visit(std::move(row));
}
bool read_number_of(sqlite3_stmt* s, const Visit& visit) {
  const std::int64_t number = sqlite3_column_int64(s, 1);
  if (number < 0 || static_cast<std::uint64_t>(number) > kNumberMax) return false;
  return number == 0 || visit(number_row(static_cast<std::uint64_t>(number)));
}

bool visit_contacts(sqlite3* db, const Visit& visit) {
  std::vector<Contact> contacts;
  const auto read = [&contacts](sqlite3_stmt* s) {
    const Bytes raw = column_bytes(s, 3);
    if (raw.size() < kIdBytes || contacts.size() == dht::kSavedContactsMax) return true;
    const auto endpoint = decode_endpoint(ByteView(raw).subspan(kIdBytes));
    if (!endpoint) return true;
    PublicKey key;
    std::ranges::copy(ByteView(raw).first(kIdBytes), key.bytes.begin());
    contacts.push_back(make_contact(key, *endpoint));
    return true;
  };
  if (!for_each_row(db, kSelectContacts, read)) return false;
  return contacts.empty() || visit(dht::contacts_row(contacts));
}

}  // namespace

bool create_tables(sqlite3* db) {
  return run(db, kTables) && run(db, kIndexes) && create_state_tables(db) &&
         run(db, "CREATE TABLE life(last_seen_ms INTEGER NOT NULL, number INTEGER NOT NULL,"
                 " node_ms INTEGER NOT NULL, held_rows INTEGER NOT NULL, held_bytes INTEGER NOT NULL);"
                 "INSERT INTO life VALUES(0, 0, 0, 0, 0); PRAGMA user_version = 4");
}

namespace {

bool upgrade_to_2(sqlite3* db) {
  return run(db, kTables) && run(db, "ALTER TABLE life ADD COLUMN number INTEGER NOT NULL DEFAULT 0");
}
// The clock that all times were taken from so far was the wall's.
bool upgrade_to_3(sqlite3* db) {
  return run(db, kIndexes) &&
         run(db, "ALTER TABLE life ADD COLUMN node_ms INTEGER NOT NULL DEFAULT 0;"
                 "ALTER TABLE life ADD COLUMN held_rows INTEGER NOT NULL DEFAULT 0;"
                 "ALTER TABLE life ADD COLUMN held_bytes INTEGER NOT NULL DEFAULT 0;"
                 "UPDATE life SET node_ms = last_seen_ms; PRAGMA user_version = 3") &&
         mend_totals(db).has_value();
}
// Rows of shared state had no table, so whoever wrote them finds them in `other`: from there they would be visited
// out of their order.
bool move_rows_of_state(sqlite3* db) {
  std::vector<Write> rows;
  const auto take = [&rows](Write row) {
    if (is_state_row(row.key)) rows.push_back(std::move(row));
    return true;
  };
  TableWriter writer;
  return visit_all(db, kSelectOther, take, read_plain) && writer.prepare_all(db) &&
         std::ranges::all_of(rows, [&writer](const Write& row) { return writer.apply(row); }) && writer.note_life({});
}
bool upgrade_to_4(sqlite3* db) {
  return create_state_tables(db) && run(db, "PRAGMA user_version = 4") && move_rows_of_state(db);
}
bool move_rows_of_version_1(sqlite3* db) {
  TableWriter writer;
  return writer.prepare_all(db) &&
         visit_all(
             db, kSelectsOfVersion1[0], [&writer](const Write& row) { return writer.apply(row); },
             read_plain) &&
         writer.note_life({}) && run(db, "DROP TABLE kv");
}

}  // namespace

bool upgrade_tables(sqlite3* db) {
  static_assert(kStoreSchemaVersion == 4);
  if (!run(db, "BEGIN IMMEDIATE")) return false;
  const auto version = read_number(db, "PRAGMA user_version");
  const bool upgraded =
      version == 1   ? upgrade_to_2(db) && upgrade_to_3(db) && upgrade_to_4(db) && move_rows_of_version_1(db)
      : version == 2 ? upgrade_to_3(db) && upgrade_to_4(db)
      : version == 3 ? upgrade_to_4(db)
                     : false;
  if (upgraded && run(db, "COMMIT")) return true;
  if (sqlite3_get_autocommit(db) == 0) run(db, "ROLLBACK");
  return false;
}

std::span<const char* const> table_selects(std::int64_t version) {
  if (version < 2) return kSelectsOfVersion1;
  if (version == 2) return kSelectsOfVersion2;
  if (version == 3) return kSelectsOfVersion3;
  return kSelects;
}

bool visit_rows(sqlite3* db, std::int64_t version, const Visit& visit, Rows which) {
  if (version < 2) return visit_all(db, kSelectsOfVersion1[0], visit, read_plain);
  return visit_all(db, kSelectLife, visit, read_number_of) &&
         visit_all(db, kSelectMembers, visit, read_member) && visit_contacts(db, visit) &&
         visit_all(db, kSelectOwn, visit, read_own) && (version < 4 || visit_state(db, visit)) &&
         (which == Rows::kAllButHeld || visit_all(db, kSelectHeld, visit, read_held)) &&
         visit_all(db, kSelectOther, visit, read_plain);
}

std::optional<Write> held_row_at(sqlite3_stmt* s) {
  const Bytes key = column_bytes(s, 0);
  const Bytes author = column_bytes(s, 1);
  const Bytes blob = column_bytes(s, 5);
  if (key.size() != kIdBytes || author.size() != kIdBytes || blob.size() > dht::kBlobBytesMax) return std::nullopt;
  return held_row({.key = id_at(key, 0), .author = id_at(author, 0)}, blob, sqlite3_column_int64(s, 3),
                  sqlite3_column_int64(s, 4));
}

std::optional<Life> read_life(sqlite3* db) {
  const Statement life = prepare(db, "SELECT last_seen_ms, node_ms, held_rows, held_bytes FROM life");
  if (!life || sqlite3_step(life.get()) != SQLITE_ROW) return std::nullopt;
  const auto at_least_0 = [&life](int column) {
    return static_cast<std::uint64_t>(std::max<std::int64_t>(0, sqlite3_column_int64(life.get(), column)));
  };
  return Life{.last = {{sqlite3_column_int64(life.get(), 0)}, {sqlite3_column_int64(life.get(), 1)}},
              .held = {.values = at_least_0(2), .bytes = at_least_0(3)}};
}

std::optional<bool> mend_totals(sqlite3* db) {
  const auto right = read_number(db, "SELECT (held_rows, held_bytes) ="
                                     " (SELECT count(*), ifnull(sum(length(value)), 0) FROM held) FROM life");
  if (!right) return std::nullopt;
  if (*right != 0) return false;
  if (!run(db, "UPDATE life SET (held_rows, held_bytes) ="
               " (SELECT count(*), ifnull(sum(length(value)), 0) FROM held)")) {
    return std::nullopt;
  }
  return true;
}

// ---- writing

bool TableWriter::prepare_all(sqlite3* db) {
  db_ = db;
  const auto make = [db](Statement& statement, const char* sql) {
    statement = prepare(db, sql);
    return statement != nullptr;
  };
  const auto others = read_number(db, "SELECT EXISTS(SELECT 1 FROM other)");
  others_ = others.value_or(1) != 0;
  return others && make(held_at_, "SELECT rowid, length(value) FROM held WHERE key = ?1 AND author = ?2") &&
         make(held_, "UPDATE held SET number = ?1, remaining_s = ?2, written_ms = ?3, value = ?4 WHERE rowid = ?5") &&
         make(held_new_, "INSERT INTO held VALUES(?1, ?2, ?3, ?4, ?5, ?6)") &&
         make(held_gone_, "DELETE FROM held WHERE rowid = ?1") &&
         make(own_, "INSERT OR REPLACE INTO own VALUES(?1, ?2, ?3, ?4, ?5, ?6)") &&
         make(own_gone_, "DELETE FROM own WHERE key = ?1") &&
         make(member_, "INSERT OR REPLACE INTO members VALUES(?1, ?2, ?3, ?4, ?5)") &&
         make(member_gone_, "DELETE FROM members WHERE id = ?1") &&
         make(contact_, "INSERT INTO contacts VALUES(?1, ?2, ?3, ?4)") &&
         make(contacts_gone_, "DELETE FROM contacts") &&
         make(number_, "UPDATE life SET number = ?1") &&
         make(life_, "UPDATE life SET last_seen_ms = ifnull(nullif(?1, 0), last_seen_ms),"
                     " node_ms = ifnull(nullif(?2, 0), node_ms),"
                     " held_rows = held_rows + ?3, held_bytes = held_bytes + ?4") &&
         make(other_, "INSERT OR REPLACE INTO other VALUES(?1, ?2)") &&
         make(other_gone_, "DELETE FROM other WHERE key = ?1") && state_.prepare_all(db);
}

void TableWriter::close() {
  for (Statement* statement :
       {&held_at_, &held_, &held_new_, &held_gone_, &own_, &own_gone_, &member_, &member_gone_, &contact_,
        &contacts_gone_, &number_, &life_, &other_, &other_gone_}) {
    statement->reset();
  }
  state_.close();
}

bool TableWriter::note_life(Stamp stamp) {
  const bool noted =
      step_with(life_, stamp.wall.value, stamp.node.value, held_rows_added_, held_bytes_added_);
  rolled_back();  // counted, or the caller rolls back
  return noted;
}

void TableWriter::rolled_back() {
  held_rows_added_ = 0;
  held_bytes_added_ = 0;
}

bool TableWriter::apply(const Write& write) {
  if (others_ && !step_with(other_gone_, ByteView(write.key))) return false;
  return write.erase ? erase(write) : put(write);
}

bool TableWriter::erase(const Write& write) {
  const ByteView key(write.key);
  if (is_held(write.key)) {
    return erase_held(key.subspan(1, kIdBytes), key.subspan(1 + kIdBytes));
  }
  if (is_own(write.key)) return step_with(own_gone_, key.subspan(1));
  if (is_member(write.key)) return step_with(member_gone_, key.subspan(1));
  if (is_contacts(write.key)) return step_done(contacts_gone_.get());
  if (is_number(write.key)) return step_with(number_, std::int64_t{0});
  if (is_state_row(write.key)) return state_.erase(write.key);
  return true;  // gone from `other` already
}

// Into its table if that gives back the very same row, else into `other`.
bool TableWriter::put(const Write& write) {
  if (is_held(write.key)) return put_held(write);
  if (is_own(write.key)) return put_own(write);
  if (is_member(write.key)) return put_member(write);
  if (is_contacts(write.key)) return put_contacts(write);
  if (is_number(write.key)) return put_number(write);
  if (is_state_row(write.key)) return put_state(write);
  return put_other(write);
}

namespace {

bool same(const Write& a, const Write& b) { return a.key == b.key && a.value == b.value; }

}  // namespace

bool TableWriter::put_other(const Write& write) {
  others_ = true;
  return step_with(other_, ByteView(write.key), ByteView(write.value));
}

bool TableWriter::put_odd(const Write& write) { return erase(write) && put_other(write); }

bool TableWriter::find_held(ByteView key, ByteView author, HeldAt& found) {
  if (!bind_all(held_at_, key, author)) return false;
  const int state = sqlite3_step(held_at_.get());
  if (state == SQLITE_ROW) {
    found = {.rowid = sqlite3_column_int64(held_at_.get(), 0),
             .bytes = sqlite3_column_int64(held_at_.get(), 1)};
  }
  sqlite3_reset(held_at_.get());
  return state == SQLITE_ROW || state == SQLITE_DONE;
}

bool TableWriter::erase_held(ByteView key, ByteView author) {
  HeldAt there;
  if (!find_held(key, author, there)) return false;
  if (there.rowid == 0) return true;
  held_rows_added_ -= 1;
  held_bytes_added_ -= there.bytes;
  return step_with(held_gone_, there.rowid);
}

// A row that is there is changed where it lies: INSERT OR REPLACE would move it, and with it its entry in
// every index.
bool TableWriter::put_held(const Write& write) {
  const auto row = dht::read_value_row(write.key, write.value);
  if (!row) return put_odd(write);
  const dht::Slot slot{row->key, row->author};
  if (!same(held_row(slot, row->blob, row->remaining_s, row->wall_ms), write)) return put_odd(write);
  HeldAt there;
  if (!find_held(row->key.bytes, row->author.bytes, there)) return false;
  const auto number = static_cast<std::int64_t>(row->value.seq);
  const auto bytes = static_cast<std::int64_t>(row->blob.size());
  held_bytes_added_ += bytes - there.bytes;
  if (there.rowid != 0) {
    return step_with(held_, number, std::int64_t{row->remaining_s}, row->wall_ms, ByteView(row->blob), there.rowid);
  }
  held_rows_added_ += 1;
  return step_with(held_new_, ByteView(row->key.bytes), ByteView(row->author.bytes), number,
                   std::int64_t{row->remaining_s}, row->wall_ms, ByteView(row->blob));
}

bool TableWriter::put_own(const Write& write) {
  const auto row = dht::read_own_row(write.key, write.value);
  if (!row) return put_odd(write);
  if (!same(own_row(row->key, row->blob, row->remaining_s, row->wall_ms, row->renew), write)) {
    return put_odd(write);
  }
  return step_with(own_, ByteView(row->key.bytes), static_cast<std::int64_t>(row->value.seq),
                   std::int64_t{row->remaining_s}, row->wall_ms, std::int64_t{row->renew},
                   ByteView(row->blob));
}

bool TableWriter::put_member(const Write& write) {
  Signature signature;
  const auto record = decode_record(write.value, signature);
  if (!record || node_id_of(record->key) != id_at(write.key, 1)) return put_odd(write);
  return step_with(member_, ByteView(write.key).subspan(1),
                   static_cast<std::int64_t>(record->number), word_of(record->status),
                   std::string_view(record->name), ByteView(write.value));
}

bool TableWriter::put_contacts(const Write& write) {
  const std::vector<Contact> contacts = dht::read_contacts_row(write.value);
  if (contacts.empty() || !same(dht::contacts_row(contacts), write)) return put_odd(write);
  if (!step_done(contacts_gone_.get())) return false;
  std::int64_t rank = 0;
  for (const Contact& contact : contacts) {
    ByteArray<kIdBytes + kEndpointWireMax> raw;
    std::ranges::copy(contact.key.bytes, raw.begin());
    const std::size_t size =
        kIdBytes + encode_endpoint(contact.endpoint, MutableBytes(raw).subspan(kIdBytes));
    const std::string address = to_string(contact.endpoint);
    if (!step_with(contact_, ++rank, ByteView(contact.id.bytes), std::string_view(address),
                   ByteView(raw).first(size))) {
      return false;
    }
  }
  return true;
}

bool TableWriter::put_number(const Write& write) {
  if (write.value.size() != 8) return put_odd(write);
  const auto number = load_le<std::uint64_t>(write.value.data());
  if (number == 0 || number > kNumberMax) return put_odd(write);
  return step_with(number_, static_cast<std::int64_t>(number));
}

// An odd genesis is no reason to let go of the entries, as put_odd() would.
bool TableWriter::put_state(const Write& write) {
  switch (state_.put(write)) {
    case StateTables::Put::kWritten: return true;
    case StateTables::Put::kOdd: return state_.erase_row(write.key) && put_other(write);
    case StateTables::Put::kFailed: return false;
  }
  return false;
}

}  // namespace weft::node
