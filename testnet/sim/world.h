// One run of a scenario in virtual time: the director's commands carried out on a SimNetwork, and
// checkers that watch from outside.
//
// A run is a function of the scenario (its seed included) and the options alone: same in, same trace
// hash and same report, in any process and build. It reads no clock and no file.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "testnet/scenario/director.h"
#include "testnet/sim/branches.h"
#include "testnet/sim/network.h"

namespace weft::sim {

// Processes do not start in the same instant either: 200 real ones took 7 s here.
inline constexpr Duration kSpawnEvery = 35ms;
// What checkers keep of violations; more are counted.
inline constexpr std::size_t kViolationsMax = 100;
inline constexpr Duration kInspectEvery = 10s;
// Values read again after the heal phase, and lookups made then; drawn from the seed.
inline constexpr std::size_t kFinalGets = 200;
inline constexpr std::size_t kFinalLookups = 20;
inline constexpr std::size_t kFinalAskers = 10;

struct RunOptions {
  std::optional<bool> kinds{};  // what is sent is told by kind; without a choice of the DHT alone
  std::string version;
  std::optional<testnet::RttMatrix> matrix;  // of link.spec.matrix_file
  bool shuffle_ties = false;
  bool checkers = true;
  // One JSON object a line, without newline; nullptr: none.
  std::function<void(const std::string&)> log;
  // The same lines, and what a replay needs besides.
  std::function<void(const std::string&)> record;
  // Everything that happens at every node, with the network to look into.
  std::function<void(const SimNetwork&, const SimNetwork::Step&)> tap;
  // Called now and then with the virtual time and the events so far.
  std::function<void(Duration, std::uint64_t)> progress;
  // Asked as often: true ends the run there, without the last checks, and tells what was until then.
  std::function<bool()> stop;
  // Test-only: changes a node's configuration before its first start.
  std::function<void(node::Config&)> adjust;
  // Test-only: called with the network and the time before each command of the director.
  std::function<void(SimNetwork&, Duration)> meddle;
};

// What a checker found: which rule, when, and the particulars.
struct Violation {
  std::string checker;
  Duration at{};
  std::optional<std::size_t> node;  // the one whose doing it is
  std::string detail;
};

struct RunResult {
  scenario::Verdict verdict;
  std::vector<Violation> violations;
  std::uint64_t violations_total = 0;
  std::uint64_t trace_hash = 0;
  std::uint64_t events = 0;
  Branches branches;
  Duration virtual_time{};
  bool interrupted = false;  // by RunOptions::stop

  // Checks of the file and checkers alike.
  bool passed() const { return verdict.passed && violations_total == 0 && !interrupted; }
};

// The scenario must be one that the simulator can honour (scenario::unsupported).
RunResult run_scenario(const scenario::Scenario& scenario, const RunOptions& options);

}  // namespace weft::sim
