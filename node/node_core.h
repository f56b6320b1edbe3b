// NodeCore: one node of the mesh as a plain object. It opens and seals, decodes and encodes, matches
// requests with answers, and wires the DHT to membership. libuv drives it in production, the
// network in memory drives the very same object in tests and simulations.
//
// Contract, after every call that takes an Output: (1) hand `persist` to the store, each batch
// with its ticket, and `loads`, and call on_persisted or on_loaded when each has ended; (2) send `send`; (3) deliver `events`;
// (4) re-arm the one timer from next_deadline(). The caller owns and clears the Output; the core
// never looks back into it. Loop thread only; no call blocks, throws, reads a clock or a file.
// Time never goes back; on_deadline may come early, late or repeatedly. One call does a bounded part of what is due:
// next_deadline() then lies in the past, and the next call goes on, best after what has come was read.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "crypto/effects.h"
#include "crypto/histogram.h"
#include "crypto/network.h"
#include "crypto/outbox.h"
#include "crypto/sessions.h"
#include "dht/dht.h"
#include "gossip/membership/membership.h"
#include "gossip/state/state.h"
#include "node/flow.h"
#include "node/limits.h"
#include "node/served.h"

namespace weft::node {

inline constexpr std::uint32_t kProtocolMinor = 6;

struct Seed {
  std::optional<NodeId> id;  // another key at the endpoint is refused
  Endpoint endpoint;
};

struct Config {
  Network network;
  std::string name;                         // at most kNameBytesMax
  std::map<std::string, std::string> tags;  // limits: node_record.h
  // Addresses that others may use, best first: --advertise, else those of the interfaces, with the
  // bound port. What three or more peers observe is added by the core.
  std::vector<Endpoint> endpoints;
  bool ipv4 = true;                         // there is a socket of that family
  bool ipv6 = true;
  bool loopback_only = false;               // no limits per address prefix
  std::uint64_t rng_seed = 0;               // choices only; secrets come from Entropy
  SessionConfig sessions;  // its and the DHT's limits are also what set_limits changes
  dht::Config dht;
  gossip::Config membership;
  state::Config state;
};

// Rows that an earlier life persisted, in any order, and how long the node was off by its own wall
// clock (0 if that went back).
struct Stored {
  std::vector<Write> rows;
  Duration down{};
  // Node time (dht/loads.h) at the last sign of life; 0 in the first life.
  UnixMillis node_time{};
  // The values held for the mesh are not among the rows: they are loaded when they are asked for.
  std::optional<dht::HeldTotals> values_on_disk = std::nullopt;
};

// Everything impure, in one place. All must outlive the core. One provider and one record cache
// may serve many cores of one thread.
struct Deps {
  const Identity& identity;
  const CryptoProvider& provider;
  RecordCache& records;
  Entropy& entropy;
};

// ---- events
struct Ready {};  // the own number is durable: the node speaks
struct PingDone {
  OpId op{};
  std::expected<Duration, OpError> rtt;
};
struct JoinDone {
  OpId op{};
  std::size_t joined = 0;  // seeds that answered and gave their members
  std::size_t alive = 0;
  std::expected<void, OpError> result;
};
struct LeaveDone {
  OpId op{};
};
struct SeedsWanted {};  // no member answers: resolve the configured seeds again and call join
struct TwinFound {      // another live process has this key; this one is to stop
  Endpoint endpoint;
};
struct EndpointsChanged {  // the own record names other addresses now
  std::vector<Endpoint> endpoints;
};
using Event = std::variant<dht::PutDone, dht::GetDone, dht::LookupDone, PingDone, JoinDone,
                           LeaveDone, gossip::MemberChanged, Ready, SeedsWanted, TwinFound,
                           EndpointsChanged, state::StateDone, state::StateArrived, state::StateNoticed>;

struct Persist {
  Ticket ticket{};
  std::vector<Write> writes;
};
struct Output {
  std::vector<Persist> persist;
  std::vector<dht::Load> loads;
  Outbox send;
  std::vector<Event> events;
  void clear() {
    persist.clear();
    loads.clear();
    send.clear();
    events.clear();
  }
};

// Why a packet or message was dropped above the session layer.
enum class Drop : std::uint8_t {
  kMalformed,      // does not decode, or breaks a limit
  kUnknownKind,
  kUnasked,        // an answer that matches no request of ours
  kEarlyWrite,     // a write in early data
  kSelf,           // our own key
  kTooManyRequests,
  kNoEndpoint,     // no address that this node may use
  kBackedOff,      // an address that never answered, asked again too soon
  kCount,
};
std::string_view to_string(Drop drop);

// How long things took, since the start.
struct Timings {
  Histogram round_trip;  // requests that were answered after one sending, what waits for a disk or a third node aside
  Histogram probe;       // of them membership's
  Histogram put, get, lookup;  // operations of users, failed ones too
  // Of them those that ended with an error; a get that found nothing, too.
  std::uint64_t put_failed = 0, get_failed = 0, lookup_failed = 0;
};
struct Status {
  Instant started;
  Timings timings;
  gossip::Stats members;
  dht::Stats dht;
  state::Stats state;
  std::size_t sessions = 0;
  std::uint64_t network_size_estimate = 0;
  std::uint64_t sent_bytes = 0, sent_packets = 0, received_bytes = 0, received_packets = 0;
  std::array<std::uint64_t, static_cast<std::size_t>(Drop::kCount)> drops{};
  Sessions::Stats session_stats;
  bool ready = false;
  bool leaving = false;
  std::size_t requests_pending = 0;
};

class NodeCore {
 public:
  // `config` must be within its limits (the shell has checked user input).
  NodeCore(Config config, Stored stored, Now now, Deps deps);
  ~NodeCore();

