// How many nodes the mesh has, from how near the nearest ones are. Integers only.
//
// With N ids spread evenly, the i-th nearest to any point is expected at i * 2^256 / N. One
// lookup's m nearest responders give a least-squares slope through the origin, sum(i*d_i) /
// sum(i*i); the last kSizeSamples slopes are averaged, and N is the key space divided by that. Lookups of one part of the key space
// (kSizePartBits) are one sample, the last: who asks for one key again and again, around which ids were ground, is not misled by it.
// Distances are cut to their first 40 bits, which is exact enough up to 2^40 nodes.
#pragma once

#include <span>

#include "crypto/inline_vec.h"
#include "crypto/node_id.h"

namespace weft::dht {

inline constexpr std::size_t kSizeSamples = 16;
inline constexpr int kSizePartBits = 8;
// Fewer responders say too little.
inline constexpr std::size_t kSizeRespondersMin = 8;

class SizeEstimate {
 public:
  // The distances of the nearest nodes to `target`, nearest first, with none left out between.
  void note(const NodeId& target, std::span<const Distance> nearest);
  // The number of nodes, or 0 if nothing is known.
  std::uint64_t nodes() const;
  // So many parts of the key space have said something.
  std::size_t samples() const { return samples_.size(); }

 private:
  struct Sample {
    std::uint64_t weighted = 0;  // sum of i * d_i
    std::uint64_t squares = 0;   // sum of i * i
    NodeId target;
  };
  InlineVec<Sample, kSizeSamples> samples_;  // oldest first
};

}  // namespace weft::dht
