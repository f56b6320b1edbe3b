// The tables of the durable store, and how the core's rows become rows of them and come back.
//
// The core writes rows of bytes (dht/rows.h, node/store_rows.h) and knows no SQL. Here each kind has
// a table whose columns a person can read in the sqlite3 shell:
//
//   held(key, author, number, remaining_s, written_ms, value)   kept for the mesh
//   own(key, number, remaining_s, written_ms, renew, value)     published by this node
//   members(id, number, status, name, record)
//   contacts(rank, id, address, contact)                        peers of the DHT to start from
//   life(last_seen_ms, number, node_ms, held_rows, held_bytes)  one row: wall clock of the last commit,
//                                                               number of the own record, node time of
//                                                               that commit, what is in `held`
//   spaces(id, name, access, creator, genesis)                  namespaces of shared state, and
//   entries(space, id, arrival, author, epoch, seq, kind, path, stamp_ms, entry)
//                                                               what was written in them (store_state.h)
//   other(key, value)                                           what has no table here; empty
//
// `value` is the signed blob (PROTOCOL-dht.md), `remaining_s` its lifetime left at `written_ms`: in `held` node
// time (dht/loads.h), in `own` the wall clock. Two indexes of `held` answer what ends first (held_by_end) and how
// much is an author's (held_by_author); held_rows and held_bytes (of the blobs) are counted in the same
// transaction as the rows, so nobody reads a large table to know them. Ordinary rowid tables: WITHOUT ROWID was measured 3.4 times slower once large.
//
// Invariants: a row comes back byte for byte as it was written; what its table could not give back
// exactly goes to `other`, so nothing is ever lost by being odd. A key is in one table only.
//
// Schema version 1 had kv(key, value) and life(last_seen_ms) in a file called store.db; version 2 had no
// indexes and life(last_seen_ms, number); version 3 had no tables of shared state. upgrade_tables() brings each of them here in one
// transaction. For .cc files of the shell; one thread at a time.
#pragma once

#include <functional>
#include <span>

#include "crypto/effects.h"
#include "dht/loads.h"
#include "node/sqlite_handles.h"
#include "node/store.h"
#include "node/store_state.h"

namespace weft::node {

inline constexpr int kStoreSchemaVersion = 4;

// Makes the tables in an empty database, inside the caller's transaction. False: see reason_of().
bool create_tables(sqlite3* db);
// From an older version to kStoreSchemaVersion, as one transaction of its own. False: nothing has changed.
bool upgrade_tables(sqlite3* db);
enum class Rows : std::uint8_t { kAll, kAllButHeld };
// Calls visit for each row of a database of that version, until it returns false. False if it did,
// or if the database cannot be read. Namespaces come before all entries, and the entries of each in order of arrival;
// what lies in `other` comes last.
bool visit_rows(sqlite3* db, std::int64_t version, const std::function<bool(Write)>& visit,
                Rows which = Rows::kAll);
// The row of `held` that a statement stands on, whose columns from 0 on are those of the table. nullopt: it was
// not written here (an id of another length, a blob longer than any).
std::optional<Write> held_row_at(sqlite3_stmt* statement);

// What `life` tells, of a database of kStoreSchemaVersion. nullopt: unreadable.
struct Life {
  Stamp last;
  dht::HeldTotals held;
};
std::optional<Life> read_life(sqlite3* db);
// Counts what `held` holds, and notes it in `life` if that told something else: then true. It reads the whole table.
// nullopt: see reason_of().
std::optional<bool> mend_totals(sqlite3* db);
// The tables that hold what a restart needs, of a database of that version, each as the SELECT of
// all its columns in the order in which the rows lie.
std::span<const char* const> table_selects(std::int64_t version);

// Writes rows through statements prepared once; the caller begins and commits. note_life() is the last
// call before a commit, as it brings the totals up to date; a transaction that was rolled back must be told.
class TableWriter {
 public:
  // False: see reason_of(db). The database must outlive close().
  bool prepare_all(sqlite3* db);
  bool apply(const Write& write);
  bool note_life(Stamp stamp);
  void rolled_back();
  void close();

 private:
  bool put(const Write& write);
  bool erase(const Write& write);
  bool put_other(const Write& write);
  // Into `other`, as its table could not give it back.
  bool put_odd(const Write& write);
  // The row of `held` under the key of `write`, if there is one. False: an error.
  struct HeldAt {
    std::int64_t rowid = 0;  // 0: none
    std::int64_t bytes = 0;
  };
  bool find_held(ByteView key, ByteView author, HeldAt& found);
  bool erase_held(ByteView key, ByteView author);
  bool put_held(const Write& write);
  bool put_own(const Write& write);
  bool put_member(const Write& write);
  bool put_contacts(const Write& write);
  bool put_number(const Write& write);
  bool put_state(const Write& write);

  sqlite3* db_ = nullptr;
  bool others_ = false;  // `other` may have rows
  // Since the last note_life().
  std::int64_t held_rows_added_ = 0;
  std::int64_t held_bytes_added_ = 0;
  Statement held_at_, held_, held_new_, held_gone_, own_, own_gone_, member_, member_gone_;
  Statement contact_, contacts_gone_, number_, life_, other_, other_gone_;
  StateTables state_;
};

}  // namespace weft::node
