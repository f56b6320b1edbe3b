// The life of a node: ready, joined, leaving; and the hunt for a second process with its key.
#include <algorithm>

#include "crypto/check.h"
#include "crypto/planted.h"
#include "node/node_state.h"

namespace weft::node {

std::size_t NodeCore::State::alive() const {
  return membership == nullptr ? 0 : membership->stats().alive;
}

// ---- own number and record

void NodeCore::State::want_record(Now, Output& out) {
  const auto number = own.take_wanted();
  if (!number) return;
  Bytes value(8);
  store_le(value.data(), *number);
  std::vector<Write> writes;
  if (!planted(Plant::kNumberNotKept)) {
    writes.push_back({.key = {kRowNumber}, .value = std::move(value)});
  }
  out.persist.push_back({core_ticket(*number, kTicketNumber), std::move(writes)});
}

void NodeCore::State::on_number_durable(Now now, bool ok, Output& out) {
  if (left) return;
  if (!ok) {
    own.failed();
    timers.arm(now.mono + kPersistRetry, tag(Timer::kNumber));
    return;
  }
  const RecordRef before = own.current();
  const RecordRef record = own.durable();
  sessions.set_record(record);
  if (membership == nullptr) {
    become_ready(now, out);
  } else {
    membership->set_self(now, record, gossip_out);
    if (before != nullptr && before->endpoints != record->endpoints) {
      out.events.push_back(
          EndpointsChanged{{record->endpoints.begin(), record->endpoints.end()}});
    }
  }
  if (record->status == RecordStatus::kLeft && !goodbye_said) {
    goodbye_said = true;
    // Suspects may well be alive; only with neither is there nobody to tell.
    const gossip::Stats members = membership->stats();
    if (members.alive + members.suspect <= 1) return finish_leave(now, out);
    membership->spread_now(now, kLeaveFanout, gossip_out);
    timers.arm(now.mono + kLeaveSpread, tag(Timer::kLeave));
  }
  want_record(now, out);  // another may have become due meanwhile
}

void NodeCore::State::become_ready(Now now, Output& out) {
  membership = std::make_unique<gossip::Membership>(deps.identity, own.current(), deps.records,
                                                    rng.fork("membership"), config.membership, now);
  for (const RecordRef& record : stored_members) membership->restore(now, record);
  stored_members.clear();
  status_.ready = true;
  out.events.push_back(Ready{});
  dht.bootstrap(now, dht_out);
  out.events.push_back(SeedsWanted{});
  arm_seeds(now);
}

// ---- joining

void NodeCore::State::arm_seeds(Now now) {
  if (seeds_armed) return;
  seeds_armed = true;
  timers.arm(now.mono + rng.jitter(seeds_backoff, {1, 4}), tag(Timer::kSeeds));
  seeds_backoff = std::min(seeds_backoff * 2, kSeedsMax);
}

// A mesh that is a DHT and no more has no list of the living: there it is whoever was heard lately.
bool NodeCore::State::has_company(Now now) const {
  if (!config.membership.alone) return alive() > 1;
  bool heard = false;
  dht.for_each_contact([&](const dht::TableEntry& entry) { heard |= now.mono - entry.last_seen < kCompany; });
  return heard;
}

void NodeCore::State::on_seeds_timer(Now now, Output& out) {
  seeds_armed = false;
  if (leaving) return;
  if (has_company(now)) {
    seeds_backoff = kSeedsFirst;
    timers.arm(now.mono + kSeedsMax, tag(Timer::kSeeds));
    seeds_armed = true;
    return;
  }
  if (joins.empty()) out.events.push_back(SeedsWanted{});
  arm_seeds(now);
}

void NodeCore::State::start_join(Now now, OpId op, std::span<const Seed> seeds, Output& out) {
  if (membership == nullptr || leaving || joins.size() == kJoinsMax || seeds.empty()) {
    const OpError error = membership == nullptr || leaving ? OpError::kShutdown
                          : seeds.empty()                  ? OpError::kNoPeers
                                                           : OpError::kOverloaded;
    out.events.push_back(JoinDone{op, 0, alive(), std::unexpected(error)});
    return;
  }
  JoinOp join;
  join.op = op;
  join.deadline = now.mono + kJoinDeadline;
  for (const Seed& seed : seeds.first(std::min(seeds.size(), kSeedsPerJoin))) {
    SeedTry attempt;
    attempt.seed = seed;
    attempt.next_hello = now.mono;
    join.seeds.push_back(attempt);
  }
  joins.push_back(std::move(join));
  on_join_timer(now, op, out);
}

void NodeCore::State::on_join_timer(Now now, OpId op, Output& out) {
  const auto it = std::ranges::find(joins, op, &JoinOp::op);
  if (it == joins.end()) return;
  JoinOp& join = *it;
  if (now.mono >= join.deadline) {
    for (SeedTry& s : join.seeds) s.settled = true;
    return finish_join_if_settled(now, join, out);
  }
  for (SeedTry& s : join.seeds) {
    if (s.settled || s.contact || now.mono < s.next_hello) continue;
    s.next_hello = now.mono + rng.jitter(kHelloRetry, {1, 4});
    if (s.seed.endpoint.is_v4() ? !config.ipv4 : !config.ipv6) {
      s.settled = true;
      continue;
    }
    s.hello_id = sessions.hello(now, s.seed.endpoint, out.send);
  }
  Instant next = join.deadline;
  for (const SeedTry& s : join.seeds) {
    if (!s.settled && !s.contact) next = std::min(next, s.next_hello);
  }
  join.timer = timers.arm(next, tag(Timer::kJoin, static_cast<std::uint64_t>(op)));
  finish_join_if_settled(now, join, out);
}

void NodeCore::State::on_seed_record(Now now, const Sessions::Result& result, Output& out) {
  // The record tells the key; the handshake that follows proves it at the address we asked.
  const NodeRecord& record = *result.record;
  for (std::size_t i = joins.size(); i-- > 0;) {
    JoinOp& join = joins[i];
    for (SeedTry& s : join.seeds) {
      if (s.settled || s.contact || s.seed.endpoint != result.record_from) continue;
      if (s.seed.id && *s.seed.id != record.id) continue;  // another key: refused, may be a liar
      if (record.key == deps.identity.public_key()) {
        // Ourselves, or a twin: it answered just now, so it lives, and its handshake will prove it.
        // Until then the seed stays open, for the twin may be the one that stops.
        s.settled = record.instance == own.fields().instance;
        if (!s.settled) on_own_record_seen(now, result.record, s.seed.endpoint, out);
        continue;
      }
      s.contact = Contact{record.key, record.id, s.seed.endpoint};
      membership->join(now, *s.contact, gossip_out);
    }
    finish_join_if_settled(now, join, out);
  }
}

void NodeCore::State::on_sync_done(Now now, const gossip::SyncDone& done, Output& out) {
  bool first = false;
  for (std::size_t i = joins.size(); i-- > 0;) {
    JoinOp& join = joins[i];
    for (SeedTry& s : join.seeds) {
      if (s.settled || !s.contact || s.contact->id != done.peer) continue;
      s.settled = done.ok;
      s.joined = done.ok;
      if (!done.ok) {
        s.contact.reset();  // try again from the start until the deadline
        s.next_hello = now.mono + kHelloRetry;
        timers.cancel(join.timer);
        join.timer = timers.arm(s.next_hello, tag(Timer::kJoin, static_cast<std::uint64_t>(join.op)));
      }
      first = first || done.ok;
    }
    finish_join_if_settled(now, join, out);
  }
  if (first) {
    in_mesh_from = std::min(in_mesh_from.value_or(now.mono), now.mono);
    dht.bootstrap(now, dht_out);
  }
}

void NodeCore::State::finish_join_if_settled(Now, JoinOp& join, Output& out) {
  if (!std::ranges::all_of(join.seeds, &SeedTry::settled)) return;
  const auto joined =
      static_cast<std::size_t>(std::ranges::count(join.seeds, true, &SeedTry::joined));
  timers.cancel(join.timer);
  JoinDone done{join.op, joined, alive(), {}};
  if (joined == 0) done.result = std::unexpected(OpError::kTimedOut);
  out.events.push_back(std::move(done));
  joins.erase(joins.begin() + (&join - joins.data()));
}

// ---- leaving

void NodeCore::State::start_leave(Now now, OpId op, Output& out) {
  if (leaving) {
    out.events.push_back(LeaveDone{op});
    return;
  }
  leaving = op;
  status_.leaving = true;
  while (!joins.empty()) {
    for (SeedTry& s : joins.back().seeds) s.settled = true;
    finish_join_if_settled(now, joins.back(), out);
  }
  if (membership == nullptr) {
    dht.shutdown(now, dht_out);
    return finish_leave(now, out);
  }
  // To the others it lives until it has handed over what it holds: drain() sees when.
  handing_over = true;
  dht.leave(now, dht_out);
  timers.arm(now.mono + kHandOverDeadline, tag(Timer::kHandOver));
}

void NodeCore::State::say_goodbye(Now now, Output& out) {
  if (!handing_over) return;
  handing_over = false;
  dht.shutdown(now, dht_out);
  own.set_status(RecordStatus::kLeft);
  want_record(now, out);
  timers.arm(now.mono + kLeaveDeadline, tag(Timer::kLeave));
}

void NodeCore::State::finish_leave(Now now, Output& out) {
  if (left) return;
  left = true;
  shared.shutdown(now, state_out);
  carry_out_state(now, out);
  requests.for_each([&](RequestTable::Request& r) {
    if (r.owner != Owner::kPingOp) return;
    out.events.push_back(PingDone{static_cast<OpId>(r.tag), std::unexpected(OpError::kShutdown)});
    timers.cancel(r.timer);
    requests.close(r);
  });
  flush_members(out);
  out.events.push_back(LeaveDone{*leaving});
}

// ---- members on disk

void NodeCore::State::flush_members(Output& out) {
  flush_armed = false;
  if (dirty_members.empty()) return;
  std::vector<Write> writes;
  for (const auto& [id, erase] : dirty_members) {
    Bytes key{kRowMember};
    key.insert(key.end(), id.bytes.begin(), id.bytes.end());
    const auto member = erase ? std::nullopt : membership->find(id);
    if (member) {
      writes.push_back({std::move(key), member->record->wire, false});
    } else {
      writes.push_back({std::move(key), {}, true});
    }
  }
  dirty_members.clear();
  out.persist.push_back({core_ticket(++tickets_, kTicketMembers), std::move(writes)});
}

// ---- twins: two live processes with one key

// Of two processes with one key, the one that joins a mesh which shows the key already stops. If
// neither or both did (started at once, or a split that healed), the one with the smaller instance
// does. Nobody is believed but the other process itself: it must answer a handshake under our key.

void NodeCore::State::on_own_record_seen(Now now, const RecordRef& seen,
                                         const std::optional<Endpoint>& seed, Output& out) {
  if (seen->instance == own.fields().instance) return;
  if (!twin || twin->instance != seen->instance) {
    if (twin) timers.cancel(twin->timer);
    twin = Twin{.instance = seen->instance, .was_first = !in_mesh(now), .untried = {}, .met = {},
                .at = {}, .timer = {}};
  }
  if (twin->met || !twin->untried.empty()) return;  // being looked at
  const auto& mine = own.fields().endpoints;
  const auto consider = [&](const Endpoint& e) {
    if (!peers.may_try(now.mono, e)) return;
    (void)twin->untried.try_push(e);
    peers.silent(now.mono, e);  // a former life of ours does not answer: ask it ever less often
  };
  if (seed) {
    consider(*seed);
  } else {
    for (const Endpoint& e : seen->endpoints) {
      if (std::ranges::find(mine, e) == mine.end()) consider(e);
    }
  }
  try_twin(now, out);
}

// One endpoint at a time: a handshake goes to one address.
void NodeCore::State::try_twin(Now now, Output& out) {
  if (twin->untried.empty()) return;
  const Endpoint to = twin->untried[0];
  twin->untried.erase_at(0);
  sessions.rehandshake(now, {deps.identity.public_key(), deps.identity.id()}, to, {}, /*early_ok=*/false, out.send);
  timers.cancel(twin->timer);
  twin->timer = timers.arm(now.mono + kTwinTry, tag(Timer::kTwin));
}

void NodeCore::State::on_twin_timer(Now now, Output& out) {
  if (!twin || leaving) return;
  if (!twin->met) return try_twin(now, out);
  const Duration since = now.mono - *twin->met;
  const Duration wait = twin->was_first ? kTwinRecheckNewcomer : kTwinRecheckSettled;
  if (since >= 2 * wait) {
    twin->met.reset();  // it has stopped
    return;
  }
  sessions.rehandshake(now, {deps.identity.public_key(), deps.identity.id()}, twin->at, {}, /*early_ok=*/false, out.send);
  timers.cancel(twin->timer);
  twin->timer = timers.arm(*twin->met + 2 * wait, tag(Timer::kTwin));
}

void NodeCore::State::on_twin(Now now, const Endpoint& at, Output& out) {
  if (leaving || !twin) return;
  twin->untried.clear();
  const bool smaller = own.fields().instance < twin->instance;
  const Duration wait = twin->was_first ? kTwinRecheckNewcomer : kTwinRecheckSettled;
  if (!twin->met) {
    if (twin->was_first && smaller) {
      out.events.push_back(TwinFound{at});
      return;
    }
    // Perhaps the other is about to stop: look again before deciding.
    twin->met = now.mono;
    twin->at = at;
    timers.cancel(twin->timer);
    twin->timer = timers.arm(now.mono + wait, tag(Timer::kTwin));
    return;
  }
  if (now.mono - *twin->met < wait) return;
  twin->met.reset();
  timers.cancel(twin->timer);
  if (twin->was_first || smaller) out.events.push_back(TwinFound{at});
}

}  // namespace weft::node
