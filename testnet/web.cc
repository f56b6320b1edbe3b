#include "testnet/web.h"

#include <sodium.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>
#include <numeric>

#include "crypto/check.h"
#include "node/control_json.h"
#include "node/control_state.h"
#include "testnet/merged_metrics.h"
#include "testnet/page_feeds.h"
#include "testnet/page_server.h"
#include "testnet/process.h"
#include "testnet/shown_testbed.h"
#include "testnet/supervisor_verbs.h"
#include "testnet/survey.h"

namespace weft::testnet {
namespace {

using Json = nlohmann::ordered_json;
using node::ControlOutcome;
using node::ControlReply;
using node::ControlRequest;
using node::RequestId;
using node::to_reply;

constexpr Milliseconds kJobStep{20};

// What of a node may be read, and where its control API has it.
constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kReads{
    {{"status", "/v1/status"},
     {"members", "/v1/members"},
     {"buckets", "/v1/peers"},
     {"values", "/v1/own"},
     {"log", "/v1/log"},
     {"health", "/v1/doctor"},
     {"namespaces", "/v1/state/namespaces"}}};

std::string draw_token() {
  std::array<unsigned char, 16> bytes{};
  randombytes_buf(bytes.data(), bytes.size());
  std::string out(2 * bytes.size() + 1, '\0');
  sodium_bin2hex(out.data(), out.size(), bytes.data(), bytes.size());
  out.pop_back();
  return out;
}

std::optional<std::size_t> number_in(std::string_view text) {
  std::size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

}  // namespace

struct Web::Inside : BehindPage, std::enable_shared_from_this<Inside> {
  // The nodes are being asked for their metrics.
  struct Gathering {
    MergedMetrics merged;
    std::vector<MergedMetrics::Sample> up;
    std::vector<RequestId> waiting;
  };
  struct Working {
    std::optional<RequestId> id;  // none: a churn, which nobody waits for
    Reply reply;
    std::unique_ptr<Job> job;
  };

  explicit Inside(Testbed& of) : testbed(of), shown(of), server(shown, *this) {
    testbed.fleet.on_sight = [this](std::size_t observer, std::size_t subject, Sight state) {
      server.watch.note_sight(shown.t_ms(mono_now()), observer, subject, state);
    };
  }
  ~Inside() override {
    testbed.fleet.on_sight = nullptr;
    server.close();
  }

  std::optional<ControlReply> refuse_post(const ControlRequest& request) override {
    if (request.token.size() == token.size() && sodium_memcmp(request.token.data(), token.data(), token.size()) == 0) return std::nullopt;
    return to_reply({"forbidden", "X-Weft-Token is missing or wrong: open the address that weft testnet up printed"});
  }
  void refresh() override {
    testbed.fleet.refresh();
    shown.churning = churning();
  }
  void on_forgotten() override {
    shown.meter.forget();
    messages.forget();
  }

  // ---- what the page asks for

  ControlOutcome read(RequestId id, std::string_view path) override {
    const std::size_t slash = path.find('/');
    const auto i = number_in(path.substr(0, slash));
    const std::string_view what = slash == std::string_view::npos ? "" : path.substr(slash + 1);
    const auto found = std::ranges::find(kReads, what, &std::pair<std::string_view, std::string_view>::first);
    if (!i || *i >= testbed.fleet.size() || found == kReads.end()) return to_reply({"not_found", "no such node, or nothing of it"});
    return call(id, *i, {"GET", std::string(found->second), ""});
  }

  ControlOutcome look(RequestId id, std::string_view path, const ControlRequest& request) override {
    const auto asked = [&request](const char* name) {
      const auto found = request.query.find(name);
      return found == request.query.end() ? std::nullopt : std::optional(found->second);
    };
    if (path == "flow") {
      const auto after = asked("after");
      const auto cursor = after ? number_in(*after) : std::nullopt;
      if (after && !cursor) return to_reply(node::bad_request("after must be a cursor"));
      messages.ask(mono_now(), id, cursor);
      return node::Later{};
    }
    if (path == "tree") {
      const auto space = asked("space");
      if (!space || space->size() > node::kSpaceTextMax) return to_reply(node::bad_request("space must be the name of a namespace"));
      return trees.ask(id, *space) ? ControlOutcome(node::Later{}) : to_reply({"overloaded", "too many trees are asked for"});
    }
    return to_reply({"not_found", "nothing is there"});
  }

