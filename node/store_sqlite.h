// The durable store: one SQLite file in WAL mode, written by one worker thread, and read by another from the first
// load on (store_reader.h).
//
// Group commit without a delay: while a commit runs, batches gather, and the next commit takes all
// of them. synchronous=FULL, so a ticket that came out ok survives a power cut. `relaxed`
// acknowledges at once and commits within kRelaxedDelay. The tables are those of store_tables.h; their
// version is the database's user_version: an older one is brought up to date as the store is opened, a
// newer one is refused.
#pragma once

#include <expected>
#include <functional>

#include "dht/loads.h"
#include "node/failure.h"
#include "node/store.h"

namespace weft::node {

inline constexpr std::size_t kStoreQueueBytesMax = 4 << 20;
inline constexpr Duration kRelaxedDelay = 50ms;

struct StoreOptions {
  std::string path;
  bool relaxed = false;
  // Called on a thread of the store's when take_done() has something to tell.
  std::function<void()> wake = {};
  // If the held values would take more memory (each with dht::kHeldOverheadBytes), they are left where they are.
  std::size_t held_in_memory_max = SIZE_MAX;
};

struct OpenedStore {
  std::unique_ptr<Store> store;
  std::vector<Write> rows;  // everything an earlier life persisted
  UnixMillis last_seen;     // wall clock of its last commit; 0 if it had none
  UnixMillis node_time;     // node time (dht/loads.h) of its last commit
  dht::HeldTotals held;     // rows of `held`
  bool held_in_rows = true;  // else `rows` is without the held values
};

// Of the whole process, before its first connection, and only where that is ours: SQLite's own mutexes and
// statistics are not needed with connections that one thread each uses at a time. (In a program that others wrote
// the connections of the store go without mutexes by themselves.)
void configure_sqlite();

// Moves the store of an older weft at `from` to `to`, if there is one at `from` and none at `to`. What
// stays at `from` is an empty database whose version an older weft refuses: started on this home again,
// it would otherwise begin a new store and use numbers again. Can be interrupted and repeated at any
// point; needs the lock of the home.
std::expected<void, Failure> move_old_store(const std::string& from, const std::string& to);

std::expected<OpenedStore, Failure> open_sqlite_store(StoreOptions options);

}  // namespace weft::node
