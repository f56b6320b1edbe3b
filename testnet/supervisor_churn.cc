#include "testnet/supervisor_churn.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace weft::testnet {

namespace {

constexpr Milliseconds kReportEvery{5000};
constexpr Milliseconds kLookupEvery{1000};
constexpr Milliseconds kLookupTimeout{10'000};
constexpr Milliseconds kPauseMin{1000};

// The lookup of a node's id is right if that node is the closest found.
bool found(const CallResult& result, const std::string& id) {
  if (result.status != CallStatus::kAnswered || result.response.status != 200) return false;
  const auto answer = nlohmann::json::parse(result.response.body, nullptr, false);
  if (!answer.is_object() || !answer.contains("closest")) return false;
  const auto& closest = answer["closest"];
  if (!closest.is_array() || closest.empty() || !closest[0].is_object()) return false;
  return closest[0].contains("id") && closest[0]["id"] == id;
}

}  // namespace

Churn::Churn(Testbed& testbed, const ChurnOptions& options)
    : testbed_(testbed),
      options_(options),
      rng_(testbed.rng.fork("churn")),
      begun_(mono_now()),
      report_due_(begun_ + kReportEvery),
      lookup_due_(begun_ + kLookupEvery),
      false_failures_before_(testbed.fleet.false_failures()),
      counts_(std::make_shared<Counts>()) {}

Churn::~Churn() {
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].down) testbed_.revive(i);
  }
}

MonoTime Churn::next_session(MonoTime now) {
  return now + draw_session(options_.model, options_.median, rng_);
}

void Churn::turn_over(MonoTime now) {
  Fleet& fleet = testbed_.fleet;
  const Milliseconds pause = std::max(kPauseMin, options_.median / 10);
  bool changed = false;
  while (slots_.size() < fleet.size()) slots_.push_back({next_session(now)});
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    Slot& slot = slots_[i];
    if (now < slot.due) continue;
    const Run run = fleet.node(i).run;
    if (!slot.down && run == Run::kRunning && fleet.kill(i)) {
      slot = {now + pause, /*down=*/true};
      ++counts_->kills;
    } else if (slot.down && run == Run::kDead) {
      if (!fleet.start(i)) continue;  // out of processes or memory: again at the next step
      slot = {next_session(now), /*down=*/false};
      ++counts_->restarts;
      changed = true;
    } else if (!slot.down) {
      slot.due = next_session(now);  // dead or paused by other hands
    } else if (run != Run::kDead && now > slot.due + pause) {
      slot = {next_session(now), /*down=*/false};  // started by other hands
    }
  }
  if (changed) testbed_.save_manifest();
}

void Churn::look_up() {
  std::vector<std::size_t> there;
  for (std::size_t i = 0; i < testbed_.fleet.size(); ++i) {
    const FleetNode& node = testbed_.fleet.node(i);
    if (node.run == Run::kRunning && node.ready && !node.asked_to_end) there.push_back(i);
  }
  if (there.size() < 2) return;
  const std::size_t from = there[static_cast<std::size_t>(rng_.below(there.size()))];
  const std::size_t to = there[static_cast<std::size_t>(rng_.below(there.size()))];
  if (from == to) return;
  const std::string id = testbed_.fleet.node(to).id;
  const auto life_of = [fleet = &testbed_.fleet](std::size_t i) {
    const FleetNode& node = fleet->node(i);
    return node.run == Run::kRunning && !node.asked_to_end ? node.starts : 0;
  };
  const auto done = [counts = counts_, life_of, from, to, id, from_life = life_of(from),
                     to_life = life_of(to)](const CallResult& result) {
    // Asker or target went away meanwhile: nobody's fault.
    if (life_of(from) != from_life || life_of(to) != to_life) return;
    ++counts->lookups;
    if (found(result, id)) ++counts->lookups_ok;
  };
  testbed_.calls.submit({testbed_.fleet.layout().control(from),
                         {"POST", "/v1/lookup", nlohmann::json{{"target", id}}.dump()},
                         kLookupTimeout,
                         done});
}

std::string Churn::figures(MonoTime now) const {
  const Fleet& fleet = testbed_.fleet;
  const SightingsSummary summary = fleet.summary();
  return nlohmann::ordered_json{{"elapsed_ms", ms_between(begun_, now)},
                                {"alive", fleet.count(Run::kRunning)},
                                {"members_min", summary.members_min},
                                {"members_max", summary.members_max},
                                {"false_failures", fleet.false_failures() - false_failures_before_},
                                {"lookups", counts_->lookups},
                                {"lookups_ok", counts_->lookups_ok},
                                {"kills", counts_->kills},
                                {"restarts", counts_->restarts}}
      .dump();
}

void Churn::step(MonoTime now, Reply& reply) {
  if (options_.duration && now - begun_ >= *options_.duration) {
    reply.done(figures(now));
    return;
  }
  turn_over(now);
  if (now >= lookup_due_) {
    lookup_due_ = now + kLookupEvery;
    look_up();
  }
  if (now >= report_due_) {
    report_due_ += kReportEvery;
    reply.line(figures(now));
  }
}

}  // namespace weft::testnet
