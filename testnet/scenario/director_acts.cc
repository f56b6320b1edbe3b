// What is done during the run: churn, load, actions.
#include <algorithm>
#include <numeric>

#include "testnet/scenario/director_state.h"

namespace weft::scenario {
namespace {

// A Duration as `from` plus a part of what lies between.
Duration part(Duration from, Duration until, std::uint64_t k, std::uint64_t of) {
  const auto span = static_cast<std::uint64_t>((until - from).count());
  // k+1/2 of `of`, without overflow for spans below 2^42 us and counts below 2^20.
  return from + Duration(static_cast<std::int64_t>(span / (2 * of) * (2 * k + 1) +
                                                   span % (2 * of) * (2 * k + 1) / (2 * of)));
}

// Of the b-th put of the a-th load (or action).
std::string put_key(std::uint64_t a, std::uint64_t b) {
  return "v" + std::to_string(a) + "-" + std::to_string(b);
}

}  // namespace

std::string first_put_key(const Scenario& scenario) {
  for (std::size_t i = 0; i < scenario.loads.size(); ++i) {
    if (scenario.loads[i].kind == LoadKind::kPut) return put_key(i, 0);
  }
  return put_key(0, 0);
}

// ---- churn

void Director::State::begin_churn() {
  churning = true;
  const Churn& churn = *plan.churn;
  say({{"event", "churn"}});
  if (!churn.trace_file.empty()) return follow_trace();
  for (NodeIndex i = churn.seeds; i < ledger.known(); ++i) {
    if (luck(plan.seed, "churns", i).below(1'000'000) >= churn.share_ppm) continue;
    if (ledger.is_up(i)) churn_up(i, 0);
  }
  if (churn.until) {
    later(zero + *churn.until, [this](Duration) {
      churning = false;
      say({{"event", "churn_over"}});
    });
  }
}

void Director::State::churn_up(NodeIndex node, std::uint64_t cycle) {
  Rng rng = luck(plan.seed, "session", node, cycle);
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(plan.churn->median_session);
  const bool midway = cycle == 0 && !plan.churn->fresh;
  const auto left = midway ? testnet::draw_rest_of_session(plan.churn->model, ms, rng)
                           : testnet::draw_session(plan.churn->model, ms, rng);
  later(now + left, [this, node, cycle](Duration) {
    if (!churning) return;
    kill(node);
    churn_down(node, cycle);
  });
}

void Director::State::churn_down(NodeIndex node, std::uint64_t cycle) {
  Rng rng = luck(plan.seed, "absence", node, cycle);
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(plan.churn->median_absence);
  later(now + testnet::draw_session(plan.churn->model, ms, rng), [this, node, cycle](Duration) {
    if (!churning) return;
    const auto back = churn_back(node);
    if (back) churn_up(*back, cycle + 1);
  });
}

// The node returns as [churn] says. Its index, which is another if it is somebody else; nullopt if
// there are too many already.
std::optional<NodeIndex> Director::State::churn_back(NodeIndex node) {
  if (!plan.churn->new_identity) {
    restart(node, plan.churn->new_address);
    return node;
  }
  if (ledger.known() >= kNodesMax) return std::nullopt;
  const auto back = static_cast<NodeIndex>(lives.size());
  start(back);
  return back;
}

// Who is not up by the trace says goodbye now; each session's end makes the next one's begin.
void Director::State::follow_trace() {
  const testnet::ChurnTrace& trace = plan.churn->trace;
  for (std::size_t i = 0; i < trace.size(); ++i) {
    const bool first = i == 0 || trace[i - 1].node != trace[i].node;
    if (!first || trace[i].node >= plan.nodes) continue;
    if (trace[i].up == Duration{}) {
      trace_up(trace[i].node, i);
      continue;
    }
    if (ledger.is_up(trace[i].node)) stop(trace[i].node);
    trace_down(trace[i].node, i);
  }
}

// `node` plays this session and is up.
void Director::State::trace_up(NodeIndex node, std::size_t session) {
  later(zero + plan.churn->trace[session].down, [this, node, session](Duration) {
    kill(node);
    const testnet::ChurnTrace& trace = plan.churn->trace;
    if (session + 1 < trace.size() && trace[session + 1].node == trace[session].node) {
      trace_down(node, session + 1);
    }
  });
}

// `node` is down until this session begins.
void Director::State::trace_down(NodeIndex node, std::size_t session) {
  later(zero + plan.churn->trace[session].up, [this, node, session](Duration) {
    const auto back = churn_back(node);
    if (back) trace_up(*back, session);
  });
}

// ---- load

void Director::State::begin_load(std::size_t index) {
  const Load& load = plan.loads[index];
  const Duration from = zero + load.from;
  const Duration until = zero + load.until.value_or(plan.duration);
  if (load.every != Duration{}) {
    later(from, [this, index](Duration) { read_all(index, 0); });
    return;
  }
  std::uint64_t count = load.count;
  if (count == 0) {
    const auto span_ms = static_cast<std::uint64_t>((until - from).count() / 1000);
    count = span_ms * load.per_1000s / 1'000'000;
  }
  if (count == 0) return;
  // One entry at a time: each makes the next.
  struct Loop {
    static void next(State& s, const Load& load, std::size_t index, Duration from, Duration until,
                     std::uint64_t k, std::uint64_t count) {
      if (k == count) return;
      s.later(part(from, until, k, count), [&s, &load, index, from, until, k, count](Duration) {
        next(s, load, index, from, until, k + 1, count);
        s.operate(load, index, k);
      });
    }
  };
  Loop::next(*this, load, index, from, until, 0, count);
}

void Director::State::read_all(std::size_t index, std::uint64_t round) {
  const Load& load = plan.loads[index];
  const Duration from = now, until = now + load.every;
  const Duration end = zero + load.until.value_or(plan.duration);
  const std::size_t count = stored.size();
  struct Loop {
    static void next(State& s, const Load& load, std::size_t index, std::uint64_t round, Duration from,
                     Duration end, std::size_t k, std::size_t count) {
      if (k == count) return;
      const Duration at = part(from, from + load.every, k, count);
      if (at >= end) return;
      s.later(at, [&s, &load, index, round, from, end, k, count](Duration) {
        next(s, load, index, round, from, end, k + 1, count);
        s.operate(load, index, round << 32 | k, k);
      });
    }
  };
  Loop::next(*this, load, index, round, from, end, 0, count);
  if (until < end) later(until, [this, index, round](Duration) { read_all(index, round + 1); });
}

void Director::State::operate(const Load& load, std::uint64_t a, std::uint64_t b,
                              std::optional<std::size_t> which) {
  Rng rng = luck(plan.seed, to_string(load.kind), a, b);
  std::vector<NodeIndex> nodes = living();
  std::erase_if(nodes, [this](NodeIndex node) { return ledger.up_for(now, node) < kReadyAfter; });
  if (nodes.empty()) return;
  const std::size_t drawn = rng.below(nodes.size());
  NodeIndex node = nodes[drawn];
  const OpNumber number = next_op++;
  Op op;
  op.node = node;
  op.phase = phases.size() - 1;
  op.size = load.size;
  switch (load.kind) {
    case LoadKind::kPut: {
      op.kind = Op::Kind::kPut;
      op.key = put_key(a, load.keys == 0 ? b : b % load.keys);
      if (const auto it = written.find(op.key); it != written.end()) {
        op.node = it->second.writer;
        if (std::ranges::find(nodes, op.node) == nodes.end()) return;  // away
      }
      Written& w = written[op.key];
      w.writer = op.node;
      w.size = load.size;
      op.version = ++w.begun;
      out->push_back(PutValue{number, op.node, op.key,
                              value_of(plan.seed, versioned(op.key, op.version), load.size), load.quorum});
      break;
    }
    case LoadKind::kGet: {
      if (stored.empty()) return;
      const Stored& value = stored[which ? *which : rng.below(stored.size())];
      if (value.writer == node) node = nodes[(drawn + 1) % nodes.size()];  // not from its own store
      op.node = node;
      op.kind = Op::Kind::kGet;
      op.key = value.key;
      op.quorum = load.quorum;
      op.least = least_version(value.key, load.quorum);
      op.owed = ledger.up_within(now, value.writer, kOwedFor);
      out->push_back(GetValue{number, node, value.key, value.writer, load.quorum});
      break;
    }
    case LoadKind::kLookup: {
      op.kind = Op::Kind::kLookup;
      NodeId target;
      for (auto& byte : target.bytes) byte = static_cast<std::uint8_t>(rng.below(256));
      std::optional<NodeIndex> of;
      if (load.of_node) {
        if (nodes.size() < 2) return;
        of = nodes[(drawn + 1 + rng.below(nodes.size() - 1)) % nodes.size()];
      }
      out->push_back(LookUp{number, node, target, of});
      break;
    }
    case LoadKind::kState: {
      if (load.writers != 0) {
        std::erase_if(nodes, [&](NodeIndex n) { return n >= load.writers; });
        if (nodes.empty()) return;
        op.node = nodes[rng.below(nodes.size())];
      }
      op.kind = Op::Kind::kState;
      SetState set{number, op.node, {}};
      for (std::uint64_t i = 0; i < load.batch; ++i) {
        const std::uint64_t nth = b * load.batch + i;
        std::string path = "load" + std::to_string(a) + "/" + std::to_string(load.keys == 0 ? nth : nth % load.keys);
        Bytes value = value_of(plan.seed, path + "#" + std::to_string(nth), load.size);
        set.registers.emplace_back(std::move(path), std::move(value));
      }
      op.key = set.registers.front().first;
      out->push_back(std::move(set));
      break;
    }
  }
  ops[number] = std::move(op);
}

// ---- actions

std::vector<NodeIndex> Director::State::chosen(const Action& action,
                                               std::span<const NodeIndex> candidates) {
  std::vector<std::size_t> from(candidates.begin(), candidates.end());
  const auto index = static_cast<std::uint64_t>(&action - plan.actions.data());
  Rng rng = luck(plan.seed, "who", index);
  const auto picked = testnet::choose(action.who, lives.size(), from, rng);
  std::vector<NodeIndex> out_nodes;
  if (!picked) return out_nodes;
  for (const std::size_t i : *picked) {
    if (std::ranges::find(from, i) != from.end()) out_nodes.push_back(static_cast<NodeIndex>(i));
  }
  return out_nodes;
}

void Director::State::partition(const Action& action) {
  const auto index = static_cast<std::uint64_t>(&action - plan.actions.data());
  std::vector<bool> side_a(lives.size());
  std::vector<bool> bridges;
  std::vector<NodeIndex> all = living();
  std::size_t n = 0;
  const auto on_side_a = [&](NodeIndex node) {
    n += side_a[node] ? 0U : 1U;
    side_a[node] = true;
  };
  if (action.who == testnet::Selection{}) {
    luck(plan.seed, "split", index).shuffle(std::span(all));
    const std::size_t share = (all.size() * action.share_ppm + 500'000) / 1'000'000;
    for (std::size_t i = 0; i < share; ++i) on_side_a(all[i]);
  } else {
    // Also who is down now: it may come back before the partition heals.
    std::vector<NodeIndex> ever(lives.size());
    std::iota(ever.begin(), ever.end(), 0);
    for (const NodeIndex node : chosen(action, action.who.share_ppm ? all : ever)) on_side_a(node);
  }
  if (action.partial_ppm != 0) {
    bridges.resize(lives.size());
    std::ranges::sort(all);
    luck(plan.seed, "bridges", index).shuffle(std::span(all));
    const std::size_t share = (all.size() * action.partial_ppm + 500'000) / 1'000'000;
    for (std::size_t i = 0; i < share; ++i) bridges[all[i]] = true;
  }
  split = true;
  ledger.disturbed(kDurationMax * 2);
  say({{"event", "partition"}, {"side_a", n}, {"one_way", action.one_way},
       {"bridges", std::ranges::count(bridges, true)}});
  std::vector<std::size_t> cut_off;
  for (std::size_t i = 0; hooks.record && i < side_a.size(); ++i) {
    if (side_a[i]) cut_off.push_back(i);
  }
  record({{"event", "cut_off"}, {"nodes", cut_off}});
  out->push_back(SplitNodes{std::move(side_a), action.one_way, std::move(bridges)});
  if (!action.lasts) return;
  later(now + *action.lasts, [this](Duration) {
    split = false;
    ledger.calm(now + kGrace);
    say({{"event", "heal"}});
    out->push_back(HealSplit{});
  });
}

// The k-th speed of a clock that drifts, and the next one after `every`. Ends with the node's life.
void Director::State::drift(NodeIndex node, const Action& action, std::uint64_t which, std::uint64_t k) {
  const auto it = drifting.find(node);
  if (it == drifting.end() || it->second != which) return;
  if (!ledger.is_up(node)) {
    drifting.erase(it);
    return;
  }
  const auto index = static_cast<std::uint64_t>(&action - plan.actions.data());
  Rng rng = luck(plan.seed, "drift", index << 32 | node, k);
  Action skew = action;
  skew.what = Do::kClockSkew;
  skew.ppm = static_cast<std::int32_t>(rng.below(2 * static_cast<std::uint64_t>(action.ppm) + 1)) - action.ppm;
  out->push_back(FaultNode{node, std::move(skew)});
  later(now + action.every, [this, node, &action, which, k](Duration) { drift(node, action, which, k + 1); });
}

void Director::State::act(const Action& action) {
  if (!action.phase.empty()) {
    end_phase();
    begin_phase(action.phase);
  }
  if (!action.say.empty()) {
    told.push_back(action.say);
    say({{"event", "say"}, {"text", action.say}});
  }
  const std::vector<NodeIndex> up = living();
  switch (action.what) {
    case Do::kKill:
      for (const NodeIndex node : chosen(action, up)) kill(node);
      break;
    case Do::kStop:
      for (const NodeIndex node : chosen(action, up)) stop(node);
      break;
    case Do::kRestart: {
      std::vector<NodeIndex> down;
      for (NodeIndex i = 0; i < lives.size(); ++i) {
        if (!ledger.is_up(i)) down.push_back(i);
      }
      for (const NodeIndex node : chosen(action, down)) restart(node);
      break;
    }
    case Do::kPause:
      for (const NodeIndex node : chosen(action, up)) {
        ledger.paused(now, node, true);
        say({{"event", "pause"}, {"node", node}});
        out->push_back(PauseNode{node});
        if (!action.lasts) continue;
        later(now + *action.lasts, [this, node](Duration) {
          if (!ledger.is_up(node) || !ledger.is_paused(node)) return;
          ledger.paused(now, node, false);
          say({{"event", "resume"}, {"node", node}});
          out->push_back(ResumeNode{node});
        });
      }
      break;
    case Do::kResume: {
      std::vector<NodeIndex> paused;
      for (NodeIndex i = 0; i < lives.size(); ++i) {
        if (ledger.is_up(i) && ledger.is_paused(i)) paused.push_back(i);
      }
      for (const NodeIndex node : chosen(action, paused)) {
        ledger.paused(now, node, false);
        say({{"event", "resume"}, {"node", node}});
        out->push_back(ResumeNode{node});
      }
      break;
    }
    case Do::kAdd:
      for (std::uint32_t i = 0; i < action.nodes && lives.size() < kNodesMax; ++i) {
        start(static_cast<NodeIndex>(lives.size()), action.dead_seeds);
      }
      break;
    case Do::kPartition:
      partition(action);
      break;
    case Do::kHeal:
      split = false;
      ledger.calm(now + kGrace);
      say({{"event", "heal"}});
      out->push_back(HealSplit{});
      break;
    case Do::kLink:
      say({{"event", "link"}, {"spec", node::to_string(action.link.spec)}});
      out->push_back(SetLink{action.link});
      break;
    case Do::kNote:
      break;
    case Do::kEnd:
      heal();
      break;
    case Do::kPut:
    case Do::kGet:
      for (std::uint32_t i = 0; i < action.count; ++i) {
        Load load;
        load.kind = action.what == Do::kPut ? LoadKind::kPut : LoadKind::kGet;
        load.size = kActionValueBytes;
        operate(load, 1'000'000 + static_cast<std::uint64_t>(&action - plan.actions.data()), i);
      }
      break;
    case Do::kCalm:
      for (const NodeIndex node : chosen(action, up)) {
        faulted.erase(node);
        drifting.erase(node);
        out->push_back(CalmNode{node});
      }
      break;
    case Do::kBackup:
      for (const NodeIndex node : chosen(action, up)) {
        backed_up.insert(node);
        say({{"event", "backup"}, {"node", node}});
        out->push_back(BackUp{node});
      }
      break;
    case Do::kRestoreBackup: {
      const std::vector<NodeIndex> kept(backed_up.begin(), backed_up.end());
      for (const NodeIndex node : chosen(action, kept)) {
        kill(node);
        say({{"event", "restore_backup"}, {"node", node}});
        out->push_back(RestoreBackup{node});
        restart(node);
      }
      break;
    }
    case Do::kTwin:
      for (const NodeIndex node : chosen(action, up)) {
        twinned.insert(node);
        Rng rng = luck(plan.seed, "twin", node);
        say({{"event", "twin"}, {"node", node}});
        out->push_back(StartTwin{node, some_seed(node, rng)});
      }
      break;
    case Do::kSlowCpu:
    case Do::kSlowDisk:
    case Do::kFailDisk:
    case Do::kLateReceive:
    case Do::kBlock:
    case Do::kClockStep:
    case Do::kClockSkew:
    case Do::kClockDrift:
    case Do::kHostile:
      for (const NodeIndex node : chosen(action, up)) {
        faulted.insert(node);
        drifting.erase(node);
        say({{"event", std::string(to_string(action.what))}, {"node", node}});
        if (action.what == Do::kClockDrift) {
          const std::uint64_t which = orders++;
          drifting[node] = which;
          drift(node, action, which, 0);
        } else {
          out->push_back(FaultNode{node, action});
        }
        if (!action.lasts) continue;
        later(now + *action.lasts, [this, node](Duration) {
          faulted.erase(node);
          drifting.erase(node);
          out->push_back(CalmNode{node});
        });
      }
      break;
  }
}

}  // namespace weft::scenario
