// The Kademlia core of one node: wiring of routing table, lookups, values and upkeep. No I/O.
//
// NodeCore feeds it proven contacts, decoded messages and deadlines, and carries out what it
// appends to Output. Server calls (on_find_node, on_get) allocate nothing.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <variant>
#include <vector>

#include "crypto/effects.h"
#include "crypto/keys.h"
#include "crypto/rng.h"
#include "dht/loads.h"
#include "dht/messages.h"

namespace weft::dht {

struct Config {
  std::size_t bucket_size = 20;
  std::size_t replacements = 8;
  std::size_t replicas = 12;           // r: copies of a value
  std::size_t read_quorum = 2;         // copies with the newest number that end a get early
  std::size_t parallelism = 3;         // alpha; grows by one for each slow request, to...
  std::size_t parallelism_max = 8;
  std::size_t paths = 1;               // disjoint ones of a user's lookup, get or put (lookup.h); upkeep has one
  std::size_t lookup_want = 0;         // a user's lookup ends with so many of the closest; 0: bucket_size
  Duration op_deadline = 20s;          // any operation ends by then
  // An owner that is away for a day leaves values that have lived up to half of it (owner_every, kRenewAfter).
  std::uint32_t default_ttl_s = 72 * 3600;
  Duration republish_every = 1h;       // holders, jittered
  Duration refresh_every = 15min;      // stale buckets
  bool sweep = true;                   // hand values over when peers come and go; false: to measure its cost
  std::size_t values_bytes_max = 16 << 20;
  // Of them in memory; those beyond it are read from the durable store when they are asked for. 0: all, always
  // (if nothing is durable).
  std::size_t values_memory_max = 16 << 20;
  std::size_t values_per_author_max = 2048;
  std::size_t authors_per_key_max = kAuthorsPerKeyMax;
  // What upkeep may send: publications, hand-overs and refreshes wait while it is overdrawn.
  std::uint64_t background_bytes_per_s = 1 << 20;
  std::size_t ops_max = 256;           // concurrent operations
  std::size_t prefix_per_bucket = 2;   // contacts of one /24 or /48; 0: no limit (loopback only)
  std::size_t prefix_per_table = 10;
  bool alone = false;                  // there is no membership that tells who has died
};

struct FoundValue {
  PublicKey author;
  NodeId author_id;
  std::uint64_t seq = 0;
  std::uint32_t remaining_s = 0;
  Bytes value;               // empty: withdrawn
  std::size_t copies = 0;    // holders that answered with this number
};
// What a request was for, so that its operation knows where the answer belongs.
enum class Role : std::uint8_t {
  kPing,      // is it alive?
  kWalk,      // a step of a lookup
  kPage,      // further values of a holder
  kContacts,  // the contacts that did not fit beside its values
  kToken,     // a write token
  kStore,
  kFetch,     // a newer value
  kCompare,   // which of our values it lacks
};
struct Step {  // of a traced operation: one request and what came of it
  Role role = Role::kWalk;
  Contact peer;
  NodeId named_by;                 // of a lookup's; all zero: from our own table
  std::uint32_t hop = 0;           // of the peer in the lookup; 0: it was not part of it
  Duration at{};                   // asked, since the operation began
  std::optional<Duration> rtt;     // nullopt: not answered until the operation was
  // Of the answer.
  std::size_t contacts = 0;
  std::size_t values = 0;
  std::optional<StoreStatus> status;
  ByteArray<8> span{};             // the request's id, that travelled with it
};
struct Trace {
  ByteArray<16> id{};
  std::vector<Step> steps;  // in the order of asking
};
struct PutOk {
  NodeId key;
  std::uint64_t seq = 0;
  std::size_t replicas = 0;  // acknowledged by now (the node itself may be one); more may follow
  std::size_t wanted = 0;
  Trace trace;               // if wanted
};
struct OpFailure {
  OpError error = OpError::kTimedOut;
  std::uint64_t current_seq = 0;  // kConflict
  std::size_t replicas = 0;       // kQuorum
};
struct PutDone {
  OpId op{};
  std::expected<PutOk, OpFailure> result;
};
struct GetOk {
  NodeId key;
  std::vector<FoundValue> values;  // by author, newest number of each; withdrawn ones left out
  std::size_t hops = 0;
  std::size_t queries = 0;
  Trace trace;                     // if wanted
};
struct GetDone {
  OpId op{};
  std::expected<GetOk, OpFailure> result;  // kNotFound if no author has a value
};
struct LookupOk {
  NodeId target;
  std::vector<Contact> closest;    // responders only, nearest first
  std::size_t hops = 0;
  std::size_t queries = 0;
  Trace trace;
};
struct LookupDone {
  OpId op{};
  std::expected<LookupOk, OpFailure> result;
};
using Event = std::variant<PutDone, GetDone, LookupDone>;

struct Request {
  RequestTag tag{};
  Target to;
  std::variant<FindNode, Get, Store, Compare, StoreMany> message;
  bool background = false;  // upkeep: may wait behind users' requests
  bool stranger = false;    // others named it and it is not in our table: it may be long gone
  std::optional<TraceContext> trace = {};  // travels with it, if the peer knows what it is
};
struct Reply {
  ReplyTo to;
  Stored message;
};
struct ReplyMany {
  ReplyTo to;
  StoredMany message;
};
// Answers to reads that had to wait for the durable store.
struct LateValues {
  ReplyTo to;
  Values message;
};
struct LateCompared {
  ReplyTo to;
  Bytes missing;
  std::optional<Token> token;
};
struct Persist {
  Ticket ticket{};
  std::vector<Write> writes;
};
struct Output {
  // Room for so many requests is kept for the next time: what a lookup asks at once. A put asks more, and a node
  // that holds their room for good has 8 KiB more.
  static constexpr std::size_t kRequestsKept = 4;

