#include "testnet/watch.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "crypto/check.h"
#include "testnet/process.h"

namespace weft::testnet {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::array<std::string_view, 3> kOperations{"put", "get", "lookup"};
constexpr std::array<std::string_view, 3> kBuckets{"weft_put_seconds_bucket{", "weft_get_seconds_bucket{", "weft_lookup_seconds_bucket{"};

std::string text(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

std::string_view word(Sight sight) {
  switch (sight) {
    case Sight::kUnknown: return "unknown";
    case Sight::kAlive: return "alive";
    case Sight::kSuspect: return "suspect";
    case Sight::kFailed: return "failed";
    case Sight::kLeft: return "left";
  }
  return "unknown";
}

// The number behind the last space; 0 if it is none.
double value_of(std::string_view line) {
  const std::size_t space = line.rfind(' ');
  double value = 0;
  if (space != std::string_view::npos) std::from_chars(line.data() + space + 1, line.data() + line.size(), value);
  return value;
}

// What was added since; a counter that went back began anew.
double grown(double before, double now) { return now >= before ? now - before : now; }

// The upper end of the class in which the share lies, in milliseconds; nothing if it lies above all ends or nothing was counted.
std::optional<double> quantile(const std::array<double, Histogram::kEnds.size() + 1>& cumulative, double share) {
  const double all = cumulative.back();
  if (all <= 0) return std::nullopt;
  for (std::size_t i = 0; i < Histogram::kEnds.size(); ++i) {
    if (cumulative[i] >= share * all) return static_cast<double>(Histogram::kEnds[i].count()) / 1000;
  }
  return std::nullopt;
}

Json number(const std::optional<double>& value) { return value ? Json(*value) : Json(); }

}  // namespace

NodeTotals read_totals(std::string_view metrics) {
  NodeTotals out;
  std::array<std::size_t, 3> classes{};
  while (!metrics.empty()) {
    const std::size_t end = std::min(metrics.find('\n'), metrics.size());
    const std::string_view line = metrics.substr(0, end);
    metrics.remove_prefix(std::min(end + 1, metrics.size()));
    if (line.starts_with("weft_sent_bytes_total ")) out.bytes = value_of(line);
    else if (line.starts_with("weft_sent_packets_total ")) out.packets = value_of(line);
    else if (line.starts_with("weft_values ")) out.values = value_of(line);
    for (std::size_t op = 0; op < kBuckets.size(); ++op) {
      if (!line.starts_with(kBuckets[op]) || classes[op] >= out.operations[op].size()) continue;
      out.operations[op][classes[op]++] = value_of(line);
    }
  }
  return out;
}

Watch::Watch(Testbed& testbed) : testbed_(testbed) {
  testbed_.fleet.on_sight = [this](std::size_t observer, std::size_t subject, Sight state) {
    if (!watching_) return;
    if (events_.size() >= kEventsMax) {
      ++events_left_off_;
      return;
    }
    events_.push_back(text({{"t_ms", since_begin(mono_now())}, {"what", "sight"}, {"by", observer}, {"about", subject}, {"state", word(state)}}));
  };
}
Watch::~Watch() { testbed_.fleet.on_sight = nullptr; }

void Watch::begin(MonoTime now) {
  if (watching_) return;
  watching_ = true;
  runs_.clear();
  note_runs();
  events_.clear();
  told_ = node_lines();
  point_at_ = now;
}

void Watch::end() {
  watching_ = false;
  told_.clear();
  events_.clear();
  events_left_off_ = 0;
  points_.clear();
  before_.clear();
  now_.clear();
  rates_.reset();
}

// Of every observer that runs: how many it says are alive; of every subject: what they say of it.
std::vector<std::string> Watch::node_lines() const {
  const Fleet& fleet = testbed_.fleet;
  const std::vector<bool>& cut_off = testbed_.plan().cut_off;
  const std::size_t count = fleet.size();
  struct Seen {
    std::size_t members = 0;
    std::array<std::size_t, 5> by{};
  };
  std::vector<Seen> seen(count);
  for (std::size_t observer = 0; observer < count; ++observer) {
    if (fleet.node(observer).run != Run::kRunning || !fleet.node(observer).ready) continue;  // a paused one's views are those of before
    seen[observer].members = 1;
    for (std::size_t subject = 0; subject < count; ++subject) {
      if (subject == observer) continue;
      const Sight sight = fleet.sight(observer, subject);
      ++seen[subject].by[static_cast<std::size_t>(sight)];
      if (sight == Sight::kAlive) ++seen[observer].members;
    }
  }
  std::vector<std::string> lines;
  lines.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    const FleetNode& node = fleet.node(i);
    const auto by = [&seen, i](Sight sight) { return seen[i].by[static_cast<std::size_t>(sight)]; };
    lines.push_back(text({{"i", i},
                          {"name", node.name},
                          {"id", node.id},
                          {"run", to_string(node.run)},
                          {"ready", node.ready},
                          {"pid", node.run == Run::kDead ? Json() : Json(node.pid)},
                          {"listen", node.listen},
                          {"starts", node.starts},
                          {"cut_off", i < cut_off.size() && cut_off[i]},
                          {"members", seen[i].members},
                          {"seen", {{"alive", by(Sight::kAlive)}, {"suspect", by(Sight::kSuspect)}, {"failed", by(Sight::kFailed)}, {"left", by(Sight::kLeft)}}}}));
  }
  return lines;
}

