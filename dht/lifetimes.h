// How long somebody who was not heard is believed to be there, from what became of those whom we asked.
//
// Where nobody tells who is dead, a contact says less the longer ago it was heard. Of contacts that were asked it is noted how
// long they had not been heard and whether they answered; the last kLifetimeSamples count, of each peer the last. As long as at
// least kLifetimeSilent of them were silent, believed() is the time after which a contact is likelier gone than there: if
// sessions are memoryless, deaths per contact and second are about the silent ones by the sum of the times unheard (the
// estimate of an exponential rate; somewhat low where the times are long, and then shorter with the next samples, as nobody
// beyond it is asked first), and half are gone after ln 2 by that.
//
// A liar in the table may fall silent on purpose: one sample, however often it is asked. With kLifetimeSilent of them it gets
// believed() down to kBelievedMin and not below, so whoever was heard since then is as safe as before. Integers only.
#pragma once

#include <optional>

#include "crypto/inline_vec.h"
#include "crypto/node_id.h"
#include "crypto/time.h"

namespace weft::dht {

inline constexpr std::size_t kLifetimeSamples = 32;
inline constexpr std::size_t kLifetimeSilent = 4;
inline constexpr Duration kBelievedMin = 30s;
inline constexpr Duration kUnheardMax = 24h;  // a longer time counts as that

class Lifetimes {
 public:
  // A contact that had not been heard for `unheard` was asked and answered, or was given up.
  void note(const NodeId& peer, Duration unheard, bool answered);
  // nullopt: hardly anybody is silent, and everyone is believed to be there.
  std::optional<Duration> believed() const;

 private:
  struct Sample {
    NodeId peer;
    std::uint32_t unheard_ms = 0;
    bool answered = false;
  };
  InlineVec<Sample, kLifetimeSamples> samples_;  // oldest first
};

}  // namespace weft::dht
