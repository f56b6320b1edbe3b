#include "testnet/sim/world_inside.h"

#include <algorithm>

#include "crypto/check.h"

namespace weft::sim {
namespace {

using scenario::Command;

// A lookup must find at least this share of the truly closest after the heal phase.
constexpr std::uint32_t kClosestPpm = 950'000;
constexpr Duration kFinalMax = 60s;  // for the gets and lookups after the heal phase

}  // namespace

void World::carry_out(const Command& command) {
  std::visit([this](const auto& c) { (*this)(c); }, command);
}

void World::run_until(Duration when) {
  while (true) {
    Duration step = when;
    if (!spawns_.empty()) step = std::min(step, std::max(spawns_.front().first, at()));
    if (step > at()) network_.run_for(step - at());
    for (const NodeIndex node : leaving_) {
      crash(node);  // said goodbye; ends
    }
    leaving_.clear();
    if (spawns_.empty() || spawns_.front().first > at()) break;
    const NodeIndex node = spawns_.front().second;
    spawns_.erase(spawns_.begin());
    boot(node);
  }
}

// After the heal phase: what was stored is found where somebody holds it, lookups find the closest.
void World::final_checks() {
  const Duration end = at();
  std::vector<NodeIndex> living;
  for (NodeIndex i = 0; i < network_.size(); ++i) {
    if (network_.alive(i) && director_.up(i)) living.push_back(i);
  }
  if (!director_.converged() && plan_.membership) {
    checkers_.violation("membership", end, std::nullopt, "after the heal phase not every node lists exactly the " +
                                               std::to_string(living.size()) + " living");
  }
  if (director_.open_ops() != 0) {
    checkers_.violation("stuck", end, std::nullopt, std::to_string(director_.open_ops()) + " operations are open");
  }
  if (living.empty()) return;
  Rng rng = Rng(plan_.seed).fork("final");
  const auto& stored = director_.stored();
  for (std::size_t i = 0; i < kFinalGets && !stored.empty(); ++i) {
    const std::size_t which = rng.below(stored.size());
    const NodeIndex asker = living[rng.below(living.size())];
    ++final_open_;
    begin(asker, {.number = 0, .since = {}, .final_check = true, .target = {}, .key_index = which},
          [&](node::NodeCore& core, Now now, node::Output& out) {
            return core.get(now, dht::key_of_text(stored[which].key),
                            {.author = network_.id(stored[which].writer)}, out);
          });
  }
  for (std::size_t i = 0; i < kFinalLookups; ++i) {
    NodeId target;
    for (auto& byte : target.bytes) byte = static_cast<std::uint8_t>(rng.below(256));
    for (std::size_t k = 0; k < kFinalAskers; ++k) {
      const NodeIndex asker = living[rng.below(living.size())];
      ++final_open_;
      begin(asker, {.number = 0, .since = {}, .final_check = true, .target = target, .key_index = 0},
            [&](node::NodeCore& core, Now now, node::Output& out) {
              return core.lookup(now, target, {}, out);
            });
    }
  }
  network_.run_until([this] { return final_open_ == 0; }, kFinalMax);
  if (final_open_ != 0) {
    checkers_.violation("stuck", at(), std::nullopt, std::to_string(final_open_) +
                                           " gets and lookups after the heal phase did not end");
  }
  const std::uint64_t mean = final_lookups_ == 0 ? 1'000'000 : closest_ppm_ / final_lookups_;
  if (mean < kClosestPpm) {
    checkers_.violation("closest", at(), std::nullopt, "lookups find " + std::to_string(mean / 10'000) +
                                             " % of the truly closest");
  }
}

RunResult World::run() {
  std::vector<Command> commands;
  Duration inspect_at = kInspectEvery;
  bool stopped = false;
  while (!director_.done() && !stopped) {
    const auto next = director_.next();
    Duration until = std::max(*next, at());
    until = std::min(until, inspect_at);
    run_until(until);
    if (at() >= inspect_at) {
      inspect_at += kInspectEvery;
      if (options_.checkers) inspect();
      if (options_.progress) options_.progress(at(), network_.events_total());
      stopped = options_.stop && options_.stop();
    }
    if (options_.meddle) options_.meddle(network_, at());
    commands.clear();
    director_.advance(at(), commands);
    for (const Command& command : commands) carry_out(command);
  }
  if (options_.checkers) inspect();
  if (shared_ && options_.checkers) {
    if (!stopped) shared_->final_checks();
    for (const std::string& problem : shared_->take_problems()) checkers_.violation("state", at(), std::nullopt, problem);
  }
  if (stopped) director_.cut_short(at());
  else if (options_.checkers) final_checks();
  network_.mix_digests();
  RunResult result;
  result.verdict = director_.verdict();
  result.violations = checkers_.violations();
  result.violations_total = checkers_.total();
  result.trace_hash = network_.trace_hash();
  result.events = network_.events_total();
  for (NodeIndex i = 0; i < network_.size(); ++i) {
    if (network_.alive(i)) count_branches(network_.core(i).status(), branches_);
  }
  result.branches = std::move(branches_);
  result.virtual_time = at();
  result.interrupted = stopped;
  nlohmann::ordered_json found = nlohmann::ordered_json::array();
  for (const Violation& v : result.violations) {
    found.push_back({{"checker", v.checker}, {"t_ms", v.at.count() / 1000},
                     {"detail", v.detail}});
  }
  result.verdict.report["violations"] = std::move(found);
  if (shared_) {
    const SharedSpace::Acknowledged a = shared_->acknowledged();
    result.verdict.report["acknowledged"] = {{"entries", a.entries}, {"lost_with_a_disk", a.lost}, {"nowhere_reachable", a.unreachable}, {"stamped_ahead", a.ahead}};
  }
  if (stopped) result.verdict.report["interrupted_ms"] = at() / 1ms;
  result.verdict.report["passed"] = result.passed();
  return result;
}

RunResult run_scenario(const scenario::Scenario& scenario, const RunOptions& options) {
  World world(scenario, options);
  return world.run();
}

}  // namespace weft::sim
