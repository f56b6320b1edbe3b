// Messages that neighbours have announced and that are not here: whom to ask for which, and when. No I/O.
//
// Each announcer is asked in turn, up to kRoundsMax times and kTriesMax in all; after that the id is forgotten and anti-entropy brings
// what is behind it, if anything is.
//
// Invariants: at most kMissingPerPeer that one neighbour was the first to announce, so that no liar takes the room of another;
// every entry has an announcer and a time.
#pragma once

#include <map>
#include <set>

#include "gossip/broadcast/links.h"

namespace weft::broadcast {

inline constexpr std::size_t kMissingPerPeer = 256;  // times kNeighboursMax at 200 bytes: 800 kB when all of them lie
inline constexpr int kTriesMax = 8;                  // with a tenth of the datagrams lost, one in 600,000 fails
inline constexpr int kRoundsMax = 4;

struct Missing {
  PlaceSet announcers = 0;
  PlaceSet asked = 0;          // in this round
  std::optional<Place> last;   // who was asked last
  Place first = 0;             // announcer
  std::uint32_t hops = 0;      // of the first announcement
  int tries = 0;
  int rounds = 0;
  Instant heard_at;
  Instant due;
};

class MissingTable {
 public:
  enum class Heard : std::uint8_t { kNew, kKnown, kFull };
  // `due` counts for a new one only.
  Heard heard(const MessageId& id, Place from, std::uint32_t hops, Instant now, Instant due);
  // It is here now, or given up.
  std::optional<Missing> take(const MessageId& id);
  // nullptr: not in the table.
  Missing* find(const MessageId& id);
  void rearm(const MessageId& id, Instant due);
  // The first that is due, if any.
  std::optional<MessageId> due(Instant now) const;
  std::optional<Instant> next_deadline() const;
  // The place is another's from now on; what nobody else announced is forgotten.
  void forget(Place place);
  std::size_t size() const { return by_id_.size(); }

 private:
  using ById = std::map<MessageId, Missing>;
  void erase(ById::iterator at);

  ById by_id_;
  std::set<std::pair<Instant, MessageId>> by_due_;
  std::array<std::size_t, kNeighboursMax> opened_{};  // by place: of whom it was the first announcer
};

}  // namespace weft::broadcast
