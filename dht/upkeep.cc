#include "dht/upkeep.h"

#include "dht/background_ops.h"
#include "dht/earlier.h"
#include "dht/lookup_op.h"
#include "dht/region_op.h"

namespace weft::dht {
namespace {

constexpr Ratio kJitter = {1, 5};

// Has the bucket fewer contacts than a refresh would bring?
bool sparse(const Core& core, std::size_t bucket) {
  return core.table.bucket_population(bucket) < std::min(kRefreshWant, core.config.bucket_size);
}

}  // namespace

Upkeep::Upkeep(Now now, Core& core)
    : rng_(core.rng.fork("upkeep")),
      hand_overs_(core.rng.fork("hand-overs")),
      next_self_lookup_(now.mono + rng_.jitter(core.config.refresh_every, kJitter)),
      next_save_(now.mono + rng_.jitter(kSaveFirst, kJitter)),
      next_probe_(now.mono + rng_.jitter(kProbeEvery, kJitter)) {}

std::size_t Upkeep::running(Kind kind) const {
  return static_cast<std::size_t>(
      std::ranges::count_if(running_, [kind](const auto& op) { return op.second == kind; }));
}

OpKey Upkeep::start(Core& core, Kind kind, std::unique_ptr<Operation> operation) {
  const OpKey key = core.spawn(std::move(operation));
  if (key != OpKey{}) running_[key] = kind;
  return key;
}

void Upkeep::on_done(Core& core, OpKey key, Operation::Rest rest) {
  if (hand_overs_.on_done(key, rest)) return;
  const auto it = running_.find(key);
  if (it == running_.end()) return;
  const Kind kind = it->second;
  running_.erase(it);
  if (kind != Kind::kBootstrap) return;
  core.looked_around = true;
  // Kademlia 2.3, joining: "refreshes all k-buckets further away than its closest neighbor".
  to_refresh_.clear();
  for (std::size_t bucket = 0; bucket + 1 < core.table.depth(); ++bucket) {
    if (sparse(core, bucket)) to_refresh_.push_back(bucket);
  }
}

void Upkeep::bootstrap(Now now, Core& core) {
  next_self_lookup_ = now.mono + rng_.jitter(core.config.refresh_every, kJitter);
  if (running(Kind::kBootstrap) > 0) return;
  if (!core.looked_around) settling_until_ = now.mono + kSettleMax;
  start(core, Kind::kBootstrap,
        std::make_unique<LookupOp>(
            std::nullopt,
            LookupOp::Options{.target = core.self(), .want = core.config.bucket_size}));
}

void Upkeep::joined(Now now, const Core& core, const NodeId& peer) {
  if (!settling_until_) hand_overs_.joined(now, core, peer);
}

void Upkeep::left(Now now, const Core& core, const NodeId& peer) { hand_overs_.left(now, core, peer); }

void Upkeep::heard(Now now, const Core& core, const NodeId& peer) { hand_overs_.heard(now, core, peer); }

void Upkeep::settle_in(Now now, const Core& core) {
  if (!settling_until_) return;
  const bool around = core.looked_around && to_refresh_.empty() &&
                      running(Kind::kBootstrap) + running(Kind::kRefresh) == 0;
  if (around || *settling_until_ <= now.mono) settling_until_.reset();
}

void Upkeep::expire(Now now, Core& core, Output& out) {
  std::vector<Write> gone = std::move(core.dead_rows);
  core.dead_rows.clear();
  for (const Slot& slot : core.store.take_expired(now, kExpiredPerCall)) {
    gone.push_back(value_erased(slot));
  }
  core.write(std::move(gone), out);
  if (core.store.paged()) ask_ended(now, core, out);
}

void Upkeep::ask_ended(Now now, Core& core, Output& out) {
  const auto at = core.store.next_expiry();
  if (ending_ || !at || *at > now.mono) return;
  // What is being erased would be told again.
  if (ended_gone_ && core.is_writing(*ended_gone_)) return core.store.next_end_is(now.mono + kEndedAgain);
  ending_ = core.want_rows(
      LoadEnded{.until_ms = core.stamp(now).wall.value, .rows_max = kExpiredPerCall},
      [this, &core](Now then, const Loaded& loaded, Output& o) { on_ended(then, core, loaded, o); }, out);
  // What comes meanwhile may end sooner than what is told.
  core.store.next_end_is(ending_ ? Instant::max() : now.mono + kEndedAgain);
}

void Upkeep::on_ended(Now now, Core& core, const Loaded& loaded, Output& out) {
  ending_ = false;
  const Now stamped = core.stamp(now);
  std::vector<Write> gone;
  for (const Write& row : loaded.rows) {
    const auto slot = slot_of_row(row.key);
    if (!slot) continue;
    const auto read = read_value_row(row.key, row.value);
    if (const Held* held = core.store.find(*slot)) {
      if (seconds_left(now, held->expires) > 0) continue;  // it was renewed meanwhile
      core.store.erase(*slot);
    } else if (read) {
      if (core.store.knows(slot->key)) continue;  // it is gone already
      core.store.forget_ended(*slot, read->blob.size());
    }
    gone.push_back(value_erased(*slot));
  }
  const bool some = !gone.empty();
  if (some) ended_gone_ = core.persist(std::move(gone), out);
  Instant next = core.store.next_expiry().value_or(Instant::max());
  if (!loaded.ok) next = std::min(next, now.mono + kStoreTryEvery);
  if (loaded.next_end_ms) {
    next = std::min(next, now.mono + std::chrono::milliseconds(*loaded.next_end_ms - stamped.wall.value));
  }
  core.store.next_end_is(some || loaded.next_end_ms ? std::max(next, now.mono + kEndedAgain) : next);
}

// The next piece of the round, when the last has been seen to.
void Upkeep::ask_piece(Now now, Core& core, Output& out) {
  if (piece_loading_ || next_piece_ > now.mono) return;
  if (const auto due = core.store.next_republish(); due && *due <= now.mono) return;
  if (!round_since_) {
    round_since_ = now.mono;
    piece_from_ = core.round_from;
  }
  piece_loading_ = core.want_rows(
      LoadKeys{.first = piece_from_, .last = last_key(), .rows_max = kCompareItemsMax, .author = {}, .author_max = 0},
      [this, &core](Now then, const Loaded& loaded, Output&) { on_piece(then, core, loaded); }, out);
  next_piece_ = now.mono + kPieceEvery;
}

void Upkeep::on_piece(Now now, Core& core, const Loaded& loaded) {
  piece_loading_ = false;
  if (!loaded.ok) {
    next_piece_ = now.mono + kStoreTryEvery;
    return;
  }
  const Duration period = core.config.republish_every;
  core.fill(now, loaded.rows,
            [&](const Slot& slot) { core.store.its_turn(now, slot, now.mono); });
  // A little faster than a round a period, as pieces also wait for each other.
  const std::int64_t pieces = static_cast<std::int64_t>(core.store.size() / kCompareItemsMax) + 1;
  next_piece_ = now.mono + std::max<Duration>(kPieceEvery, period * 9 / 10 / pieces);
  const auto end = loaded.more && !loaded.rows.empty() ? slot_of_row(loaded.rows.back().key) : std::nullopt;
  const auto next = end ? next_key(end->key) : std::nullopt;
  piece_from_ = next.value_or(NodeId{});
  if (next) return;
  if (now.mono - *round_since_ > period * 5 / 4) ++core.counters.rounds_late_total;
  round_since_ = now.mono;
}

std::optional<Instant> Upkeep::late_from(const Core& core) const {
  const Duration period = core.config.republish_every;
  if (core.store.paged()) {
    if (!round_since_) return std::nullopt;
    return *round_since_ + period * 5 / 4;
  }
  const auto due = core.store.next_republish();
  if (!due) return std::nullopt;
  return *due + period / 4;
}

void Upkeep::publish(Now now, Core& core, Output& out) {
  if (core.store.paged()) ask_piece(now, core, out);
  if (publish_own(now, core, out)) return;
  for (std::size_t i = 0; i < kPublishesPerCall && running(Kind::kPublish) < kPublishesMax; ++i) {
    const auto due = core.store.due_republish(now);
    if (!due) return;
    // With it go its neighbours that would be due in the next while; but the owner publishes its own values
    // by its own schedule.
    const auto is_own = [&core](const Slot& slot) {
      return slot.author == core.self() && core.own.find(slot.key) != nullptr;
    };
    if (is_own(*due)) {
      core.store.set_republish(*due, core.holder_republish(now));
      continue;
    }
    std::vector<RegionOp::Due> batch;
    const Instant until = now.mono + core.config.republish_every / 2;
    for (const Slot& slot : core.store.due_near(*due, until, kCompareItemsMax)) {
      if (is_own(slot)) continue;
      batch.push_back({slot, core.store.find(slot)->republish});
      core.store.set_republish(slot, core.holder_republish(now));
    }
    if (start(core, Kind::kPublish, std::make_unique<RegionOp>(*due, batch, /*owner=*/false)) != OpKey{}) return;
    for (const auto& [slot, at] : batch) core.store.set_republish(slot, now.mono + kPublishAgain);
  }
}

bool Upkeep::publish_own(Now now, Core& core, Output& out) {
  for (std::size_t i = 0; i < kPublishesPerCall && running(Kind::kPublish) < kPublishesMax; ++i) {
    const auto key = core.own.due(now);
    if (!key) return false;
    const Own* own = core.own.find(*key);
    if (!own->renew && own->expires + kOwnGrace <= now.mono) {
      core.own.erase(*key);
      core.write({own_erased(*key)}, out);
      continue;
    }
    if (!own->renew && seconds_left(now, own->expires) == 0) {
      core.own.published(*key, 0, Instant::max());
      continue;
    }
    std::vector<RegionOp::Due> batch;
    const Instant until = now.mono + core.owner_every(own->lifetime_s, own->calm) / 3;
    for (const NodeId& near : core.own.due_near(*key, until, kCompareItemsMax)) {
      const Own* other = core.own.find(near);
      batch.push_back({{near, core.self()}, other->republish});
      core.own.published(near, other->copies,
                         core.owner_republish(now, other->lifetime_s, /*complete=*/true));
    }
    if (start(core, Kind::kPublish,
              std::make_unique<RegionOp>(Slot{*key, core.self()}, batch, /*owner=*/true)) != OpKey{}) {
      return true;
    }
    for (const auto& [slot, at] : batch) {
      core.own.published(slot.key, core.own.find(slot.key)->copies, now.mono + kPublishAgain);
    }
  }
  return false;
}

void Upkeep::refresh(Now now, Core& core) {
  if (core.table.size() == 0) return;
  if (next_self_lookup_ <= now.mono) bootstrap(now, core);
  while (running(Kind::kRefresh) < kRefreshesMax) {
    std::optional<std::size_t> bucket;
    if (!to_refresh_.empty()) {
      bucket = to_refresh_.front();
      to_refresh_.erase(to_refresh_.begin());
      if (!sparse(core, *bucket)) continue;  // those before it have filled it
    } else {
      bucket = core.table.stale_bucket(now, core.config.refresh_every);
    }
    if (!bucket) return;
    const NodeId target = core.table.random_id_in(*bucket, rng_);
    core.table.note_lookup(now, target);
    start(core, Kind::kRefresh,
          std::make_unique<LookupOp>(
              std::nullopt, LookupOp::Options{.target = target, .want = kRefreshWant}));
  }
}

void Upkeep::leave(Now now, Core& core, Output& out) {
  leaving_ = true;
  hand_overs_.leave(now, core, out);
}

// Those that have been known and well for longest: they are the likeliest to be there after a
// restart (Saroiu et al. 2002, as cited by Kademlia).
void Upkeep::save_contacts(Now now, Core& core, Output& out) {
  if (next_save_ > now.mono) return;
  next_save_ = now.mono + rng_.jitter(kSaveEvery, kJitter);
  std::vector<RoutingTable::Entry> well;
  core.table.for_each([&](const RoutingTable::Entry& entry, int) {
    if (entry.failures == 0) well.push_back(entry);
  });
  if (well.empty()) return;
  std::ranges::sort(well, [](const RoutingTable::Entry& a, const RoutingTable::Entry& b) {
    return a.first_seen != b.first_seen ? a.first_seen < b.first_seen
                                        : a.contact.id < b.contact.id;
  });
  std::vector<Contact> best;
  for (const RoutingTable::Entry& entry : well) {
    if (best.size() == kSavedContactsMax) break;
    best.push_back(entry.contact);
  }
  std::vector<Write> rows = {contacts_row(best)};
  if (core.store.paged()) rows.push_back(round_row(piece_from_));
  core.write(std::move(rows), out);
}

void Upkeep::probe(Now now, Core& core, Output& out) {
  if (next_probe_ > now.mono) return;
  next_probe_ = now.mono + rng_.jitter(kProbeEvery, kJitter);
  std::vector<Contact> silent;
  std::optional<RoutingTable::Entry> oldest;
  core.table.for_each([&](const RoutingTable::Entry& entry, int) {
    if (entry.failures > 0 && !entry.pinged) silent.push_back(entry.contact);
    if (!entry.pinged && (!oldest || entry.last_seen < oldest->last_seen)) oldest = entry;
  });
  if (!silent.empty()) {
    core.ping(silent[static_cast<std::size_t>(rng_.below(silent.size()))], out);
  } else if (oldest && now.mono - oldest->last_seen >= probe_unheard(core.table.believed_unheard())) {
    core.ping(oldest->contact, out);
  }
}

bool Upkeep::settle_budget(Now now, Core& core) {
  const bool overdrawn = !core.may_spend(now);
  if (overdrawn && !held_back_) ++core.counters.background_held_back_total;
  held_back_ = overdrawn;
  return !overdrawn;
}

// Nobody stores here while the store fails, so a write of our own has to show that it works again: it
// erases what is not there.
void Upkeep::try_store(Now now, Core& core, Output& out) {
  if (!core.store_try || *core.store_try > now.mono) return;
  core.store_try = now.mono + kStoreTryEvery;
  core.write({own_erased(NodeId{})}, out);
}

void Upkeep::run(Now now, Core& core, Output& out) {
  expire(now, core, out);
  if (leaving_) return hand_overs_.run(now, core, out);
  try_store(now, core, out);
  if (settle_budget(now, core)) {
    publish(now, core, out);
    refresh(now, core);
    hand_overs_.run(now, core, out);
  }
  settle_in(now, core);
  hand_overs_.note_busy(now);
  save_contacts(now, core, out);
  probe(now, core, out);
}

std::optional<Instant> Upkeep::next_deadline(const Core& core) const {
  if (leaving_) return core.store.next_expiry();
  std::optional<Instant> at = std::min(next_save_, next_probe_);
  earlier(at, core.store.next_expiry());
  earlier(at, core.store_try);
  earlier(at, settling_until_);
  if (held_back_) {
    earlier(at, core.budget.paid_until());
    return at;
  }
  if (running(Kind::kPublish) < kPublishesMax) {
    const auto due = core.store.next_republish();
    earlier(at, due);
    if (core.store.paged() && !piece_loading_ && (!due || *due > next_piece_)) earlier(at, next_piece_);
    earlier(at, core.own.next_due());
  }
  if (core.table.size() > 0) {
    earlier(at, next_self_lookup_);
    if (running(Kind::kRefresh) < kRefreshesMax) {
      earlier(at, core.table.next_stale(core.config.refresh_every));
    }
  }
  earlier(at, hand_overs_.next_deadline());
  return at;
}

}  // namespace weft::dht
