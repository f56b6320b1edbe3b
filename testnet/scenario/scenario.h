// A scenario as data: how many nodes, on what network, with what churn and load, what happens when,
// and what must hold in the end. One format for two worlds: `weft testnet run` executes it on real
// processes, `weft sim run` in virtual time.
//
// A file is TOML (docs/SIMULATOR.md has the table of keys). Everything is bounded; a key that is
// unknown, twice, of the wrong type or out of its bounds is refused with file and line. Whether a
// world can honour what a valid file asks for is the world's to say: see `unsupported`.
//
// Pure: parsing takes text; a matrix and a churn trace are files that the caller reads (attach_trace).
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "node/link_model.h"
#include "testnet/churn_model.h"
#include "testnet/churn_trace.h"
#include "testnet/selection.h"

namespace weft::scenario {

inline constexpr std::size_t kTextMax = 256 << 10;   // bytes of a file
inline constexpr std::size_t kNodesMax = 20'000;
inline constexpr Duration kDurationMax = 30 * 24h;
inline constexpr std::size_t kLoadsMax = 32;
inline constexpr std::size_t kActionsMax = 1'000;
inline constexpr std::size_t kChecksMax = 200;
inline constexpr std::size_t kPhaseNameMax = 64;     // bytes
inline constexpr std::size_t kSayMax = 300;          // bytes
inline constexpr std::uint32_t kDeadSeedsMax = 16;
inline constexpr std::size_t kFileNameMax = 1'000;   // bytes
inline constexpr std::size_t kValueBytesMax = 1'000;

// Where in the file something stands, for messages. Line 0: not from a file.
struct Place {
  std::uint32_t line = 0;
  bool operator==(const Place&) const { return true; }  // of no importance to a scenario's meaning
};

struct Problem {
  std::string file;
  std::uint32_t line = 0;  // 0: the whole file
  std::string message;     // a sentence: what is wrong and what is expected
};
// "FILE:LINE: message"
std::string to_string(const Problem& problem);

// `latency = "coordinates"`: nodes lie in a disc, and the way between two is as long as they are
// apart: `base` plus their distance, the disc's diameter being `spread`.
struct Plane {
  Duration base{};
  Duration spread{};
  bool operator==(const Plane&) const = default;
};
inline constexpr std::string_view kCoordinates = "coordinates";

// By what a mapping belongs to and whom it lets in, as RFC 4787 has it: "full-cone" is endpoint-
// independent in both; the restricted ones let in only addresses (or addresses and ports) sent to; a
// symmetric one has another mapping for each address and port. "mixed": each NAT is one of the four.
enum class NatKind : std::uint8_t { kNone, kFullCone, kAddressRestricted, kPortRestricted, kSymmetric, kMixed };

// [link]: the words of SPEC, and what only the simulator can do.
struct Link {
  node::LinkSpec spec;             // latency (or matrix), jitter, loss, dup, reorder, rate
  std::optional<Plane> plane;      // in place of spec.latency
  Duration access{};               // `access`: added at each end, drawn for each node in [0, 2*access)
  std::uint32_t corrupt_ppm = 0;   // `corrupt`: one bit of a datagram is flipped
  std::uint32_t mtu = 0;           // `mtu`: larger IP packets vanish; 0: none
  Duration burst{};                // `burst`: losses come in spells of this mean length
  std::uint32_t unroutable_ppm = 0;  // `unroutable`: share of nodes that only get answers
  // `nat`, `nat_share`: that share of nodes stands behind a NAT of this kind, from its start to its
  // end; of the scenario's [link] only.
  NatKind nat = NatKind::kNone;
  std::uint32_t nat_ppm = 0;
  Duration nat_expiry = 30s;       // `nat_expiry`: what counts as an answer, after the last packet out
  Place place;
  bool operator==(const Link&) const = default;
};

// [churn]
struct Churn {
  // `model = "trace"`: who is up when stands in this file, and nothing is drawn. `trace` is its content
  // (attach_trace). All nodes form the mesh; at time zero those that are not up by the trace say goodbye.
  std::string trace_file;          // `trace`; empty: another model
  testnet::ChurnTrace trace;
  testnet::ChurnModel model = testnet::ChurnModel::kWeibull;
  Duration median_session{};       // time up
  Duration median_absence{};       // time down; the file's default is the median session
  bool new_identity = false;       // `identity = "new"`: who comes back is somebody else
  // `start = "fresh"`: everybody's session begins when churn does; else it is met midway, as in a
  // mesh that has lived for long, and deaths come at an even rate.
  bool fresh = false;
  bool new_address = false;        // `address = "new"`: who comes back is the same elsewhere
  Duration from{};
  std::optional<Duration> until;   // default: the end
  std::uint32_t share_ppm = 1'000'000;  // `share` of the nodes takes part
  std::uint32_t seeds = 0;         // `seeds`: so many of the first nodes stay, and whoever comes joins through one of them; 0: through anybody
  Place place;
  bool operator==(const Churn&) const = default;
};

// [dht]: what is otherwise than a node has it, to find out what it costs; 0: nothing.
struct DhtSettings {
  std::size_t bucket_size = 0;     // `bucket_size`: contacts of one bucket
  std::size_t lookup_want = 0;     // `lookup_want`: a lookup ends with so many of the closest
  std::size_t parallelism = 0;     // `parallelism` of a lookup at its start
  std::size_t paths = 0;           // `paths`: disjoint ones of a lookup, get or put
  Duration refresh{};              // `refresh`: buckets that nobody looked into for so long are refreshed
  Place place;
  bool operator==(const DhtSettings&) const = default;
};
// [membership]: the same of membership, to find out what each part is worth; what is not set is as a node has it.
struct MembershipSettings {
  Duration probe_interval{};                // `probe_interval`; 0: as a node has it
  std::optional<Duration> suspicion_min, suspicion_max;
  std::optional<std::uint32_t> indirect_probes;  // relays that are asked
  std::optional<std::uint32_t> gossip_fanout;    // members that gossip goes to; 0: news ride on probes alone
  // Each is a part that false switches off (gossip::Parts; `health`: local health).
  bool health = true, tries = true, nacks = true, buddy = true, shortening = true, own_probe = true, proofs = true, burst = true, forming = true, stalls = true,
       credit = true;
  Place place;
  bool operator==(const MembershipSettings&) const = default;
};
inline constexpr std::uint32_t kIndirectProbesMax = 8;  // and of members that gossip goes to
inline constexpr std::size_t kBucketSizeMax = 20;  // as many contacts has a reply
inline constexpr std::size_t kPathsMax = 8;        // as lookups have at most

inline constexpr std::size_t kStateBatchMax = 16;    // `batch` of a state load
inline constexpr std::size_t kStateValueMax = 600;  // `size` of a state load

enum class LoadKind : std::uint8_t { kPut, kGet, kLookup, kState };
// [[load]]: operations at random nodes; either a rate or a count spread evenly over the span. A get
// asks for a value that some put of this run stored, at a node that did not. State: sets a register of the one namespace
// that all nodes share in a run with such a load.
struct Load {
  LoadKind kind = LoadKind::kPut;
  std::uint64_t per_1000s = 0;     // `rate`: operations per second of the whole mesh, here per 1000 s
  std::uint64_t count = 0;
  std::uint32_t size = 256;        // bytes of a value
  std::uint32_t keys = 0;          // put: so many keys in turn, each written by whoever wrote it first; 0: a new one each time.
                                   // state: so many documents in turn, each written by anybody; 0: a new one each time
  std::uint32_t batch = 1;         // state: each write sets so many documents, with one signature
  std::uint32_t writers = 0;       // state: only the nodes of the lowest so many indexes write; 0: all
  std::uint32_t quorum = 0;        // put, get: copies that must acknowledge or agree; 0: the node's own
  bool of_node = false;            // `target`, lookup: "node", the id of another node that is up; else "random"
  Duration every{};                // get: in place of rate and count, every value stored by then once in each such time
  Duration from{};
  std::optional<Duration> until;
  Place place;
  bool operator==(const Load&) const = default;
};

enum class Do : std::uint8_t {
  // both worlds
  kKill, kStop, kPause, kResume, kRestart, kAdd, kPartition, kHeal, kLink, kNote, kPut, kGet, kEnd,
  // the simulator alone
  kSlowCpu, kSlowDisk, kFailDisk, kLateReceive, kBlock, kClockStep, kClockSkew, kClockDrift, kHostile, kCalm, kBackup, kRestoreBackup, kTwin,
  kLast = kTwin,
};
enum class Role : std::uint8_t {
  kDrop, kLieContacts, kAccomplices, kFlood, kReplay, kForge, kSpoof, kGrind, kCollude,
  // of membership
  kMemberAccuse, kMemberReplay, kMemberWithhold, kMemberVouch,
  // of shared state
  kStateFork, kStateForge, kStateFuture, kStateReplay, kStateWithhold, kStateFlood, kStateVoid,
  kLast = kStateVoid,
};
// [[at]]: one thing that happens at a time, or once a condition holds.
struct Action {
  Duration t{};
  // `when`: not before `t`, and not before every living node lists exactly the living ("converged"),
  // all operations are answered ("idle"), or both fail to come within `within`.
  enum class When : std::uint8_t { kTime, kConverged, kIdle } when = When::kTime;
  Duration within = 60s;           // so long after `t` and after the conditional action before it, it happens all the same
  Do what = Do::kNote;
  testnet::Selection who;          // `who`: index, range, list or share of the living (dead: restart)
  std::uint32_t nodes = 0;         // add: how many...
  std::uint32_t dead_seeds = 0;    // ...each of which is told so many of the dead before a seed that lives
  std::uint32_t share_ppm = 0;     // partition: side A, unless `who` names it
  bool one_way = false;            // partition: A cannot reach B, B reaches A
  std::uint32_t partial_ppm = 0;   // partition: this share of the living still reaches both sides
  std::optional<Duration> lasts;   // `for`: undone after this long (partition, pause, slow-*, ...)
  Link link;                       // link
  Duration amount{};               // slow-cpu: per event; slow-disk: per commit; late-receive; clock-step
  std::int32_t ppm = 0;            // clock-skew: how much faster the node's clock runs, in millionths;
                                   // clock-drift: the most that its speed is off, to either side
  Duration every{};                // clock-drift: so often the speed changes
  std::uint32_t count = 0;         // put, get: how many at once
  Role role = Role::kDrop;         // hostile
  std::string say;                 // `say`: told to whoever watches when it happens
  std::string phase;               // `phase`: a new phase of the report begins here; empty: none
  Place place;
  bool operator==(const Action&) const = default;
};

enum class Compare : std::uint8_t { kEqual, kNotEqual, kLess, kAtMost, kMore, kAtLeast };
// [[check]]: `field` of the report, `is` one of == != < <= > >=, `value`. A field is a path such as
// "phases.form.members.converge_s", "gets.ok_share" (over the whole run) or "gets.latency_ms.p99".
struct Check {
  std::string field;
  Compare compare = Compare::kEqual;
  double value = 0;                // true is 1, false is 0
  Place place;
  bool operator==(const Check&) const = default;
};

struct Scenario {
  std::string name;                // `name`, else the file's without its ending
  std::uint64_t seed = 1;
  std::uint32_t nodes = 0;
  Duration duration = 15min;
  Duration settle{};               // `settle`: after all see all, before loads, churn and actions count
  Duration heal = 60s;             // `heal`: fault-free time at the end in which all must come right
  bool membership = true;          // `membership = false`: the DHT alone (simulator, many nodes)
  bool by_kind = false;            // `by_kind = true`: what is sent is told by kind also where membership is (simulator)
  std::size_t values_memory = 0;   // bytes of held values in a node's memory; 0: as a node has it (simulator)
  bool sweep = true;               // `sweep = false`: nobody hands values over as nodes come and go (simulator)
  Duration commit = 1ms;           // `commit`: a store's commit takes this long (simulator)
  Link link;
  DhtSettings dht;                 // (simulator)
  MembershipSettings membership_settings;  // (simulator)
  std::optional<Churn> churn;
  std::vector<Load> loads;
  std::vector<Action> actions;     // in the order of the file
  std::vector<Check> checks;
  bool operator==(const Scenario&) const = default;

  bool shares_state() const {
    return std::ranges::any_of(loads, [](const Load& load) { return load.kind == LoadKind::kState; });
  }
};

// Parses and checks one scenario. `file` names it in problems and gives the default name.
std::expected<Scenario, Problem> parse_scenario(std::string_view toml, std::string_view file);
// The content of churn->trace_file, once its number of nodes is settled. `file` names it in problems.
std::optional<Problem> attach_trace(Scenario& scenario, std::string_view csv, std::string_view file);

// The canonical text; parses to an equal scenario. For what `sim shrink` found.
std::string to_toml(const Scenario& scenario);

// The words of the file for the enumerations, and back.
std::string_view to_string(Do what);
std::string_view to_string(Role role);
std::string_view to_string(NatKind kind);
std::string_view to_string(LoadKind kind);
std::string_view to_string(Compare compare);

enum class World : std::uint8_t { kProcesses, kSimulator };
// The first thing in the scenario that this world cannot honour, if any.
std::optional<Problem> unsupported(const Scenario& scenario, World world, std::string_view file);

}  // namespace weft::scenario
