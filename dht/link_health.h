// Are the others silent, or are we cut off? The last answers and silences of distinct peers decide.
//
// While none of the last kHealthSamples peers that were asked has answered, or of fewer if there were no more, the fault is
// taken to be ours and nobody is evicted; otherwise a pulled cable would empty the routing table. (BEP 45 takes a majority. In a mesh with a median
// session of minutes most of those that are asked are dead; a table that keeps them names them to others, so that still more are asked.) Until that is
// noticed a cable that was pulled costs spares, and live contacts one failure each: it takes two.
#pragma once

#include "crypto/inline_vec.h"
#include "crypto/node_id.h"

namespace weft::dht {

inline constexpr std::size_t kHealthSamples = 16;
inline constexpr std::size_t kHealthSamplesMin = 4;

class LinkHealth {
 public:
  // A request to `peer` was answered, or given up. Only the last outcome of a peer counts.
  void note(const NodeId& peer, bool answered);
  // True if we should suspect our own link.
  bool suspect() const;

 private:
  struct Sample {
    NodeId peer;
    bool answered = false;
  };
  InlineVec<Sample, kHealthSamples> samples_;  // oldest first
};

}  // namespace weft::dht
