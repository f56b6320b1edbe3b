#include "testnet/scenario/director.h"

#include <algorithm>
#include <array>

#include "crypto/check.h"
#include "testnet/scenario/director_state.h"

namespace weft::scenario {
namespace {

using Json = nlohmann::ordered_json;

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

std::uint32_t Director::State::least_version(std::string_view key, std::uint32_t quorum) const {
  const auto it = written.find(key);
  if (it == written.end()) return 0;
  const Written& w = it->second;
  const auto enough = w.acknowledged.lower_bound(w.wanted - std::min(w.wanted, quorum) + 1);
  std::uint32_t least = 0;
  for (auto at = enough; at != w.acknowledged.end(); ++at) least = std::max(least, at->second);
  return least;
}

std::optional<std::uint32_t> Director::State::version_of(std::string_view key, ByteView value) const {
  const auto it = written.find(key);
  if (it == written.end()) return std::nullopt;
  for (std::uint32_t v = it->second.begun; v > 0; --v) {
    if (equal(value_of(plan.seed, versioned(key, v), it->second.size), value)) return v;
  }
  return std::nullopt;
}

void Director::State::begin_phase(const std::string& name) {
  Figures f;
  f.name = name;
  f.start = now;
  phases.push_back(std::move(f));
  counters_before = hooks.counters ? hooks.counters() : Counters{};
  lived_before = ledger.lived_us(now);
  state_before = hooks.state_counters ? hooks.state_counters() : StateCounters{};
  say({{"event", "phase"}, {"name", name}});
}

void Director::State::end_phase() {
  Figures& f = phases.back();
  f.end = now;
  f.nodes_alive = ledger.alive();
  f.converged = converged();
  if (const auto right = ledger.right_since(); right) {
    f.converge = std::max(Duration{}, *right - std::max(f.start, ledger.changed()));
  }
  f.lived_us = ledger.lived_us(now) - lived_before;
  const Counters c = hooks.counters ? hooks.counters() : Counters{};
  f.counters = {.bytes = c.bytes - counters_before.bytes,
                .packets = c.packets - counters_before.packets,
                .cpu_us = c.cpu_us - counters_before.cpu_us,
                .pss_mean_kib = c.pss_mean_kib,
                .lies = c.lies};
  f.counters.names = c.names - counters_before.names;
  Json kinds = Json::object();
  for (const auto& [kind, sent] : c.kinds) {
    const Counters::Sent& before = counters_before.kinds[kind];
    const Counters::Sent added{.packets = sent.packets - before.packets, .bytes = sent.bytes - before.bytes};
    if (added.packets == 0) continue;
    f.counters.kinds[kind] = added;
    kinds[kind] = {added.packets, added.bytes};
  }
  for (const auto& [role, before] : counters_before.lies) f.counters.lies[role] -= before;
  Json over = {{"event", "phase_over"}, {"name", f.name}, {"lived_us", f.lived_us}, {"bytes", f.counters.bytes}, {"packets", f.counters.packets},
               {"cpu_us", f.counters.cpu_us}, {"pss_mean_kib", f.counters.pss_mean_kib}};
  if (!kinds.empty()) over.update({{"names", f.counters.names}, {"kinds", std::move(kinds)}});
  if (plan.shares_state()) {
    look_at_state();
    f.state_equal = state_equal_since.has_value();
    if (state_equal_since) f.state_converge = std::max(Duration{}, *state_equal_since - std::max(f.start, state_written));
    const StateCounters s = hooks.state_counters ? hooks.state_counters() : StateCounters{};
    f.state_sent = s.sent - state_before.sent;
    f.state_received = s.received - state_before.received;
    over.update({{"state_sent", f.state_sent}, {"state_received", f.state_received}});
  }
  say(std::move(over));
}

void Director::State::look_at_state() {
  const std::optional<bool> equal = hooks.state_equal ? hooks.state_equal() : std::nullopt;
  if (equal != std::optional(true)) {
    state_equal_since.reset();
  } else if (!state_equal_since) {
    state_equal_since = now;
  }
}

// Sightings are gathered for a while: a line each would be a million lines for a thousand nodes.
void Director::State::note_saw(NodeIndex observer, NodeIndex subject, Seen state) {
  if (!hooks.record || stage == Stage::kDone || !ledger.is_up(observer)) return;
  if (saw_pairs == kSawPairsMax || (saw_pairs > 0 && now >= saw_first + kSawEvery)) record_saw();
  if (saw_pairs++ == 0) saw_first = now;
  else saw += ' ';
  saw_last = now;
  saw += std::to_string(observer) + ".asfl"[static_cast<std::size_t>(state)] + std::to_string(subject);
}

void Director::State::record_saw() {
  if (saw_pairs == 0) return;
  hooks.record(line_at(saw_last, {{"event", "saw"}, {"pairs", saw}}));
  saw.clear();
  saw_pairs = 0;
}

void Director::State::sample() {
  if (!logs() || now < sample_at || stage == Stage::kDone) return;
  sample_at = now + kSampleEvery;
  const Ledger::Views v = ledger.views();
  const Counters c = hooks.traffic ? hooks.traffic() : Counters{};
  Json line = {{"event", "sample"}, {"up", ledger.alive()}, {"members_min", v.members_min}, {"members_median", v.members_median},
               {"members_max", v.members_max}, {"suspect", v.suspect}, {"failed", v.failed}, {"wrong", ledger.wrong_pairs()},
               {"bytes", c.bytes}, {"packets", c.packets}, {"open_ops", ops.size()}};
  if (const auto held = hooks.holdings ? hooks.holdings() : std::nullopt) {
    line.update({{"values", held->values}, {"own_values", held->own_values}});
    Holdings::Classes came{};
    std::size_t classes = 0;  // up to the last one in which something came
    for (std::size_t k = 0; k < came.size(); ++k) {
      came[k] = held->arrivals[k] - arrivals_told[k];
      if (came[k] > 0) classes = k + 1;
    }
    arrivals_told = held->arrivals;
    if (classes > 0) line["arrivals"] = std::vector(came.begin(), came.begin() + static_cast<std::ptrdiff_t>(classes));
  }
  say(std::move(line));
}

void Director::State::say_op(const Op& op, const OpOutcome& outcome, bool stale) {
  if (!logs()) return;
  constexpr std::array<const char*, 4> kNames{"put", "get", "lookup", "write"};
  Json line = {{"event", "op"}, {"op", kNames[static_cast<std::size_t>(op.kind)]}, {"node", op.node}, {"phase", op.phase}, {"ok", outcome.ok}};
  if (outcome.ok) line.update({{"us", outcome.latency.count()}, {"hops", outcome.hops}, {"queries", outcome.queries}});
  else line["error"] = outcome.error;
  if (stale) line["stale"] = true;
  if (op.owed) line["owed"] = true;
  if (outcome.nearest != Nearest::kUntold) line["right"] = outcome.nearest == Nearest::kRight;
  if (outcome.nearest == Nearest::kNewcomerMissed) line["newcomer_missed"] = true;
  say(std::move(line));
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
  if (plan.churn && plan.churn->seeds != 0) std::erase_if(all, [this](NodeIndex node) { return node >= plan.churn->seeds; });
  if (all.empty()) return std::nullopt;
  return all[rng.below(all.size())];
}

void Director::State::start(NodeIndex node, std::size_t dead_seeds) {
  if (node >= lives.size()) lives.resize(node + 1);
  ++lives[node];
  ++waiting_for;
  Rng rng = luck(plan.seed, "seed", node, lives[node]);
  // The first ones all know node 0, which is being started like they are.
  std::optional<NodeIndex> seed;
  if (node != 0) seed = stage == Stage::kForming ? 0 : some_seed(node, rng).value_or(0);
  say({{"event", "start"}, {"node", node}});
  std::vector<NodeIndex> dead;
  for (NodeIndex i = 0; dead_seeds > 0 && i < ledger.known(); ++i) {
    if (!ledger.is_up(i) && i != node) dead.push_back(i);
  }
  luck(plan.seed, "dead-seeds", node, lives[node]).shuffle(std::span(dead));
  dead.resize(std::min(dead.size(), dead_seeds));
  out->push_back(StartNode{node, seed, std::move(dead)});
}

void Director::State::kill(NodeIndex node) {
  if (!ledger.is_up(node)) return;
  ledger.down(now, node, /*told=*/false, phases.size() - 1);
  say({{"event", "kill"}, {"node", node}});
  out->push_back(KillNode{node});
}

void Director::State::stop(NodeIndex node) {
  ledger.down(now, node, /*told=*/true, phases.size() - 1);
  say({{"event", "stop"}, {"node", node}});
  out->push_back(StopNode{node});
}

void Director::State::restart(NodeIndex node, bool moved) {
  if (ledger.is_up(node) || node >= lives.size()) return;
  ++lives[node];
  ++waiting_for;
  Rng rng = luck(plan.seed, "seed", node, lives[node]);
  say({{"event", "restart"}, {"node", node}});
  out->push_back(RestartNode{node, some_seed(node, rng), moved});
}

// ---- the stages

void Director::State::run() {
  stage = Stage::kRunning;
  zero = now;
  waiting_since = now;
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
  if (split) {
    say({{"event", "heal"}});
    out->push_back(HealSplit{});
  }
  split = false;
  Link clean = plan.link;
  clean.spec.loss_ppm = clean.spec.dup_ppm = clean.spec.reorder_ppm = clean.corrupt_ppm = 0;
  record({{"event", "link"}, {"spec", node::to_string(clean.spec)}});
  out->push_back(SetLink{clean});
  for (const NodeIndex node : faulted) out->push_back(CalmNode{node});
  for (const NodeIndex node : twinned) out->push_back(EndTwin{node});
  twinned.clear();
  faulted.clear();
  drifting.clear();
  for (NodeIndex i = 0; i < ledger.known(); ++i) {
    if (!ledger.is_paused(i) || !ledger.is_up(i)) continue;
    ledger.paused(now, i, false);
    say({{"event", "resume"}, {"node", i}});
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
    const auto after = [&](const std::optional<Duration>& d) { return d ? Json(static_cast<double>((*d - death.at).count()) / 1e6) : Json(); };
    say({{"event", "death"}, {"node", death.node}, {"at", static_cast<double>(death.at.count()) / 1e6}, {"phase", death.phase},
         {"suspected", after(death.suspected)}, {"all_suspected", after(death.all_suspected)}, {"first", after(death.first)}, {"all", after(death.all)}});
  }
  stage = Stage::kDone;
  say({{"event", "done"}});
}

// ---- conditions

bool Director::State::holds(const Action& action) const {
  if (now < zero + action.t) return false;
  if (now >= std::max(zero + action.t, waiting_since) + action.within) return true;
  return action.when == Action::When::kConverged ? waiting_for == 0 && converged() : ops.empty();
}

void Director::State::look() {
  for (const NodeIndex node : to_share) out->push_back(ShareState{node});
  to_share.clear();
  if (plan.shares_state()) look_at_state();
  if (stage == Stage::kForming) {
    const bool all = waiting_for == 0 && ledger.alive() == plan.nodes && converged();
    if (!all && now < kFormMax + plan.nodes * kFormMaxEach) return;
    say({{"event", "formed"}, {"converged", all}});
    stage = Stage::kSettling;
    later(now + plan.settle, [this](Duration) { run(); });
  }
  while (!conditional.empty() && holds(*conditional.front())) {
    const Action& action = *conditional.front();
    conditional.pop_front();
    waiting_since = now;
    act(action);
  }
}

void Director::State::advance() {
  if (stage == Stage::kDone) return;
  if (!began) {
    began = true;
    record({{"event", "recording"}, {"scenario", plan.name}, {"nodes", plan.nodes}, {"seed", plan.seed}, {"version", version}});
    record({{"event", "link"}, {"spec", node::to_string(plan.link.spec)}});
    begin_phase("form");
    for (NodeIndex i = 0; i < plan.nodes; ++i) start(i);
  }
  look();
  sample();
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
  if (s.stage == State::Stage::kDone) return std::nullopt;
  if (!s.began) return Duration{};
  std::optional<Duration> at;
  if (!s.due.empty()) at = s.due.begin()->at;
  if (s.stage == State::Stage::kForming || !s.conditional.empty() || s.plan.shares_state()) {
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

void Director::node_booted(Duration at, NodeIndex node, const NodeId& id) {
  State& s = *state_;
  s.now = std::max(s.now, at);
  s.record({{"event", "boot"}, {"node", node}, {"id", to_string(id)}});
}

void Director::node_up(Duration at, NodeIndex node) {
  State& s = *state_;
  s.now = std::max(s.now, at);
  if (s.waiting_for > 0) --s.waiting_for;
  s.ledger.up(s.now, node);
  s.record({{"event", "ready"}, {"node", node}});
  if (s.plan.shares_state() && s.sharing.insert(node).second) s.to_share.push_back(node);
}

void Director::node_lost(Duration at, NodeIndex node) {
  State& s = *state_;
  s.now = std::max(s.now, at);
  s.say({{"event", "lost"}, {"node", node}});
  s.ledger.down(s.now, node, /*told=*/false, s.phases.size() - 1);
}

bool Director::saw(Duration at, NodeIndex observer, NodeIndex subject, Seen state) {
  State& s = *state_;
  s.now = std::max(s.now, at);
  s.note_saw(observer, subject, state);
  const bool false_failure = s.ledger.saw(s.now, observer, subject, state);
  s.sample();
  if (!false_failure) return false;
  ++s.phases.back().false_failures;
  s.say({{"event", "false_failure"}, {"node", observer}, {"of", subject}});
  return true;
}

Judged Director::op_done(Duration at, OpNumber number, OpOutcome outcome) {
  State& s = *state_;
  s.now = std::max(s.now, at);
  const auto it = s.ops.find(number);
  CHECK(it != s.ops.end());  // exactly one end for each operation
  const State::Op op = std::move(it->second);
  s.ops.erase(it);
  Figures& f = s.phases[op.phase];
  Judged judged = Judged::kFine;
  bool stale = false;
  switch (op.kind) {
    case State::Op::Kind::kPut:
      if (outcome.ok) {
        State::Written& w = s.written.at(op.key);
        if (w.acknowledged.empty()) s.stored.push_back({op.key, op.node, s.now});
        std::uint32_t& version = w.acknowledged[outcome.copies];
        version = std::max(version, op.version);
        w.wanted = std::max(w.wanted, outcome.wanted);
      }
      f.puts.add(outcome);
      break;
    case State::Op::Kind::kGet:
      if (outcome.ok) {
        const auto version = s.version_of(op.key, outcome.value);
        if (!version) {
          judged = Judged::kWrong;
          outcome.error = kWrongBytes;
        } else if (*version < op.least) {
          // Two sides of a partition each have their own closest holders: there it is no fault.
          if (!s.ledger.excused(s.now)) judged = Judged::kStale;
          ++f.gets.stale;
          stale = true;
        }
        outcome.ok = judged != Judged::kWrong;
      }
      if (op.owed) ++f.gets.owed;
      if (op.owed && !outcome.ok && outcome.error != kCrashed) ++f.gets.owed_unread;
      f.gets.add(outcome);
      break;
    case State::Op::Kind::kLookup:
      f.lookups.add(outcome);
      break;
    case State::Op::Kind::kState:
      if (outcome.ok) s.state_written = s.now;
      f.writes.add(outcome);
      break;
  }
  s.say_op(op, outcome, stale);
  s.sample();
  if (judged == Judged::kStale) s.say({{"event", "stale"}, {"node", op.node}, {"key", op.key}});
  if (outcome.ok) return judged;
  State::Json failed = {{"event", "op_failed"}, {"node", op.node}, {"key", op.key}, {"error", outcome.error}};
  if (op.kind == State::Op::Kind::kGet) failed["writer"] = s.written.at(op.key).writer;
  s.say(std::move(failed));
  return judged;
}

void Director::entry_everywhere(Duration at, Duration after) {
  State& s = *state_;
  s.now = std::max(s.now, at);
  if (!s.phases.empty()) s.phases.back().everywhere_us.add(static_cast<std::uint64_t>(after.count()));
}

void Director::cut_short(Duration at) {
  CHECK(state_->began);
  if (done()) return;
  state_->now = at;
  state_->finish();
}

bool Director::done() const { return state_->stage == State::Stage::kDone; }

const std::string& Director::phase() const {
  static const std::string none = "form";
  return state_->phases.empty() ? none : state_->phases.back().name;
}

const std::vector<std::string>& Director::told() const { return state_->told; }
bool Director::up(NodeIndex node) const { return state_->ledger.is_up(node); }
Duration Director::up_for(NodeIndex node) const { return state_->ledger.up_for(state_->now, node); }
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
