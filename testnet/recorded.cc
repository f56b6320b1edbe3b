#include "testnet/recorded.h"

#include <algorithm>
#include <numeric>

namespace weft::testnet {

using What = LogEvent::What;

Recorded::Recorded(LogFacts facts, std::string name, double speed) : facts_(std::move(facts)), name_(std::move(name)), speed_(speed) {
  nodes_.reserve(facts_.nodes);
}

Recorded::Node* Recorded::at(std::size_t node) {
  if (node >= facts_.nodes) return nullptr;
  if (node >= nodes_.size()) nodes_.resize(node + 1);
  return &nodes_[node];
}

void Recorded::begin(Node& node) {
  node.run = Run::kRunning;
  node.ready = !facts_.told_ready;
  ++node.starts;
  node.row.clear();
}

void Recorded::end(Node& node) {
  node.run = Run::kDead;
  node.ready = false;
  node.row.clear();
}

void Recorded::apply(const LogEvent& event) {
  const bool of_a_node = (event.what >= What::kStart && event.what <= What::kRestart) || event.what == What::kFalseFailure;
  // Told to start; where processes are told of, one begins later, and is not there until then.
  if (event.what == What::kStart && facts_.told_ready) return;
  Node* const node = of_a_node ? at(event.node) : nullptr;
  if (of_a_node && node == nullptr) return;
  switch (event.what) {
    case What::kPhase: phase_ = event.text; break;
    case What::kStart:
    case What::kBoot:
    case What::kRestart: begin(*node); break;
    case What::kReady:
      // A node that was ended before it was ready is not up.
      if (node->run == Run::kDead) break;
      node->ready = true;
      node->row.clear();
      break;
    case What::kLost: ++lost_; [[fallthrough]];
    case What::kEnd: end(*node); break;
    case What::kPause:
      if (node->run == Run::kRunning) node->run = Run::kPaused;
      break;
    case What::kResume:
      if (node->run == Run::kPaused) node->run = Run::kRunning;
      break;
    case What::kCutOff:
      for (Node& each : nodes_) each.cut_off = false;
      for (const std::uint32_t i : event.nodes) {
        if (Node* const cut = at(i)) cut->cut_off = true;
      }
      break;
    case What::kPartition: one_way_ = event.one_way; break;
    case What::kHeal:
      for (Node& each : nodes_) each.cut_off = false;
      one_way_ = false;
      break;
    case What::kLink: link_ = event.text; break;
    case What::kChurn: churning_ = true; break;
    case What::kChurnOver: churning_ = false; break;
    case What::kSaw:
      for (const LogSight& sight : event.sights) saw(event.t_ms, sight);
      break;
    case What::kSample: sample(event); break;
    case What::kOperation:
      if (event.operation == LogEvent::Operation::kWrite) break;
      if (event.took_us) operations_[static_cast<std::size_t>(event.operation)].add(Duration(*event.took_us));
      else ++failed_[static_cast<std::size_t>(event.operation)];
      break;
    case What::kFalseFailure: ++false_failures_; break;
    case What::kDone: churning_ = false; break;
    case What::kRecording:
    case What::kOther: break;
  }
}

void Recorded::saw(std::int64_t t_ms, const LogSight& sight) {
  // Both are made before either is used: a later one moves them.
  if (at(std::max(sight.observer, sight.subject)) == nullptr) return;
  Node& observer = nodes_[sight.observer];
  if (observer.row.size() <= sight.subject) observer.row.resize(facts_.nodes, Sight::kUnknown);
  observer.row[sight.subject] = sight.state;
  if (on_sight) on_sight(t_ms, sight.observer, sight.subject, sight.state);
}

// Rates as a testnet has them: of kSampleEvery (watch.h) and more.
void Recorded::sample(const LogEvent& event) {
  last_sample_ = event;
  for (std::size_t i = 0; i < event.arrivals.size(); ++i) arrivals_[i] += static_cast<double>(event.arrivals[i]);
  constexpr std::int64_t kRoundMs = 5000;
  if (before_ && event.t_ms - before_->t_ms < kRoundMs) return;
  if (before_) {
    const double passed_s = static_cast<double>(event.t_ms - before_->t_ms) / 1000;
    const auto rate = [&](std::uint64_t was, std::uint64_t is) -> std::optional<double> {
      if (event.up == 0 || is < was) return std::nullopt;
      return static_cast<double>(is - was) / passed_s / static_cast<double>(event.up);
    };
    Rates rates;
    rates.bytes_per_node_s = rate(before_->bytes, event.bytes);
    rates.packets_per_node_s = rate(before_->packets, event.packets);
    for (std::size_t op = 0; op < operations_.size(); ++op) {
      Classes cumulative{};
      double all = 0;
      for (std::size_t i = 0; i < cumulative.size(); ++i) cumulative[i] = all += static_cast<double>(operations_[op].counts()[i]);
      const auto failed = static_cast<double>(failed_[op]);
      rates.operations[op] = {.per_s = (all + failed) / passed_s,
                              .p50_ms = quantile(cumulative, 0.5),
                              .p99_ms = quantile(cumulative, 0.99),
                              .failed_per_s = failed / passed_s};
    }
    if (event.values) rates.values = static_cast<double>(*event.values);
    if (event.values && event.own_values.value_or(0) > 0) rates.copies = static_cast<double>(*event.values) / static_cast<double>(*event.own_values);
    std::partial_sum(arrivals_.begin(), arrivals_.end(), arrivals_.begin());
    rates.state_lag_p50_ms = quantile(arrivals_, 0.5);
    rates.state_lag_p99_ms = quantile(arrivals_, 0.99);
    rates_ = rates;
  }
  operations_ = {};
  failed_ = {};
  arrivals_ = {};
  before_ = Sampled{event.t_ms, event.bytes, event.packets};
}

ShownNode Recorded::node(std::size_t i) const {
  const Node& node = nodes_[i];
  return {.name = "n" + std::to_string(i),
          .id = facts_.ids[i],
          .run = node.run,
          .ready = node.ready,
          .pid = std::nullopt,
          .listen = {},
          .starts = node.starts,
          .cut_off = node.cut_off};
}

std::vector<bool> Recorded::present() const {
  std::vector<bool> out(nodes_.size());
  for (std::size_t i = 0; i < nodes_.size(); ++i) out[i] = nodes_[i].run == Run::kRunning && nodes_[i].ready;
  return out;
}

void Recorded::sights(std::size_t observer, std::span<Sight> row) const {
  const std::vector<Sight>& known = nodes_[observer].row;
  const std::size_t n = std::min(known.size(), row.size());
  std::copy_n(known.begin(), n, row.begin());
  std::fill(row.begin() + static_cast<std::ptrdiff_t>(n), row.end(), Sight::kUnknown);
  row[observer] = Sight::kAlive;
}

// As Sightings::summarize has it, but that a node which is not ready yet is not counted on.
SightingsSummary Recorded::members() const {
  if (!facts_.told_sights) {
    if (!last_sample_) return {};
    return {.members_min = last_sample_->members_min,
            .members_max = last_sample_->members_max,
            .members_median = last_sample_->members_median,
            .converged = last_sample_->members_min == last_sample_->up && last_sample_->members_max == last_sample_->up};
  }
  const std::vector<bool> here = present();
  const auto all = static_cast<std::size_t>(std::ranges::count(here, true));
  std::vector<std::size_t> members;
  SightingsSummary out{.converged = true};
  for (std::size_t observer = 0; observer < nodes_.size(); ++observer) {
    if (!here[observer]) continue;
    std::size_t alive = 1, right = 1;
    const std::vector<Sight>& row = nodes_[observer].row;
    for (std::size_t subject = 0; subject < std::min(row.size(), here.size()); ++subject) {
      if (subject == observer || row[subject] != Sight::kAlive) continue;
      ++alive;
      if (here[subject]) ++right;
    }
    if (alive != all || right != all) out.converged = false;
    members.push_back(alive);
  }
  if (members.empty()) return {};
  std::ranges::sort(members);
  out.members_min = members.front();
  out.members_median = members[members.size() / 2];
  out.members_max = members.back();
  return out;
}

ShownWhole Recorded::whole() const {
  return {.members = members(),
          .false_failures = false_failures_,
          .ended_by_themselves = lost_,
          .link = link_,
          .cut_off = static_cast<std::size_t>(std::ranges::count(nodes_, true, &Node::cut_off)),
          .one_way = one_way_,
          .churning = churning_};
}

}  // namespace weft::testnet
