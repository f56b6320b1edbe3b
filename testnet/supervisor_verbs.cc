#include "testnet/supervisor_verbs.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "node/link_model.h"
#include "testnet/selection.h"
#include "testnet/supervisor_churn.h"

namespace weft::testnet {

namespace {

using Json = nlohmann::ordered_json;

constexpr Milliseconds kStopWait{10'000};   // then the reply names who still runs
constexpr Milliseconds kRestartTerm{5000};  // then SIGKILL
constexpr Milliseconds kReadyWait{30'000};
constexpr Milliseconds kPlanWait{15'000};
constexpr std::int64_t kDurationMaxMs = 366LL * 24 * 3600 * 1000;

std::string text_at(const Json& request, const char* key) {
  const auto found = request.find(key);
  return found != request.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::int64_t number_at(const Json& request, const char* key) {
  const auto found = request.find(key);
  if (found == request.end() || !found->is_number_integer()) return 0;
  return std::clamp<std::int64_t>(found->get<std::int64_t>(), 0, kDurationMaxMs);
}

Json node_json(const Fleet& fleet, std::size_t i) {
  const FleetNode& node = fleet.node(i);
  return {{"index", i},
          {"id", node.id},
          {"name", node.name},
          {"pid", node.run == Run::kDead ? Json() : Json(node.pid)},
          {"home", fleet.layout().home(i)},
          {"listen", node.listen},
          {"state", std::string(to_string(node.run))},
          {"ready", node.ready},
          {"starts", node.starts}};
}

Json status_json(const Testbed& testbed) {
  const Fleet& fleet = testbed.fleet;
  const SightingsSummary summary = fleet.summary();
  const FaultPlan& plan = testbed.plan();
  Json seeds = Json::array();
  if (fleet.size() > 0 && !fleet.node(0).listen.empty()) seeds.push_back(fleet.node(0).listen[0]);
  return {{"network", testbed.network},
          {"seeds", std::move(seeds)},
          {"nodes",
           {{"running", fleet.count(Run::kRunning)},
            {"paused", fleet.count(Run::kPaused)},
            {"dead", fleet.count(Run::kDead)}}},
          {"members_min", summary.members_min},
          {"members_max", summary.members_max},
          {"converged", summary.converged},
          {"false_failures", fleet.false_failures()},
          {"ended_by_themselves", fleet.accidents()},
          {"link", plan.link},
          {"matrix", plan.matrix.has_value()},
          {"cut_off", std::ranges::count(plan.cut_off, true)},
          {"one_way", plan.one_way},
          {"seed", testbed.seed},
          {"page", testbed.page.empty() ? Json() : Json(testbed.page)},
          {"dir", fleet.layout().dir}};
}

// ---- kill, stop, pause, resume, restart

Json hit_json(const std::string& verb, const Json& nodes, std::size_t skipped, std::int64_t at_ms) {
  return {{"do", verb}, {"nodes", nodes}, {"skipped", skipped}, {"at_ms", at_ms}};
}

// Who a share is a share of: those that the verb can do something to.
std::vector<std::size_t> candidates_for(const Fleet& fleet, const std::string& verb) {
  if (verb == "resume") return fleet.indices(Run::kPaused);
  if (verb == "pause" || verb == "kill" || verb == "stop") return fleet.indices(Run::kRunning);
  std::vector<std::size_t> all(fleet.size());
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = i;
  return all;
}

// Waits until the nodes have ended, then says so.
class StopJob final : public Job {
 public:
  StopJob(Testbed& testbed, std::vector<std::size_t> who, Json answer)
      : testbed_(testbed),
        who_(std::move(who)),
        answer_(std::move(answer)),
        deadline_(mono_now() + kStopWait) {}

  void step(MonoTime now, Reply& reply) override {
    const auto ended = std::ranges::count_if(
        who_, [this](std::size_t i) { return testbed_.fleet.node(i).run == Run::kDead; });
    if (static_cast<std::size_t>(ended) < who_.size() && now < deadline_) return;
    answer_["ended"] = ended;
    testbed_.save_manifest();
    reply.done(answer_.dump());
  }

 private:
  Testbed& testbed_;
  std::vector<std::size_t> who_;
  Json answer_;
  MonoTime deadline_;
};

// Starts dead nodes (those that run are stopped first) and waits until they are ready.
class StartJob final : public Job {
 public:
  StartJob(Testbed& testbed, std::vector<std::size_t> who, std::string verb)
      : testbed_(testbed), who_(std::move(who)), verb_(std::move(verb)), begun_(mono_now()) {
    for (const std::size_t i : who_) {
      started_.push_back(false);
      testbed_.fleet.stop(i);
    }
  }
  // Whoever asked has gone: what was stopped to be started is started all the same.
  ~StartJob() override {
    for (std::size_t k = 0; k < who_.size(); ++k) {
      if (!started_[k]) testbed_.revive(who_[k]);
    }
  }

  void step(MonoTime now, Reply& reply) override {
    Fleet& fleet = testbed_.fleet;
    if (!killed_ && now - begun_ > kRestartTerm) {
      killed_ = true;
      for (std::size_t k = 0; k < who_.size(); ++k) {
        if (!started_[k]) fleet.kill(who_[k]);
      }
    }
    std::size_t ready = 0, waiting = 0;
    for (std::size_t k = 0; k < who_.size(); ++k) {
      const FleetNode& node = fleet.node(who_[k]);
      if (!started_[k] && node.run == Run::kDead) {
        if (const auto started = fleet.start(who_[k]); !started) {
          reply.error("internal", started.error());
          return;
        }
        started_[k] = true;
        at_ms_ = wall_ms();
      }
      if (started_[k] && node.ready) ++ready;
      if (!started_[k] || (node.run == Run::kRunning && !node.ready)) ++waiting;
    }
    if (waiting > 0 && now - begun_ < kReadyWait) return;
    testbed_.save_manifest();
    if (ready < who_.size()) {
      reply.error("timed_out", std::to_string(who_.size() - ready) + " of " +
                                   std::to_string(who_.size()) + " nodes did not get ready" +
                                   (fleet.accident().empty() ? "" : ": " + fleet.accident()) +
                                   "; see weft testnet logs " + std::to_string(who_.front()));
      return;
    }
    Json nodes = Json::array();
    for (const std::size_t i : who_) nodes.push_back(node_json(fleet, i));
    Json answer = hit_json(verb_, nodes, 0, at_ms_);
    answer["ready_ms"] = ms_between(begun_, now);
    reply.done(answer.dump());
  }

 private:
  Testbed& testbed_;
  std::vector<std::size_t> who_;
  std::vector<bool> started_;
  std::string verb_;
  MonoTime begun_;
  std::int64_t at_ms_ = 0;
  bool killed_ = false;
};

std::unique_ptr<Job> do_signal(Testbed& testbed, const std::string& verb, const Json& request,
                               Reply& reply) {
  Fleet& fleet = testbed.fleet;
  const auto selection = parse_selection(text_at(request, "which"));
  if (!selection) {
    reply.error("bad_request", selection.error());
    return nullptr;
  }
  auto chosen = choose(*selection, fleet.size(), candidates_for(fleet, verb), testbed.rng);
  if (!chosen) {
    reply.error("not_found", chosen.error());
    return nullptr;
  }
  if (verb == "restart" && !chosen->empty()) {
    return std::make_unique<StartJob>(testbed, std::move(*chosen), verb);
  }
  Json nodes = Json::array();
  std::vector<std::size_t> hit;
  std::int64_t at_ms = 0;
  for (const std::size_t i : *chosen) {
    const pid_t pid = fleet.node(i).pid;
    const bool done = verb == "kill"    ? fleet.kill(i)
                      : verb == "stop"  ? fleet.stop(i)
                      : verb == "pause" ? fleet.pause(i)
                                        : fleet.resume(i);
    if (!done) continue;
    at_ms = wall_ms();
    hit.push_back(i);
    nodes.push_back({{"index", i}, {"pid", pid}, {"id", fleet.node(i).id}});
  }
  if (hit.empty()) {
    reply.error("failed",
                "no node there that could be hit by " + verb + "; see weft testnet nodes");
    return nullptr;
  }
  Json answer = hit_json(verb, nodes, chosen->size() - hit.size(), at_ms);
  // Told when it is true: the dead are dead, and `nodes` says so.
  if (verb == "stop" || verb == "kill") {
    return std::make_unique<StopJob>(testbed, hit, std::move(answer));
  }
  reply.done(answer.dump());
  return nullptr;
}

std::unique_ptr<Job> do_add(Testbed& testbed, const Json& request, Reply& reply) {
  const auto count = static_cast<std::size_t>(number_at(request, "count"));
  if (count == 0 || count + testbed.fleet.size() > kNodesMax) {
    reply.error("bad_request", "a testnet has at most " + std::to_string(kNodesMax) + " nodes");
    return nullptr;
  }
  std::vector<std::size_t> added;
  for (std::size_t k = 0; k < count; ++k) {
    const auto index = testbed.fleet.add();
    if (!index) {
      reply.error("internal", index.error());
      return nullptr;
    }
    added.push_back(*index);
  }
  return std::make_unique<StartJob>(testbed, std::move(added), "add");
}

// ---- partition, heal, link

// Waits until every node that can be told has the plan.
class PlanJob final : public Job {
 public:
  PlanJob(Testbed& testbed, Json answer)
      : testbed_(testbed), answer_(std::move(answer)), deadline_(mono_now() + kPlanWait) {}

  void step(MonoTime now, Reply& reply) override {
    if (!testbed_.plan_refusal().empty()) {
      reply.error("failed", "a node refused: " + testbed_.plan_refusal());
      return;
    }
    const std::size_t missing = testbed_.plan_missing();
    if (missing > 0 && now < deadline_) return;
    if (missing > 0) {
      reply.error("timed_out", std::to_string(missing) +
                                   " nodes have not taken it yet; they are "
                                   "told again until they do");
      return;
    }
    answer_["at_ms"] = testbed_.plan_taken_ms();
    reply.done(answer_.dump());
  }

 private:
  Testbed& testbed_;
  Json answer_;
  MonoTime deadline_;
};

std::unique_ptr<Job> do_partition(Testbed& testbed, const Json& request, Reply& reply) {
  Fleet& fleet = testbed.fleet;
  std::vector<std::size_t> candidates = fleet.indices(Run::kRunning);
  std::ranges::copy(fleet.indices(Run::kPaused), std::back_inserter(candidates));
  std::ranges::sort(candidates);
  const auto selection = parse_selection(text_at(request, "which"));
  const auto chosen = selection ? choose(*selection, fleet.size(), candidates, testbed.rng)
                                : std::unexpected(selection.error());
  if (!chosen) {
    reply.error("bad_request", chosen.error());
    return nullptr;
  }
  if (chosen->empty() || chosen->size() == fleet.size()) {
    reply.error("bad_request", "a partition needs nodes on both sides");
    return nullptr;
  }
  FaultPlan plan = testbed.plan();
  plan.cut_off.assign(fleet.size(), false);
  for (const std::size_t i : *chosen) plan.cut_off[i] = true;
  plan.bridges.clear();
  plan.one_way = request.contains("one_way") && request["one_way"] == true;
  const bool one_way = plan.one_way;
  testbed.set_plan(std::move(plan));
  const std::int64_t heal_ms = number_at(request, "heal_after_ms");
  if (heal_ms > 0) testbed.heal_at(mono_now() + Milliseconds(heal_ms));
  return std::make_unique<PlanJob>(testbed,
                                   Json{{"do", "partition"},
                                        {"cut_off", *chosen},
                                        {"one_way", one_way},
                                        {"heal_after_ms", heal_ms > 0 ? Json(heal_ms) : Json()}});
}

std::unique_ptr<Job> do_link(Testbed& testbed, const Json& request, Reply& reply) {
  const std::string spec = text_at(request, "spec");
  auto plan = plan_with_link(testbed.plan(), spec, text_at(request, "matrix"));
  if (!plan) {
    reply.error("bad_request", plan.error());
    return nullptr;
  }
  testbed.set_plan(std::move(*plan));
  return std::make_unique<PlanJob>(testbed, Json{{"do", "link"}, {"link", spec}});
}

std::unique_ptr<Job> do_churn(Testbed& testbed, const Json& request, Reply& reply) {
  const auto model = parse_churn_model(text_at(request, "model"));
  const std::int64_t median_ms = number_at(request, "median_ms");
  const std::int64_t for_ms = number_at(request, "for_ms");
  if (!model || median_ms < 1000) {
    reply.error("bad_request",
                "churn needs a median session of at least 1s and a model: exponential, weibull or "
                "pareto");
    return nullptr;
  }
  ChurnOptions options{*model, Milliseconds(median_ms), std::nullopt};
  if (for_ms > 0) options.duration = Milliseconds(for_ms);
  return std::make_unique<Churn>(testbed, options);
}

// `down`: answers when every process has ended; the supervisor's loop does the work.
class DownJob final : public Job {
 public:
  explicit DownJob(Testbed& testbed)
      : testbed_(testbed), stopped_(testbed.fleet.size() - testbed.fleet.count(Run::kDead)) {}
  void step(MonoTime, Reply& reply) override {
    const Fleet& fleet = testbed_.fleet;
    if (fleet.count(Run::kDead) < fleet.size()) return;
    reply.done(Json{{"do", "down"}, {"stopped", stopped_}}.dump());
  }

 private:
  Testbed& testbed_;
  std::size_t stopped_;
};

}  // namespace

std::expected<FaultPlan, std::string> plan_with_link(FaultPlan plan, const std::string& spec,
                                                     const std::string& matrix_csv) {
  auto link = node::parse_link_spec(spec);
  if (!link) return std::unexpected(link.error());
  plan.matrix.reset();
  if (!link->matrix_file.empty()) {
    auto matrix = parse_rtt_matrix(matrix_csv);
    if (!matrix) return std::unexpected(link->matrix_file + ": " + matrix.error());
    plan.matrix = std::move(*matrix);
    link->matrix_file.clear();
  }
  plan.link = node::to_string(*link);
  return plan;
}

std::unique_ptr<Job> answer_verb(Testbed& testbed, const std::string& request_text, Reply& reply) {
  const Json request = Json::parse(request_text, nullptr, /*allow_exceptions=*/false);
  if (!request.is_object()) {
    reply.error("bad_request", "the request is no JSON object");
    return nullptr;
  }
  if (testbed.ending) {
    reply.error("shutdown", "the testnet is ending");
    return nullptr;
  }
  const std::string verb = text_at(request, "do");
  if (verb == "status") {
    reply.done(status_json(testbed).dump());
    return nullptr;
  }
  if (verb == "nodes") {
    Json nodes = Json::array();
    for (std::size_t i = 0; i < testbed.fleet.size(); ++i) {
      nodes.push_back(node_json(testbed.fleet, i));
    }
    reply.done(nodes.dump());
    return nullptr;
  }
  if (verb == "kill" || verb == "stop" || verb == "pause" || verb == "resume" ||
      verb == "restart") {
    return do_signal(testbed, verb, request, reply);
  }
  if (verb == "add") return do_add(testbed, request, reply);
  if (verb == "partition") return do_partition(testbed, request, reply);
  if (verb == "heal") {
    testbed.heal();
    return std::make_unique<PlanJob>(testbed, Json{{"do", "heal"}});
  }
  if (verb == "link") return do_link(testbed, request, reply);
  if (verb == "churn") return do_churn(testbed, request, reply);
  if (verb == "down") {
    testbed.ending = true;
    return std::make_unique<DownJob>(testbed);
  }
  reply.error("not_found", "there is no verb '" + verb + "'");
  return nullptr;
}

}  // namespace weft::testnet
