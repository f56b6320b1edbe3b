// Which checkpoints an author writes next, from what it has here and what its checkpoints in force say.
//
// All turns on one set of places, those that are discarded: by a checkpoint in force, or useless and here. It only grows, and only by places
// that were seen. A section is a way to write a part of it down: what lies between two sections is as safe as what a section wants, so a long
// run of wanted entries ends a section and a short one is listed in it. Each wanted entry among discarded ones takes a byte, each place
// alone among wanted ones some 13.
//
// A *generation* replaces the checkpoints before it: together it discards at least what those discarded. Of several bodies only one more, the
// last, discards the older checkpoints; until it is there both are in force. A checkpoint that has little that is useless between its first
// and its last place, and is not nearly empty, is kept as it is.
//
// What fits: kCheckpointBodiesMax bodies, of which some are kept back. That is some 33,000 wanted entries that lie among discarded ones, and any
// number that do not. Of an author that has more, what was discarded stays so, and of the rest that goes which is most for its bytes: of 80,000
// documents that are overwritten at random up to 34,000 useless entries are here besides. Where entries that are never overwritten have taken
// all bytes, the useless ones elsewhere stay, until the author has all that it may have (space.h). The same if what was discarded does not
// fit any more, as after some 3,000 lives.
//
// Pure functions.
#pragma once

#include <set>

#include "gossip/state/space.h"

namespace weft::state {

// Of a body, so that the entry fits whatever its frame.
inline constexpr std::size_t kCheckpointBodyMax = 700;
// Of a generation, so that all of it counts, with what discards the older one and some small ones beside it.
inline constexpr std::size_t kCheckpointBodiesMax = 55;
inline constexpr std::size_t kSmallOnesMax = 15;  // checkpoints beside the last generation, if so many count

struct CheckpointNeed {
  std::span<const Space::Own> own;  // by (epoch, seq)
  std::span<const Checkpoints::InForce> in_force;
  std::set<std::uint64_t> open{};  // epochs that any checkpoint closes
  std::size_t worth = 0;           // so many useless entries make a generation, and an eighth of them each of its bodies
};
using CheckpointSections = std::vector<Section>;
// Bodies, in the order in which they are to be written; none if nothing is worth it or fits.
std::vector<CheckpointSections> plan_checkpoints(const CheckpointNeed& need);

}  // namespace weft::state
