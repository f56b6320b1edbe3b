#include "gossip/broadcast/missing.h"

#include <bit>

#include "crypto/check.h"

namespace weft::broadcast {

MissingTable::Heard MissingTable::heard(const MessageId& id, Place from, std::uint32_t hops, Instant now, Instant due) {
  const auto at = by_id_.find(id);
  if (at != by_id_.end()) {
    at->second.announcers |= bit(from);
    return Heard::kKnown;
  }
  if (opened_[from] == kMissingPerPeer) return Heard::kFull;
  ++opened_[from];
  by_id_.emplace(id, Missing{.announcers = bit(from), .last = {}, .first = from, .hops = hops, .heard_at = now, .due = due});
  by_due_.emplace(due, id);
  return Heard::kNew;
}

void MissingTable::erase(ById::iterator at) {
  CHECK(opened_[at->second.first] > 0);
  --opened_[at->second.first];
  by_due_.erase({at->second.due, at->first});
  by_id_.erase(at);
}

std::optional<Missing> MissingTable::take(const MessageId& id) {
  const auto at = by_id_.find(id);
  if (at == by_id_.end()) return std::nullopt;
  const Missing missing = at->second;
  erase(at);
  return missing;
}

Missing* MissingTable::find(const MessageId& id) {
  const auto at = by_id_.find(id);
  return at == by_id_.end() ? nullptr : &at->second;
}

void MissingTable::rearm(const MessageId& id, Instant due) {
  const auto at = by_id_.find(id);
  CHECK(at != by_id_.end());
  by_due_.erase({at->second.due, id});
  at->second.due = due;
  by_due_.emplace(due, id);
}

std::optional<MessageId> MissingTable::due(Instant now) const {
  if (by_due_.empty() || by_due_.begin()->first > now) return std::nullopt;
  return by_due_.begin()->second;
}

std::optional<Instant> MissingTable::next_deadline() const {
  if (by_due_.empty()) return std::nullopt;
  return by_due_.begin()->first;
}

void MissingTable::forget(Place place) {
  for (auto at = by_id_.begin(); at != by_id_.end();) {
    const auto next = std::next(at);
    Missing& missing = at->second;
    missing.announcers = static_cast<PlaceSet>(missing.announcers & ~bit(place));
    missing.asked = static_cast<PlaceSet>(missing.asked & ~bit(place));
    if (missing.last == place) missing.last.reset();
    if (missing.announcers == 0) {
      erase(at);
    } else if (missing.first == place) {
      // Another announcer stands for it now: the first of those that have room to stand for one more.
      // If none has, it is forgotten: the bound holds whatever happens.
      std::optional<Place> heir;
      for (Place other = 0; other < kNeighboursMax && !heir; ++other) {
        if ((missing.announcers & bit(other)) != 0 && opened_[other] < kMissingPerPeer) heir = other;
      }
      if (heir) {
        --opened_[place];
        ++opened_[*heir];
        missing.first = *heir;
      } else {
        erase(at);
      }
    }
    at = next;
  }
}

}  // namespace weft::broadcast
