#include "testnet/web.h"

#include <uv.h>

#include <algorithm>

#include "crypto/check.h"
#include "node/control_api.h"
#include "node/http_server.h"
#include "testnet/merged_metrics.h"

namespace weft::testnet {

struct Web::Inside : std::enable_shared_from_this<Inside> {
  // The nodes are being asked.
  struct Gathering {
    MergedMetrics merged;
    std::vector<MergedMetrics::Sample> up;
    std::size_t open = 0;
    std::vector<node::RequestId> waiting;
  };

  explicit Inside(Testbed& of) : testbed(of) { CHECK(uv_loop_init(&loop) == 0); }
  ~Inside() {
    server.reset();
    uv_run(&loop, UV_RUN_NOWAIT);
    uv_loop_close(&loop);
  }

  node::ControlOutcome handle(node::RequestId id, const node::ControlRequest& request) {
    if (!node::host_is_local_name(request.host)) {
      return node::to_reply({"forbidden", "the Host header must be an IP address or localhost"});
    }
    if (request.path != "/metrics") return node::to_reply({"not_found", "there is /metrics"});
    if (request.method != "GET") return node::to_reply(node::bad_request("/metrics is for GET"));
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
    for (const node::RequestId id : done->waiting) server->answer(id, {200, text, "text/plain; version=0.0.4"});
  }

  std::string label(std::size_t i) const { return "node=\"" + testbed.fleet.node(i).name + "\""; }

  Testbed& testbed;
  uv_loop_t loop{};
  std::unique_ptr<node::HttpServer> server;
  std::unique_ptr<Gathering> gathering;
};

Web::Web(Testbed& testbed) : inside_(std::make_shared<Inside>(testbed)) {}
Web::~Web() = default;

std::expected<Endpoint, std::string> Web::listen(const Endpoint& endpoint) {
  Inside& s = *inside_;
  s.server = std::make_unique<node::HttpServer>(
      &s.loop, [&s](node::RequestId id, const node::ControlRequest& request) { return s.handle(id, request); },
      [&s](node::RequestId id) {
        if (s.gathering) std::erase(s.gathering->waiting, id);
      });
  auto bound = s.server->listen_tcp(endpoint);
  if (!bound) return std::unexpected(bound.error().message);
  return *bound;
}

void Web::add_fds(std::vector<pollfd>& fds) const { fds.push_back({uv_backend_fd(&inside_->loop), POLLIN, 0}); }

int Web::timeout_ms() const { return uv_backend_timeout(&inside_->loop); }

void Web::advance() { uv_run(&inside_->loop, UV_RUN_NOWAIT); }

}  // namespace weft::testnet
