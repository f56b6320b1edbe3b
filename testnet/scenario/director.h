// Directs one run of a scenario: what is to be done next, and what came of it. Knows no world:
// `weft sim run` carries its commands out in virtual time, `weft testnet run` on real processes, so
// choices, load, ledger and report are the same code in both.
//
// The world calls `advance` when `next` says so and after anything it told; it executes the commands
// in order and tells what happened. Time is counted from the first start of a node. All choices come
// from the scenario's seed, each from a generator of its own coordinates (which load, which
// operation, which node, which session), so that leaving one out keeps the luck of the others.
//
// The ledger is the director's own: who is up is what it commanded and the world confirmed, never
// what a node says. A value is right if its bytes are those that were put.
//
// Stages: forming (all nodes start; ends when every node lists exactly all, at the latest after
// kFormMax), settling, running for `duration` (t = 0 is its begin), healing (every fault undone,
// churn and load over), done. Bounds: scenario.h's, kSamplesMax.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <variant>

#include "crypto/node_id.h"
#include "testnet/scenario/holdings.h"
#include "testnet/scenario/scenario.h"

namespace weft::scenario {

inline constexpr Duration kFormMax = 120s;      // and for each node...
inline constexpr Duration kFormMaxEach = 50ms;  // ...so much more
// A failure is nobody's mistake if its subject or observer was down, paused or cut off so recently.
inline constexpr Duration kGrace = 20s;
// A node is used for load from so long after it came up: nobody asks one that is just joining.
inline constexpr Duration kReadyAfter = 2s;
inline constexpr std::size_t kSamplesMax = 1'000'000;  // per figure; later ones are counted only
inline constexpr std::size_t kActionValueBytes = 256;     // of a value that an action puts
// A value is owed to its readers for so long after its owner was last up: the default lifetime.
inline constexpr Duration kOwedFor = 24h;
// How often a world looks whether a condition holds.
inline constexpr Duration kLookEvery = 100ms;
inline constexpr Duration kSampleEvery = 1s;  // of the log
// Of a recording: a line of sightings covers so long and holds so many at most.
inline constexpr Duration kSawEvery = 100ms;
inline constexpr std::size_t kSawPairsMax = 1000;

// ---- commands to the world
using NodeIndex = std::uint32_t;
using OpNumber = std::uint64_t;

// A node that never ran; `dead`: seeds that it is told of besides, and that are down.
struct StartNode { NodeIndex node; std::optional<NodeIndex> seed; std::vector<NodeIndex> dead{}; };
struct KillNode { NodeIndex node; };                                  // at once, nothing saved
struct StopNode { NodeIndex node; };                                  // gracefully
// The same home; `moved`: at another address than before.
struct RestartNode { NodeIndex node; std::optional<NodeIndex> seed; bool moved = false; };
struct PauseNode { NodeIndex node; };
struct ResumeNode { NodeIndex node; };
// Who is a bridge reaches both sides and is reached by both; nodes beyond an end are on side B and none.
struct SplitNodes { std::vector<bool> side_a; bool one_way = false; std::vector<bool> bridges{}; };
struct HealSplit {};
struct SetLink { Link link; };
struct FaultNode { NodeIndex node; Action action; };  // a fault that only the simulator has
struct CalmNode { NodeIndex node; };                  // undoes it
struct BackUp { NodeIndex node; };                    // keeps what it has on disk
struct RestoreBackup { NodeIndex node; };             // of a node that is down: it begins with that again
// The node's home once more, in a second process elsewhere; and the end of that one, if it still runs.
struct StartTwin { NodeIndex node; std::optional<NodeIndex> seed; };
struct EndTwin { NodeIndex node; };
// `quorum` 0: the node's own.
struct PutValue { OpNumber op; NodeIndex node; std::string key; Bytes value; std::uint32_t quorum = 0; };
struct GetValue { OpNumber op; NodeIndex node; std::string key; NodeIndex writer; std::uint32_t quorum = 0; };
// The id of node `of`, if it is given, in place of `target`.
struct LookUp { OpNumber op; NodeIndex node; NodeId target; std::optional<NodeIndex> of; };
// Into the namespace that all nodes of a run share: once for each node. Nothing is told of it.
struct ShareState { NodeIndex node; };
// All of these registers with one write; path and value each.
struct SetState { OpNumber op; NodeIndex node; std::vector<std::pair<std::string, Bytes>> registers; };
using Command = std::variant<StartNode, KillNode, StopNode, RestartNode, PauseNode, ResumeNode,
                             SplitNodes, HealSplit, SetLink, FaultNode, CalmNode, PutValue,
                             GetValue, LookUp, ShareState, SetState, BackUp, RestoreBackup, StartTwin, EndTwin>;

// ---- what the world tells
enum class Seen : std::uint8_t { kUnknown, kAlive, kSuspect, kFailed, kLeft };

// The error of a get that brought bytes which nobody put.
inline constexpr std::string_view kWrongBytes = "wrong_bytes";
// The error of an operation whose node ended before it did.
inline constexpr std::string_view kCrashed = "crashed";

// What an operation's end amounts to: kStale is a get of less than what a put had been acknowledged
// for before the get began.
enum class Judged : std::uint8_t { kFine, kWrong, kStale };

// What a lookup brought as the nearest, against what a world knows of who lives: the nearest of all living others when
// it began or when it ended; else the nearest of those that had been up for kReadyAfter when it ended; else wrong.
enum class Nearest : std::uint8_t { kUntold, kRight, kNewcomerMissed, kWrong };

struct OpOutcome {
  bool ok = false;            // the operation says so; a value's bytes are judged here
  std::string error{};        // a word: "not_found", "timed_out", ...
  Duration latency{};
  std::uint32_t hops = 0;     // get, lookup
  std::uint32_t queries = 0;
  std::uint32_t copies = 0;   // put: acknowledged
  std::uint32_t wanted = 0;   // put: of so many
  Bytes value{};              // get
  Nearest nearest = Nearest::kUntold;  // lookup
};

// Counters since the first start; what a world cannot tell stays 0.
struct Counters {
  struct Sent {
    std::uint64_t packets = 0;
    std::uint64_t bytes = 0;
  };
  std::uint64_t bytes = 0;    // sent, all nodes
  std::uint64_t packets = 0;
  std::map<std::string, Sent> kinds{};  // the same by kind of message
  std::uint64_t names = 0;    // ids and addresses that messages named
  std::uint64_t cpu_us = 0;
  std::uint64_t pss_mean_kib = 0;
  std::map<std::string, std::uint64_t> lies{};  // by role: those that reached an honest node
};

// Sums over all nodes since the first start; what a world cannot tell stays 0.
struct StateCounters {
  std::uint64_t sent = 0;      // entries in pushes and answers
  std::uint64_t received = 0;  // that were new where they came
};

struct Verdict {
  bool passed = true;
  nlohmann::ordered_json report;  // report.json
};

class Director {
 public:
  struct Hooks {
    std::function<Counters()> counters;                // read at the edges of phases
    std::function<void(const std::string&)> log;       // one JSON object, without newline
    // The same lines, and besides them what a replay needs: ids, who is ready, who saw whom (docs/SIMULATOR.md). May be empty.
    std::function<void(const std::string&)> record;
    std::function<Counters()> traffic;                 // bytes and packets alone, read about once a second for the log; may be empty
    // Whether all living nodes have the same shared state; nullopt: not known. Only asked in runs with state loads.
    std::function<std::optional<bool>()> state_equal;
    std::function<StateCounters()> state_counters;     // may be empty
    // What nodes held when they were looked at last, read with the traffic; nullopt: they were not yet. May be empty.
    std::function<std::optional<Holdings>()> holdings;
  };
  // `scenario` must have been parsed or built within its bounds.
  Director(Scenario scenario, std::string version, Hooks hooks);
  ~Director();

