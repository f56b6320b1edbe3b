// The tables of the durable store, and how the core's rows become rows of them and come back.
//
// The core writes rows of bytes (dht/rows.h, node/store_rows.h) and knows no SQL. Here each kind has
// a table whose columns a person can read in the sqlite3 shell:
//
//   held(key, author, number, remaining_s, written_ms, value)   kept for the mesh
//   own(key, number, remaining_s, written_ms, renew, value)     published by this node
//   members(id, number, status, name, record)
//   contacts(rank, id, address, contact)                        peers of the DHT to start from
//   life(last_seen_ms, number)                                  one row: wall clock of the last
//                                                               commit, number of the own record
//   other(key, value)                                           what has no table here; empty
//
// `value` is the signed blob (PROTOCOL-dht.md), `remaining_s` its lifetime left at the wall clock
// `written_ms`. Ordinary rowid tables: WITHOUT ROWID was measured 3.4 times slower once large.
//
// Invariants: a row comes back byte for byte as it was written; what its table could not give back
// exactly goes to `other`, so nothing is ever lost by being odd. A key is in one table only.
//
// Schema version 1 had kv(key, value) and life(last_seen_ms) in a file called store.db. upgrade()
// brings it here in one transaction. For .cc files of the shell; one thread at a time.
#pragma once

#include <functional>
#include <span>

#include "crypto/effects.h"
#include "node/sqlite_handles.h"

namespace weft::node {

inline constexpr int kStoreSchemaVersion = 2;

// Makes the tables in an empty database, inside the caller's transaction. False: see reason_of().
bool create_tables(sqlite3* db);
// From version 1 to kStoreSchemaVersion, as one transaction of its own. False: nothing has changed.
bool upgrade_tables(sqlite3* db);
// Calls visit for each row of a database of that version, until it returns false. False if it did,
// or if the database cannot be read.
bool visit_rows(sqlite3* db, std::int64_t version, const std::function<bool(Write)>& visit);
// The tables that hold what a restart needs, of a database of that version, each as the SELECT of
// all its columns in the order in which the rows lie.
std::span<const char* const> table_selects(std::int64_t version);

// Writes rows through statements prepared once; the caller begins and commits.
class TableWriter {
 public:
  // False: see reason_of(db). The database must outlive close().
  bool prepare_all(sqlite3* db);
  bool apply(const Write& write);
  bool note_life(UnixMillis wall);
  void close();

 private:
  bool put(const Write& write);
  bool erase(const Write& write);
  // Into `other`, as its table could not give it back.
  bool put_odd(const Write& write);
  bool put_held(const Write& write);
  bool put_own(const Write& write);
  bool put_member(const Write& write);
  bool put_contacts(const Write& write);
  bool put_number(const Write& write);

  sqlite3* db_ = nullptr;
  bool others_ = false;  // `other` may have rows
  Statement held_, held_gone_, own_, own_gone_, member_, member_gone_;
  Statement contact_, contacts_gone_, number_, life_, other_, other_gone_;
};

}  // namespace weft::node
