// The public calls: each one is wiring between the parts listed in membership_state.h.
#include "gossip/membership/membership.h"

#include "gossip/membership/membership_state.h"

namespace weft::gossip {

std::string_view to_string(MemberState state) {
  switch (state) {
    case MemberState::kAlive:
      return "alive";
    case MemberState::kSuspect:
      return "suspect";
    case MemberState::kFailed:
      return "failed";
    case MemberState::kLeft:
      return "left";
  }
  return "unknown";
}

Membership::State::State(const Identity& own_identity, RecordRef own, RecordCache& cache, Rng rng, const Config& settings,
                         Now now)
    : config(settings),
      identity(own_identity),
      records(cache),
      order_rng(rng.fork("order")),
      peer_rng(rng.fork("peer")),
      timer_rng(rng.fork("timer")),
      self(std::move(own)),
      table(rng.fork("index").next()),
      queue(settings.queue_max),
      health(settings.health_max),
      forming(now.mono) {
  self_slot = table.insert(self, MemberState::kAlive, now.mono);
  queue.push(self_slot, self);
  last_news = now.mono;
  sync_not_before = now.mono;
  next_verify = now.mono;
  next_recheck = now.mono;
  suspicion_period = now.mono;
  last_gossip = now.mono - config.gossip_interval;
  if (config.alone) return;
  // A random phase, so that nodes started together do not probe together.
  timers.arm(now.mono + timer_rng.between(Duration(1), config.probe_interval), kProbeTimer);
  timers.arm(now.mono + kSweepEvery, kSweepTimer);
}

Membership::Membership(const Identity& identity, RecordRef self, RecordCache& records, Rng rng, Config config, Now now)
    : state_(std::make_unique<State>(identity, std::move(self), records, rng, config, now)) {}
Membership::~Membership() = default;

void Membership::set_self(Now now, RecordRef self, Output& out) {
  (void)out;
  State& s = *state_;
  s.begin();
  CHECK(self->id == s.self->id);
  CHECK(self->number >= s.self->number);
  s.self = self;
  s.retire(s.table.set_record(s.self_slot, self));
  if (s.wanted_above && *s.wanted_above < self->number) s.wanted_above.reset();
  s.queue.push(s.self_slot, std::move(self));
  s.last_news = now.mono;
  s.arm_gossip(now);
}

void Membership::restore(Now now, const RecordRef& record) {
  State& s = *state_;
  s.begin();
  if (s.table.find(record->id) != kNoSlot) return;
  if (s.table.size() >= s.config.members_max && !s.make_room(nullptr)) return;
  const bool up = record->status == RecordStatus::kUp;
  const Slot slot =
      s.table.insert(record, up ? MemberState::kFailed : MemberState::kLeft, now.mono);
  s.table[slot].restored = true;
  if (up) s.failed.insert(slot, s.order_rng);
  if (up) ++s.unheard;
  s.arm_retry(now);
}

void Membership::join(Now now, const Contact& peer, Output& out) {
  state_->begin();
  state_->start_sync(now, peer, 1, out);
}

void Membership::spread_now(Now now, std::size_t fanout, Output& out) {
  (void)now;
  State& s = *state_;
  s.begin();
  // Those whose key we proved first: a leaver has no time for handshakes. Of equals, the alive
  // first; but a suspect may well be alive, and if only suspects are left, nobody else can tell.
  std::size_t sent = 0;
  const auto tell = [&](bool proven, MemberState state) {
    const std::size_t n = s.live.size();
    const std::size_t start = n > 0 ? static_cast<std::size_t>(s.peer_rng.below(n)) : 0;
    for (std::size_t i = 0; i < n && sent < fanout; ++i) {
      const Slot slot = s.live.slots()[(start + i) % n];
      if ((s.table[slot].proven.port != 0) != proven || s.table[slot].state != state) continue;
      GossipItems items;
      items.push(s.record_item(s.self_slot));
      s.send_items(s.target(slot), items, out);
      ++sent;
    }
  };
  for (const bool proven : {true, false}) {
    tell(proven, MemberState::kAlive);
    tell(proven, MemberState::kSuspect);
  }
}

void Membership::heard_from(Now now, const Contact& peer, bool ours, Output& out) {
  State& s = *state_;
  s.begin();
  const Slot slot = s.table.find(peer.id);
  if (slot == kNoSlot || slot == s.self_slot) return;
  s.note_address(slot, peer.endpoint);
  if (ours) return s.proof_of_life(now, slot, out);
  s.spoke(now, slot, out);
}

void Membership::was_late(Now now, Duration by) {
  State& s = *state_;
  if (by <= Duration::zero() || !s.config.parts.stalls) return;
  s.health.on_stall(by, s.config.probe_interval);
  for (Round& round : s.rounds) {
    if (round.used) round.probe.on_stall(by);
  }
  for (auto& [slot, suspected] : s.suspicions) {
    suspected.clock.shift(by);
    s.arm_suspicion(now, slot);
  }
}

void Membership::on_ping(Now now, const Asker& asker, const Ping& m, Ack& reply, Output& out) {
  State& s = *state_;
  s.begin();
  State::Seen seen;
  if (!asker.early) s.apply(now, m.items, {.peer = asker.contact.id}, seen, out);
  reply = Ack{.number = s.self->number,
              .instance = s.self->instance,
              .digest = s.table.digest(),
              .observed = asker.contact.endpoint,
              .items = {},
              .state = {}};
  if (asker.early) return;
  std::size_t budget = std::min(asker.reply_max, kPayloadBytesMax);
  budget -= std::min(budget, kAckHeadBytes);
  if (seen.self_stale) (void)s.add_item(reply.items, budget, s.record_item(s.self_slot));
  const Slot slot = s.table.find(asker.contact.id);
  if (slot == s.self_slot) return;
  if (slot == kNoSlot) {
    s.compare_digests(now, asker.contact, m.digest, /*stranger=*/true, out);
    return;
  }
  s.note_address(slot, asker.contact.endpoint);
  s.spoke(now, slot, out);
  if (m.digest == s.table.digest()) s.compare_digests(now, asker.contact, m.digest, false, out);
  // It has forgotten its number: show it the record that it must exceed.
  if (m.number < s.table[slot].record->number) {
    (void)s.add_item(reply.items, budget, s.record_item(slot));
  }
  for (const Slot newer : seen.stale) {
    if (newer != slot) (void)s.add_item(reply.items, budget, s.record_item(newer));
  }
  s.queue.fill(reply.items, budget, s.transmit_limit(), slot, s.takes_suspicions(slot));
}

void Membership::on_ping_req(Now now, const Asker& asker, const PingReq& m, Output& out) {
  state_->begin();
  if (asker.early) return;
  state_->relay(now, asker, m.target, out);
}

void Membership::on_gossip(Now now, const Asker& asker, const Gossip& m, Output& out) {
  State& s = *state_;
  s.begin();
  if (asker.early) return;
  // What a seed sends beside its pages is old news to the mesh; a newcomer does not repeat it.
  const SyncJob* job = s.job_with(asker.contact.id);
  const bool spread = job == nullptr || !job->newcomer;
  State::Seen seen;
  s.apply(now, m.items, {.peer = asker.contact.id, .spread = spread}, seen, out);
}

void Membership::on_sync(Now now, const Asker& asker, const Sync& m, SyncPage& reply, Output& out) {
  state_->begin();
  state_->serve_sync(now, asker, m, reply, out);
}

void Membership::on_ack(Now now, RequestTag tag, Duration rtt, const Contact& from, const Ack& m,
                        Output& out) {
  State& s = *state_;
  s.begin();
  const auto entry = s.requests.peek(tag);
  if (!entry) return;
  const bool relayed = entry->purpose == Purpose::kRelay;
  if (!relayed && entry->purpose != Purpose::kDirect) return;
  const Slot slot = relayed ? s.relays[entry->owner].slot : s.rounds[entry->owner].slot;
  if (s.table[slot].record->id != from.id) return;
  (void)s.requests.take(tag);

  s.note_address(slot, from.endpoint);
  s.note_rtt(slot, rtt);
  const bool was_failed = s.table[slot].state == MemberState::kFailed;
  s.proof_of_life(now, slot, out);
  if (relayed) {
    s.end_relay(entry->owner, /*answered=*/true, out);
  } else {
    s.rounds[entry->owner].probe.on_answer();
    s.settle_round(now, entry->owner, out);
  }
  State::Seen seen;
  s.apply(now, m.items, {.peer = from.id}, seen, out);
  s.show_own_record(slot, m, out);
  if (was_failed && s.jobs.empty() && now.mono >= s.sync_not_before) {
    s.start_sync(now, from, 0, out);  // a split may have healed
  } else {
    s.compare_digests(now, from, m.digest, /*stranger=*/false, out);
  }
}

void Membership::on_ping_req_reply(Now now, RequestTag tag, const PingReqReply& m, Output& out) {
  State& s = *state_;
  s.begin();
  const auto entry = s.requests.peek(tag);
  if (!entry || entry->purpose != Purpose::kIndirect) return;
  (void)s.requests.take(tag);
  ProbeRound& probe = s.rounds[entry->owner].probe;
  if (m.answered)
    probe.on_vouched();
  else
    probe.on_nack();
  s.settle_round(now, entry->owner, out);
}

void Membership::on_sync_page(Now now, RequestTag tag, const Contact& from, const SyncPage& m,
                              Output& out) {
  State& s = *state_;
  s.begin();
  const auto entry = s.requests.peek(tag);
  if (!entry || entry->purpose != Purpose::kSync) return;
  (void)s.requests.take(tag);
  s.on_page(now, entry->owner, from, m, out);
}

void Membership::on_slow(Now now, RequestTag tag, Output& out) {
  State& s = *state_;
  s.begin();
  const auto entry = s.requests.peek(tag);
  if (!entry || entry->purpose != Purpose::kDirect) return;
  if (s.rounds[entry->owner].probe.wants_relays()) s.ask_relays(now, entry->owner, out);
}

void Membership::on_timeout(Now now, RequestTag tag, Output& out) {
  State& s = *state_;
  s.begin();
  const auto entry = s.requests.take(tag);
  if (!entry) return;
  switch (entry->purpose) {
    case Purpose::kDirect:
      s.rounds[entry->owner].probe.on_direct_timeout();
      if (s.rounds[entry->owner].probe.wants_relays()) s.ask_relays(now, entry->owner, out);
      return s.settle_round(now, entry->owner, out);
    case Purpose::kIndirect:
      s.rounds[entry->owner].probe.on_relay_timeout();
      return s.settle_round(now, entry->owner, out);
    case Purpose::kRelay:
      return s.end_relay(entry->owner, /*answered=*/false, out);
    case Purpose::kSync: {
      const auto job = std::ranges::find(s.jobs, entry->owner, &SyncJob::id);
      if (job == s.jobs.end()) return;
      if (++job->tries >= kSyncTriesMax) return s.finish_sync(now, job->id, false, out);
      return s.send_sync(now, *job, out);
    }
  }
}

void Membership::on_unsent(Now now, RequestTag tag, Output& out) {
  State& s = *state_;
  const auto entry = s.requests.peek(tag);
  if (entry && entry->purpose == Purpose::kDirect) s.rounds[entry->owner].probe.on_unsent();
  // A nack would say that we have asked.
  if (entry && entry->purpose == Purpose::kRelay) s.relays[entry->owner].askers.clear();
  on_timeout(now, tag, out);
}

void Membership::State::on_timer(Now now, TimerQueue::Tag tag, Output& out) {
  switch (static_cast<Timer>(tag & 0xff)) {
    case kProbeTimer:
      return on_probe_timer(now, out);
    case kGossipTimer:
      return on_gossip_timer(now, out);
    case kRetryTimer:
      return on_retry_timer(now, out);
    case kRecheckTimer:
      return on_recheck_timer(now, out);
    case kRefuteTimer:
      return on_refute_timer(now, out);
    case kSuspicionTimer:
      return step_suspicion(now, static_cast<Slot>(tag >> 8), out);
    case kSweepTimer:
      timers.arm(now.mono + kSweepEvery, kSweepTimer);
      return sweep(now, out);
  }
}

void Membership::on_deadline(Now now, Output& out) {
  State& s = *state_;
  s.begin();
  while (const auto tag = s.timers.pop_due(now.mono)) s.on_timer(now, *tag, out);
}

std::optional<Instant> Membership::next_deadline() { return state_->timers.next(); }

const RecordRef& Membership::self() const { return state_->self; }

namespace {

MemberView view_of(const Member& member) {
  MemberView view{.record = member.record,
                  .state = member.state,
                  .since = member.since,
                  .rtt = std::nullopt,
                  .address = member.proven};
  if (member.rtt_us > 0) view.rtt = Duration(member.rtt_us);
  if (view.address.port == 0 && !member.record->endpoints.empty()) {
    view.address = member.record->endpoints[0];
  }
  return view;
}

}  // namespace

std::optional<MemberView> Membership::find(const NodeId& id) const {
  const Slot slot = state_->table.find(id);
  if (slot == kNoSlot) return std::nullopt;
  return view_of(std::as_const(state_->table)[slot]);
}

void Membership::for_each(const std::function<void(const MemberView&)>& visit) const {
  const MemberTable& table = state_->table;
  for (std::size_t i = 0; i < table.size(); ++i) visit(view_of(table[table.at(i)]));
}

Stats Membership::stats() const {
  const State& s = *state_;
  Stats stats = s.counters;
  stats.alive = s.table.count(MemberState::kAlive);
  stats.suspect = s.table.count(MemberState::kSuspect);
  stats.failed = s.table.count(MemberState::kFailed);
  stats.left = s.table.count(MemberState::kLeft);
  stats.queue = s.queue.size();
  stats.health = s.health.score();
  stats.queue_dropped_total = s.queue.dropped_total();
  return stats;
}

std::uint64_t Membership::facts_digest() const { return state_->table.digest(); }

std::uint64_t Membership::digest() const {
  const State& s = *state_;
  std::uint64_t h = fact_hash(s.self->id, s.self->number);
  const auto add = [&h](std::uint64_t value) {
    h = (h ^ value) * 0x9e3779b97f4a7c15ULL;
    h ^= h >> 32;
  };
  for (std::size_t i = 0; i < s.table.size(); ++i) {
    const Member& member = s.table[s.table.at(i)];
    add(fact_hash(member.record->id, member.record->number));
    add(static_cast<std::uint64_t>(member.state) << 1 | (member.restored ? 1U : 0U));
    add(member.missed ? 1U : 0U);
    add(static_cast<std::uint64_t>(member.since.time_since_epoch().count()));
  }
  for (const Slot slot : s.live.slots()) add(slot);
  for (const Slot slot : s.failed.slots()) add(slot);
  s.queue.for_each([&](Slot slot, bool is_record, std::uint32_t transmits) {
    add(std::uint64_t{slot} << 33 | std::uint64_t{transmits} << 1 | (is_record ? 1U : 0U));
  });
  for (const auto& [slot, suspected] : s.suspicions) {
    add(suspected.clock.number());
    add(suspected.clock.accusers() << 8 | static_cast<std::uint64_t>(suspected.clock.probe()));
  }
  add(s.health.score());
  add(s.requests.size());
  add(s.jobs.size());
  return h;
}

}  // namespace weft::gossip
