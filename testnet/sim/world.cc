#include "testnet/sim/world.h"

#include <algorithm>
#include <map>
#include <set>

#include "crypto/check.h"
#include "testnet/sim/checkers.h"
#include "testnet/sim/shared_space.h"

namespace weft::sim {
namespace {

using scenario::Command;
using scenario::Director;
using scenario::NodeIndex;
using scenario::OpNumber;
using scenario::OpOutcome;
using scenario::Seen;

// A lookup must find at least this share of the truly closest after the heal phase.
constexpr std::uint32_t kClosestPpm = 950'000;
constexpr std::size_t kClosestWanted = 12;
// Membership promises no false failure up to this loss.
constexpr std::uint32_t kLossBorne = 100'000;
constexpr Duration kFinalMax = 60s;  // for the gets and lookups after the heal phase

Seen seen_of(gossip::MemberState state) {
  switch (state) {
    case gossip::MemberState::kAlive: return Seen::kAlive;
    case gossip::MemberState::kSuspect: return Seen::kSuspect;
    case gossip::MemberState::kFailed: return Seen::kFailed;
    case gossip::MemberState::kLeft: return Seen::kLeft;
  }
  return Seen::kUnknown;
}

class World {
 public:
  World(const scenario::Scenario& scenario, const RunOptions& options)
      : plan_(scenario),
        options_(options),
        weather_(scenario.seed),
        nats_(scenario.seed, scenario.link),
        network_({.seed = scenario.seed, .link = {}, .shuffle_ties = options.shuffle_ties,
                  .commit = scenario.commit, .real_crypto = false, .network = "sim"}),
        checkers_(network_),
        director_(scenario, options.version,
                  {.counters = [this] { return counters(); }, .log = options.log,
                   .state_equal = [this] { return std::optional(shared_->equal()); },
                   .state_counters = [this] { return shared_ ? shared_->sums() : scenario::StateCounters{}; }}) {
    weather_.set_link(scenario.link, options.matrix);
    network_.set_weather(&weather_);
    if (scenario.link.nat != scenario::NatKind::kNone) network_.set_nats(&nats_);
    if (scenario.shares_state()) shared_.emplace(network_);
    if (options.tap) {
      network_.tap([this](const SimNetwork::Step& step) { options_.tap(network_, step); });
    }
    link_ = scenario.link;
    bool replayed = link_.spec.dup_ppm != 0;
    for (const scenario::Action& action : scenario.actions) {
      if (action.what == scenario::Do::kHostile) honest_ = false;
      replayed |= action.what == scenario::Do::kHostile || action.link.spec.dup_ppm != 0;
      if (action.what != scenario::Do::kHostile || action.role != scenario::Role::kGrind) continue;
      for (const auto& range : action.who.ranges) {
        for (std::size_t i = range.first; i <= range.last; ++i) ground_.insert(static_cast<NodeIndex>(i));
      }
    }
    if (replayed && options.checkers) network_.watch_replays();
    if (!ground_.empty()) prey_ = dht::key_of_text(scenario::first_put_key(scenario));
    network_.observe([this](std::size_t node, Now, const node::Event& event) {
      std::visit([&](const auto& e) { on(static_cast<NodeIndex>(node), e); }, event);
    });
  }

  RunResult run();

 private:
  struct Open {
    OpNumber number = 0;
    Instant since;
    bool final_check = false;
    NodeId target{};          // of a lookup
    std::size_t key_index = 0;  // of a final get
  };

  Duration at() const { return network_.now().mono - begin_; }
  scenario::Counters counters() const {
    return {.bytes = network_.bytes_total(), .packets = network_.datagrams_total(), .cpu_us = 0,
            .pss_mean_kib = 0};
  }
  void run_until(Duration when);
  void carry_out(const Command& command);
  void boot(NodeIndex node);
  void crash(NodeIndex node) {
    if (!network_.alive(node)) return;
    count_branches(network_.core(node).status(), branches_);
    if (shared_) everywhere(shared_->on_down(node));
    network_.crash(node);
  }
  void end_ops_of(NodeIndex node);
  void finish_op(NodeIndex node, OpId op, OpOutcome outcome, const std::vector<Contact>* closest);
  void final_checks();

