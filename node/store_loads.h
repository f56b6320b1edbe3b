// What dht/loads.h asks, answered from the table `held` (store_tables.h), on a connection of its own.
//
// Every answer is one snapshot of what was committed. Each load is a few seeks in an index and the rows that it
// gives back: LoadKeys lies in the order of the table's primary key, LoadEnded in that of held_by_end, the
// number of an author's in held_by_author, and LoadFarthest goes down the tree of keys, at each step from the
// first and the last key below to where they part.
//
// A row that was not written here (bit rot: an id of another length, a blob longer than any) is left out and
// counted. It cannot be found by its slot, so nobody misses it.
//
// For .cc files of the shell; one thread at a time.
#pragma once

#include <span>

#include "dht/loads.h"
#include "node/sqlite_handles.h"

namespace weft::node {

// All statements that loads run, for a test of their plans.
std::span<const char* const> load_statements();

class LoadReader {
 public:
  // False: see reason_of(db). The database must outlive close().
  bool prepare_all(sqlite3* db);
  // ok = false: it could not be read, and `why` says why.
  dht::Loaded answer(const dht::Load& load, std::string& why);
  void close();

  std::uint64_t rotten_total() const { return rotten_total_; }

 private:
  bool read(const dht::LoadKeys& load, dht::Loaded& loaded);
  bool read(const dht::LoadEnded& load, dht::Loaded& loaded);
  bool read(const dht::LoadFarthest& load, dht::Loaded& loaded);
  bool count_author(const NodeId& author, std::size_t max, std::size_t& count);
  std::optional<std::size_t> count_keys(const NodeId& first, const NodeId& last, std::size_t max);
  std::optional<NodeId> edge_key(const Statement& statement, const NodeId& first, const NodeId& last);

  sqlite3* db_ = nullptr;
  std::uint64_t rotten_total_ = 0;
  Statement begin_, end_, keys_, of_author_, ended_, first_key_, last_key_, count_;
};

}  // namespace weft::node