  ControlOutcome call(RequestId id, std::size_t i, HttpRequest request) {
    const FleetNode& node = testbed.fleet.node(i);
    if (node.run != Run::kRunning || !node.ready) return to_reply({"no_peers", node.name + " does not run"});
    const auto done = [self = weak_from_this(), id](const CallResult& result) {
      const auto inside = self.lock();
      if (!inside) return;
      if (result.status != CallStatus::kAnswered) return inside->server.answer(id, to_reply({"timed_out", "the node did not answer"}));
      inside->server.answer(id, {result.response.status, result.response.body});
    };
    if (!testbed.calls.submit({testbed.fleet.layout().control(i), std::move(request), kOperationTimeout, done})) {
      return to_reply({"overloaded", "too many calls wait"});
    }
    return node::Later{};
  }

  ControlOutcome post(RequestId id, std::string_view path, const std::string& body) override {
    const Json asked = Json::parse(body, nullptr, /*allow_exceptions=*/false);
    if (path == "do") return act(id, asked.is_object() && asked.contains("do") ? asked["do"] : Json(), body);
    const auto text_at = [&asked](const char* name) {
      return asked.contains(name) && asked[name].is_string() ? asked[name].get<std::string>() : std::string();
    };
    if (!asked.is_object() || !asked.contains("node") || !asked["node"].is_number_unsigned() || asked["node"].get<std::size_t>() >= testbed.fleet.size()) {
      return to_reply(node::bad_request("an object with `node`, the number of one"));
    }
    const auto i = asked["node"].get<std::size_t>();
    Json wanted;
    if (path == "put") wanted = {{"key", text_at("key")}, {"value_base64", node::base64(as_bytes(text_at("value")))}};
    else if (path == "get") wanted = {{"key", text_at("key")}};
    else if (path == "lookup") wanted = {{"target", text_at("key")}};
    else return to_reply({"not_found", "there are do, put, get and lookup"});
    return call(id, i, {"POST", "/v1/" + std::string(path), wanted.dump(-1, ' ', false, Json::error_handler_t::replace)});
  }

  static bool is_churn(const Working& working) { return !working.id.has_value(); }
  bool churning() const { return std::ranges::any_of(jobs, &Inside::is_churn); }

  // A churn is answered at once and goes on without its client, until it is over or ended; one at a time.
  ControlOutcome act(RequestId id, const Json& verb, const std::string& body) {
    if (verb == "end_churn") {
      if (std::erase_if(jobs, &Inside::is_churn) == 0) return to_reply({"not_found", "no churn of this page goes on"});
      return ControlReply{200, R"({"done":{"do":"end_churn"}})"};
    }
    if (verb == "churn" && churning()) return to_reply({"conflict", "a churn goes on: end it first"});
    Working working{.id = id, .reply = {}, .job = nullptr};
    working.job = answer_verb(testbed, body, working.reply);
    if (working.reply.finished()) return outcome(working.reply);
    if (verb == "churn") working.id.reset();
    jobs.push_back(std::move(working));
    if (verb == "churn") return ControlReply{200, R"({"done":{"do":"churn"}})"};
    return node::Later{};
  }

  // The last line of a finished reply: {"done":...} or {"error":{"code","message"}}.
  static ControlReply outcome(const Reply& reply) {
    std::string_view text = reply.text();
    while (text.ends_with('\n')) text.remove_suffix(1);
    const std::string_view last = text.substr(text.rfind('\n') + 1);
    const Json json = Json::parse(last, nullptr, /*allow_exceptions=*/false);
    if (json.is_object() && json.contains("error")) return to_reply({json["error"].value("code", "internal"), json["error"].value("message", "")});
    return {200, std::string(last)};
  }

  void step_jobs(MonoTime now) {
    for (Working& working : jobs) {
      working.job->step(now, working.reply);
      if (!working.reply.finished()) {
        working.reply.forget();
        continue;
      }
      working.job.reset();
      if (working.id) server.answer(*working.id, outcome(working.reply));
    }
    std::erase_if(jobs, [](const Working& working) { return working.job == nullptr; });
  }

  void sample_if_due(MonoTime now) {
    if (!server.watched() || now < sample_at || sampling) return;
    sample_at = now + kSampleEvery;
    sample();
  }

