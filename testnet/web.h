// A testnet over HTTP, on loopback: the page that shows it (docs/DASHBOARD.md), what the page asks for, and GET /metrics of all nodes
// in one answer, each sample with the label `node`.
//
// Metrics: the nodes are asked when somebody asks, all at a time within the call pool's bounds; who asks while they are being asked shares
// the answer. A node that does not answer within kScrapeTimeout counts as down (weft_up 0) and keeps nobody waiting. Nothing runs while
// nobody asks or has the page open.
//
// Who may ask for what is page_server.h's; a POST needs the token, made anew for each testnet and told to whoever started it.
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
inline constexpr Milliseconds kOperationTimeout{15'000};  // of what the page asks a node for

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
