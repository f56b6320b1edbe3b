#include "testnet/testbed.h"

namespace weft::testnet {

namespace {

constexpr Milliseconds kTellTimeout{5000};
constexpr Milliseconds kTellAgain{500};

}  // namespace

Testbed::Testbed(Layout layout, FleetOptions options, std::uint64_t seed_value)
    : fleet(std::move(layout), options),
      rng(seed_value),
      seed(seed_value),
      network(options.network) {
  plan_.seed = seed_value;
  fleet.on_ready = [this](std::size_t i) { on_node_ready(i); };
}

void Testbed::set_plan(FaultPlan plan) {
  plan_ = std::move(plan);
  plan_.seed = seed;
  ++plan_version_;
  plan_refusal_.clear();
  plan_taken_ms_ = 0;
  heal_at_.reset();
  fleet.excuse_failures(plan_.partitioned());
}

void Testbed::heal_at(MonoTime when) { heal_at_ = when; }

void Testbed::heal() {
  FaultPlan healed = plan_;
  healed.cut_off.clear();
  healed.bridges.clear();
  healed.one_way = false;
  set_plan(std::move(healed));
}

void Testbed::on_node_ready(std::size_t i) {
  if (on_ready) on_ready(i);
  if (applied_.size() <= i) applied_.resize(i + 1);
  applied_[i] = {};
  // Its addresses are part of what the others are told.
  const bool first_start = fleet.node(i).starts == 1;
  if (plan_version_ > 0 && first_start && (plan_.matrix || plan_.partitioned())) ++plan_version_;
}

bool Testbed::lacks_plan(std::size_t i) const {
  const FleetNode& node = fleet.node(i);
  if (node.run != Run::kRunning || !node.ready || node.asked_to_end) return false;
  return i >= applied_.size() || applied_[i].version < plan_version_;
}

std::size_t Testbed::plan_missing() const {
  std::size_t missing = 0;
  for (std::size_t i = 0; i < fleet.size(); ++i) missing += lacks_plan(i) ? 1U : 0U;
  return missing;
}

void Testbed::sync_plan(MonoTime now) {
  if (plan_version_ == 0) return;
  applied_.resize(fleet.size());
  std::vector<std::vector<std::string>> listens;
  for (std::size_t i = 0; i < fleet.size(); ++i) {
    if (!lacks_plan(i) || applied_[i].asking || now < applied_[i].retry) continue;
    if (listens.empty()) {
      for (std::size_t j = 0; j < fleet.size(); ++j) listens.push_back(fleet.node(j).listen);
    }
    const auto done = [this, i, version = plan_version_,
                       life = fleet.node(i).starts](CallResult result) {
      if (fleet.node(i).starts != life) return;  // told an earlier life
      Applied& applied = applied_[i];
      applied.asking = false;
      if (result.status == CallStatus::kAnswered && result.response.status == 200) {
        applied.version = version;
        plan_taken_ms_ = wall_ms();
        return;
      }
      applied.retry = mono_now() + kTellAgain;
      if (result.status == CallStatus::kAnswered && version == plan_version_) {
        plan_refusal_ = result.response.body;
      }
    };
    applied_[i].asking = calls.submit({fleet.layout().control(i),
                                       {"POST", "/v1/faults", plan_.body(i, listens)},
                                       kTellTimeout,
                                       done});
  }
}

void Testbed::revive_dead() {
  if (to_revive_.empty() || ending) return;
  const std::size_t started = std::erase_if(to_revive_, [this](std::size_t i) {
    return fleet.node(i).run == Run::kDead && fleet.start(i).has_value();
  });
  // Started by other hands meanwhile: no longer ours to start.
  std::erase_if(to_revive_, [this](std::size_t i) {
    return fleet.node(i).run != Run::kDead && !fleet.node(i).asked_to_end;
  });
  if (started > 0) save_manifest();
}

void Testbed::advance(MonoTime now) {
  fleet.refresh();
  revive_dead();
  if (heal_at_ && now >= *heal_at_) heal();
  sync_plan(now);
  calls.advance(now);
}

}  // namespace weft::testnet
