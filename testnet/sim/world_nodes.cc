#include "testnet/sim/world_inside.h"

#include <algorithm>

#include "crypto/check.h"
#include "dht/lookup.h"

namespace weft::sim {
namespace {

using scenario::Seen;

Seen seen_of(gossip::MemberState state) {
  switch (state) {
    case gossip::MemberState::kAlive: return Seen::kAlive;
    case gossip::MemberState::kSuspect: return Seen::kSuspect;
    case gossip::MemberState::kFailed: return Seen::kFailed;
    case gossip::MemberState::kLeft: return Seen::kLeft;
  }
  return Seen::kUnknown;
}

}  // namespace

void World::operator()(const scenario::StartNode& c) {
  // The index is the director's; nodes are made in its order.
  if (starts_.size() <= c.node) starts_.resize(c.node + 1);
  starts_[c.node] = c;
  spawn_free_ = std::max(spawn_free_, at());
  spawns_.emplace_back(spawn_free_, c.node);
  spawn_free_ += kSpawnEvery;
}

void World::configure(node::Config& config) const {
  config.membership.alone = !plan_.membership;
  config.dht.sweep = plan_.sweep;
  const scenario::DhtSettings& dht = plan_.dht;
  if (dht.bucket_size != 0) config.dht.bucket_size = dht.bucket_size;
  if (dht.lookup_want != 0) config.dht.lookup_want = dht.lookup_want;
  if (dht.parallelism != 0) config.dht.parallelism = dht.parallelism;
  static_assert(scenario::kPathsMax == dht::kPathsMax);
  if (dht.paths != 0) config.dht.paths = dht.paths;
  if (dht.refresh.count() != 0) config.dht.refresh_every = dht.refresh;
  const scenario::MembershipSettings& members = plan_.membership_settings;
  if (members.probe_interval.count() != 0) config.membership.probe_interval = members.probe_interval;
  if (members.suspicion_min) config.membership.suspicion_min = *members.suspicion_min;
  if (members.suspicion_max) config.membership.suspicion_max = *members.suspicion_max;
  if (members.indirect_probes) config.membership.indirect_probes = *members.indirect_probes;
  if (members.gossip_fanout) config.membership.gossip_fanout = *members.gossip_fanout;
  if (!members.health) config.membership.health_max = 0;
  config.membership.parts = {.tries = members.tries, .nacks = members.nacks, .buddy = members.buddy, .shortening = members.shortening,
                             .own_probe = members.own_probe, .proofs = members.proofs, .burst = members.burst, .forming = members.forming,
                             .stalls = members.stalls,
                             .credit = members.credit};
  if (plan_.values_memory > 0) config.dht.values_memory_max = plan_.values_memory;
  if (options_.adjust) options_.adjust(config);
}

void World::boot(NodeIndex node) {
  CHECK(network_.size() == node);
  const scenario::StartNode& start = starts_[node];
  std::optional<std::size_t> seed;
  if (start.seed && *start.seed < network_.size()) seed = *start.seed;
  const auto adjust = [this](node::Config& config) { configure(config); };
  const std::size_t made = ground_.contains(node) ? network_.add_ground(prey_, seed, adjust)
                                                  : network_.add(seed, adjust);
  CHECK(made == node);
  if (!start.dead.empty()) network_.name_seeds(node, {start.dead.begin(), start.dead.end()});
  index_[network_.id(node)] = node;
  director_.node_booted(at(), node, network_.id(node));
}

void World::operator()(const scenario::KillNode& c) {
  end_ops_of(c.node);
  if (c.node < network_.size()) crash(c.node);
}

void World::operator()(const scenario::StopNode& c) {
  if (!network_.alive(c.node)) return;
  network_.operate(c.node, [](node::NodeCore& core, Now now, node::Output& out) {
    return core.leave(now, out);
  });
}

void World::operator()(const scenario::RestartNode& c) {
  crash(c.node);  // still saying goodbye
  end_ops_of(c.node);
  std::optional<std::size_t> seed;
  if (c.seed) seed = *c.seed;
  if (c.moved) network_.move(c.node);
  network_.restart(c.node, seed);
}

void World::operator()(const scenario::FaultNode& c) {
  if (!network_.alive(c.node)) return;
  faulted_until_[c.node] = Duration::max();
  NodeFaults faults;
  switch (c.action.what) {
    case scenario::Do::kSlowCpu: faults.cpu = c.action.amount; break;
    case scenario::Do::kSlowDisk: faults.disk = c.action.amount; break;
    case scenario::Do::kFailDisk: faults.disk_fails = true; break;
    case scenario::Do::kLateReceive: faults.late_receive = c.action.amount; break;
    case scenario::Do::kBlock: faults.blocked = true; break;
    case scenario::Do::kClockStep: faults.wall_step = c.action.amount; break;
    case scenario::Do::kClockSkew: faults.skew_ppm = c.action.ppm; break;
    case scenario::Do::kHostile:
      switch (c.action.role) {
        case scenario::Role::kDrop: faults.drop_ppm = 500'000; break;
        case scenario::Role::kReplay: faults.replay_ppm = 200'000; break;
        case scenario::Role::kSpoof: faults.spoof_ppm = 200'000; break;
        case scenario::Role::kFlood: faults.flood_every = 5ms; break;
        case scenario::Role::kLieContacts: faults.lie = Lie::kContacts; break;
        case scenario::Role::kAccomplices: faults.lie = Lie::kAccomplices; break;
        case scenario::Role::kForge: faults.lie = Lie::kForge; break;
        case scenario::Role::kGrind: faults.lie = Lie::kDeny; break;
        case scenario::Role::kCollude: faults.lie = Lie::kCollude; break;
        case scenario::Role::kMemberAccuse: faults.lie = Lie::kMemberAccuse; break;
        case scenario::Role::kMemberReplay: faults.lie = Lie::kMemberReplay; break;
        case scenario::Role::kMemberWithhold: faults.lie = Lie::kMemberWithhold; break;
        case scenario::Role::kMemberVouch: faults.lie = Lie::kMemberVouch; break;
        case scenario::Role::kStateFork: faults.lie = Lie::kStateFork; break;
        case scenario::Role::kStateForge: faults.lie = Lie::kStateForge; break;
        case scenario::Role::kStateFuture: faults.lie = Lie::kStateFuture; break;
        case scenario::Role::kStateReplay: faults.lie = Lie::kStateReplay; break;
        case scenario::Role::kStateWithhold: faults.lie = Lie::kStateWithhold; break;
        case scenario::Role::kStateFlood: faults.lie = Lie::kStateFlood; break;
        case scenario::Role::kStateVoid: faults.lie = Lie::kStateVoid; break;
      }
      if (faults.lie != Lie::kNone) lies_.emplace(to_string(faults.lie), 0);
      if (shared_) shared_->hostile(c.node);
      break;
    default: return;
  }
  network_.set_faults(c.node, faults);
}

void World::operator()(const scenario::RestoreBackup& c) {
  if (c.node >= network_.size() || network_.alive(c.node)) return;
  network_.restore_backup(c.node);
  restored_.insert(c.node);
  if (shared_) shared_->on_disk_replaced(c.node);
}

void World::operator()(const scenario::StartTwin& c) {
  if (c.node >= network_.size() || !network_.alive(c.node)) return;
  const std::size_t twin = network_.add_double(c.node, c.seed, [this](node::Config& config) { configure(config); });
  twins_[static_cast<NodeIndex>(twin)] = c.node;
  faulted_until_[c.node] = Duration::max();
  if (shared_) shared_->twin_of(twin, c.node);
}

void World::end_twin_of(NodeIndex node) {
  for (const auto& [twin, of] : twins_) {
    if (of != node || !network_.alive(twin)) continue;
    faulted_until_[node] = at() + scenario::kGrace;
    crash(twin);
    if (shared_) shared_->on_gone(twin);
  }
}

// As the shell does: at once, without a goodbye. The newcomer alone stops, unless the two met late, as after a split; then whoever
// sees to the machines ends the other one as well.
void World::on(NodeIndex node, const node::TwinFound&) {
  end_ops_of(node);
  crash(node);
  director_.node_lost(at(), node);
  end_twin_of(node);
}

void World::on_twin(NodeIndex twin, const node::Event& event) {
  if (std::holds_alternative<node::TwinFound>(event)) return end_twin_of(twins_.at(twin));
  if (shared_ && std::holds_alternative<state::StateArrived>(event)) everywhere(shared_->on_arrived(twin));
}

void World::on(NodeIndex node, const node::Ready&) {
  // What a home of an earlier day says of its number is old, and a twin counted on from the same one: the mesh tells it better.
  const bool twinned = std::ranges::any_of(twins_, [node](const auto& twin) { return twin.second == node; });
  if (restored_.erase(node) > 0 || twinned) return director_.node_up(at(), node);
  const std::uint64_t number = network_.core(node).record()->number;
  if (highest_.size() <= node) highest_.resize(node + 1);
  if (number <= highest_[node]) {
    checkers_.violation("numbers", at(), node, "node " + std::to_string(node) + " comes back with number " +
                                             std::to_string(number) + ", and others have seen " +
                                             std::to_string(highest_[node]));
  }
  director_.node_up(at(), node);
}

void World::on(NodeIndex node, const gossip::MemberChanged& e) {
  const auto it = index_.find(e.record->id);
  if (it == index_.end()) {
    checkers_.violation("membership", at(), node, "node " + std::to_string(node) +
                                                " names a member that was never started");
    return;
  }
  const NodeIndex subject = it->second;
  if (highest_.size() <= subject) highest_.resize(subject + 1);
  std::uint64_t& highest = highest_[subject];
  highest = std::max(highest, e.record->number);
  if (!director_.saw(at(), node, subject, seen_of(e.to))) return;
  if (!options_.checkers || faulted(node) || faulted(subject)) return;
  if (link_.spec.loss_ppm > kLossBorne || !reachable()) return;
  checkers_.violation("failures", at(), node, "node " + std::to_string(node) + " calls node " +
                                            std::to_string(subject) + " failed, which lives");
}

}  // namespace weft::sim
