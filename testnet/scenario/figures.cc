#include "testnet/scenario/figures.h"

#include <algorithm>

namespace weft::scenario {
namespace {

using Json = nlohmann::ordered_json;

Json seconds(Duration d) { return static_cast<double>(d.count()) / 1e6; }

Json share(std::uint64_t part, std::uint64_t of) {
  return of == 0 ? Json(nullptr) : Json(static_cast<double>(part) / static_cast<double>(of));
}

}  // namespace

void Samples::add(std::uint64_t value) {
  ++n_;
  max_ = std::max(max_, value);
  if (values_.size() < kSamplesMax) values_.push_back(value);
}

void Samples::add(const Samples& other) {
  n_ += other.n_;
  max_ = std::max(max_, other.max_);
  const std::size_t room = kSamplesMax - values_.size();
  const std::size_t take = std::min(room, other.values_.size());
  values_.insert(values_.end(), other.values_.begin(),
                 other.values_.begin() + static_cast<std::ptrdiff_t>(take));
}

Json Samples::json(double unit) const {
  Json out = {{"n", n_}};
  if (values_.empty()) {
    for (const char* name : {"p50", "p95", "p99", "max"}) out[name] = nullptr;
    return out;
  }
  std::vector<std::uint64_t> sorted = values_;
  std::ranges::sort(sorted);
  // The nearest rank: the smallest sample that at least this share does not exceed.
  const auto rank = [&](std::size_t percent) {
    const std::size_t at = (sorted.size() * percent + 99) / 100;
    return static_cast<double>(sorted[std::max<std::size_t>(at, 1) - 1]) / unit;
  };
  out["p50"] = rank(50);
  out["p95"] = rank(95);
  out["p99"] = rank(99);
  out["max"] = static_cast<double>(max_) / unit;
  return out;
}

void OpFigures::add(const OpOutcome& outcome) {
  ++ops;
  judged += outcome.nearest != Nearest::kUntold ? 1U : 0U;
  right += outcome.nearest == Nearest::kRight ? 1U : 0U;
  newcomers_missed += outcome.nearest == Nearest::kNewcomerMissed ? 1U : 0U;
  if (outcome.ok) {
    ++ok;
    latency_us.add(static_cast<std::uint64_t>(outcome.latency.count()));
    hops.add(outcome.hops);
    queries.add(outcome.queries);
  } else {
    ++errors[outcome.error];
    if (outcome.error == kWrongBytes) ++wrong;
  }
}

void OpFigures::add(const OpFigures& other) {
  ops += other.ops;
  ok += other.ok;
  wrong += other.wrong;
  stale += other.stale;
  owed += other.owed;
  owed_unread += other.owed_unread;
  judged += other.judged;
  right += other.right;
  newcomers_missed += other.newcomers_missed;
  for (const auto& [error, n] : other.errors) errors[error] += n;
  latency_us.add(other.latency_us);
  hops.add(other.hops);
  queries.add(other.queries);
}

Json OpFigures::json() const {
  return {{"ops", ops}, {"ok", ok}, {"ok_share", share(ok, ops)}, {"wrong", wrong}, {"stale", stale},
          {"owed", owed}, {"owed_unread", owed_unread}, {"judged", judged}, {"right_share", share(right, judged)},
          {"newcomers_missed", newcomers_missed}, {"errors", errors}, {"latency_ms", latency_us.json(1e3)}, {"hops", hops.json(1)},
          {"queries", queries.json(1)}};
}

void Figures::add(const Figures& later) {
  end = later.end;
  lived_us += later.lived_us;
  counters.bytes += later.counters.bytes;
  counters.packets += later.counters.packets;
  counters.cpu_us += later.counters.cpu_us;
  counters.pss_mean_kib = later.counters.pss_mean_kib;
  counters.names += later.counters.names;
  for (const auto& [kind, sent] : later.counters.kinds) {
    counters.kinds[kind].packets += sent.packets;
    counters.kinds[kind].bytes += sent.bytes;
  }
  for (const auto& [role, n] : later.counters.lies) counters.lies[role] += n;
  nodes_alive = later.nodes_alive;
  converged = later.converged;
  converge = later.converge;
  false_failures += later.false_failures;
  detect_first_us.add(later.detect_first_us);
  detect_all_us.add(later.detect_all_us);
  deaths_unseen += later.deaths_unseen;
  puts.add(later.puts);
  gets.add(later.gets);
  lookups.add(later.lookups);
  writes.add(later.writes);
  state_equal = later.state_equal;
  state_converge = later.state_converge;
  state_sent += later.state_sent;
  state_received += later.state_received;
  everywhere_us.add(later.everywhere_us);
}

Json Figures::json() const {
  const double lived_s = static_cast<double>(lived_us) / 1e6;
  const auto per_node_s = [&](std::uint64_t n) {
    return lived_us == 0 ? Json(nullptr) : Json(static_cast<double>(n) / lived_s);
  };
  Json out = {{"name", name},
              {"start_s", seconds(start)},
              {"end_s", seconds(end)},
              {"nodes_alive", nodes_alive},
              {"members",
               {{"converged", converged},
                {"converge_s", converge ? seconds(*converge) : Json(nullptr)},
                {"false_failures", false_failures},
                {"detect_first_s", detect_first_us.json(1e6)},
                {"detect_all_s", detect_all_us.json(1e6)},
                {"deaths_unseen", deaths_unseen}}},
              {"puts", puts.json()},
              {"gets", gets.json()},
              {"lookups", lookups.json()},
              {"state",
               {{"converged", state_equal ? Json(*state_equal) : Json(nullptr)},
                {"converge_s", state_converge ? seconds(*state_converge) : Json(nullptr)},
                {"writes", writes.ops},
                {"ok", writes.ok},
                {"ok_share", share(writes.ok, writes.ops)},
                {"errors", writes.errors},
                {"latency_ms", writes.latency_us.json(1e3)},
                {"everywhere_ms", everywhere_us.json(1e3)},
                {"copies_per_delivery", share(state_sent, state_received)}}},
              {"traffic",
               {{"bytes_per_node_s", per_node_s(counters.bytes)},
                {"packets_per_node_s", per_node_s(counters.packets)}}},
              {"cpu_share",
               end == start ? Json(nullptr)
                            : Json(static_cast<double>(counters.cpu_us) /
                                   static_cast<double>((end - start).count()))},
              {"memory", {{"pss_mean_kib", counters.pss_mean_kib}}}};
  if (!counters.kinds.empty()) {
    out["traffic"]["names_per_node_s"] = per_node_s(counters.names);
    for (const auto& [kind, sent] : counters.kinds) {
      out["traffic"]["by_kind"][kind] = {{"bytes_per_node_s", per_node_s(sent.bytes)}, {"packets_per_node_s", per_node_s(sent.packets)}};
    }
  }
  if (!counters.lies.empty()) out["lies"] = counters.lies;
  return out;
}

}  // namespace weft::scenario
