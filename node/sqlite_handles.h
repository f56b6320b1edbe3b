// SQLite's handles as owners, and the few calls that everybody needs. For .cc files of the shell only.
//
// A connection and its statements are used by one thread at a time. Statements end before their
// connection does, or it stays open.
#pragma once

#include <sqlite3.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "crypto/bytes.h"

namespace weft::node {

struct CloseDb {
  void operator()(sqlite3* db) const { sqlite3_close(db); }
};
struct Finalize {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Db = std::unique_ptr<sqlite3, CloseDb>;
using Statement = std::unique_ptr<sqlite3_stmt, Finalize>;

// Statements without results. False if one failed.
inline bool run(sqlite3* db, const char* sql) {
  return sqlite3_exec(db, sql, nullptr, nullptr, nullptr) == SQLITE_OK;
}

// Of the store's threads. SQLite's deepest call chains here need well below 64 KiB; a thread's unused stack costs
// nothing but address space, its guard makes an overflow a fault.
inline constexpr std::size_t kStoreStackBytes = 192 * 1024;

// nullptr if it is no statement here.
inline Statement prepare(sqlite3* db, const char* sql) {
  sqlite3_stmt* raw = nullptr;
  sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &raw, nullptr);
  return Statement(raw);
}

// The first column of the first row.
inline std::optional<std::int64_t> read_number(sqlite3* db, const char* sql) {
  const Statement statement = prepare(db, sql);
  if (!statement || sqlite3_step(statement.get()) != SQLITE_ROW) return std::nullopt;
  return sqlite3_column_int64(statement.get(), 0);
}

// Read from SQLite's memory; an empty blob comes as a null pointer.
inline Bytes column_bytes(sqlite3_stmt* statement, int column) {
  const auto* data = static_cast<const std::uint8_t*>(sqlite3_column_blob(statement, column));
  const int size = sqlite3_column_bytes(statement, column);
  return data == nullptr ? Bytes{} : Bytes(data, data + size);
}

// Runs to the end and makes ready for the next time.
inline bool step_done(sqlite3_stmt* statement) {
  const bool ok = sqlite3_step(statement) == SQLITE_DONE;
  sqlite3_reset(statement);
  return ok;
}

// What is bound must outlive the step.
inline bool bind(const Statement& statement, int index, ByteView bytes) {
  // A null pointer would bind NULL; an empty blob needs an address.
  const void* data = bytes.empty() ? static_cast<const void*>("") : bytes.data();
  return sqlite3_bind_blob(statement.get(), index, data, static_cast<int>(bytes.size()), SQLITE_STATIC) == SQLITE_OK;
}
inline bool bind(const Statement& statement, int index, std::int64_t number) {
  return sqlite3_bind_int64(statement.get(), index, number) == SQLITE_OK;
}
inline bool bind(const Statement& statement, int index, std::string_view text) {
  return sqlite3_bind_text(statement.get(), index, text.data(), static_cast<int>(text.size()), SQLITE_STATIC) ==
         SQLITE_OK;
}
template <class... Columns>
bool bind_all(const Statement& statement, const Columns&... columns) {
  int index = 0;
  return (node::bind(statement, ++index, columns) && ...);  // with its namespace, or std::bind is found, too
}
template <class... Columns>
bool step_with(const Statement& statement, const Columns&... columns) {
  return bind_all(statement, columns...) && step_done(statement.get());
}

// Calls `read` for each row, with the statement that stands on it, until it returns false. False if it did, or if
// the rows cannot be read.
template <class Read>
bool for_each_row(sqlite3* db, const char* sql, Read read) {
  const Statement all = prepare(db, sql);
  if (!all) return false;
  int state = 0;
  while ((state = sqlite3_step(all.get())) == SQLITE_ROW) {
    if (!read(all.get())) return false;
  }
  return state == SQLITE_DONE;
}

// Why the last call failed, for a person.
inline std::string reason_of(sqlite3* db) {
  const int code = sqlite3_errcode(db);
  if (code == SQLITE_FULL) return "the disk is full";
  if (code == SQLITE_READONLY) return "the file system is read-only";
  return sqlite3_errmsg(db);
}

}  // namespace weft::node