std::string Watch::summary(bool churning) const {
  const Fleet& fleet = testbed_.fleet;
  const SightingsSummary all = fleet.summary();
  const FaultPlan& plan = testbed_.plan();
  return text({{"running", fleet.count(Run::kRunning)},
               {"paused", fleet.count(Run::kPaused)},
               {"dead", fleet.count(Run::kDead)},
               {"members_min", all.members_min},
               {"members_median", all.members_median},
               {"members_max", all.members_max},
               {"converged", all.converged},
               {"false_failures", fleet.false_failures()},
               {"ended_by_themselves", fleet.accidents()},
               {"link", plan.link},
               {"cut_off", std::ranges::count(plan.cut_off, true)},
               {"one_way", plan.one_way},
               {"churning", churning}});
}

std::string Watch::point(MonoTime now, const std::string& summary) const {
  const Fleet& fleet = testbed_.fleet;
  std::size_t suspects = 0, failed = 0;
  const std::vector<bool> present = fleet.present();
  for (std::size_t observer = 0; observer < present.size(); ++observer) {
    for (std::size_t subject = 0; present[observer] && subject < present.size(); ++subject) {
      if (!present[subject]) continue;
      suspects += fleet.sight(observer, subject) == Sight::kSuspect ? 1U : 0U;
      failed += fleet.sight(observer, subject) == Sight::kFailed ? 1U : 0U;
    }
  }
  Json out = Json::parse(summary);
  for (const char* other : {"paused", "dead", "converged", "ended_by_themselves", "link", "cut_off", "one_way", "churning"}) out.erase(other);
  out["t_ms"] = since_begin(now);
  out["suspects"] = suspects;
  out["failed"] = failed;
  for (const char* rate : {"bytes_per_node_s", "packets_per_node_s", "cpu_share", "values", "ops"}) out[rate] = nullptr;
  if (rates_) {
    out["bytes_per_node_s"] = rates_->bytes_per_node_s;
    out["packets_per_node_s"] = rates_->packets_per_node_s;
    out["cpu_share"] = rates_->cpu_share;
    out["values"] = rates_->values;
    Json ops;
    for (std::size_t op = 0; op < kOperations.size(); ++op) {
      ops[std::string(kOperations[op])] = {{"n", rates_->operations_per_s[op]}, {"p50_ms", number(rates_->p50_ms[op])}, {"p99_ms", number(rates_->p99_ms[op])}};
    }
    out["ops"] = std::move(ops);
  }
  return text(out);
}

void Watch::note_run(std::size_t node, Run run) {
  if (events_.size() >= 2 * kEventsMax) ++events_left_off_;
  else events_.push_back(text({{"t_ms", since_begin(mono_now())}, {"what", "run"}, {"node", node}, {"run", to_string(run)}}));
}

void Watch::note_runs() {
  const Fleet& fleet = testbed_.fleet;
  const bool first = runs_.empty();
  for (std::size_t i = 0; i < fleet.size(); ++i) {
    const std::pair now{fleet.node(i).run, fleet.node(i).starts};
    const bool known = i < runs_.size();
    if (known && runs_[i] == now) continue;
    // Ended and started again since the last look: both are told.
    const bool both = known && runs_[i].first != Run::kDead && now.first != Run::kDead && runs_[i].second != now.second;
    if (known) runs_[i] = now;
    else runs_.push_back(now);
    if (first) continue;
    if (both) note_run(i, Run::kDead);
    note_run(i, now.first);
  }
}

