#include "testnet/process_world.h"

#include <poll.h>
#include <sodium.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

#include "node/control_json.h"
#include "node/link_model.h"
#include "testnet/digest_poll.h"
#include "testnet/process.h"
#include "testnet/rates.h"
#include "testnet/supervisor_verbs.h"
#include "testnet/survey.h"
#include "testnet/testbed.h"
#include "testnet/udp_traffic.h"

namespace weft::testnet {
namespace {

using Json = nlohmann::ordered_json;
using scenario::NodeIndex;
using scenario::OpNumber;
using scenario::OpOutcome;
using scenario::Seen;

constexpr Milliseconds kProgressEvery{250};
constexpr Milliseconds kHoldingsEvery{10'000};
constexpr Milliseconds kHoldingsTimeout{5000};
// The namespace that all nodes share in a run with state loads.
constexpr const char* kSharedName = "scenario";

Seen seen_of(Sight sight) {
  switch (sight) {
    case Sight::kUnknown: return Seen::kUnknown;
    case Sight::kAlive: return Seen::kAlive;
    case Sight::kSuspect: return Seen::kSuspect;
    case Sight::kFailed: return Seen::kFailed;
    case Sight::kLeft: return Seen::kLeft;
  }
  return Seen::kUnknown;
}

std::optional<Bytes> from_base64(const std::string& text) {
  Bytes out(text.size() / 4 * 3 + 3);
  std::size_t size = 0;
  if (::sodium_base642bin(out.data(), out.size(), text.data(), text.size(), nullptr, &size, nullptr,
                          sodium_base64_VARIANT_ORIGINAL) != 0) {
    return std::nullopt;
  }
  out.resize(size);
  return out;
}

std::uint64_t pss_kib(pid_t pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/smaps_rollup");
  for (std::string line; std::getline(in, line);) {
    unsigned long long kib = 0;
    if (std::sscanf(line.c_str(), "Pss: %llu", &kib) == 1) return kib;
  }
  return 0;
}

class World {
 public:
  World(const scenario::Scenario& plan, const ProcessOptions& options)
      : plan_(plan),
        options_(options),
        testbed_(options.layout, options.fleet, plan.seed),
        digests_(kSharedName, testbed_.fleet, options.layout, testbed_.calls),
        director_(plan, options.version,
                  {.counters = [this] { return counters(); }, .log = options.log, .record = nullptr, .traffic = [this] { return traffic(); },
                   .state_equal = [this] { return digests_.equal(testbed_.fleet.count(Run::kRunning)); },
                   .state_counters = nullptr,
                   .holdings = [this] { return holdings(); }}) {
    testbed_.on_ready = [this](std::size_t i) { director_.node_up(at(), static_cast<NodeIndex>(i)); };
    testbed_.fleet.on_sight = [this](std::size_t observer, std::size_t subject, Sight state) {
      (void)director_.saw(at(), static_cast<NodeIndex>(observer), static_cast<NodeIndex>(subject),
                          seen_of(state));
    };
  }

  ProcessResult run();

 private:
  Duration at() const { return std::chrono::duration_cast<Duration>(mono_now() - begin_); }
  scenario::Counters traffic();
  scenario::Counters counters();
  std::optional<scenario::Holdings> holdings();
  void end_all();
  void turn(int wait_ms);
  void start_waiting();
  void look_for_lost();
  bool interrupted();
  void set_link(const scenario::Link& link);

  void operator()(const scenario::StartNode& c) { to_start_.push_back(c.node); }
  void operator()(const scenario::KillNode& c) { (void)testbed_.fleet.kill(c.node); }
  void operator()(const scenario::StopNode& c) { (void)testbed_.fleet.stop(c.node); }
  void operator()(const scenario::RestartNode& c) { testbed_.revive(c.node); }
  void operator()(const scenario::PauseNode& c) { (void)testbed_.fleet.pause(c.node); }
  void operator()(const scenario::ResumeNode& c) { (void)testbed_.fleet.resume(c.node); }
  void operator()(const scenario::SplitNodes& c);
  void operator()(const scenario::HealSplit&) { testbed_.heal(); }
  void operator()(const scenario::SetLink& c) { set_link(c.link); }
  void operator()(const scenario::FaultNode&) {}  // refused by `unsupported`
  void operator()(const scenario::CalmNode&) {}
  void operator()(const scenario::BackUp&) {}
  void operator()(const scenario::RestoreBackup&) {}
  void operator()(const scenario::StartTwin&) {}
  void operator()(const scenario::EndTwin&) {}
  void operator()(const scenario::PutValue& c);
  void operator()(const scenario::GetValue& c);
  void operator()(const scenario::LookUp& c);
  void operator()(const scenario::ShareState& c);
  void operator()(const scenario::SetState& c);
  // Asks a node; `read` takes what it answered.
  void ask(OpNumber op, NodeIndex node, const char* target, const Json& body,
           std::function<void(const Json&, OpOutcome&)> read);

  const scenario::Scenario& plan_;
  const ProcessOptions& options_;
  Testbed testbed_;
  UdpTraffic traffic_;
  scenario::HoldingsMeter holdings_, holdings_next_;  // of the last look at all, and of the one under way
  bool holdings_asked_ = false, holdings_known_ = false;
  MonoTime holdings_at_{};
  DigestPoll digests_;
  scenario::Director director_;
  MonoTime begin_ = mono_now();
  int signals_ = -1;
  Bytes genesis_;
  std::vector<NodeIndex> to_start_;
  std::size_t told_ = 0;
  std::string trouble_;
};

scenario::Counters World::traffic() {
  traffic_.update();
  return {.bytes = traffic_.bytes(), .packets = traffic_.datagrams()};
}

// Of the nodes' own metrics. The last look at all of them, which may be kHoldingsEvery old.
std::optional<scenario::Holdings> World::holdings() {
  const MonoTime now = mono_now();
  if (!holdings_asked_ && now >= holdings_at_) {
    holdings_at_ = now + kHoldingsEvery;
    holdings_asked_ = true;
    holdings_next_ = holdings_;
    holdings_next_.begin();
    testnet::ask(testbed_, testbed_.fleet.indices(Run::kRunning), kHoldingsTimeout,
        {.path = [](std::size_t) { return "/metrics"; },
         .heard =
             [this](std::size_t i, std::optional<std::string_view> body) {
               if (!body) return;
               const NodeTotals totals = read_totals(*body);
               scenario::Holdings::Classes arrivals{};
               double below = 0;
               for (std::size_t k = 0; k < arrivals.size(); ++k) {
                 arrivals[k] = static_cast<std::uint64_t>(std::max(totals.state_lag[k] - below, 0.0));
                 below = totals.state_lag[k];
               }
               holdings_next_.add(i, testbed_.fleet.node(i).starts, static_cast<std::uint64_t>(totals.values),
                                  static_cast<std::uint64_t>(totals.own_values), arrivals);
             },
         .over =
             [this] {
               holdings_asked_ = false;
               holdings_known_ = true;
               holdings_ = std::move(holdings_next_);
             }});
  }
  return holdings_known_ ? std::optional(holdings_.now()) : std::nullopt;
}

scenario::Counters World::counters() {
  scenario::Counters counters = traffic();
  rusage ended{};
  ::getrusage(RUSAGE_CHILDREN, &ended);
  const auto us = [](const timeval& t) {
    return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000 + static_cast<std::uint64_t>(t.tv_usec);
  };
  counters.cpu_us = us(ended.ru_utime) + us(ended.ru_stime);
  const std::vector<std::size_t> running = testbed_.fleet.indices(Run::kRunning);
  for (const std::size_t i : running) counters.cpu_us += cpu_us(testbed_.fleet.node(i).pid);
  const std::size_t step = std::max<std::size_t>(1, running.size() / kMemorySamples);
  std::uint64_t kib = 0, looked_at = 0;
  for (std::size_t i = 0; i < running.size(); i += step, ++looked_at) {
    kib += pss_kib(testbed_.fleet.node(running[i]).pid);
  }
  counters.pss_mean_kib = looked_at == 0 ? 0 : kib / looked_at;
  return counters;
}

void World::set_link(const scenario::Link& link) {
  auto plan = plan_with_link(testbed_.plan(), node::to_string(link.spec), options_.matrix_csv);
  if (plan) testbed_.set_plan(std::move(*plan));
  else trouble_ = plan.error();
}

void World::operator()(const scenario::SplitNodes& c) {
  FaultPlan plan = testbed_.plan();
  plan.cut_off = c.side_a;
  plan.one_way = c.one_way;
  plan.bridges = c.bridges;
  testbed_.set_plan(std::move(plan));
}

// Node 0 has to name its address before the others can be started.
void World::start_waiting() {
  Fleet& fleet = testbed_.fleet;
  while (!to_start_.empty() && trouble_.empty()) {
    const NodeIndex node = to_start_.front();
    if (node != 0 && !(fleet.size() > 0 && fleet.node(0).starts > 0 && !fleet.node(0).listen.empty())) return;
    while (fleet.size() <= node) {
      if (const auto added = fleet.add(); !added) {
        trouble_ = added.error();
        return;
      }
    }
    if (const auto started = fleet.start(node); !started) {
      trouble_ = started.error();
      return;
    }
    to_start_.erase(to_start_.begin());
  }
}

// Who ended without having been told to.
void World::look_for_lost() {
  for (std::size_t i = 0; i < testbed_.fleet.size(); ++i) {
    const auto node = static_cast<NodeIndex>(i);
    if (testbed_.fleet.node(i).run == Run::kDead && director_.up(node)) director_.node_lost(at(), node);
  }
}

// ---- operations

void World::ask(OpNumber op, NodeIndex node, const char* target, const Json& body,
                std::function<void(const Json&, OpOutcome&)> read) {
  const auto done = [this, op, read = std::move(read)](const CallResult& result) {
    OpOutcome outcome;
    const Json answer = Json::parse(result.response.body, nullptr, /*allow_exceptions=*/false);
    switch (result.status) {
      case CallStatus::kAnswered:
        try {
          outcome.ok = result.response.status == 200;
          if (outcome.ok) {
            outcome.latency = Duration(static_cast<std::int64_t>(answer.value("elapsed_ms", 0.0) * 1000));
            read(answer, outcome);
          } else {
            outcome.error = answer.at("error").at("code").get<std::string>();
          }
        } catch (const Json::exception& error) {
          outcome = {.ok = false, .error = "bad_answer"};
        }
        break;
      case CallStatus::kTimedOut: outcome.error = "timed_out"; break;
      case CallStatus::kNoNode:
      case CallStatus::kBroken: outcome.error = "crashed"; break;
    }
    (void)director_.op_done(at(), op, std::move(outcome));
  };
  if (!testbed_.calls.submit({options_.layout.control(node), {"POST", target, body.dump()}, kOperationMax, done})) {
    (void)director_.op_done(at(), op, {.ok = false, .error = "overloaded"});
  }
}

void World::operator()(const scenario::PutValue& c) {
  Json body = {{"key", c.key}, {"value_base64", node::base64(c.value)}};
  if (c.quorum != 0) body["quorum"] = c.quorum;
  ask(c.op, c.node, "/v1/put", body, [](const Json& answer, OpOutcome& outcome) {
    outcome.copies = answer.at("replicas").get<std::uint32_t>();
    outcome.wanted = static_cast<std::uint32_t>(dht::Config{}.replicas);
  });
}

void World::operator()(const scenario::GetValue& c) {
  Json body = {{"key", c.key}, {"author", testbed_.fleet.node(c.writer).id}};
  if (c.quorum != 0) body["quorum"] = c.quorum;
  ask(c.op, c.node, "/v1/get", body, [](const Json& answer, OpOutcome& outcome) {
    outcome.hops = answer.at("hops").get<std::uint32_t>();
    outcome.queries = answer.at("queries").get<std::uint32_t>();
    auto value = from_base64(answer.at("values").at(0).at("value_base64").get<std::string>());
    if (value) outcome.value = std::move(*value);
  });
}

void World::operator()(const scenario::LookUp& c) {
  const std::string target = c.of ? testbed_.fleet.node(*c.of).id : to_hex(c.target.bytes);
  ask(c.op, c.node, "/v1/lookup", {{"target", target}}, [](const Json& answer, OpOutcome& outcome) {
    outcome.hops = answer.at("hops").get<std::uint32_t>();
    outcome.queries = answer.at("queries").get<std::uint32_t>();
  });
}

// The namespace is nobody's: its key is made for the run and thrown away.
void World::operator()(const scenario::ShareState& c) {
  if (genesis_.empty()) {
    const SodiumProvider provider;
    ByteArray<32> secret;
    ::randombytes_buf(secret.data(), secret.size());
    genesis_ = state::make_genesis(Identity(provider, secret), kSharedName, state::Access::kOpen).wire;
  }
  const Json body = {{"space", kSharedName}, {"genesis_base64", node::base64(genesis_)}};
  // A node that ended before it was in takes no part in writes either; one that refuses would fail them.
  const auto done = [](const CallResult&) {};
  (void)testbed_.calls.submit({options_.layout.control(c.node), {"POST", "/v1/state/join", body.dump()}, kOperationMax, done});
}

void World::operator()(const scenario::SetState& c) {
  Json changes = Json::array();
  for (const auto& [path, value] : c.registers) {
    changes.push_back({{"path", path}, {"what", "set"}, {"value_base64", node::base64(value)}});
  }
  ask(c.op, c.node, "/v1/state/batch", {{"space", kSharedName}, {"changes", std::move(changes)}},
      [this, begun = at()](const Json&, OpOutcome& outcome) { outcome.latency = at() - begun; });
}

// ---- the run

bool World::interrupted() {
  signalfd_siginfo info{};
  bool asked = false;
  while (::read(signals_, &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    asked = asked || info.ssi_signo != SIGCHLD;
  }
  return asked;
}

void World::turn(int wait_ms) {
  std::vector<pollfd> fds = {{signals_, POLLIN, 0}};
  testbed_.calls.add_fds(fds);
  ::poll(fds.data(), fds.size(), wait_ms);
  testbed_.advance(mono_now());
}

void World::end_all() {
  testbed_.ending = true;
  Fleet& fleet = testbed_.fleet;
  for (std::size_t i = 0; i < fleet.size(); ++i) (void)fleet.stop(i);
  const MonoTime kill_at = mono_now() + kEndMax;
  bool killed = false;
  while (fleet.count(Run::kDead) < fleet.size()) {
    turn(20);
    (void)interrupted();
    if (killed || mono_now() < kill_at) continue;
    killed = true;
    for (std::size_t i = 0; i < fleet.size(); ++i) (void)fleet.kill(i);
  }
}

ProcessResult World::run() {
  sigset_t mask, before;
  sigemptyset(&mask);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGCHLD}) sigaddset(&mask, signal);
  ::sigprocmask(SIG_BLOCK, &mask, &before);
  ::signal(SIGPIPE, SIG_IGN);
  signals_ = ::signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC);
  set_link(plan_.link);

