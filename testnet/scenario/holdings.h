// What nodes hold, for the log of a run: values, and how late entries of shared state came. Pure. One thread.
//
// Counts of a node begin anew with each of its lives; what is summed up here goes on. Of a node that does not run what it has to keep alive
// still counts: others hold it.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>

#include "crypto/histogram.h"

namespace weft::scenario {

struct Holdings {
  using Classes = std::array<std::uint64_t, Histogram::kEnds.size() + 1>;  // those of Histogram
  std::uint64_t values = 0;      // held by nodes that run
  std::uint64_t own_values = 0;  // that all nodes have put and keep alive
  Classes arrivals{};            // entries of shared state that came from others, by how long after they were written
};

class HoldingsMeter {
 public:
  // A look at all nodes that run: begin(), add() of each, then now().
  void begin() { now_.values = 0; }
  // `life`: another number in each life of the node.
  void add(std::size_t node, std::uint64_t life, std::uint64_t values, std::uint64_t own_values, const Holdings::Classes& arrivals) {
    Seen& seen = seen_[node];
    if (seen.life != life) seen.arrivals = {};
    for (std::size_t i = 0; i < arrivals.size(); ++i) now_.arrivals[i] += arrivals[i] - std::min(arrivals[i], seen.arrivals[i]);
    now_.values += values;
    now_.own_values += own_values - seen.own_values;
    seen = {life, own_values, arrivals};
  }
  // A node that is about to end has to keep so many alive.
  void keeps(std::size_t node, std::uint64_t own_values) {
    Seen& seen = seen_[node];
    now_.own_values += own_values - seen.own_values;
    seen.own_values = own_values;
  }
  const Holdings& now() const { return now_; }

 private:
  struct Seen {
    std::uint64_t life = 0, own_values = 0;
    Holdings::Classes arrivals{};
  };
  std::map<std::size_t, Seen> seen_;
  Holdings now_;
};

}  // namespace weft::scenario
