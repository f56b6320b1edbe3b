// What all parts of one Dht share: the tables, the open requests and commits, the counters.
//
// Operations (operation.h) and upkeep work on it through the few verbs below; dht.cc owns it and
// routes every answer to the operation that asked.
#pragma once

#include <list>
#include <functional>
#include <memory>

#include "dht/byte_budget.h"
#include "dht/dht.h"
#include "dht/hints.h"
#include "dht/lifetimes.h"
#include "dht/link_health.h"
#include "dht/lookup.h"
#include "dht/own_values.h"
#include "dht/routing_table.h"
#include "dht/rows.h"
#include "dht/size_estimate.h"
#include "dht/store_round.h"
#include "dht/tracing.h"
#include "dht/value_store.h"
#include "dht/write_token.h"

namespace weft::dht {

// A running operation, a user's or our own; never reused. 0: none.
enum class OpKey : std::uint64_t {};

struct Asked {
  OpKey op{};
  Role role = Role::kPing;
  Contact peer;
  std::uint32_t detail = 0;  // of the operation's own meaning
  std::optional<Duration> unheard = {};  // before it was asked; none: not in the table
};

// The answers to a StoreMany, which go off together.
struct StoredTogether {
  StoredMany message;
  std::size_t open = 0;
};
// Where the answer to one value goes.
struct StoreReplyTo {
  ReplyTo to;
  std::shared_ptr<StoredTogether> together = nullptr;  // none: a Store
  std::size_t place = 0;                                // among them
};
// A store of another that waits, for what the durable store knows or for its signature to be checked.
struct WaitingStore {
  Asker asker;
  StoreReplyTo reply;
  Store store;  // without its blob
  Bytes blob;
  int parked = 0;  // how often it has waited for the durable store
};
// Waiting for the disk: another's value, to be held and acknowledged.
struct StoreCommit {
  std::optional<StoreReplyTo> reply;  // none: we took it up ourselves
  Slot slot;
  Held held;
};
// Waiting for the disk: the own number and value of a put.
struct OwnCommit {
  OpKey op{};
  NodeId key;
  Own own;
  bool hold = false;  // we are among the nearest: hold it too
};

// Signatures of others' values that are checked in one instant (some 75 us each); further stores wait for a deadline, so
// that what comes with or after them is not kept waiting. While kUncheckedMax wait, newcomers are checked at once, or
// refused after kChecksMax in one instant.
inline constexpr std::size_t kChecksPerTurn = 6;
inline constexpr std::size_t kChecksMax = 64;
inline constexpr std::size_t kUncheckedMax = 256;
// Stores of others that wait for the disk.
inline constexpr std::size_t kCommitsMax = 1024;
// Questions to the durable store under way, those about many keys among them, and who waits for their answers.
inline constexpr std::size_t kLoadsMax = 1024;
inline constexpr std::size_t kWideLoadsMax = 16;
inline constexpr std::size_t kLoadWaitersMax = 4096;
// So many may be under way when one more is begun for early data, whose address is not proven; and of those about
// many keys for the question of another node, so that upkeep has some left.
inline constexpr std::size_t kEarlyLoadsMax = 64;
inline constexpr std::size_t kCompareLoadsMax = 12;
// Of the farthest values, when the store is full.
inline constexpr std::size_t kFarthestMax = 64;
// A store that failed is tried again after this.
inline constexpr Duration kStoreTryEvery = 5s;
// Operations that no user asked for; more are dropped.
inline constexpr std::size_t kBackgroundOpsMax = 64;

class Operation;

struct Core {
  // `node_time` as Dht's.
  Core(const Identity& identity, const CryptoProvider& provider, Entropy& entropy, Rng rng,
       const Config& config, Now now, UnixMillis node_time);
  ~Core();

  // ---- verbs
  using Message = std::variant<FindNode, Get, Store, Compare, StoreMany>;
  // Sends a request; its answer comes to `asked_by` under `role`.
  void ask(OpKey asked_by, Role role, const Target& to, const Message& message, bool background,
           Output& out, std::uint32_t detail = 0);
  // Asks a contact whether it is alive.
  void ping(const Contact& peer, Output& out);
  // A peer that was asked has answered, or was given up.
  void note_outcome(const Asked& was, bool answered);
  // Writes rows whose fate nobody waits for.
  void write(std::vector<Write> writes, Output& out);
  // Writes rows; on_persisted tells how that ended.
  Ticket persist(std::vector<Write> writes, Output& out);
  // `now` with node time (loads.h) for a wall clock, as rows.h wants it.
  Now stamp(Now now) const;

