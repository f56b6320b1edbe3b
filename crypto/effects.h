// What the protocol cores share when they speak to NodeCore: ids, askers, targets, writes, errors.
//
// A core never sends, stores or waits. It appends requests, replies, writes and events to an output
// that NodeCore carries out before it calls the core again; views in an output live that long.
#pragma once

#include <cstdint>
#include <string_view>

#include "crypto/contact.h"
#include "crypto/inline_vec.h"
#include "crypto/node_record.h"
#include "crypto/time.h"

namespace weft {

// An operation of a user; exactly one Done event carries it.
enum class OpId : std::uint64_t {};
// One request of a core to a peer; exactly one reply or time-out call carries it.
enum class RequestTag : std::uint64_t {};
// One batch of writes; exactly one on_persisted call carries it.
enum class Ticket : std::uint64_t {};

enum class OpError : std::uint8_t {
  kNotFound,
  kTimedOut,
  kNoPeers,
  kTooLarge,
  kConflict,    // --cas: the current number is told
  kQuorum,      // fewer copies than asked for; they are told
  kOverloaded,  // a named limit of concurrent operations
  kStore,       // the own number could not be made durable
  kNoRoom,      // every holder refused it: their stores are full
  kShutdown,
  kCancelled,
};
constexpr std::string_view to_string(OpError error) {
  switch (error) {
    case OpError::kNotFound: return "not_found";
    case OpError::kTimedOut: return "timed_out";
    case OpError::kNoPeers: return "no_peers";
    case OpError::kTooLarge: return "too_large";
    case OpError::kConflict: return "conflict";
    case OpError::kQuorum: return "quorum";
    case OpError::kOverloaded: return "overloaded";
    case OpError::kStore: return "store";
    case OpError::kNoRoom: return "no_room";
    case OpError::kShutdown: return "shutdown";
    case OpError::kCancelled: return "cancelled";
  }
  return "unknown";
}

// Who asks, and how much may be answered. The key is proven, unless `early` (early data of a
// handshake): then only reads are answered, within reply_max, and nothing is learned from it.
struct Asker {
  Contact contact;
  std::uint32_t rpc = 0;
  bool early = false;
  std::size_t reply_max = 0;  // bytes of payload, the whole message
};

// Where a reply that comes later (after a commit, after an indirect probe) goes.
struct ReplyTo {
  Contact contact;
  std::uint32_t rpc = 0;
};

// Whom to ask: the key, and addresses to try in turn when there is no session with it.
struct Target {
  PublicKey key;
  NodeId id;
  InlineVec<Endpoint, kRecordEndpointsMax> endpoints;
};
inline Target target_of(const Contact& contact) {
  return {contact.key, contact.id, {contact.endpoint}};
}
inline Target target_of(const NodeRecord& record) {
  return {record.key, record.id, record.endpoints};
}

// One row of the store. The first byte of a key names the table: see docs/PROTOCOL.md.
struct Write {
  Bytes key;
  Bytes value;
  bool erase = false;
};

}  // namespace weft
