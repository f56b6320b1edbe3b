#include "gossip/broadcast/links.h"

#include <algorithm>
#include <bit>

#include "crypto/check.h"

namespace weft::broadcast {

Links::Links(const NodeId& self, std::uint64_t topic, Rng rng)
    : self_(self), rng_(rng.fork("links")), candidates_(self, topic, rng.fork("lots").next()) {}

// ---- views

std::optional<Place> Links::find(const NodeId& id) const {
  for (Place place = 0; place < kNeighboursMax; ++place) {
    if (used(place) && places_[place].id == id) return place;
  }
  return std::nullopt;
}

std::optional<std::size_t> Links::find_asked(const NodeId& id) const {
  for (std::size_t i = 0; i < asked_.size(); ++i) {
    if (asked_[i].id == id) return i;
  }
  return std::nullopt;
}

PlaceSet Links::eager() const {
  PlaceSet set = 0;
  for (Place place = 0; place < kNeighboursMax; ++place) {
    if (used(place) && places_[place].eager) set |= bit(place);
  }
  return set;
}

std::size_t Links::size() const { return static_cast<std::size_t>(std::popcount(used_)); }

std::size_t Links::chosen() const {
  std::size_t count = 0;
  for (Place place = 0; place < kNeighboursMax; ++place) {
    if (used(place) && places_[place].ours) ++count;
  }
  return count;
}

// ---- neighbours come and go

Place Links::add(const NodeId& id, bool ours) {
  CHECK(size() < kNeighboursMax);
  const auto place = static_cast<Place>(std::countr_one(used_));
  used_ |= bit(place);
  places_[place] = Neighbour{.id = id, .ours = ours};
  return place;
}

void Links::make_home(Now now, Place place) {
  Neighbour& peer = places_[place];
  peer.home = peer.eager = true;
  peer.strikes = 0;
  peer.eager_since = now.mono;
}

void Links::remove(Place place) {
  CHECK(used(place));
  used_ = static_cast<PlaceSet>(used_ & ~bit(place));
  freed_ |= bit(place);
  if (uplink_ == places_[place].id) uplink_.reset();
}

void Links::add_candidate(Now now, const NodeId& peer) {
  if (candidates_.add(peer)) want_more(now);
}

void Links::gone(Now now, const NodeId& peer) {
  on_no(now, peer);
  candidates_.remove(peer);
}

void Links::ban(Now now, Place place, Output& out) {
  const NodeId id = places_[place].id;
  end(place, out);
  candidates_.put_off(id, now.mono + kBan);
  if (banned_.full()) banned_.erase_at(0);
  banned_.push({id, now.mono + kBan});
  want_more(now);
}

bool Links::is_banned(Now now, const NodeId& id) const {
  return std::ranges::any_of(banned_, [&](const Banned& one) { return one.id == id && one.until > now.mono; });
}

void Links::leave(Output& out) {
  for (Place place = 0; place < kNeighboursMax; ++place) {
    if (used(place)) end(place, out);
  }
  for (const Asked& asked : asked_) out.links.push_back({asked.id, LinkStep::kNo});
  asked_.clear();
  uplink_.reset();
  fill_at_.reset();
  look_.at.reset();
  spare_.at.reset();
  rehome_.at.reset();
}

// ---- what peers say

void Links::say(const NodeId& to, LinkStep step, Output& out) {
  out.links.push_back({to, step});
  candidates_.name(to, rng_, out.links.back().others);
}

void Links::on_link(Now now, const NodeId& from, LinkStep step, std::span<const NodeId> others, Output& out) {
  if (find(from) || find_asked(from) || step == LinkStep::kAsk || step == LinkStep::kAskEager) {
    for (const NodeId& other : others.first(std::min(others.size(), kOthersMax))) add_candidate(now, other);
  }
  switch (step) {
    case LinkStep::kAsk: on_ask(now, from, /*eager=*/false, out); break;
    case LinkStep::kAskEager: on_ask(now, from, /*eager=*/true, out); break;
    case LinkStep::kYes: on_yes(now, from, out); break;
    case LinkStep::kNo: on_no(now, from); break;
    case LinkStep::kSpare: on_spare(now, from, out); break;
  }
}

void Links::on_stranger(const NodeId& from, Output& out) {
  if (find_asked(from)) return;  // its yes was lost, or will come yet
  ++stats_.strangers_total;
  out.links.push_back({from, LinkStep::kNo});
}

bool Links::has_room_for_guest(bool as_child) const {
  const std::size_t most = as_child ? kNeighboursMax : kLazyRoom;
  return size() + asked_.size() < most && size() - chosen() < kNeighboursMax - kChosenMin;
}

bool Links::take_admission(Now now) {
  const auto refill = static_cast<std::uint64_t>((now.mono - admits_since_) / kAdmitInterval);
  if (refill > 0) {
    admits_ = static_cast<std::uint32_t>(std::min<std::uint64_t>(kAdmitBurst, admits_ + refill));
    admits_since_ = now.mono;
  }
  if (admits_ == 0) return false;
  --admits_;
  return true;
}

std::optional<Place> Links::spare_place(bool guests_only) const {
  for (Place place = 0; place < kNeighboursMax; ++place) {
    const Neighbour& peer = places_[place];
    if (used(place) && !peer.eager && !peer.home && !(guests_only && peer.ours)) return place;
  }
  return std::nullopt;
}

void Links::end(Place place, Output& out) {
  out.links.push_back({places_[place].id, LinkStep::kNo});
  remove(place);
}

void Links::on_ask(Now now, const NodeId& from, bool eager, Output& out) {
  if (from == self_) return;
  if (const auto place = find(from)) {
    if (eager) make_home(now, *place);
    return say(from, LinkStep::kYes, out);
  }
  // A crossing question mostly has its room already. Who belongs below us takes the place of one who is a guest by chance.
  const bool crossing = find_asked(from).has_value();
  const bool room = crossing ? size() < kNeighboursMax : has_room_for_guest(eager);
  const auto leaves = eager && !room ? spare_place(/*guests_only=*/true) : std::nullopt;
  if (is_banned(now, from) || (!room && !leaves) || (!crossing && !take_admission(now))) {
    ++stats_.refused_total;
    return say(from, LinkStep::kNo, out);
  }
  if (leaves) end(*leaves, out);
  const Place place = add(from, /*ours=*/false);
  if (eager) make_home(now, place);
  say(from, LinkStep::kYes, out);
  add_candidate(now, from);
  want_more(now);
}

void Links::on_yes(Now now, const NodeId& from, Output& out) {
  const auto asked = find_asked(from);
  if (!asked) {
    if (!find(from)) on_stranger(from, out);  // we gave up waiting
    return;
  }
  const bool is_uplink = asked_[*asked].is_uplink;
  asked_.erase_at(*asked);
  const auto place = find(from);
  if (!place && size() == kNeighboursMax) {  // its room went to one who asked at the same time
    if (uplink_ == from) uplink_.reset();
    out.links.push_back({from, LinkStep::kNo});
    return want_more(now);
  }
  const Place at = place ? *place : add(from, /*ours=*/true);
  places_[at].ours = true;
  if (is_uplink) set_uplink(now, at, out);
  want_more(now);
}

void Links::set_uplink(Now now, Place place, Output& out) {
  const auto before = uplink_ ? find(*uplink_) : std::nullopt;
  if (before && *before != place) {
    Neighbour& old = places_[*before];
    old.home = old.eager = false;
    old.pruned_at = now.mono;
    out.prunes.push_back({old.id});
  }
  make_home(now, place);
  places_[place].grafted_at = now.mono;
  uplink_ = places_[place].id;
  if (!rehome_.at) seldom(now, rehome_, kRehomeMin, kRehomeMax);
}

void Links::unhome(Now now, Place place) {
  places_[place].home = false;
  if (uplink_ != places_[place].id) return;
  uplink_.reset();
  candidates_.put_off(places_[place].id, now.mono + kPutOff);
  want_more(now);
}

bool Links::is_spare(Place place) const {
  const Neighbour& peer = places_[place];
  return !peer.eager && !peer.home && (!peer.ours || chosen() > kChosenMin);
}

void Links::on_spare(Now now, const NodeId& from, Output& out) {
  const auto place = find(from);
  if (place && (size() <= kDegreeMin || !is_spare(*place))) return;
  out.links.push_back({from, LinkStep::kNo});
  on_no(now, from);
}

void Links::on_no(Now now, const NodeId& from) {
  const auto asked = find_asked(from);
  const auto place = find(from);
  if (!asked && !place) return;
  if (asked) asked_.erase_at(*asked);
  if (place) remove(*place);
  if (uplink_ == from) uplink_.reset();
  candidates_.put_off(from, now.mono + kPutOff);
  want_more(now);
}

// ---- choices

void Links::want_more(Now now) {
  if (size() > kDegreeEnough && !spare_.at) seldom(now, spare_, kSpareMin, kSpareMax);
  if (fill_at_ && *fill_at_ <= now.mono + 2 * kFirstFill) return;
  if ((uplink_ && !wants_lazy()) || candidates_.size() == 0) return;
  const bool alone = used_ == 0 && asked_.empty();
  fill_at_ = now.mono + rng_.jitter(alone ? kFirstFill : kFillInterval, {1, 2});
}

void Links::ask(Now now, const NodeId& peer, bool is_uplink, Output& out) {
  asked_.push({.id = peer, .is_uplink = is_uplink, .tries = 1, .due = now.mono + kLinkPatience});
  ++stats_.asked_total;
  say(peer, is_uplink ? LinkStep::kAskEager : LinkStep::kAsk, out);
}

std::optional<NodeId> Links::choose_uplink(Now now) {
  return candidates_.uplink(now.mono, rng_, [&](const NodeId& id) { return find_asked(id).has_value(); });
}

bool Links::make_room(const NodeId& uplink, Output& out) {
  if (find(uplink) || !is_full()) return true;
  const auto leaves = spare_place(/*guests_only=*/false);
  if (leaves) end(*leaves, out);
  return leaves.has_value();
}

void Links::fill(Now now, Output& out) {
  if (asked_.full()) return;  // an answer wakes us
  // The uplink comes second: the first neighbour names others, and the choice is better.
  std::optional<NodeId> uplink;
  if (!uplink_ && used_ != 0) uplink = choose_uplink(now);
  if (!uplink && wants_lazy()) {
    const auto is_near = [&](const NodeId& id) { return find(id) || find_asked(id); };
    if (const auto peer = candidates_.any(now.mono, rng_, is_near)) {
      ask(now, *peer, /*is_uplink=*/false, out);
      return want_more(now);
    }
  }
  if (!uplink && !uplink_) uplink = choose_uplink(now);
  if (uplink) {
    if (!make_room(*uplink, out)) return;  // a departure wakes us
    uplink_ = uplink;
    ask(now, *uplink, /*is_uplink=*/true, out);
    return want_more(now);
  }
  if (!uplink_ && !look_.at) seldom(now, look_, kLookMin, kLookMax);
  fill_at_ = candidates_.next_return(now.mono);  // or when there is a new one
}

bool Links::wants_lazy() const {
  const std::size_t coming = asked_.size();
  return !is_full() && (chosen() + coming < kChosenMin || size() + coming < kDegreeMin);
}

// ---- what is done seldom

void Links::seldom(Now now, Seldom& what, Duration least, Duration most) {
  what.after = what.at ? std::min(what.after * 2, most) : least;
  what.at = now.mono + rng_.jitter(what.after, {1, 4});
}

std::optional<Place> Links::random_place(bool spare_only) {
  InlineVec<Place, kNeighboursMax> places;
  for (Place place = 0; place < kNeighboursMax; ++place) {
    if (used(place) && (!spare_only || is_spare(place))) places.push(place);
  }
  if (places.empty()) return std::nullopt;
  return places[static_cast<std::size_t>(rng_.below(places.size()))];
}

void Links::look(Now now, Output& out) {
  const auto place = random_place(/*spare_only=*/false);
  if (uplink_ || !place) return look_.at.reset();
  say(places_[*place].id, LinkStep::kAsk, out);  // the answer names those of the lowest ranks
  seldom(now, look_, kLookMin, kLookMax);
}

void Links::offer_spare(Now now, Output& out) {
  if (size() <= kDegreeEnough) return spare_.at.reset();
  if (const auto place = random_place(/*spare_only=*/true)) out.links.push_back({places_[*place].id, LinkStep::kSpare});
  seldom(now, spare_, kSpareMin, kSpareMax);
}

void Links::rehome(Now now, Output& out) {
  if (!uplink_) return rehome_.at.reset();
  // The more candidates there are, the better we know where we belong.
  if (candidates_.size() > rehomed_of_ + rehomed_of_ / 4) rehome_.at.reset();
  rehomed_of_ = candidates_.size();
  seldom(now, rehome_, kRehomeMin, kRehomeMax);
  if (candidates_.fits(*uplink_) || find_asked(*uplink_) || asked_.full()) return;
  const auto better = choose_uplink(now);
  if (!better || better == uplink_ || !candidates_.fits(*better) || !make_room(*better, out)) return;
  ask(now, *better, /*is_uplink=*/true, out);
  rehome_.after = std::max(rehome_.after / 2, kRehomeMin / 2);  // it may have no room: soon again
}

void Links::on_unanswered(Now now, Output& out) {
  for (std::size_t i = 0; i < asked_.size();) {
    Asked& asked = asked_[i];
    if (asked.due > now.mono) {
      ++i;
    } else if (asked.tries < kLinkTries) {
      ++asked.tries;
      asked.due = now.mono + kLinkPatience;
      say(asked.id, asked.is_uplink ? LinkStep::kAskEager : LinkStep::kAsk, out);
      ++i;
    } else {
      const NodeId id = asked.id;
      asked_.erase_at(i);
      if (uplink_ == id) uplink_.reset();
      candidates_.put_off(id, now.mono + kPutOff);
      want_more(now);
    }
  }
}

void Links::on_deadline(Now now, Output& out) {
  const auto is_due = [&](const std::optional<Instant>& at) { return at && *at <= now.mono; };
  if (is_due(look_.at)) look(now, out);
  if (is_due(spare_.at)) offer_spare(now, out);
  if (is_due(rehome_.at)) rehome(now, out);
  on_unanswered(now, out);
  if (!is_due(fill_at_)) return;
  fill_at_.reset();
  fill(now, out);
}

std::optional<Instant> Links::next_deadline() const {
  std::optional<Instant> first = fill_at_;
  for (const Seldom* what : {&look_, &spare_, &rehome_}) {
    if (what->at && (!first || *what->at < *first)) first = what->at;
  }
  for (const Asked& asked : asked_) {
    if (!first || asked.due < *first) first = asked.due;
  }
  return first;
}

}  // namespace weft::broadcast
