// The messages that were new here lately: what may be announced and sent to who asks for it. No I/O.
//
// Invariants: at most kRecentMax, the oldest gives way; numbers go up by one with each message.
#pragma once

#include <map>
#include <vector>

#include "gossip/broadcast/links.h"

namespace weft::broadcast {

inline constexpr std::size_t kRecentMax = 1024;  // 130 kB

struct Recent {
  MessageId id{};
  std::uint32_t hops = 0;       // it took to come here; 0: our own
  std::optional<Place> from{};  // who pushed it; none: ourselves, a stranger, or who is no neighbour any more
  PlaceSet has = 0;             // who pushed or announced it to us
  Instant at;
  std::optional<Instant> heard_at{};  // it had to be asked for, and was announced first then
  std::uint64_t number = 0;           // given by add()
};

class RecentLog {
 public:
  // The id must not be in it.
  void add(Recent recent);
  // nullptr: not here, or not any more. Valid until the next add().
  Recent* find(const MessageId& id);
  // Those with first() <= number < end().
  std::uint64_t first() const { return end_ - ring_.size(); }
  std::uint64_t end() const { return end_; }
  const Recent& at(std::uint64_t number) const { return ring_[number % kRecentMax]; }
  // The place is another's from now on.
  void forget(Place place);

 private:
  std::vector<Recent> ring_;
  std::map<MessageId, std::uint64_t> numbers_;
  std::uint64_t end_ = 0;
};

}  // namespace weft::broadcast