  std::vector<Request> requests;
  std::vector<Reply> replies;
  std::vector<ReplyMany> replies_many;
  std::vector<LateValues> late_values;
  std::vector<LateCompared> late_compared;
  std::vector<Persist> persist;
  std::vector<Load> loads;
  std::vector<Event> events;
  void clear() {
    if (requests.capacity() > kRequestsKept) requests = {};
    requests.clear();
    replies.clear();
    replies_many.clear();
    late_values.clear();
    late_compared.clear();
    persist.clear();
    loads.clear();
    events.clear();
  }
  bool empty() const {
    return requests.empty() && replies.empty() && replies_many.empty() && late_values.empty() &&
           late_compared.empty() && persist.empty() && loads.empty() && events.empty();
  }
};

struct PutOptions {
  // Lifetime of the value. 0: default_ttl_s, and the owner renews it before it runs out, until it
  // is withdrawn; a value with a lifetime of the user's choice is never renewed.
  std::uint32_t ttl_s = 0;
  std::optional<std::uint64_t> cas = std::nullopt;  // only if the current number is this (0: none)
  std::size_t replicas = 0;                  // 0: Config::replicas
  std::size_t quorum = 0;                    // fewer acknowledgements fail with kQuorum; 0: one
  bool withdraw = false;                     // `rm`: signed empty value
  bool trace = false;
  std::size_t paths = 0;                     // of its search; 0: Config::paths
};
struct GetOptions {
  std::optional<NodeId> author = std::nullopt;
  std::size_t quorum = 0;   // copies of the newest number needed; 0: Config::read_quorum, lenient
  bool all = false;         // every author, so read the whole region
  bool trace = false;
  std::size_t paths = 0;    // of its search; 0: Config::paths
};
struct LookupOptions {
  bool trace = false;
  std::size_t paths = 0;    // 0: Config::paths
};

struct OwnValue {
  NodeId key;
  std::uint64_t seq = 0;
  std::size_t bytes = 0;
  std::size_t copies = 0;       // acknowledgements at the last publication
  Instant expires;
  Instant next_republish;
  bool withdrawn = false;
};
struct TableEntry {
  Contact contact;
  int bucket = 0;               // common prefix bits with the own id
  std::optional<Duration> rtt;
  Instant last_seen;
};
struct Stats {
  std::size_t contacts = 0;
  std::size_t buckets = 0;      // non-empty
  std::size_t values = 0;
  std::size_t values_bytes = 0;
  std::size_t values_memory_bytes = 0;  // of those that are in memory
  bool values_paged = false;            // they need not all be
  // From then on the publishing of stored values is late: by a quarter of its period. (Paged: of the round under way.)
  std::optional<Instant> publishing_late_from;
  std::size_t own = 0;
  std::size_t own_copies_min = 0;
  std::size_t hand_overs_waiting = 0;
  std::size_t hints = 0;        // values that silent peers get when they are heard again
  std::optional<Instant> handing_over_since;  // always something to hand over since then
  std::uint64_t lookups_total = 0;
  std::uint64_t requests_total = 0;
  std::uint64_t stores_refused_total[6] = {};  // by StoreStatus
  std::uint64_t equal_number_conflicts_total = 0;
  std::uint64_t repairs_total = 0;
  std::uint64_t republished_total = 0;
  std::uint64_t handed_over_total = 0;
  std::uint64_t hints_kept_total = 0;          // what a silent peer had missed, on its way to it
  std::uint64_t compares_total = 0;            // holders asked what they lack
  std::uint64_t copies_missing_total = 0;      // that they named
  std::uint64_t loads_total = 0;               // questions to the durable store
  std::uint64_t loads_failed_total = 0;
  std::uint64_t rounds_late_total = 0;         // of publishing what is stored, longer than a period
  std::uint64_t evictions_frozen_total = 0;
  std::uint64_t tokens_withheld_total = 0;     // asked for while the store failed
  std::uint64_t values_evicted_total = 0;      // farther ones, for a nearer one
  std::uint64_t contacts_evicted_total = 0;    // silent ones, for one that speaks
  std::uint64_t contacts_displaced_total = 0;  // for one that is nearer by far
  std::uint64_t crowded_total = 0;             // puts and gets of keys with more nodes around than chance puts there
  std::uint64_t slow_overtaken_total = 0;      // lookups that ended without waiting for a slow answer
  std::uint64_t background_bytes_total = 0;    // requests of upkeep and read repair
  std::uint64_t background_held_back_total = 0;  // times upkeep was due and its budget overdrawn
};

class Dht {
 public:
  // `identity`, `provider` and `entropy` must outlive it. `node_time` (loads.h): of the start; 0: the first,
  // so that the wall clock is taken.
  Dht(const Identity& identity, const CryptoProvider& provider, Entropy& entropy, Rng rng,
      Config config, Now now, UnixMillis node_time = {});
  ~Dht();

