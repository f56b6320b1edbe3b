#include "dht/background_ops.h"

namespace weft::dht {

PublishOp::PublishOp(const Slot& slot, bool owner)
    : Operation(std::nullopt), slot_(slot), owner_(owner) {}

void PublishOp::start(Now now, Core& core, Output& out) {
  if (owner_) {
    const Own* own = core.own.find(slot_.key);
    if (own == nullptr) return finish();
    Instant expires = own->expires;
    if (own->renew) {
      expires = now.mono + std::chrono::seconds(own->lifetime_s);
      core.own.renewed(slot_.key, expires);
      core.write({own_row(now, slot_.key, *core.own.find(slot_.key))}, out);
      if (core.store.find(slot_) != nullptr) core.store.set_expiry(slot_, expires);
    }
    value_ = {.slot = slot_, .blob = own->blob, .seq = own->seq, .expires = expires};
  } else {
    const Held* held = core.store.find(slot_);
    if (held == nullptr) return finish();
    value_ = {.slot = slot_, .blob = held->blob, .seq = held->seq, .expires = held->expires};
  }
  if (seconds_left(now, value_.expires) == 0) return finish();
  walk_.emplace(now, core, key(),
                Walk::Options{.target = slot_.key,
                              .message = FindNode{.target = slot_.key, .want_token = true},
                              .want = core.config.replicas,
                              .background = true});
  advance(now, core, out);
}

void PublishOp::advance(Now now, Core& core, Output& out) {
  if (done()) return;
  if (spread_) {
    spread_->pump(now, core, out);
    if (spread_->round().settled()) complete(now, core);
    return;
  }
  walk_->pump(core, out);
  if (walk_->ended(core, out)) store(now, core, out);
}

void PublishOp::store(Now now, Core& core, Output& out) {
  std::vector<Holder> holders = walk_->holders();
  responders_ = holders.size();
  core.note_nearest(slot_.key, walk_->lookup().closest(core.config.replicas));
  const std::size_t replicas = core.config.replicas;
  const auto nearer = static_cast<std::size_t>(std::ranges::count_if(
      holders, [&](const Holder& h) { return closer(slot_.key, h.to.id, core.self()); }));
  const bool among = nearer < replicas;
  if (among) {
    core.adopt(now, slot_, value_.blob, seconds_left(now, value_.expires), out);
  } else if (!owner_ && responders_ >= replicas) {
    // A stray copy: the nearest now have it, so we keep ours but stay silent for longer.
    core.store.set_republish(slot_, now.mono + 4 * core.config.republish_every);
  }
  spread_.emplace(key(), value_, /*background=*/true,
                  StoreRound({.wanted = replicas, .needed = 0, .have = among ? 1U : 0U},
                             std::move(holders)));
  advance(now, core, out);
}

void PublishOp::complete(Now now, Core& core) {
  const StoreRound& round = spread_->round();
  ++core.counters.republished_total;
  const std::size_t replicas = core.config.replicas;
  if (owner_) {
    const Own* own = core.own.find(slot_.key);
    if (own != nullptr && own->seq == value_.seq) {
      const bool complete = round.copies() >= std::min(replicas, responders_);
      core.own.published(slot_.key, round.copies(),
                         core.owner_republish(now, own->lifetime_s, complete));
    }
  }
  if (round.stale_holder() != nullptr && round.stale_seq() > value_.seq) {
    core.spawn(std::make_unique<FetchOp>(slot_, value_.seq, *round.stale_holder()));
  }
  finish();
}

void PublishOp::on_nodes(Now now, Core& core, const Asked& asked, Duration rtt, const Nodes& m,
                         Output& out) {
  if (!spread_) walk_->on_nodes(asked, rtt, m);
  advance(now, core, out);
}

void PublishOp::on_values(Now now, Core& core, const Asked& asked, Duration, const Values& m,
                          Output& out) {
  if (spread_) spread_->on_values(asked, m);
  advance(now, core, out);
}

void PublishOp::on_stored(Now now, Core& core, const Asked& asked, const Stored& m, Output& out) {
  if (spread_) spread_->on_stored(asked, m);
  advance(now, core, out);
}

void PublishOp::on_slow(Now now, Core& core, const Asked& asked, Output& out) {
  if (asked.role == Role::kWalk) {
    walk_->on_slow(asked);
  } else if (spread_) {
    spread_->on_slow(asked);
  }
  advance(now, core, out);
}

void PublishOp::on_timeout(Now now, Core& core, const Asked& asked, Output& out) {
  if (asked.role == Role::kWalk) {
    walk_->on_timeout(asked);
  } else if (spread_) {
    spread_->on_timeout(asked);
  }
  advance(now, core, out);
}

void PublishOp::end(Now now, Core& core, OpError, Output&) {
  if (spread_) return complete(now, core);
  finish();
}

SpreadOp::SpreadOp(Why why, Spread::Value value, std::vector<Holder> holders)
    : Operation(std::nullopt),
      why_(why),
      value_(std::move(value)),
      holders_(std::move(holders)) {}

void SpreadOp::start(Now now, Core& core, Output& out) {
  const std::size_t wanted = holders_.size();
  spread_.emplace(key(), std::move(value_), /*background=*/true,
                  StoreRound({.wanted = wanted, .needed = why_ == Why::kHandOver ? wanted : 0, .have = 0},
                             std::move(holders_)));
  advance(now, core, out);
}

bool SpreadOp::in_vain() const {
  return why_ == Why::kHandOver && silence_ && spread_ && spread_->round().copies() == 0;
}

void SpreadOp::advance(Now now, Core& core, Output& out) {
  if (done()) return;
  spread_->pump(now, core, out);
  if (spread_->round().settled()) finish();
}

void SpreadOp::on_values(Now now, Core& core, const Asked& asked, Duration, const Values& m,
                         Output& out) {
  spread_->on_values(asked, m);
  advance(now, core, out);
}

void SpreadOp::on_stored(Now now, Core& core, const Asked& asked, const Stored& m, Output& out) {
  spread_->on_stored(asked, m);
  if (m.status == StoreStatus::kStored) {
    switch (why_) {
      case Why::kRepair: ++core.counters.repairs_total; break;
      case Why::kHandOver: ++core.counters.handed_over_total; break;
    }
  }
  if (m.status == StoreStatus::kStale && m.seq > spread_->value().seq) {
    const Target* from = spread_->round().stale_holder();
    if (from != nullptr && core.store.find(spread_->value().slot) != nullptr) {
      core.spawn(std::make_unique<FetchOp>(spread_->value().slot, spread_->value().seq, *from));
    }
  }
  advance(now, core, out);
}

void SpreadOp::on_slow(Now now, Core& core, const Asked& asked, Output& out) {
  spread_->on_slow(asked);
  advance(now, core, out);
}

void SpreadOp::on_timeout(Now now, Core& core, const Asked& asked, Output& out) {
  silence_ = true;
  spread_->on_timeout(asked);
  advance(now, core, out);
}

void SpreadOp::end(Now, Core&, OpError, Output&) { finish(); }

FetchOp::FetchOp(const Slot& slot, std::uint64_t newer_than, const Target& from)
    : Operation(std::nullopt), slot_(slot), newer_than_(newer_than), from_(from) {}

void FetchOp::start(Now, Core& core, Output& out) {
  const Get get{.key = slot_.key, .author = slot_.author, .after = {}, .want_token = false,
                .newer_than = newer_than_};
  core.ask(key(), Role::kFetch, from_, get, /*background=*/true, out);
}

void FetchOp::on_values(Now now, Core& core, const Asked&, Duration, const Values& m,
                        Output& out) {
  finish();
  for (const HeldValue& held : m.values) {
    const auto value = decode_value(held.blob);
    if (!value || node_id_of(value->author) != slot_.author) continue;
    if (!verify_value(core.provider, slot_.key, *value)) continue;
    core.adopt(now, slot_, held.blob, held.remaining_s, out);
  }
}

}  // namespace weft::dht
