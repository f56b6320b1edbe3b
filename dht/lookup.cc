#include "dht/lookup.h"

#include "crypto/planted.h"

namespace weft::dht {

Lookup::Lookup(const Options& options) : options_(options) {
  CHECK(options.want > 0);
  CHECK(options.parallelism > 0);
  CHECK(options.paths > 0);
  CHECK(options.paths <= kPathsMax);
}

// Position in order_ of the first candidate that is not nearer than `away`.
std::size_t Lookup::rank_of(const Distance& away) const {
  const auto it = std::ranges::lower_bound(
      order_, away, {}, [this](std::uint16_t slot) { return pool_[slot].away; });
  return static_cast<std::size_t>(it - order_.begin());
}

const Lookup::Candidate* Lookup::find(const NodeId& id) const {
  const Distance away = distance(id, options_.target);
  const std::size_t rank = rank_of(away);
  // Equal distances to one target are equal ids.
  if (rank == order_.size() || pool_[order_[rank]].away != away) return nullptr;
  return &pool_[order_[rank]];
}

Lookup::Candidate* Lookup::find(const NodeId& id) {
  return const_cast<Candidate*>(std::as_const(*this).find(id));
}

// Room among what a path knows for a candidate at `away`; if it is full, the farthest one that was not asked yet is
// forgotten by this path.
bool Lookup::make_room(const Distance& away, std::size_t path) {
  if (paths_[path].known < kCandidatesMax) return true;
  for (std::size_t i = order_.size(); i-- > 0;) {
    const std::uint16_t slot = order_[i];
    Candidate& last = pool_[slot];
    if (!last.known(path)) continue;
    if (last.away < away) return false;
    if (last.state != State::kHeard) continue;
    last.known_to = static_cast<std::uint8_t>(last.known_to & ~(1U << path));
    --paths_[path].known;
    if (last.known_to == 0) {
      order_.erase(order_.begin() + static_cast<std::ptrdiff_t>(i));
      free_.push_back(slot);
    }
    return true;
  }
  return false;
}

std::uint16_t Lookup::free_slot() {
  if (free_.empty()) {
    pool_.emplace_back();
    return static_cast<std::uint16_t>(pool_.size() - 1);
  }
  const std::uint16_t slot = free_.back();
  free_.pop_back();
  return slot;
}

bool Lookup::add(const Contact& contact, const NodeId& named_by, std::uint32_t hop, std::size_t path) {
  if (contact.id == options_.self) return false;
  const Distance away = distance(contact.id, options_.target);
  const auto bit = static_cast<std::uint8_t>(1U << path);
  if (Candidate* known = find(contact.id)) {
    // Another address for it: a liar who named the first one cannot hide the peer.
    if (known->state == State::kHeard && std::ranges::find(known->to.endpoints, contact.endpoint) == known->to.endpoints.end()) {
      known->to.endpoints.try_push(contact.endpoint);
    }
    if (known->known(path)) return false;
    // What has to give way is farther, so not this one.
    if (!make_room(away, path)) return false;
    known->known_to = static_cast<std::uint8_t>(known->known_to | bit);
    ++paths_[path].known;
    return true;
  }
  if (!make_room(away, path)) return false;
  const std::uint16_t slot = free_slot();
  pool_[slot] = {.away = away, .to = target_of(contact), .named_by = named_by, .hop = hop,
                 .state = State::kHeard, .rtt = {}, .contacts = 0, .known_to = bit};
  order_.insert(order_.begin() + static_cast<std::ptrdiff_t>(rank_of(away)), slot);
  ++paths_[path].known;
  return true;
}

void Lookup::seed(const Contact& contact) {
  if (add(contact, NodeId{}, 1, seeds_ % options_.paths)) ++seeds_;
}

std::size_t Lookup::count(State state) const {
  return static_cast<std::size_t>(std::ranges::count_if(
      order_, [this, state](std::uint16_t slot) { return pool_[slot].state == state; }));
}

// The path knows most of the `want` closest, if the mesh is as large as it is said to be.
bool Lookup::nearest_named(std::size_t path) const {
  if (options_.nodes == 0 || answered_ == 0 || options_.want <= options_.parallelism) return false;
  const std::uint64_t expected = std::min<std::uint64_t>(options_.want, options_.nodes);
  const std::uint64_t spacing = UINT64_MAX / options_.nodes;
  std::size_t near = 0;
  for (const std::uint16_t slot : order_) {
    const Candidate& candidate = pool_[slot];
    if (load_be64(candidate.away.bytes.data()) / expected > spacing) break;
    if (candidate.known(path) && candidate.state != State::kSilent) ++near;
  }
  return near * kKnownOfWantedDen >= expected * kKnownOfWantedNum;
}

// How many requests of a path may run that are not slow.
std::size_t Lookup::width(std::size_t path) const {
  const std::size_t most = std::max(options_.parallelism, options_.parallelism_max);
  if (nearest_named(path)) return std::max(most, options_.want);
  std::size_t seen = 0;
  bool closing = true;
  for (const std::uint16_t slot : order_) {
    if (!pool_[slot].known(path)) continue;
    const State state = pool_[slot].state;
    if (replaced(state)) continue;
    if (state != State::kAnswered) closing = false;
    if (!closing || ++seen == kClosingResponders) break;
  }
  if (closing && seen == kClosingResponders) return most;
  return std::min(options_.parallelism + paths_[path].troubles, most);
}

std::size_t Lookup::outstanding_max() const {
  return options_.paths == 1 ? kOutstandingMax : std::max(kOutstandingMax / options_.paths, kOutstandingOfPath);
}

bool Lookup::may_ask(std::size_t path) const {
  std::size_t active = 0;
  std::size_t open = 0;
  for (const std::uint16_t slot : order_) {
    const Candidate& candidate = pool_[slot];
    if (candidate.path != path) continue;
    if (candidate.state == State::kAsked) ++active;
    if (awaited(candidate.state)) ++open;
  }
  return active < width(path) && open < outstanding_max();
}

std::optional<Target> Lookup::next(Duration at) {
  for (std::size_t i = 0; i < options_.paths; ++i) {
    const std::size_t path = (turn_ + i) % options_.paths;
    if (auto to = next_of(path, at)) {
      turn_ = path + 1;
      return to;
    }
  }
  return std::nullopt;
}

std::optional<Target> Lookup::next_of(std::size_t path, Duration at) {
  if (!may_ask(path)) return std::nullopt;
  std::size_t window = 0;
  for (const std::uint16_t slot : order_) {
    Candidate& candidate = pool_[slot];
    if (!candidate.known(path)) continue;
    if (replaced(candidate.state)) continue;
    if (window++ == std::max(options_.want, options_.parallelism)) return std::nullopt;
    if (candidate.state != State::kHeard) continue;
    candidate.state = State::kAsked;
    candidate.at = at;
    candidate.path = static_cast<std::uint8_t>(path);
    asked_.push_back(slot);
    return candidate.to;
  }
  return std::nullopt;
}

void Lookup::learn(const NodeId& named_by, std::span<const Contact> contacts) {
  const Candidate* from = find(named_by);
  if (from == nullptr || from->to.endpoints.empty()) return;
  const std::uint32_t hop = from->hop + 1;
  const std::size_t path = from->path;
  const Endpoint endpoint = from->to.endpoints[0];
  for (const Contact& contact : contacts) {
    if (may_be_named_to(contact.endpoint, endpoint)) (void)add(contact, named_by, hop, path);
  }
}

void Lookup::on_reply(const NodeId& peer, Duration rtt, std::span<const Contact> contacts) {
  Candidate* candidate = find(peer);
  if (candidate == nullptr || !awaited(candidate->state)) return;
  candidate->state = State::kAnswered;
  candidate->rtt = rtt;
  candidate->contacts = static_cast<std::uint16_t>(contacts.size());
  ++answered_;
  learn(peer, contacts);
}

void Lookup::on_late(const NodeId& peer) {
  Candidate* candidate = find(peer);
  if (candidate == nullptr || candidate->state != State::kAsked) return;
  candidate->state = State::kLate;
  ++paths_[candidate->path].troubles;
}

void Lookup::on_slow(const NodeId& peer) {
  Candidate* candidate = find(peer);
  if (candidate == nullptr || (candidate->state != State::kAsked && candidate->state != State::kLate)) return;
  if (candidate->state == State::kAsked) ++paths_[candidate->path].troubles;
  candidate->state = State::kSlow;
}

void Lookup::on_timeout(const NodeId& peer) {
  Candidate* candidate = find(peer);
  if (candidate == nullptr || !awaited(candidate->state)) return;
  if (candidate->state == State::kAsked) ++paths_[candidate->path].troubles;
  candidate->state = State::kSilent;
}

bool Lookup::finished() const {
  for (std::size_t path = 0; path < options_.paths; ++path) {
    if (!finished(path)) return false;
  }
  return true;
}

bool Lookup::finished(std::size_t path) const {
  std::size_t answered = 0;
  std::size_t slow = 0;
  for (const std::uint16_t slot : order_) {
    if (!pool_[slot].known(path)) continue;
    const State state = pool_[slot].state;
    if (state == State::kSlow) ++slow;
    if (state == State::kSlow && options_.want < options_.parallelism) return false;
    if (state == State::kSilent || state == State::kSlow) continue;
    if (state != State::kAnswered) return false;
    if (++answered == options_.want) return true;
    if (answered == 3 && planted(Plant::kLookupHasty)) return true;
  }
  return slow <= answered;
}

std::vector<Target> Lookup::closest(std::size_t max) const {
  std::vector<Target> out;
  for (const std::uint16_t slot : order_) {
    if (out.size() == max) break;
    if (pool_[slot].state == State::kAnswered) out.push_back(pool_[slot].to);
  }
  return out;
}

InlineVec<Distance, kCrowdMost> Lookup::nearest_known() const {
  InlineVec<Distance, kCrowdMost> out;
  for (const std::uint16_t slot : order_) {
    if (out.full()) break;
    if (pool_[slot].state != State::kSilent) out.push(pool_[slot].away);
  }
  return out;
}

Known Lookup::known(std::uint16_t salt) const {
  Known out{.salt = salt};
  if (options_.paths != 1 || options_.want <= options_.parallelism) return out;
  for (const std::uint16_t slot : order_) {
    const Target& to = pool_[slot].to;
    for (const Endpoint& endpoint : to.endpoints) {
      if (!out.tags.try_push(known_tag(salt, to.id, endpoint))) return out;
    }
  }
  return out;
}

std::vector<NodeId> Lookup::missing(std::size_t max) const {
  std::vector<NodeId> out;
  std::size_t seen = 0;
  for (const std::uint16_t slot : order_) {
    const Candidate& c = pool_[slot];
    if (c.state == State::kHeard) continue;
    if (seen++ == max) break;
    if (c.state != State::kAnswered) out.push_back(c.to.id);
  }
  return out;
}

std::size_t Lookup::awaited_nearer_than(const NodeId& id) const {
  const Distance away = distance(id, options_.target);
  return static_cast<std::size_t>(std::ranges::count_if(order_, [&](std::uint16_t slot) {
    return pool_[slot].state == State::kAsked && pool_[slot].away < away;
  }));
}

std::uint32_t Lookup::hop_of(const NodeId& peer) const {
  const Candidate* candidate = find(peer);
  return candidate == nullptr ? 0 : candidate->hop;
}

std::size_t Lookup::hops() const {
  std::size_t most = 0;
  std::size_t seen = 0;
  for (const std::uint16_t slot : order_) {
    if (pool_[slot].state != State::kAnswered) continue;
    most = std::max<std::size_t>(most, pool_[slot].hop);
    if (++seen == options_.want) break;
  }
  return most;
}

std::vector<Lookup::Visit> Lookup::visits() const {
  std::vector<Visit> out;
  out.reserve(asked_.size());
  for (const std::uint16_t slot : asked_) {
    const Candidate& c = pool_[slot];
    out.push_back({.peer = {c.to.key, c.to.id, c.to.endpoints[0]}, .named_by = c.named_by,
                   .hop = c.hop, .at = c.at, .rtt = c.rtt, .contacts = c.contacts});
  }
  return out;
}

}  // namespace weft::dht
