// Sealed sessions with peers: Noise handshakes inside a WireGuard-like frame, over datagrams.
//
// One object per node. It turns datagrams into opened payloads of peers whose key is proven, and
// payloads into sealed datagrams; it knows nothing of what the payloads mean. Wire layouts, the
// state table and test vectors: docs/PROTOCOL.md.
//
// Packets (byte 0: protocol major kWireVersion; byte 1: type):
//   INIT    sidx4 | Noise message 1 (payload: Ed25519 key 32, length2, early data, zeros)
//           | mac1 16 | mac2 16; padded to kFirstPacketBytes at least
//   RESP    sidx4 | ridx4 | Noise message 2 (payload: answer to the early data, or nothing) | mac1
//   16 DATA    ridx4 | counter8 | sealed payload + tag 16                       = 30 bytes of
//   overhead COOKIE  ridx4 | nonce24 | sealed cookie 16 + 16 HELLO   nonce8 | zeros | mac 16,
//   kFirstPacketBytes long: "your record, please" (bare seed) RECORD  nonce8 | signed record | mac
//   16
// All macs are keyed with a network key, mac1 also with the receiver's public key: who does not
// know the network gets silence. The Noise pattern is IK (IKpsk2 in private networks); its prologue
// is the major version and the network's id.
//
// Promises:
// - A handshake received changes nothing durable: the responder keeps a bounded pending entry, and
//   only the first DATA under its keys, coming from the same address, makes it the peer's session,
//   moves the peer's endpoint and raises `established`. A replayed or spoofed INIT costs at most an
//   entry of that bounded table and one RESP that is smaller than the INIT's allowance; a repeated
//   one gets the same RESP again, at the price of a lookup.
// - A RESP counts only from the address that its INIT went to. A session is bound to the address
//   where it was proven: DATA that comes from elsewhere opens, but is told as coming from there and
//   moves nothing. A changed address is a new handshake.
// - At most kAmplification times the received bytes go to an address that is not validated.
// - Early data is at most one payload a handshake and is marked unauthenticated (`early`).
// - Crossed handshakes: the smaller public key initiates and ignores an INIT that comes from where
//   its own goes to; the other side answers, and drops its own once that session is confirmed (not
//   before: an INIT may be a replay); its queued payloads leave in the session that results. If
//   both complete all the same, both sides keep both, and the smaller key sends where the other
//   does.
// - Packets with a known index are opened first; only handshakes, hellos and unknown indices are
//   charged to the source's prefix bucket. Above handshakes_per_second INITs are answered with a
//   COOKIE only.
// - DATA counters: replay window of kReplayWindow; rekey after rekey_after or kRekeyPackets, by
//   whoever sends next; replaced keys still open for kPreviousKept; sessions idle for idle_out end;
//   tables are bounded and evict the least recently used.
// - No wall clock, no peer's clock. After warm-up, seal and open allocate nothing.
// - What is dropped is counted under a SessionDrop; a dropped packet changed only that counter.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>

#include "crypto/contact.h"
#include "crypto/keys.h"
#include "crypto/network.h"
#include "crypto/node_record.h"
#include "crypto/outbox.h"
#include "crypto/provider.h"
#include "crypto/rng.h"
#include "crypto/time.h"