  void operator()(const scenario::StartNode& c);
  void operator()(const scenario::KillNode& c);
  void operator()(const scenario::StopNode& c);
  void operator()(const scenario::RestartNode& c);
  void operator()(const scenario::PauseNode& c) { network_.pause(c.node); }
  void operator()(const scenario::ResumeNode& c) { network_.resume(c.node); }
  void operator()(const scenario::SplitNodes& c) {
    clean_since_.reset();
    weather_.split(c.side_a, c.one_way, c.bridges);
  }
  void operator()(const scenario::HealSplit&) {
    clean_since_ = at();
    weather_.heal();
  }
  void operator()(const scenario::SetLink& c) {
    link_ = c.link;
    clean_since_ = at();
    weather_.set_link(c.link, options_.matrix);
    nats_.set_expiry(c.link.nat_expiry);
  }
  void operator()(const scenario::FaultNode& c);
  void operator()(const scenario::CalmNode& c) {
    faulted_until_[c.node] = at() + scenario::kGrace;
    if (network_.alive(c.node)) network_.set_faults(c.node, {});
  }
  void operator()(const scenario::PutValue& c);
  void operator()(const scenario::GetValue& c);
  void operator()(const scenario::LookUp& c);
  void operator()(const scenario::ShareState& c) {
    if (c.node < network_.size()) shared_->take_in(c.node);
  }
  void operator()(const scenario::SetState& c);

  void on(NodeIndex node, const gossip::MemberChanged& e);
  void on(NodeIndex node, const dht::PutDone& e);
  void on(NodeIndex node, const dht::GetDone& e);
  void on(NodeIndex node, const dht::LookupDone& e);
  void on(NodeIndex node, const node::Ready&);
  void on(NodeIndex node, const node::LeaveDone&) { leaving_.push_back(node); }
  void on(NodeIndex, const node::PingDone&) {}
  void on(NodeIndex, const node::JoinDone&) {}
  void on(NodeIndex, const node::SeedsWanted&) {}
  void on(NodeIndex, const node::TwinFound&) {}
  void on(NodeIndex, const state::StateNoticed&) {}
  void on(NodeIndex, const node::EndpointsChanged&) {}
  void on(NodeIndex node, const state::StateDone& e);
  void on(NodeIndex node, const state::StateArrived&) {
    if (shared_) everywhere(shared_->on_arrived(node));
  }
  void everywhere(const std::vector<Duration>& ages) {
    for (const Duration age : ages) director_.entry_everywhere(at(), age);
  }

  // SimNetwork carries an output out only after the call that made it, so no Done event comes before
  // its operation is entered.
  template <class Start>
  void begin(NodeIndex node, Open open, const Start& start);

  bool faulted(NodeIndex node) const {
    const auto it = faulted_until_.find(node);
    return it != faulted_until_.end() && at() < it->second;
  }
  // Everybody can send to everybody.
  bool reachable() const {
    return link_.unroutable_ppm == 0 && plan_.link.nat == scenario::NatKind::kNone;
  }
  // It has run well on a clean line for more than two inspections.
  bool steady(NodeIndex node) const {
    const auto& spec = link_.spec;
    const bool clean = honest_ && spec.loss_ppm == 0 && spec.rate_bytes_s == 0 &&
                       link_.corrupt_ppm == 0 && link_.mtu == 0 && reachable();
    return clean && clean_since_ && at() - *clean_since_ > 2 * kInspectEvery + scenario::kGrace &&
           !faulted_until_.contains(node) && director_.up_for(node) > 2 * kInspectEvery;
  }
  void inspect() {
    checkers_.inspect(at(), [this](std::size_t node) { return steady(static_cast<NodeIndex>(node)); });
  }