  // When to call advance at the latest; nullopt once done.
  std::optional<Duration> next() const;
  // Appends what is to be done now. `at` never goes back.
  void advance(Duration at, std::vector<Command>& out);
  // Ends the run before its time: done() from now on. After the first advance().
  void cut_short(Duration at);

  void node_booted(Duration at, NodeIndex node, const NodeId& id);  // its process begins, for the first time; for the recording
  void node_up(Duration at, NodeIndex node);    // it runs (the answer to Start and Restart)
  void node_lost(Duration at, NodeIndex node);  // it ended without having been told
  // True if it is a failure that no fault of this run excuses (ledger.h).
  bool saw(Duration at, NodeIndex observer, NodeIndex subject, Seen state);
  Judged op_done(Duration at, OpNumber op, OpOutcome outcome);
  // An entry has reached all nodes that lived when it was written and still do, so long after.
  void entry_everywhere(Duration at, Duration after);

  bool done() const;
  // Where the run stands: "form", a phase's name, "heal".
  const std::string& phase() const;
  // What the scenario had to say so far, line by line.
  const std::vector<std::string>& told() const;
  bool up(NodeIndex node) const;
  // How long it has been up; zero if it is not.
  Duration up_for(NodeIndex node) const;
  std::size_t nodes() const;       // ever started
  std::size_t open_ops() const;
  bool converged() const;          // every living node lists exactly the living
  // Stored and acknowledged values: key and writer, for checkers.
  struct Stored { std::string key; NodeIndex writer; Duration at; };
  const std::vector<Stored>& stored() const;
  // After done(): the report with its checks judged.
  Verdict verdict() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The key of the first operation of the first put load: what ids are ground next to.
std::string first_put_key(const Scenario& scenario);
// The DHT key of a text key is dht::key_of_text. The bytes of a value, made of the seed and its key.
Bytes value_of(std::uint64_t seed, std::string_view key, std::size_t size);

}  // namespace weft::scenario
