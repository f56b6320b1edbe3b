// How fast this node writes: no faster than the mesh can carry. No I/O.
//
// Ten authors that write as fast as their disks allow are more than a mesh can carry: where the tree forks pushes find no room, what they would
// have told comes by walks seconds later, what overwrites it names more and more values that nobody has seen, and the checkpoints that would
// take all that away come as late. The disk says nothing of it: it ends each write at once. So a node to which others' writes come late
// writes slower itself, until they do not any more: a pause follows each entry of our own, which congestion multiplies and quiet shrinks (Chiu and
// Jain 1989); the sign of congestion is delay above the least that was seen lately, so that clocks need not agree (as in LEDBAT, RFC 6817).
//
// Who writes while others write begins with a pause, too, and finds the limit from below: once, until it has written nothing for kRestAfter.
//
// An entry is late if a walk brought it, or if since its stamp kLateBy more has passed than at the least for an entry of its author's in the last one to
// two kLeastFor. We are behind if in the last kPaceStep kLateMin entries were late and as many as 1 in kLatePart of all that came, or a push
// found no room here. Then the pause doubles and is kPauseFirst at least, else it shrinks by 1 in kPauseEases, and ends below kPauseMin.
//
// Invariants: a pause is 0 or kPauseMin to kPauseMax; a write waits at most kPaceWaitMax, whatever was written before it. A lone write of a
// node that has written nothing for kPaceWaitMax never waits.
//
// What a liar can do: sign stamps that look late, or tell us in its walks so many new entries that we take ourselves to be behind. They cost it what all entries
// cost, it needs one in kLatePart of all that comes, and takes from us at worst all but 1 / kPauseMax entries a second.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>

#include "crypto/provider.h"
#include "crypto/time.h"

namespace weft::state {

inline constexpr Duration kPaceStep = 500ms;
inline constexpr Duration kLateBy = 200ms;
inline constexpr Duration kLeastFor = 1min;
inline constexpr std::size_t kLeastsMax = 256;  // authors of whom the least is known; entries of others are not late
inline constexpr std::uint64_t kLateMin = 32;
inline constexpr std::uint64_t kLatePart = 3;
inline constexpr std::uint64_t kOthersMin = 32;  // entries of others in a step: others write
inline constexpr Duration kRestAfter = 10s;
inline constexpr Duration kPauseMin = 500us;  // after each entry of ours
inline constexpr Duration kPauseFirst = 4ms;
inline constexpr Duration kPauseMax = 20ms;
inline constexpr int kPauseEases = 4;
inline constexpr Duration kPaceWaitMax = 2s;

// One thread. Times are monotonic and never go back.
class Pace {
 public:
  // An entry of somebody else's was pushed here and is new. `stamp_ms`: when it was signed, by the author's clock.
  void pushed(Now now, const PublicKey& author, std::uint64_t stamp_ms);
  // A walk brought one.
  void walked(Instant now);
  // A push found no room.
  void choked(Instant now);
  // So many entries of ours were written.
  void wrote(Instant now, std::size_t entries);
  // When the next write may begin; not after `now`: at once.
  Instant next(Instant now);
  // The same, as of the last call; may have passed.
  Instant at() const { return next_; }
  Duration pause() const { return pause_; }

 private:
  // In ms; negative if the author's clock is ahead.
  struct Least {
    std::int64_t now = 0;
    std::int64_t before = 0;  // in the time before this one
  };
  void step(Instant now);
  // Ends the freedom of who writes alone.
  void meet_others(Instant now);

  Instant began_{};  // the step
  std::uint64_t late_ = 0;  // in it
  std::uint64_t came_ = 0;
  std::uint64_t came_before_ = 0;  // in the step before
  bool choked_ = false;
  bool met_others_ = false;  // since we began to write
  Instant wrote_{};
  Duration pause_{};
  Instant next_{};
  std::map<PublicKey, Least> leasts_;
  Instant leasts_began_{};
};

}  // namespace weft::state
