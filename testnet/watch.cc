#include "testnet/watch.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "crypto/check.h"

namespace weft::testnet {
namespace {

using Json = nlohmann::ordered_json;

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

Json number(const std::optional<double>& value) { return value ? Json(*value) : Json(); }

}  // namespace

void Watch::note_sight(std::int64_t t_ms, std::size_t observer, std::size_t subject, Sight state) {
  if (!watching_) return;
  if (events_.size() >= kEventsMax) {
    ++events_left_off_;
    return;
  }
  events_.push_back(text({{"t_ms", t_ms}, {"what", "sight"}, {"by", observer}, {"about", subject}, {"state", word(state)}}));
}

void Watch::begin(MonoTime now) {
  if (watching_) return;
  watching_ = true;
  runs_.clear();
  note_runs(now, /*first=*/true);
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
}

// Of every observer that runs: how many it says are alive; of every subject: what they say of it.
std::vector<std::string> Watch::node_lines() const {
  const std::size_t count = shown_.size();
  struct Seen {
    std::size_t members = 0;
    std::array<std::size_t, 5> by{};
  };
  std::vector<Seen> seen(count);
  std::vector<ShownNode> nodes;
  nodes.reserve(count);
  for (std::size_t i = 0; i < count; ++i) nodes.push_back(shown_.node(i));
  std::vector<Sight> row(count);
  for (std::size_t observer = 0; observer < count; ++observer) {
    if (nodes[observer].run != Run::kRunning || !nodes[observer].ready) continue;  // a paused one's views are those of before
    seen[observer].members = 1;
    shown_.sights(observer, row);
    for (std::size_t subject = 0; subject < count; ++subject) {
      if (subject == observer) continue;
      ++seen[subject].by[static_cast<std::size_t>(row[subject])];
      if (row[subject] == Sight::kAlive) ++seen[observer].members;
    }
  }
  std::vector<std::string> lines;
  lines.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    const ShownNode& node = nodes[i];
    const auto by = [&seen, i](Sight sight) { return seen[i].by[static_cast<std::size_t>(sight)]; };
    lines.push_back(text({{"i", i},
                          {"name", node.name},
                          {"id", node.id},
                          {"run", to_string(node.run)},
                          {"ready", node.ready},
                          {"pid", node.pid ? Json(*node.pid) : Json()},
                          {"listen", node.listen},
                          {"starts", node.starts},
                          {"cut_off", node.cut_off},
                          {"members", seen[i].members},
                          {"seen", {{"alive", by(Sight::kAlive)}, {"suspect", by(Sight::kSuspect)}, {"failed", by(Sight::kFailed)}, {"left", by(Sight::kLeft)}}}}));
  }
  return lines;
}

std::string Watch::summary() const {
  const ShownWhole all = shown_.whole();
  std::array<std::size_t, 3> runs{};
  for (std::size_t i = 0; i < shown_.size(); ++i) ++runs[static_cast<std::size_t>(shown_.run(i))];
  const auto count = [&runs](Run run) { return runs[static_cast<std::size_t>(run)]; };
  Json out = {{"running", count(Run::kRunning)},
              {"paused", count(Run::kPaused)},
              {"dead", count(Run::kDead)},
              {"members_min", all.members.members_min},
              {"members_median", all.members.members_median},
              {"members_max", all.members.members_max},
              {"converged", all.members.converged},
              {"false_failures", all.false_failures},
              {"ended_by_themselves", all.ended_by_themselves},
              {"link", all.link},
              {"cut_off", all.cut_off},
              {"one_way", all.one_way},
              {"churning", all.churning}};
  if (const auto replay = shown_.replay()) {
    out["phase"] = replay->phase;
    out["ended"] = replay->ended;
  }
  return text(out);
}

std::string Watch::point(MonoTime now, const std::string& summary) const {
  std::size_t suspects = 0, failed = 0;
  const std::vector<bool> present = shown_.present();
  std::vector<Sight> row(shown_.size());
  for (std::size_t observer = 0; observer < present.size(); ++observer) {
    if (!present[observer]) continue;
    shown_.sights(observer, row);
    for (std::size_t subject = 0; subject < present.size(); ++subject) {
      if (!present[subject]) continue;
      suspects += row[subject] == Sight::kSuspect ? 1U : 0U;
      failed += row[subject] == Sight::kFailed ? 1U : 0U;
    }
  }
  const Json all = Json::parse(summary);
  Json out = {{"t_ms", shown_.t_ms(now)}};
  for (const char* name : {"running", "members_min", "members_median", "members_max", "false_failures"}) out[name] = all.at(name);
  out["suspects"] = suspects;
  out["failed"] = failed;
  for (const char* rate : {"bytes_per_node_s", "packets_per_node_s", "cpu_share", "values", "copies", "state_lag_p50_ms", "state_lag_p99_ms", "ops"}) out[rate] = nullptr;
  if (const auto& rates = shown_.rates()) {
    out["bytes_per_node_s"] = number(rates->bytes_per_node_s);
    out["packets_per_node_s"] = number(rates->packets_per_node_s);
    out["cpu_share"] = number(rates->cpu_share);
    out["values"] = number(rates->values);
    out["copies"] = number(rates->copies);
    out["state_lag_p50_ms"] = number(rates->state_lag_p50_ms);
    out["state_lag_p99_ms"] = number(rates->state_lag_p99_ms);
    Json ops;
    for (std::size_t op = 0; op < kOperations.size(); ++op) {
      const Rates::Operation& of = rates->operations[op];
      ops[std::string(kOperations[op])] = {{"n", of.per_s}, {"p50_ms", number(of.p50_ms)}, {"p99_ms", number(of.p99_ms)}, {"failed", number(of.failed_per_s)}};
    }
    out["ops"] = std::move(ops);
  }
  return text(out);
}

