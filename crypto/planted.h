// Faults that a test plants in the core, to see that the simulator's checkers find them.
//
// Only the test build that defines WEFT_PLANTED has the switch; in every other build `planted` is
// the constant false and the compiler leaves nothing of it behind.
#pragma once

#include <cstdint>

namespace weft {

enum class Plant : std::uint8_t {
  kNone,
  kCopyTooMany,       // put: counts one copy more than acknowledged
  kNumberNotKept,     // the own number is used before, and without, being made durable
  kReplayWindowOff,   // sessions: a packet is taken as often as it comes
  kEvictUnasked,      // routing table: a newcomer displaces the oldest contact, which nobody asked
  kGetWithoutEnd,     // get: nothing found, nothing said
  kPutDoneTwice,      // put: told again when the last holder has answered
  kValuesForgotten,   // a restarted node does not read its values back
  kSignatureIgnored,  // values: anybody's signature will do
  kContactsBelieved,  // routing table: whoever is named is entered
  kAmplifier,         // sessions: no bound on the answer to an unproven address
  kSuspicionBelieved, // membership: an accusation is a verdict
  kFailedForgotten,   // membership: the failed are never tried again
  kLookupHasty,       // lookup: three answers are enough
  kStoreBoundless,    // store: always room for one more
  kOverwriteLost,     // store: a newer number is acknowledged and the older value stays
  kGossipFlood,       // membership: sixteen rounds of gossip at once
};

#ifdef WEFT_PLANTED
inline Plant planted_now = Plant::kNone;
inline bool planted(Plant plant) { return planted_now == plant; }
#else
constexpr bool planted(Plant) { return false; }
#endif

}  // namespace weft