  // ---- restart: rows that an earlier life persisted (keys starting with 'v', 'o' or 'c').
  // `down` is how long the node was off by its own wall clock, never negative.
  void restore(Now now, ByteView key, ByteView value, Duration down);
  // In place of the values' rows: they stay in the durable store, which has this much.
  void values_on_disk(const HeldTotals& totals);
  UnixMillis node_time(Now now) const;
  // Numbers of puts from now on are above this: an earlier life, of which only a backup was left, may have
  // used any up to it.
  void set_number_floor(std::uint64_t floor);
  // Contacts of an earlier life, likeliest to be up first, that have not been heard in this one.
  // They are not in the table; lookups start from them while the table is nearly empty.
  const std::vector<Contact>& restored_contacts() const;

  // ---- evidence about peers
  // The peer proved its key at this address (handshake, or an answer in a session).
  void heard_from(Now now, const Contact& peer, std::optional<Duration> rtt, Output& out);
  // The peer is gone for good as far as we know (membership's verdict, or its signed leave).
  void forget(Now now, const NodeId& peer);

  // ---- served
  void on_find_node(Now now, const Asker& asker, const FindNode& m, Nodes& reply);
  // False: not yet, the answer comes in Output::late_values.
  bool on_get(Now now, const Asker& asker, const Get& m, Values& reply, Output& out);
  // The reply's view points into `room`. False: not yet, the answer comes in Output::late_compared.
  bool on_compare(Now now, const Asker& asker, const Compare& m,
                  ByteArray<kCompareItemsMax / 8>& room, Compared& reply, Output& out);
  // Answers now or after the commit, by Output::replies. Early askers are refused by NodeCore.
  void on_store(Now now, const Asker& asker, const Store& m, Output& out);
  // The same by Output::replies_many, when all is durable or refused.
  void on_store_many(Now now, const Asker& asker, const StoreMany& m, Output& out);