void Watch::note_run(MonoTime now, std::size_t node, Run run) {
  if (events_.size() >= 2 * kEventsMax) ++events_left_off_;
  else events_.push_back(text({{"t_ms", shown_.t_ms(now)}, {"what", "run"}, {"node", node}, {"run", to_string(run)}}));
}

void Watch::note_runs(MonoTime at, bool first) {
  for (std::size_t i = 0; i < shown_.size(); ++i) {
    const std::pair now{shown_.run(i), shown_.starts(i)};
    const bool known = i < runs_.size();
    if (known && runs_[i] == now) continue;
    // Ended and started again since the last look: both are told.
    const bool both = known && runs_[i].first != Run::kDead && now.first != Run::kDead && runs_[i].second != now.second;
    if (known) runs_[i] = now;
    else runs_.push_back(now);
    if (first) continue;
    if (both) note_run(at, i, Run::kDead);
    note_run(at, i, now.first);
  }
}

std::string Watch::snapshot(MonoTime now) const {
  CHECK(watching_);
  const auto joined = [](const auto& parts) {
    std::string out = "[";
    for (const std::string& part : parts) out += (out.size() > 1 ? "," : "") + part;
    return out + "]";
  };
  std::string replay;
  if (const auto facts = shown_.replay()) replay = ",\"replay\":true,\"length_ms\":" + std::to_string(facts->length_ms) + ",\"speed\":" + text(facts->speed);
  return "{\"t_ms\":" + std::to_string(shown_.t_ms(now)) + ",\"wall_ms\":" + std::to_string(wall_ms()) + ",\"network\":" + text(shown_.network()) +
         ",\"dir\":" + text(shown_.dir()) + ",\"version\":\"" WEFT_VERSION "\"" + replay + ",\"nodes\":" + joined(node_lines()) + ",\"summary\":" + summary() +
         ",\"points\":" + joined(points_) + "}";
}

std::string Watch::change(MonoTime now) {
  CHECK(watching_);
  note_runs(now, /*first=*/false);
  std::string nodes;
  std::vector<std::string> lines = node_lines();
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (i < told_.size() && told_[i] == lines[i]) continue;
    nodes += (nodes.empty() ? "" : ",") + lines[i];
  }
  told_ = std::move(lines);
  const std::string all = summary();
  std::string out = "{\"t_ms\":" + std::to_string(shown_.t_ms(now)) + ",\"nodes\":[" + nodes + "],\"summary\":" + all;
  // Where a recording has ended nothing new comes.
  const auto replay = shown_.replay();
  if (now >= *point_at_ && !(replay && replay->ended && told_end_)) {
    point_at_ = now + kPointEvery;
    points_.push_back(point(now, all));
    if (points_.size() > kPointsMax) points_.pop_front();
    out += ",\"point\":" + points_.back();
    told_end_ = replay && replay->ended;
  }
  out += ",\"events\":[";
  for (std::size_t i = 0; i < events_.size(); ++i) out += (i > 0 ? "," : "") + events_[i];
  out += "],\"events_left_off\":" + std::to_string(events_left_off_) + "}";
  events_.clear();
  events_left_off_ = 0;
  return out;
}

std::string Watch::sights() const {
  std::vector<Sight> said(shown_.size());
  Json rows = Json::array();
  for (std::size_t observer = 0; observer < said.size(); ++observer) {
    std::string row(said.size(), '-');
    if (shown_.run(observer) == Run::kRunning) {
      shown_.sights(observer, said);
      for (std::size_t subject = 0; subject < row.size(); ++subject) row[subject] = ".asfl"[static_cast<std::size_t>(said[subject])];
    }
    rows.push_back(std::move(row));
  }
  return text({{"n", said.size()}, {"rows", std::move(rows)}});
}

}  // namespace weft::testnet
