// What changes the member table: records, suspicions, proofs of life, and the own number.
#include "gossip/membership/membership_state.h"

namespace weft::gossip {

void Membership::State::apply(Now now, const GossipItems& items, const Source& source, Seen& seen,
                              Output& out) {
  if (config.alone) return;
  for (const GossipItem& item : items) {
    const Applied applied = item.record.empty() ? apply_suspicion(now, item.suspicion, out)
                                                : apply_record(now, item.record, source, seen, out);
    if (applied == Applied::kNews) ++seen.news;
    if (applied == Applied::kOwn) seen.self_stale = true;
    // One wrong signature a datagram: whoever sends such records gets no more work out of us.
    if (applied == Applied::kRefused) return;
  }
}

Membership::State::Applied Membership::State::apply_record(Now now, ByteView wire,
                                                           const Source& source, Seen& seen,
                                                           Output& out) {
  const auto peek = peek_record(wire);
  if (!peek) {
    ++counters.records_refused_total;
    return Applied::kRefused;
  }
  const NodeId id = node_id_of(peek->key);
  if (is_self(id)) return apply_own(now, wire, peek->number, out);
  const Slot slot = table.find(id);
  if (slot != kNoSlot) {
    Member& member = table[slot];
    (void)seen.ids.try_push(id);
    if (peek->number < member.record->number) {
      (void)seen.stale.try_push(slot);
      return Applied::kStale;
    }
    if (peek->number == member.record->number) {
      // Another record than ours, by the member itself: it has a twin and should see it.
      if (source.peer == id && !equal(wire, member.record->wire)) (void)seen.stale.try_push(slot);
      if (counts_as_sent(now, member)) queue.on_heard(slot, /*is_record=*/true, transmit_limit());
      if (member.state != MemberState::kFailed) return Applied::kSame;
      // A verdict of our own is not undone by hearsay at the same number; it is worth a probe. A
      // member of an earlier life has no verdict yet: it is treated like one never seen, until we agree with the mesh without it.
      // (Else those who start anew would pass the dead on to each other for as long as anybody starts.)
      if (member.restored && (!member.missed || source.peer == id) && equal(wire, member.record->wire)) {
        move_to(now, slot, MemberState::kAlive, out);
        return Applied::kNews;
      }
      recheck(now, slot, source.peer);
      return Applied::kSame;
    }
  } else if (table.size() >= config.members_max && !make_room(&out)) {
    ++counters.records_refused_total;
    return Applied::kIgnored;
  }
  auto record = records.admit(wire, self->network);
  if (!record) {
    ++counters.records_refused_total;
    return Applied::kRefused;
  }
  if (slot != kNoSlot) {
    replace(now, slot, *record, source, out);
  } else {
    (void)seen.ids.try_push(id);
    admit_unknown(now, *record, source, out);
  }
  return Applied::kNews;
}

// Our own record came back: from a former life, or from a twin with our key.
Membership::State::Applied Membership::State::apply_own(Now now, ByteView wire,
                                                        std::uint64_t number, Output& out) {
  if (number < self->number) return Applied::kOwn;
  if (number == self->number && equal(wire, self->wire)) return Applied::kSame;
  const auto record = records.admit(wire, self->network);
  if (!record) {
    ++counters.records_refused_total;
    return Applied::kRefused;
  }
  const bool may_tell = !last_own_seen || now.mono - *last_own_seen >= config.refute_interval;
  if ((*record)->instance != self->instance && may_tell) {
    last_own_seen = now.mono;
    out.events.push_back(OwnRecordSeen{*record});
  }
  if (number < kNumberMax) want_number(now, number, out);
  return Applied::kIgnored;
}

void Membership::State::admit_unknown(Now now, const RecordRef& record, const Source& source,
                                      Output& out) {
  const bool up = record->status == RecordStatus::kUp;
  const Slot slot = table.insert(record, up ? MemberState::kAlive : MemberState::kLeft, now.mono);
  if (up) {
    live.insert(slot, order_rng);
    note_arrival(now, table[slot]);
  }
  announce_new(now, slot, out);
  if (source.spread) queue.push(slot, record);
  arm_gossip(now);
}

// Whether a record that others spread, too, is spread less by us. Not a newcomer's where few come: it is news once, and where
// everybody stops early a node or two of fifty hear nothing of it until a digest tells.
bool Membership::State::counts_as_sent(Now now, const Member& member) const {
  return !forming.few_arrive(now.mono) || !member.arrived || now.mono - *member.arrived >= kFormingWindow;
}

// Each counts once in a window, however often it says that it is another process.
void Membership::State::note_arrival(Now now, Member& member) {
  if (member.arrived && now.mono - *member.arrived < kFormingWindow) return;
  member.arrived = now.mono;
  forming.on_arrival(now.mono);
}

void Membership::State::announce_new(Now now, Slot slot, Output& out) {
  const Member& member = table[slot];
  out.events.push_back(MemberChanged{
      .record = member.record, .from = member.state, .to = member.state, .is_new = true});
  last_news = now.mono;
}

// A higher number, signed by its owner: the only thing that changes a member or makes it leave.
void Membership::State::replace(Now now, Slot slot, const RecordRef& record, const Source& source,
                                Output& out) {
  Member& member = table[slot];
  const bool up = record->status == RecordStatus::kUp;
  // Another process: where the earlier one proved its key says nothing of this one.
  if (member.record->instance != record->instance) {
    member.proven = Endpoint{};
    if (up) note_arrival(now, member);
  }
  retire(table.set_record(slot, record));
  last_news = now.mono;
  move_to(now, slot, up ? MemberState::kAlive : MemberState::kLeft, out);
  queue.erase(slot);
  if (source.spread) queue.push(slot, record);
  arm_gossip(now);
}

void Membership::State::move_to(Now now, Slot slot, MemberState to, Output& out) {
  Member& member = table[slot];
  const MemberState from = member.state;
  if (from == to) return;
  if (from == MemberState::kSuspect) {
    const auto it = suspicions.find(slot);
    timers.cancel(it->second.timer);
    suspicions.erase(it);
    queue.erase_suspicion(slot);
  }
  if (from == MemberState::kFailed) failed.remove(slot);
  if (is_live(from) && !is_live(to)) live.remove(slot);
  table.set_state(slot, to, now.mono);
  if (!is_live(from) && is_live(to)) live.insert(slot, order_rng);
  if (to == MemberState::kFailed) {
    failed.insert(slot, order_rng);
    queue.erase(slot);
    arm_retry(now);
  }
  out.events.push_back(
      MemberChanged{.record = member.record, .from = from, .to = to, .is_new = member.restored});
  // It is news to others that start anew as we did.
  if (member.missed && to == MemberState::kAlive) queue.push(slot, member.record);
  if (from == MemberState::kFailed && member.restored && !member.missed) --unheard;
  member.restored = member.missed = false;
  last_news = now.mono;
  arm_gossip(now);
}

void Membership::State::proof_of_life(Now now, Slot slot, Output& out) {
  Member& member = table[slot];
  member.last_proof = now.mono;
  const bool cleared = member.state == MemberState::kSuspect && config.parts.own_probe;
  if (cleared || member.state == MemberState::kFailed) move_to(now, slot, MemberState::kAlive, out);
}

void Membership::State::note_address(Slot slot, const Endpoint& endpoint) {
  if (endpoint.port != 0) table[slot].proven = endpoint;
}

void Membership::State::note_rtt(Slot slot, Duration rtt) {
  rtt_of_the_slow = std::max(rtt, rtt_of_the_slow - rtt_of_the_slow / 16);
  std::uint32_t& smoothed = table[slot].rtt_us;
  const auto sample = static_cast<std::uint32_t>(
      std::clamp<Duration::rep>(rtt.count(), 1, std::chrono::duration_cast<Duration>(60s).count()));
  smoothed = smoothed == 0 ? sample : smoothed - smoothed / 8 + sample / 8;
  smoothed = std::max<std::uint32_t>(smoothed, 1);
}

void Membership::State::spoke(Now now, Slot slot, Output& out) {
  const MemberState state = table[slot].state;
  if (state == MemberState::kFailed) recheck(now, slot, std::nullopt);
  if (state != MemberState::kSuspect) return;
  suspicions.find(slot)->second.clock.hurry();
  step_suspicion(now, slot, out);
}

void Membership::State::show_own_record(Slot slot, const Ack& m, Output& out) {
  const NodeRecord& held = *table[slot].record;
  const bool twin = m.number == held.number && m.instance != held.instance;
  if (m.number >= held.number && !twin) return;
  GossipItems items;
  items.push(record_item(slot));
  send_items(target(slot), items, out);
}

Membership::State::Applied Membership::State::apply_suspicion(Now now, const Suspicion& s,
                                                              Output& out) {
  if (is_self(s.subject)) return apply_own_suspicion(now, s, out);
  const Slot slot = table.find(s.subject);
  const Slot accuser = table.find(s.accuser);
  const bool credible = slot != kNoSlot && accuser != kNoSlot && accuser != slot &&
                        is_live(table[accuser].state) && s.number <= table[slot].record->number;
  if (!credible) {
    ++counters.suspicions_dropped_total;
    return Applied::kIgnored;
  }
  const Member& member = table[slot];
  if (s.number < member.record->number || !is_live(member.state)) return Applied::kIgnored;
  if (is_self(s.accuser)) {  // our own accusation comes home: it proves nothing new
    queue.on_heard(slot, /*is_record=*/false, transmit_limit());
    return Applied::kIgnored;
  }
  if (member.state == MemberState::kSuspect) {
    const bool wanted = suspicions.find(slot)->second.clock.wants(s.accuser, confirmations());
    if (wanted && !genuine(accuser, s)) return forged();
    accuse(now, slot, s);
    return Applied::kIgnored;
  }
  // It answered us just now, so the accusation is probably older. Look again, but change nothing:
  // otherwise every echo of a refuted suspicion would make the member flap.
  const bool fresh = config.parts.proofs && member.last_proof && now.mono - *member.last_proof < 2 * config.probe_interval;
  if (fresh && !may_recheck(now, member)) return Applied::kIgnored;
  if (const Applied may = charge(now, accuser, s); may != Applied::kNews) return may;
  if (fresh) recheck(now, slot, std::nullopt);
  else suspect(now, slot, s, out);
  return Applied::kIgnored;
}

Membership::State::Applied Membership::State::apply_own_suspicion(Now now, const Suspicion& s, Output& out) {
  if (s.number < self->number) return Applied::kOwn;
  // Whoever accuses need not be alive here: after a split each side holds the other failed.
  const Slot accuser = table.find(s.accuser);
  if (s.number > self->number || accuser == kNoSlot || accuser == self_slot) {
    ++counters.suspicions_dropped_total;
    return Applied::kIgnored;
  }
  const bool under_way = refute_armed || (last_wanted && now.mono - *last_wanted < config.refute_interval);
  if (under_way && wanted_above && *wanted_above >= s.number) return Applied::kIgnored;  // one new number answers all
  if (const Applied may = charge(now, accuser, s); may != Applied::kNews) return may;
  want_number(now, s.number, out);
  return Applied::kIgnored;
}

bool Membership::State::genuine(Slot accuser, const Suspicion& s) const {
  return verify_suspicion(records.provider(), table[accuser].record->key, self->network, s);
}

Membership::State::Applied Membership::State::charge(Now now, Slot accuser, const Suspicion& s) {
  Credit& credit = table[accuser].credit;
  if (config.parts.credit && !credit.left(now.mono)) {
    ++counters.suspicions_dropped_total;
    return Applied::kIgnored;
  }
  if (!genuine(accuser, s)) return forged();
  credit.take(now.mono);
  return Applied::kNews;
}

Membership::State::Applied Membership::State::forged() {
  ++counters.suspicions_dropped_total;
  return Applied::kRefused;
}

GossipItem Membership::State::own_suspicion(Slot slot) {
  const NodeRecord& record = *table[slot].record;
  const auto sign = [&] { return sign_suspicion(identity, self->network, record.id, record.number); };
  const auto it = suspicions.find(slot);
  if (it == suspicions.end()) return {.record = {}, .suspicion = sign()};
  if (!it->second.own) it->second.own = sign();
  return {.record = {}, .suspicion = *it->second.own};
}

void Membership::State::suspect(Now now, Slot slot, const Suspicion& s, Output& out) {
  CHECK(table[slot].state == MemberState::kAlive);
  const auto draw = static_cast<std::uint16_t>(timer_rng.below(65536));
  const auto it = suspicions.emplace(slot, Suspected{SuspicionClock(now.mono, s.number, draw, s.accuser), {}, s, is_self(s.accuser) ? std::optional(s) : std::nullopt}).first;
  if (is_forming(now)) it->second.clock.keep_full();
  if (!config.parts.own_probe) it->second.clock.on_probe_silent();
  ++counters.suspicions_total;
  move_to(now, slot, MemberState::kSuspect, out);
  queue.push(slot, s);
  arm_suspicion(now, slot);
  arm_gossip(now);
}

void Membership::State::accuse(Now now, Slot slot, const Suspicion& s) {
  Suspected& suspected = suspicions.find(slot)->second;
  if (!suspected.clock.accuse(s.accuser, confirmations())) {
    queue.on_heard(slot, /*is_record=*/false, transmit_limit());
    return;
  }
  queue.push(slot, s);
  arm_suspicion(now, slot);
  arm_gossip(now);
}

void Membership::State::confirm(Now now, Slot slot) {
  const bool wanted = suspicions.find(slot)->second.clock.wants(self->id, confirmations());
  if (wanted) accuse(now, slot, own_suspicion(slot).suspicion);
  else queue.on_heard(slot, /*is_record=*/false, transmit_limit());
}

// A record of ours above `above` is wanted. Said at most once in refute_interval: each new number
// costs a durable write and a message to everybody, and a liar must not set that pace.
void Membership::State::want_number(Now now, std::uint64_t above, Output& out) {
  if (above < self->number) return;
  if (!wanted_above || *wanted_above < above) wanted_above = above;
  if (last_wanted && now.mono - *last_wanted < config.refute_interval) {
    if (!refute_armed) timers.arm(*last_wanted + config.refute_interval, kRefuteTimer);
    refute_armed = true;
    return;
  }
  last_wanted = now.mono;
  health.on_refute();
  ++counters.refutations_total;
  out.events.push_back(NumberWanted{*wanted_above});
}

void Membership::State::on_refute_timer(Now now, Output& out) {
  refute_armed = false;
  if (wanted_above && *wanted_above >= self->number) want_number(now, *wanted_above, out);
}

void Membership::State::forget(Slot slot, Output* out) {
  const Member& member = table[slot];
  CHECK(!is_live(member.state));
  if (out != nullptr) out->events.push_back(MemberForgotten{member.record->id});
  if (member.restored && !member.missed && member.state == MemberState::kFailed) --unheard;
  failed.remove(slot);
  queue.erase(slot);
  retire(member.record);
  table.erase(slot);
}

// Forgets the member that has been failed or left for longest. False if all are live or busy.
bool Membership::State::make_room(Output* out) {
  Slot oldest = kNoSlot;
  for (std::size_t i = 0; i < table.size(); ++i) {
    const Slot slot = table.at(i);
    const Member& member = table[slot];
    if (is_live(member.state) || member.rounds > 0 || member.recheck_queued) continue;
    if (oldest == kNoSlot || member.since < table[oldest].since) oldest = slot;
  }
  if (oldest == kNoSlot) return false;
  forget(oldest, out);
  return true;
}

void Membership::State::sweep(Now now, Output& out) {
  for (std::size_t i = table.size(); i-- > 0;) {
    const Slot slot = table.at(i);
    const Member& member = table[slot];
    if (member.rounds > 0 || member.recheck_queued) continue;
    const bool old_failed =
        member.state == MemberState::kFailed && now.mono - member.since >= config.forget_failed;
    const bool old_left =
        member.state == MemberState::kLeft && now.mono - member.since >= kForgetLeft;
    if (old_failed || old_left) forget(slot, &out);
  }
}

}  // namespace weft::gossip