  const scenario::Scenario& plan_;
  const RunOptions& options_;
  Weather weather_;
  Nats nats_;
  SimNetwork network_;
  Checkers checkers_;
  std::optional<SharedSpace> shared_;  // in runs with state loads
  Director director_;
  Instant begin_{Duration(1)};
  std::vector<std::pair<Duration, NodeIndex>> spawns_;  // not begun; in order of time
  std::vector<scenario::StartNode> starts_;             // by node
  Duration spawn_free_{};
  scenario::Link link_;                  // as it is now
  std::optional<Duration> clean_since_ = Duration{};  // since when nothing is cut off
  bool honest_ = true;                   // no liar in all of the run
  std::map<NodeIndex, Duration> faulted_until_;
  std::set<NodeIndex> ground_;  // these get ids next to...
  NodeId prey_{};               // ...the key of the first put
  std::map<NodeId, NodeIndex> index_;
  std::vector<std::uint64_t> highest_;  // by node: number that somebody has seen; 0: none
  std::map<std::pair<NodeIndex, std::uint64_t>, Open> open_;
  std::vector<NodeIndex> leaving_;
  Branches branches_;  // of lives that have ended
  std::size_t final_open_ = 0, final_gets_lost_ = 0, final_lookups_ = 0;
  std::uint64_t closest_ppm_ = 0;
};

// ---- nodes

void World::operator()(const scenario::StartNode& c) {
  // The index is the director's; nodes are made in its order.
  if (starts_.size() <= c.node) starts_.resize(c.node + 1);
  starts_[c.node] = c;
  spawn_free_ = std::max(spawn_free_, at());
  spawns_.emplace_back(spawn_free_, c.node);
  spawn_free_ += kSpawnEvery;
}

void World::boot(NodeIndex node) {
  CHECK(network_.size() == node);
  const scenario::StartNode& start = starts_[node];
  std::optional<std::size_t> seed;
  if (start.seed && *start.seed < network_.size()) seed = *start.seed;
  const auto adjust = [this](node::Config& config) {
    config.membership.alone = !plan_.membership;
    config.dht.sweep = plan_.sweep;
    if (plan_.values_memory > 0) config.dht.values_memory_max = plan_.values_memory;
    if (options_.adjust) options_.adjust(config);
  };
  const std::size_t made = ground_.contains(node) ? network_.add_ground(prey_, seed, adjust)
                                                  : network_.add(seed, adjust);
  CHECK(made == node);
  index_[network_.id(node)] = node;
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
      }
      break;
    default: return;
  }
  network_.set_faults(c.node, faults);
}

