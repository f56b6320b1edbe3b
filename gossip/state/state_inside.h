// The inside of State, shared by its files and by nothing else:
//   state.cc         rows, namespaces, import, what became durable, views
//   state_write.cc   from changes to signed entries
//   state_checkpoint.cc  when to say what of our own is not wanted any more
//   state_rights.cc  grants and revocations, what is parked, forks that are to be proven
//   state_spread.cc  pushes, digests, walks
#pragma once

#include <deque>
#include <list>
#include <map>
#include <set>

#include "gossip/broadcast/tree.h"
#include "gossip/state/pace.h"
#include "gossip/state/state.h"

namespace weft::state {

inline constexpr std::size_t kEntriesPerWriteMax = 256;
inline constexpr std::size_t kHeldBackPerTurn = 16;  // that are looked at again in one call
inline constexpr Duration kLookAgainMax = 60s;
inline constexpr std::size_t kDelayedPerTurn = 8;    // writes that waited for their time and begin in one call
inline constexpr std::size_t kVerifiedMax = 64;      // batches whose signature was found good

struct State::Inside {
  Inside(const Identity& identity_in, const CryptoProvider& provider_in, Entropy& entropy_in, Rng rng_in, Config config_in)
      : identity(identity_in), provider(provider_in), entropy(entropy_in), rng(rng_in), config(config_in) {}

  struct Running {
    Walk walk;
    Target peer;
    TreeHash theirs{};         // the digest of the peer's that began it
    std::uint64_t number = 0;  // of the walk: answers to an earlier one are not its own
    Instant began{};
    bool alone = false;        // the only namespace in which the peer differed
    bool brought = false;      // something new
    bool idle = true;          // it has brought nothing, and met nothing that was discarded
  };
  // A peer with which no walk is begun for a while: it would hold the only one with little.
  struct PassedOver {
    NodeId peer;
    Instant until;
  };
  struct Local {
    Local(Genesis genesis, const NodeId& self, Rng rng)
        : space(std::move(genesis)), tree(self, rng, {.topic = load_le<std::uint64_t>(space.genesis().id.bytes.data())}) {}
    Space space;
    broadcast::Tree tree;
    std::uint64_t life = 0;  // its number among all that were ever here: left and joined again it is another one
    UnixMillis since;        // by our clock
    std::map<NodeId, std::deque<broadcast::Push>> pushes;  // that wait, by receiver
    std::size_t pushes_waiting = 0;
    // Of our own in this life of the namespace here: left and joined again it begins anew, as what was written before comes back.
    std::optional<std::uint64_t> epoch;
    std::uint64_t seq = 0;        // the last
    std::optional<EntryId> prev;  // our last entry
    std::optional<Running> running;
    std::deque<PassedOver> passed_over;  // the oldest first
    bool arrived = false;  // something, in this call
    bool look_at_own = false;          // for a checkpoint, whatever was lost
    std::size_t look_after = 1;        // or when so many of our entries have ceased to count (Documents::lost)
    std::size_t writes_waiting = 0;    // own entries that wait for the disk, checkpoints too
    std::size_t rights_seen = 0;       // Grants and Revokes when what is parked was last looked at
    std::map<PublicKey, Instant> costly_until;  // of authors of checkpoints and revocations: until when what these cost is paid
    std::map<PublicKey, Instant> proof_replaced;  // when the proof against an author was last replaced; only of those with one
    bool epochs_looked_at = false;     // since something of this life was written, or a checkpoint was refused
    bool epochs_closed = false;        // those of the lives before
    bool kept = false;                 // its row is durable
    bool checkpoint_waiting = false;   // one of ours is on its way to the disk
    void charge(Now now, const PublicKey& author, std::size_t work);
  };
  struct Asked {
    Target to;
    NamespaceId space;         // of a walk
    std::uint64_t walk = 0;    // 0: Roots
    TreeHash theirs{};         // Roots: the digest that caused it
    std::variant<Roots, Branch, Fetch> question;
  };
  // Both entries of a fork, to be proven at a time.
  struct Unproven {
    NamespaceId space;
    PublicKey author;
    Bytes first, second;
    Instant at;
  };
  // What waits for the disk: an operation, and the entries that it made.
  struct Waiting {
    std::optional<OpId> op;  // none: a checkpoint, or a proof
    NamespaceId space;
    std::vector<EntryId> written;
    std::size_t count = 0;  // told in the end
    std::uint64_t life = 0;  // of the namespace here; 0: it was left
    bool adds = false;      // the namespace is new here
    bool checkpoint = false;
    bool counts = false;    // there is a Count in it
    std::optional<Unproven> proof{};  // what it proves
    std::vector<EntryId> withdrawn{};  // instead of `written`: an earlier one was refused that it contains
    std::vector<Write> others{};  // rows that are tried again if the disk refuses them: an import's, and what nobody waits for and shares its commit
  };
  // A write that waits for its time (pace.h): the times go up.
  struct Delayed {
    struct Kept {
      Change::What what;
      Bytes path, value;
      std::int64_t amount;
    };
    Instant at{};
    OpId op{};
    NamespaceId space;
    std::uint64_t life = 0;  // of the namespace here
    std::vector<Kept> changes;
  };
  struct Verified {
    PublicKey author;
    ByteArray<32> root{};
    std::uint8_t batch = 0;
    Signature signature;
    bool operator==(const Verified&) const = default;
  };
  struct Parked {
    NamespaceId space;
    PublicKey author;
    Bytes wire;
  };
  struct Noted {
    TreeHash ours{};
    TreeHash theirs{};
    Instant at{};
  };

