// Shared state at one node: its namespaces, what it writes there, and how entries come and go. No I/O.
//
// - Writing. A change becomes one or a few signed entries (entry.h). They are told to the mesh, and the operation
//   ends, when they are durable. The first write of a life, and after the clock was set back by more than kSkewMax, opens a new random epoch that names the author's last entry, so that a restored backup
//   or a store that lost its end never gives one place in a history to two entries.
//   A node to which others' writes come late writes slower itself (pace.h).
// - Spreading. What is new here goes along a tree for each namespace (gossip/broadcast/): about one copy to each node; forwarded only
//   when accepted.
// - Anti-entropy. Acks of membership's probes carry a digest of all namespaces; where it differs from ours, Roots tells which of them
//   differ and a walk (sync.h) brings what we lack, one walk a namespace at a time. This alone suffices to converge; a push is only faster.
// - Rights. In an owned namespace (rights.h) an entry is let in if what is here of Grants and Revokes admits it. One whose Grant is not here yet
//   is parked until it comes; a walk brings Grants and Revokes first.
// - Forks. Who sees two entries at one place of an author's history proves it to all (fork.h), after a random while in which somebody else may.
// - Checkpoints. When enough of what we wrote counts for nothing any more, a checkpoint says so (checkpoint.h), and everybody drops it.
//
// What a liar can do: write what it has the right to write. Entries are checked for size, form, namespace, being known, rights and room, in this order, before
// a signature is looked at. Stamps decide nothing (documents.h); one from more than kSkewMax ahead is held back until it is due,
// so that it does not lead those of honest writers by more. Everything is bounded: namespaces, entries, bytes,
// held entries, what the trees keep, walks, questions.
//
// One thread. Views are valid until the next call that is not const.
#pragma once

#include <functional>
#include <memory>
#include <variant>

#include "crypto/effects.h"
#include "crypto/histogram.h"
#include "crypto/rng.h"
#include "gossip/state/messages.h"
#include "gossip/state/space.h"
#include "gossip/state/sync.h"

