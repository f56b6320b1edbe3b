// Are the others silent, or are we cut off? The last answers and silences of distinct peers decide.
//
// While more than half of at least kHealthSamplesMin recently asked peers are silent, the fault is
// taken to be ours and nobody is evicted (BEP 45's rule); otherwise a pulled cable would empty the
// routing table. But who was asked and is silent while somebody else answered is silent himself: in a mesh of which half dies in a minute most
// of those that are asked are dead, and a table that keeps them names them to others, so that still more are asked.
#pragma once

#include <optional>

#include "crypto/inline_vec.h"
#include "crypto/node_id.h"
#include "crypto/time.h"

namespace weft::dht {

inline constexpr std::size_t kHealthSamples = 16;
inline constexpr std::size_t kHealthSamplesMin = 4;
inline constexpr Duration kHealthMemory = 1min;

class LinkHealth {
 public:
  // A request to `peer` was answered, or given up. Only the last outcome of a peer counts.
  void note(Now now, const NodeId& peer, bool answered);
  // True if we should suspect our own link: of somebody silent who was asked at that time.
  bool suspect(Now now, Instant asked_at) const;

 private:
  struct Sample {
    NodeId peer;
    Instant at;
    bool answered = false;
  };
  InlineVec<Sample, kHealthSamples> samples_;  // oldest first
  std::optional<Instant> answered_at_;         // anybody
};

}  // namespace weft::dht
