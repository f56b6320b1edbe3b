// A page over HTTP, on loopback, and what it asks for: the same for a testnet that runs (web.h) and for one that was recorded (replay.h).
//
// A page is an attack surface. Nobody but the page may do anything:
// - who may ask at all is told by node/web_guard.h (Host, Origin, Sec-Fetch-Site);
// - a POST is refused unless whoever stands behind the page allows it, and then must be JSON;
// - no CORS header is ever sent; the page may load and run nothing but itself (Content-Security-Policy).
// Who has an account on this machine can read, as on any loopback port.
// Bounded: connections and bodies by HttpServer, kPagesMax pages, what a slow reader leaves lying by kPageBufferMax.
//
// Owns a libuv loop, which it runs inside its owner's poll loop: add_fds, timeout_ms, turn, tell. One thread.
#pragma once

#include <poll.h>
#include <uv.h>

#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/endpoint.h"
#include "node/control_types.h"
#include "node/http_server.h"
#include "testnet/watch.h"

namespace weft::testnet {

inline constexpr std::size_t kPageBufferMax = 8U << 20;
inline constexpr std::size_t kPagesMax = 16;         // open at a time
inline constexpr Milliseconds kForgetAfter{30'000};  // what was gathered, after the last page was closed

// Who stands behind a page.
class BehindPage {
 public:
  virtual ~BehindPage() = default;
  // Why this POST may not be; nothing: it may.
  virtual std::optional<node::ControlReply> refuse_post(const node::ControlRequest& request) = 0;
  virtual node::ControlOutcome post(node::RequestId id, std::string_view path, const std::string& body) = 0;
  // A GET below /v1/testnet/nodes/, and /metrics.
  virtual node::ControlOutcome read(node::RequestId id, std::string_view path) = 0;
  // Another GET below /v1/testnet/.
  virtual node::ControlOutcome look(node::RequestId /*id*/, std::string_view /*path*/, const node::ControlRequest& /*request*/) {
    return node::to_reply({"not_found", "nothing is there"});
  }
  virtual node::ControlOutcome metrics(node::RequestId id, const node::ControlRequest& request) = 0;
  // Something is about to be told: takes in what happened.
  virtual void refresh() {}
  virtual void on_gone(node::RequestId /*id*/) {}
  virtual void on_forgotten() {}
  // Whether what was gathered outlives the last page.
  virtual bool keeps() const { return false; }
};

class PageServer {
 public:
  // Both must outlive it.
  PageServer(const Shown& shown, BehindPage& behind);
  ~PageServer();
  PageServer(const PageServer&) = delete;
  PageServer& operator=(const PageServer&) = delete;

  // The address as bound (port 0 takes a free one), or why not.
  std::expected<Endpoint, std::string> listen(const Endpoint& endpoint);
  void add_fds(std::vector<pollfd>& fds) const { fds.push_back({uv_backend_fd(&loop_), POLLIN, 0}); }
  // How long poll may wait for it; -1: for ever.
  int timeout_ms() const;
  void turn() { uv_run(&loop_, UV_RUN_NOWAIT); }
  // What has changed goes to the pages, when it is time.
  void tell(MonoTime now);
  // Nobody looks any more: before anything that requests lead to is gone.
  void close();

  // Some page is open.
  bool watched() const { return watch.watching() && !unwatched_since_; }
  void answer(node::RequestId id, node::ControlReply reply) { server_->answer(id, std::move(reply)); }

  Watch watch;

 private:
  std::optional<node::ControlReply> refusal(const node::ControlRequest& request);
  node::ControlOutcome handle(node::RequestId id, const node::ControlRequest& request);
  node::ControlOutcome stream();

  BehindPage& behind_;
  uv_loop_t loop_{};
  std::unique_ptr<node::HttpServer> server_;
  MonoTime change_at_{};
  std::optional<MonoTime> unwatched_since_;
};

}  // namespace weft::testnet