std::string Watch::snapshot(MonoTime now, bool churning) const {
  CHECK(watching_);
  const auto joined = [](const auto& parts) {
    std::string out = "[";
    for (const std::string& part : parts) out += (out.size() > 1 ? "," : "") + part;
    return out + "]";
  };
  return "{\"t_ms\":" + std::to_string(since_begin(now)) + ",\"wall_ms\":" + std::to_string(wall_ms()) + ",\"network\":" + text(testbed_.network) +
         ",\"dir\":" + text(testbed_.fleet.layout().dir) + ",\"version\":\"" WEFT_VERSION "\",\"nodes\":" + joined(node_lines()) + ",\"summary\":" + summary(churning) +
         ",\"points\":" + joined(points_) + "}";
}

std::string Watch::change(MonoTime now, bool churning) {
  CHECK(watching_);
  note_runs();
  std::string nodes;
  std::vector<std::string> lines = node_lines();
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (i < told_.size() && told_[i] == lines[i]) continue;
    nodes += (nodes.empty() ? "" : ",") + lines[i];
  }
  told_ = std::move(lines);
  const std::string all = summary(churning);
  std::string out = "{\"t_ms\":" + std::to_string(since_begin(now)) + ",\"nodes\":[" + nodes + "],\"summary\":" + all;
  if (now >= *point_at_) {
    point_at_ = now + kPointEvery;
    points_.push_back(point(now, all));
    if (points_.size() > kPointsMax) points_.pop_front();
    out += ",\"point\":" + points_.back();
  }
  out += ",\"events\":[";
  for (std::size_t i = 0; i < events_.size(); ++i) out += (i > 0 ? "," : "") + events_[i];
  out += "],\"events_left_off\":" + std::to_string(events_left_off_) + "}";
  events_.clear();
  events_left_off_ = 0;
  return out;
}

std::string Watch::sights() const {
  const Fleet& fleet = testbed_.fleet;
  Json rows = Json::array();
  for (std::size_t observer = 0; observer < fleet.size(); ++observer) {
    std::string row(fleet.size(), '-');
    if (fleet.node(observer).run == Run::kRunning) {
      for (std::size_t subject = 0; subject < row.size(); ++subject) row[subject] = ".asfl"[static_cast<std::size_t>(fleet.sight(observer, subject))];
    }
    rows.push_back(std::move(row));
  }
  return text({{"n", fleet.size()}, {"rows", std::move(rows)}});
}

void Watch::begin_sample() { now_.clear(); }

void Watch::add_sample(MonoTime now, std::size_t node, const NodeTotals& totals) {
  const FleetNode& of = testbed_.fleet.node(node);
  if (of.run == Run::kDead) return;
  now_[node] = {totals, cpu_us(of.pid), of.starts, now};
}

// Each node's rates by its own time, as answers of one round may lie seconds apart.
void Watch::end_sample() {
  Rates sum;
  std::array<std::array<double, Histogram::kEnds.size() + 1>, 3> operations{};
  std::size_t compared = 0;
  for (const auto& [node, sampled] : now_) {
    sum.values += sampled.totals.values;
    const auto earlier = before_.find(node);
    if (earlier == before_.end() || earlier->second.starts != sampled.starts) continue;
    const double passed_s = static_cast<double>(ms_between(earlier->second.at, sampled.at)) / 1000;
    if (passed_s <= 0) continue;
    ++compared;
    const NodeTotals& was = earlier->second.totals;
    sum.bytes_per_node_s += grown(was.bytes, sampled.totals.bytes) / passed_s;
    sum.packets_per_node_s += grown(was.packets, sampled.totals.packets) / passed_s;
    sum.cpu_share += grown(static_cast<double>(earlier->second.cpu_us), static_cast<double>(sampled.cpu_us)) / 1e6 / passed_s;
    for (std::size_t op = 0; op < operations.size(); ++op) {
      for (std::size_t i = 0; i < operations[op].size(); ++i) operations[op][i] += grown(was.operations[op][i], sampled.totals.operations[op][i]);
      sum.operations_per_s[op] += grown(was.operations[op].back(), sampled.totals.operations[op].back()) / passed_s;
    }
  }
  rates_.reset();
  if (compared > 0) {
    sum.bytes_per_node_s /= static_cast<double>(compared);
    sum.packets_per_node_s /= static_cast<double>(compared);
    for (std::size_t op = 0; op < operations.size(); ++op) {
      sum.p50_ms[op] = quantile(operations[op], 0.5);
      sum.p99_ms[op] = quantile(operations[op], 0.99);
    }
    rates_ = sum;
  }
  before_ = std::move(now_);
  now_.clear();
}

}  // namespace weft::testnet
