#include "dht/put_op.h"

#include "crypto/planted.h"
#include "dht/lookup_op.h"

namespace weft::dht {

PutOp::PutOp(OpId user, const NodeId& key, Bytes value, const PutOptions& options)
    : Operation(user), dht_key_(key), value_(std::move(value)), options_(options) {}

void PutOp::start(Now now, Core& core, Output& out) {
  if (options_.trace) core.tracing.begin(key(), now.mono);
  replicas_ = options_.replicas != 0 ? options_.replicas : core.config.replicas;
  replicas_ = std::min(replicas_, kCandidatesMax);
  wanted_ = replicas_;
  remembered_ = core.own.number(dht_key_);
  walk_.emplace(now, core, key(),
                Walk::Options{.target = dht_key_,
                              .message = Get{.key = dht_key_,
                                             .author = core.self(),
                                             .after = {},
                                             .want_token = true,
                                             .newer_than = remembered_},
                              .want = replicas_,
                              .paths = options_.paths,
                              .background = false,
                              .hurry = true});
  if (know_here(core, out)) commit_ahead(now, core, out);
  advance(now, core, out);
}

bool PutOp::know_here(Core& core, Output& out) {
  if (loading_ || loads_ == kOwnLoadsMax) return !loading_;
  const Slot slot{dht_key_, core.self()};
  const std::size_t bytes = kBlobHeadBytes + value_.size();
  const Room room = core.store.knows(dht_key_) ? core.store.room_for(slot, bytes) : Room::kAskAuthor;
  const auto resume = [&core, op = key()](Now, bool, Output&) { core.resumed.push_back(op); };
  if (room == Room::kAskAuthor) loading_ = core.want(dht_key_, core.self(), resume, out);
  if (room == Room::kAskFarthest) loading_ = core.want_farthest(resume, out);
  if (loading_) ++loads_;
  return !loading_;
}

void PutOp::on_loaded(Now now, Core& core, Output& out) {
  loading_ = false;
  advance(now, core, out);
}

void PutOp::on_values(Now now, Core& core, const Asked& asked, Duration rtt, const Values& m,
                      Output& out) {
  if (asked.role == Role::kToken) {
    if (spread_) spread_->on_values(asked, m);
  } else if (!searched_) {
    look_at(now, core, m);
    if (asked.role == Role::kPage) {
      std::erase(pages_open_, asked.peer.id);
    } else {
      walk_->on_values(asked, rtt, m);
      if (m.more && m.values.empty()) ask_in_session(core, asked.peer, out);
    }
  }
  advance(now, core, out);
}

// It holds a newer number than we remember, but there was no room to show it (the answer to early
// data is short).
void PutOp::ask_in_session(Core& core, const Contact& peer, Output& out) {
  pages_open_.push_back(peer.id);
  const Get get{.key = dht_key_, .author = core.self(), .after = {}, .want_token = false,
                .newer_than = remembered_};
  core.ask(key(), Role::kPage, target_of(peer), get, /*background=*/false, out);
}

// Takes note of a higher number, if it is really ours.
void PutOp::look_at(Now now, Core& core, const Values& m) {
  for (const HeldValue& held : m.values) {
    const auto value = decode_value(held.blob);
    if (!value || value->author != core.identity.public_key()) continue;
    if (value->seq <= std::max(found_seq_, remembered_)) continue;
    if (!verify_value(core.provider, dht_key_, *value)) continue;
    found_seq_ = value->seq;
    found_expires_ =
        now.mono + std::chrono::seconds(std::min(held.remaining_s, value->lifetime_s));
  }
}

void PutOp::on_nodes(Now now, Core& core, const Asked& asked, Duration rtt, const Nodes& m,
                     Output& out) {
  if (beside_) beside_->on_nodes(asked, rtt, m);
  else walk_->on_nodes(asked, rtt, m);
  advance(now, core, out);
}

void PutOp::on_stored(Now now, Core& core, const Asked& asked, const Stored& m, Output& out) {
  if (spread_) spread_->on_stored(asked, m);
  advance(now, core, out);
}

void PutOp::on_slow(Now now, Core& core, const Asked& asked, Output& out) {
  if (asked.role == Role::kToken || asked.role == Role::kStore) {
    if (spread_) spread_->on_slow(asked);
  } else if (asked.role == Role::kPage) {
    std::erase(pages_open_, asked.peer.id);  // set aside: not waited for
  } else if (beside_) {
    beside_->on_slow(asked);
  } else {
    walk_->on_slow(asked);
  }
  advance(now, core, out);
}

void PutOp::on_timeout(Now now, Core& core, const Asked& asked, Output& out) {
  if (asked.role == Role::kToken || asked.role == Role::kStore) {
    if (spread_) spread_->on_timeout(asked);
  } else if (asked.role == Role::kPage) {
    std::erase(pages_open_, asked.peer.id);
  } else if (beside_) {
    beside_->on_timeout(asked);
  } else {
    walk_->on_timeout(asked);
  }
  advance(now, core, out);
}

void PutOp::advance(Now now, Core& core, Output& out) {
  if (done()) return;
  if (spread_) {
    spread_->pump(now, core, out);
    if (!answered_ && copies() >= hoped_for()) answer(core, out);
    if (spread_->round().settled()) complete(now, core, out);
    return;
  }
  if (searched_) return;
  if (!beside_) {
    walk_->pump(now, core, out);
    if (!pages_open_.empty() || !walk_->ended(core, out)) return;
    if (core.seems_crowded(walk_->lookup())) beside_.emplace(dht_key_, walk_->lookup().nearest_known(), core);
  }
  if (!beside_ || look_beside(now, core, out)) commit(now, core, out);
}

bool PutOp::look_beside(Now now, Core& core, Output& out) {
  while (beside_->advance(now, core, key(), out)) {
    for (const Target& to : beside_->nearest()) {
      if (std::ranges::find(found_beside_, to.id, &Target::id) == found_beside_.end()) found_beside_.push_back(to);
    }
  }
  return beside_->over();
}

std::uint32_t PutOp::lifetime(Now now, const Core& core) const {
  std::uint32_t seconds = options_.ttl_s != 0 ? options_.ttl_s : core.config.default_ttl_s;
  if (value_.empty()) {
    // Whoever comes back with the withdrawn value must find the withdrawal still there.
    if (const Own* own = core.own.find(dht_key_)) {
      seconds = std::max({seconds, seconds_left(now, own->expires), own->lifetime_s});
    }
    seconds = std::max(seconds, seconds_left(now, found_expires_));
  }
  return std::clamp<std::uint32_t>(seconds, 1, kLifetimeMaxS);
}

std::uint64_t PutOp::known_number(const Core& core) const {
  std::uint64_t current = std::max(found_seq_, seq_ == 0 ? core.own.number(dht_key_) : remembered_);
  const Held* held = core.store.find({dht_key_, core.self()});
  if (held != nullptr && held->blob != signed_.blob) current = std::max(current, held->seq);
  return current;
}

void PutOp::commit_ahead(Now now, Core& core, Output& out) {
  if (options_.cas || value_.empty() || !core.own.has_room(dht_key_)) return;
  const std::uint64_t current = known_number(core);
  if (current >= kSeqMax) return;
  const Slot slot{dht_key_, core.self()};
  const bool hold = core.responsible_for(dht_key_) && core.store.knows(dht_key_) &&
                    core.store.has_room(slot, kBlobHeadBytes + value_.size());
  write(now, core, current, hold, out);
}

void PutOp::commit(Now now, Core& core, Output& out) {
  if (!know_here(core, out)) return;
  searched_ = true;
  const Slot slot{dht_key_, core.self()};
  const std::uint64_t current = known_number(core);
  if (options_.cas && *options_.cas != current) {
    return fail({.error = OpError::kConflict, .current_seq = current, .replicas = 0}, out);
  }
  if (current >= kSeqMax) {
    return fail({.error = OpError::kConflict, .current_seq = current, .replicas = 0}, out);
  }
  if (seq_ == 0 && !core.own.has_room(dht_key_)) {
    return fail({.error = OpError::kOverloaded, .current_seq = current, .replicas = 0}, out);
  }
  holders_ = walk_->holders();
  if (!beside_) core.note_nearest(dht_key_, walk_->lookup().closest(replicas_));

  const auto nearer = static_cast<std::size_t>(std::ranges::count_if(
      holders_, [&](const Holder& h) { return closer(dht_key_, h.to.id, core.self()); }));
  among_nearest_ = nearer < replicas_;
  const bool hold = among_nearest_ && core.store.knows(dht_key_) &&
                    core.store.has_room(slot, kBlobHeadBytes + value_.size());
  no_room_here_ = among_nearest_ && !hold;
  prefer_beside();
  if (seq_ > current && (hold_ || !hold)) {
    if (commits_open_ == 0) begin_storing(now, core, out);
    return;
  }
  // A later put of this node under the same key keeps the last word.
  const std::uint64_t own = core.own.number(dht_key_);
  write(now, core, own == seq_ ? current : std::max(current, own), hold, out);
}

void PutOp::prefer_beside() {
  std::vector<Holder> beside;
  for (const Target& to : found_beside_) {
    const auto known = std::ranges::find(holders_, to.id, [](const Holder& h) { return h.to.id; });
    const bool nearest = known != holders_.end() && known - holders_.begin() < static_cast<std::ptrdiff_t>(replicas_);
    if (nearest) continue;
    beside.push_back(known != holders_.end() ? *known : Holder{.to = to, .token = {}});
    if (known != holders_.end()) holders_.erase(known);
  }
  wanted_ = replicas_ + beside.size();
  const std::size_t at = std::min(replicas_, holders_.size());
  holders_.insert(holders_.begin() + static_cast<std::ptrdiff_t>(at), std::move_iterator(beside.begin()), std::move_iterator(beside.end()));
}

void PutOp::write(Now now, Core& core, std::uint64_t current, bool hold, Output& out) {
  const Slot slot{dht_key_, core.self()};
  seq_ = std::max(current, core.number_floor) + 1;
  const std::uint32_t lifetime_s = lifetime(now, core);
  const Instant expires = now.mono + std::chrono::seconds(lifetime_s);
  signed_ = {.slot = slot,
             .blob = sign_value(core.identity, {.key = dht_key_, .seq = seq_,
                                                .lifetime_s = lifetime_s, .value = value_}),
             .seq = seq_,
             .expires = expires};
  // Without a lifetime of the user's choice the owner keeps the value alive until it is withdrawn.
  Own own{.blob = signed_.blob, .seq = seq_, .lifetime_s = lifetime_s, .expires = expires,
          .renew = options_.ttl_s == 0 && !value_.empty(), .copies = 0,
          .republish = core.owner_republish(now, lifetime_s, /*complete=*/true)};
  std::vector<Write> rows = {own_row(core.stamp(now), dht_key_, own)};
  if (hold) rows.push_back(value_row(core.stamp(now), slot, signed_.blob, expires));
  core.own.take(dht_key_, seq_);
  const Ticket ticket = core.persist(std::move(rows), out);
  core.own_commits[ticket] = {.op = key(), .key = dht_key_, .own = std::move(own), .hold = hold};
  hold_ = hold;
  ++commits_open_;
}

void PutOp::on_committed(Now now, Core& core, bool ok, Output& out) {
  --commits_open_;
  if (!ok) return fail({.error = OpError::kStore, .current_seq = 0, .replicas = 0}, out);
  if (searched_ && commits_open_ == 0) begin_storing(now, core, out);
}

void PutOp::begin_storing(Now now, Core& core, Output& out) {
  const Held* held = core.store.find(signed_.slot);
  held_here_ = among_nearest_ && held != nullptr && held->seq == seq_;
  // A slow holder may only have a slow disk: it is waited for until there are enough copies; what
  // comes later counts.
  spread_.emplace(key(), signed_, /*background=*/false,
                  StoreRound({.wanted = wanted_,
                              .needed = enough(),
                              .have = held_here_ ? std::size_t{1} : std::size_t{0}},
                             holders_));
  advance(now, core, out);
}

std::size_t PutOp::enough() const {
  return std::max((2 * wanted_ + 2) / 3, options_.quorum);
}

std::size_t PutOp::hoped_for() const {
  return std::max(options_.replicas != 0 ? wanted_ : enough(), options_.quorum);
}

std::size_t PutOp::copies() const { return spread_ ? spread_->round().copies() : 0; }

void PutOp::complete(Now now, Core& core, Output& out) {
  const std::size_t possible = std::min(wanted_, holders_.size() + (held_here_ ? 1U : 0U));
  if (const Own* own = core.own.find(dht_key_); own != nullptr && own->seq == seq_) {
    core.own.published(dht_key_, copies(),
                       core.owner_republish(now, own->lifetime_s, copies() >= possible));
  }
  core.note_missed(now, signed_.slot, replicas_, walk_->lookup(), spread_->round());
  if (answered_ && planted(Plant::kPutDoneTwice)) answer(core, out);
  if (answered_) return finish();
  if (copies() < std::max<std::size_t>(options_.quorum, 1)) {
    const std::uint64_t stale = spread_->round().stale_seq();
    OpFailure failure{.error = OpError::kQuorum, .current_seq = stale, .replicas = copies()};
    const bool full = no_room_here_ || spread_->round().no_room();
    if (copies() == 0) {
      failure.error = stale != 0 ? OpError::kConflict
                      : full     ? OpError::kNoRoom
                                 : OpError::kTimedOut;
    }
    return fail(failure, out);
  }
  answer(core, out);
  finish();
}

void PutOp::answer(const Core& core, Output& out) {
  answered_ = true;
  PutOk ok{.key = dht_key_, .seq = seq_, .replicas = copies(), .wanted = wanted_,
           .trace = core.tracing.trace(key(), walk_->lookup())};
  if (planted(Plant::kCopyTooMany)) ++ok.replicas;
  out.events.push_back(PutDone{*user(), std::move(ok)});
}

void PutOp::fail(const OpFailure& failure, Output& out) {
  finish();
  out.events.push_back(PutDone{*user(), std::unexpected(failure)});
}

void PutOp::end(Now now, Core& core, OpError why, Output& out) {
  if (answered_) return complete(now, core, out);
  // At the deadline what has been reached counts.
  if (why == OpError::kTimedOut && spread_ && copies() > 0) return complete(now, core, out);
  fail({.error = why, .current_seq = 0, .replicas = copies()}, out);
}

}  // namespace weft::dht
