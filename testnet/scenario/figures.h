// The figures of one phase, and of the whole run: sums and samples that become JSON.
#pragma once

#include <nlohmann/json.hpp>
#include <vector>

#include "testnet/scenario/director.h"

namespace weft::scenario {

// Samples of one kind. Beyond kSamplesMax they are counted and not kept.
class Samples {
 public:
  void add(std::uint64_t value);
  void add(const Samples& other);
  // {"n", "p50", "p95", "p99", "max"} with values divided by `unit`; null figures without samples.
  nlohmann::ordered_json json(double unit) const;

 private:
  std::vector<std::uint64_t> values_;
  std::uint64_t n_ = 0;
  std::uint64_t max_ = 0;
};

struct OpFigures {
  std::uint64_t ops = 0;
  std::uint64_t ok = 0;
  std::uint64_t wrong = 0;       // get: bytes that nobody put
  std::uint64_t stale = 0;       // get: older than what was acknowledged (director.h)
  // get: of values whose owner was up within kOwedFor; of these neither read nor lost with their reader.
  std::uint64_t owed = 0;
  std::uint64_t owed_unread = 0;
  // lookup: of so many a world could tell whether they found the nearest (director.h), and so many did, or missed
  // newcomers alone.
  std::uint64_t judged = 0, right = 0, newcomers_missed = 0;
  std::map<std::string, std::uint64_t> errors;
  Samples latency_us, hops, queries;

  void add(const OpOutcome& outcome);
  void add(const OpFigures& other);
  nlohmann::ordered_json json() const;
};

struct Figures {
  std::string name;
  Duration start{};
  Duration end{};
  std::uint64_t lived_us = 0;
  Counters counters;             // what was added during the phase
  std::size_t nodes_alive = 0;   // at its end
  bool converged = false;        // at its end
  std::optional<Duration> converge;  // from the last change of the truth, or its begin if later
  std::uint64_t false_failures = 0;
  Samples detect_first_us, detect_all_us;
  std::uint64_t deaths_unseen = 0;  // some observer never noticed, and the node did not return
  OpFigures puts, gets, lookups;
  OpFigures writes;                        // of shared state
  std::optional<bool> state_equal;         // at its end
  std::optional<Duration> state_converge;  // from the last acknowledged write, or its begin if later
  std::uint64_t state_sent = 0, state_received = 0;  // entries
  Samples everywhere_us;                   // from a write until all have it

  // Adds a later phase's figures: sums and samples; state is the later one's.
  void add(const Figures& later);
  nlohmann::ordered_json json() const;
};

}  // namespace weft::scenario
