// Talking to running nodes: one request that blocks, and a pool that talks to many at a time
// inside somebody else's poll loop.
//
// The pool holds at most kCallsInFlight connections; the rest wait in order. Each call ends
// exactly once, by an answer, a failure or its deadline.
#pragma once

#include <poll.h>

#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "testnet/clock.h"
#include "testnet/http_exchange.h"

namespace weft::testnet {

inline constexpr std::size_t kCallsInFlight = 32;
inline constexpr std::size_t kCallsWaitingMax = 8192;

enum class CallStatus : unsigned char { kAnswered, kNoNode, kTimedOut, kBroken };

struct CallResult {
  CallStatus status = CallStatus::kBroken;
  HttpResponse response;  // when answered
  std::string trouble;    // when broken
};

// Blocks until the answer is there or `timeout` (nullopt: no limit) has passed.
CallResult call_node(const std::string& socket_path, HttpRequest request,
                     std::optional<Milliseconds> timeout,
                     std::function<bool(std::string_view)> on_body = nullptr);

class CallPool {
 public:
  struct Call {
    std::string socket_path;
    HttpRequest request;
    Milliseconds timeout{5000};
    std::function<void(CallResult)> on_done;
  };

  // False if kCallsWaitingMax calls wait already; `on_done` will not be called then.
  bool submit(Call call);
  std::size_t pending() const { return waiting_.size() + active_.size(); }

  // Adds what to poll for.
  void add_fds(std::vector<pollfd>& fds) const;
  // Starts what may start, reads what came, ends what is due. Cheap when idle. `on_done` may
  // submit further calls.
  void advance(MonoTime now);

 private:
  struct Active {
    Call call;
    std::unique_ptr<HttpExchange> exchange;
    MonoTime deadline;
  };
  static std::optional<CallResult> result_of(const Active& active, MonoTime now);

  std::deque<Call> waiting_;
  std::vector<Active> active_;
};

}  // namespace weft::testnet
