#include "node/own_record.h"

#include <algorithm>

#include "crypto/check.h"

namespace weft::node {

std::optional<std::uint64_t> OwnRecord::take_wanted() {
  if (under_way_) return std::nullopt;
  if (current_ != nullptr && wanted_ <= current_->number) return std::nullopt;
  if (wanted_ > kNumberMax) return std::nullopt;  // 2^53 restarts: the key has had its time
  under_way_ = wanted_;
  return under_way_;
}

RecordRef OwnRecord::durable() {
  fields_.number = *under_way_;
  under_way_.reset();
  current_ = make_record(identity_, fields_);
  // Name and tags are the user's; of the addresses the last are the least useful.
  while (current_ == nullptr && !fields_.endpoints.empty()) {
    fields_.endpoints.truncate(fields_.endpoints.size() - 1);
    current_ = make_record(identity_, fields_);
  }
  CHECK(current_ != nullptr);  // the shell has checked name and tags
  return current_;
}

void OwnRecord::want_above(std::uint64_t number) { wanted_ = std::max(wanted_, number + 1); }

void OwnRecord::set_status(RecordStatus status) {
  fields_.status = status;
  want_new();
}

bool OwnRecord::set_endpoints(std::span<const Endpoint> endpoints) {
  known_.assign(endpoints.begin(), endpoints.end());
  return rebuild_endpoints();
}

bool OwnRecord::observed(const NodeId& peer, const Endpoint& endpoint) {
  const Scope s = scope(endpoint);
  if (s == Scope::kUnusable || s == Scope::kLinkLocal) return false;
  if (std::ranges::find(fields_.endpoints, endpoint) != fields_.endpoints.end()) return false;
  // A port that is none of ours is a NAT's mapping or a liar's: it needs the same three voices.
  std::erase_if(observations_, [&](const Observation& o) { return o.peer == peer; });
  if (observations_.size() == kObservationsMax) observations_.erase(observations_.begin());
  observations_.push_back({peer, endpoint});
  const auto voices = std::ranges::count(observations_, endpoint, &Observation::endpoint);
  if (static_cast<std::size_t>(voices) < kObserversNeeded) return false;
  std::erase_if(observations_, [&](const Observation& o) { return o.endpoint == endpoint; });
  std::erase_if(confirmed_, [&](const Endpoint& e) { return e.is_v4() == endpoint.is_v4(); });
  confirmed_.push_back(endpoint);
  return rebuild_endpoints();
}

bool OwnRecord::rebuild_endpoints() {
  InlineVec<Endpoint, kRecordEndpointsMax> next;
  const auto add = [&next](const Endpoint& e) {
    if (scope(e) == Scope::kUnusable || std::ranges::find(next, e) != next.end()) return;
    (void)next.try_push(e);
  };
  // What peers have seen goes first among equals: it is known to work. It never takes all places.
  for (std::size_t i = 0; i < known_.size() && i < 2; ++i) add(known_[i]);
  for (const Endpoint& e : confirmed_) add(e);
  for (const Endpoint& e : known_) add(e);
  if (next == fields_.endpoints) return false;
  fields_.endpoints = next;
  want_new();
  return true;
}

}  // namespace weft::node
