#include "gossip/membership/requests.h"

namespace weft::gossip {

RequestTag RequestTable::add(Purpose purpose, std::uint32_t owner) {
  if (free_.empty()) {
    free_.push_back(static_cast<std::uint32_t>(places_.size()));
    places_.emplace_back();
    free_.reserve(places_.capacity());
  }
  const std::uint32_t index = free_.back();
  free_.pop_back();
  Place& place = places_[index];
  place.entry = {purpose, owner};
  place.used = true;
  ++live_;
  return RequestTag{std::uint64_t{place.generation} << 32 | index};
}

std::optional<RequestTable::Entry> RequestTable::peek(RequestTag tag) const {
  const auto raw = static_cast<std::uint64_t>(tag);
  const auto index = static_cast<std::uint32_t>(raw);
  if (index >= places_.size()) return std::nullopt;
  const Place& place = places_[index];
  if (!place.used || place.generation != raw >> 32) return std::nullopt;
  return place.entry;
}

std::optional<RequestTable::Entry> RequestTable::take(RequestTag tag) {
  const auto entry = peek(tag);
  if (entry) release(static_cast<std::uint32_t>(static_cast<std::uint64_t>(tag)));
  return entry;
}

void RequestTable::release(std::uint32_t index) {
  Place& place = places_[index];
  place.used = false;
  ++place.generation;
  free_.push_back(index);
  --live_;
}

}  // namespace weft::gossip
