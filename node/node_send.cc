// Sending half of NodeCore: encode, seal, retransmit, and pass on what the cores produced.
#include <algorithm>
#include <tuple>

#include "crypto/check.h"
#include "node/node_state.h"

namespace weft::node {

void NodeCore::State::drain(Now now, Output& out) {
  // Each round hands the cores' wishes out and may feed failures back, which may cause new wishes.
  // Rounds end: a request fails at once only while it is being opened.
  for (;;) {
    carry_out_dht(now, out);
    if (membership != nullptr) carry_out_membership(now, out);
    carry_out_state(now, out);
    if (failed_at_once.empty()) {
      if (dht_out.empty() && state_out.empty() && gossip_out.requests.empty() && gossip_out.replies.empty() &&
          gossip_out.sends.empty() && gossip_out.events.empty()) {
        if (!handing_over || !dht.handed_over()) return;
        say_goodbye(now, out);
      }
      continue;
    }
    while (!failed_at_once.empty()) {
      const std::uint32_t rpc = failed_at_once.back();
      failed_at_once.pop_back();
      if (RequestTable::Request* r = requests.find(rpc)) give_up(now, *r, /*unsent=*/true, out);
    }
  }
}

bool NodeCore::State::takes_known(const NodeId& peer) const {
  if (membership == nullptr || config.membership.alone) return config.membership.alone;
  const auto member = membership->find(peer);
  return member && member->record->minor >= kKnownMinor;
}

void NodeCore::State::carry_out_dht(Now now, Output& out) {
  if (dht_out.empty()) return;
  std::swap(dht_out, dht_work);
  for (dht::Persist& p : dht_work.persist) {
    out.persist.push_back(
        {core_ticket(static_cast<std::uint64_t>(p.ticket), kTicketDht), std::move(p.writes)});
  }
  for (const dht::Request& asked : dht_work.requests) {
    std::visit(
        [&](const auto& m) {
          if (minor_of(m) > 0 && membership != nullptr) {
            const auto member = membership->find(asked.to.id);
            if (member && member->record->minor < minor_of(m)) return untold.push_back(asked.tag);
          }
          const RequestInfo info = {
              .owner = Owner::kDht,
              .tag = asked.tag,
              .reply_kind = reply_kind(m),
              .to = asked.to,
              .early_ok = early_ok(m),
              .may_be_gone = (asked.stranger || asked.background) && (membership == nullptr || !membership->find(asked.to.id)),
              .hedge = !asked.background && std::is_same_v<std::decay_t<decltype(m)>, dht::Get>,
              .trace = asked.trace};
          if constexpr (requires { m.known; }) {
            if (!m.known.tags.empty() && !takes_known(asked.to.id)) {
              auto plain = m;
              plain.known = {};
              return request(now, info, plain, out);
            }
          }
          request(now, info, m, out);
        },
        asked.message);
  }
  for (dht::Load& load : dht_work.loads) out.loads.push_back(std::move(load));
  for (const dht::Reply& reply : dht_work.replies) reply_in_session(now, reply.to, reply.message, out);
  for (const dht::ReplyMany& reply : dht_work.replies_many) reply_in_session(now, reply.to, reply.message, out);
  for (const dht::LateValues& late : dht_work.late_values) {
    reply_in_session(now, late.to, late.message, out);
  }
  for (const dht::LateCompared& late : dht_work.late_compared) {
    reply_in_session(now, late.to, dht::Compared{.token = late.token, .missing = late.missing}, out);
  }
  for (dht::Event& event : dht_work.events) on_event(now, event, out);
  dht_work.clear();
  // Only now: an operation that this ends may own what the requests showed.
  std::vector<RequestTag> failed;
  failed.swap(untold);
  for (const RequestTag request : failed) dht.on_timeout(now, request, dht_out);
}

void NodeCore::State::carry_out_membership(Now now, Output& out) {
  if (gossip_out.requests.empty() && gossip_out.replies.empty() && gossip_out.sends.empty() &&
      gossip_out.events.empty()) {
    return;
  }
  std::swap(gossip_out, gossip_work);
  for (const gossip::Request& asked : gossip_work.requests) {
    std::visit(
        [&](const auto& m) {
          request(now,
                  {.owner = Owner::kMembership,
                   .tag = asked.tag,
                   .reply_kind = reply_kind(m),
                   .to = asked.to,
                   .early_ok = early_ok(m),
                   .may_rehandshake = asked.may_rehandshake,
                   .once = asked.once,
                   .look_again = asked.look_again,
                   .patience = asked.patience},
                  m, out);
        },
        asked.message);
  }
  for (const gossip::Reply& reply : gossip_work.replies) {
    reply_in_session(now, reply.to, reply.message, out);
  }
  for (const gossip::Send& send : gossip_work.sends) {
    send_once(now, send.to, send.message, out);
  }
  for (gossip::Event& event : gossip_work.events) on_event(now, event, out);
  gossip_work.clear();
}

void NodeCore::State::carry_out_state(Now now, Output& out) {
  if (state_out.empty()) return;
  std::swap(state_out, state_work);
  for (state::Persist& p : state_work.persist) {
    out.persist.push_back({core_ticket(static_cast<std::uint64_t>(p.ticket), kTicketState), std::move(p.writes)});
  }
  for (const state::Request& asked : state_work.requests) {
    std::visit(
        [&](const auto& m) {
          request(now, {.owner = Owner::kState, .tag = asked.tag, .reply_kind = reply_kind(m), .to = asked.to}, m, out);
        },
        asked.message);
  }
  for (const state::Send& send : state_work.sends) {
    const auto to = target_for(send.to);
    if (!to) continue;
    std::visit([&](const auto& word) { send_once(now, *to, word, out); }, send.message);
  }
  for (state::Event& event : state_work.events) std::visit([&](auto& e) { out.events.push_back(std::move(e)); }, event);
  state_work.clear();
  std::vector<RequestTag> failed;
  failed.swap(untold_state);
  for (const RequestTag request : failed) shared.on_timeout(now, request, state_out);
}

template <class M>
void NodeCore::State::send_once(Now now, const Target& to, const M& message, Output& out) {
  Writer w(MutableBytes(scratch).first(kPayloadBytesMax));
  encode(w, 0, message);
  CHECK(w.ok());
  send_once(now, to, w.view(), out);
}

void NodeCore::State::send_once(Now now, const Target& to, ByteView payload, Output& out) {
  const auto known = sessions.session_endpoint(to.id);
  RequestTable::Request probe;  // only to choose an address the way requests do
  probe.to = to;
  flow.note(now, to.id, payload);
  if (known) {
    sessions.send(now, {to.key, to.id}, *known, payload, /*early_ok=*/false, out.send);
  } else if (pick_endpoint(now, probe)) {
    sessions.send(now, {to.key, to.id}, probe.tried, payload, /*early_ok=*/false, out.send);
  }
}

void NodeCore::say(Now now, const NodeId& to, ByteView payload, Output& out) {
  CHECK(payload.size() <= kPayloadBytesMax);
  State& s = *state_;
  const auto target = s.membership == nullptr ? std::nullopt : s.target_for(to);
  if (!target) return;
  const std::size_t before = out.send.datagrams().size();
  s.send_once(now, *target, payload, out);
  s.count_sent(out, before);
}

template <class M>
void NodeCore::State::request(Now now, RequestInfo info, const M& message, Output& out) {
  RequestTable::Request* r = requests.open(info);
  if (r == nullptr) {
    count(Drop::kTooManyRequests);
    // The owner still gets its one answer.
    switch (info.owner) {
      case Owner::kDht: untold.push_back(info.tag); break;
      case Owner::kMembership: membership->on_unsent(now, info.tag, gossip_out); break;
      case Owner::kState: untold_state.push_back(info.tag); break;
      case Owner::kPingOp:
        out.events.push_back(PingDone{static_cast<OpId>(info.tag), std::unexpected(OpError::kOverloaded)});
        break;
      case Owner::kTwin: break;
    }
    return;
  }
  Writer w(MutableBytes(scratch).first(kPayloadBytesMax));
  encode(w, r->rpc, message);
  CHECK(w.ok());
  r->payload.assign(w.view().begin(), w.view().end());
  if (info.trace) wrap_traced(*info.trace, *r);
  r->sent_at = now.mono;
  const PeerStats::Waits waits = peers.waits(now.mono, r->to.id);
  r->rto = waits.rto;
  if (r->patience == Duration::zero()) {
    r->patience = std::min(waits.longest * 7, kPatienceMax);
    // It goes out again after one and tries a fresh handshake after three, which needs one more: who
    // has forgotten our session is not to seem dead because it was slow the last time.
    r->rto = std::min(r->rto, r->patience / 4);
  }
  // All its INITs have had their time by then.
  if (r->may_be_gone && !sessions.session_endpoint(r->to.id)) {
    r->one_try = peers.hardly_any_late();
    const Duration enough = r->one_try ? patience_of_one(*r) : r->rto * kFewTriesPatience;
    r->patience = std::min(r->patience, enough);
  }
  r->give_up_at = now.mono + std::min(r->patience, kPatienceMax);
  if (!sessions.session_endpoint(r->to.id) && !pick_endpoint(now, *r)) {
    failed_at_once.push_back(r->rpc);
    return;
  }
  const Duration look_after = r->hedge ? std::min(waits.hedge, r->rto) : r->rto;
  r->timer = timers.arm(std::min(now.mono + look_after, r->give_up_at), tag(Timer::kRequest, r->rpc));
  transmit(now, *r, /*fresh_handshake=*/false, out);
}
template void NodeCore::State::request(Now, RequestInfo, const gossip::Ping&, Output&);

void NodeCore::State::wrap_traced(const dht::TraceContext& context, RequestTable::Request& r) {
  const auto member = membership == nullptr ? std::nullopt : membership->find(r.to.id);
  if (!member || member->record->minor < kTracedMinor || r.payload.size() > dht::kTracedRequestBytesMax) return;
  Writer w(MutableBytes(scratch).first(kPayloadBytesMax));
  encode(w, r.rpc, dht::Traced{.context = context, .request = r.payload});
  CHECK(w.ok());
  r.payload = to_bytes(w.view());
}

// How long one INIT is waited for.
Duration NodeCore::State::patience_of_one(const RequestTable::Request& r) const {
  return std::max(r.rto * kOneTryPatience, peers.slowest() * kOneTrySlowest.numerator / kOneTrySlowest.denominator);
}

// Chooses the next address of a request's target that this node may use; false if there is none.
bool NodeCore::State::pick_endpoint(Now now, RequestTable::Request& r) {
  bool any = false;
  for (std::size_t i = 0; i < r.to.endpoints.size(); ++i) {
    const std::size_t index = (r.endpoint + i) % r.to.endpoints.size();
    const Endpoint& e = r.to.endpoints[index];
    if (e.is_v4() ? !config.ipv4 : !config.ipv6) continue;
    const Scope s = scope(e);
    if (s == Scope::kUnusable || s == Scope::kLinkLocal) continue;
    any = true;
    if (!peers.may_try(now.mono, e, r.look_again ? kBackoffOfSecondLooks : kBackoffMax)) continue;
    r.endpoint = index + 1;
    r.tried = e;
    return true;
  }
  count(any ? Drop::kBackedOff : Drop::kNoEndpoint);
  return false;
}

void NodeCore::State::transmit(Now now, RequestTable::Request& r, bool fresh_handshake,
                               Output& out) {
  flow.note(now, r.to.id, r.payload);
  const auto known = sessions.session_endpoint(r.to.id);
  if (known && !fresh_handshake) {
    r.one_try = false;
    sessions.send(now, {r.to.key, r.to.id}, *known, r.payload, r.early_ok, out.send);
    return;
  }
  // A probe decides about life and does not wait; others repeat an INIT when an answer is late.
  const Effort effort = r.owner == Owner::kMembership
                            ? Effort{}
                        : r.one_try ? Effort{.retry = r.patience, .tries = 1}
                            : Effort{.retry = r.rto, .tries = r.may_be_gone ? kFewTries : 0};
  if (fresh_handshake) {
    sessions.rehandshake(now, {r.to.key, r.to.id}, r.tried, r.payload, r.early_ok, out.send, effort);
  } else {
    sessions.send(now, {r.to.key, r.to.id}, r.tried, r.payload, r.early_ok, out.send, effort);
  }
}

template <class M>
void NodeCore::State::reply_in_session(Now now, const ReplyTo& to, const M& message, Output& out) {
  Writer w(MutableBytes(scratch).first(kPayloadBytesMax));
  encode(w, to.rpc, message);
  CHECK(w.ok());
  // Only into a live session: a reply never starts a handshake.
  served.answered(now, to.contact.id, to.rpc, message);
  if (const auto known = sessions.session_endpoint(to.contact.id)) {
    flow.note(now, to.contact.id, w.view());
    sessions.send(now, {to.contact.key, to.contact.id}, *known, w.view(), /*early_ok=*/false, out.send);
  }
}

void NodeCore::State::on_request_timer(Now now, std::uint32_t rpc, Output& out) {
  RequestTable::Request* r = requests.find(rpc);
  if (r == nullptr) return;
  if (now.mono >= r->give_up_at) {
    give_up(now, *r, /*unsent=*/false, out);
    return;
  }
  if (const Instant again = r->sent_at + r->rto; r->hedge && r->attempt == 0 && now.mono < again) {
    r->timer = timers.arm(std::min(again, r->give_up_at), tag(Timer::kRequest, rpc));
    dht.on_late(now, r->tag, dht_out);
    return drain(now, out);
  }
  ++r->attempt;
  const auto known = sessions.session_endpoint(r->to.id);
  const bool probe = r->owner == Owner::kMembership;
  const Duration waited = now.mono - r->sent_at;
  const Duration wait = r->rto * (1 << std::min(r->attempt, 4));
  // One retransmission; after that silence may mean a restart, so a fresh handshake. Without a
  // session the handshake repeats itself, and another address of the peer gets its turn. A probe decides about
  // life: it goes out again as long as it may be answered in time, and once more before the handshake if that leaves half of it.
  // Where no packet is lost, who may be gone and is silent is gone or has restarted: the one INIT tells.
  const bool one_each = r->may_be_gone && peers.none_late();
  const int handshake_at = probe && 8 * r->rto <= r->patience / 2 ? 3 : one_each ? 1 : 2;
  if (r->once) {
    // Told slow as others are; the handshake, if there is one, repeats itself.
  } else if (known && r->attempt == handshake_at && r->may_rehandshake) {
    r->tried = *known;
    const bool elsewhere = std::ranges::find(r->to.endpoints, *known) == r->to.endpoints.end();
    if (!elsewhere || r->to.endpoints.empty() || !pick_endpoint(now, *r)) r->tried = *known;
    if (one_each) {
      r->one_try = true;
      r->give_up_at = std::min(r->give_up_at, now.mono + patience_of_one(*r));
    }
    transmit(now, *r, /*fresh_handshake=*/true, out);
  } else if (known && (r->attempt == 1 || probe)) {
    transmit(now, *r, /*fresh_handshake=*/false, out);
  } else if (!known && r->to.endpoints.size() > 1) {
    peers.silent(now.mono, r->tried);
    r->one_try = false;
    if (pick_endpoint(now, *r)) transmit(now, *r, /*fresh_handshake=*/true, out);
  }
  r->timer = timers.arm(std::min(now.mono + wait, r->give_up_at), tag(Timer::kRequest, rpc));
  // Others are asked about a probed member when no further try fits into the first third of its time: where a quarter of all
  // packets is lost, nearly every second probe would ask three.
  const bool slow = probe ? waited + wait > r->patience / 3 : r->attempt == 1;
  if (slow && !r->told_slow) {
    r->told_slow = true;
    tell_slow(now, *r, out);
  }
}

void NodeCore::State::tell_slow(Now now, const RequestTable::Request& r, Output& out) {
  switch (r.owner) {
    case Owner::kDht: dht.on_slow(now, r.tag, dht_out); break;
    case Owner::kMembership: membership->on_slow(now, r.tag, gossip_out); break;
    case Owner::kState:
    case Owner::kPingOp:
    case Owner::kTwin: break;
  }
  drain(now, out);
}

void NodeCore::State::give_up(Now now, RequestTable::Request& r, bool unsent, Output& out) {
  const Owner owner = r.owner;
  const RequestTag tag_of = r.tag;
  if (r.tried != Endpoint{}) peers.silent(now.mono, r.tried);
  timers.cancel(r.timer);
  requests.close(r);
  switch (owner) {
    case Owner::kDht: dht.on_timeout(now, tag_of, dht_out); break;
    case Owner::kMembership:
      if (unsent) membership->on_unsent(now, tag_of, gossip_out);
      else membership->on_timeout(now, tag_of, gossip_out);
      break;
    case Owner::kState: shared.on_timeout(now, tag_of, state_out); break;
    case Owner::kPingOp:
      out.events.push_back(
          PingDone{static_cast<OpId>(tag_of), std::unexpected(OpError::kTimedOut)});
      break;
    case Owner::kTwin: break;
  }
}

void NodeCore::State::on_event(Now now, dht::Event& event, Output& out) {
  std::visit(
      [&](auto& e) {
        if (const auto began = op_began.extract(e.op); !began.empty()) {
          Timings& all = status_.timings;
          auto [times, failed] = std::pair(&all.lookup, &all.lookup_failed);
          if constexpr (std::is_same_v<decltype(e), dht::PutDone&>) std::tie(times, failed) = std::pair(&all.put, &all.put_failed);
          if constexpr (std::is_same_v<decltype(e), dht::GetDone&>) std::tie(times, failed) = std::pair(&all.get, &all.get_failed);
          times->add(now.mono - began.mapped());
          if (!e.result) ++*failed;
        }
        out.events.push_back(std::move(e));
      },
      event);
}

void NodeCore::State::on_event(Now now, gossip::Event& event, Output& out) {
  if (auto* changed = std::get_if<gossip::MemberChanged>(&event)) {
    on_member_changed(now, *changed);
    out.events.push_back(std::move(*changed));
  } else if (const auto* wanted = std::get_if<gossip::NumberWanted>(&event)) {
    own.want_above(wanted->above);
    want_record(now, out);
  } else if (const auto* seen = std::get_if<gossip::OwnRecordSeen>(&event)) {
    on_own_record_seen(now, seen->record, std::nullopt, out);
  } else if (const auto* done = std::get_if<gossip::SyncDone>(&event)) {
    on_sync_done(now, *done, out);
  } else if (const auto* gone = std::get_if<gossip::MemberForgotten>(&event)) {
    keep_member(now, gone->id, /*erase=*/true);
  }
}

void NodeCore::State::on_member_changed(Now now, const gossip::MemberChanged& change) {
  const NodeId& id = change.record->id;
  switch (change.to) {
    case gossip::MemberState::kAlive:
      keep_member(now, id, /*erase=*/false);
      // Others came to us, who have no seeds or none that answers: this is the mesh.
      if (joins.empty() && !in_mesh_from) in_mesh_from = now.mono + kSettle;
      break;
    case gossip::MemberState::kSuspect:
      return;
    case gossip::MemberState::kFailed:
      dht.forget(now, id);
      shared.forget(now, id);
      return;  // the row stays: a failed member is tried again after a restart
    case gossip::MemberState::kLeft:
      dht.forget(now, id);
      shared.forget(now, id);
      sessions.forget(id);
      keep_member(now, id, /*erase=*/true);
      break;
  }
}

void NodeCore::State::keep_member(Now now, const NodeId& id, bool erase) {
  dirty_members[id] = erase;
  if (flush_armed) return;
  flush_armed = true;
  timers.arm(now.mono + rng.jitter(kMemberFlush, {1, 2}), tag(Timer::kFlush));
}

}  // namespace weft::node