void World::on(NodeIndex node, const node::Ready&) {
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

// ---- operations

void World::end_ops_of(NodeIndex node) {
  for (auto it = open_.lower_bound({node, 0}); it != open_.end() && it->first.first == node;) {
    const Open open = it->second;
    it = open_.erase(it);
    if (open.final_check) continue;
    director_.op_done(at(), open.number, {.ok = false, .error = std::string(scenario::kCrashed)});
  }
}

template <class Start>
void World::begin(NodeIndex node, Open open, const Start& start) {
  open.since = network_.now().mono;
  if (node >= network_.size() || !network_.alive(node)) {
    if (!open.final_check) director_.op_done(at(), open.number, {.ok = false, .error = std::string(scenario::kCrashed)});
    return;
  }
  network_.operate(node, [&](node::NodeCore& core, Now now, node::Output& out) {
    const OpId started = start(core, now, out);
    open_[{node, static_cast<std::uint64_t>(started)}] = open;
    return started;
  });
}

void World::operator()(const scenario::PutValue& c) {
  const NodeId key = dht::key_of_text(c.key);
  begin(c.node, {.number = c.op, .since = {}, .final_check = false, .target = key},
        [&](node::NodeCore& core, Now now, node::Output& out) {
    return core.put(now, key, c.value, {.quorum = c.quorum}, out);
  });
}

void World::operator()(const scenario::GetValue& c) {
  const NodeId author = network_.id(c.writer);
  begin(c.node, {.number = c.op, .since = {}}, [&](node::NodeCore& core, Now now, node::Output& out) {
    return core.get(now, dht::key_of_text(c.key), {.author = author, .quorum = c.quorum}, out);
  });
}

void World::operator()(const scenario::LookUp& c) {
  begin(c.node, {.number = c.op, .since = {}, .final_check = false, .target = c.target},
        [&](node::NodeCore& core, Now now, node::Output& out) {
          return core.lookup(now, c.target, false, out);
        });
}

void World::operator()(const scenario::SetState& c) {
  std::vector<state::Change> changes;
  for (const auto& [path, value] : c.registers) {
    changes.push_back({.what = state::Change::What::kSet, .path = as_bytes(path), .value = value});
  }
  begin(c.node, {.number = c.op, .since = {}}, [&](node::NodeCore& core, Now now, node::Output& out) {
    return core.state_write(now, shared_->id(), changes, out);
  });
}

void World::on(NodeIndex node, const state::StateDone& e) {
  // Of the joining nobody waits.
  if (!open_.contains({node, static_cast<std::uint64_t>(e.op)})) return;
  finish_op(node, e.op, {.ok = e.entries.has_value(), .error = e.entries ? "" : std::string(to_string(e.entries.error()))}, nullptr);
}

void World::finish_op(NodeIndex node, OpId op, OpOutcome outcome,
                      const std::vector<Contact>* closest) {
  const auto it = open_.find({node, static_cast<std::uint64_t>(op)});
  if (it == open_.end()) {
    checkers_.violation("one_done", at(), node, "node " + std::to_string(node) +
                                              " ended an operation that was not open");
    return;
  }
  const Open open = it->second;
  open_.erase(it);
  outcome.latency = network_.now().mono - open.since;
  if (!open.final_check) {
    switch (director_.op_done(at(), open.number, std::move(outcome))) {
      case scenario::Judged::kFine: break;
      case scenario::Judged::kWrong:
        checkers_.violation("values_true", at(), node, "node " + std::to_string(node) +
                                                     " got bytes that nobody put");
        break;
      case scenario::Judged::kStale:
        checkers_.violation("reads_fresh", at(), node, "node " + std::to_string(node) +
                                                     " got less than had been acknowledged before");
        break;
    }
    return;
  }
  --final_open_;
  if (closest != nullptr) {
    ++final_lookups_;
    closest_ppm_ += checkers_.closest_share(open.target, *closest, kClosestWanted, node);
    return;
  }
  const auto& stored = director_.stored()[open.key_index];
  const NodeId dht_key = dht::key_of_text(stored.key);
  if (!outcome.ok) {
    const std::size_t holders = checkers_.holders(dht_key, network_.id(stored.writer), true);
    if (holders == 0) return;
    ++final_gets_lost_;
    checkers_.violation("values_kept", at(), node, "node " + std::to_string(node) + " does not find " +
                                                 stored.key + " (" + outcome.error + "), which " +
                                                 std::to_string(holders) + " living nodes hold");
  }
}

void World::on(NodeIndex node, const dht::PutDone& e) {
  OpOutcome outcome{.ok = e.result.has_value()};
  if (!e.result) outcome.error = to_string(e.result.error().error);
  if (e.result) {
    outcome.copies = static_cast<std::uint32_t>(e.result->replicas);
    outcome.wanted = static_cast<std::uint32_t>(e.result->wanted);
  }
  const auto open = open_.find({node, static_cast<std::uint64_t>(e.op)});
  if (e.result && open != open_.end() && options_.checkers) {
    const std::size_t durable = checkers_.holders(open->second.target, network_.id(node), false);
    if (durable < e.result->replicas) {
      checkers_.violation("acknowledged", at(), node, "node " + std::to_string(node) + " says " +
                                                    std::to_string(e.result->replicas) +
                                                    " copies are durable, and " +
                                                    std::to_string(durable) + " are");
    }
  }
  finish_op(node, e.op, std::move(outcome), nullptr);
}

void World::on(NodeIndex node, const dht::GetDone& e) {
  OpOutcome outcome{.ok = e.result.has_value()};
  if (e.result) {
    outcome.hops = static_cast<std::uint32_t>(e.result->hops);
    outcome.queries = static_cast<std::uint32_t>(e.result->queries);
    if (!e.result->values.empty()) outcome.value = e.result->values.front().value;
  } else {
    outcome.error = to_string(e.result.error().error);
  }
  finish_op(node, e.op, std::move(outcome), nullptr);
}

void World::on(NodeIndex node, const dht::LookupDone& e) {
  OpOutcome outcome{.ok = e.result.has_value()};
  static const std::vector<Contact> none;
  const std::vector<Contact>* closest = &none;
  if (e.result) {
    outcome.hops = static_cast<std::uint32_t>(e.result->hops);
    outcome.queries = static_cast<std::uint32_t>(e.result->queries);
    closest = &e.result->closest;
  } else {
    outcome.error = to_string(e.result.error().error);
  }
  finish_op(node, e.op, std::move(outcome), closest);
}

// ---- the run

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
              return core.lookup(now, target, false, out);
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
    if (!stopped && honest_) shared_->final_checks();
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
  if (stopped) result.verdict.report["interrupted_ms"] = at() / 1ms;
  result.verdict.report["passed"] = result.passed();
  return result;
}

}  // namespace

RunResult run_scenario(const scenario::Scenario& scenario, const RunOptions& options) {
  World world(scenario, options);
  return world.run();
}

}  // namespace weft::sim
