// Which of a private network's keys worked with a peer, where it was not the first: while a key is
// being replaced, some nodes know only the old one, and trying that one first saves a timer.
//
// Invariants: at most kKeyHintsMax peers, the least recently noted gives way; empty while all know
// the first key. A hint is never more than a hint: all keys get their turn.
#pragma once

#include <map>

#include "crypto/node_id.h"

namespace weft::session {

inline constexpr std::size_t kKeyHintsMax = 1024;

class KeyHints {
 public:
  // The key to try first: an index into the network's keys, 0 if nothing is known.
  std::size_t of(const NodeId& peer) const;
  // This key worked just now.
  void note(const NodeId& peer, std::size_t key_set);
  std::size_t size() const { return hints_.size(); }

 private:
  struct Hint {
    std::size_t key_set = 0;
    std::uint64_t age = 0;
  };
  std::map<NodeId, Hint> hints_;
  std::map<std::uint64_t, NodeId> by_age_;
  std::uint64_t clock_ = 0;
};

}  // namespace weft::session
