#include "node/store_loads.h"

#include <algorithm>
#include <array>

#include "node/store.h"
#include "node/store_tables.h"

namespace weft::node {
namespace {

constexpr int kIdBits = 256;
// The columns in the order of held_row_at().
constexpr const char* kKeys =
    "SELECT key, author, number, remaining_s, written_ms, value FROM held"
    " WHERE key BETWEEN ?1 AND ?2 ORDER BY key, author";
constexpr const char* kOfAuthor = "SELECT count(*) FROM (SELECT 1 FROM held WHERE author = ?1 LIMIT ?2)";
// The expression is written as in the index, or the index would not be used. Read until a row that has not ended.
constexpr const char* kEnded =
    "SELECT key, author, number, remaining_s, written_ms, value, written_ms + 1000 * remaining_s FROM held"
    " ORDER BY written_ms + 1000 * remaining_s";
constexpr const char* kFirstKey =
    "SELECT key FROM held WHERE key BETWEEN ?1 AND ?2 AND length(key) = 32 ORDER BY key LIMIT 1";
constexpr const char* kLastKey =
    "SELECT key FROM held WHERE key BETWEEN ?1 AND ?2 AND length(key) = 32 ORDER BY key DESC LIMIT 1";
constexpr const char* kCount =
    "SELECT count(*) FROM (SELECT 1 FROM held WHERE key BETWEEN ?1 AND ?2 AND length(key) = 32 AND"
    " length(author) = 32 LIMIT ?3)";
constexpr std::array<const char*, 6> kStatements = {kKeys, kOfAuthor, kEnded, kFirstKey, kLastKey, kCount};

// A statement in use; made ready for the next time at the end. What is bound must live as long.
class Query {
 public:
  explicit Query(const Statement& statement) : s_(statement.get()) {}
  ~Query() { sqlite3_reset(s_); }
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;

  bool bind(int index, const NodeId& id) {
    return sqlite3_bind_blob(s_, index, id.bytes.data(), static_cast<int>(id.bytes.size()), SQLITE_STATIC) == SQLITE_OK;
  }
  bool bind(int index, std::size_t number) {
    return sqlite3_bind_int64(s_, index, static_cast<sqlite3_int64>(std::min<std::size_t>(number, INT32_MAX))) ==
           SQLITE_OK;
  }
  // True: there is a row. Else see ended().
  bool next() { return (state_ = sqlite3_step(s_)) == SQLITE_ROW; }
  bool ended() const { return state_ == SQLITE_DONE; }
  sqlite3_stmt* row() const { return s_; }

