#include "gossip/broadcast/tree.h"

#include <algorithm>
#include <bit>
#include <tuple>

#include "crypto/check.h"

namespace weft::broadcast {
namespace {

bool lately(const std::optional<Instant>& when, Now now, Duration span) { return when && now.mono - *when < span; }

}  // namespace

Tree::Tree(const NodeId& self, Rng rng, const Config& config)
    : self_(self),
      config_(config),
      rng_(rng.fork("tree")),
      links_(self, config.topic, rng),
      lag_(kLagStart * config.round_trip) {}

// ---- peers

void Tree::add_candidate(Now now, const NodeId& peer) { links_.add_candidate(now, peer); }

void Tree::set_round_trip(const NodeId& peer, Duration round_trip) {
  if (const auto place = links_.find(peer)) links_.at(*place).round_trip = std::min(round_trip, kRoundTripMax);
}

void Tree::peer_gone(Now now, const NodeId& peer) {
  links_.gone(now, peer);
  forget_freed();
}

void Tree::leave(Output& out) {
  links_.leave(out);
  forget_freed();
  announce_at_.reset();
  announced_ = repeated_ = recent_.end();
}

void Tree::forget_freed() {
  const PlaceSet freed = links_.take_freed();
  for (Place place = 0; place < kNeighboursMax; ++place) {
    if ((freed & bit(place)) == 0) continue;
    recent_.forget(place);
    missing_.forget(place);
  }
}

void Tree::make_eager(Now now, Place place) {
  Neighbour& peer = links_.at(place);
  if (peer.eager) return;
  peer.eager = true;
  peer.eager_since = now.mono;
}

Duration Tree::round_trip(Place place) const { return links_.at(place).round_trip.value_or(config_.round_trip); }

Duration Tree::slowest_round_trip() const {
  Duration most = config_.round_trip;
  for (Place place = 0; place < kNeighboursMax; ++place) {
    if (links_.used(place)) most = std::max(most, round_trip(place));
  }
  return most;
}

Duration Tree::crossing(Place place) const { return std::max(kCrossing, 2 * round_trip(place)); }

// ---- messages

void Tree::originate(Now now, const MessageId& id, Output& out) {
  if (recent_.find(id) != nullptr) return;
  missing_.take(id);
  spread(now, {.id = id, .at = now.mono}, out);
}

void Tree::accepted(Now now, const MessageId& id, const NodeId& from, std::uint32_t hops, Output& out) {
  if (recent_.find(id) != nullptr) return duplicate(now, id, from, hops, out);
  ++stats_.accepted_total;
  const auto place = links_.find(from);
  const auto missed = missing_.take(id);
  const bool asked = missed && missed->last && missed->last == place;
  if (!asked) {
    late_ = 0;
    note_lag(now, missed ? missed->heard_at : now.mono, hops, missed ? missed->hops : hops);
  }
  Recent recent{.id = id, .hops = std::min(hops, kHopsMax), .from = place, .at = now.mono};
  if (missed) recent.has = missed->announcers;
  if (asked) recent.heard_at = missed->heard_at;
  if (place) {
    Neighbour& peer = links_.at(*place);
    recent.has |= bit(*place);
    peer.strikes = 0;
    if (asked) peer.in_vain /= 2;
    // It pushes to us, so it takes us for eager, unless it has not heard yet that we want that no more.
    if (!asked && !lately(peer.pruned_at, now, crossing(*place))) make_eager(now, *place);
  } else {
    links_.on_stranger(from, out);
  }
  spread(now, recent, out);
}

void Tree::spread(Now now, const Recent& recent, Output& out) {
  for (Place place = 0; place < kNeighboursMax; ++place) {
    if (!links_.used(place)) continue;
    Neighbour& peer = links_.at(place);
    peer.credit = std::min(peer.credit + 1, kCreditMax);
    if (!peer.eager || (recent.has & bit(place)) != 0) continue;
    out.pushes.push_back({peer.id, recent.id, std::min(recent.hops + 1, kHopsMax)});
    ++stats_.pushes_total;
  }
  recent_.add(recent);
  if (!announce_at_) announce_at_ = now.mono + kAnnounceDelay;
}

void Tree::arrived_otherwise(const MessageId& id) { missing_.take(id); }

void Tree::note_lag(Now now, Instant heard_at, std::uint32_t hops, std::uint32_t announced_hops) {
  // Not longer than the hops take: what a repair on the way took is no property of the tree.
  const std::uint32_t more = hops > announced_hops ? hops - announced_hops : 0;
  const Duration longest = (std::min(more, kLagHopsMax) + 1) * slowest_round_trip() / 2;
  lag_next_ = std::max(lag_next_, std::min(now.mono - heard_at, longest));
  lag_ = std::max(lag_, lag_next_);
  if (++lags_ < kLagSamples || now.mono - lags_since_ < kLagWindow) return;
  lag_ = lag_next_;
  lag_next_ = {};
  lags_ = 0;
  lags_since_ = now.mono;
}

// ---- links become lazy

void Tree::duplicate(Now now, const MessageId& id, const NodeId& from, std::uint32_t hops, Output& out) {
  ++stats_.duplicates_total;
  const auto place = links_.find(from);
  if (!place) return links_.on_stranger(from, out);
  Recent* recent = recent_.find(id);
  // What came by anti-entropy, or long ago, tells nothing about the tree; nor does what comes twice from one.
  if (recent == nullptr || recent->from == place) return;
  recent->has |= bit(*place);
  const Neighbour& peer = links_.at(*place);
  if (peer.eager && recent->heard_at) note_lag(now, *recent->heard_at, hops, recent->hops);  // we asked too soon
  if (!peer.eager && lately(peer.asked_at, now, kAnswerMax)) return;  // what we asked for has come another way, too
  if (peer.home) return on_home_duplicate(now, *recent, *place, out);
  prune(now, *place, out);
}

void Tree::on_home_duplicate(Now now, const Recent& recent, Place place, Output& out) {
  Neighbour& peer = links_.at(place);
  // Those that do not count, too, make a row: else a link would be the more patient the more comes over it.
  if (recent.number > peer.struck_by + kStrikeGap) peer.strikes = 0;
  peer.struck_by = recent.number;
  if (!lately(peer.struck_at, now, kStrikeInterval)) {
    peer.struck_at = now.mono;
    if (++peer.strikes >= kStrikesMax) return prune(now, place, out);
  }
  // It was the other link that was a detour, unless the home link is late beyond what a tree takes. The peer sees the same from its
  // side: one of us acts, or both detours would go.
  if (!recent.from || now.mono - recent.at > lag_) return;
  const Neighbour& other = links_.at(*recent.from);
  const bool we_act = ((recent.id[0] & 1) != 0) == (self_ < peer.id);
  if (we_act && other.eager && !other.home) prune(now, *recent.from, out);
}

void Tree::prune(Now now, Place place, Output& out) {
  Neighbour& peer = links_.at(place);
  const bool last = links_.eager() == bit(place);
  if (last || lately(peer.pruned_at, now, kPruneInterval)) {
    ++stats_.prunes_held_total;
    return;
  }
  peer.eager = false;
  peer.pruned_at = now.mono;
  ++stats_.prunes_total;
  out.prunes.push_back({peer.id});
  links_.unhome(now, place);
}

void Tree::on_prune(Now now, const NodeId& from, Output& out) {
  const auto place = links_.find(from);
  if (!place) return links_.on_stranger(from, out);
  Neighbour& peer = links_.at(*place);
  if (lately(peer.grafted_at, now, crossing(*place))) return;  // it will hear of that yet
  peer.eager = false;
  links_.unhome(now, *place);
}

// ---- announcements

Duration Tree::patience(Place place) {
  const Duration least = std::max({kPatienceMin, round_trip(place) * 3 / 2, lag_ + lag_ / 4});
  return rng_.between(least, least + least / 4);
}

void Tree::on_ihave(Now now, const NodeId& from, std::span<const Heard> heard, Output& out) {
  const auto place = links_.find(from);
  if (!place) return links_.on_stranger(from, out);
  Neighbour& peer = links_.at(*place);
  const Instant due = now.mono + patience(*place);
  for (const Heard& one : heard.first(std::min(heard.size(), kAnnouncementsMax))) {
    if (!one.here) {
      const auto is = missing_.heard(one.id, *place, std::min(one.hops, kHopsMax), now.mono, due);
      if (is == MissingTable::Heard::kFull) ++stats_.announcements_refused_total;
      continue;
    }
    if (Recent* recent = recent_.find(one.id)) recent->has |= bit(*place);
    // Who announces does not push: we were wrong about the link, unless it has become eager since that was said.
    if (!peer.eager || lately(peer.eager_since, now, crossing(*place)) ||
        lately(peer.grafted_at, now, crossing(*place)))
      continue;
    peer.eager = false;
    links_.unhome(now, *place);
  }
}

void Tree::announce(Place place, std::uint64_t from, std::uint64_t to, Output& out) {
  IHave* open = nullptr;
  for (std::uint64_t number = from; number < to; ++number) {
    const Recent& recent = recent_.at(number);
    if ((recent.has & bit(place)) != 0) continue;
    if (open == nullptr || open->ids.full()) open = &out.ihaves.emplace_back(links_.at(place).id);
    open->ids.push({recent.id, std::min(recent.hops + 1, kHopsMax)});
    ++stats_.announced_total;
  }
}

void Tree::announce_lazy(std::uint64_t from, std::uint64_t to, Output& out) {
  for (Place place = 0; place < kNeighboursMax; ++place) {
    if (links_.used(place) && !links_.at(place).eager) announce(place, from, to, out);
  }
}

// ---- what is missing

void Tree::on_silence(Now now, Place place, Output& out) {
  if (++links_.at(place).in_vain < kInVainMax) return;
  ++stats_.banned_total;
  links_.ban(now, place, out);
  forget_freed();
}

std::optional<Place> Tree::choose(Missing& missing) const {
  auto open = static_cast<PlaceSet>(missing.announcers & ~missing.asked);
  if (open == 0) {
    ++missing.rounds;
    missing.asked = 0;
    open = missing.announcers;
  }
  if (missing.rounds == kRoundsMax || missing.tries == kTriesMax) return std::nullopt;
  const auto order = [&](Place place) {
    const Neighbour& peer = links_.at(place);
    return std::tuple(peer.in_vain, !peer.eager, place != missing.first, !peer.ours, place);
  };
  std::optional<Place> best;
  for (Place place = 0; place < kNeighboursMax; ++place) {
    if ((open & bit(place)) != 0 && (!best || order(place) < order(*best))) best = place;
  }
  return best;
}

void Tree::ask(Now now, const MessageId& id, Output& out) {
  if (const auto silent = missing_.find(id)->last) {
    on_silence(now, *silent, out);
    if (missing_.find(id) == nullptr) return;  // nobody else had announced it
  }
  Missing& missing = *missing_.find(id);
  const auto place = choose(missing);
  if (!place) {
    ++stats_.given_up_total;
    missing_.take(id);
    return;
  }
  Neighbour& peer = links_.at(*place);
  if (missing.tries == 0) ++late_;
  missing.asked |= bit(*place);
  missing.last = place;
  ++missing.tries;
  missing_.rearm(id, now.mono + std::max(kPatienceMin, 2 * round_trip(*place)));
  ++stats_.grafts_total;
  peer.asked_at = now.mono;
  bool eager = peer.eager;
  if (!eager && late_ >= kLateMax && !lately(relinked_at_, now, kRelinkInterval)) {
    eager = true;
    make_eager(now, *place);
    relinked_at_ = peer.grafted_at = now.mono;
    peer.pruned_at.reset();
    ++stats_.relinks_total;
  }
  for (Graft& graft : out.grafts) {
    if (graft.to != peer.id || !graft.ids.try_push(id)) continue;
    graft.eager |= eager;
    return;
  }
  out.grafts.push_back({peer.id, eager, {id}});
}

void Tree::on_graft(Now now, const NodeId& from, bool eager, std::span<const MessageId> ids, Output& out) {
  const auto place = links_.find(from);
  if (!place) return links_.on_stranger(from, out);
  Neighbour& peer = links_.at(*place);
  if (eager) make_eager(now, *place);
  for (const MessageId& id : ids.first(std::min(ids.size(), kGraftIdsMax))) {
    const Recent* recent = recent_.find(id);
    if (recent == nullptr || (recent->has & bit(*place)) != 0 || peer.credit == 0) {
      ++stats_.grafts_refused_total;
      continue;
    }
    --peer.credit;
    ++stats_.grafts_served_total;
    ++stats_.pushes_total;
    out.pushes.push_back({from, id, std::min(recent->hops + 1, kHopsMax)});
  }
}

// ---- links and time

void Tree::on_link(Now now, const NodeId& from, LinkStep step, std::span<const NodeId> others, Output& out) {
  const bool was = links_.find(from).has_value();
  links_.on_link(now, from, step, others, out);
  forget_freed();
  const auto place = links_.find(from);
  if (was || !place) return;
  // A new neighbour may lack what has just been announced.
  std::uint64_t number = announced_;
  while (number > recent_.first() && recent_.at(number - 1).at + kRepeatDelay > now.mono) --number;
  announce(*place, number, announced_, out);
}

void Tree::on_deadline(Now now, Output& out) {
  links_.on_deadline(now, out);
  forget_freed();
  if (missing_.due(now.mono)) {
    while (const auto id = missing_.due(now.mono + kDueSlack)) ask(now, *id, out);
  }
  if (announce_at_ && *announce_at_ <= now.mono) {
    announce_at_.reset();
    announce_lazy(std::max(announced_, recent_.first()), recent_.end(), out);
    announced_ = recent_.end();
  }
  const std::uint64_t from = std::max(repeated_, recent_.first());
  repeated_ = from;
  if (from == announced_ || recent_.at(from).at + kRepeatDelay > now.mono) return;
  while (repeated_ < announced_ && recent_.at(repeated_).at + kRepeatDelay <= now.mono + kAnnounceDelay) ++repeated_;
  announce_lazy(from, repeated_, out);
}

std::optional<Instant> Tree::next_deadline() const {
  std::optional<Instant> first = links_.next_deadline();
  const auto take = [&](std::optional<Instant> at) {
    if (at && (!first || *at < *first)) first = at;
  };
  take(missing_.next_deadline());
  take(announce_at_);
  const std::uint64_t oldest = std::max(repeated_, recent_.first());
  if (oldest < announced_) take(recent_.at(oldest).at + kRepeatDelay);
  return first;
}

Stats Tree::stats() const {
  Stats stats = stats_;
  stats.neighbours = links_.size();
  stats.eager = static_cast<std::size_t>(std::popcount(links_.eager()));
  stats.candidates = links_.candidates().size();
  stats.missing = missing_.size();
  stats.links = links_.stats();
  return stats;
}

}  // namespace weft::broadcast