namespace weft {

inline constexpr std::uint8_t kWireVersion = 1;
inline constexpr std::size_t kFirstPacketBytes = 256;
inline constexpr std::size_t kDataOverhead = 30;
inline constexpr std::size_t kPayloadBytesMax = kDatagramBytesMax - kDataOverhead;
inline constexpr std::size_t kAmplification = 3;
inline constexpr std::size_t kReplayWindow = 1024;
inline constexpr std::uint64_t kRekeyPackets = 1ULL << 32;
// Payloads that wait for a handshake, per peer; the oldest is dropped (and counted) first.
inline constexpr std::size_t kQueuedPerPeer = 4;
// ... and of all peers together.
inline constexpr std::size_t kQueuedBytesMax = 1 << 20;
// Own handshakes under way; beyond, payloads to new peers are given up (kQueueFull).
inline constexpr std::size_t kHandshakesMax = 1024;
// Early data of an INIT.
inline constexpr std::size_t kEarlyBytesMax = kDatagramBytesMax - 168;
// How long replaced keys open, an answered handshake waits for its confirmation, and a hello for
// its record.
inline constexpr Duration kPreviousKept = 30s;
inline constexpr Duration kPendingKept = 2min;
inline constexpr Duration kHelloKept = 10s;
inline constexpr Duration kConfirmedAtOnce = 1s;
// Answered handshakes of one key that wait for confirmation; its own oldest gives way.
inline constexpr std::size_t kPendingPerPeer = 4;
// Hellos outstanding; the oldest gives way.
inline constexpr std::size_t kHellosMax = 64;

enum class SessionDrop : std::uint8_t {
  kTooShort,
  kTooLong,
  kVersion,      // another protocol major
  kType,         // unknown packet type
  kMac,          // wrong network, or not for us
  kRateLimited,  // prefix bucket empty
  kUnknownIndex,
  kBadTag,        // DATA or COOKIE does not open
  kReplayed,      // counter seen before, or too old to tell
  kHandshake,     // Noise refused, low-order point, unexpected RESP
  kCrossed,       // lost a crossed handshake
  kReflected,     // our own INIT, sent back to us
  kWrongKey,      // the claimed Ed25519 key is not the proven one, or is not a key at all
  kWrongAddress,  // RESP, COOKIE or confirming DATA from elsewhere than its handshake
  kNewEndpoints,  // more peers proved a new address in a minute than new_endpoints_per_minute
  kPendingFull,   // an answered handshake gave way to a newer one before it was confirmed
  kQueueFull,     // a payload that waited for a handshake was given up
  kUnasked,       // RECORD or COOKIE that nobody asked for; HELLO while we have no record
  kBadRecord,
  kCount,
};
std::string_view to_string(SessionDrop drop);

struct SessionConfig {
  std::size_t sessions_max = 4096;  // peers with keys or a handshake under way
  std::size_t pending_max = 256;    // handshakes answered but not confirmed
  Duration idle_out = 30min;
  Duration rekey_after = 1h;  // the responder waits an eighth longer
  std::uint64_t rekey_packets = kRekeyPackets;
  Duration handshake_retry = 250ms;  // first INIT retransmission; doubles, jittered
  int handshake_tries = 4;           // INITs before a handshake is given up
  std::uint32_t prefix_rate = 500;  // handshakes, hellos and unknown indices a second per prefix...
  std::uint32_t prefix_burst = 1000;           // ...with this burst; loopback counts per address
  std::uint32_t handshakes_per_second = 2000;  // above: cookies
  // Sessions that others may open from an address where they have none, with the burst of a minute.
  // Counted when the address is proven, so that forged packets cannot use it up; renewed sessions
  // and those that we open do not count.
  std::uint32_t new_endpoints_per_minute = 60'000;
};

// Bounds of the two that set_limits changes.
inline constexpr std::size_t kSessionsLimitMax = 16'384;
inline constexpr std::uint32_t kNewEndpointsLimitMax = 1'000'000;

// Whom a payload is for. `id` is always node_id_of(key): the caller has it at hand and here it is not computed
// again for every packet, nor looked at. Refers to the caller's objects for the length of a call.
struct PeerKey {
  const PublicKey& key;
  const NodeId& id;
};

// How hard a handshake is tried; who joins one that is under way may have it repeated sooner and more often, never the reverse.
struct Effort {
  Duration retry{};  // first INIT retransmission, then doubling; at least SessionConfig::handshake_retry
  int tries = 0;     // INITs in all, at most SessionConfig::handshake_tries; 0: that many
};

class Sessions {
 public:
  // A payload of a peer, valid until the next call of on_datagram. With `early`, it came as early
  // data of a handshake: unauthenticated, reads only; `respond` must be called exactly once before
  // any other call but session_endpoint, sessions and stats, with at most `reply_max` bytes of
  // answer or none. In a session reply_max is kPayloadBytesMax. The answer that a RESP carries to
  // our own early data is not `early`: Noise proves its sender.
  struct Received {
    PublicKey peer;
    NodeId peer_id;
    Endpoint from;  // where the session was proven; with `early` the unproven source
    ByteView payload;
    bool early = false;
    std::size_t reply_max = kPayloadBytesMax;
  };
  // What one datagram led to, besides bytes in the outbox.
  struct Result {
    std::optional<Received> received;
    // The peer proved its key at this address just now: first packet under new keys (either role).
    // With our own key: a twin process answered a handshake that we asked for; no session is kept.
    // Never ourselves: our own INIT, however it came back, is dropped.
    std::optional<Contact> established;
    bool established_by_us = false;  // we initiated
    // With `established` by the peer: from our RESP to this packet, which a peer sends at once; it may be late on purpose, never
    // early. None if RESP went out more than once (Karn), or beyond kConfirmedAtOnce: then it is a later one, as the first was lost.
    std::optional<Duration> round_trip;
    // A bare seed answered our hello with this (verified, right network) record.
    RecordRef record;
    Endpoint record_from;
    std::uint64_t hello_id = 0;
    bool opened = false;  // an authentic packet of `peer_id` (also an empty one)
    NodeId peer_id;       // valid if `opened`
  };
  struct Stats {
    std::array<std::uint64_t, static_cast<std::size_t>(SessionDrop::kCount)> drops{};
    std::uint64_t handshakes_started_total = 0;
    std::uint64_t handshakes_answered_total = 0;
    std::uint64_t handshakes_done_total = 0;
    std::uint64_t cookies_sent_total = 0;
  };

