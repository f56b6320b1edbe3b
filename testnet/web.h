// A testnet over HTTP, on loopback: the page that shows it (docs/DASHBOARD.md), what the page asks for, and GET /metrics of all nodes
// in one answer, each sample with the label `node`.
//
// Metrics: the nodes are asked when somebody asks, all at a time within the call pool's bounds; who asks while they are being asked shares
// the answer. A node that does not answer within kScrapeTimeout counts as down (weft_up 0) and keeps nobody waiting. Nothing runs while
// nobody asks or has the page open.
//
// A page is an attack surface. Nobody but the page may do anything:
// - the Host header must be an address or localhost (of all but /metrics: with the port that we listen on), so that no name that somebody
//   else resolves to this machine reads anything;
// - a request of another page is refused where the browser says so (Origin, Sec-Fetch-Site);
// - a POST needs the token, made anew for each testnet and told to whoever started it, JSON as its content type, and no Origin but ours:
//   a form or a script of another page has neither;
// - no CORS header is ever sent; the page may load and run nothing but itself (Content-Security-Policy).
// Who has an account on this machine can read, as on any loopback port, and without the token change nothing.
// Bounded: connections and bodies by HttpServer, kPagesMax pages, waiting answers by the connections, what a slow reader leaves lying by kPageBufferMax.
//
// Owns a libuv loop, which it runs inside the supervisor's poll loop: add_fds, timeout_ms, advance. One thread.
#pragma once

#include <poll.h>

#include <expected>
#include <memory>
#include <vector>

#include "crypto/endpoint.h"
#include "testnet/testbed.h"

namespace weft::testnet {

inline constexpr Milliseconds kScrapeTimeout{4000};
inline constexpr std::size_t kPageBufferMax = 8U << 20;
inline constexpr Milliseconds kOperationTimeout{15'000};  // of what the page asks a node for
inline constexpr std::size_t kPagesMax = 16;             // open at a time
inline constexpr Milliseconds kForgetAfter{30'000};       // what was gathered, after the last page was closed

class Web {
 public:
  // `testbed` must outlive it, and call no more of what was submitted once it is gone.
  explicit Web(Testbed& testbed);
  ~Web();
  Web(const Web&) = delete;
  Web& operator=(const Web&) = delete;

  // What a POST has to bring; letters and digits.
  const std::string& token() const;
  // The address as bound (port 0 takes a free one), or why not.
  std::expected<Endpoint, std::string> listen(const Endpoint& endpoint);
  void add_fds(std::vector<pollfd>& fds) const;
  // How long poll may wait for it; -1: for ever.
  int timeout_ms() const;
  void advance();

 private:
  struct Inside;
  std::shared_ptr<Inside> inside_;
};

}  // namespace weft::testnet
