// The inside of a run (world.h), shared by its files and by nothing else:
//   world.cc        the run, and what is looked at after it
//   world_nodes.cc  starting, ending and spoiling nodes; what they tell of each other
//   world_ops.cc    operations, from a command to its judged end
#pragma once

#include <map>
#include <set>

#include "testnet/sim/checkers.h"
#include "testnet/sim/shared_space.h"
#include "testnet/sim/world.h"

namespace weft::sim {

// Membership promises no false failure up to this loss.
inline constexpr std::uint32_t kLossBorne = 100'000;

class World {
 public:
  using Command = scenario::Command;
  using Director = scenario::Director;
  using NodeIndex = scenario::NodeIndex;
  using OpNumber = scenario::OpNumber;
  using OpOutcome = scenario::OpOutcome;

  World(const scenario::Scenario& scenario, const RunOptions& options)
      : plan_(scenario),
        options_(options),
        weather_(scenario.seed),
        nats_(scenario.seed, scenario.link),
        network_({.seed = scenario.seed, .link = {}, .shuffle_ties = options.shuffle_ties,
                  .commit = scenario.commit, .real_crypto = false, .network = "sim",
                  .tally = options.kinds.value_or(!scenario.membership || scenario.by_kind)}),
        checkers_(network_),
        director_(scenario, options.version,
                  {.counters = [this] { return counters(); }, .log = options.log, .record = options.record, .traffic = [this] { return counters(); },
                   .state_equal = [this] { return std::optional(shared_->equal()); },
                   .state_counters = [this] { return shared_ ? shared_->sums() : scenario::StateCounters{}; },
                   .holdings = [this] { return std::optional(holdings()); }}) {
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
      if (action.what == scenario::Do::kHostile || action.what == scenario::Do::kTwin) honest_ = false;
      replayed |= action.what == scenario::Do::kHostile || action.link.spec.dup_ppm != 0;
      if (action.what != scenario::Do::kHostile || action.role != scenario::Role::kGrind) continue;
      for (const auto& range : action.who.ranges) {
        for (std::size_t i = range.first; i <= range.last; ++i) ground_.insert(static_cast<NodeIndex>(i));
      }
    }
    if (replayed && options.checkers) network_.watch_replays();
    if (!ground_.empty()) prey_ = dht::key_of_text(scenario::first_put_key(scenario));
    network_.observe([this](std::size_t node, Now, const node::Event& event) {
      if (twins_.contains(static_cast<NodeIndex>(node))) return on_twin(static_cast<NodeIndex>(node), event);
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
    std::optional<NodeId> nearest{};  // of a lookup: who was it when it began
  };

  Duration at() const { return network_.now().mono - begin_; }
  scenario::Counters counters() const {
    scenario::Counters out{.bytes = network_.bytes_total(), .packets = network_.datagrams_total(), .cpu_us = 0, .pss_mean_kib = 0,
                           .lies = lies_};
    out.names = network_.tally().names();
    network_.tally().for_each([&out](const std::string& kind, const Tally::Sent& sent) {
      out.kinds[kind] = {.packets = sent.packets, .bytes = sent.bytes};
    });
    for (std::size_t i = 0; i < network_.lies_reached().size(); ++i) {
      const auto role = out.lies.find(std::string(to_string(static_cast<Lie>(i))));
      if (role != out.lies.end()) role->second = network_.lies_reached()[i];
    }
    return out;
  }
  scenario::Holdings holdings() {
    holdings_.begin();
    for (NodeIndex i = 0; i < network_.size(); ++i) {
      if (!network_.alive(i) || twins_.contains(i)) continue;
      const node::Status status = network_.core(i).status();
      holdings_.add(i, network_.life(i), status.dht.values, status.dht.own, status.state.lag.counts());
    }
    return holdings_.now();
  }
  void run_until(Duration when);
  void carry_out(const Command& command);
  void boot(NodeIndex node);
  void configure(node::Config& config) const;
  void end_twin_of(NodeIndex node);
  void on_twin(NodeIndex twin, const node::Event& event);
  void crash(NodeIndex node) {
    if (!network_.alive(node)) return;
    const node::Status status = network_.core(node).status();
    holdings_.keeps(node, status.dht.own);
    count_branches(status, branches_);
    if (shared_) everywhere(shared_->on_down(node));
    network_.crash(node);
  }
  void end_ops_of(NodeIndex node);
  void finish_op(NodeIndex node, OpId op, OpOutcome outcome, const std::vector<Contact>* closest);
  std::optional<NodeId> nearest_up(NodeIndex asker, const NodeId& target, Duration up_for) const;
  scenario::Nearest judge(NodeIndex asker, const Open& open, const std::vector<Contact>& found) const;
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
  void operator()(const scenario::BackUp& c) {
    if (c.node < network_.size()) network_.back_up(c.node);
  }
  void operator()(const scenario::RestoreBackup& c);
  void operator()(const scenario::StartTwin& c);
  void operator()(const scenario::EndTwin& c) { end_twin_of(c.node); }
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
  void on(NodeIndex node, const node::TwinFound& e);
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
  std::map<std::string, std::uint64_t> lies_;  // the roles of this run whose lies are counted, at 0
  std::map<NodeIndex, NodeIndex> twins_;       // by its number in the network: whose twin it is
  std::set<NodeIndex> restored_;               // from a backup, and not ready yet
  scenario::HoldingsMeter holdings_;
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

}  // namespace weft::sim
