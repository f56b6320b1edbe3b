#include "gossip/broadcast/candidates.h"

#include <algorithm>

#include "crypto/check.h"

namespace weft::broadcast {
namespace {

// The finaliser of MurmurHash3: ids are hashes already, so 64 bits of one under a key make a hash anew.
std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 33)) * 0xff51afd7ed558ccdULL;
  x = (x ^ (x >> 33)) * 0xc4ceb9fe1a85ec53ULL;
  return x ^ (x >> 33);
}
std::uint64_t hash_of(std::uint64_t key, const NodeId& id) {
  return mix(mix(key ^ load_be64(id.bytes.data())) ^ load_be64(id.bytes.data() + 8));
}

}  // namespace

Candidates::Candidates(const NodeId& self, std::uint64_t topic, std::uint64_t secret)
    : self_(self), topic_(topic), secret_(secret), own_rank_(rank_of(self)) {}

std::uint64_t Candidates::rank_of(const NodeId& id) const { return hash_of(topic_, id); }
std::uint64_t Candidates::lot_of(const NodeId& id) const { return hash_of(secret_, id); }

std::vector<Candidates::One>::iterator Candidates::place_of(std::uint64_t rank, const NodeId& id) {
  return std::ranges::lower_bound(all_, std::pair(rank, id), {},
                                  [](const One& one) { return std::pair(one.rank, one.id); });
}

std::size_t Candidates::last_lot() const {
  CHECK(all_.size() > kLowestMax);
  std::size_t last = kLowestMax;
  for (std::size_t i = kLowestMax; i < all_.size(); ++i) {
    if (all_[i].lot > all_[last].lot) last = i;
  }
  return last;
}

bool Candidates::add(const NodeId& peer) {
  if (peer == self_) return false;
  const One one{.rank = rank_of(peer), .id = peer, .lot = lot_of(peer), .not_before = {}};
  const bool full = all_.size() == kCandidatesMax;
  // What most calls come to in a large mesh: neither a low rank nor a low lot.
  if (full && one.lot >= lot_limit_ && one.rank > all_[kLowestMax - 1].rank) return false;
  const auto at = place_of(one.rank, peer);
  if (at != all_.end() && at->id == peer) return false;
  all_.insert(at, one);
  if (all_.size() > kCandidatesMax) {
    all_known_ = false;
    const std::size_t last = last_lot();
    const bool same = all_[last].id == peer;
    all_.erase(all_.begin() + static_cast<std::ptrdiff_t>(last));
    if (same) return false;
  }
  if (all_.size() == kCandidatesMax) lot_limit_ = all_[last_lot()].lot;
  return true;
}

void Candidates::remove(const NodeId& peer) {
  const auto at = place_of(rank_of(peer), peer);
  if (at != all_.end() && at->id == peer) all_.erase(at);
}

void Candidates::put_off(const NodeId& peer, Instant until) {
  const auto at = place_of(rank_of(peer), peer);
  if (at != all_.end() && at->id == peer) at->not_before = until;
}

std::size_t Candidates::lower_count() const {
  const auto at = std::ranges::lower_bound(all_, std::pair(own_rank_, self_), {},
                                           [](const One& one) { return std::pair(one.rank, one.id); });
  return static_cast<std::size_t>(at - all_.begin());
}

std::optional<std::size_t> Candidates::parent_place(std::size_t lower) const {
  CHECK(lower > 0);
  if (all_known_ || lower < kLowestMax) return (lower - 1) / kBranching;  // we know all that are below
  // Those kept for their rank alone are denser than the sample and would draw our estimate of the place down.
  std::size_t sampled_lower = 0;
  for (std::size_t i = 0; i < lower; ++i) sampled_lower += sampled(all_[i]) ? 1U : 0U;
  std::size_t left = sampled_lower / kBranching;
  if (left == 0) return std::nullopt;
  std::size_t place = 0;
  while (!sampled(all_[place]) || --left > 0) ++place;
  return place;
}

bool Candidates::fits(const NodeId& peer) const {
  const std::size_t lower = lower_count();
  if (lower == 0) return true;
  const std::uint64_t rank = rank_of(peer);
  const auto at = std::ranges::lower_bound(all_, std::pair(rank, peer), {},
                                           [](const One& one) { return std::pair(one.rank, one.id); });
  const auto place = static_cast<std::size_t>(at - all_.begin());
  const auto wanted = parent_place(lower);
  if (!wanted) return place < kLowestMax;
  return place <= 2 * *wanted + 1 && *wanted <= 2 * place + 1;
}

std::optional<NodeId> Candidates::uplink(Instant now, Rng& rng, const Skip& skip) const {
  const std::size_t lower = lower_count();
  if (lower == 0) return std::nullopt;
  const auto place = parent_place(lower);
  const std::size_t wanted = place ? *place : static_cast<std::size_t>(rng.below(kLowestMax));
  const auto may = [&](std::size_t i) { return all_[i].not_before <= now && !skip(all_[i].id); };
  for (std::size_t i = wanted; i < lower; ++i) {
    if (may(i)) return all_[i].id;
  }
  for (std::size_t i = wanted; i-- > 0;) {
    if (may(i)) return all_[i].id;
  }
  return std::nullopt;
}

std::optional<NodeId> Candidates::any(Instant now, Rng& rng, const Skip& skip) const {
  std::vector<const NodeId*> open;
  for (const One& one : all_) {
    if (sampled(one) && one.not_before <= now && !skip(one.id)) open.push_back(&one.id);
  }
  if (open.empty()) return std::nullopt;
  return *open[static_cast<std::size_t>(rng.below(open.size()))];
}

void Candidates::name(const NodeId& whom, Rng& rng, InlineVec<NodeId, kOthersMax>& others) const {
  for (std::size_t i = 0; i < all_.size() && others.size() < kOthersMax / 2; ++i) {
    if (all_[i].id != whom) others.push(all_[i].id);
  }
  for (std::size_t tries = 0; tries < 4 * kOthersMax && !all_.empty() && !others.full(); ++tries) {
    const One& one = all_[static_cast<std::size_t>(rng.below(all_.size()))];
    if (one.id != whom && std::ranges::find(others, one.id) == others.end()) others.push(one.id);
  }
}

std::optional<Instant> Candidates::next_return(Instant now) const {
  std::optional<Instant> first;
  for (const One& one : all_) {
    if (one.not_before > now && (!first || one.not_before < *first)) first = one.not_before;
  }
  return first;
}

}  // namespace weft::broadcast
