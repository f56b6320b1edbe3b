// Is the mesh forming? Many members are new here: hundreds of processes start at once, or all of them again.
//
// Then any of them may be starved for seconds, and silence says less than at rest, so that a suspicion lasts its full time,
// whoever else accuses (decision 0017). Arrivals are counted in windows of kFormingWindow; the last two count. A liar that wants the
// clocks long has to bring a fifth of the mesh as new identities in each window (its owner sees to it that one identity counts once
// in a window), and has them at suspicion_max, no longer.
#pragma once

#include <cstddef>

#include "crypto/time.h"

namespace weft::gossip {

inline constexpr Duration kFormingWindow = 10s;
inline constexpr std::size_t kFormingShare = 5;   // one of so many is new...
inline constexpr std::size_t kFormingLeast = 16;  // ...and they are so many: a join into a mesh of ten is an everyday event

class Forming {
 public:
  explicit Forming(Instant now) : window_(now) {}

  // A member, or another process of one, has become known here.
  void on_arrival(Instant now);
  // `live` are the members alive and suspect.
  bool now_forming(Instant now, std::size_t live) const;
  // One joins now and then, as few as never are a forming.
  bool few_arrive(Instant now) const { return arrivals(now) < kFormingLeast; }

 private:
  std::size_t arrivals(Instant now) const;  // in the last two windows

  Instant window_;  // start of the current one
  std::size_t in_window_ = 0;
  std::size_t in_last_ = 0;
};

}  // namespace weft::gossip
