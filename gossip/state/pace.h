// How fast this node writes: no faster than the mesh can carry. No I/O.
//
// Ten authors that write as fast as their disks allow are more than a mesh can carry: where the tree forks pushes find no room, what they would
// have told comes by walks seconds later, what overwrites it names more and more values that nobody has seen, and the checkpoints that would
// take all that away come as late. The disk says nothing of it: it ends each write at once. So a node to which others' writes come late
// writes slower itself, until they do not any more: a pause follows each entry that its user writes, which congestion multiplies and quiet shrinks
// (Chiu and Jain 1989); the sign of congestion is delay above the least that was seen lately (as in LEDBAT, RFC 6817), so that clocks need not agree.
// Who writes while others write begins with a pause, too, and finds the limit from below: once, until it has written nothing for kRestAfter.
//
// An entry is late if a walk brought it less than kOldAfter after its stamp, or if since its stamp kLateBy more has passed than at the least for an
// entry of its author's in the last one to two kLeastFor. Only stamps that the author's clock made are looked at: they end in 16 zero bits; one that others
// pulled ahead does not, and such an entry is taken for as late as the author's last. We are behind if in the last kPaceStep kLateMin entries
// were late and as many as 1 in kLatePart of all that came, or pushes filled half of their room here.
// Then the pause doubles and is kPauseFirst at least, else it shrinks by 1 in kPauseEases, and ends below kPauseMin.
//
// Invariants: a pause is 0 or kPauseMin to kPauseMax; each write begins within kPaceWaitMax, in the order in which they came, whatever was
// written before. A lone write of a node that has written nothing for kPaceWaitMax never waits. All that is kept is some numbers and kLeastsMax authors.
//
// What a liar can do: sign stamps that look late, or tell us in its walks so many new entries that we take ourselves to be behind. They cost it what all entries
// cost, it needs kLateMin in a step and one in kLatePart of all that comes, and each write still begins within kPaceWaitMax. Or hide that others are late,
// with kLeastsMax authors of its own: then we write as fast as without all this.
//
// Limits: what delays entries for other reasons than their number is taken for congestion, where it is more than kLateBy and so frequent: a slow disk of
// the author's, repairs on a path that loses much. With n writers that all are behind the mesh still gets n / kPauseMax entries a second. Who joins a mesh that is congested takes its delay for the least.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>

#include "crypto/provider.h"
#include "crypto/time.h"

namespace weft::state {

inline constexpr Duration kPaceStep = 500ms;
inline constexpr Duration kLateBy = 200ms;
inline constexpr Duration kOldAfter = 1min;     // it was written while we, or a part of the mesh, were away
inline constexpr Duration kLeastFor = 1min;
inline constexpr std::size_t kLeastsMax = 256;  // authors of whom the least is known; others are not looked at
inline constexpr std::uint64_t kLateMin = 32;
inline constexpr std::uint64_t kLatePart = 2;
inline constexpr std::uint64_t kOthersMin = 32;  // entries of others in this step and the one before: others write
inline constexpr Duration kRestAfter = 10s;
inline constexpr Duration kPauseMin = 500us;  // after each entry of ours
inline constexpr Duration kPauseFirst = 4ms;
inline constexpr Duration kPauseMax = 20ms;
inline constexpr int kPauseEases = 8;
inline constexpr Duration kPaceWaitMax = 2s;

// One thread. Times are monotonic and never go back.
class Pace {
 public:
  // An entry of somebody else's was pushed here and is new. `stamp`: the entry's; 0: it has none.
  void pushed(Now now, const PublicKey& author, std::uint64_t stamp);
  // A walk brought one.
  void walked(Now now, std::uint64_t stamp);
  // Pushes fill half of their room here.
  void choked(Instant now);
  // When a write of so many entries may begin, which counts as written from now on: at `now` or later.
  Instant begin(Instant now, std::size_t entries);
  // Time goes by; every other call looks at it, too.
  void step(Instant now);
  Duration pause() const { return pause_; }

 private:
  // In ms, from stamps to our monotonic clock: only differences mean something.
  struct Least {
    std::int64_t now = 0;
    std::int64_t before = 0;  // in the time before this one
    bool late = false;        // the last one that the clock stamped
  };
  Least* least_of(const PublicKey& author, std::int64_t passed);
  // Ends the freedom of who writes alone.
  void meet_others(Instant now);

  Instant began_{};  // the step
  std::uint64_t late_ = 0;  // in it
  std::uint64_t came_ = 0;
  std::uint64_t others_ = 0;         // that came, also of authors that are not looked at
  std::uint64_t others_before_ = 0;  // in the step before
  bool choked_ = false;
  bool met_others_ = false;  // since we began to write
  Instant wrote_{};
  Duration pause_{};
  Instant next_{};
  std::map<PublicKey, Least> leasts_;
  Instant leasts_began_{};
};

}  // namespace weft::state