  // Takes the next own number and starts to speak when it is durable (event Ready). Once.
  void start(Now now, Output& out);

  void on_datagram(Now now, const Endpoint& from, ByteView datagram, Output& out);
  void on_deadline(Now now, Output& out);
  // Non-const: forgets cancelled deadlines on the way.
  std::optional<Instant> next_deadline();
  // The batch with this ticket is durable, or (ok = false) could not be made so.
  void on_persisted(Now now, Ticket ticket, bool ok, Output& out);
  // The answer to one of the loads.
  void on_loaded(Now now, const dht::Loaded& loaded, Output& out);
  // What the store notes as the last sign of life, beside the wall clock.
  UnixMillis node_time(Now now) const;
  // The loop came back this late: what fell due meanwhile is not held against peers.
  void was_late(Now now, Duration by);

  // ---- operations: each returns an id and gets exactly one Done event, maybe in this Output
  OpId join(Now now, std::span<const Seed> seeds, Output& out);
  OpId ping(Now now, const NodeId& node, Output& out);
  OpId put(Now now, const NodeId& key, Bytes value, const dht::PutOptions& options, Output& out);
  OpId get(Now now, const NodeId& key, const dht::GetOptions& options, Output& out);
  OpId lookup(Now now, const NodeId& target, const dht::LookupOptions& options, Output& out);
  // Says goodbye with a signed record, waits briefly for it to spread. Everything else ends with
  // kShutdown. After LeaveDone the core may be destroyed.
  OpId leave(Now now, Output& out);
  void cancel(Now now, OpId op, Output& out);
  // Shared state: as State's. Each gets one StateDone; it cannot be cancelled.
  OpId state_create(Now now, std::string_view name, state::Access access, Output& out);
  OpId state_join(Now now, const state::Genesis& genesis, Output& out);
  OpId state_leave(Now now, const state::NamespaceId& space, Output& out);
  OpId state_write(Now now, const state::NamespaceId& space, std::span<const state::Change> changes, Output& out);
  OpId state_import(Now now, const state::NamespaceId& space, std::span<const ByteView> entries, Output& out);
  OpId state_grant(Now now, const state::NamespaceId& space, const state::Grant& grant, Output& out);
  OpId state_revoke(Now now, const state::NamespaceId& space, const NodeId& of, Output& out);
  // For simulated liars alone; no node that keeps the protocol calls it. Says these bytes, at most kPayloadBytesMax, to a peer in its
  // session, as they are. Whoever is not known here is told nothing.
  void say(Now now, const NodeId& to, ByteView payload, Output& out);
  // Other limits from now on, within the bounds of limits.h.
  void set_limits(const Limits& limits);
  // The addresses of the host changed.
  void set_endpoints(Now now, std::vector<Endpoint> endpoints, Output& out);

  // ---- views
  Status status() const;
  const RecordRef& record() const;  // own; nullptr before Ready
  const Identity& identity() const;
  // A value of ours under `dht_key` that `reader` alone can read; nullopt: no key to seal to. And
  // what `author` sealed for us (crypto/sealed_value.h).
  std::optional<Bytes> seal_value(const PublicKey& reader, const NodeId& dht_key, ByteView plain);
  std::optional<Bytes> open_value(const NodeId& author, const NodeId& dht_key, ByteView value) const;
  void for_each_member(const std::function<void(const gossip::MemberView&)>& visit) const;
  void for_each_contact(const std::function<void(const dht::TableEntry&)>& visit) const;
  // As Dht's.
  void for_each_own(const std::optional<NodeId>& after, std::size_t max,
                    const std::function<void(const dht::OwnValue&)>& visit) const;
  const std::map<std::size_t, std::size_t>& own_by_copies() const;
  const state::State& shared_state() const;
  // What this node did for operations that others trace.
  const ServedLog& served() const;
  // What it says to whom from now on, for kFlowWatched (flow.h).
  void watch_flow(Now now);
  const Flow& flow() const;
  // A genesis that somebody shows, taken apart and verified.
  std::expected<state::Genesis, state::EntryError> read_genesis(ByteView wire) const;
  // Datagrams and payloads dropped so far, for whatever cause.
  std::uint64_t dropped() const;
  // Hash of the protocol-relevant state in canonical order.
  std::uint64_t digest() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace weft::node