 private:
  sqlite3_stmt* s_;
  int state_ = SQLITE_ERROR;
};

bool bit_of(const NodeId& id, int bit) {
  return (static_cast<unsigned>(id.bytes[static_cast<std::size_t>(bit / 8)]) >> (7 - bit % 8) & 1U) != 0;
}
// `id` up to `bit`, there `set`, and behind it `fill` everywhere.
NodeId with_bits(NodeId id, int bit, bool set, bool fill) {
  for (int i = bit; i < kIdBits; ++i) {
    auto& byte = id.bytes[static_cast<std::size_t>(i / 8)];
    const auto mask = static_cast<std::uint8_t>(0x80U >> (i % 8));
    const bool one = i == bit ? set : fill;
    byte = static_cast<std::uint8_t>(one ? byte | mask : byte & ~mask);
  }
  return id;
}

// The key of a 'v' row.
NodeId key_of(const Write& row) {
  NodeId key;
  std::ranges::copy(ByteView(row.key).subspan(1, key.bytes.size()), key.bytes.begin());
  return key;
}

}  // namespace

std::span<const char* const> load_statements() { return kStatements; }

bool LoadReader::prepare_all(sqlite3* db) {
  db_ = db;
  const auto make = [db](Statement& statement, const char* sql) {
    statement = prepare(db, sql);
    return statement != nullptr;
  };
  return make(begin_, "BEGIN") && make(end_, "ROLLBACK") && make(keys_, kKeys) && make(of_author_, kOfAuthor) &&
         make(ended_, kEnded) && make(first_key_, kFirstKey) && make(last_key_, kLastKey) && make(count_, kCount);
}

void LoadReader::close() {
  for (Statement* statement : {&begin_, &end_, &keys_, &of_author_, &ended_, &first_key_, &last_key_, &count_}) {
    statement->reset();
  }
}

dht::Loaded LoadReader::answer(const dht::Load& load, std::string& why) {
  dht::Loaded loaded = not_loaded(load.ticket);
  // The snapshot is taken by the first read and kept for those that follow.
  loaded.ok = step_done(begin_.get()) &&
              std::visit([&](const auto& what) { return read(what, loaded); }, load.what);
  if (!loaded.ok) why = reason_of(db_);  // before the next call has an outcome of its own
  if (sqlite3_get_autocommit(db_) == 0) step_done(end_.get());
  if (!loaded.ok) return not_loaded(load.ticket);
  return loaded;
}

bool LoadReader::read(const dht::LoadKeys& load, dht::Loaded& loaded) {
  if (load.author && !count_author(*load.author, load.author_max, loaded.of_author)) return false;
  Query query(keys_);
  if (!query.bind(1, load.first) || !query.bind(2, load.last)) return false;
  while (query.next()) {
    auto row = held_row_at(query.row());
    if (!row) {
      ++rotten_total_;
      continue;
    }
    if (loaded.rows.size() >= load.rows_max && !loaded.rows.empty() && key_of(*row) != key_of(loaded.rows.back())) {
      loaded.more = true;
      return true;
    }
    loaded.rows.push_back(std::move(*row));
  }
  return query.ended();
}

bool LoadReader::count_author(const NodeId& author, std::size_t max, std::size_t& count) {
  Query query(of_author_);
  if (!query.bind(1, author) || !query.bind(2, max) || !query.next()) return false;
  count = static_cast<std::size_t>(sqlite3_column_int64(query.row(), 0));
  return true;
}

bool LoadReader::read(const dht::LoadEnded& load, dht::Loaded& loaded) {
  Query query(ended_);
  while (query.next()) {
    auto row = held_row_at(query.row());
    if (!row) {
      ++rotten_total_;
      continue;
    }
    const std::int64_t end = sqlite3_column_int64(query.row(), 6);
    if (end > load.until_ms || loaded.rows.size() >= load.rows_max) {
      loaded.next_end_ms = end;
      return true;
    }
    loaded.rows.push_back(std::move(*row));
  }
  return query.ended();
}

std::optional<std::size_t> LoadReader::count_keys(const NodeId& first, const NodeId& last, std::size_t max) {
  Query query(count_);
  if (!query.bind(1, first) || !query.bind(2, last) || !query.bind(3, max) || !query.next()) return std::nullopt;
  return static_cast<std::size_t>(sqlite3_column_int64(query.row(), 0));
}

// nullopt: an error, as the caller has counted some.
std::optional<NodeId> LoadReader::edge_key(const Statement& statement, const NodeId& first, const NodeId& last) {
  Query query(statement);
  if (!query.bind(1, first) || !query.bind(2, last) || !query.next()) return std::nullopt;
  const Bytes bytes = column_bytes(query.row(), 0);
  NodeId key;
  if (bytes.size() != key.bytes.size()) return std::nullopt;
  std::ranges::copy(bytes, key.bytes.begin());
  return key;
}

// The subtree shrinks to where its first and its last key part, and from there to the half that `from` is not in:
// both halves have keys, so each turn of the loop leaves at least one behind, and there are at most kIdBits.
bool LoadReader::read(const dht::LoadFarthest& load, dht::Loaded& loaded) {
  NodeId first;
  NodeId last = with_bits({}, 0, /*set=*/true, /*fill=*/true);
  const std::size_t rows_max = std::max<std::size_t>(load.rows_max, 1);
  for (int depth = 0; depth <= kIdBits; ++depth) {
    const auto count = count_keys(first, last, rows_max + 1);
    if (!count) return false;
    if (*count <= rows_max) break;
    const auto least = edge_key(first_key_, first, last);
    const auto most = edge_key(last_key_, first, last);
    if (!least || !most) return false;
    if (*least == *most) {
      first = last = *least;
      break;
    }
    const int bit = common_prefix_bits(*least, *most);
    const bool far = !bit_of(load.from, bit);
    first = with_bits(*least, bit, far, /*fill=*/false);
    last = with_bits(*least, bit, far, /*fill=*/true);
  }
  Query query(keys_);
  if (!query.bind(1, first) || !query.bind(2, last)) return false;
  while (query.next()) {
    auto row = held_row_at(query.row());
    if (!row) {
      ++rotten_total_;
      continue;
    }
    loaded.rows.push_back(std::move(*row));
    if (loaded.rows.size() == rows_max) return true;
  }
  return query.ended();
}

}  // namespace weft::node
