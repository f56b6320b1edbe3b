#include "testnet/scenario/director.h"

#include <algorithm>
#include <deque>
#include <set>

#include "crypto/check.h"
#include "crypto/rng.h"
#include "testnet/scenario/figures.h"
#include "testnet/scenario/ledger.h"

namespace weft::scenario {
namespace {

using Json = nlohmann::ordered_json;

enum class Stage : std::uint8_t { kForming, kSettling, kRunning, kHealing, kDone };

// The generator of one thing that the run decides: its name and coordinates, and nothing else.
Rng luck(std::uint64_t seed, std::string_view what, std::uint64_t a, std::uint64_t b = 0) {
  return Rng(Rng(Rng(Rng(seed).fork(what).next() ^ a).next() ^ b).next());
}

// A Duration as `from` plus a part of what lies between.
Duration part(Duration from, Duration until, std::uint64_t k, std::uint64_t of) {
  const auto span = static_cast<std::uint64_t>((until - from).count());
  // k+1/2 of `of`, without overflow for spans below 2^42 us and counts below 2^20.
  return from + Duration(static_cast<std::int64_t>(span / (2 * of) * (2 * k + 1) +
                                                   span % (2 * of) * (2 * k + 1) / (2 * of)));
}

std::optional<bool> judge(double got, Compare compare, double want) {
  switch (compare) {
    case Compare::kEqual: return got == want;
    case Compare::kNotEqual: return got != want;
    case Compare::kLess: return got < want;
    case Compare::kAtMost: return got <= want;
    case Compare::kMore: return got > want;
    case Compare::kAtLeast: return got >= want;
  }
  return std::nullopt;
}

}  // namespace

Bytes value_of(std::uint64_t seed, std::string_view key, std::size_t size) {
  Rng rng = Rng(seed).fork(key);
  Bytes out(size);
  for (std::size_t i = 0; i < size; i += 8) {
    ByteArray<8> raw;
    store_le(raw.data(), rng.next());
    std::copy_n(raw.begin(), std::min<std::size_t>(8, size - i),
                out.begin() + static_cast<std::ptrdiff_t>(i));
  }
  return out;
}

struct Director::State {
  struct Op {
    enum class Kind : std::uint8_t { kPut, kGet, kLookup } kind = Kind::kPut;
    NodeIndex node = 0;
    std::size_t phase = 0;
    std::string key;
    std::size_t size = 0;
  };
  // Something that falls due; ties in the order of making.
  struct Due {
    Duration at;
    std::uint64_t order;
    std::function<void(Duration)> act;
    bool operator<(const Due& other) const {
      return at != other.at ? at < other.at : order < other.order;
    }
  };

  Scenario plan;
  std::string version;
  Hooks hooks;
  Stage stage = Stage::kForming;
  Ledger ledger;
  std::vector<Figures> phases;
  Counters counters_before;
  std::uint64_t lived_before = 0;
  Duration now{};
  Duration zero{};  // t = 0 of the scenario, once running
  bool began = false;
  std::set<Due> due;
  std::uint64_t orders = 0;
  std::vector<Command>* out = nullptr;
  std::deque<const Action*> conditional;  // in the order of the file
  std::map<OpNumber, Op> ops;
  OpNumber next_op = 1;
  std::vector<Stored> stored;
  std::map<std::string, std::size_t, std::less<>> stored_sizes;
  std::vector<std::uint32_t> lives;      // starts of each node so far
  std::set<NodeIndex> faulted;
  bool split = false;
  bool churning = false;
  std::size_t waiting_for = 0;  // nodes told to start and not yet up

