// The first fields of every payload, and which kind answers which.
//
// A payload is the msgpack array [kind, rpc, ...]; the rest is the message's own business
// (dht/messages.h, gossip/membership/messages.h, gossip/state/messages.h).
#pragma once

#include <optional>

#include "crypto/sessions.h"
#include "crypto/wire.h"
#include "dht/messages.h"
#include "gossip/membership/messages.h"
#include "gossip/state/messages.h"

namespace weft::node {

static_assert(dht::kStoreManyBytesMax <= kPayloadBytesMax);

inline constexpr std::size_t kFieldsMax = 16;  // elements of the outer array

struct Head {
  std::uint8_t kind = 0;
  std::uint32_t rpc = 0;
};

// Reads [kind, rpc; failed() of the reader tells whether that went well.
inline Head read_head(Reader& r) {
  Head head;
  (void)r.array(kFieldsMax);
  head.kind = static_cast<std::uint8_t>(r.uint(UINT8_MAX));
  head.rpc = static_cast<std::uint32_t>(r.uint(UINT32_MAX));
  return head;
}

inline bool is_reply(std::uint8_t kind) {
  switch (kind) {
    case gossip::kAck:
    case gossip::kPingReqReply:
    case gossip::kSyncPage:
    case dht::kNodes:
    case dht::kValues:
    case dht::kStored:
    case dht::kCompared:
    case dht::kStoredMany:
    case state::kRootsReply:
    case state::kBranchReply:
    case state::kFetchReply:
      return true;
    default:
      return false;
  }
}

inline std::uint8_t reply_kind(const gossip::Ping&) { return gossip::kAck; }
inline std::uint8_t reply_kind(const gossip::PingReq&) { return gossip::kPingReqReply; }
inline std::uint8_t reply_kind(const gossip::Sync&) { return gossip::kSyncPage; }
inline std::uint8_t reply_kind(const dht::FindNode&) { return dht::kNodes; }
inline std::uint8_t reply_kind(const dht::Get&) { return dht::kValues; }
inline std::uint8_t reply_kind(const dht::Store&) { return dht::kStored; }
inline std::uint8_t reply_kind(const dht::Compare&) { return dht::kCompared; }
inline std::uint8_t reply_kind(const dht::StoreMany&) { return dht::kStoredMany; }
inline std::uint8_t reply_kind(const state::Roots&) { return state::kRootsReply; }
inline std::uint8_t reply_kind(const state::Branch&) { return state::kBranchReply; }
inline std::uint8_t reply_kind(const state::Fetch&) { return state::kFetchReply; }

// What may travel as early data: reads that carry nothing to be learned from.
inline bool early_ok(const gossip::Ping& m) { return m.items.empty(); }
inline bool early_ok(const gossip::PingReq&) { return false; }
inline bool early_ok(const gossip::Sync& m) { return m.items.empty(); }
inline bool early_ok(const dht::FindNode&) { return true; }
inline bool early_ok(const dht::Get&) { return true; }
inline bool early_ok(const dht::Store&) { return false; }
inline bool early_ok(const dht::Compare&) { return false; }
inline bool early_ok(const dht::StoreMany&) { return false; }

// That came with Traced: a member of a lower one is asked without it.
inline constexpr std::uint32_t kTracedMinor = 4;
// That came with what the asker knows (dht/known.h): a member of a lower one is not told, nor who is no member where there is membership.
inline constexpr std::uint32_t kKnownMinor = 6;
// The protocol minor that came with a request: a member of a lower one is not asked.
template <class M>
constexpr std::uint32_t minor_of(const M&) {
  return std::is_same_v<M, dht::Compare> || std::is_same_v<M, dht::StoreMany> ? 1 : 0;
}

}  // namespace weft::node
