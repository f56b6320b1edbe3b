// weft as a library: a node of the mesh inside your program. This is its only public header, installed as
// <weft/weft.h>; it needs the standard library alone.
//
//   auto node = weft::Node::open({.home = "/var/lib/room", .seeds = {"192.0.2.10:9338"}});
//   if (!node) return complain(node.error().message);
//   auto stored = node->put("color", "blue");                       // waits, at most 30 s
//   node->get("color", {}, [](weft::Result<weft::Found> found) { ... });   // does not wait
//
// It is the node that `weft up` runs: the same home, identity, store and protocol, and while it is open the command
// line talks to it (`weft --home DIR members`). One home is used by one node at a time.
//
// Shape. Every call comes in two forms. Without a last argument `then` it waits for its result, at most until its
// deadline (and kGrace for the node to say so). With `then` it returns at once, and `then` is called exactly once with
// the same result. Either gives a Result: what was asked for, or a Failure with a stable code and a sentence for a
// person. Nothing here throws (memory that runs out ends the process), and what the mesh sends never ends it.
//
// Threads. A Node runs on one thread of its own. All of its functions but open, moving and destruction may be called from any
// thread, at the same time. `then` runs on the node's thread: it must not throw, and while it runs the node stands still, so it
// hands long work to others. From within `then` further calls with `then` are fine, those that wait are refused with
// kBadRequest. Only a call that is refused at once (kCallsMax are under way, or the node has ended) has its `then`
// called by the caller itself, before the call returns.
//
// Life. The destructor and stop() leave the mesh properly and wait for the end: seldom more than 4 s, but no less than
// what the disk takes for its last commit and the name server for a seed that is being looked up. All calls under way end with kShutdown before that. A node may also
// end by itself: told by `weft leave`, or because another process has its identity. Then every call says kShutdown.
// Signals, stdout, the umask and all else that a process has once are left to the program. A child of fork() must not
// touch the Nodes of its parent.
//
// Text and bytes. Keys, names and paths are UTF-8. Values and elements are bytes: a std::string holds any. An id is 64 hex digits.
// An address is "IP:PORT", with [] around IPv6.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#if !defined(__cpp_lib_expected)
#error "weft/weft.h needs std::expected: GCC 12 or newer with -std=c++23"
#endif