  // ---- a paged store (value_store.h): what is not in memory comes later
  using Then = std::function<void(Now, bool ok, Output&)>;
  using ThenRows = std::function<void(Now, const Loaded&, Output&)>;
  // Asks for what is under a key, and if `author` is given how many values it has; `then` is called when the
  // key is known, or with ok = false if the store could not tell. False: too much is under way, nothing follows.
  bool want(const NodeId& key, const std::optional<NodeId>& author, Then then, Output& out);
  // The same for an operation, which gets on_loaded.
  bool want(const NodeId& key, OpKey op, Output& out);
  // The same for the farthest values.
  bool want_farthest(Then then, Output& out);
  // Asks for rows and makes nothing known by itself. One question at most is about ended values.
  bool want_rows(decltype(Load::what) what, ThenRows then, Output& out);
  // An answer to any of these.
  void on_loaded(Now now, const Loaded& loaded, Output& out);
  // Makes the keys of these rows known, as far as they were not; calls visit(slot) for each value that is in
  // memory then; it may have ended.
  void fill(Now now, const std::vector<Write>& rows, const std::function<void(const Slot&)>& visit);
  std::size_t loads_open() const { return loads_.size(); }
  std::size_t wide_loads_open() const { return wide_loads_; }
  bool is_writing(Ticket ticket) const { return writes_.contains(ticket); }
  // A write has ended.
  void note_written(Ticket ticket);
  // The values stay in the durable store, which has this much.
  void page(const HeldTotals& on_disk);
  // Lets go of what memory has no room for. Ends what find() has returned.
  void trim();
  // A commit has ended. After one that failed the node gives no write tokens, so that writers store
  // elsewhere at once and not after its refusal, and tries a write now and then until one succeeds.
  void note_commit(Now now, bool ok);
  bool can_store() const { return !store_try; }
  // Whether a signature of another's value may be checked now, or its store has to wait in `unchecked`.
  enum class Check : std::uint8_t { kNow, kLater, kTooMany };
  Check may_check(Now now);
  // Pays for what upkeep has asked for since; true if there is something left to spend.
  bool may_spend(Now now);
  // Starts a lookup from the nearest contacts that we know.
  void seed(Now now, Lookup& lookup);
  // Puts a value into the store and erases the rows of what had to give way. False: no room.
  bool hold(const Slot& slot, Held held, Output& out);
  // Takes up a value that we found to be newer than ours, or missing here: writes it, then holds
  // it; later, if it is not known what we have. The caller has verified it.
  void adopt(Now now, const Slot& slot, ByteView blob, std::uint32_t remaining_s, Output& out);
  // The own value's copy that we hold lives longer, if it is that one.
  void renew_held(Now now, const Slot& slot, std::uint64_t seq, Instant expires, Output& out);
  // True if we are among the config.replicas nearest to `key`, as far as our table knows.
  bool responsible_for(const NodeId& key) const;
  // Has dht.cc start another operation after this call; returns its key. Upkeep beyond
  // kBackgroundOpsMax is dropped, and the key is none.
  OpKey spawn(std::unique_ptr<Operation> operation);
  // When a holder publishes a value again if nobody else does; when the owner does.
  Instant holder_republish(Now now);
  Duration owner_every(std::uint32_t lifetime_s, unsigned calm) const;  // before jitter
  Instant owner_republish(Now now, std::uint32_t lifetime_s, bool complete, unsigned calm = 0);
  // A value was stored as far as its nearest answered: the others of the `wanted` nearest get it when
  // they are heard again.
  void note_missed(Now now, const Slot& slot, std::size_t wanted, const Lookup& lookup,
                   const StoreRound& round);
  // A lookup has ended with these responders, nearest first.
  void note_nearest(const NodeId& target, const std::vector<Target>& nearest);
  // How many nodes there are, as far as we can tell.
  std::uint64_t mesh_size() const;
  // More nodes than chance puts there are known to a lookup of a key, if the mesh is as large as we think (crowd.h).
  bool seems_crowded(const Lookup& lookup) const;

  const NodeId& self() const { return identity.id(); }

  const Identity& identity;
  const CryptoProvider& provider;
  const Config config;
  Rng rng;
  RoutingTable table;
  LinkHealth health;
  Lifetimes lifetimes;
  ValueStore store;
  OwnValues own;
  WriteTokens tokens;
  Hints hints;
  SizeEstimate size;
  ByteBudget budget;               // of upkeep
  Tracing tracing;                 // of the user's operations
  Instant turn;                    // when what is being done now began
  bool looked_around = false;      // the own id was looked up in this life
  std::size_t background_bytes = 0;  // asked for since upkeep last settled its budget
  std::uint64_t number_floor = 0;    // numbers of puts are above it, whatever the mesh tells
  std::optional<Instant> store_try;  // the store fails: when a write is tried again
  Stats counters;                  // the *_total fields
  NodeId round_from;               // where the earlier life's round of publishing was
  std::vector<Contact> restored;   // of an earlier life, not proven in this one
  std::vector<Write> dead_rows;    // found expired or malformed at the restart: to be erased
  // Bounded by what the operations and pings of their limits have open.
  std::map<RequestTag, Asked> asked;
  std::list<WaitingStore> unchecked;  // at most kUncheckedMax, oldest first
  Instant unchecked_due;               // if there are any
  std::map<Ticket, StoreCommit> store_commits;
  std::map<Slot, Ticket> newest_commit;  // of store_commits, by slot
  std::map<Ticket, OwnCommit> own_commits;
  std::vector<std::unique_ptr<Operation>> spawned;
  std::vector<OpKey> resumed;  // operations that waited for a load
  std::size_t background_open = 0;  // operations without a user, the spawned ones included

 private:
  struct OpenLoad {
    std::optional<std::pair<NodeId, std::optional<NodeId>>> key;  // of one key, with the author counted
    bool wide = false;
    std::vector<Then> then;
    ThenRows then_rows;
  };
  bool add_load(decltype(Load::what) what, OpenLoad load, Output& out);
  ByteArray<16> drawn_key();
  Ticket next_ticket() { return static_cast<Ticket>(++tickets_); }

  Entropy& entropy_;
  std::int64_t node_ahead_ms_ = 0;  // node time beyond the monotonic clock
  std::map<Ticket, OpenLoad> loads_;
  std::map<std::pair<NodeId, std::optional<NodeId>>, Ticket> loads_by_key_;
  std::size_t load_waiters_ = 0;
  std::size_t wide_loads_ = 0;
  std::set<Ticket> writes_;    // under way
  std::set<Ticket> erasures_;  // those of them that erase values
  Instant checks_at_;        // the instant of...
  std::size_t checks_ = 0;   // ...so many checks
  std::uint64_t tags_ = 0;
  std::uint64_t tickets_ = 0;
  std::uint64_t operations_ = 0;
};

}  // namespace weft::dht
