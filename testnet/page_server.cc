#include "testnet/page_server.h"

#include <algorithm>

#include "crypto/check.h"
#include "node/control_api.h"
#include "node/web_guard.h"
#include "testnet/page.h"

namespace weft::testnet {
namespace {

using node::ControlOutcome;
using node::ControlReply;
using node::ControlRequest;
using node::RequestId;
using node::to_reply;

constexpr std::string_view kPrefix = "/v1/testnet/";

std::string message(std::string_view event, const std::string& data) {
  return "event: " + std::string(event) + "\ndata: " + data + "\n";
}

}  // namespace

PageServer::PageServer(const Shown& shown, BehindPage& behind) : watch(shown), behind_(behind) { CHECK(uv_loop_init(&loop_) == 0); }

PageServer::~PageServer() {
  close();
  uv_loop_close(&loop_);
}

void PageServer::close() {
  if (!server_) return;
  server_.reset();
  uv_run(&loop_, UV_RUN_NOWAIT);
}

std::expected<Endpoint, std::string> PageServer::listen(const Endpoint& endpoint) {
  server_ = std::make_unique<node::HttpServer>(
      &loop_, [this](RequestId id, const ControlRequest& request) { return handle(id, request); }, [this](RequestId id) { behind_.on_gone(id); },
      node::HttpServer::Bounds{.stream_buffer = kPageBufferMax, .connection_memory = node::kPageConnectionMemory});
  auto bound = server_->listen_tcp(endpoint);
  if (!bound) return std::unexpected(bound.error().message);
  return *bound;
}

// ---- who may ask

std::optional<ControlReply> PageServer::refusal(const ControlRequest& request) {
  if (auto error = node::foreign(request)) return to_reply(*error);
  if (request.method == "GET") return std::nullopt;
  if (request.method != "POST") return to_reply(node::bad_request("there are GET and POST"));
  if (auto refused = behind_.refuse_post(request)) return refused;
  const std::string_view type = std::string_view(request.content_type).substr(0, request.content_type.find(';'));
  if (type != "application/json") return to_reply(node::bad_request("the content type must be application/json"));
  return std::nullopt;
}

ControlOutcome PageServer::handle(RequestId id, const ControlRequest& request) {
  if (auto refused = refusal(request)) return std::move(*refused);
  if (request.path == "/") return node::page_reply(request, {page_html(), page_script_hash()});
  if (request.path == "/metrics") return behind_.metrics(id, request);
  if (!request.path.starts_with(kPrefix)) return to_reply({"not_found", "there are /, /metrics and /v1/testnet/"});
  const std::string_view path = std::string_view(request.path).substr(kPrefix.size());
  behind_.refresh();
  if (request.method == "POST") return behind_.post(id, path, request.body);
  if (path == "stream") return stream();
  if (path == "sights") return ControlReply{200, watch.sights()};
  if (path.starts_with("nodes/")) return behind_.read(id, path.substr(6));
  return behind_.look(id, path, request);
}

// ---- the stream

ControlOutcome PageServer::stream() {
  if (server_->streams(node::StreamStart::Kind::kPage) >= kPagesMax) return to_reply({"overloaded", std::to_string(kPagesMax) + " pages are open"});
  const MonoTime now = mono_now();
  unwatched_since_.reset();
  if (!watch.watching()) {
    watch.begin(now);
    change_at_ = now + kChangeEvery;
  }
  return node::StreamStart{node::StreamStart::Kind::kPage, message("snapshot", watch.snapshot(now)) + "\n"};
}

void PageServer::tell(MonoTime now) {
  if (!watch.watching()) return;
  const bool watched = server_->has_streams(node::StreamStart::Kind::kPage);
  if (!watched && !unwatched_since_) unwatched_since_ = now;
  if (!watched && !behind_.keeps()) {
    // A page that is loaded anew finds its points again.
    change_at_ = now + kChangeEvery;  // when to look again
    if (now - *unwatched_since_ < kForgetAfter) return;
    watch.end();
    behind_.on_forgotten();
    return;
  }
  if (now < change_at_) return;
  change_at_ = now + kChangeEvery;
  if (!watched && watch.over()) return;
  behind_.refresh();
  server_->publish(node::StreamStart::Kind::kPage, node::LogLevel::kError, message("change", watch.change(now)));
}

int PageServer::timeout_ms() const {
  int ms = uv_backend_timeout(&loop_);
  if (!watch.watching()) return ms;
  const int change = static_cast<int>(std::max<std::int64_t>(ms_between(mono_now(), change_at_), 0));
  return ms < 0 ? change : std::min(ms, change);
}

}  // namespace weft::testnet