  // ---- operations; each gets exactly one Done event
  void lookup(Now now, OpId op, const NodeId& target, const LookupOptions& options, Output& out);
  void put(Now now, OpId op, const NodeId& key, Bytes value, const PutOptions& options,
           Output& out);
  void get(Now now, OpId op, const NodeId& key, const GetOptions& options, Output& out);
  void cancel(Now now, OpId op, Output& out);
  // Ends every operation with kShutdown.
  void shutdown(Now now, Output& out);
  // As shutdown, but first the held values are handed to those that take this node's place; shutdown()
  // follows once handed_over() is true, or sooner if that takes too long.
  void leave(Now now, Output& out);
  bool handed_over() const;
  // Other limits from now on. A lowered one takes nothing away that was acknowledged: while more is
  // held than `values_bytes_max`, only what is nearer than the farthest or replaces an older number
  // comes in, and something else goes for it.
  void set_limits(std::size_t values_bytes_max, std::uint64_t background_bytes_per_s);
  // Fills the table around the own id, then refreshes the other buckets (after a join).
  void bootstrap(Now now, Output& out);

  // ---- answers to own requests
  void on_nodes(Now now, RequestTag tag, Duration rtt, const Nodes& m, Output& out);
  void on_values(Now now, RequestTag tag, Duration rtt, const Values& m, Output& out);
  void on_stored(Now now, RequestTag tag, Duration rtt, const Stored& m, Output& out);
  void on_compared(Now now, RequestTag tag, Duration rtt, const Compared& m, Output& out);
  void on_stored_many(Now now, RequestTag tag, Duration rtt, const StoredMany& m, Output& out);
  void on_late(Now now, RequestTag tag, Output& out);     // longer than others need: a get asks somebody else
  void on_slow(Now now, RequestTag tag, Output& out);     // longer than expected: hedge
  void on_timeout(Now now, RequestTag tag, Output& out);  // given up

  void on_persisted(Now now, Ticket ticket, bool ok, Output& out);
  void on_loaded(Now now, const Loaded& loaded, Output& out);
  void on_deadline(Now now, Output& out);
  std::optional<Instant> next_deadline();

  // ---- views
  Stats stats() const;
  void for_each_contact(const std::function<void(const TableEntry&)>& visit) const;
  // Own values in the order of their keys: those after `after` (all, if none), at most `max`.
  void for_each_own(const std::optional<NodeId>& after, std::size_t max,
                    const std::function<void(const OwnValue&)>& visit) const;
  // How many own values had how many copies when last published; withdrawn ones are left out.
  const std::map<std::size_t, std::size_t>& own_by_copies() const;
  // Estimated number of nodes in the mesh, from the distances of the nearest responders.
  std::uint64_t network_size_estimate() const;
  // Hash of the protocol-relevant state in canonical order.
  std::uint64_t digest() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The DHT key of a text of at most 255 bytes: BLAKE2b-256 under a domain label.
NodeId key_of_text(std::string_view text);
// Where those who offer something under `key` say so (docs/PROTOCOL-dht.md, "Providers").
NodeId providers_key(const NodeId& key);

}  // namespace weft::dht