namespace weft {

using Milliseconds = std::chrono::milliseconds;
using Seconds = std::chrono::seconds;

inline constexpr std::size_t kCallsMax = 48;         // of one node under way at once; one more: kOverloaded
inline constexpr std::size_t kPutBytesMax = 1000;    // of a value; one for a single reader is a little smaller
inline constexpr std::size_t kBatchMax = 64;         // changes of one state_write
inline constexpr Milliseconds kDeadlineMax{24 * 3600 * 1000};
inline constexpr Milliseconds kDeadline{30'000};     // of a call that names none
inline constexpr Milliseconds kWaitMax{60'000};      // that a call may wait for changes
inline constexpr Milliseconds kGrace{1000};          // so long past its deadline a busy node may answer

// ---- errors

enum class Code : std::uint8_t {
  kBadRequest,      // an impossible argument, a name that is ambiguous, waiting on the node's own thread
  kTooLarge,        // a value or change that does not fit
  kForbidden,       // not allowed to this node
  kDenied,          // the right to write this in an owned namespace was not granted, has ended or does not cover it
  kNotFound,        // no such value, node, namespace or document
  kTimedOut,        // not within the deadline; what was begun may still take effect
  kConflict,        // put with `expected`: the number is another; Failure::number has it
  kQuorum,          // fewer copies than asked for; Failure::number has how many
  kSeveralAuthors,  // get: several have a value there; Failure::choices has their ids
  kAmbiguous,       // several namespaces have this name; Failure::choices has their creators' ids
  kNoPeers,         // nobody answers
  kOverloaded,      // a limit is reached; try later, or less at once
  kStore,           // the disk does not take what is to be kept
  kNoRoom,          // the nodes nearest to the key are full
  kShutdown,        // this node ends or has ended; final
  kCancelled,
  kCannotStart,     // open: the home is in use, the address is taken, a file cannot be written, ...
  kInternal,
};
// As the control API writes it: "timed_out".
std::string_view to_string(Code code);

struct Failure {
  Code code = Code::kInternal;
  std::string message = {};               // one sentence without a period, for a person
  std::uint64_t number = 0;          // of kConflict and kQuorum
  std::vector<std::string> choices = {};  // of kSeveralAuthors and kAmbiguous
};
template <class T>
using Result = std::expected<T, Failure>;
template <class T>
using Then = std::function<void(Result<T>&&)>;

// ---- what calls take. Every deadline is from 1 ms to kDeadlineMax and counts from the call.

struct NodeOptions {
  // The directory of the node, made (0700) if it is missing; others must not be able to look into one that is there.
  // Empty: one of its own that is removed at the end, for a node that is somebody new each time.
  std::string home = {};
  bool ephemeral = false;  // of a home only the identity is kept, values and state are not
  bool durable = true;     // what is acknowledged is on the disk; false: some 50 ms later
  // The network as `weft up --network` takes it: a name, or with a '/' in it the path of a key file.
  std::string network = "weft";
  std::vector<std::string> listen = {};     // addresses, port 0 for a free one; none: 0.0.0.0:9338 and [::]:9338
  std::vector<std::string> advertise = {};  // under which others reach it; none: found out
  std::vector<std::string> seeds = {};      // "HOST:PORT" or "ID@HOST:PORT"; tried until somebody answers
  std::string name = {};                    // none: the first digits of the id
  std::map<std::string, std::string> tags = {};
  std::string log_level = "info";      // trace, debug, info, warn or error
  int log_fd = -1;                     // where lines of the log go (2: stderr), -1: only `weft log` shows them
  Milliseconds deadline = kDeadline;   // until it must be ready to speak
};
struct CallOptions {
  Milliseconds deadline = kDeadline;
};
// Of a namespace that is made.
struct CreateOptions {
  bool owned = false;  // this node writes, and whom it grants it; else every node of the network may
  Milliseconds deadline = kDeadline;
};
// What a node is granted in an owned namespace.
struct GrantOptions {
  std::string path = {};        // there and below it; empty: everywhere
  bool overwrite = true;        // what others wrote as well
  std::size_t entries = 0;      // at most so many of the node's at a time; 0: no limit of its own
  Milliseconds lasts{0};        // from now; 0: until it is revoked
  Milliseconds deadline = kDeadline;
};
struct PutOptions {
  Seconds lifetime{0};                    // 0: as the network keeps values by default, renewed while this node runs
  std::optional<std::uint64_t> expected = {};  // only if the current number of this node's value is this one (0: none)
  std::size_t copies = 0;                 // 0: the network's default
  std::size_t quorum = 0;                 // fewer copies than this are a failure, kQuorum
  std::string reader = {};                     // the id of the one node that can read it; empty: all can
  Milliseconds deadline = kDeadline;
};
struct GetOptions {
  std::string author = {};      // whose value: an id, 8 or more of its digits, or a name; empty: anybody's
  bool all = false;        // the values of all authors
  std::size_t quorum = 0;  // how many nodes must have been asked
  Milliseconds deadline = kDeadline;
};
// Changes since a cursor, which is a place in the order in which this node has learnt of them. A call answers as soon as there
// is something to tell, and with an empty list when it has waited for `wait`.
struct ChangesOptions {
  std::optional<std::uint64_t> after = {};  // the cursor of an earlier answer; none: from now on
  Milliseconds wait{0};                // at most kWaitMax; 0: answers at once
  std::size_t limit = 256;             // 1 to 256 changes in one answer
  std::string path = {};                    // of state: only at and below this path
};
struct PageOptions {
  std::optional<std::string> after = {};  // the last element or path of the page before
  std::size_t limit = 256;           // 1 to 256
  Milliseconds deadline = kDeadline;
};
struct StateChange {
  enum class What : std::uint8_t { kSet, kRemove, kIncrement, kAdd, kDelete } what = What::kSet;
  std::string path = {};         // without the namespace
  std::string value = {};        // of kSet; the element of kAdd and kDelete
  std::int64_t amount = 0;  // of kIncrement
};

// ---- what calls give

struct PutReceipt {
  std::uint64_t number = 0;  // of this value among this node's under the key, ascending
  std::size_t copies = 0;    // nodes that have it on their disks
};
struct FoundValue {
  std::string bytes = {};
  std::string author = {};
  std::uint64_t number = 0;
  Seconds expires_in{0};
  std::size_t copies = 0;  // nodes that were seen to have it
  bool own = false;        // this node is the author
  enum class Sealing : std::uint8_t { kNone, kForUs, kForAnother } sealing = Sealing::kNone;  // kForAnother: `bytes` is sealed
};
struct Found {
  std::vector<FoundValue> values = {};  // one at least; exactly one without GetOptions::all
  const std::string& bytes() const { return values.front().bytes; }
};
struct Provider {
  std::string id = {};
  std::string address = {};  // maybe empty
  Seconds expires_in{0};
};
struct Joined {
  std::size_t seeds = 0;  // that answered
  std::size_t alive = 0;  // members now
};
enum class MemberIs : std::uint8_t { kAlive, kSuspect, kFailed, kLeft };
struct Member {
  std::string id = {};
  std::string name = {};  // chosen by the member: not unique, not to be trusted
  std::string address = {};
  MemberIs state = MemberIs::kAlive;
  std::uint64_t incarnation = 0;
  std::optional<std::chrono::microseconds> rtt = {};
  std::map<std::string, std::string> tags = {};
};
struct MemberChange {
  std::string id = {};
  std::string name = {};
  std::string address = {};
  std::optional<MemberIs> from = {};  // none: seen for the first time
  MemberIs to = MemberIs::kAlive;
  std::chrono::system_clock::time_point at = {};
};
struct MemberChanges {
  std::vector<MemberChange> changes = {};
  std::uint64_t cursor = 0;
  bool gap = false;  // some are lost (the last 512 are kept, and none over a restart): go on from `cursor`, then list the members
};
struct Namespace {
  std::string name = {};
  std::string id = {};
  std::string creator = {};
  bool own = false;  // this node is the creator
  std::string access = {};  // open, owned
  bool may_write = false;   // this node has a right here
  std::size_t forks = 0;    // authors proven to have signed two entries for one place of their history
  std::size_t entries = 0;
  std::uint64_t bytes = 0;
  std::uint64_t cursor = 0;  // of the latest change here
};
// What somebody wrote into a register.
struct Written {
  std::string bytes = {};
  std::string author = {};
  std::string at = {};  // by the author's clock, RFC 3339
};
struct Document {
  std::optional<Written> value = {};        // none: nothing there, or a counter
  std::vector<Written> conflicts = {};      // further values that `value` did not know of; the next set resolves them
  std::optional<std::int64_t> counter = {}; // where there is no value but a counter
};
struct Items {
  std::vector<std::string> items = {};  // ascending
  bool more = false;
};
struct DocumentName {
  std::string doc = {};  // NAMESPACE/PATH; parts that are not UTF-8 are shown with replacement characters
  bool has_register = false, has_counter = false, has_set = false;
};
struct DocumentNames {
  std::vector<DocumentName> docs = {};  // in the order of their paths
  std::string after = {};               // leads on, as PageOptions::after
  bool more = false;
};
struct Change {
  std::uint64_t cursor = 0;
  std::string doc = {};
  // kRevoke: a node's rights were taken away, and with them maybe documents of its writing anywhere in the namespace, which `doc` names then.
  enum class Kind : std::uint8_t { kSet, kRemove, kIncrement, kAdd, kDelete, kRevoke } kind = Kind::kSet;
  std::string bytes = {};         // of kSet, kAdd and kDelete
  std::int64_t counter = 0;  // of kIncrement: what the counter stands at now
  std::string author = {};
  std::string at = {};
  std::string id = {};
};
struct Changes {
  std::vector<Change> changes = {};
  std::uint64_t cursor = 0;
  bool gap = false;  // the cursor is of another life of this namespace: going on from `cursor` (0) brings all anew
};
struct Digest {
  std::string digest = {};  // the same on all nodes that have the same
  std::size_t entries = 0;
};

// ---- the node

// Movable, not copyable. One that was moved from has ended: its calls give kShutdown.
class Node {
 public:
  // Opens the home and starts the node; returns when it is ready to speak, which does not wait for seeds (see
  // wait_members). kBadRequest, kCannotStart, kTimedOut.
  static Result<Node> open(NodeOptions options);

  Node(Node&& other) noexcept;
  Node& operator=(Node&& other) noexcept;  // ends the node that was here, as the destructor does
  ~Node();

  // Ends the node and waits for it; from within `then` it only begins to end. Again, or on an ended node: nothing.
  void stop();
  // Why the node has ended; none while it has not.
  std::optional<std::string> ended() const;

  const std::string& id() const;
  const std::string& home() const;
  // Where it listens; [0] with the id in front is a seed for others: id() + "@" + listen()[0].
  const std::vector<std::string>& listen() const;

  // ---- members
  // When so many are alive, this one included: how many are. kTimedOut.
  Result<std::size_t> wait_members(std::size_t count, CallOptions options = {});
  void wait_members(std::size_t count, CallOptions options, Then<std::size_t> then);
  // Asks further seeds ("HOST:PORT" or "ID@HOST:PORT", 1 to 64). kNoPeers, kTimedOut.
  Result<Joined> join(std::vector<std::string> seeds, CallOptions options = {});
  void join(std::vector<std::string> seeds, CallOptions options, Then<Joined> then);
  // All that are known, this one included.
  Result<std::vector<Member>> members(CallOptions options = {});
  void members(CallOptions options, Then<std::vector<Member>> then);
  // What has changed in that list. At most 32 calls wait at a time, those of state_changes and of the command line
  // included; one more: kOverloaded.
  Result<MemberChanges> member_changes(ChangesOptions options = {});
  void member_changes(ChangesOptions options, Then<MemberChanges> then);

  // ---- values: KEY is text of 1 to 255 bytes, or "hex:" and 64 digits. Each node has one value of its own under a key.
  // Stores `value` (1 to kPutBytesMax bytes) signed by this node, in place of what it had there. When two thirds of the
  // copies, and the quorum, are on disks. kConflict, kQuorum, kTooLarge, kNoRoom, kStore, kTimedOut.
  Result<PutReceipt> put(std::string_view key, std::string_view value, PutOptions options = {});
  void put(std::string_view key, std::string_view value, PutOptions options, Then<PutReceipt> then);
  // kNotFound, kSeveralAuthors (without `all`, where this node is none of them), kTimedOut.
  Result<Found> get(std::string_view key, GetOptions options = {});
  void get(std::string_view key, GetOptions options, Then<Found> then);
  // Withdraws this node's value; that there was none is no failure. kStore, kTimedOut.
  Result<PutReceipt> remove(std::string_view key, CallOptions options = {});
  void remove(std::string_view key, CallOptions options, Then<PutReceipt> then);
  // Says that this node offers something under the key; renewed while it runs. Of the options only lifetime and deadline count.
  Result<PutReceipt> provide(std::string_view key, PutOptions options = {});
  void provide(std::string_view key, PutOptions options, Then<PutReceipt> then);
  // Who does, 512 at most. kNotFound.
  Result<std::vector<Provider>> providers(std::string_view key, CallOptions options = {});
  void providers(std::string_view key, CallOptions options, Then<std::vector<Provider>> then);

  // ---- shared state: SPACE is the name of a namespace, or NAME@ID with its creator's id (or 8 of its digits or more);
  // DOC is SPACE/PATH. What is read is what this node has; what is written is on its disk when the call returns, and on its
  // way to the others. A namespace that is not here is kNotFound, one of several of that name kAmbiguous.
  // Makes the namespace, unless this node has made it already; its name is published in the DHT, later.
  Result<Namespace> state_create(std::string_view space, CreateOptions options = {});
  void state_create(std::string_view space, CreateOptions options, Then<Namespace> then);
  // Looks for the namespace in the DHT, unless it is here; its documents follow.
  Result<Namespace> state_join(std::string_view space, CallOptions options = {});
  void state_join(std::string_view space, CallOptions options, Then<Namespace> then);
  // Drops the namespace here.
  Result<void> state_leave(std::string_view space, CallOptions options = {});
  void state_leave(std::string_view space, CallOptions options, Then<void> then);
  // Gives rights to a node (its id, 8 digits of it or more, or its name), or takes all that it has away: what of its writing is here stays, all else
  // is cut off everywhere. kDenied if the namespace is another's, kBadRequest if it is open.
  Result<void> state_grant(std::string_view space, std::string_view node, GrantOptions options = {});
  void state_grant(std::string_view space, std::string_view node, GrantOptions options, Then<void> then);
  Result<void> state_revoke(std::string_view space, std::string_view node, CallOptions options = {});
  void state_revoke(std::string_view space, std::string_view node, CallOptions options, Then<void> then);
  Result<std::vector<Namespace>> state_spaces(CallOptions options = {});
  void state_spaces(CallOptions options, Then<std::vector<Namespace>> then);
  Result<DocumentNames> state_docs(std::string_view space, PageOptions options = {});
  void state_docs(std::string_view space, PageOptions options, Then<DocumentNames> then);
  Result<Digest> state_digest(std::string_view space, CallOptions options = {});
  void state_digest(std::string_view space, CallOptions options, Then<Digest> then);

  // A register, or the counter where there is none. kNotFound if there is neither.
  Result<Document> state_get(std::string_view doc, CallOptions options = {});
  void state_get(std::string_view doc, CallOptions options, Then<Document> then);
  // Replaces what this node sees there, conflicts included. kTooLarge (about 900 bytes, less at a long path).
  Result<Document> state_set(std::string_view doc, std::string_view value, CallOptions options = {});
  void state_set(std::string_view doc, std::string_view value, CallOptions options, Then<Document> then);
  // Takes away what this node sees at the path and below it. kNotFound.
  Result<Document> state_rm(std::string_view doc, CallOptions options = {});
  void state_rm(std::string_view doc, CallOptions options, Then<Document> then);
  // Adds to a counter, maybe a negative amount (not INT64_MIN): what it stands at then.
  Result<std::int64_t> state_inc(std::string_view doc, std::int64_t amount = 1, CallOptions options = {});
  void state_inc(std::string_view doc, std::int64_t amount, CallOptions options, Then<std::int64_t> then);
  // Puts an element (not empty) into a set, or takes it out: the first elements of the set then.
  Result<Items> state_add(std::string_view doc, std::string_view element, CallOptions options = {});
  void state_add(std::string_view doc, std::string_view element, CallOptions options, Then<Items> then);
  Result<Items> state_del(std::string_view doc, std::string_view element, CallOptions options = {});
  void state_del(std::string_view doc, std::string_view element, CallOptions options, Then<Items> then);
  // The elements of a set; none where there is no set.
  Result<Items> state_items(std::string_view doc, PageOptions options = {});
  void state_items(std::string_view doc, PageOptions options, Then<Items> then);
  // 1 to kBatchMax changes of one namespace, all or none.
  Result<void> state_write(std::string_view space, const std::vector<StateChange>& changes, CallOptions options = {});
  void state_write(std::string_view space, const std::vector<StateChange>& changes, CallOptions options, Then<void> then);
  // What has arrived in the namespace, of this node and of others. Waiting calls are bounded as those of member_changes.
  Result<Changes> state_changes(std::string_view space, ChangesOptions options = {});
  void state_changes(std::string_view space, ChangesOptions options, Then<Changes> then);

 private:
  struct Inside;
  explicit Node(std::shared_ptr<Inside> inside);
  std::shared_ptr<Inside> inside_;
};

}  // namespace weft
