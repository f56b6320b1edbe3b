// Receiving half of NodeCore: from an opened payload to the handler of its kind.
#include "crypto/check.h"
#include "node/node_state.h"

namespace weft::node {

void NodeCore::State::on_result(Now now, const Sessions::Result& result, Output& out) {
  if (result.established) {
    const Contact& peer = *result.established;
    peers.answered(now.mono, peer.endpoint);
    if (peer.key == deps.identity.public_key()) {
      on_twin(now, peer.endpoint, out);
    } else if (membership != nullptr) {
      dht.heard_from(now, peer, result.round_trip, dht_out);
      membership->heard_from(now, peer, result.established_by_us, gossip_out);
    }
  }
  if (result.record != nullptr) on_seed_record(now, result, out);
  if (result.received) on_payload(now, *result.received, out);
  drain(now, out);
}

void NodeCore::State::on_payload(Now now, const Sessions::Received& received, Output& out) {
  // Whatever happens, early data wants exactly one answer, maybe an empty one: on_request answers
  // through `answer`, which clears this flag.
  struct EarlyGuard {
    State& state;
    Now now;
    Output& out;
    bool open;
    ~EarlyGuard() {
      if (open) state.sessions.respond(now, {}, out.send);
    }
  };
  Reader r(received.payload);
  const Head head = read_head(r);
  EarlyGuard guard{*this, now, out, received.early};
  if (r.failed()) return count(Drop::kMalformed);
  if (membership == nullptr) return;  // not ready: silence is honest
  if (received.peer == deps.identity.public_key()) return count(Drop::kSelf);
  const Contact from{received.peer, received.peer_id, received.from};
  if (is_reply(head.kind)) {
    if (received.early) return count(Drop::kUnasked);
    on_answer(now, from, head, r, out);
    return;
  }
  const Asker asker{from, head.rpc, received.early, received.reply_max};
  if (!received.early) dht.heard_from(now, from, std::nullopt, dht_out);
  const std::size_t answered_before = early_answers;
  on_request(now, asker, head.kind, r, out);
  if (early_answers != answered_before) guard.open = false;
}

template <class M>
bool NodeCore::State::decoded(Reader& r, M& message) {
  if (!decode(r, message)) return true;
  count(Drop::kMalformed);
  return false;
}

template <class M>
void NodeCore::State::answer(Now now, const Asker& asker, const M& message, Output& out) {
  Writer w(MutableBytes(scratch).first(asker.reply_max));
  encode(w, asker.rpc, message);
  if (!w.ok()) return;  // does not fit into the response: the asker comes again in the session
  served.answered(now, asker.contact.id, asker.rpc, message);
  flow.note(now, asker.contact.id, w.view());
  if (asker.early) {
    ++early_answers;
    sessions.respond(now, w.view(), out.send);
    return;
  }
  sessions.send(now, {asker.contact.key, asker.contact.id}, asker.contact.endpoint, w.view(), /*early_ok=*/false,
                out.send);
}

void NodeCore::State::on_request(Now now, const Asker& asker, std::uint8_t kind, Reader& r,
                                 Output& out) {
  switch (kind) {
    case gossip::kPing: {
      gossip::Ping m;
      if (!decoded(r, m)) return;
      gossip::Ack reply;
      membership->on_ping(now, asker, m, reply, gossip_out);
      if (!asker.early && speaks_state(asker.contact.id)) reply.state = shared.digest();
      return answer(now, asker, reply, out);
    }
    case gossip::kSync: {
      gossip::Sync m;
      if (!decoded(r, m)) return;
      gossip::SyncPage reply;
      membership->on_sync(now, asker, m, reply, gossip_out);
      return answer(now, asker, reply, out);
    }
    case dht::kFindNode: {
      dht::FindNode m;
      if (!decoded(r, m)) return;
      dht::Nodes reply;
      dht.on_find_node(now, asker, m, reply);
      return answer(now, asker, reply, out);
    }
    case dht::kGet: {
      dht::Get m;
      if (!decoded(r, m)) return;
      dht::Values reply;
      if (dht.on_get(now, asker, m, reply, dht_out)) answer(now, asker, reply, out);
      return;
    }
    case dht::kTraced: {
      dht::Traced m;
      if (!decoded(r, m)) return;
      Reader inner(m.request);
      const Head head = read_head(inner);
      if (inner.failed() || head.rpc != asker.rpc || !dht::may_be_traced(head.kind)) return count(Drop::kMalformed);
      served.begin(now, asker.contact.id, asker.rpc, m.context, head.kind);
      return on_request(now, asker, head.kind, inner, out);
    }
    case gossip::kGossip:
    case gossip::kPingReq:
    case dht::kStore:
    case dht::kCompare:
    case dht::kStoreMany:
    case state::kRoots:
    case state::kBranch:
    case state::kFetch:
    case state::kPush:
    case state::kIHave:
    case state::kGraft:
    case state::kPrune:
    case state::kLink:
      break;
    default:
      return count(Drop::kUnknownKind);
  }
  if (asker.early) return count(Drop::kEarlyWrite);
  switch (kind) {
    case gossip::kGossip: {
      gossip::Gossip m;
      if (decoded(r, m)) membership->on_gossip(now, asker, m, gossip_out);
      return;
    }
    case gossip::kPingReq: {
      gossip::PingReq m;
      if (decoded(r, m)) membership->on_ping_req(now, asker, m, gossip_out);
      return;
    }
    case dht::kStore: {
      dht::Store m;
      if (decoded(r, m)) dht.on_store(now, asker, m, dht_out);
      return;
    }
    case dht::kCompare: {
      dht::Compare m;
      if (!decoded(r, m)) return;
      dht::Compared reply;
      ByteArray<dht::kCompareItemsMax / 8> room;
      if (dht.on_compare(now, asker, m, room, reply, dht_out)) answer(now, asker, reply, out);
      return;
    }
    case dht::kStoreMany: {
      dht::StoreMany m;
      if (decoded(r, m)) dht.on_store_many(now, asker, m, dht_out);
      return;
    }
    case state::kRoots: {
      state::Roots m;
      if (!decoded(r, m)) return;
      state::RootsReply reply;
      shared.on_roots(now, asker, m, reply);
      return answer(now, asker, reply, out);
    }
    case state::kBranch: {
      state::Branch m;
      if (!decoded(r, m)) return;
      state::BranchReply reply;
      if (shared.on_branch(now, asker, m, reply)) answer(now, asker, reply, out);
      return;
    }
    case state::kFetch: {
      state::Fetch m;
      if (!decoded(r, m)) return;
      state::FetchReply reply;
      if (shared.on_fetch(now, asker, m, reply)) answer(now, asker, reply, out);
      return;
    }
    case state::kPush: {
      state::Push m;
      if (decoded(r, m)) shared.on_push(now, asker.contact.id, m, state_out);
      return;
    }
    case state::kIHave: {
      state::IHave m;
      if (decoded(r, m)) shared.on_ihave(now, asker.contact.id, m, state_out);
      return;
    }
    case state::kGraft: {
      state::Graft m;
      if (decoded(r, m)) shared.on_graft(now, asker.contact.id, m, state_out);
      return;
    }
    case state::kPrune: {
      state::Prune m;
      if (decoded(r, m)) shared.on_prune(now, asker.contact.id, m, state_out);
      return;
    }
    case state::kLink: {
      state::Link m;
      if (!decoded(r, m)) return;
      for (std::size_t i = m.others.size(); i-- > 0;) {
        const auto member = membership->find(m.others[i]);
        if (!member || member->state != gossip::MemberState::kAlive) m.others.erase_at(i);
      }
      shared.on_link(now, asker.contact.id, m, state_out);
      return;
    }
    default:
      return;
  }
}

void NodeCore::State::on_answer(Now now, const Contact& from, const Head& head, Reader& r,
                                Output& out) {
  RequestTable::Request* found = requests.match(head.rpc, head.kind, from.id);
  if (found == nullptr) return count(Drop::kUnasked);
  const Duration rtt = now.mono - found->sent_at;
  const bool clean = found->attempt == 0 || found->one_try;  // Karn: a retransmitted request measures nothing
  const Owner owner = found->owner;
  const RequestTag tag_of = found->tag;
  // Decoded first: a malformed answer changes nothing, and the request goes on waiting.
  std::variant<std::monostate, gossip::Ack, gossip::PingReqReply, gossip::SyncPage, dht::Nodes,
               dht::Values, dht::Stored, dht::Compared, dht::StoredMany, state::RootsReply, state::BranchReply,
               state::FetchReply>
      message;
  switch (head.kind) {
    case gossip::kAck: if (!decoded(r, message.emplace<gossip::Ack>())) return; break;
    case gossip::kPingReqReply: if (!decoded(r, message.emplace<gossip::PingReqReply>())) return; break;
    case gossip::kSyncPage: if (!decoded(r, message.emplace<gossip::SyncPage>())) return; break;
    case dht::kNodes: if (!decoded(r, message.emplace<dht::Nodes>())) return; break;
    case dht::kValues: if (!decoded(r, message.emplace<dht::Values>())) return; break;
    case dht::kStored: if (!decoded(r, message.emplace<dht::Stored>())) return; break;
    case dht::kCompared: if (!decoded(r, message.emplace<dht::Compared>())) return; break;
    case dht::kStoredMany: if (!decoded(r, message.emplace<dht::StoredMany>())) return; break;
    case state::kRootsReply: if (!decoded(r, message.emplace<state::RootsReply>())) return; break;
    case state::kBranchReply: if (!decoded(r, message.emplace<state::BranchReply>())) return; break;
    case state::kFetchReply: if (!decoded(r, message.emplace<state::FetchReply>())) return; break;
    default: return;
  }
  timers.cancel(found->timer);
  requests.close(*found);
  // Stores wait for a commit and indirect probes for a third node: neither is a round trip.
  const bool round_trip =
      head.kind != dht::kStored && head.kind != dht::kStoredMany && head.kind != gossip::kPingReqReply;
  const bool measures = clean && round_trip;
  if (measures) status_.timings.round_trip.add(rtt);
  if (measures && owner == Owner::kMembership) status_.timings.probe.add(rtt);
  if (measures) peers.measured(now.mono, from.id, rtt);
  if (measures) shared.measured(from.id, rtt);
  if (round_trip && !clean) peers.answered_late(now.mono, from.id, rtt);
  dht.heard_from(now, from, measures ? std::optional(rtt) : std::nullopt, dht_out);

  if (const auto* ack = std::get_if<gossip::Ack>(&message)) {
    if (own.observed(from.id, ack->observed)) want_record(now, out);
    if (ack->state) shared.on_digest(now, from, *ack->state, state_out);
    if (owner == Owner::kPingOp) {
      out.events.push_back(PingDone{static_cast<OpId>(tag_of), rtt});
    } else {
      membership->on_ack(now, tag_of, rtt, from, *ack, gossip_out);
    }
  } else if (const auto* indirect = std::get_if<gossip::PingReqReply>(&message)) {
    membership->on_ping_req_reply(now, tag_of, *indirect, gossip_out);
  } else if (const auto* page = std::get_if<gossip::SyncPage>(&message)) {
    membership->on_sync_page(now, tag_of, from, *page, gossip_out);
  } else if (const auto* nodes = std::get_if<dht::Nodes>(&message)) {
    dht.on_nodes(now, tag_of, rtt, *nodes, dht_out);
  } else if (const auto* values = std::get_if<dht::Values>(&message)) {
    dht.on_values(now, tag_of, rtt, *values, dht_out);
  } else if (const auto* stored = std::get_if<dht::Stored>(&message)) {
    dht.on_stored(now, tag_of, rtt, *stored, dht_out);
  } else if (const auto* compared = std::get_if<dht::Compared>(&message)) {
    dht.on_compared(now, tag_of, rtt, *compared, dht_out);
  } else if (const auto* many = std::get_if<dht::StoredMany>(&message)) {
    dht.on_stored_many(now, tag_of, rtt, *many, dht_out);
  } else if (const auto* roots = std::get_if<state::RootsReply>(&message)) {
    shared.on_roots_reply(now, tag_of, *roots, state_out);
  } else if (const auto* branch = std::get_if<state::BranchReply>(&message)) {
    shared.on_branch_reply(now, tag_of, *branch, state_out);
  } else if (const auto* fetched = std::get_if<state::FetchReply>(&message)) {
    shared.on_fetch_reply(now, tag_of, *fetched, state_out);
  }
}

}  // namespace weft::node
