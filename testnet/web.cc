#include "testnet/web.h"

#include <sodium.h>
#include <uv.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>

#include "crypto/check.h"
#include "node/control_api.h"
#include "node/control_json.h"
#include "node/http_server.h"
#include "testnet/merged_metrics.h"
#include "testnet/page.h"
#include "testnet/supervisor_verbs.h"
#include "testnet/watch.h"

namespace weft::testnet {
namespace {

using Json = nlohmann::ordered_json;
using node::ControlOutcome;
using node::ControlReply;
using node::ControlRequest;
using node::RequestId;
using node::to_reply;

constexpr std::string_view kPrefix = "/v1/testnet/";
constexpr Milliseconds kJobStep{20};
constexpr std::size_t kConnectionMemory = 32U << 10;  // a browser sends the cookies of every port of this host

// What of a node may be read, and where its control API has it.
constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kReads{
    {{"status", "/v1/status"}, {"members", "/v1/members"}, {"buckets", "/v1/peers"}, {"values", "/v1/own"}, {"log", "/v1/log"}}};

std::string draw_token() {
  std::array<unsigned char, 16> bytes{};
  randombytes_buf(bytes.data(), bytes.size());
  std::string out(2 * bytes.size() + 1, '\0');
  sodium_bin2hex(out.data(), out.size(), bytes.data(), bytes.size());
  out.pop_back();
  return out;
}

std::string message(std::string_view event, const std::string& data) {
  return "event: " + std::string(event) + "\ndata: " + data + "\n";
}

std::optional<std::size_t> number_in(std::string_view text) {
  std::size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

}  // namespace

struct Web::Inside : std::enable_shared_from_this<Inside> {
  // The nodes are being asked for their metrics.
  struct Gathering {
    MergedMetrics merged;
    std::vector<MergedMetrics::Sample> up;
    std::size_t open = 0;
    std::vector<RequestId> waiting;
  };
  struct Working {
    std::optional<RequestId> id;  // none: a churn, which nobody waits for
    Reply reply;
    std::unique_ptr<Job> job;
  };

  explicit Inside(Testbed& of) : testbed(of), watch(of) { CHECK(uv_loop_init(&loop) == 0); }
  ~Inside() {
    server.reset();
    uv_run(&loop, UV_RUN_NOWAIT);
    uv_loop_close(&loop);
  }

  // ---- who may ask

  bool host_is_ours(std::string_view host) const {
    const std::string port = ":" + std::to_string(bound.port);
    return std::ranges::any_of(std::array<std::string_view, 3>{"127.0.0.1", "localhost", "[::1]"},
                               [&](std::string_view name) { return host == std::string(name) + port || (bound.port == 80 && host == name); });
  }
  std::optional<ControlReply> refusal(const ControlRequest& request) const {
    if (!(request.path == "/metrics" ? node::host_is_local_name(request.host) : host_is_ours(request.host))) {
      return to_reply({"forbidden", "the Host header must be this address"});
    }
    // Even what may only be read has effects: whoever opens the stream has all nodes asked.
    const bool open_to_links = request.path == "/" || request.path == "/metrics";
    if (!open_to_links && (request.fetch_site == "cross-site" || request.fetch_site == "same-site")) return to_reply({"forbidden", "of another page"});
    if (!request.origin.empty() && !(request.origin.starts_with("http://") && host_is_ours(std::string_view(request.origin).substr(7)))) {
      return to_reply({"forbidden", "of another page"});
    }
    if (request.method == "GET") return std::nullopt;
    if (request.method != "POST") return to_reply(node::bad_request("there are GET and POST"));
    if (request.token.size() != token.size() || sodium_memcmp(request.token.data(), token.data(), token.size()) != 0) {
      return to_reply({"forbidden", "X-Weft-Token is missing or wrong: open the address that weft testnet up printed"});
    }
    const std::string_view type = std::string_view(request.content_type).substr(0, request.content_type.find(';'));
    if (type != "application/json") return to_reply(node::bad_request("the content type must be application/json"));
    return std::nullopt;
  }

  ControlOutcome handle(RequestId id, const ControlRequest& request) {
    if (auto refused = refusal(request)) return std::move(*refused);
    if (request.path == "/") return page(request);
    if (request.path == "/metrics") return metrics(id, request);
    if (!request.path.starts_with(kPrefix)) return to_reply({"not_found", "there are /, /metrics and /v1/testnet/"});
    const std::string_view path = std::string_view(request.path).substr(kPrefix.size());
    if (request.method == "POST") return post(id, path, request.body);
    testbed.fleet.refresh();
    if (path == "stream") return stream();
    if (path == "sights") return ControlReply{200, watch.sights()};
    if (path.starts_with("nodes/")) return read(id, path.substr(6));
    return to_reply({"not_found", "nothing is there"});
  }