namespace weft::state {

inline constexpr std::size_t kSpacesMax = kRootsMax;     // namespaces of one node
inline constexpr std::size_t kEntriesMax = 1'000'000;    // of all namespaces
inline constexpr std::size_t kPushesWaitingMax = 4096;   // of one namespace; what is more spreads by anti-entropy
inline constexpr std::size_t kPushesPerTurn = 8;         // datagrams in one call
inline constexpr Duration kPushDelay = 2ms;              // entries that come within it share datagrams
// Entries of others are written this late, many with one commit: a crash loses what came in that time, and the next walk brings it again.
inline constexpr Duration kKeepDelay = 500ms;
inline constexpr std::size_t kKeepRows = 256;            // or when there are so many
inline constexpr std::size_t kWalksMax = 4;
inline constexpr std::size_t kWritesMax = 1024;          // that wait for the disk
inline constexpr Duration kSkewMax = 5s;
inline constexpr Duration kClockPullMax = 500ms;         // a stamp of others moves ours no farther ahead of the wall clock
inline constexpr std::size_t kHeldBackMax = 1024;        // entries from the future
inline constexpr std::size_t kParkedMax = 256;           // entries whose Grant is not here
inline constexpr std::size_t kParkedOfAuthorMax = 64;
inline constexpr Duration kProveDelayMax = 2s;
inline constexpr std::size_t kForksWaitingMax = 64;      // to be proven
inline constexpr Duration kProofPause = 10s;             // between two proofs against one author of which the later takes the former's place
inline constexpr std::size_t kSkewedMax = 64;            // authors whose stamps came from the future
inline constexpr std::size_t kNoticedMax = 256;          // authors of whom one thing was told once and is not told again
inline constexpr std::size_t kUnkeptMax = 65'536;        // rows that the disk refused and that are tried again
inline constexpr Duration kLookPause = 20us;             // that an author pays for each entry that was looked through: some twentieth of our time
inline constexpr std::size_t kCostlyMax = 1024;          // authors remembered, beside those that owe something
inline constexpr Duration kLookDebtMax = 1s;             // that it may be ahead, so that the parts of one checkpoint come together
inline constexpr std::size_t kPeersNotedMax = 1024;      // peers with whom nothing was left to bring
inline constexpr Duration kNotedFor = 5min;              // that they are left alone so, unless one of us changes
inline constexpr std::size_t kRootsOpenMax = 4;
inline constexpr Duration kWalkMax = 30s;                // then a walk gives way to the next one; what it has brought stays
inline constexpr Duration kWalkPause = 60s;              // that a peer whose walk brought nothing in that time is passed over
inline constexpr std::size_t kPassedOverMax = 16;        // such peers of one namespace
inline constexpr std::size_t kCheckpointWorth = 128;     // of ours that count for nothing: so many make a checkpoint
inline constexpr std::size_t kImportMax = 32;            // entries in one call

// Rows of the store: see the table in docs/PROTOCOL.md.
inline constexpr std::uint8_t kRowSpace = 's';  // 's' | id 32 -> genesis; erasing it erases its entries too
inline constexpr std::uint8_t kRowEntry = 'e';  // 'e' | namespace 32 | id 16 -> arrival 8 | entry

struct Config {
  std::uint64_t bytes_max = 512ULL << 20;  // of memory for all entries here, as Space::memory() reckons it
};

// ---- what users do
enum class Error : std::uint8_t {
  kUnknownNamespace,
  kBadName,
  kBadPath,
  kTooLarge,     // does not fit into an entry
  kNothingThere,  // rm, del: there is nothing to take away
  kTooMany,      // a named limit: namespaces, entries, writes that wait
  kStore,        // could not be made durable
  kBadEntry,     // import: malformed, of another namespace, or not signed by its author
  // Of owned namespaces:
  kNoGrant,      // we have none, or they whose it should be
  kOutsidePath,  // none of ours covers the path
  kExpired,
  kRevoked,
  kNoOverwrite,  // what is there others wrote, and we may not overwrite it
  kOverQuota,    // as many entries of ours are there as may be
  kNotOwner,     // only the creator grants and revokes
  kOpen,         // an open namespace has no rights
  kShutdown,
};
std::string_view to_string(Error error);

// One change of a document. Views need not outlive the call.
struct Change {
  enum class What : std::uint8_t {
    kSet,     // register := value
    kRemove,  // whatever is at the path and below it
    kCount,   // counter += amount
    kAdd,     // set: value is an element
    kDelete,  // set: value is an element
  };
  What what = What::kSet;
  ByteView path;
  ByteView value;
  std::int64_t amount = 0;
};

// An operation has ended: exactly one for each OpId.
struct StateDone {
  OpId op{};
  std::expected<std::size_t, Error> entries;  // written or, of an import, new here
};
// Entries have arrived, own ones included; readers that wait look at visit_arrivals().
struct StateArrived {
  NamespaceId space;
};
// Something that an operator should know. Of one kind, namespace and author it is told once (kNoticedMax are remembered); what we lost, each time.
struct StateNoticed {
  enum class What : std::uint8_t {
    kForked,   // a proof is here that the author gave one place in its history to two entries
    kSkewed,   // an entry of the author's is `number` ms ahead of our clock
    kRefused,  // the author wrote without the right to
    kCutOff,   // of our own entries `number` were lost by a revocation
    kOverQuota,  // of our own entries `number` went because others of ours came back and there may not be so many
  };
  What what = What::kForked;
  NamespaceId space;
  NodeId author;
  std::uint64_t number = 0;
};
using Event = std::variant<StateDone, StateArrived, StateNoticed>;

// Messages in requests hold no views; those in replies and sends are valid until the next call.
struct Request {
  RequestTag tag{};
  Target to;
  std::variant<Roots, Branch, Fetch> message;
};
struct Send {
  NodeId to;  // who is no member any more is told nothing
  Word message;
};
struct Persist {
  Ticket ticket{};
  std::vector<Write> writes;
};
struct Output {
  std::vector<Persist> persist;
  std::vector<Request> requests;
  std::vector<Send> sends;
  std::vector<Event> events;
  bool empty() const { return persist.empty() && requests.empty() && sends.empty() && events.empty(); }
  void clear() {
    persist.clear();
    requests.clear();
    sends.clear();
    events.clear();
  }
};

struct Stats {
  std::size_t namespaces = 0;
  std::size_t entries = 0;
  std::uint64_t bytes = 0;
  std::size_t held_back = 0;  // from the future
  std::size_t parked = 0;     // their Grants are not here
  std::size_t delayed = 0;    // writes that wait for their time, as this node is behind (pace.h)
  Duration pause{};           // after each entry of ours, of which that time is made
  std::size_t forked = 0;     // authors that are proven to have forked, in all namespaces
  std::size_t neighbours = 0;  // in the trees of all namespaces
  std::size_t walks = 0;
  std::uint64_t written_total = 0;
  std::uint64_t delayed_total = 0;     // writes that had to wait for their time
  std::uint64_t pushed_total = 0;      // entries sent in pushes
  std::uint64_t announced_total = 0;   // ids sent in announcements
  std::uint64_t push_known_total = 0;  // entries that came in pushes and were here
  std::uint64_t received_total = 0;    // entries that were new, by push or walk
  std::uint64_t fetched_total = 0;     // of them by walks
  std::uint64_t walks_total = 0;
  std::uint64_t walks_failed_total = 0;
  std::uint64_t refused_total = 0;     // malformed, not signed, of no namespace here
  std::uint64_t forbidden_total = 0;   // came without a right to be there
  std::uint64_t parked_total = 0;
  std::uint64_t parked_lost_total = 0;  // for want of room
  std::uint64_t held_back_total = 0;
  std::uint64_t cut_off_total = 0;     // were here until a revocation came
  std::uint64_t crowded_out_total = 0;  // were here until others of their authors came that a quota keeps first
  std::uint64_t proofs_total = 0;      // of forks, written by us
  std::uint64_t full_total = 0;        // refused for want of room
  std::uint64_t discarded_total = 0;   // came, and their authors had discarded them
  std::uint64_t dropped_total = 0;     // were here until their authors discarded them
  std::uint64_t checkpoints_total = 0;  // of our own
  // How long after they were written, by their authors' clocks against ours, entries of others came; of none that
  // were written before the namespace was here, in this life of the node.
  Histogram lag;
};

// One link of the tree along which a namespace's entries spread (gossip/broadcast/), as this end sees it.
struct TreeLink {
  NodeId peer;
  bool eager = false;  // entries go over it at once; over a lazy one only announcements
  bool home = false;   // one of the tree that is there before the first entry
  std::optional<Duration> round_trip;
};

class State {
 public:
  // `identity`, `provider` and `entropy` must outlive the object.
  State(const Identity& identity, const CryptoProvider& provider, Entropy& entropy, Rng rng, Config config, Now now);
  ~State();

