#include "testnet/rates.h"

#include <algorithm>
#include <charconv>

namespace weft::testnet {
namespace {

constexpr std::array<std::string_view, 4> kBuckets{"weft_put_seconds_bucket{", "weft_get_seconds_bucket{", "weft_lookup_seconds_bucket{", "weft_state_lag_seconds_bucket{"};
constexpr std::string_view kFailed = "weft_operations_failed_total{operation=\"";

// The number behind the last space; 0 if it is none.
double value_of(std::string_view line) {
  const std::size_t space = line.rfind(' ');
  double value = 0;
  if (space != std::string_view::npos) std::from_chars(line.data() + space + 1, line.data() + line.size(), value);
  return value;
}

// What was added since; a counter that went back began anew.
double grown(double before, double now) { return now >= before ? now - before : now; }
void add_grown(Classes& sum, const Classes& before, const Classes& now) {
  for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += grown(before[i], now[i]);
}

}  // namespace

std::optional<double> quantile(const Classes& cumulative, double share) {
  const double all = cumulative.back();
  if (all <= 0) return std::nullopt;
  for (std::size_t i = 0; i < Histogram::kEnds.size(); ++i) {
    if (cumulative[i] >= share * all) return static_cast<double>(Histogram::kEnds[i].count()) / 1000;
  }
  return std::nullopt;
}

NodeTotals read_totals(std::string_view metrics) {
  NodeTotals out;
  std::array<std::size_t, kBuckets.size()> classes{};
  while (!metrics.empty()) {
    const std::size_t end = std::min(metrics.find('\n'), metrics.size());
    const std::string_view line = metrics.substr(0, end);
    metrics.remove_prefix(std::min(end + 1, metrics.size()));
    if (line.starts_with("weft_sent_bytes_total ")) out.bytes = value_of(line);
    else if (line.starts_with("weft_sent_packets_total ")) out.packets = value_of(line);
    else if (line.starts_with("weft_values ")) out.values = value_of(line);
    else if (line.starts_with("weft_own_values ")) out.own_values = value_of(line);
    for (std::size_t of = 0; of < kBuckets.size(); ++of) {
      Classes& into = of < out.operations.size() ? out.operations[of] : out.state_lag;
      if (line.starts_with(kBuckets[of]) && classes[of] < into.size()) into[classes[of]++] = value_of(line);
    }
    for (std::size_t op = 0; op < kOperations.size() && line.starts_with(kFailed); ++op) {
      if (line.substr(kFailed.size()).starts_with(kOperations[op])) out.failed[op] = value_of(line);
    }
  }
  return out;
}

// Each node's rates by its own time, as answers of one round may lie seconds apart.
void RateMeter::end_round() {
  double bytes = 0, packets = 0, cpu = 0, values = 0;
  Rates sum;
  std::array<Classes, 3> operations{};
  Classes lag{};
  for (Rates::Operation& op : sum.operations) op.failed_per_s = 0;
  std::size_t compared = 0;
  for (const auto& [node, sampled] : now_) {
    values += sampled.totals.values;
    own_values_[node] = sampled.totals.own_values;
    const auto earlier = before_.find(node);
    if (earlier == before_.end() || earlier->second.starts != sampled.starts) continue;
    const double passed_s = static_cast<double>(ms_between(earlier->second.at, sampled.at)) / 1000;
    if (passed_s <= 0) continue;
    ++compared;
    const NodeTotals& was = earlier->second.totals;
    bytes += grown(was.bytes, sampled.totals.bytes) / passed_s;
    packets += grown(was.packets, sampled.totals.packets) / passed_s;
    cpu += grown(static_cast<double>(earlier->second.cpu_us), static_cast<double>(sampled.cpu_us)) / 1e6 / passed_s;
    for (std::size_t op = 0; op < operations.size(); ++op) {
      add_grown(operations[op], was.operations[op], sampled.totals.operations[op]);
      sum.operations[op].per_s += grown(was.operations[op].back(), sampled.totals.operations[op].back()) / passed_s;
      *sum.operations[op].failed_per_s += grown(was.failed[op], sampled.totals.failed[op]) / passed_s;
    }
    add_grown(lag, was.state_lag, sampled.totals.state_lag);
  }
  rates_.reset();
  if (compared > 0) {
    sum.bytes_per_node_s = bytes / static_cast<double>(compared);
    sum.packets_per_node_s = packets / static_cast<double>(compared);
    sum.cpu_share = cpu;
    sum.values = values;
    double own = 0;
    for (const auto& [node, kept] : own_values_) own += kept;
    if (own > 0) sum.copies = values / own;
    sum.state_lag_p50_ms = quantile(lag, 0.5);
    sum.state_lag_p99_ms = quantile(lag, 0.99);
    for (std::size_t op = 0; op < operations.size(); ++op) {
      sum.operations[op].p50_ms = quantile(operations[op], 0.5);
      sum.operations[op].p99_ms = quantile(operations[op], 0.99);
    }
    rates_ = sum;
  }
  before_ = std::move(now_);
  now_.clear();
}

void RateMeter::forget() {
  before_.clear();
  now_.clear();
  own_values_.clear();
  rates_.reset();
}

}  // namespace weft::testnet
