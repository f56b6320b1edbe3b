// More nodes around a key than chance puts there: somebody has ground ids next to it, to be all that a writer stores at and a reader asks
// (Steiner et al. 2007 on Kad; Sridhar et al., "Content Censorship in the InterPlanetary File System", NDSS 2024). No I/O.
//
// Ids are hashes, so the number of honest ones within a distance d of a key is close to a Poisson variable of mean n * d / 2^256, with n the
// size of the mesh, which other lookups tell (size_estimate.h; a crowded one tells nothing). Where six or more nodes are nearer than one key in 10,000 of an honest mesh would have them, the
// key is crowded, unless the mesh is larger than we thought: one lookup at a random place, where nobody can have ground ids, says so. Then copies go besides to the nearest nodes of three places beside it, and are asked for there: `place` flips one bit of the key,
// the first below the prefix that 2r to 4r nodes share, or one of the two after it. The subtree of the first has r to 2r honest nodes, those of the others half and a
// quarter of them, wherever below their own prefix the crowd is.
//
// What a liar can do: grind as many ids again for each of the places, which its victims' estimates name within a bit or two; pretend to a
// crowd by naming many made-up contacts near a key, which makes each put and get of that key four lookups dearer and no more. Five
// nodes or fewer near the key are no crowd: seven of twelve copies are elsewhere then.
#pragma once

#include <span>

#include "crypto/node_id.h"

namespace weft::dht {

inline constexpr std::size_t kPlacesBeside = 3;
// Fewer nodes are no crowd, however near.
inline constexpr std::size_t kCrowdLeast = 6;
inline constexpr std::size_t kCrowdMost = 20;  // of the nearest that are looked at
// Lookups elsewhere before the size of the mesh is known well enough to judge by: a mesh that is larger than we think seems crowded everywhere.
inline constexpr std::size_t kCrowdSamples = 3;

// `nearest`: distances from the key, ascending, none left out between; `nodes`: the size of the mesh.
bool crowded(std::span<const Distance> nearest, std::uint64_t nodes);

// The i-th place beside a key, 0 <= i < kPlacesBeside, in a mesh of this size with so many copies of a value.
NodeId place_beside(const NodeId& key, std::size_t i, std::uint64_t nodes, std::size_t replicas);

}  // namespace weft::dht
