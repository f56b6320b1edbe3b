// The inside of Sessions: its tables, and the steps that both halves of it share.
//
// sessions.cc holds the public calls, what leaves and what falls due; session_inbound.cc what
// arrives. Nobody else includes this file. Loop thread only.
#pragma once

#include <vector>

#include "crypto/admission.h"
#include "crypto/key_hints.h"
#include "crypto/session_frame.h"
#include "crypto/session_table.h"
#include "crypto/timer_queue.h"

namespace weft {
namespace session {

// Payloads that wait for a handshake, oldest first.
struct Queue {
  static constexpr std::size_t kNone = SIZE_MAX;
  std::array<Bytes, kQueuedPerPeer> payloads;
  std::size_t count = 0;
  std::size_t early = kNone;  // which of them also travels as early data
};

// One own handshake under way. Its transport is kInitiating.
struct Handshake {
  std::uint32_t peer = kNoSlot;
  std::uint32_t transport = kNoSlot;
  Endpoint to;
  // Of the peer's key: its X25519 side, and the static-static DH with it. Made anew for each
  // handshake, as keeping them for every peer would cost 64 bytes each for something rarely used.
  DhKey dh{};
  DhKey shared{};
  noise::Initiator noise;
  Bytes init;                   // sent again byte for byte, but for the macs
  std::size_t key_set = 0;      // whose mac1 it carries
  std::optional<CookieJar::Cookie> cookie;  // what mac2 is made with
  Duration retry{};             // until the second INIT
  std::uint8_t tries = 0;       // INITs sent by the timer, the first included
  std::uint8_t tries_max = 0;   // when so many have had no answer, it is given up
  bool cookie_awaited = false;  // one COOKIE is accepted for each of them
  TimerQueue::Handle timer;
  Queue queue;
};

// An INIT that was read and waits for the answer to its early data.
struct Answering {
  noise::Responder noise;
  PublicKey key;
  NodeId id;
  Endpoint from;
  ByteArray<kMacBytes> mac1{};
  std::uint32_t remote_index = 0;
  std::size_t key_set = 0;
  std::size_t reply_max = 0;
};

struct Hello {
  std::uint64_t nonce = 0;
  Endpoint to;
  Instant sent{};
  std::size_t key_set = 0;
};

// A minute's worth in tokens of a second: n endpoints a minute are n tokens a second, 60 for each.
inline constexpr std::uint32_t kNewcomerTokens = 60;
inline TokenRate newcomer_rate(const SessionConfig& config) {
  return {config.new_endpoints_per_minute, config.new_endpoints_per_minute * kNewcomerTokens};
}

}  // namespace session

struct Sessions::State {
  State(const Identity& identity_in, Network network_in, const CryptoProvider& provider_in,
        RecordCache& records_in, Entropy& entropy_in, Rng rng_in, SessionConfig config_in);

  void drop(SessionDrop cause, std::uint64_t count = 1) {
    stats.drops[static_cast<std::size_t>(cause)] += count;
  }
  noise::Pattern pattern() const {
    return network.is_private ? noise::Pattern::kIkPsk2 : noise::Pattern::kIk;
  }

  // --- sessions.cc: what leaves ---
  void send(Now now, PeerKey peer, const Endpoint& to, ByteView payload, bool early_ok, Effort effort,
            Outbox& out);
  // Starts a handshake, or adds to the one under way; `move` restarts that one towards `to`.
  void want_handshake(Now now, PeerKey peer, const Endpoint& to,
                      ByteView payload, bool early_ok, bool move, Effort effort, Outbox& out);
  // A handshake with the peer of this key, who is added if need be; kNoSlot if the key is none or a
  // limit holds.
  std::uint32_t begin_handshake(Now now, const PublicKey& key, const NodeId& id);
  std::uint32_t add_peer(Now now, const PublicKey& key, const NodeId& id);
  // Makes and sends the INIT of a handshake whose peer, `to` and queue are set.
  void launch(Now now, std::uint32_t handshake, ByteView early, Outbox& out);
  void transmit_init(Now now, session::Handshake& h, Outbox& out);
  // Sets the timer after which the INIT that was sent last has had no answer.
  void arm_retry(Now now, session::Handshake& h);
  // Writes the macs of an INIT: mac1 by its key set, mac2 if there is a cookie.
  void sign_init(session::Handshake& h) const;
  // What `effort` asks for, within the configuration's bounds; each key of the network gets its turn.
  Effort bounded(Effort effort) const;
  // Appends a payload unless the same bytes wait already; returns where it waits, or kNone.
  std::size_t enqueue(session::Queue& queue, ByteView payload);
  // Forgets a handshake and hands out what waited for it.
  session::Queue end_handshake(std::uint32_t handshake);
  void give_up(std::uint32_t handshake);
  // Seals into the peer's current transport.
  void seal(Now now, std::uint32_t peer, ByteView payload, Outbox& out);
  void flush(Now now, std::uint32_t peer, const session::Queue& queue, Outbox& out);
  bool usable(Now now, const session::Peer& peer) const;
  bool rekey_due(Now now, const session::Transport& t) const;