  ProcessResult result;
  std::vector<scenario::Command> commands;
  MonoTime tell = mono_now();
  while (!director_.done() && trouble_.empty() && !result.interrupted) {
    const auto next = director_.next();
    const std::int64_t wait = next ? (*next - at()).count() / 1000 : 10;
    turn(static_cast<int>(std::clamp<std::int64_t>(wait, 0, 10)));
    result.interrupted = interrupted();
    look_for_lost();
    if (plan_.shares_state()) digests_.advance(mono_now());
    commands.clear();
    director_.advance(at(), commands);
    for (const scenario::Command& command : commands) {
      std::visit([this](const auto& c) { (*this)(c); }, command);
    }
    start_waiting();
    if (options_.progress && (mono_now() >= tell || director_.told().size() > told_)) {
      const auto told = std::span(director_.told()).subspan(told_);
      told_ = director_.told().size();
      tell = mono_now() + kProgressEvery;
      options_.progress({director_.phase(), told, at(), testbed_.fleet.count(Run::kRunning), director_.nodes(),
                         director_.open_ops()});
    }
  }
  result.ended = director_.done();
  if (result.ended) result.verdict = director_.verdict();
  result.trouble = trouble_;
  end_all();
  ::close(signals_);
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  return result;
}

}  // namespace

ProcessResult run_on_processes(const scenario::Scenario& scenario, const ProcessOptions& options) {
  World world(scenario, options);
  return world.run();
}

}  // namespace weft::testnet
