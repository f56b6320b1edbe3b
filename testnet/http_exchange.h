// One HTTP/1.1 request and its answer over the control socket of a node, as a state machine
// without a clock: the owner polls fd() for events() and calls on_ready().
//
// Owns the socket. Bounded: the head of an answer by kHeadBytesMax, its body by kBodyBytesMax
// unless it is streamed to `on_body`. Answers carry Content-Length, are chunked, or end with the
// connection. Nothing throws; a failure is kept as a state and a sentence.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace weft::testnet {

inline constexpr std::size_t kBodyBytesMax = 16UL << 20;
inline constexpr std::size_t kHeadBytesMax = 64UL << 10;

struct HttpRequest {
  std::string method = "GET";
  std::string target;  // path and query, encoded
  std::string body;    // JSON; sent with POST
};

struct HttpResponse {
  int status = 0;
  std::string body;
  std::string server;  // the Server header: "weft/VERSION"
};

enum class ExchangeState : unsigned char {
  kWaiting,  // poll and call on_ready
  kBusy,     // the listener's queue is full: call start() again a little later
  kDone,
  kNoNode,  // nobody listens there
  kBroken,  // the connection ended or the answer makes no sense
};

class HttpExchange {
 public:
  // `on_body`, if given, receives the body of a 200 answer piece by piece instead of it being
  // kept; returning false ends the exchange as done.
  HttpExchange(std::string socket_path, HttpRequest request,
               std::function<bool(std::string_view)> on_body = nullptr);
  ~HttpExchange();
  HttpExchange(const HttpExchange&) = delete;
  HttpExchange& operator=(const HttpExchange&) = delete;

  // Connects (never blocks) and begins to send.
  ExchangeState start();
  // The socket can be read or written.
  ExchangeState on_ready();

  ExchangeState state() const { return state_; }
  int fd() const { return fd_; }
  short events() const;  // for poll(2)
  const HttpResponse& response() const { return response_; }
  // Why it is kNoNode or kBroken.
  const std::string& trouble() const { return trouble_; }

 private:
  struct Parser;
  ExchangeState fail(ExchangeState state, std::string trouble);
  ExchangeState send_some();
  ExchangeState receive_some();
  void close();

  std::string path_;
  std::string out_;
  std::size_t sent_ = 0;
  int fd_ = -1;
  ExchangeState state_ = ExchangeState::kBusy;
  HttpResponse response_;
  std::string trouble_;
  std::function<bool(std::string_view)> on_body_;
  std::unique_ptr<Parser> parser_;
};

// Percent-encodes everything but unreserved characters, for a query value.
std::string encode_query(std::string_view text);

}  // namespace weft::testnet