  void later(Duration at, std::function<void(Duration)> act) {
    due.insert({std::max(at, now), orders++, std::move(act)});
  }
  void say(Json event) {
    if (!hooks.log) return;
    Json line = {{"t", static_cast<double>(now.count()) / 1e6}};
    line.update(event);
    hooks.log(line.dump());
  }
  void begin_phase(const std::string& name);
  void end_phase();
  std::vector<NodeIndex> living() const;
  std::optional<NodeIndex> some_seed(NodeIndex except, Rng& rng) const;
  void start(NodeIndex node);
  void kill(NodeIndex node);
  void restart(NodeIndex node);
  void run();
  void heal();
  void finish();
  void begin_churn();
  void churn_up(NodeIndex node, std::uint64_t cycle);
  void churn_down(NodeIndex node, std::uint64_t cycle);
  void begin_load(std::size_t index);
  void operate(LoadKind kind, std::size_t size, std::uint64_t a, std::uint64_t b);
  void act(const Action& action);
  std::vector<NodeIndex> chosen(const Action& action, std::span<const NodeIndex> candidates);
  bool holds(const Action& action) const;
  void look();
  void advance();
};

void Director::State::begin_phase(const std::string& name) {
  Figures f;
  f.name = name;
  f.start = now;
  phases.push_back(std::move(f));
  counters_before = hooks.counters ? hooks.counters() : Counters{};
  lived_before = ledger.lived_us(now);
  say({{"event", "phase"}, {"name", name}});
}

void Director::State::end_phase() {
  Figures& f = phases.back();
  f.end = now;
  f.nodes_alive = ledger.alive();
  f.converged = ledger.converged();
  if (const auto right = ledger.right_since(); right) {
    f.converge = std::max(Duration{}, *right - std::max(f.start, ledger.changed()));
  }
  f.lived_us = ledger.lived_us(now) - lived_before;
  const Counters c = hooks.counters ? hooks.counters() : Counters{};
  f.counters = {.bytes = c.bytes - counters_before.bytes,
                .packets = c.packets - counters_before.packets,
                .cpu_us = c.cpu_us - counters_before.cpu_us,
                .pss_mean_kib = c.pss_mean_kib};
}

std::vector<NodeIndex> Director::State::living() const {
  std::vector<NodeIndex> all;
  for (NodeIndex i = 0; i < ledger.known(); ++i) {
    if (ledger.is_up(i) && !ledger.is_paused(i)) all.push_back(i);
  }
  return all;
}

std::optional<NodeIndex> Director::State::some_seed(NodeIndex except, Rng& rng) const {
  std::vector<NodeIndex> all = living();
  std::erase(all, except);
  if (all.empty()) return std::nullopt;
  return all[rng.below(all.size())];
}

void Director::State::start(NodeIndex node) {
  if (node >= lives.size()) lives.resize(node + 1);
  ++lives[node];
  ++waiting_for;
  Rng rng = luck(plan.seed, "seed", node, lives[node]);
  // The first ones all know node 0, which is being started like they are.
  std::optional<NodeIndex> seed;
  if (node != 0) seed = stage == Stage::kForming ? 0 : some_seed(node, rng).value_or(0);
  say({{"event", "start"}, {"node", node}});
  out->push_back(StartNode{node, seed});
}

void Director::State::kill(NodeIndex node) {
  if (!ledger.is_up(node)) return;
  ledger.down(now, node, /*told=*/false, phases.size() - 1);
  say({{"event", "kill"}, {"node", node}});
  out->push_back(KillNode{node});
}

void Director::State::restart(NodeIndex node) {
  if (ledger.is_up(node) || node >= lives.size()) return;
  ++lives[node];
  ++waiting_for;
  Rng rng = luck(plan.seed, "seed", node, lives[node]);
  say({{"event", "restart"}, {"node", node}});
  out->push_back(RestartNode{node, some_seed(node, rng)});
}

// ---- the stages

void Director::State::run() {
  stage = Stage::kRunning;
  zero = now;
  for (std::size_t i = 0; i < plan.loads.size(); ++i) begin_load(i);
  if (plan.churn) later(zero + plan.churn->from, [this](Duration) { begin_churn(); });
  for (const Action& action : plan.actions) {
    if (action.when == Action::When::kTime) {
      later(zero + action.t, [this, &action](Duration) { act(action); });
    } else {
      conditional.push_back(&action);
    }
  }
  later(zero + plan.duration, [this](Duration) { heal(); });
  end_phase();
  begin_phase("run");
}

void Director::State::heal() {
  stage = Stage::kHealing;
  churning = false;
  conditional.clear();
  due.clear();  // loads, churn, actions and their undoing: all of it is over
  end_phase();
  if (split) out->push_back(HealSplit{});
  split = false;
  Link clean = plan.link;
  clean.spec.loss_ppm = clean.spec.dup_ppm = clean.spec.reorder_ppm = clean.corrupt_ppm = 0;
  out->push_back(SetLink{clean});
  for (const NodeIndex node : faulted) out->push_back(CalmNode{node});
  faulted.clear();
  for (NodeIndex i = 0; i < ledger.known(); ++i) {
    if (!ledger.is_paused(i) || !ledger.is_up(i)) continue;
    ledger.paused(now, i, false);
    out->push_back(ResumeNode{i});
  }
  ledger.calm(now + kGrace);
  begin_phase("heal");
  later(now + plan.heal, [this](Duration) { finish(); });
}

void Director::State::finish() {
  end_phase();
  for (const Ledger::Death& death : ledger.deaths()) {
    Figures& f = phases[death.phase];
    const auto us = [&](Duration d) { return static_cast<std::uint64_t>((d - death.at).count()); };
    if (death.first) f.detect_first_us.add(us(*death.first));
    if (death.all) f.detect_all_us.add(us(*death.all));
    if (!death.all && death.waiting > 0 && !ledger.is_up(death.node)) ++f.deaths_unseen;
  }
  stage = Stage::kDone;
  say({{"event", "done"}});
}

// ---- churn

void Director::State::begin_churn() {
  churning = true;
  const Churn& churn = *plan.churn;
  say({{"event", "churn"}});
  for (NodeIndex i = 0; i < ledger.known(); ++i) {
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
  later(now + testnet::draw_session(plan.churn->model, ms, rng), [this, node, cycle](Duration) {
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
    NodeIndex back = node;
    if (plan.churn->new_identity) {
      if (ledger.known() >= kNodesMax) return;
      back = static_cast<NodeIndex>(lives.size());
      start(back);
    } else {
      restart(back);
    }
    churn_up(back, cycle + 1);
  });
}

// ---- load

void Director::State::begin_load(std::size_t index) {
  const Load& load = plan.loads[index];
  const Duration from = zero + load.from;
  const Duration until = zero + load.until.value_or(plan.duration);
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
        s.operate(load.kind, load.size, index, k);
      });
    }
  };
  Loop::next(*this, load, index, from, until, 0, count);
}

