// How much a testnet does: what its nodes count, and what that makes a second. Pure but for who hands in the times. One thread.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <string_view>

#include "crypto/histogram.h"
#include "testnet/clock.h"

namespace weft::testnet {

// What is counted of put, get and lookup, in this order.
inline constexpr std::array<std::string_view, 3> kOperations{"put", "get", "lookup"};
// Operations by class of Histogram, cumulative, the last one of all.
using Classes = std::array<double, Histogram::kEnds.size() + 1>;

// What one node has counted since it started, read off its metrics.
struct NodeTotals {
  double bytes = 0, packets = 0, values = 0, own_values = 0;
  std::array<Classes, 3> operations{};
  std::array<double, 3> failed{};  // of operations
  Classes state_lag{};
};
// Lines that are none of those wanted are passed over.
NodeTotals read_totals(std::string_view metrics);

// What is not known is none.
struct Rates {
  struct Operation {
    double per_s = 0;
    std::optional<double> p50_ms, p99_ms;
    std::optional<double> failed_per_s;
  };
  std::optional<double> bytes_per_node_s, packets_per_node_s, cpu_share, values;
  std::optional<double> copies;  // what running nodes hold, over what all have to keep alive: those that do not run, too
  std::optional<double> state_lag_p50_ms, state_lag_p99_ms;
  std::array<Operation, 3> operations{};
};
// The upper end of the class in which the share lies, in milliseconds; nothing if it lies above all ends or nothing was counted.
std::optional<double> quantile(const Classes& cumulative, double share);

// Rounds of samples: each node's totals, and what they make with those of the round before.
class RateMeter {
 public:
  void begin_round() { now_.clear(); }
  void add(MonoTime now, std::size_t node, const NodeTotals& totals, std::uint64_t cpu_us, std::size_t starts) { now_[node] = {totals, cpu_us, starts, now}; }
  void end_round();
  void forget();
  const std::optional<Rates>& rates() const { return rates_; }

 private:
  struct Sampled {
    NodeTotals totals;
    std::uint64_t cpu_us = 0;
    std::size_t starts = 0;
    MonoTime at{};
  };
  std::map<std::size_t, Sampled> before_, now_;
  std::map<std::size_t, double> own_values_;  // of each node, when it was heard last
  std::optional<Rates> rates_;
};

}  // namespace weft::testnet
