#include "dht/store_round.h"

namespace weft::dht {

StoreRound::StoreRound(const Options& options, std::vector<Holder> nearest_first)
    : options_(options), copies_(options.have) {
  places_.reserve(nearest_first.size());
  for (Holder& holder : nearest_first) {
    places_.push_back({.holder = std::move(holder), .state = State::kIdle,
                       .renewed = false, .silent = false});
  }
}

StoreRound::Place* StoreRound::find(const NodeId& id) {
  const auto it = std::ranges::find_if(
      places_, [&id](const Place& place) { return place.holder.to.id == id; });
  return it == places_.end() ? nullptr : &*it;
}

std::size_t StoreRound::count(State state) const {
  return static_cast<std::size_t>(std::ranges::count(places_, state, &Place::state));
}

std::optional<StoreRound::Ask> StoreRound::next() {
  const std::size_t open = count(State::kToken) + count(State::kStoring);
  if (open >= kStoresOpenMax || copies_ + open >= options_.wanted) return std::nullopt;
  for (Place& place : places_) {
    if (place.state != State::kIdle) continue;
    place.state = place.holder.token ? State::kStoring : State::kToken;
    return Ask{place.holder.to, place.holder.token};
  }
  return std::nullopt;
}

void StoreRound::on_token(const NodeId& id, const std::optional<Token>& token, bool holds) {
  Place* place = find(id);
  if (place == nullptr || place->state == State::kHolds || place->state == State::kFailed) return;
  place->holder.token = token;
  if (holds) {
    place->state = State::kHolds;
    ++copies_;
  } else {
    place->state = token ? State::kIdle : State::kFailed;
  }
}

void StoreRound::on_stored(const NodeId& id, const Stored& answer) {
  Place* place = find(id);
  if (place == nullptr || place->state == State::kHolds || place->state == State::kFailed) return;
  switch (answer.status) {
    case StoreStatus::kStored:
      place->state = State::kHolds;
      ++copies_;
      return;
    case StoreStatus::kBadToken:
      if (place->renewed) break;
      // The secret was rotated twice, or our address changed on the way.
      place->renewed = true;
      place->holder.token.reset();
      place->state = State::kIdle;
      return;
    case StoreStatus::kStale:
      if (answer.seq > stale_seq_) {
        stale_seq_ = answer.seq;
        stale_at_ = static_cast<std::size_t>(place - places_.data());
      }
      break;
    case StoreStatus::kQuota:
      no_room_ = true;
      break;
    case StoreStatus::kInvalid:
    case StoreStatus::kFailed:
      break;
  }
  place->state = State::kFailed;
}

void StoreRound::on_slow(const NodeId& id) {
  Place* place = find(id);
  if (place == nullptr) return;
  if (place->state == State::kToken || place->state == State::kStoring) {
    place->state = State::kSlow;
  }
}

void StoreRound::on_silent(const NodeId& id) {
  Place* place = find(id);
  if (place == nullptr || place->state == State::kHolds) return;
  place->state = State::kFailed;
  place->silent = true;
}

std::vector<NodeId> StoreRound::silent() const {
  std::vector<NodeId> out;
  for (std::size_t i = 0; i < std::min(options_.wanted, places_.size()); ++i) {
    const Place& place = places_[i];
    const bool open = place.state == State::kSlow || place.state == State::kToken ||
                      place.state == State::kStoring;
    if (place.silent || open) out.push_back(place.holder.to.id);
  }
  return out;
}

bool StoreRound::settled() const {
  if (copies_ >= options_.wanted) return true;
  if (count(State::kToken) + count(State::kStoring) + count(State::kIdle) > 0) return false;
  return count(State::kSlow) == 0 || copies_ >= options_.needed;
}

const Target* StoreRound::stale_holder() const {
  return stale_at_ == SIZE_MAX ? nullptr : &places_[stale_at_].holder.to;
}

}  // namespace weft::dht