  // ---- state.cc
  Local* find(const NamespaceId& space);
  Local* find(const SpaceHandle& handle);
  // Any number, another one in each life of a namespace here.
  std::uint64_t arrivals_luck(const Local& local) const;
  // Whether its row is to be written: it was not here, or that is not durable yet. `rows` gets it then.
  std::expected<bool, Error> add(Now now, const Genesis& genesis, std::vector<Write>& rows);
  void fail(OpId op, Error error, Output& out) { out.events.push_back(StateDone{op, std::unexpected(error)}); }
  void wait_for(Waiting waiting, std::vector<Write> rows, Output& out);
  // What was to become durable has, or has not.
  void on_durable(Now now, Local& local, const Waiting& op, Output& out);
  void on_refused(Now now, Local& local, const Waiting& op, Output& out);
  // A Count contains those of ours before it: what was drafted after one that was refused goes as well.
  void withdraw_counts_after(Ticket refused, Local& local);
  static Write entry_row(const NamespaceId& space, const EntryId& id, const Space::Held& held);
  std::size_t entries() const;
  std::uint64_t bytes() const;
  std::uint64_t memory() const;
  // Checkpoints, which make room, have a little more of it.
  bool room_for(std::size_t bytes_more, Kind kind) const;
  // Its signature, and those of a proof.
  bool verified(const Entry& entry);
  bool signed_by_author(const Entry& entry);

  // What became of an entry that somebody sent. `rows` gets what is to be kept.
  // kForbidden: without a right; kHeldBack: parked, too; kLater: it would cost too much now, or takes the place of a proof too soon.
  enum class Taken : std::uint8_t { kNew, kKnown, kDiscarded, kForbidden, kHeldBack, kLater, kRefused, kFull };
  Taken take(Now now, Local& local, const Entry& entry, ByteView wire, std::vector<Write>& rows);
  // An entry that a peer sent is new here.
  void note_lag(Now now, const Local& local, const Entry& entry);
  // Hands the rows that nobody waits for to the store; those that it refused are tried again.
  void keep(Output& out);
  void keep_again(Now now, std::vector<Write> rows);
  // Brings a row up to what is here now; false: that makes it needless.
  bool bring_up_to_date(Write& row) const;
  // Ends a call: notes those of this one, tells of arrivals, and looks whether a checkpoint is due.
  void flush(Now now, std::vector<Write> rows, Output& out);

  // ---- state_write.cc
  struct Draft {
    Kind kind = Kind::kSet;
    Bytes path;
    Bytes body;
    std::vector<EntryId> saw;
    std::optional<NodeId> rights{};  // a Grant or Revoke: of whom. It names no Grant and stands above all others of that node
  };
  using Drafts = std::expected<std::vector<Draft>, Error>;
  std::uint64_t stamp(Now now);
  void observe(Now now, std::uint64_t other);
  Drafts draft(Now now, const Local& local, const Change& change) const;
  std::uint64_t next_stamp(Now now) const;
  void follow_clock(Now now);
  // The Grant that our entry of this kind has to name; none of an open namespace, or of our own.
  std::expected<std::optional<Rights::Choice>, Error> choose_grant(Now now, const Local& local, Kind kind, ByteView path) const;
  // Whether it takes the place of an entry of ours, which then counts for nothing.
  bool replaces_own(const Local& local, const Draft& draft) const;
  // Signs them, and puts them into the documents.
  std::expected<void, Error> sign(Now now, Local& local, std::span<const Draft> drafts, std::vector<EntryId>& written);
  std::expected<void, Error> sign_together(Now now, Local& local, std::span<const Draft> drafts, std::vector<EntryId>& written);
  std::expected<void, Error> write_all(Now now, Local& local, std::span<const Change> changes, std::vector<EntryId>& written);
  void withdraw(Local& local, std::span<const EntryId> written);
  void write_now(Now now, OpId op, Local& local, std::span<const Change> changes, Output& out);
  void write_delayed(Now now, Output& out);
  std::vector<Write> rows_of(const Local& local, std::span<const EntryId> written) const;

