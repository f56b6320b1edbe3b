// Sealed sessions with peers: Noise handshakes inside a WireGuard-like frame, over datagrams.
//
// One object per node. It turns datagrams into opened payloads of peers whose key is proven, and
// payloads into sealed datagrams; it knows nothing of what the payloads mean. Wire layouts, the
// state table and test vectors: docs/PROTOCOL.md.
//
// Packets (byte 0: protocol major kWireVersion; byte 1: type):
//   INIT    sidx4 | Noise message 1 (payload: length2, early data, zeros) | mac1 16 | mac2 16;
//           padded to kFirstPacketBytes at least
//   RESP    sidx4 | ridx4 | Noise message 2 (payload: answer to the early data, or nothing) | mac1 16
//   DATA    ridx4 | counter8 | sealed payload + tag 16                       = 30 bytes of overhead
//   COOKIE  ridx4 | nonce24 | sealed cookie 16 + 16
//   HELLO   nonce8 | zeros | mac 16, kFirstPacketBytes long: "your record, please" (bare seed)
//   RECORD  nonce8 | signed record | mac 16
// All macs are keyed with a network key, mac1 also with the receiver's public key: who does not
// know the network gets silence. The Noise pattern is IK (IKpsk2 in private networks); its prologue
// is the major version and the network's id.
//
// Promises:
// - A handshake received changes nothing durable: the responder keeps a bounded pending entry, and
//   only the first DATA under its keys, coming from the same address, makes it the peer's session,
//   moves the peer's endpoint and raises `established`. A replayed or spoofed INIT costs at most an
//   entry of that bounded table and one RESP that is smaller than the INIT's allowance.
// - At most kAmplification times the received bytes go to an address that is not validated.
// - Early data is at most one payload a handshake and is marked unauthenticated (`early`).
// - Crossed handshakes: the smaller public key initiates; the other side answers and drops its own,
//   and its queued payloads leave in the session that results.
// - Packets with a known index are opened first; only handshakes, hellos and unknown indices are
//   charged to the source's prefix bucket. Above handshakes_per_second INITs are answered with a
//   COOKIE only.
// - DATA counters: replay window of kReplayWindow; rekey after rekey_after or kRekeyPackets;
//   sessions idle for idle_out end; tables are bounded and evict the least recently used.
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

enum class SessionDrop : std::uint8_t {
  kTooShort,
  kTooLong,
  kVersion,        // another protocol major
  kType,           // unknown packet type
  kMac,            // wrong network, or not for us
  kRateLimited,    // prefix bucket empty
  kUnknownIndex,
  kBadTag,         // does not open
  kReplayed,
  kHandshake,      // Noise refused, low-order point, unexpected RESP
  kCrossed,        // lost a crossed handshake
  kWrongKey,       // a handshake by a key other than the one asked for, or by our own
  kPendingFull,
  kQueueFull,      // a payload that waited for a handshake was given up
  kUnasked,        // RECORD or COOKIE that nobody asked for
  kBadRecord,
  kCount,
};
std::string_view to_string(SessionDrop drop);

struct SessionConfig {
  std::size_t sessions_max = 4096;   // peers with keys or a handshake under way
  std::size_t pending_max = 256;     // handshakes answered but not confirmed
  Duration idle_out = 30min;
  Duration rekey_after = 1h;
  Duration handshake_retry = 250ms;  // first INIT retransmission; doubles, jittered
  int handshake_tries = 4;           // INITs before a handshake is given up
  std::uint32_t prefix_rate = 500;   // handshakes, hellos and unknown indices a second per prefix...
  std::uint32_t prefix_burst = 1000; // ...with this burst; loopback counts per address and port 0
  std::uint32_t handshakes_per_second = 2000;  // above: cookies
};

class Sessions {
 public:
  // A payload of a peer, valid until the next call. With `early`, it came as early data of a
  // handshake: unauthenticated, reads only; `respond` must be called exactly once before any other
  // call, with at most `reply_max` bytes of answer or none. In a session reply_max is
  // kPayloadBytesMax.
  struct Received {
    PublicKey peer;
    NodeId peer_id;
    Endpoint from;
    ByteView payload;
    bool early = false;
    std::size_t reply_max = kPayloadBytesMax;
  };
  // What one datagram led to, besides bytes in the outbox.
  struct Result {
    std::optional<Received> received;
    // The peer proved its key at this address just now: first packet under new keys (either role).
    std::optional<Contact> established;
    bool established_by_us = false;     // we initiated
    // A bare seed answered our hello with this (verified, right network) record.
    RecordRef record;
    Endpoint record_from;
    std::uint64_t hello_id = 0;
    bool opened = false;                // an authentic packet of `peer_id` (also an empty one)
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

  // Takes one datagram. `local_scope_only` is true on a node that listens on loopback alone.
  Result on_datagram(Now now, const Endpoint& from, ByteView datagram, Outbox& out);
  // Answers the early data of the last Result (see Received); empty: nothing to say.
  void respond(Now now, ByteView reply, Outbox& out);

  // Seals `payload` (at most kPayloadBytesMax) to a peer. In a session it leaves at once, to the
  // session's endpoint. Otherwise a handshake starts (or is under way) towards `to` and the payload
  // waits; with `early_ok` it also travels as early data if it fits, and is not sent a second time
  // if the response carried an answer.
  void send(Now now, const PublicKey& peer, const Endpoint& to, ByteView payload, bool early_ok,
            Outbox& out);
  // Starts a fresh handshake to `to` although a session may exist (the peer stayed silent and may
  // have restarted, or its address changed); `payload` rides along as in send(). The old session
  // stays until the new one is established.
  void rehandshake(Now now, const PublicKey& peer, const Endpoint& to, ByteView payload,
                   bool early_ok, Outbox& out);
  // Asks whoever is at `to` for its record; returns the id that Result::hello_id will carry. One
  // packet; the caller repeats as it sees fit. At most kHellosMax are outstanding.
  std::uint64_t hello(Now now, const Endpoint& to, Outbox& out);

  // The endpoint of the live, confirmed session with a peer, if any.
  std::optional<Endpoint> session_endpoint(const NodeId& peer) const;
  // Ends the session with a peer at once (its record says it left).
  void forget(const NodeId& peer);

  void on_deadline(Now now, Outbox& out);
  std::optional<Instant> next_deadline();

  std::size_t sessions() const;
  const Stats& stats() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace weft
