#include "crypto/sessions.h"

#include "crypto/check.h"
#include "crypto/session_state.h"

namespace weft {

using session::Handshake;
using session::PacketType;
using session::Peer;
using session::Pending;
using session::Queue;
using session::Transport;

namespace {

// Deadlines taken per on_deadline; what is left stays due.
constexpr int kDeadlinesPerCall = 16;
// The pause between two INITs doubles this often at most: 2 s after 250 ms.
constexpr int kRetryDoublings = 3;
// Sessions that end for one new one, after the limit was lowered.
constexpr int kEvictionsPerPeer = 4;

enum class Timer : std::uint8_t { kRetry = 1, kRetire = 2 };

TimerQueue::Tag tag(Timer timer, std::uint32_t value) {
  return static_cast<std::uint64_t>(timer) << 32 | value;
}

// "weft" || protocol major || network id: what both sides must agree on before the first byte.
Bytes make_prologue(const Network& network) {
  Bytes prologue = to_bytes(as_bytes("weft"));
  prologue.push_back(kWireVersion);
  prologue.insert(prologue.end(), network.id.begin(), network.id.end());
  return prologue;
}

}  // namespace

std::string_view to_string(SessionDrop drop) {
  switch (drop) {
    case SessionDrop::kTooShort:
      return "too_short";
    case SessionDrop::kTooLong:
      return "too_long";
    case SessionDrop::kVersion:
      return "version";
    case SessionDrop::kType:
      return "type";
    case SessionDrop::kMac:
      return "mac";
    case SessionDrop::kRateLimited:
      return "rate_limited";
    case SessionDrop::kUnknownIndex:
      return "unknown_index";
    case SessionDrop::kBadTag:
      return "bad_tag";
    case SessionDrop::kReplayed:
      return "replayed";
    case SessionDrop::kHandshake:
      return "handshake";
    case SessionDrop::kCrossed:
      return "crossed";
    case SessionDrop::kReflected:
      return "reflected";
    case SessionDrop::kWrongKey:
      return "wrong_key";
    case SessionDrop::kWrongAddress:
      return "wrong_address";
    case SessionDrop::kNewEndpoints:
      return "new_endpoints";
    case SessionDrop::kPendingFull:
      return "pending_full";
    case SessionDrop::kQueueFull:
      return "queue_full";
    case SessionDrop::kUnasked:
      return "unasked";
    case SessionDrop::kBadRecord:
      return "bad_record";
    case SessionDrop::kCount:
      break;
  }
  return "unknown";
}

Sessions::State::State(const Identity& identity_in, Network network_in,
                       const CryptoProvider& provider_in, RecordCache& records_in,
                       Entropy& entropy_in, Rng rng_in, SessionConfig config_in)
    : identity(identity_in),
      network(std::move(network_in)),
      provider(provider_in),
      records(records_in),
      entropy(entropy_in),
      rng(rng_in),
      config(config_in),
      prologue(make_prologue(network)),
      peers(rng_in.fork("index").next()),
      admission({config.prefix_rate, config.prefix_burst}, entropy.next_u64()),
      load(Instant{}, {config.handshakes_per_second, config.handshakes_per_second}),
      newcomers(Instant{}, session::newcomer_rate(config)) {
  CHECK(!network.keys.empty());
  CHECK(network.keys.size() <= kNetworkKeysMax);
  CHECK(config.sessions_max > 0);
  CHECK(config.sessions_max <= kSessionsLimitMax);
  CHECK(config.new_endpoints_per_minute > 0);
  CHECK(config.new_endpoints_per_minute <= kNewEndpointsLimitMax);
  CHECK(config.pending_max > 0);
  CHECK(config.handshake_tries > 0 && config.handshake_tries <= UINT8_MAX);
  // An index has 16 bits for its slot.
  CHECK(2 * config.sessions_max + kHandshakesMax + config.pending_max < 65536);
  for (const auto& key : network.keys) {
    key_sets.push_back(session::make_key_set(provider, key, identity.public_key()));
  }
}

// --- What leaves -----------------------------------------------------------------------------

bool Sessions::State::usable(Now now, const Peer& peer) const {
  // A little before the other side, which counts from the last packet that arrived, forgets it.
  return peer.current != kNoSlot &&
         now.mono - transports[peer.current].used < config.idle_out - config.idle_out / 16;
}

bool Sessions::State::rekey_due(Now now, const Transport& t) const {
  // The responder waits longer, so that both sides seldom start at once.
  const Duration age = t.by_us ? config.rekey_after : config.rekey_after + config.rekey_after / 8;
  const std::uint64_t sent =
      t.by_us ? config.rekey_packets : config.rekey_packets + config.rekey_packets / 8;
  return now.mono - t.proven >= age || t.sent >= sent;
}

void Sessions::State::seal(Now now, std::uint32_t peer, ByteView payload, Outbox& out) {
  Transport& t = transports[peers[peer].current];
  const MutableBytes packet = out.room();
  session::put_head(packet, PacketType::kData);
  store_le(packet.data() + session::kReceiverAt, t.remote_index);
  store_le(packet.data() + session::kCounterAt, t.sent);
  provider.seal(t.send_key, t.sent, {}, payload, packet.subspan(session::kDataSealedAt));
  ++t.sent;
  t.used = now.mono;
  out.commit(t.endpoint, payload.size() + kDataOverhead);
  peers.touch(peer, now.mono);
}

void Sessions::State::flush(Now now, std::uint32_t peer, const Queue& queue, Outbox& out) {
  for (std::size_t i = 0; i < queue.count; ++i) seal(now, peer, queue.payloads[i], out);
}

void Sessions::State::send(Now now, PeerKey peer_key, const Endpoint& to, ByteView payload,
                           bool early_ok, Effort effort, Outbox& out) {
  const std::uint32_t peer = peers.find(peer_key.id);
  if (peer == kNoSlot || !usable(now, peers[peer])) {
    want_handshake(now, peer_key, to, payload, early_ok, /*move=*/false, effort, out);
    return;
  }
  seal(now, peer, payload, out);
  const Transport& t = transports[peers[peer].current];
  if (peers[peer].handshake == kNoSlot && rekey_due(now, t)) {
    want_handshake(now, peer_key, t.endpoint, {}, /*early_ok=*/false, /*move=*/false, {}, out);
  }
}

std::uint32_t Sessions::State::add_peer(Now now, const PublicKey& key, const NodeId& id) {
  for (int i = 0; i < kEvictionsPerPeer && peers.size() >= config.sessions_max; ++i) {
    remove_peer(peers.oldest());
  }
  return peers.add(now.mono, key, id);
}

std::uint32_t Sessions::State::begin_handshake(Now now, const PublicKey& key, const NodeId& id) {
  if (handshakes.used() >= kHandshakesMax) {
    drop(SessionDrop::kQueueFull);
    return kNoSlot;
  }
  const auto dh = provider.dh_public(key);
  DhKey shared{};
  const WipeAtEnd guard(shared);
  if (!dh || !provider.dh(identity.dh_secret(), *dh, shared)) {
    drop(SessionDrop::kWrongKey);
    return kNoSlot;
  }
  std::uint32_t peer = peers.find(id);
  if (peer == kNoSlot) peer = add_peer(now, key, id);
  else peers.touch(peer, now.mono);
  const std::uint32_t slot = handshakes.acquire();
  peers[peer].handshake = slot;
  Handshake& h = handshakes[slot];
  h.peer = peer;
  h.dh = *dh;
  h.shared = shared;
  return slot;
}

void Sessions::State::want_handshake(Now now, PeerKey peer_key, const Endpoint& to, ByteView payload,
                                     bool early_ok, bool move, Effort effort, Outbox& out) {
  effort = bounded(effort);
  const bool early = early_ok && !payload.empty() && payload.size() <= kEarlyBytesMax;
  if (const std::uint32_t known = peers.find(peer_key.id);
      known != kNoSlot && peers[known].handshake != kNoSlot) {
    const std::uint32_t under_way = peers[known].handshake;
    Handshake& h = handshakes[under_way];
    h.tries_max = std::max(h.tries_max, static_cast<std::uint8_t>(effort.tries));
    if (effort.retry < h.retry) {
      h.retry = effort.retry;
      timers.cancel(h.timer);
      arm_retry(now, h);
    }
    const std::size_t queued = enqueue(h.queue, payload);
    if (!move || h.to == to) return;
    timers.cancel(h.timer);
    release_transport(h.transport);
    h.to = to;
    h.queue.early = early ? queued : Queue::kNone;
    launch(now, under_way, early ? payload : ByteView{}, out);
    return;
  }
  const std::uint32_t slot = begin_handshake(now, peer_key.key, peer_key.id);
  if (slot == kNoSlot) return;
  Handshake& h = handshakes[slot];
  h.to = to;
  h.tries_max = static_cast<std::uint8_t>(effort.tries);
  h.retry = effort.retry;
  const std::size_t queued = enqueue(h.queue, payload);
  if (early) h.queue.early = queued;
  launch(now, slot, early ? payload : ByteView{}, out);
}

std::size_t Sessions::State::enqueue(Queue& queue, ByteView payload) {
  if (payload.empty()) return Queue::kNone;
  for (std::size_t i = 0; i < queue.count; ++i) {
    if (equal(queue.payloads[i], payload)) return i;  // a request that was repeated meanwhile
  }
  if (queued_bytes + payload.size() > kQueuedBytesMax) {
    drop(SessionDrop::kQueueFull);
    return Queue::kNone;
  }
  if (queue.count == kQueuedPerPeer) {
    drop(SessionDrop::kQueueFull);
    queued_bytes -= queue.payloads[0].size();
    std::ranges::rotate(queue.payloads, queue.payloads.begin() + 1);
    --queue.count;
    if (queue.early != Queue::kNone) {
      queue.early = queue.early == 0 ? Queue::kNone : queue.early - 1;
    }
  }
  queue.payloads[queue.count++].assign(payload.begin(), payload.end());
  queued_bytes += payload.size();
  return queue.count - 1;
}

void Sessions::State::launch(Now now, std::uint32_t handshake, ByteView early, Outbox& out) {
  Handshake& h = handshakes[handshake];
  const Peer& peer = peers[h.peer];
  h.transport = transports.acquire(entropy);
  Transport& t = transports[h.transport];
  t.use = Transport::Use::kInitiating;
  t.by_us = true;
  t.owner = h.peer;
  t.endpoint = h.to;

  // The payload is laid out where it will be sealed: after e and the sealed static key.
  const std::size_t payload_size =
      std::max(session::kInitPayloadMin, session::kInitHead + early.size());
  h.init.assign(session::kInitOverhead + payload_size, 0);
  const MutableBytes packet(h.init);
  session::put_head(packet, PacketType::kInit);
  store_le(packet.data() + session::kIndexAt, transports.index_of(h.transport));
  const MutableBytes message = packet.subspan(session::kInitNoiseAt);
  const MutableBytes payload = message.subspan(noise::kFirstOverhead - kTagBytes, payload_size);
  std::ranges::copy(identity.public_key().bytes, payload.begin());
  store_le(payload.data() + 32, static_cast<std::uint16_t>(early.size()));
  std::ranges::copy(early, payload.begin() + session::kInitHead);

  DhKey ephemeral;
  const WipeAtEnd guard(ephemeral);
  entropy.fill(ephemeral);
  h.noise = noise::Initiator(provider, pattern(), prologue, h.dh);
  // dh_public() admits no low-order point, so this cannot fail.
  CHECK(h.noise.write_first(provider,
                            {.remote_static = h.dh,
                             .static_public = identity.dh_public(),
                             .static_shared = h.shared,
                             .ephemeral_secret = ephemeral},
                            payload, message));
  h.key_set = hints.of(peer.id);
  h.cookie.reset();  // it was for another address
  sign_init(h);
  h.tries = 0;
  ++stats.handshakes_started_total;
  transmit_init(now, h, out);
}

void Sessions::State::sign_init(Handshake& h) const {
  const MutableBytes packet(h.init);
  const std::size_t mac1_at = session::init_mac1_at(packet.size());
  const std::size_t mac2_at = mac1_at + session::kMacBytes;
  session::put_mac(provider, session::mac1_key(provider, key_sets[h.key_set].network, peers[h.peer].key), packet,
                   mac1_at);
  if (h.cookie) blake2b(packet.subspan(mac2_at), *h.cookie, ByteView(h.init).first(mac2_at));
}

Effort Sessions::State::bounded(Effort effort) const {
  const int tries = effort.tries > 0 ? std::min(effort.tries, config.handshake_tries) : config.handshake_tries;
  return {.retry = std::max(effort.retry, config.handshake_retry),
          .tries = std::max(tries, static_cast<int>(key_sets.size()))};
}

void Sessions::State::transmit_init(Now now, Handshake& h, Outbox& out) {
  out.send(h.to, h.init);
  h.cookie_awaited = true;
  ++h.tries;
  arm_retry(now, h);
}

void Sessions::State::arm_retry(Now now, Handshake& h) {
  const Duration wait = h.retry * (1LL << std::min(h.tries - 1, kRetryDoublings));
  // The tag names the transport's index, which no later handshake will have.
  h.timer = timers.arm(now.mono + rng.jitter(wait, {1, 5}),
                       tag(Timer::kRetry, transports.index_of(h.transport)));
}

// --- What ends -------------------------------------------------------------------------------

Queue Sessions::State::end_handshake(std::uint32_t handshake) {
  Handshake& h = handshakes[handshake];
  timers.cancel(h.timer);
  if (h.transport != kNoSlot) release_transport(h.transport);
  peers[h.peer].handshake = kNoSlot;
  Queue queue = std::move(h.queue);
  for (std::size_t i = 0; i < queue.count; ++i) queued_bytes -= queue.payloads[i].size();
  handshakes.release(handshake);
  return queue;
}

void Sessions::State::give_up(std::uint32_t handshake) {
  const std::uint32_t peer = handshakes[handshake].peer;
  drop(SessionDrop::kQueueFull, end_handshake(handshake).count);
  if (peers[peer].current == kNoSlot) remove_peer(peer);
}

void Sessions::State::release_transport(std::uint32_t& slot) {
  transports.release(slot);
  slot = kNoSlot;
}

void Sessions::State::remove_peer(std::uint32_t slot) {
  Peer& peer = peers[slot];
  if (peer.handshake != kNoSlot) {
    drop(SessionDrop::kQueueFull, end_handshake(peer.handshake).count);
  }
  if (peer.previous != kNoSlot) release_transport(peer.previous);
  if (peer.current != kNoSlot) {
    release_transport(peer.current);
    --live;
  }
  peers.remove(slot);
}

void Sessions::State::remove_pending(std::uint32_t pending) {
  transports.release(pendings[pending].transport);
  pendings.remove(pending);
}

void Sessions::State::install(Now now, std::uint32_t peer_slot, std::uint32_t transport) {
  Peer& peer = peers[peer_slot];
  Transport& fresh = transports[transport];
  fresh.use = Transport::Use::kLive;
  fresh.owner = peer_slot;
  fresh.proven = now.mono;
  fresh.used = now.mono;
  if (peer.previous != kNoSlot) release_transport(peer.previous);
  if (peer.current == kNoSlot) {
    ++live;
  } else {
    Transport& old = transports[peer.current];
    peer.previous = peer.current;
    // Two handshakes, one by each side, completed together: the other side may have seen them end
    // in the other order, so both stay. Otherwise the old keys open what is in flight, then go.
    fresh.crossed = old.by_us != fresh.by_us && now.mono - old.proven < kPreviousKept;
    old.crossed = fresh.crossed;
    if (!fresh.crossed) {
      timers.arm(now.mono + kPreviousKept, tag(Timer::kRetire, transports.index_of(peer.current)));
    }
  }
  peer.current = transport;
  peers.touch(peer_slot, now.mono);
}

void Sessions::State::on_timer(Now now, TimerQueue::Tag fired, Outbox& out) {
  const std::uint32_t slot = transports.find(static_cast<std::uint32_t>(fired));
  if (slot == kNoSlot) return;  // released since
  const Transport& t = transports[slot];
  switch (static_cast<Timer>(fired >> 32)) {
    case Timer::kRetry: {
      // Cancelled with its handshake, so it cannot outlive it.
      CHECK(t.use == Transport::Use::kInitiating);
      const std::uint32_t handshake = peers[t.owner].handshake;
      Handshake& h = handshakes[handshake];
      CHECK(h.transport == slot);
      if (h.tries >= h.tries_max) return give_up(handshake);
      // Silence may mean that the peer does not know this key (yet, or any more).
      if (key_sets.size() > 1) {
        h.key_set = (h.key_set + 1) % key_sets.size();
        sign_init(h);
      }
      return transmit_init(now, h, out);
    }
    case Timer::kRetire:
      // Never cancelled: the slot may have been given to another since, by chance with this index.
      if (t.use != Transport::Use::kLive || peers[t.owner].previous != slot || t.crossed) return;
      return release_transport(peers[t.owner].previous);
  }
}

void Sessions::State::on_deadline(Now now, Outbox& out) {
  int budget = kDeadlinesPerCall;
  while (budget-- > 0) {
    const auto fired = timers.pop_due(now.mono);
    if (!fired) break;
    on_timer(now, *fired, out);
  }
  while (budget-- > 0 && pendings.oldest() != kNoSlot &&
         pendings[pendings.oldest()].answered + kPendingKept <= now.mono) {
    remove_pending(pendings.oldest());
  }
  while (budget-- > 0 && peers.oldest() != kNoSlot &&
         peers[peers.oldest()].used + config.idle_out <= now.mono) {
    remove_peer(peers.oldest());
  }
  std::erase_if(hellos, [&](const session::Hello& h) { return h.sent + kHelloKept <= now.mono; });
}

std::optional<Instant> Sessions::State::next_deadline() {
  std::optional<Instant> next = timers.next();
  const auto earlier = [&next](Instant at) {
    if (!next || at < *next) next = at;
  };
  if (pendings.oldest() != kNoSlot) earlier(pendings[pendings.oldest()].answered + kPendingKept);
  if (peers.oldest() != kNoSlot) earlier(peers[peers.oldest()].used + config.idle_out);
  if (!hellos.empty()) earlier(hellos.front().sent + kHelloKept);
  return next;
}

ByteArray<32> Sessions::State::digest() const {
  ByteArray<32> hash{};
  const auto absorb = [&hash](ByteView bytes) { hash = blake2b_256(hash, bytes); };
  const auto absorb_number = [&absorb](std::uint64_t number) {
    ByteArray<8> raw;
    store_le(raw.data(), number);
    absorb(raw);
  };
  const auto absorb_transport = [&](std::uint32_t slot) {
    if (slot == kNoSlot) return absorb_number(UINT64_MAX);
    const Transport& t = transports[slot];
    absorb_number(transports.index_of(slot));
    absorb_number(t.remote_index);
    absorb_number(t.sent);
    absorb_number(t.window.end());
    absorb(t.endpoint.ip);
    absorb_number(t.endpoint.port);
  };
  for (const std::uint32_t slot : peers.sorted()) {
    const Peer& peer = peers[slot];
    absorb(peer.id.bytes);
    absorb_transport(peer.current);
    absorb_transport(peer.previous);
    if (peer.handshake == kNoSlot) continue;
    const Handshake& h = handshakes[peer.handshake];
    absorb(h.init);
    absorb_number(static_cast<std::uint64_t>(h.tries));
    for (std::size_t i = 0; i < h.queue.count; ++i) absorb(h.queue.payloads[i]);
  }
  absorb_number(pendings.size());
  if (pendings.oldest() != kNoSlot) absorb(pendings[pendings.oldest()].response);
  for (const session::Hello& h : hellos) absorb_number(h.nonce);
  return hash;
}

// --- The public face -------------------------------------------------------------------------

Sessions::Sessions(const Identity& identity, Network network, const CryptoProvider& provider,
                   RecordCache& records, Entropy& entropy, Rng rng, SessionConfig config)
    : state_(std::make_unique<State>(identity, std::move(network), provider, records, entropy, rng,
                                     config)) {}
Sessions::~Sessions() = default;

void Sessions::set_record(RecordRef record) { state_->record = std::move(record); }

Sessions::Result Sessions::on_datagram(Now now, const Endpoint& from, ByteView datagram,
                                       Outbox& out) {
  CHECK(!state_->answering);
  return state_->on_datagram(now, from, datagram, out);
}

void Sessions::respond(Now now, ByteView reply, Outbox& out) {
  CHECK(state_->answering);
  CHECK(reply.size() <= state_->answering->reply_max);
  state_->respond(now, reply, out);
}

void Sessions::send(Now now, PeerKey peer, const Endpoint& to, ByteView payload,
                    bool early_ok, Outbox& out, Effort effort) {
  CHECK(!state_->answering);
  CHECK(payload.size() <= kPayloadBytesMax);
  state_->send(now, peer, to, payload, early_ok, effort, out);
}

void Sessions::rehandshake(Now now, PeerKey peer, const Endpoint& to, ByteView payload,
                           bool early_ok, Outbox& out, Effort effort) {
  CHECK(!state_->answering);
  CHECK(payload.size() <= kPayloadBytesMax);
  state_->want_handshake(now, peer, to, payload, early_ok, /*move=*/true, effort, out);
}

std::uint64_t Sessions::hello(Now now, const Endpoint& to, Outbox& out) {
  CHECK(!state_->answering);
  State& s = *state_;
  if (s.hellos.size() == kHellosMax) s.hellos.erase(s.hellos.begin());
  const std::uint64_t nonce = s.entropy.next_u64();
  // Each key gets its turn with every address that has not answered.
  const auto asked = static_cast<std::size_t>(std::ranges::count(s.hellos, to, &session::Hello::to));
  const std::size_t key_set = asked % s.key_sets.size();
  s.hellos.push_back({nonce, to, now.mono, key_set});
  const MutableBytes packet = out.room().first(kFirstPacketBytes);
  std::ranges::fill(packet, std::uint8_t{0});
  session::put_head(packet, PacketType::kHello);
  store_le(packet.data() + session::kHelloNonceAt, nonce);
  session::put_mac(s.provider, s.key_sets[key_set].hello, packet, packet.size() - session::kMacBytes);
  out.commit(to, packet.size());
  return nonce;
}

std::optional<Endpoint> Sessions::session_endpoint(const NodeId& peer) const {
  const std::uint32_t slot = state_->peers.find(peer);
  if (slot == kNoSlot || state_->peers[slot].current == kNoSlot) return std::nullopt;
  return state_->transports[state_->peers[slot].current].endpoint;
}

void Sessions::set_limits(std::size_t sessions_max, std::uint32_t new_endpoints_per_minute) {
  CHECK(sessions_max > 0);
  CHECK(sessions_max <= kSessionsLimitMax);
  CHECK(new_endpoints_per_minute > 0);
  CHECK(new_endpoints_per_minute <= kNewEndpointsLimitMax);
  state_->config.sessions_max = sessions_max;
  state_->config.new_endpoints_per_minute = new_endpoints_per_minute;
}

void Sessions::forget(const NodeId& peer) {
  CHECK(!state_->answering);
  const std::uint32_t slot = state_->peers.find(peer);
  if (slot != kNoSlot) state_->remove_peer(slot);
}

void Sessions::on_deadline(Now now, Outbox& out) {
  CHECK(!state_->answering);
  state_->on_deadline(now, out);
}

std::optional<Instant> Sessions::next_deadline() { return state_->next_deadline(); }
std::size_t Sessions::sessions() const { return state_->live; }
const Sessions::Stats& Sessions::stats() const { return state_->stats; }
ByteArray<32> Sessions::digest() const { return state_->digest(); }

}  // namespace weft