  static ControlOutcome page(const ControlRequest& request) {
    if (request.method != "GET") return to_reply(node::bad_request("/ is for GET"));
    if (page_html().empty()) return to_reply({"not_found", "weft was built without npm, so the page is missing; see docs/DASHBOARD.md"});
    const std::string policy = "default-src 'none'; script-src '" + std::string(page_script_hash()) +
                               "'; style-src 'unsafe-inline'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
                               "frame-ancestors 'none'";
    return ControlReply{200, std::string(page_html()), "text/html; charset=utf-8", policy};
  }

  // ---- the page

  ControlOutcome stream() {
    if (server->streams(node::StreamStart::Kind::kPage) >= kPagesMax) return to_reply({"overloaded", std::to_string(kPagesMax) + " pages are open"});
    const MonoTime now = mono_now();
    unwatched_since.reset();
    if (!watch.watching()) {
      watch.begin(now);
      change_at = now + kChangeEvery;
      sample_at = now;
    }
    return node::StreamStart{node::StreamStart::Kind::kPage, message("snapshot", watch.snapshot(now, churning())) + "\n"};
  }

  ControlOutcome read(RequestId id, std::string_view path) {
    const std::size_t slash = path.find('/');
    const auto i = number_in(path.substr(0, slash));
    const std::string_view what = slash == std::string_view::npos ? "" : path.substr(slash + 1);
    const auto found = std::ranges::find(kReads, what, &std::pair<std::string_view, std::string_view>::first);
    if (!i || *i >= testbed.fleet.size() || found == kReads.end()) return to_reply({"not_found", "no such node, or nothing of it"});
    return call(id, *i, {"GET", std::string(found->second), ""});
  }

  ControlOutcome call(RequestId id, std::size_t i, HttpRequest request) {
    const FleetNode& node = testbed.fleet.node(i);
    if (node.run != Run::kRunning || !node.ready) return to_reply({"no_peers", node.name + " does not run"});
    const auto done = [self = weak_from_this(), id](const CallResult& result) {
      const auto inside = self.lock();
      if (!inside) return;
      if (result.status != CallStatus::kAnswered) return inside->server->answer(id, to_reply({"timed_out", "the node did not answer"}));
      inside->server->answer(id, {result.response.status, result.response.body});
    };
    if (!testbed.calls.submit({testbed.fleet.layout().control(i), std::move(request), kOperationTimeout, done})) {
      return to_reply({"overloaded", "too many calls wait"});
    }
    return node::Later{};
  }

  ControlOutcome post(RequestId id, std::string_view path, const std::string& body) {
    testbed.fleet.refresh();
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
      if (working.id) server->answer(*working.id, outcome(working.reply));
    }
    std::erase_if(jobs, [](const Working& working) { return working.job == nullptr; });
  }

  void tell(MonoTime now) {
    if (!watch.watching()) return;
    if (!server->has_streams(node::StreamStart::Kind::kPage)) {
      // A page that is loaded anew finds its points again.
      if (!unwatched_since) unwatched_since = now;
      change_at = now + kChangeEvery;  // when to look again
      if (now - *unwatched_since >= kForgetAfter) watch.end();
      return;
    }
    if (now >= change_at) {
      change_at = now + kChangeEvery;
      server->publish(node::StreamStart::Kind::kPage, node::LogLevel::kError, message("change", watch.change(now, churning())));
    }
    if (now >= sample_at && sampling == 0) {
      sample_at = now + kSampleEvery;
      sample();
    }
  }

  // All nodes are asked for their metrics.
  void sample() {
    watch.begin_sample();
    for (std::size_t i = 0; i < testbed.fleet.size(); ++i) {
      if (testbed.fleet.node(i).run != Run::kRunning || !testbed.fleet.node(i).ready) continue;
      const auto done = [self = weak_from_this(), i](const CallResult& result) {
        const auto inside = self.lock();
        if (!inside) return;
        const bool well = result.status == CallStatus::kAnswered && result.response.status == 200;
        if (well && inside->watch.watching()) inside->watch.add_sample(mono_now(), i, read_totals(result.response.body));
        if (--inside->sampling == 0 && inside->watch.watching()) inside->watch.end_sample();
      };
      if (testbed.calls.submit({testbed.fleet.layout().control(i), {"GET", "/metrics", ""}, kScrapeTimeout, done})) ++sampling;
    }
    if (sampling == 0) watch.end_sample();
  }

