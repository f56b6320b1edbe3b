#include "node/store_state.h"

#include <algorithm>
#include <limits>

#include "crypto/provider.h"
#include "gossip/state/state.h"

namespace weft::node {
namespace {

constexpr std::size_t kSpaceBytes = sizeof(state::NamespaceId);
constexpr std::size_t kEntryIdBytes = sizeof(state::EntryId);
constexpr std::size_t kArrivalBytes = 8;
constexpr std::uint64_t kGenesisFormat = 1;

constexpr const char* kTables =
    "CREATE TABLE spaces(id BLOB PRIMARY KEY, name TEXT NOT NULL, access TEXT NOT NULL, creator BLOB NOT NULL,"
    " genesis BLOB NOT NULL);"
    "CREATE TABLE entries(space BLOB NOT NULL, id BLOB NOT NULL, arrival INTEGER NOT NULL, author BLOB NOT NULL,"
    " epoch TEXT NOT NULL, seq INTEGER NOT NULL, kind TEXT NOT NULL, path TEXT NOT NULL, stamp_ms INTEGER NOT NULL,"
    " entry BLOB NOT NULL, PRIMARY KEY(space, id));"
    "CREATE INDEX entries_by_arrival ON entries(space, arrival);";

bool is_space(const Bytes& key) { return key.size() == 1 + kSpaceBytes && key[0] == state::kRowSpace; }
bool is_entry(const Bytes& key) { return key.size() == 1 + kSpaceBytes + kEntryIdBytes && key[0] == state::kRowEntry; }
ByteView space_of(const Bytes& key) { return ByteView(key).subspan(1, kSpaceBytes); }
ByteView entry_id_of(const Bytes& key) { return ByteView(key).subspan(1 + kSpaceBytes); }

// ---- columns for people

std::string_view word_of(state::Access access) {
  switch (access) {
    case state::Access::kOpen: return "open";
    case state::Access::kOwned: return "owned";
  }
  return "unknown";
}

std::string_view word_of(state::Kind kind) {
  switch (kind) {
    case state::Kind::kSet: return "set";
    case state::Kind::kCount: return "count";
    case state::Kind::kAdd: return "add";
    case state::Kind::kRemove: return "remove";
    case state::Kind::kClear: return "clear";
    case state::Kind::kCheckpoint: return "checkpoint";
    case state::Kind::kGrant: return "grant";
    case state::Kind::kRevoke: return "revoke";
    case state::Kind::kFork: return "fork";
  }
  return "unknown";
}

// SQLite's integers have a sign; digits of one length lie in the order of the numbers.
std::string hex_of(std::uint64_t number) {
  ByteArray<8> bytes;
  store_le(bytes.data(), number);
  std::ranges::reverse(bytes);
  return to_hex(bytes);
}

struct SpaceColumns {
  std::string_view name;
  std::string_view access;
  NodeId creator;
};

// Without the signature, for which a verifier would be needed. nullopt: not of the form, or of another namespace.
std::optional<SpaceColumns> columns_of(ByteView space, ByteView genesis) {
  if (genesis.size() > state::kGenesisBytesMax) return std::nullopt;
  Reader outer(genesis);
  outer.array_of(2);
  const ByteView body = outer.bin(state::kGenesisBytesMax);
  static_cast<void>(outer.bin_exact<64>());
  if (outer.finish()) return std::nullopt;
  Reader reader(body);
  reader.array_of(4);
  if (reader.uint() != kGenesisFormat) reader.fail(DecodeError::kBadValue);
  const auto access = static_cast<state::Access>(reader.uint(static_cast<std::uint64_t>(state::Access::kLast)));
  const std::string_view name = as_text(reader.bin(state::kNameMax));
  const PublicKey creator{reader.bin_exact<32>()};
  if (reader.finish() || !state::valid_name(name)) return std::nullopt;
  const ByteArray<1> zero{};
  if (!equal(blake2b_256(as_bytes(state::kNamespaceDomain), zero, body), space)) return std::nullopt;
  return SpaceColumns{.name = name, .access = word_of(access), .creator = node_id_of(creator)};
}

// ---- reading

// Appends a column of that many bytes; zeros in place of one of another length. The core finds what is under such
// a key to be another's.
void append_column(Bytes& key, sqlite3_stmt* s, int column, std::size_t size) {
  Bytes bytes = column_bytes(s, column);
  if (bytes.size() != size) bytes.assign(size, 0);
  key.insert(key.end(), bytes.begin(), bytes.end());
}

Write space_at(sqlite3_stmt* s) {
  Write row{.key = {state::kRowSpace}, .value = column_bytes(s, 1), .erase = false};
  append_column(row.key, s, 0, kSpaceBytes);
  if (row.value.size() > state::kGenesisBytesMax) row.value.clear();
  return row;
}

// What was not written here is told without its value, so that the core refuses it: an arrival that none
// can be would count on from there.
Write entry_at(sqlite3_stmt* s) {
  Write row{.key = {state::kRowEntry}, .value = {}, .erase = false};
  append_column(row.key, s, 0, kSpaceBytes);
  append_column(row.key, s, 1, kEntryIdBytes);
  const std::int64_t arrival = sqlite3_column_int64(s, 2);
  const Bytes entry = column_bytes(s, 3);
  if (arrival < 0 || entry.size() > state::kEntryBytesMax) return row;
  row.value.resize(kArrivalBytes);
  store_le(row.value.data(), static_cast<std::uint64_t>(arrival));
  row.value.insert(row.value.end(), entry.begin(), entry.end());
  return row;
}

}  // namespace

bool is_state_row(const Bytes& key) { return is_space(key) || is_entry(key); }

bool create_state_tables(sqlite3* db) { return run(db, kTables); }

bool visit_state(sqlite3* db, const std::function<bool(Write)>& visit) {
  return for_each_row(db, "SELECT id, genesis FROM spaces ORDER BY rowid",
                      [&visit](sqlite3_stmt* s) { return visit(space_at(s)); }) &&
         for_each_row(db, kSelectArrivals, [&visit](sqlite3_stmt* s) { return visit(entry_at(s)); });
}

// ---- writing

bool StateTables::prepare_all(sqlite3* db) {
  const auto make = [db](Statement& statement, const char* sql) {
    statement = prepare(db, sql);
    return statement != nullptr;
  };
  return make(space_, "INSERT OR REPLACE INTO spaces VALUES(?1, ?2, ?3, ?4, ?5)") &&
         make(space_gone_, "DELETE FROM spaces WHERE id = ?1") &&
         make(entry_, "INSERT OR REPLACE INTO entries VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)") &&
         make(entry_gone_, "DELETE FROM entries WHERE space = ?1 AND id = ?2") &&
         make(entries_gone_, "DELETE FROM entries WHERE space = ?1") &&
         make(odd_entries_gone_, "DELETE FROM other WHERE key BETWEEN ?1 AND ?2 AND length(key) = length(?1)");
}

void StateTables::close() {
  for (Statement* statement : {&space_, &space_gone_, &entry_, &entry_gone_, &entries_gone_, &odd_entries_gone_}) {
    statement->reset();
  }
}

StateTables::Put StateTables::put(const Write& write) {
  return is_space(write.key) ? put_space(write) : put_entry(write);
}

StateTables::Put StateTables::put_space(const Write& write) {
  const auto columns = columns_of(space_of(write.key), write.value);
  if (!columns) return Put::kOdd;
  const bool written = step_with(space_, space_of(write.key), columns->name, columns->access,
                                 ByteView(columns->creator.bytes), ByteView(write.value));
  return written ? Put::kWritten : Put::kFailed;
}

StateTables::Put StateTables::put_entry(const Write& write) {
  if (write.value.size() < kArrivalBytes) return Put::kOdd;
  const auto arrival = load_le<std::uint64_t>(write.value.data());
  if (arrival > std::uint64_t{std::numeric_limits<std::int64_t>::max()}) return Put::kOdd;
  const ByteView wire = ByteView(write.value).subspan(kArrivalBytes);
  const auto entry = state::decode_entry(wire);
  if (!entry || !equal(entry->content.space.bytes, space_of(write.key)) ||
      !equal(entry->id.bytes, entry_id_of(write.key))) {
    return Put::kOdd;
  }
  const state::Content& content = entry->content;
  const NodeId author = node_id_of(content.author);
  const std::string epoch = hex_of(content.epoch);
  const bool written =
      step_with(entry_, space_of(write.key), entry_id_of(write.key), static_cast<std::int64_t>(arrival),
                ByteView(author.bytes), std::string_view(epoch), static_cast<std::int64_t>(content.seq),
                word_of(content.kind), as_text(content.path), static_cast<std::int64_t>(content.stamp >> 16), wire);
  return written ? Put::kWritten : Put::kFailed;
}

bool StateTables::erase(const Bytes& key) {
  if (!erase_row(key)) return false;
  if (!is_space(key)) return true;
  Bytes first = {state::kRowEntry};
  first.insert(first.end(), key.begin() + 1, key.end());
  Bytes last = first;
  first.resize(first.size() + kEntryIdBytes, 0);
  last.resize(last.size() + kEntryIdBytes, 0xff);
  return step_with(entries_gone_, space_of(key)) && step_with(odd_entries_gone_, ByteView(first), ByteView(last));
}

bool StateTables::erase_row(const Bytes& key) {
  if (is_space(key)) return step_with(space_gone_, space_of(key));
  return step_with(entry_gone_, space_of(key), entry_id_of(key));
}

}  // namespace weft::node