void Director::State::operate(LoadKind kind, std::size_t size, std::uint64_t a, std::uint64_t b) {
  Rng rng = luck(plan.seed, to_string(kind), a, b);
  std::vector<NodeIndex> nodes = living();
  std::erase_if(nodes, [this](NodeIndex node) { return ledger.up_for(now, node) < kReadyAfter; });
  if (nodes.empty()) return;
  const std::size_t drawn = rng.below(nodes.size());
  NodeIndex node = nodes[drawn];
  const OpNumber number = next_op++;
  Op op{.node = node, .phase = phases.size() - 1, .key = {}, .size = size};
  switch (kind) {
    case LoadKind::kPut: {
      op.kind = Op::Kind::kPut;
      op.key = "v" + std::to_string(a) + "-" + std::to_string(b);
      out->push_back(PutValue{number, node, op.key, value_of(plan.seed, op.key, size)});
      break;
    }
    case LoadKind::kGet: {
      if (stored.empty()) return;
      const Stored& value = stored[rng.below(stored.size())];
      if (value.writer == node) node = nodes[(drawn + 1) % nodes.size()];  // not from its own store
      op.node = node;
      op.kind = Op::Kind::kGet;
      op.key = value.key;
      op.size = stored_sizes.at(value.key);
      out->push_back(GetValue{number, node, value.key, value.writer});
      break;
    }
    case LoadKind::kLookup: {
      op.kind = Op::Kind::kLookup;
      NodeId target;
      for (auto& byte : target.bytes) byte = static_cast<std::uint8_t>(rng.below(256));
      out->push_back(LookUp{number, node, target});
      break;
    }
    case LoadKind::kState:
      return;
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

void Director::State::act(const Action& action) {
  if (!action.phase.empty()) {
    end_phase();
    begin_phase(action.phase);
  }
  const std::vector<NodeIndex> up = living();
  switch (action.what) {
    case Do::kKill:
      for (const NodeIndex node : chosen(action, up)) kill(node);
      break;
    case Do::kStop:
      for (const NodeIndex node : chosen(action, up)) {
        ledger.down(now, node, /*told=*/true, phases.size() - 1);
        say({{"event", "stop"}, {"node", node}});
        out->push_back(StopNode{node});
      }
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
        start(static_cast<NodeIndex>(lives.size()));
      }
      break;
    case Do::kPartition: {
      std::vector<bool> side_a(lives.size());
      std::vector<NodeIndex> all = up;
      luck(plan.seed, "split", static_cast<std::uint64_t>(&action - plan.actions.data()))
          .shuffle(std::span(all));
      const std::size_t n = (all.size() * action.share_ppm + 500'000) / 1'000'000;
      for (std::size_t i = 0; i < n; ++i) side_a[all[i]] = true;
      split = true;
      ledger.disturbed(kDurationMax * 2);
      say({{"event", "partition"}, {"side_a", n}, {"one_way", action.one_way}});
      out->push_back(SplitNodes{std::move(side_a), action.one_way});
      if (action.lasts) {
        later(now + *action.lasts, [this](Duration) {
          split = false;
          ledger.calm(now + kGrace);
          say({{"event", "heal"}});
          out->push_back(HealSplit{});
        });
      }
      break;
    }
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
    case Do::kPut:
    case Do::kGet:
      for (std::uint32_t i = 0; i < action.count; ++i) {
        operate(action.what == Do::kPut ? LoadKind::kPut : LoadKind::kGet, kActionValueBytes,
                1'000'000 + static_cast<std::uint64_t>(&action - plan.actions.data()), i);
      }
      break;
    case Do::kCalm:
      for (const NodeIndex node : chosen(action, up)) {
        faulted.erase(node);
        out->push_back(CalmNode{node});
      }
      break;
    case Do::kSlowCpu:
    case Do::kSlowDisk:
    case Do::kFailDisk:
    case Do::kLateReceive:
    case Do::kClockStep:
    case Do::kClockSkew:
    case Do::kHostile:
      for (const NodeIndex node : chosen(action, up)) {
        faulted.insert(node);
        say({{"event", std::string(to_string(action.what))}, {"node", node}});
        out->push_back(FaultNode{node, action});
        if (!action.lasts) continue;
        later(now + *action.lasts, [this, node](Duration) {
          faulted.erase(node);
          out->push_back(CalmNode{node});
        });
      }
      break;
  }
}

bool Director::State::holds(const Action& action) const {
  if (now < zero + action.t) return false;
  if (now >= zero + action.t + action.within) return true;
  return action.when == Action::When::kConverged ? ledger.converged() : ops.empty();
}

void Director::State::look() {
  if (stage == Stage::kForming) {
    const bool all = waiting_for == 0 && ledger.alive() == plan.nodes && ledger.converged();
    if (!all && now < kFormMax) return;
    say({{"event", "formed"}, {"converged", all}});
    stage = Stage::kSettling;
    later(now + plan.settle, [this](Duration) { run(); });
  }
  while (!conditional.empty() && holds(*conditional.front())) {
    const Action& action = *conditional.front();
    conditional.pop_front();
    act(action);
  }
}

void Director::State::advance() {
  if (stage == Stage::kDone) return;
  if (!began) {
    began = true;
    begin_phase("form");
    for (NodeIndex i = 0; i < plan.nodes; ++i) start(i);
  }
  look();
  while (!due.empty() && due.begin()->at <= now) {
    auto entry = due.extract(due.begin());
    entry.value().act(now);
    if (stage == Stage::kDone) return;
  }
  look();
}

// ---- the interface

Director::Director(Scenario scenario, std::string version, Hooks hooks)
    : state_(std::make_unique<State>()) {
  state_->plan = std::move(scenario);
  state_->version = std::move(version);
  state_->hooks = std::move(hooks);
}

Director::~Director() = default;

std::optional<Duration> Director::next() const {
  const State& s = *state_;
  if (s.stage == Stage::kDone) return std::nullopt;
  if (!s.began) return Duration{};
  std::optional<Duration> at;
  if (!s.due.empty()) at = s.due.begin()->at;
  if (s.stage == Stage::kForming || !s.conditional.empty()) {
    const Duration look = s.now + kLookEvery;
    at = at ? std::min(*at, look) : look;
  }
  return at;
}

void Director::advance(Duration at, std::vector<Command>& out) {
  CHECK(at >= state_->now);
  state_->now = at;
  state_->out = &out;
  state_->advance();
  state_->out = nullptr;
}

void Director::node_up(Duration at, NodeIndex node) {
  State& s = *state_;
  s.now = std::max(s.now, at);
  if (s.waiting_for > 0) --s.waiting_for;
  s.ledger.up(s.now, node);
}

void Director::node_lost(Duration at, NodeIndex node) {
  State& s = *state_;
  s.now = std::max(s.now, at);
  s.say({{"event", "lost"}, {"node", node}});
  s.ledger.down(s.now, node, /*told=*/false, s.phases.size() - 1);
}

void Director::saw(Duration at, NodeIndex observer, NodeIndex subject, Seen state) {
  State& s = *state_;
  s.now = std::max(s.now, at);
  if (!s.ledger.saw(s.now, observer, subject, state)) return;
  ++s.phases.back().false_failures;
  s.say({{"event", "false_failure"}, {"node", observer}, {"of", subject}});
}

void Director::op_done(Duration at, OpNumber number, OpOutcome outcome) {
  State& s = *state_;
  s.now = std::max(s.now, at);
  const auto it = s.ops.find(number);
  CHECK(it != s.ops.end());  // exactly one end for each operation
  const State::Op op = std::move(it->second);
  s.ops.erase(it);
  Figures& f = s.phases[op.phase];
  switch (op.kind) {
    case State::Op::Kind::kPut:
      if (outcome.ok) {
        s.stored.push_back({op.key, op.node, s.now});
        s.stored_sizes[op.key] = op.size;
      }
      f.puts.add(outcome);
      break;
    case State::Op::Kind::kGet:
      if (outcome.ok && outcome.value != value_of(s.plan.seed, op.key, op.size)) {
        outcome.ok = false;
        outcome.error = "wrong_bytes";
      }
      f.gets.add(outcome);
      break;
    case State::Op::Kind::kLookup:
      f.lookups.add(outcome);
      break;
  }
  if (outcome.ok) return;
  s.say({{"event", "op_failed"}, {"node", op.node}, {"key", op.key}, {"error", outcome.error}});
}

bool Director::done() const { return state_->stage == Stage::kDone; }

const std::string& Director::phase() const {
  static const std::string none = "form";
  return state_->phases.empty() ? none : state_->phases.back().name;
}

bool Director::up(NodeIndex node) const { return state_->ledger.is_up(node); }
std::size_t Director::nodes() const { return state_->lives.size(); }
std::size_t Director::open_ops() const { return state_->ops.size(); }
bool Director::converged() const { return state_->ledger.converged(); }
const std::vector<Director::Stored>& Director::stored() const { return state_->stored; }

Verdict Director::verdict() const {
  const State& s = *state_;
  CHECK(done());
  Json phases = Json::array();
  Json by_name = Json::object();
  Figures total = s.phases.front();
  total.name = "total";
  for (std::size_t i = 0; i < s.phases.size(); ++i) {
    Json one = s.phases[i].json();
    by_name[s.phases[i].name] = one;
    phases.push_back(std::move(one));
    if (i > 0) total.add(s.phases[i]);
  }
  const Json whole = total.json();
  const Json fields = {{"phases", by_name}, {"total", whole}};

  Verdict verdict;
  Json checks = Json::array();
  for (const Check& check : s.plan.checks) {
    std::string pointer = "/" + check.field;
    std::ranges::replace(pointer, '.', '/');
    const Json::json_pointer at(pointer);
    const Json got = fields.contains(at) ? fields.at(at) : Json(nullptr);
    std::optional<double> number;
    if (got.is_boolean()) number = got.get<bool>() ? 1 : 0;
    if (got.is_number()) number = got.get<double>();
    const bool passed = number && judge(*number, check.compare, check.value).value_or(false);
    verdict.passed = verdict.passed && passed;
    checks.push_back({{"field", check.field}, {"is", std::string(to_string(check.compare))},
                      {"value", check.value}, {"got", got}, {"passed", passed},
                      {"line", check.place.line}});
  }
  verdict.report = {{"scenario", s.plan.name}, {"seed", s.plan.seed}, {"version", s.version},
                    {"nodes", s.plan.nodes}, {"phases", std::move(phases)}, {"total", whole},
                    {"checks", std::move(checks)}, {"passed", verdict.passed}};
  return verdict;
}

}  // namespace weft::scenario