  // All nodes are asked for their metrics.
  void sample() {
    sampling = true;
    shown.meter.begin_round();
    const auto weak = weak_from_this();
    ask_metrics({.path = {},
                 .heard =
                     [weak](std::size_t i, std::optional<std::string_view> body) {
                       const auto self = weak.lock();
                       if (self && body && self->server.watch.watching()) self->add_sample(i, read_totals(*body));
                     },
                 .over =
                     [weak] {
                       const auto self = weak.lock();
                       if (!self) return;
                       self->sampling = false;
                       if (self->server.watch.watching()) self->shown.meter.end_round();
                     }});
  }
  void ask_metrics(Survey survey) {
    survey.path = [](std::size_t) { return "/metrics"; };
    std::vector<std::size_t> all(testbed.fleet.size());
    std::iota(all.begin(), all.end(), std::size_t{0});
    ask(testbed, all, kScrapeTimeout, std::move(survey));
  }

  void add_sample(std::size_t i, const NodeTotals& totals) {
    const FleetNode& of = testbed.fleet.node(i);
    if (of.run != Run::kDead) shown.meter.add(mono_now(), i, totals, cpu_us(of.pid), of.starts);
  }

  // ---- metrics

  ControlOutcome metrics(RequestId id, const ControlRequest& request) override {
    if (request.method != "GET") return to_reply(node::bad_request("/metrics is for GET"));
    if (gathering) {
      gathering->waiting.push_back(id);
    } else {
      gathering = std::make_unique<Gathering>();
      gathering->waiting.push_back(id);
      gather();  // that may be the end of it
    }
    return node::Later{};
  }

  void gather() {
    testbed.fleet.refresh();
    const auto weak = weak_from_this();
    ask_metrics({.path = {},
                 .heard =
                     [weak](std::size_t i, std::optional<std::string_view> body) {
                       const auto self = weak.lock();
                       if (!self) return;
                       const bool well = body && self->gathering->merged.add(self->testbed.fleet.node(i).name, *body);
                       self->gathering->up.push_back({self->label(i), well ? 1.0 : 0.0});
                     },
                 .over =
                     [weak] {
                       if (const auto self = weak.lock()) self->finish();
                     }});
  }

  void finish() {
    std::ranges::sort(gathering->up, {}, &MergedMetrics::Sample::labels);
    gathering->merged.add_own("weft_up", "1 if the node answered.", "gauge", gathering->up);
    std::vector<MergedMetrics::Sample> runs;
    for (const Run run : {Run::kRunning, Run::kPaused, Run::kDead}) {
      runs.push_back({"state=\"" + std::string(to_string(run)) + "\"", static_cast<double>(testbed.fleet.count(run))});
    }
    gathering->merged.add_own("weft_testnet_nodes", "Nodes of the testnet, by what their processes do.", "gauge", runs);
    const std::unique_ptr<Gathering> done = std::move(gathering);
    const std::string text = done->merged.text();
    for (const RequestId id : done->waiting) server.answer(id, {200, text, "text/plain; version=0.0.4"});
  }

  std::string label(std::size_t i) const { return "node=\"" + testbed.fleet.node(i).name + "\""; }

  void on_gone(RequestId id) override {
    messages.on_gone(id);
    trees.on_gone(id);
    if (gathering) std::erase(gathering->waiting, id);
    std::erase_if(jobs, [id](const Working& working) { return working.id == id; });
  }

  Testbed& testbed;
  ShownTestbed shown;
  PageServer server;
  const std::string token = draw_token();
  MessageFeed messages{testbed, [this](RequestId id, ControlReply reply) { server.answer(id, std::move(reply)); }, [this] { return shown.t_ms(mono_now()); }};
  TreeFeed trees{testbed, [this](RequestId id, ControlReply reply) { server.answer(id, std::move(reply)); }};
  std::unique_ptr<Gathering> gathering;
  std::vector<Working> jobs;
  MonoTime sample_at{};
  bool sampling = false;  // a round is under way
};

Web::Web(Testbed& testbed) : inside_(std::make_shared<Inside>(testbed)) {}
Web::~Web() = default;

const std::string& Web::token() const { return inside_->token; }

std::expected<Endpoint, std::string> Web::listen(const Endpoint& endpoint) { return inside_->server.listen(endpoint); }

void Web::add_fds(std::vector<pollfd>& fds) const { inside_->server.add_fds(fds); }

int Web::timeout_ms() const {
  const int ms = inside_->server.timeout_ms();
  const int step = static_cast<int>(kJobStep.count());
  return inside_->jobs.empty() ? ms : ms < 0 ? step : std::min(ms, step);
}

void Web::advance() {
  Inside& s = *inside_;
  s.server.turn();
  const MonoTime now = mono_now();
  s.step_jobs(now);
  s.server.tell(now);
  s.sample_if_due(now);
  s.server.turn();
}

}  // namespace weft::testnet
