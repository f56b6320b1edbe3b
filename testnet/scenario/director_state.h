// What the director keeps during a run; only director*.cc include it.
#pragma once

#include <deque>
#include <set>

#include "crypto/rng.h"
#include "testnet/scenario/director.h"
#include "testnet/scenario/figures.h"
#include "testnet/scenario/ledger.h"

namespace weft::scenario {

// The generator of one thing that the run decides: its name and coordinates, and nothing else.
inline Rng luck(std::uint64_t seed, std::string_view what, std::uint64_t a,
                std::uint64_t b = 0) {
  return Rng(Rng(Rng(Rng(seed).fork(what).next() ^ a).next() ^ b).next());
}

// The text that makes the bytes of a version of a key's value.
inline std::string versioned(std::string_view key, std::uint32_t version) {
  return std::string(key) + (version == 1 ? "" : "#" + std::to_string(version));
}

struct Director::State {
  using Json = nlohmann::ordered_json;
  enum class Stage : std::uint8_t { kForming, kSettling, kRunning, kHealing, kDone };
  struct Op {
    enum class Kind : std::uint8_t { kPut, kGet, kLookup, kState } kind = Kind::kPut;
    NodeIndex node = 0;
    std::size_t phase = 0;
    std::string key;
    std::size_t size = 0;
    std::uint32_t version = 0;  // put: which of this key
    std::uint32_t quorum = 0;   // get
    std::uint32_t least = 0;    // get: what it must not be older than
    bool owed = false;          // get: whoever put it was up of late (kOwedFor)
  };
  // What was put under one key; version 1 is the first.
  struct Written {
    NodeIndex writer = 0;
    std::size_t size = 0;
    std::uint32_t begun = 0;  // versions
    // The highest acknowledged by so many copies or more, of `wanted`.
    std::map<std::uint32_t, std::uint32_t> acknowledged;
    std::uint32_t wanted = 0;
  };
  // Something that falls due; ties in the order of making.
  struct Due {
    Duration at;
    std::uint64_t order;
    std::function<void(Duration)> act;
    bool operator<(const Due& other) const {
      return at != other.at ? at < other.at : order < other.order;
    }
  };

  Scenario plan;
  std::string version;
  Hooks hooks;
  Stage stage = Stage::kForming;
  Ledger ledger;
  std::vector<Figures> phases;
  Counters counters_before;
  std::uint64_t lived_before = 0;
  Duration now{};
  Duration zero{};  // t = 0 of the scenario, once running
  bool began = false;
  std::set<Due> due;
  std::uint64_t orders = 0;
  std::vector<Command>* out = nullptr;
  std::deque<const Action*> conditional;  // in the order of the file
  Duration waiting_since{};               // the first of them can be due
  std::map<OpNumber, Op> ops;
  OpNumber next_op = 1;
  std::vector<Stored> stored;
  std::map<std::string, Written, std::less<>> written;
  std::vector<std::uint32_t> lives;      // starts of each node so far
  std::set<NodeIndex> faulted;
  std::set<NodeIndex> backed_up;
  std::set<NodeIndex> twinned;
  // Whose clock drifts, and which of the drifts it is: another fault ends it.
  std::map<NodeIndex, std::uint64_t> drifting;
  std::vector<std::string> told;  // each `say`
  std::set<NodeIndex> sharing;    // told to share state
  std::vector<NodeIndex> to_share;
  std::optional<Duration> state_equal_since;  // as far as the world knows
  Duration state_written{};                   // the last acknowledged write
  StateCounters state_before;
  bool split = false;
  bool churning = false;
  std::size_t waiting_for = 0;  // nodes told to start and not yet up
  Duration sample_at{};         // not before
  std::string saw;              // sightings that the recording does not have yet: "3a4 3f5"
  std::size_t saw_pairs = 0;
  Duration saw_first{}, saw_last{};

  void later(Duration at, std::function<void(Duration)> act) {
    due.insert({std::max(at, now), orders++, std::move(act)});
  }
  bool logs() const { return hooks.log || hooks.record; }
  static std::string line_at(Duration at, const Json& event) {
    Json line = {{"t", static_cast<double>(at.count()) / 1e6}};
    line.update(event);
    return line.dump();
  }
  void say(const Json& event) {
    if (!logs()) return;
    record_saw();
    const std::string line = line_at(now, event);
    if (hooks.log) hooks.log(line);
    if (hooks.record) hooks.record(line);
  }
  // For the recording alone.
  void record(const Json& event) {
    if (!hooks.record) return;
    record_saw();
    hooks.record(line_at(now, event));
  }
  void record_saw();
  void note_saw(NodeIndex observer, NodeIndex subject, Seen state);
  Holdings::Classes arrivals_told{};
  // How things stand, for the log: at most once in kSampleEvery, when something happens anyway, so that a run goes
  // the same way with and without a log.
  void sample();
  // How an operation ended, for the log.
  void say_op(const Op& op, const OpOutcome& outcome, bool stale);
  // Without membership there is nothing to converge.
  bool converged() const { return !plan.membership || ledger.converged(); }
  void begin_phase(const std::string& name);
  void end_phase();
  std::vector<NodeIndex> living() const;
  std::optional<NodeIndex> some_seed(NodeIndex except, Rng& rng) const;
  // `dead_seeds`: it is told of so many that are down, if there are.
  void start(NodeIndex node, std::size_t dead_seeds = 0);
  void kill(NodeIndex node);
  void stop(NodeIndex node);
  void restart(NodeIndex node, bool moved = false);
  void run();
  void heal();
  void finish();
  void begin_churn();
  void churn_up(NodeIndex node, std::uint64_t cycle);
  void churn_down(NodeIndex node, std::uint64_t cycle);
  std::optional<NodeIndex> churn_back(NodeIndex node);
  void follow_trace();
  void trace_up(NodeIndex node, std::size_t session);
  void trace_down(NodeIndex node, std::size_t session);
  void begin_load(std::size_t index);
  // Gets of all that is stored now, spread over the load's `every`; then again.
  void read_all(std::size_t index, std::uint64_t round);
  // `which` of the stored values a get asks for; none: a random one.
  void operate(const Load& load, std::uint64_t a, std::uint64_t b, std::optional<std::size_t> which = {});
  // What a get of this key must not be older than, if `quorum` copies agree on what it brings: what
  // so many acknowledged that the two have a copy in common.
  std::uint32_t least_version(std::string_view key, std::uint32_t quorum) const;
  std::optional<std::uint32_t> version_of(std::string_view key, ByteView value) const;
  void act(const Action& action);
  void partition(const Action& action);
  void drift(NodeIndex node, const Action& action, std::uint64_t which, std::uint64_t k);
  std::vector<NodeIndex> chosen(const Action& action, std::span<const NodeIndex> candidates);
  bool holds(const Action& action) const;
  void look();
  void look_at_state();
  void advance();
};

}  // namespace weft::scenario
