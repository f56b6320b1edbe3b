// One run of a scenario on real processes: the director's commands carried out on a Testbed, what
// the nodes print and answer told to the director. The counterpart of sim/world.h.
//
// Its ledger stands outside of the nodes where one exists: who is up is what was commanded and reaped,
// traffic is what the kernel counted (udp_traffic.h), CPU time what it charged the children. Latencies,
// hops and queries are what the asked node says of its own operation. Nothing else may use loopback much
// meanwhile, or its packets are counted as well.
//
// One thread, one poll loop, every child waited for before it returns.
#pragma once

#include <functional>
#include <span>
#include <string>

#include "testnet/fleet.h"
#include "testnet/scenario/director.h"

namespace weft::testnet {

// An operation that has not been answered by then has timed out.
inline constexpr Milliseconds kOperationMax{60'000};
// Nodes that are told to end are killed after this.
inline constexpr Milliseconds kEndMax{10'000};
// Nodes whose memory is looked at when a phase ends.
inline constexpr std::size_t kMemorySamples = 16;

struct ProcessProgress {
  std::string phase;
  std::span<const std::string> told;  // what the scenario has to say since the last call
  Duration at{};
  std::size_t up = 0, nodes = 0, open_ops = 0;
};

struct ProcessOptions {
  Layout layout;           // claimed (launcher.h)
  FleetOptions fleet;
  std::string version;
  std::string matrix_csv;  // of link.spec.matrix_file
  std::function<void(const std::string&)> log;  // one JSON object a line; nullptr: none
  std::function<void(const ProcessProgress&)> progress;  // a few times a second
};

struct ProcessResult {
  scenario::Verdict verdict;   // if `ended`
  bool ended = false;          // the scenario came to its end
  bool interrupted = false;    // SIGINT or SIGTERM
  std::string trouble;         // why it did not, if neither
};

// The scenario must be one that real processes can honour (scenario::unsupported).
ProcessResult run_on_processes(const scenario::Scenario& scenario, const ProcessOptions& options);

}  // namespace weft::testnet
