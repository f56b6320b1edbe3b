// What the DHT asks of the durable store about the values held there, and what it is told. By tickets, as
// with writes: the core asks, the store answers once, later, or says that it cannot.
//
// What is asked is read at one moment between the question and its answer. Writes that were not durable at that
// moment are not in it, so whoever asks knows better about what it changed meanwhile. Times are node
// time: milliseconds that run like the wall clock of the node's first start, but never jump while it runs, and
// when it was off go on by what its wall clock showed, forwards only.
//
// Bounds: rows_max rows and those that complete the last key, each of at most kBlobBytesMax bytes and a
// little; loads under way are the asker's to bound.
#pragma once

#include <variant>
#include <vector>

#include "crypto/effects.h"

namespace weft::dht {

// The values of the keys from `first` to `last`, both included, in the order of (key, author). A key is
// answered whole: after rows_max rows the key is completed, and nothing follows.
struct LoadKeys {
  NodeId first;
  NodeId last;
  std::size_t rows_max = 1;
  // Tell, too, how many values of this author there are; counted to author_max at most.
  std::optional<NodeId> author;
  std::size_t author_max = 0;
};
// Those that end first, if they have ended by `until_ms` (node time).
struct LoadEnded {
  std::int64_t until_ms = 0;
  std::size_t rows_max = 1;
};
// All values of the smallest subtree of keys, on the way to the farthest, that has at most rows_max: each of
// them is farther from `from` than any that is not answered. If one key alone has more, its first rows_max.
struct LoadFarthest {
  NodeId from;
  std::size_t rows_max = 1;
};
struct Load {
  Ticket ticket{};
  std::variant<LoadKeys, LoadEnded, LoadFarthest> what;
};

// How many values the store has, and their bytes (blobs alone).
struct HeldTotals {
  std::uint64_t values = 0;
  std::uint64_t bytes = 0;
};

struct Loaded {
  Ticket ticket{};
  bool ok = false;                    // else nothing below counts
  std::vector<Write> rows = {};       // 'v' rows (dht/rows.h), none of them an erasure
  bool more = false;                  // LoadKeys: rows_max ended it; all keys up to the last row's are complete
  std::size_t of_author = 0;          // LoadKeys with an author
  std::optional<std::int64_t> next_end_ms = {};  // LoadEnded: when the first that is not in `rows` ends
};

}  // namespace weft::dht