  // --- sessions.cc: what ends ---
  void remove_peer(std::uint32_t peer);
  void remove_pending(std::uint32_t pending);  // and its transport
  void release_transport(std::uint32_t& slot);
  // Makes a transport the peer's current one; the one before it becomes the previous one.
  void install(Now now, std::uint32_t peer, std::uint32_t transport);
  void on_timer(Now now, TimerQueue::Tag tag, Outbox& out);
  void on_deadline(Now now, Outbox& out);
  std::optional<Instant> next_deadline();
  ByteArray<32> digest() const;

  // --- session_inbound.cc: what arrives ---
  Result on_datagram(Now now, const Endpoint& from, ByteView packet, Outbox& out);
  void on_init(Now now, const Endpoint& from, ByteView packet, Result& result, Outbox& out);
  void on_resp(Now now, const Endpoint& from, ByteView packet, Result& result, Outbox& out);
  void on_data(Now now, const Endpoint& from, ByteView packet, Result& result, Outbox& out);
  void on_cookie(Now now, const Endpoint& from, ByteView packet, Outbox& out);
  void on_hello(Now now, const Endpoint& from, ByteView packet, Outbox& out);
  void on_record(const Endpoint& from, ByteView packet, Result& result);
  void respond(Now now, ByteView reply, Outbox& out);
  // Counts a packet with an index that names nothing, at the expense of its prefix.
  void drop_unknown(Now now, const Endpoint& from);
  // Which of our network keys this mac was made with; nullopt: a stranger.
  std::optional<std::size_t> key_set_of(ByteArray<32> session::KeySet::*key, ByteView packet,
                                        std::size_t mac_at) const;
  bool under_load(Now now);
  void send_cookie(Now now, const Endpoint& from, ByteView init, std::size_t key_set, Outbox& out);
  // Reads the Noise message of an INIT; on success `answering` is set and the early data returned.
  std::optional<ByteView> read_init(const Endpoint& from, ByteView packet, std::size_t key_set);
  // True for the INIT by which we look for a twin: sent back, it must not prove us to ourselves.
  bool reflected(ByteView init) const;
  bool lost_crossing(const PublicKey& key, const NodeId& id, const Endpoint& from) const;
  void make_pending_room(const NodeId& id);
  // Whether this pending handshake may become a session now; takes a token if its address is new.
  bool admits(Now now, const session::Pending& p);
  // Turns a pending handshake into the peer's session; returns the peer.
  std::uint32_t confirm(Now now, std::uint32_t pending, Result& result, Outbox& out);
  void follow_sibling(std::uint32_t peer, std::uint32_t transport);

  const Identity& identity;
  const Network network;
  const CryptoProvider& provider;
  RecordCache& records;
  Entropy& entropy;
  Rng rng;
  SessionConfig config;
  const Bytes prologue;
  std::vector<session::KeySet> key_sets;  // in the network's order; the first is tried first
  session::KeyHints hints;
  RecordRef record;

  session::TransportTable transports;
  session::PeerTable peers;
  Slab<session::Handshake, 4> handshakes;
  session::PendingTable pendings;
  std::vector<session::Hello> hellos;  // oldest first
  TimerQueue timers;                   // handshakes and previous transports
  PrefixAdmission admission;
  TokenBucket load;
  TokenBucket newcomers;
  CookieJar cookies;
  std::optional<session::Answering> answering;
  std::size_t queued_bytes = 0;
  std::size_t live = 0;  // peers with a current transport
  Stats stats;
  ByteArray<kDatagramBytesMax> plain{};  // what the last datagram held
};

}  // namespace weft
