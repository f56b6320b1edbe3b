// Which of the nearest missed a value, so that they get it as soon as they are heard again (hinted
// hand-off: DeCandia et al. 2007, "Dynamo", section 4.6).
//
// A node that is silent while a value is stored is replaced by the next nearest. If it comes back, or
// a partition ends, it is among the nearest again and shows what it held before: until somebody
// publishes the value anew, reads may find the older one. So whoever stored the value remembers whom
// it did not reach. A hint is a promise to ask that peer once; it proves nothing and is never sent.
// Lost in a restart: the owner publishes anew after one.
//
// Bounds: kHintsMax in all, the oldest goes first; each lives kHintFor. A peer that is silent on purpose
// and speaks again earns one question a hint.
#pragma once

#include <list>
#include <set>
#include <vector>

#include "crypto/time.h"
#include "dht/value_store.h"

namespace weft::dht {

inline constexpr std::size_t kHintsMax = 1024;
// Later than this somebody else has published the value again.
inline constexpr Duration kHintFor = 2h;

class Hints {
 public:
  // `peer` did not get what is in `slot`. Twice the same is one hint.
  void add(Now now, const NodeId& peer, const Slot& slot);
  bool has(const NodeId& peer) const;
  // Takes out at most `max` hints for this peer: what to bring it.
  std::vector<Slot> take(Now now, const NodeId& peer, std::size_t max);
  std::size_t size() const { return hints_.size(); }

 private:
  struct Hint {
    NodeId peer;
    Slot slot;
    auto operator<=>(const Hint&) const = default;
  };
  void forget_oldest();

  std::set<Hint> hints_;
  // In the order of their coming; also of hints that were taken since, at most kHintsMax in all.
  std::list<std::pair<Instant, Hint>> order_;
};

}  // namespace weft::dht
