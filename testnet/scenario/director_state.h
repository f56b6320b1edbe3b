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

struct Director::State {
  using Json = nlohmann::ordered_json;
  enum class Stage : std::uint8_t { kForming, kSettling, kRunning, kHealing, kDone };
  struct Op {
    enum class Kind : std::uint8_t { kPut, kGet, kLookup } kind = Kind::kPut;
    NodeIndex node = 0;
    std::size_t phase = 0;
    std::string key;
    std::size_t size = 0;
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
  std::map<OpNumber, Op> ops;
  OpNumber next_op = 1;
  std::vector<Stored> stored;
  std::map<std::string, std::size_t, std::less<>> stored_sizes;
  std::vector<std::uint32_t> lives;      // starts of each node so far
  std::set<NodeIndex> faulted;
  // Whose clock drifts, and which of the drifts it is: another fault ends it.
  std::map<NodeIndex, std::uint64_t> drifting;
  bool split = false;
  bool churning = false;
  std::size_t waiting_for = 0;  // nodes told to start and not yet up

  void later(Duration at, std::function<void(Duration)> act) {
    due.insert({std::max(at, now), orders++, std::move(act)});
  }
  void say(Json event) {
    if (!hooks.log) return;
    Json line = {{"t", static_cast<double>(now.count()) / 1e6}};
    line.update(event);
    hooks.log(line.dump());
  }
  void begin_phase(const std::string& name);
  void end_phase();
  std::vector<NodeIndex> living() const;
  std::optional<NodeIndex> some_seed(NodeIndex except, Rng& rng) const;
  void start(NodeIndex node);
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
  void operate(LoadKind kind, std::size_t size, std::uint64_t a, std::uint64_t b);
  void act(const Action& action);
  void partition(const Action& action);
  void drift(NodeIndex node, const Action& action, std::uint64_t which, std::uint64_t k);
  std::vector<NodeIndex> chosen(const Action& action, std::span<const NodeIndex> candidates);
  bool holds(const Action& action) const;
  void look();
  void advance();
};

}  // namespace weft::scenario
