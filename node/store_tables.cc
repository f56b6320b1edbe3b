#include "node/store_tables.h"

#include <algorithm>
#include <array>

#include "dht/rows.h"
#include "node/store_rows.h"

namespace weft::node {
namespace {

constexpr std::size_t kIdBytes = 32;
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

// Of schema 2, in the order of kSelects.
constexpr std::array<const char*, 6> kSelects = {
    "SELECT key, author, number, remaining_s, written_ms, value FROM held ORDER BY rowid",
    "SELECT key, number, remaining_s, written_ms, renew, value FROM own ORDER BY rowid",
    "SELECT id, number, status, name, record FROM members ORDER BY rowid",
    "SELECT rank, id, address, contact FROM contacts ORDER BY rowid",
    "SELECT last_seen_ms, number FROM life",
    "SELECT key, value FROM other ORDER BY rowid"};
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

// ---- binding

bool bind(const Statement& s, int index, ByteView bytes) {
  const void* data = bytes.empty() ? static_cast<const void*>("") : bytes.data();
  return sqlite3_bind_blob(s.get(), index, data, static_cast<int>(bytes.size()), SQLITE_STATIC) ==
         SQLITE_OK;
}
bool bind(const Statement& s, int index, std::int64_t number) {
  return sqlite3_bind_int64(s.get(), index, number) == SQLITE_OK;
}
bool bind(const Statement& s, int index, std::string_view text) {
  return sqlite3_bind_text(s.get(), index, text.data(), static_cast<int>(text.size()),
                           SQLITE_STATIC) == SQLITE_OK;
}
template <class... Columns>
bool step_with(const Statement& s, const Columns&... columns) {
  int index = 0;
  return (bind(s, ++index, columns) && ...) && step_done(s.get());
}

// ---- reading

NodeId column_id(sqlite3_stmt* s, int column) {
  const Bytes bytes = column_bytes(s, column);
  return bytes.size() == kIdBytes ? id_at(bytes, 0) : NodeId{};
}

using Visit = std::function<bool(Write)>;
using ReadRow = bool (*)(sqlite3_stmt*, const Visit&);

bool visit_all(sqlite3* db, const char* sql, const Visit& visit, ReadRow read) {
  const Statement all = prepare(db, sql);
  if (!all) return false;
  int state = 0;
  while ((state = sqlite3_step(all.get())) == SQLITE_ROW) {
    if (!read(all.get(), visit)) return false;
  }
  return state == SQLITE_DONE;
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
  const Bytes blob = column_bytes(s, 5);
  if (blob.size() > dht::kBlobBytesMax) return visit({rot_key(s, dht::kValueTable, 2), {}, false});
  return visit(held_row({.key = column_id(s, 0), .author = column_id(s, 1)}, blob,
                        sqlite3_column_int64(s, 3), sqlite3_column_int64(s, 4)));
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
bool read_life(sqlite3_stmt* s, const Visit& visit) {
  const std::int64_t number = sqlite3_column_int64(s, 1);
  if (number < 0 || static_cast<std::uint64_t>(number) > kNumberMax) return false;
  return number == 0 || visit(number_row(static_cast<std::uint64_t>(number)));
}

bool visit_contacts(sqlite3* db, const Visit& visit) {
  std::vector<Contact> contacts;
  const Statement all = prepare(db, kSelects[3]);
  if (!all) return false;
  int state = 0;
  while ((state = sqlite3_step(all.get())) == SQLITE_ROW) {
    const Bytes raw = column_bytes(all.get(), 3);
    if (raw.size() < kIdBytes || contacts.size() == dht::kSavedContactsMax) continue;
    const auto endpoint = decode_endpoint(ByteView(raw).subspan(kIdBytes));
    if (!endpoint) continue;
    PublicKey key;
    std::ranges::copy(ByteView(raw).first(kIdBytes), key.bytes.begin());
    contacts.push_back(make_contact(key, *endpoint));
  }
  if (state != SQLITE_DONE) return false;
  return contacts.empty() || visit(dht::contacts_row(contacts));
}

}  // namespace

bool create_tables(sqlite3* db) {
  return run(db, kTables) &&
         run(db, "CREATE TABLE life(last_seen_ms INTEGER NOT NULL, number INTEGER NOT NULL);"
                 "INSERT INTO life VALUES(0, 0); PRAGMA user_version = 2");
}

bool upgrade_tables(sqlite3* db) {
  static_assert(kStoreSchemaVersion == 2);
  if (!run(db, "BEGIN IMMEDIATE")) return false;
  const auto copy = [db] {
    if (!run(db, kTables) ||
        !run(db, "ALTER TABLE life ADD COLUMN number INTEGER NOT NULL DEFAULT 0")) {
      return false;
    }
    TableWriter writer;
    return writer.prepare_all(db) &&
           visit_all(
               db, kSelectsOfVersion1[0],
               [&writer](const Write& row) { return writer.apply(row); }, read_plain);
  };
  if (copy() && run(db, "DROP TABLE kv; PRAGMA user_version = 2; COMMIT")) return true;
  if (sqlite3_get_autocommit(db) == 0) run(db, "ROLLBACK");
  return false;
}

std::span<const char* const> table_selects(std::int64_t version) {
  if (version < 2) return kSelectsOfVersion1;
  return kSelects;
}

bool visit_rows(sqlite3* db, std::int64_t version, const Visit& visit) {
  if (version < 2) return visit_all(db, kSelectsOfVersion1[0], visit, read_plain);
  return visit_all(db, kSelects[4], visit, read_life) &&
         visit_all(db, kSelects[2], visit, read_member) && visit_contacts(db, visit) &&
         visit_all(db, kSelects[1], visit, read_own) &&
         visit_all(db, kSelects[0], visit, read_held) &&
         visit_all(db, kSelects[5], visit, read_plain);
}

// ---- writing

bool TableWriter::prepare_all(sqlite3* db) {
  db_ = db;
  const auto make = [db](Statement& statement, const char* sql) {
    statement = prepare(db, sql);
    return statement != nullptr;
  };
  const auto others = read_number(db, "SELECT count(*) FROM other");
  others_ = others.value_or(1) != 0;
  return others && make(held_, "INSERT OR REPLACE INTO held VALUES(?1, ?2, ?3, ?4, ?5, ?6)") &&
         make(held_gone_, "DELETE FROM held WHERE key = ?1 AND author = ?2") &&
         make(own_, "INSERT OR REPLACE INTO own VALUES(?1, ?2, ?3, ?4, ?5, ?6)") &&
         make(own_gone_, "DELETE FROM own WHERE key = ?1") &&
         make(member_, "INSERT OR REPLACE INTO members VALUES(?1, ?2, ?3, ?4, ?5)") &&
         make(member_gone_, "DELETE FROM members WHERE id = ?1") &&
         make(contact_, "INSERT INTO contacts VALUES(?1, ?2, ?3, ?4)") &&
         make(contacts_gone_, "DELETE FROM contacts") &&
         make(number_, "UPDATE life SET number = ?1") &&
         make(life_, "UPDATE life SET last_seen_ms = ?1") &&
         make(other_, "INSERT OR REPLACE INTO other VALUES(?1, ?2)") &&
         make(other_gone_, "DELETE FROM other WHERE key = ?1");
}

void TableWriter::close() {
  for (Statement* statement :
       {&held_, &held_gone_, &own_, &own_gone_, &member_, &member_gone_, &contact_,
        &contacts_gone_, &number_, &life_, &other_, &other_gone_}) {
    statement->reset();
  }
}

bool TableWriter::note_life(UnixMillis wall) { return step_with(life_, wall.value); }

bool TableWriter::apply(const Write& write) {
  if (others_ && !step_with(other_gone_, ByteView(write.key))) return false;
  return write.erase ? erase(write) : put(write);
}

bool TableWriter::erase(const Write& write) {
  const ByteView key(write.key);
  if (is_held(write.key)) {
    return step_with(held_gone_, key.subspan(1, kIdBytes), key.subspan(1 + kIdBytes));
  }
  if (is_own(write.key)) return step_with(own_gone_, key.subspan(1));
  if (is_member(write.key)) return step_with(member_gone_, key.subspan(1));
  if (is_contacts(write.key)) return step_done(contacts_gone_.get());
  if (is_number(write.key)) return step_with(number_, std::int64_t{0});
  return true;  // gone from `other` already
}

// Into its table if that gives back the very same row, else into `other`.
bool TableWriter::put(const Write& write) {
  if (is_held(write.key)) return put_held(write);
  if (is_own(write.key)) return put_own(write);
  if (is_member(write.key)) return put_member(write);
  if (is_contacts(write.key)) return put_contacts(write);
  if (is_number(write.key)) return put_number(write);
  others_ = true;
  return step_with(other_, ByteView(write.key), ByteView(write.value));
}

namespace {

bool same(const Write& a, const Write& b) { return a.key == b.key && a.value == b.value; }

}  // namespace

bool TableWriter::put_odd(const Write& write) {
  others_ = true;
  return erase(write) && step_with(other_, ByteView(write.key), ByteView(write.value));
}

bool TableWriter::put_held(const Write& write) {
  const auto row = dht::read_value_row(write.key, write.value);
  if (!row) return put_odd(write);
  const dht::Slot slot{row->key, row->author};
  if (!same(held_row(slot, row->blob, row->remaining_s, row->wall_ms), write)) return put_odd(write);
  return step_with(held_, ByteView(row->key.bytes), ByteView(row->author.bytes),
                   static_cast<std::int64_t>(row->value.seq), std::int64_t{row->remaining_s},
                   row->wall_ms, ByteView(row->blob));
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

}  // namespace weft::node