  // A row of an earlier life; all of them before anything else, those of kRowSpace before those of kRowEntry. What
  // is not what was written (bit rot) is skipped and counted as refused.
  void restore(Now now, ByteView key, ByteView value);
  // All of them are back.
  void restored();

  // ---- operations: one StateDone each, maybe in this Output
  // Makes the namespace of this name of ours (the same one again, if it was made before).
  void create(Now now, OpId op, std::string_view name, Access access, Output& out);
  // A namespace that somebody else made.
  void join(Now now, OpId op, const Genesis& genesis, Output& out);
  // Forgets a namespace and all of its entries here.
  void leave(Now now, OpId op, const NamespaceId& space, Output& out);
  // `changes`: one or more, of which all or none are written; those of different documents share a signature, up to kBatchMax entries each.
  // A node that is behind what others write may begin it later (pace.h), after all writes before it; other operations do not wait.
  void write(Now now, OpId op, const NamespaceId& space, std::span<const Change> changes, Output& out);
  // Entries with their signatures, from a file: at most kImportMax. All are looked at before any is taken. It ends when all of them that are
  // here are durable, also those that were here before.
  void import(Now now, OpId op, const NamespaceId& space, std::span<const ByteView> entries, Output& out);
  // Gives a node rights in a namespace of our own. The path must be empty or valid.
  void grant(Now now, OpId op, const NamespaceId& space, const Grant& grant, Output& out);
  // Takes all that it was granted so far from a node again: what of it is here stays, all else is cut off everywhere.
  void revoke(Now now, OpId op, const NamespaceId& space, const NodeId& of, Output& out);
  // Ends what is under way with kShutdown, and takes leave of the trees.
  void shutdown(Now now, Output& out);

