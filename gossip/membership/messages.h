// SWIM's messages and their msgpack form: see dht/messages.h for the conventions.
#pragma once

#include <optional>
#include <variant>

#include "crypto/contact.h"
#include "crypto/inline_vec.h"
#include "crypto/keys.h"
#include "crypto/node_record.h"
#include "crypto/wire.h"

namespace weft::gossip {

inline constexpr std::size_t kGossipItemsMax = 16;  // in one datagram
inline constexpr std::size_t kSyncBuckets = 16;     // by the first four bits of the id
// From this protocol minor on suspicions are signed. Those of older nodes are not heard, and none are sent to them.
inline constexpr std::uint32_t kSuspicionMinor = 5;

enum Kind : std::uint8_t {
  kPing = 1,
  kAck = 2,
  kPingReq = 3,
  kPingReqReply = 4,
  kGossip = 5,  // no reply
  kSync = 6,
  kSyncPage = 7,
};

// "accuser's probe of subject, at that number, went unanswered." Signed by the accuser
// (accusation.h); it only starts or shortens the receiver's own clock.
struct Suspicion {
  NodeId subject;
  std::uint64_t number = 0;
  NodeId accuser;
  Signature signature;
  bool operator==(const Suspicion&) const = default;
};
// Either a record as signed (wire bytes), or a suspicion.
struct GossipItem {
  ByteView record;
  Suspicion suspicion;  // if record is empty
};
using GossipItems = InlineVec<GossipItem, kGossipItemsMax>;

struct Ping {
  std::uint64_t number = 0;  // sender's incarnation
  std::uint64_t digest = 0;  // of the signed facts that the sender holds
  GossipItems items;
};
struct Ack {
  std::uint64_t number = 0;
  std::uint64_t instance = 0;
  std::uint64_t digest = 0;
  Endpoint observed;  // the address from which the ping came
  GossipItems items;
  // Of the shared state that the sender has (gossip/state/): last, and only if there is any, to peers whose record says minor 2.
  std::optional<ByteArray<16>> state = std::nullopt;
};
struct PingReq {
  NodeId target;
};
struct PingReqReply {
  bool answered = false;  // false: nack, "I am alive, the target did not answer me yet"
};
struct Gossip {
  GossipItems items;
};
// Asks for the records that the sender lacks: per bucket a hash of what it holds; equal buckets
// are left out of the answer. A newcomer sends zeros. `after` pages through ids.
struct Sync {
  std::uint64_t digest = 0;
  InlineVec<std::uint64_t, kSyncBuckets> buckets;
  std::optional<NodeId> after;
  GossipItems items;
};
struct SyncPage {
  InlineVec<std::uint64_t, kSyncBuckets> buckets;  // the answerer's, so the asker can push back
  bool more = false;
  NodeId last;  // page through: next `after`
  GossipItems items;
};

// Bytes of a message without its items, at most (array headers, kind, a 32-bit rpc, longest
// integers): what is left of a datagram is the budget of the items.
inline constexpr std::size_t kPingHeadBytes = 1 + 1 + 5 + 9 + 9 + 3;
inline constexpr std::size_t kAckHeadBytes = 1 + 1 + 5 + 9 + 9 + 9 + 2 + kEndpointWireMax + 3 + 18;
inline constexpr std::size_t kGossipHeadBytes = 1 + 1 + 5 + 3;
inline constexpr std::size_t kSyncHeadBytes = 1 + 1 + 5 + 9 + 3 + 9 * kSyncBuckets + 34 + 3;
inline constexpr std::size_t kSyncPageHeadBytes = 1 + 1 + 5 + 3 + 9 * kSyncBuckets + 1 + 34 + 3;
// Bytes that one item takes in a message, at most (the number counts as the longest).
std::size_t wire_size(const GossipItem& item);

// Each writes the whole payload [kind, rpc, ...]; running out of room is told by w.ok().
void encode(Writer& w, std::uint32_t rpc, const Ping& m);
void encode(Writer& w, std::uint32_t rpc, const Ack& m);
void encode(Writer& w, std::uint32_t rpc, const PingReq& m);
void encode(Writer& w, std::uint32_t rpc, const PingReqReply& m);
void encode(Writer& w, std::uint32_t rpc, const Gossip& m);
void encode(Writer& w, std::uint32_t rpc, const Sync& m);
void encode(Writer& w, std::uint32_t rpc, const SyncPage& m);

// Each reads its fields up to the end of the message (array header, kind and rpc are consumed
// already). Sync and SyncPage carry exactly kSyncBuckets hashes; numbers are at most kNumberMax.
std::optional<DecodeError> decode(Reader& r, Ping& m);
std::optional<DecodeError> decode(Reader& r, Ack& m);
std::optional<DecodeError> decode(Reader& r, PingReq& m);
std::optional<DecodeError> decode(Reader& r, PingReqReply& m);
std::optional<DecodeError> decode(Reader& r, Gossip& m);
std::optional<DecodeError> decode(Reader& r, Sync& m);
std::optional<DecodeError> decode(Reader& r, SyncPage& m);

}  // namespace weft::gossip
