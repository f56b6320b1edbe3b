// Probe rounds, the clocks of suspicions, probes for others, and second looks at failed members.
#include "gossip/membership/membership_state.h"

#include "crypto/planted.h"

namespace weft::gossip {
namespace {

constexpr std::size_t kRoundsMax = 256;  // of all kinds, under way
// A verdict of ours this fresh is told to those who ask us to relay, instead of one more ping to a
// dead member: fifty deaths in a mesh of two hundred would cost 22,500 of them.
constexpr Duration kFreshVerdict = 5s;

}  // namespace

// The whole interval but for a twentieth; among peers that answer within some milliseconds what it takes to ask three
// times, directly and through others. Who was never asked may be as far away as the slowest of those that were.
Duration Membership::State::patience(Slot slot) const {
  const Duration interval = health.stretch(config.probe_interval);
  const Duration most = interval - interval / 20;
  const Duration rtt = std::max(rtt_of_the_slow, Duration(table[slot].rtt_us));
  return rtt > Duration(0) ? std::min(most, interval / 2 + 8 * rtt) : most;
}

// Shorter than what the asker waits for us, so that its nack arrives in time.
Duration Membership::State::relay_patience() const { return config.probe_interval * 2 / 5; }

// How many accusers beside the first can there be? In a mesh of three only one.
std::size_t Membership::State::confirmations() const {
  const std::size_t others = table.live();  // with us, with the subject
  return std::min(config.confirmations, others > 2 ? others - 2 : 0);
}

Duration Membership::State::clock_length(const SuspicionClock& clock) const {
  const Duration most = config.parts.shortening ? config.suspicion_max : config.suspicion_min;
  if (clock.full()) return health.stretch_clock(most);
  return health.stretch_clock(suspicion_time(config.suspicion_min, most, confirmations(), clock.accusers()));
}

Target Membership::State::target(Slot slot) const {
  const Member& member = table[slot];
  Target to{member.record->key, member.record->id, {}};
  if (member.proven.port != 0) to.endpoints.push(member.proven);
  for (const Endpoint& endpoint : member.record->endpoints) {
    if (endpoint != member.proven) (void)to.endpoints.try_push(endpoint);
  }
  return to;
}

Ping Membership::State::make_ping(Slot slot, bool with_gossip) {
  const Member& member = table[slot];
  Ping ping{.number = self->number, .digest = table.digest(), .items = {}};
  std::size_t budget = kPayloadBytesMax - kPingHeadBytes;
  // The first time we talk, it may not know us yet.
  if (member.proven.port == 0) (void)add_item(ping.items, budget, record_item(self_slot));
  // Lifeguard's buddy system: the accused hears of it first, and can refute.
  const bool accused = member.state == MemberState::kSuspect || member.state == MemberState::kFailed;
  if (accused && config.parts.buddy && takes_suspicions(slot)) (void)add_item(ping.items, budget, own_suspicion(slot));
  if (with_gossip) queue.fill(ping.items, budget, transmit_limit(), slot, takes_suspicions(slot));
  return ping;
}

void Membership::State::on_probe_timer(Now now, Output& out) {
  Duration interval = health.stretch(config.probe_interval);
  const bool alarm = suspicions.size() >= kAlarmSuspects && health.score() == 0 && !is_forming(now);
  if (config.parts.burst && alarm) interval /= 3;
  timers.arm(now.mono + interval, kProbeTimer);
  if (self->status == RecordStatus::kLeft) return;
  for (std::size_t i = 0; i < std::min<std::size_t>(live.size(), 64); ++i) {
    const Slot slot = *live.next(order_rng);
    // Suspects have a probe of their own; our periodic one looks for what nobody has noticed yet.
    if ((config.parts.own_probe && table[slot].state != MemberState::kAlive) || table[slot].rounds > 0) continue;
    (void)start_round(now, slot, ProbeKind::kPeriodic, std::nullopt, out);
    return;
  }
}

bool Membership::State::start_round(Now now, Slot slot, ProbeKind kind,
                                    const std::optional<NodeId>& claimant, Output& out) {
  const auto free = std::ranges::find(rounds, false, &Round::used);
  const auto index = static_cast<std::uint32_t>(free - rounds.begin());
  if (index == kRoundsMax) return false;
  if (free == rounds.end()) rounds.emplace_back();
  const bool wants_relays = is_live(table[slot].state) || (kind == ProbeKind::kRecheck && table[slot].missed);
  Round& round = rounds[index];
  round.probe = ProbeRound(now.mono, kind, wants_relays);
  round.slot = slot;
  round.used = true;
  round.claimant = claimant;
  round.tags.clear();
  round.tags.push(requests.add(Purpose::kDirect, index));
  ++table[slot].rounds;
  if (kind == ProbeKind::kVerify) ++verifying;
  ++counters.probes_total;
  // Only a probe of a member that is probably alive carries gossip: what rides to the dead counts
  // as sent and is lost.
  const bool with_gossip = kind == ProbeKind::kPeriodic;
  out.requests.push_back({.tag = round.tags[0],
                          .to = target(slot),
                          .message = make_ping(slot, with_gossip),
                          .patience = patience(slot),
                          .may_rehandshake = true,
                          .once = !config.parts.tries,
                          .look_again = kind == ProbeKind::kRecheck});
  return true;
}

void Membership::State::ask_relays(Now now, std::uint32_t index, Output& out) {
  (void)now;
  Round& round = rounds[index];
  InlineVec<Slot, kRelaysPerProbeMax> picked;
  pick_relays(picked, round.slot);
  for (const Slot relay : picked) {
    const RequestTag tag = requests.add(Purpose::kIndirect, index);
    round.tags.push(tag);
    out.requests.push_back({.tag = tag,
                            .to = target(relay),
                            .message = PingReq{table[round.slot].record->id},
                            .patience = health.stretch(config.probe_interval) / 2,
                            .may_rehandshake = false});
  }
  round.probe.on_relays_asked(picked.size());
}

void Membership::State::close_round(std::uint32_t index) {
  Round& round = rounds[index];
  for (const RequestTag tag : round.tags) (void)requests.take(tag);
  if (round.probe.kind() == ProbeKind::kVerify) --verifying;
  --table[round.slot].rounds;
  round.used = false;
}

void Membership::State::settle_round(Now now, std::uint32_t index, Output& out) {
  const auto verdict = rounds[index].probe.verdict(now.mono);
  if (!verdict) return;
  const Round round = rounds[index];
  close_round(index);
  switch (*verdict) {
    case Verdict::kAlive:
      health.on_success();
      proof_of_life(now, round.slot, out);
      return;
    case Verdict::kVouched:
      // Enough to accuse nobody, not to acquit: a suspicion stays until the member answers us, answers for itself by a new number, or
      // relays drawn anew agree that it is silent. Else one liar among three relays would keep the dead alive.
      health.on_success();
      // Of an earlier life, with no verdict of this one: whoever told us of it and the relay agree.
      if (table[round.slot].missed) return move_to(now, round.slot, MemberState::kAlive, out);
      [[fallthrough]];
    case Verdict::kVoid:
      if (round.probe.kind() == ProbeKind::kVerify) {
        on_verified_silent(now, round.slot, /*is_void=*/true, out);
      }
      return;
    case Verdict::kSilent:
      on_silent(now, round, out);
      return;
  }
}

void Membership::State::on_silent(Now now, const Round& round, Output& out) {
  const Slot slot = round.slot;
  const ProbeKind kind = round.probe.kind();
  mark_missed(table[slot]);  // if it is of an earlier life: this is a verdict
  if (kind == ProbeKind::kRetry) return;
  ++counters.probe_failures_total;
  if (kind == ProbeKind::kPeriodic) {
    health.on_silence(round.probe.asked(), config.parts.nacks ? round.probe.reacted() : 0);
  }
  const Member& member = table[slot];
  if (member.state == MemberState::kSuspect) {
    // A round from before the clock started is no probe within it; it is an accusation, though. A
    // stall moves the clock's start past the probe that is under way: that one is asked again.
    const bool within = round.probe.started() >= suspicions.find(slot)->second.clock.since();
    if (!within || kind != ProbeKind::kVerify) confirm(now, slot);
    if (kind == ProbeKind::kVerify) on_verified_silent(now, slot, /*is_void=*/!within, out);
    return;
  }
  if (member.state == MemberState::kFailed && round.claimant) {
    // Who told us that it is alive should doubt it as well: our probe just failed again.
    const Slot claimant = table.find(*round.claimant);
    if (claimant == kNoSlot || !is_live(table[claimant].state) || !takes_suspicions(claimant)) return;
    GossipItems items;
    items.push(own_suspicion(slot));
    send_items(target(claimant), items, out);
    return;
  }
  if (member.state != MemberState::kAlive) return;
  // An answer that came meanwhile on another way outweighs this silence.
  if (member.last_proof && *member.last_proof > round.probe.started()) return;
  if (now.mono - suspicion_period >= config.probe_interval) {
    suspicion_period = now.mono;
    suspicions_in_period = 0;
  }
  if (suspicions_in_period >= kOwnSuspicionsMax) return;
  ++suspicions_in_period;
  suspect(now, slot, own_suspicion(slot).suspicion, out);
}

void Membership::State::on_verified_silent(Now now, Slot slot, bool is_void, Output& out) {
  const auto it = suspicions.find(slot);
  if (it == suspicions.end()) return;
  SuspicionClock& clock = it->second.clock;
  if (clock.probe() != SuspicionClock::Probe::kUnderWay) return;
  if (is_void) {
    clock.on_probe_void();
  } else {
    clock.on_probe_silent();
    confirm(now, slot);
  }
  step_suspicion(now, slot, out);
}

void Membership::State::step_suspicion(Now now, Slot slot, Output& out) {
  const auto it = suspicions.find(slot);
  if (it == suspicions.end()) return;
  SuspicionClock& clock = it->second.clock;
  const Duration length = clock_length(clock);
  if (clock.expired(now.mono, length) || planted(Plant::kSuspicionBelieved)) {
    // Its first accuser was right.
    if (const Slot accuser = table.find(clock.first_accuser()); accuser != kNoSlot) table[accuser].credit.give_back();
    move_to(now, slot, MemberState::kFailed, out);
    return;
  }
  const bool due =
      clock.probe() == SuspicionClock::Probe::kWaiting && now.mono >= clock.probe_at(length);
  if (due) {
    const bool room = verifying < kVerifyMax && now.mono >= next_verify;
    if (room && start_round(now, slot, ProbeKind::kVerify, std::nullopt, out)) {
      clock.on_probe_started();
      next_verify = now.mono + kVerifySpacing;
    } else {
      timers.cancel(it->second.timer);
      const Instant later = std::max(next_verify, now.mono + kVerifySpacing);
      it->second.timer = timers.arm(later, kSuspicionTimer | std::uint64_t{slot} << 8);
      return;
    }
  }
  arm_suspicion(now, slot);
}

void Membership::State::arm_suspicion(Now now, Slot slot) {
  (void)now;
  Suspected& suspected = suspicions.find(slot)->second;
  timers.cancel(suspected.timer);
  const Duration length = clock_length(suspected.clock);
  switch (suspected.clock.probe()) {
    case SuspicionClock::Probe::kWaiting:
      suspected.timer =
          timers.arm(suspected.clock.probe_at(length), kSuspicionTimer | std::uint64_t{slot} << 8);
      return;
    case SuspicionClock::Probe::kSilent:
      suspected.timer =
          timers.arm(suspected.clock.ends(length), kSuspicionTimer | std::uint64_t{slot} << 8);
      return;
    case SuspicionClock::Probe::kUnderWay:
      return;  // the end of its round steps the clock
  }
}

void Membership::State::recheck(Now now, Slot slot, const std::optional<NodeId>& claimant) {
  Member& member = table[slot];
  if (!may_recheck(now, member)) return;
  if (!rechecks.push({slot, claimant})) return;
  member.recheck_queued = true;
  if (recheck_armed) return;
  recheck_armed = true;
  timers.arm(std::max(now.mono, next_recheck), kRecheckTimer);
}

void Membership::State::on_recheck_timer(Now now, Output& out) {
  recheck_armed = false;
  next_recheck = now.mono + kRecheckSpacing;
  bool started = false;
  // Entries that settled themselves meanwhile cost nothing, so they are passed over at once.
  while (!started) {
    const auto item = rechecks.pop();
    if (!item) return;
    Member& member = table[item->slot];
    member.recheck_queued = false;
    const bool open = member.state == MemberState::kFailed || member.state == MemberState::kAlive;
    if (!open || member.rounds > 0) continue;
    member.recheck_after = now.mono + kRecheckAgain;
    started = start_round(now, item->slot, ProbeKind::kRecheck, item->claimant, out);
    if (!started) break;
  }
  if (rechecks.empty()) return;
  recheck_armed = true;
  timers.arm(next_recheck, kRecheckTimer);
}

// Failed members are tried one at a time, for forget_failed, so that partitions heal. One success
// anywhere brings both sides together, so the members share the work: the mesh tries as often however
// large it is (churn at rest leaves many failed, whom each would try). A node that has nobody left
// tries four times as often.
void Membership::State::arm_retry(Now now) {
  if (retry_armed || failed.empty() || planted(Plant::kFailedForgotten)) return;
  retry_armed = true;
  const auto sharers = static_cast<Duration::rep>(config.retry_sharers);
  const Duration shared =
      std::max(config.retry_failed, config.retry_failed * static_cast<Duration::rep>(live.size()) / sharers);
  timers.arm(now.mono + timer_rng.jitter(live.empty() ? config.retry_failed / 4 : shared, {1, 2}), kRetryTimer);
}

void Membership::State::on_retry_timer(Now now, Output& out) {
  retry_armed = false;
  if (failed.empty()) return;
  const Slot slot = *failed.next(order_rng);
  const bool left = self->status == RecordStatus::kLeft;
  if (!left && table[slot].rounds == 0) {
    (void)start_round(now, slot, ProbeKind::kRetry, std::nullopt, out);
  }
  arm_retry(now);
}

void Membership::State::relay(Now now, const Asker& asker, const NodeId& id, Output& out) {
  const ReplyTo to{asker.contact, asker.rpc};
  const Slot slot = table.find(id);
  if (slot == self_slot) {
    out.replies.push_back({to, {.answered = true}});
    return;
  }
  if (slot == kNoSlot || table[slot].state == MemberState::kLeft) return nack(to, out);
  const Member& member = table[slot];
  const auto suspected = suspicions.find(slot);
  const bool known_silent =
      (suspected != suspicions.end() && config.parts.own_probe &&
       suspected->second.clock.probe() == SuspicionClock::Probe::kSilent) ||
      (member.state == MemberState::kFailed && now.mono - member.since < kFreshVerdict);
  if (known_silent) return nack(to, out);
  std::size_t used = 0;
  std::size_t free = relays.size();
  for (std::size_t i = 0; i < relays.size(); ++i) {
    if (!relays[i].used) {
      free = i;
      continue;
    }
    ++used;
    if (relays[i].slot != slot) continue;
    const bool repeated = std::ranges::any_of(relays[i].askers, [&](const ReplyTo& waiting) {
      return waiting.rpc == to.rpc && waiting.contact.id == to.contact.id;
    });
    if (repeated || relays[i].askers.try_push(to)) return;
  }
  if (used >= kRelayedMax) return nack(to, out);
  if (free == relays.size()) relays.emplace_back();
  relays[free] = {.slot = slot, .used = true, .askers = {to}};
  ++table[slot].rounds;
  out.requests.push_back({.tag = requests.add(Purpose::kRelay, static_cast<std::uint32_t>(free)),
                          .to = target(slot),
                          .message = make_ping(slot, /*with_gossip=*/false),
                          .patience = relay_patience(),
                          .may_rehandshake = true,
                          .once = !config.parts.tries});
}

// "I am alive, the member did not answer me."
void Membership::State::nack(const ReplyTo& to, Output& out) const {
  if (config.parts.nacks) out.replies.push_back({to, {.answered = false}});
}

void Membership::State::end_relay(std::uint32_t index, bool answered, Output& out) {
  Relay& relay = relays[index];
  for (const ReplyTo& to : relay.askers) {
    if (answered) out.replies.push_back({to, {.answered = true}});
    else nack(to, out);
  }
  --table[relay.slot].rounds;
  relay.used = false;
}

}  // namespace weft::gossip