  // ---- metrics

  ControlOutcome metrics(RequestId id, const ControlRequest& request) {
    if (request.method != "GET") return to_reply(node::bad_request("/metrics is for GET"));
    if (!gathering) gather();
    gathering->waiting.push_back(id);
    if (gathering->open == 0) finish();
    return node::Later{};
  }

  void gather() {
    gathering = std::make_unique<Gathering>();
    testbed.fleet.refresh();
    for (std::size_t i = 0; i < testbed.fleet.size(); ++i) {
      const FleetNode& node = testbed.fleet.node(i);
      if (node.run != Run::kRunning || !node.ready) {
        gathering->up.push_back({label(i), 0});
        continue;
      }
      const auto done = [self = weak_from_this(), i](const CallResult& result) {
        if (const auto inside = self.lock()) inside->on_answer(i, result);
      };
      ++gathering->open;
      if (testbed.calls.submit({testbed.fleet.layout().control(i), {"GET", "/metrics", ""}, kScrapeTimeout, done})) continue;
      --gathering->open;
      gathering->up.push_back({label(i), 0});
    }
  }

  void on_answer(std::size_t i, const CallResult& result) {
    const bool well = result.status == CallStatus::kAnswered && result.response.status == 200 &&
                      gathering->merged.add(testbed.fleet.node(i).name, result.response.body);
    gathering->up.push_back({label(i), well ? 1.0 : 0.0});
    if (--gathering->open == 0) finish();
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
    for (const RequestId id : done->waiting) server->answer(id, {200, text, "text/plain; version=0.0.4"});
  }

  std::string label(std::size_t i) const { return "node=\"" + testbed.fleet.node(i).name + "\""; }

  void on_gone(RequestId id) {
    if (gathering) std::erase(gathering->waiting, id);
    std::erase_if(jobs, [id](const Working& working) { return working.id == id; });
  }

  Testbed& testbed;
  Watch watch;
  const std::string token = draw_token();
  Endpoint bound;
  uv_loop_t loop{};
  std::unique_ptr<node::HttpServer> server;
  std::unique_ptr<Gathering> gathering;
  std::vector<Working> jobs;
  MonoTime change_at{}, sample_at{};
  std::optional<MonoTime> unwatched_since;
  std::size_t sampling = 0;  // samples under way
};

Web::Web(Testbed& testbed) : inside_(std::make_shared<Inside>(testbed)) {}
Web::~Web() = default;

const std::string& Web::token() const { return inside_->token; }

std::expected<Endpoint, std::string> Web::listen(const Endpoint& endpoint) {
  Inside& s = *inside_;
  s.server = std::make_unique<node::HttpServer>(
      &s.loop, [&s](RequestId id, const ControlRequest& request) { return s.handle(id, request); }, [&s](RequestId id) { s.on_gone(id); },
      node::HttpServer::Bounds{.stream_buffer = kPageBufferMax, .connection_memory = kConnectionMemory});
  auto bound = s.server->listen_tcp(endpoint);
  if (!bound) return std::unexpected(bound.error().message);
  s.bound = *bound;
  return *bound;
}

void Web::add_fds(std::vector<pollfd>& fds) const { fds.push_back({uv_backend_fd(&inside_->loop), POLLIN, 0}); }

int Web::timeout_ms() const {
  const Inside& s = *inside_;
  int ms = uv_backend_timeout(&s.loop);
  const auto sooner = [&ms](std::int64_t other) {
    const int at = static_cast<int>(std::max<std::int64_t>(other, 0));
    ms = ms < 0 ? at : std::min(ms, at);
  };
  if (!s.jobs.empty()) sooner(kJobStep.count());
  if (s.watch.watching()) sooner(ms_between(mono_now(), s.change_at));
  return ms;
}

void Web::advance() {
  Inside& s = *inside_;
  uv_run(&s.loop, UV_RUN_NOWAIT);
  const MonoTime now = mono_now();
  s.step_jobs(now);
  s.tell(now);
  uv_run(&s.loop, UV_RUN_NOWAIT);
}

}  // namespace weft::testnet