  void on_persisted(Now now, Ticket ticket, bool ok, Output& out);

  // ---- what peers say. The peer's key is proven.
  // The digest that an answer to our probe carried (digest() of theirs).
  void on_digest(Now now, const Contact& peer, const TreeHash& digest, Output& out);
  // The round trip with a peer, whenever it was measured.
  void measured(const NodeId& peer, Duration round_trip);
  // Asks a member which of our namespaces it has, and what of them we lack: after a join, and before any probe has told.
  void greet(Now now, const Contact& peer, Output& out);
  // Not alive any more.
  void forget(Now now, const NodeId& peer);
  void on_roots(Now now, const Asker& asker, const Roots& m, RootsReply& reply);
  // False: no such namespace here; nothing is answered.
  bool on_branch(Now now, const Asker& asker, const Branch& m, BranchReply& reply);
  bool on_fetch(Now now, const Asker& asker, const Fetch& m, FetchReply& reply);
  void on_push(Now now, const NodeId& from, const Push& m, Output& out);
  void on_ihave(Now now, const NodeId& from, const IHave& m, Output& out);
  void on_graft(Now now, const NodeId& from, const Graft& m, Output& out);
  void on_prune(Now now, const NodeId& from, const Prune& m, Output& out);
  // Of the peers that it names only those that are known alive count: the caller has left the others out.
  void on_link(Now now, const NodeId& from, const Link& m, Output& out);
  void on_roots_reply(Now now, RequestTag tag, const RootsReply& m, Output& out);
  void on_branch_reply(Now now, RequestTag tag, const BranchReply& m, Output& out);
  void on_fetch_reply(Now now, RequestTag tag, const FetchReply& m, Output& out);
  void on_timeout(Now now, RequestTag tag, Output& out);

  void on_deadline(Now now, Output& out);
  std::optional<Instant> next_deadline();

  // ---- views
  // Of all namespaces here and their entries; nullopt: no namespaces.
  std::optional<TreeHash> digest() const;
  void for_each(const std::function<void(const Space&)>& visit) const;  // by id
  const Space* find(const NamespaceId& space) const;
  // Our links of a namespace, kNeighboursMax at most; none if it is not here.
  std::vector<TreeLink> tree_links(const NamespaceId& space) const;
  // To whom our place in that tree hangs, who may not have agreed yet; nullopt: we are its root as far as we know, or it is not here.
  std::optional<NodeId> tree_parent(const NamespaceId& space) const;
  Stats stats() const;
  // Authors some of whose entries came ahead of our clock, and by how much at most (ms), since the start.
  const std::map<NodeId, std::uint64_t>& skewed() const;

 private:
  struct Inside;
  std::unique_ptr<Inside> inside_;
};

}  // namespace weft::state
