#include "testnet/sim/world_inside.h"

#include <algorithm>

namespace weft::sim {
namespace {

constexpr std::size_t kClosestWanted = 12;

}  // namespace

void World::end_ops_of(NodeIndex node) {
  for (auto it = open_.lower_bound({node, 0}); it != open_.end() && it->first.first == node;) {
    const Open open = it->second;
    it = open_.erase(it);
    if (open.final_check) continue;
    director_.op_done(at(), open.number, {.ok = false, .error = std::string(scenario::kCrashed)});
  }
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
  const NodeId target = c.of ? network_.id(*c.of) : c.target;
  begin(c.node, {.number = c.op, .since = {}, .final_check = false, .target = target,
                 .nearest = nearest_up(c.node, target, {})},
        [&](node::NodeCore& core, Now now, node::Output& out) { return core.lookup(now, target, {}, out); });
}

void World::operator()(const scenario::SetState& c) {
  std::vector<state::Change> changes;
  for (const auto& [path, value] : c.registers) {
    changes.push_back({.what = state::Change::What::kSet, .path = as_bytes(path), .value = value});
  }
  const auto write = [&](node::NodeCore& core, Now now, node::Output& out) { return core.state_write(now, shared_->id(), changes, out); };
  begin(c.node, {.number = c.op, .since = {}}, write);
  // Who talks to a node does not know that there are two.
  for (const auto& [twin, of] : twins_) {
    if (of == c.node && network_.alive(twin)) network_.operate(twin, write);
  }
}

void World::on(NodeIndex node, const state::StateDone& e) {
  // Of the joining nobody waits.
  if (!open_.contains({node, static_cast<std::uint64_t>(e.op)})) return;
  finish_op(node, e.op, {.ok = e.entries.has_value(), .error = e.entries ? "" : std::string(to_string(e.entries.error()))}, nullptr);
}

// Of those that have been up for so long.
std::optional<NodeId> World::nearest_up(NodeIndex asker, const NodeId& target, Duration up_for) const {
  const auto found = checkers_.nearest(target, asker, [&](std::size_t i) {
    const auto node = static_cast<NodeIndex>(i);
    return director_.up(node) && director_.up_for(node) >= up_for;
  });
  if (!found) return std::nullopt;
  return network_.id(*found);
}

// While a lookup runs the truth may change: what was right at either end of it is.
scenario::Nearest World::judge(NodeIndex asker, const Open& open, const std::vector<Contact>& found) const {
  using scenario::Nearest;
  const auto now = nearest_up(asker, open.target, {});
  if (!now && !open.nearest) return Nearest::kUntold;
  if (found.empty()) return Nearest::kWrong;
  const NodeId& first = found.front().id;
  if (first == open.nearest || first == now) return Nearest::kRight;
  return first == nearest_up(asker, open.target, scenario::kReadyAfter) ? Nearest::kNewcomerMissed : Nearest::kWrong;
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
    if (closest != nullptr) outcome.nearest = judge(node, open, *closest);
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
    // A scenario may have lookups that end with fewer.
    const std::size_t want = plan_.dht.lookup_want == 0 ? kClosestWanted : std::min(kClosestWanted, plan_.dht.lookup_want);
    closest_ppm_ += checkers_.closest_share(open.target, *closest, want, node);
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
    const std::size_t durable = checkers_.holders(open->second.target, network_.id(node), false, e.result->replicas);
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

}  // namespace weft::sim