  // ---- state_rights.cc
  // The entries of one operation of an owner's.
  void write_rights(Now now, OpId op, const NamespaceId& space, std::span<const Draft> drafts, Output& out);
  std::expected<Local*, Error> owned(const NamespaceId& space);
  void park(const Entry& entry, ByteView wire);
  // What is parked of a namespace is looked at again.
  void unpark(Now now, Local& local, std::vector<Write>& rows);
  void notice(StateNoticed::What what, const NamespaceId& space, const NodeId& author, std::uint64_t number);
  bool was_noticed(StateNoticed::What what, const NamespaceId& space, const NodeId& author) const;
  void note_skew(Now now, const Entry& entry);
  // What a call brought to light: Grants that something waits for, forks, what was cut off.
  void look_round(Now now, Local& local, std::vector<Write>& rows);
  // Writes the proofs that are due.
  void prove(Now now, Output& out);
  void prove_later(Now now, Unproven one);
  std::optional<Instant> prove_at() const;

  // ---- state_checkpoint.cc
  void maybe_checkpoint(Now now, Local& local, Output& out);

  // ---- state_spread.cc
  // What the tree wants to be told to whom.
  void tend(Now now, Local& local, Output& out);
  // Datagrams of pushes that wait; at most `most`. Returns how many it sent.
  std::size_t push(Local& local, std::size_t most, Output& out);
  void say(const NodeId& to, Word word, Output& out) { out.sends.push_back({to, std::move(word)}); }
  void pump(Now now, Local& local, Output& out);
  void end_walk(Now now, Local& local, bool well);
  void end_walks_with(Now now, const NodeId& peer);
  bool may_walk(Now now, const Local& local, const NodeId& peer) const;
  void note(Now now, const NodeId& peer, const TreeHash& theirs);
  void release_held_back(Now now, Output& out);
  void look_again(Now now);
  TreeHash digest_or_zero() const;
  std::optional<Asked> take_asked(RequestTag tag);
  Local* walk_of(const Asked& asked);
  void ask_roots(const Contact& peer, const TreeHash& theirs, Output& out);

  const Identity& identity;
  const CryptoProvider& provider;
  Entropy& entropy;
  Rng rng;
  Config config;
  std::map<NamespaceId, Local> spaces;
  std::map<Ticket, Waiting> waiting;
  Pace pace;
  std::list<Delayed> delayed;  // in the order in which they came
  std::map<RequestTag, Asked> asked;
  std::map<NodeId, Noted> noted;
  std::map<std::pair<std::uint64_t, EntryId>, std::pair<NamespaceId, Bytes>> held_back;  // by stamp
  std::list<Verified> verified_batches;
  std::map<EntryId, Parked> parked;
  std::list<EntryId> parked_order;  // the oldest first; some may be gone
  std::list<Unproven> unproven;
  std::map<NodeId, std::uint64_t> skewed;
  std::map<StateNoticed::What, std::set<std::pair<NamespaceId, NodeId>>> noticed;
  std::vector<StateNoticed> to_notice;  // of this call
  std::uint64_t last_stamp = 0;
  std::uint64_t tickets = 0;
  std::uint64_t tags = 0;
  std::uint64_t walks = 0;
  std::uint64_t lives = 0;
  std::optional<Instant> push_at;
  std::vector<Write> unkept;  // rows that nobody waits for, or that are tried again if the disk refuses them
  std::map<Ticket, std::vector<Write>> keeping;  // such rows that are on their way to the disk
  std::optional<Instant> keep_at;
  broadcast::Output tree_out;
  std::optional<Instant> look_at;  // at what is held back
  bool ended = false;
  Stats totals;
  mutable std::optional<TreeHash> digest;  // nullopt: to be computed
};

}  // namespace weft::state