  // All references must outlive the object. `records` verifies the records that hellos bring.
  Sessions(const Identity& identity, Network network, const CryptoProvider& provider,
           RecordCache& records, Entropy& entropy, Rng rng, SessionConfig config);
  ~Sessions();

  // The own signed record, given to whoever says hello. May be called again at any time.
  void set_record(RecordRef record);

  // Takes one datagram as it came; at most kQueuedPerPeer + 1 datagrams leave.
  Result on_datagram(Now now, const Endpoint& from, ByteView datagram, Outbox& out);
  // Answers the early data of the last Result (see Received); empty: nothing to say.
  void respond(Now now, ByteView reply, Outbox& out);

  // Seals `payload` (at most kPayloadBytesMax) to a peer. In a session it leaves at once, to the
  // session's endpoint. Otherwise a handshake starts towards `to` (or goes on, to wherever it goes)
  // and the payload waits; with `early_ok` it also travels as early data of the INIT that it
  // starts, if it fits, and is not sent a second time if the response carried an answer. A
  // handshake that gets no answer to all its tries (`effort`; with several keys at least one for each)
  // ends without a word and its payloads are counted kQueueFull.
  void send(Now now, PeerKey peer, const Endpoint& to, ByteView payload, bool early_ok,
            Outbox& out, Effort effort = {});
  // Starts a fresh handshake to `to` although a session may exist (the peer stayed silent and may
  // have restarted, or its address changed); `payload` rides along as in send(), an empty one is
  // none. A handshake to `to` that is under way goes on and takes the payload; one to another
  // address is restarted towards `to` with all that waits. The old session stays in use until the
  // new one is established. With our own key: looks for a twin process (see `established`).
  void rehandshake(Now now, PeerKey peer, const Endpoint& to, ByteView payload,
                   bool early_ok, Outbox& out, Effort effort = {});
  // Asks whoever is at `to` for its record; returns the id that Result::hello_id will carry. One
  // packet; the caller repeats as it sees fit. At most kHellosMax are outstanding.
  std::uint64_t hello(Now now, const Endpoint& to, Outbox& out);

  // The endpoint of the live, confirmed session with a peer, if any. Right after a RESP or the
  // confirming DATA this is the new one.
  std::optional<Endpoint> session_endpoint(const NodeId& peer) const;
  // Other limits from now on: 1 to kSessionsLimitMax, 1 to kNewEndpointsLimitMax. Sessions beyond a
  // lowered limit end, least recently used first, a few with each new one.
  void set_limits(std::size_t sessions_max, std::uint32_t new_endpoints_per_minute);
  // Ends the session with a peer at once (its record says it left).
  void forget(const NodeId& peer);

  // Retransmits, gives up and forgets what is due; bounded work, the rest stays due.
  void on_deadline(Now now, Outbox& out);
  std::optional<Instant> next_deadline();

  // Peers with a confirmed session.
  std::size_t sessions() const;
  const Stats& stats() const;
  // BLAKE2b over peers in the order of their ids, their transports, what is pending and what waits,
  // without counters: equal for equal histories, and not changed by a packet that is dropped.
  ByteArray<32> digest() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace weft
