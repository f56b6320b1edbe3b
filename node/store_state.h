// The tables of shared state in the durable store: namespaces and their entries (gossip/state/state.h).
//
//   spaces(id, name, access, creator, genesis)
//   entries(space, id, arrival, author, epoch, seq, kind, path, stamp_ms, entry)
//
// A row comes back from `id` and `genesis`, or from `space`, `id`, `arrival` and `entry`. The other columns are for
// people and their queries, and are never read again: `creator` and `author` are ids as in `members`, `epoch` is
// a random number in 16 digits of hex. Form is checked here and signatures are not: what lies on the own disk is
// not held against one, and the core looks again.
//
// A namespace that is erased takes its entries along, also those that lie in the table `other`
// (store_tables.h). An index, entries_by_arrival, has them in the order in which they are read at a start:
// a million of them would otherwise be sorted in memory.
//
// For .cc files of the shell; one thread at a time.
#pragma once

#include <functional>

#include "crypto/effects.h"
#include "node/sqlite_handles.h"

namespace weft::node {

// All columns, in the order in which the rows lie.
inline constexpr const char* kSelectSpaces = "SELECT id, name, access, creator, genesis FROM spaces ORDER BY rowid";
inline constexpr const char* kSelectEntries =
    "SELECT space, id, arrival, author, epoch, seq, kind, path, stamp_ms, entry FROM entries ORDER BY rowid";
// As visit_state() reads them.
inline constexpr const char* kSelectArrivals =
    "SELECT space, id, arrival, entry FROM entries ORDER BY space, arrival, rowid";

// Whether these tables are for rows under such a key.
bool is_state_row(const Bytes& key);
// Makes the tables, inside the caller's transaction. False: see reason_of().
bool create_state_tables(sqlite3* db);
// Calls visit for each row, namespaces first, then the entries of each in order of arrival. False if it returned
// false, or if the tables cannot be read.
bool visit_state(sqlite3* db, const std::function<bool(Write)>& visit);

// Writes rows for which is_state_row() holds, for TableWriter.
class StateTables {
 public:
  // False: see reason_of(db). The database must outlive close().
  bool prepare_all(sqlite3* db);
  void close();

  // kOdd: its table could not give the row back exactly; nothing has changed.
  enum class Put : std::uint8_t { kWritten, kOdd, kFailed };
  Put put(const Write& write);
  bool erase(const Bytes& key);
  // The row under that key and nothing else, even if it is a namespace's.
  bool erase_row(const Bytes& key);

 private:
  Put put_space(const Write& write);
  Put put_entry(const Write& write);

  Statement space_, space_gone_, entry_, entry_gone_, entries_gone_, odd_entries_gone_;
};

}  // namespace weft::node
