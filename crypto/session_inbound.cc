// Receiving half of Sessions: from a datagram to an opened payload, a new session, or a counter.
#include "crypto/check.h"
#include "crypto/planted.h"
#include "crypto/session_state.h"

namespace weft {

using session::Answering;
using session::Handshake;
using session::PacketType;
using session::Peer;
using session::Pending;
using session::Queue;
using session::Transport;

namespace {

// Above this many unconfirmed answers within this time, addresses must prove themselves first.
constexpr Duration kPendingYoung = 2s;

}  // namespace

Sessions::Result Sessions::State::on_datagram(Now now, const Endpoint& from, ByteView packet,
                                              Outbox& out) {
  Result result;
  const auto type = session::classify(packet);
  if (!type) {
    drop(type.error());
    return result;
  }
  switch (*type) {
    case PacketType::kInit:
      on_init(now, from, packet, result, out);
      break;
    case PacketType::kResp:
      on_resp(now, from, packet, result, out);
      break;
    case PacketType::kData:
      on_data(now, from, packet, result, out);
      break;
    case PacketType::kCookie:
      on_cookie(now, from, packet, out);
      break;
    case PacketType::kHello:
      on_hello(now, from, packet, out);
      break;
    case PacketType::kRecord:
      on_record(from, packet, result);
      break;
  }
  return result;
}

void Sessions::State::drop_unknown(Now now, const Endpoint& from) {
  const bool within = admission.take(now.mono, from, PrefixAdmission::Charge::kUnknownIndex);
  drop(within ? SessionDrop::kUnknownIndex : SessionDrop::kRateLimited);
}

std::optional<std::size_t> Sessions::State::key_set_of(ByteArray<32> session::KeySet::*key,
                                                       ByteView packet, std::size_t mac_at) const {
  for (std::size_t i = 0; i < key_sets.size(); ++i) {
    if (session::mac_matches(provider, key_sets[i].*key, packet, mac_at)) return i;
  }
  return std::nullopt;
}

// --- INIT ------------------------------------------------------------------------------------

void Sessions::State::on_init(Now now, const Endpoint& from, ByteView packet, Result& result,
                              Outbox& out) {
  const std::size_t mac1_at = session::init_mac1_at(packet.size());
  const auto key_set = key_set_of(&session::KeySet::mac1, packet, mac1_at);
  if (!key_set) return drop(SessionDrop::kMac);
  if (!admission.take(now.mono, from, PrefixAdmission::Charge::kFirstPacket)) {
    return drop(SessionDrop::kRateLimited);
  }
  if (reflected(packet)) return drop(SessionDrop::kReflected);
  ByteArray<session::kMacBytes> mac1;
  std::ranges::copy(packet.subspan(mac1_at, mac1.size()), mac1.begin());
  if (const std::uint32_t same = pendings.find(mac1, from); same != kNoSlot) {
    pendings[same].repeated = true;
    out.send(from, pendings[same].response);
    return;
  }
  if (under_load(now) && !cookies.accepts(now.mono, from, packet.first(mac1_at + mac1.size()),
                                          packet.last(session::kMacBytes))) {
    return send_cookie(now, from, packet, *key_set, out);
  }
  const auto early = read_init(from, packet, *key_set);
  if (!early) return;
  answering->mac1 = mac1;
  if (early->empty()) return respond(now, {}, out);
  result.received = Received{.peer = answering->key,
                             .peer_id = answering->id,
                             .from = from,
                             .payload = *early,
                             .early = true,
                             .reply_max = answering->reply_max};
}

bool Sessions::State::under_load(Now now) {
  if (!load.take(now.mono, {config.handshakes_per_second, config.handshakes_per_second})) {
    return true;
  }
  return pendings.size() >= config.pending_max &&
         now.mono - pendings[pendings.oldest()].answered < kPendingYoung;
}

void Sessions::State::send_cookie(Now now, const Endpoint& from, ByteView init, std::size_t key_set,
                                  Outbox& out) {
  const MutableBytes packet = out.room().first(session::kCookieBytes);
  session::put_head(packet, PacketType::kCookie);
  std::ranges::copy(init.subspan(session::kIndexAt, 4), packet.begin() + session::kReceiverAt);
  const MutableBytes nonce = packet.subspan(session::kCookieNonceAt, session::kCookieNonceBytes);
  entropy.fill(nonce);
  session::seal_cookie(provider, key_sets[key_set].cookie, nonce,
                       init.subspan(session::init_mac1_at(init.size()), session::kMacBytes),
                       cookies.cookie(now.mono, entropy, from),
                       packet.subspan(session::kCookieSealedAt));
  out.commit(from, packet.size());
  ++stats.cookies_sent_total;
}

std::optional<ByteView> Sessions::State::read_init(const Endpoint& from, ByteView packet,
                                                   std::size_t key_set) {
  const auto refuse = [this](SessionDrop cause) {
    drop(cause);
    return std::nullopt;
  };
  const ByteView message = packet.subspan(
      session::kInitNoiseAt, packet.size() - session::kInitNoiseAt - 2 * session::kMacBytes);
  noise::Responder responder(provider, pattern(), prologue, identity.dh_public());
  const auto sender = responder.read_first(provider, identity.dh_secret(), message, plain);
  if (!sender) return refuse(SessionDrop::kHandshake);

  const ByteView payload = ByteView(plain).first(message.size() - noise::kFirstOverhead);
  const std::size_t early = load_le<std::uint16_t>(payload.data() + 32);
  if (early > payload.size() - session::kInitHead) return refuse(SessionDrop::kHandshake);
  PublicKey key;
  std::ranges::copy(payload.first(32), key.bytes.begin());
  // Noise proved the X25519 side; the Ed25519 key that claims it must be the one it comes from.
  const auto dh = provider.dh_public(key);
  if (!dh || *dh != *sender) return refuse(SessionDrop::kWrongKey);
  const NodeId id = node_id_of(key);
  if (lost_crossing(key, id, from)) return refuse(SessionDrop::kCrossed);

  // No more than kAmplification times what came goes to an address that has proven nothing.
  const std::size_t answer_max = planted(Plant::kAmplifier)
                                     ? kDatagramBytesMax
                                     : std::min(kAmplification * packet.size(), kDatagramBytesMax);
  answering = Answering{.noise = responder,
                        .key = key,
                        .id = id,
                        .from = from,
                        .remote_index = load_le<std::uint32_t>(packet.data() + session::kIndexAt),
                        .key_set = key_set,
                        .reply_max = answer_max - session::kRespOverhead};
  return payload.subspan(session::kInitHead, early);
}

bool Sessions::State::reflected(ByteView init) const {
  const std::uint32_t peer = peers.find(identity.id());
  if (peer == kNoSlot || peers[peer].handshake == kNoSlot) return false;
  const ByteView ours = handshakes[peers[peer].handshake].init;
  return equal(ours.subspan(session::kInitNoiseAt, noise::kDhBytes),
               init.subspan(session::kInitNoiseAt, noise::kDhBytes));
}

bool Sessions::State::lost_crossing(const PublicKey& key, const NodeId& id,
                                    const Endpoint& from) const {
  // Our INIT is under way to where this one comes from, and the smaller key initiates. One that
  // comes from elsewhere is answered: ours may be going to an address that is no longer right.
  if (!(identity.public_key() < key)) return false;
  const std::uint32_t peer = peers.find(id);
  if (peer == kNoSlot || peers[peer].handshake == kNoSlot) return false;
  return handshakes[peers[peer].handshake].to == from;
}

void Sessions::State::make_pending_room(const NodeId& id) {
  std::uint32_t victim = pendings.oldest_of(id, kPendingPerPeer);
  if (victim == kNoSlot && pendings.size() >= config.pending_max) victim = pendings.oldest();
  if (victim == kNoSlot) return;
  drop(SessionDrop::kPendingFull);
  remove_pending(victim);
}

void Sessions::State::respond(Now now, ByteView reply, Outbox& out) {
  Answering a = *answering;
  answering.reset();  // wipes it
  const session::KeySet& keys = key_sets[a.key_set];
  const std::uint32_t slot = transports.acquire(entropy);
  DhKey ephemeral;
  const WipeAtEnd guard(ephemeral);
  entropy.fill(ephemeral);
  const MutableBytes packet = out.room().first(session::kRespOverhead + reply.size());
  session::put_head(packet, PacketType::kResp);
  store_le(packet.data() + session::kIndexAt, transports.index_of(slot));
  store_le(packet.data() + session::kRespReceiverAt, a.remote_index);
  const auto derived = a.noise.write_second(provider, ephemeral, keys.network, reply,
                                            packet.subspan(session::kRespNoiseAt));
  if (!derived) {
    transports.release(slot);
    return drop(SessionDrop::kHandshake);  // a low-order ephemeral key
  }
  session::put_mac(provider, session::mac1_key(provider, keys.network, a.key), packet,
                   packet.size() - session::kMacBytes);
  out.commit(a.from, packet.size());
  ++stats.handshakes_answered_total;
  if (a.key == identity.public_key()) {
    transports.release(slot);  // a twin, or ourselves: it learns that we are here, and no more
    return;
  }
  make_pending_room(a.id);
  const std::uint32_t at = pendings.add(a.mac1);
  Pending& pending = pendings[at];
  pending.key = a.key;
  pending.key_set = a.key_set;
  pending.id = a.id;
  pending.from = a.from;
  pending.transport = slot;
  pending.answered = now.mono;
  pending.repeated = false;
  pending.response = to_bytes(packet);
  Transport& t = transports[slot];
  t.use = Transport::Use::kPending;
  t.owner = at;
  t.remote_index = a.remote_index;
  t.endpoint = a.from;
  t.send_key = derived->send;
  t.receive_key = derived->receive;
}

// --- RESP and COOKIE ---------------------------------------------------------------------------

void Sessions::State::on_resp(Now now, const Endpoint& from, ByteView packet, Result& result,
                              Outbox& out) {
  const std::uint32_t slot =
      transports.find(load_le<std::uint32_t>(packet.data() + session::kRespReceiverAt));
  if (slot == kNoSlot) return drop_unknown(now, from);
  if (transports[slot].use != Transport::Use::kInitiating) return drop(SessionDrop::kHandshake);
  const std::uint32_t peer_slot = transports[slot].owner;
  Peer& peer = peers[peer_slot];
  Handshake& h = handshakes[peer.handshake];
  if (from != h.to) return drop(SessionDrop::kWrongAddress);
  // It answers any of our INITs, so with any of the keys that they were sent with.
  const auto key_set =
      key_set_of(&session::KeySet::mac1, packet, packet.size() - session::kMacBytes);
  if (!key_set) return drop(SessionDrop::kMac);
  const ByteView message = packet.subspan(
      session::kRespNoiseAt, packet.size() - session::kRespNoiseAt - session::kMacBytes);
  noise::Initiator attempt = h.noise;
  const auto keys =
      attempt.read_second(provider, identity.dh_secret(), key_sets[*key_set].network, message, plain);
  if (!keys) return drop(SessionDrop::kHandshake);
  hints.note(peer.id, *key_set);

  const ByteView answer = ByteView(plain).first(message.size() - noise::kSecondOverhead);
  result.established = Contact{peer.key, peer.id, from};
  result.established_by_us = true;
  result.opened = true;
  result.peer_id = peer.id;
  if (!answer.empty()) result.received = Received{peer.key, peer.id, from, answer};
  ++stats.handshakes_done_total;
  if (peer.key == identity.public_key()) {
    (void)end_handshake(peer.handshake);
    return remove_peer(peer_slot);
  }

  Transport& t = transports[slot];
  t.remote_index = load_le<std::uint32_t>(packet.data() + session::kIndexAt);
  t.send_key = keys->send;
  t.receive_key = keys->receive;
  h.transport = kNoSlot;  // it outlives its handshake
  const Queue queue = end_handshake(peer.handshake);
  install(now, peer_slot, slot);
  // What RESP has answered is not asked again; something must leave, so that the other side learns
  // that its answer arrived.
  const std::size_t answered = answer.empty() ? Queue::kNone : queue.early;
  bool sent = false;
  for (std::size_t i = 0; i < queue.count; ++i) {
    if (i == answered) continue;
    seal(now, peer_slot, queue.payloads[i], out);
    sent = true;
  }
  if (!sent) seal(now, peer_slot, {}, out);
}

void Sessions::State::on_cookie(Now now, const Endpoint& from, ByteView packet, Outbox& out) {
  const std::uint32_t slot =
      transports.find(load_le<std::uint32_t>(packet.data() + session::kReceiverAt));
  if (slot == kNoSlot) return drop_unknown(now, from);
  if (transports[slot].use != Transport::Use::kInitiating) return drop(SessionDrop::kUnasked);
  const Peer& peer = peers[transports[slot].owner];
  Handshake& h = handshakes[peer.handshake];
  if (from != h.to) return drop(SessionDrop::kWrongAddress);
  // One for each INIT of the timer: a repeated COOKIE must not draw INITs out of us.
  if (!h.cookie_awaited) return drop(SessionDrop::kUnasked);
  const std::size_t mac1_at = session::init_mac1_at(h.init.size());
  CookieJar::Cookie cookie;
  if (!session::open_cookie(provider, session::cookie_key(provider, key_sets[h.key_set].network, peer.key),
                            packet.subspan(session::kCookieNonceAt, session::kCookieNonceBytes),
                            ByteView(h.init).subspan(mac1_at, session::kMacBytes),
                            packet.subspan(session::kCookieSealedAt), cookie)) {
    return drop(SessionDrop::kBadTag);
  }
  h.cookie = cookie;
  sign_init(h);
  h.cookie_awaited = false;
  out.send(h.to, h.init);
}

// --- DATA --------------------------------------------------------------------------------------

void Sessions::State::on_data(Now now, const Endpoint& from, ByteView packet, Result& result,
                              Outbox& out) {
  const std::uint32_t slot =
      transports.find(load_le<std::uint32_t>(packet.data() + session::kReceiverAt));
  if (slot == kNoSlot || transports[slot].use == Transport::Use::kInitiating) {
    return drop_unknown(now, from);
  }
  Transport& t = transports[slot];
  const bool pending = t.use == Transport::Use::kPending;
  if (pending && from != t.endpoint) return drop(SessionDrop::kWrongAddress);
  const auto counter = load_le<std::uint64_t>(packet.data() + session::kCounterAt);
  const bool fresh = t.window.fresh(counter);
  if (!fresh && !planted(Plant::kReplayWindowOff)) return drop(SessionDrop::kReplayed);
  const ByteView sealed = packet.subspan(session::kDataSealedAt);
  if (!provider.open(t.receive_key, counter, {}, sealed, plain)) {
    return drop(SessionDrop::kBadTag);
  }
  if (pending && !admits(now, pendings[t.owner])) return drop(SessionDrop::kNewEndpoints);

  if (fresh) t.window.mark(counter);
  t.used = now.mono;
  const std::uint32_t peer = pending ? confirm(now, t.owner, result, out) : t.owner;
  follow_sibling(peer, slot);
  peers.touch(peer, now.mono);
  result.opened = true;
  result.peer_id = peers[peer].id;
  const ByteView payload = ByteView(plain).first(sealed.size() - kTagBytes);
  if (!payload.empty()) {
    result.received = Received{peers[peer].key, peers[peer].id, t.endpoint, payload};
  }
}

bool Sessions::State::admits(Now now, const Pending& p) {
  const std::uint32_t known = peers.find(p.id);
  if (known != kNoSlot && peers[known].current != kNoSlot &&
      transports[peers[known].current].endpoint == p.from) {
    return true;
  }
  return newcomers.take(now.mono, session::newcomer_rate(config), session::kNewcomerTokens);
}

std::uint32_t Sessions::State::confirm(Now now, std::uint32_t pending, Result& result,
                                       Outbox& out) {
  // Older answers to this peer must not replace what is newer, should their first packet come late.
  for (;;) {
    const std::uint32_t older = pendings.oldest_of(pendings[pending].id, 1);
    if (older == pending) break;
    remove_pending(older);
  }
  const Pending& p = pendings[pending];
  std::uint32_t peer = peers.find(p.id);
  if (peer == kNoSlot) peer = add_peer(now, p.key, p.id);
  hints.note(p.id, p.key_set);
  result.established = Contact{p.key, p.id, p.from};
  if (const Duration took = now.mono - p.answered; !p.repeated && took <= kConfirmedAtOnce) result.round_trip = took;
  const std::uint32_t transport = p.transport;
  pendings.remove(pending);
  Queue queue;
  if (peers[peer].handshake != kNoSlot) queue = end_handshake(peers[peer].handshake);
  install(now, peer, transport);
  ++stats.handshakes_done_total;
  flush(now, peer, queue, out);
  return peer;
}

void Sessions::State::follow_sibling(std::uint32_t peer_slot, std::uint32_t transport) {
  Peer& peer = peers[peer_slot];
  if (transport != peer.previous || !transports[transport].crossed) return;
  if (identity.public_key() < peer.key) std::swap(peer.current, peer.previous);
}

// --- HELLO and RECORD --------------------------------------------------------------------------

void Sessions::State::on_hello(Now now, const Endpoint& from, ByteView packet, Outbox& out) {
  const auto key_set =
      key_set_of(&session::KeySet::hello, packet, packet.size() - session::kMacBytes);
  if (!key_set) return drop(SessionDrop::kMac);
  if (!admission.take(now.mono, from, PrefixAdmission::Charge::kFirstPacket)) {
    return drop(SessionDrop::kRateLimited);
  }
  if (record == nullptr) return drop(SessionDrop::kUnasked);
  const MutableBytes reply = out.room().first(session::kRecordOverhead + record->wire.size());
  session::put_head(reply, PacketType::kRecord);
  std::ranges::copy(packet.subspan(session::kHelloNonceAt, 8),
                    reply.begin() + session::kHelloNonceAt);
  std::ranges::copy(record->wire, reply.begin() + session::kRecordAt);
  session::put_mac(provider, key_sets[*key_set].hello, reply, reply.size() - session::kMacBytes);
  out.commit(from, reply.size());
}

void Sessions::State::on_record(const Endpoint& from, ByteView packet, Result& result) {
  const auto nonce = load_le<std::uint64_t>(packet.data() + session::kHelloNonceAt);
  const auto asked = std::ranges::find_if(
      hellos, [&](const session::Hello& h) { return h.nonce == nonce && h.to == from; });
  if (asked == hellos.end()) return drop(SessionDrop::kUnasked);
  const std::size_t mac_at = packet.size() - session::kMacBytes;
  const std::size_t key_set = asked->key_set;
  if (!session::mac_matches(provider, key_sets[key_set].hello, packet, mac_at)) {
    return drop(SessionDrop::kMac);
  }
  const ByteView wire = packet.subspan(session::kRecordAt, mac_at - session::kRecordAt);
  const auto admitted = records.admit(wire, network.id);
  if (!admitted) return drop(SessionDrop::kBadRecord);
  hellos.erase(asked);
  hints.note((*admitted)->id, key_set);
  result.record = *admitted;
  result.record_from = from;
  result.hello_id = nonce;
}

}  // namespace weft
