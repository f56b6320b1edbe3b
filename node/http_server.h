// HTTP for the control API: libmicrohttpd under libuv, on the unix socket and maybe one TCP port.
//
// libmicrohttpd runs without threads; its epoll descriptor is watched by the loop, and it starts
// with the first connection, so a node that nobody asks pays little. A request whose answer comes
// later is suspended, and its client watched: onGone tells when it hangs up. Streams have a bounded
// buffer; a client that does not read is dropped. Limits: kConnectionsMax connections, of which
// kTcpConnectionsMax over TCP where there is a unix socket too, which stays free for the command
// line; kTcpStreamsMax streams over TCP, kBodyBytesMax of body, kClientTimeoutS without progress.
// Loop thread only.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "crypto/endpoint.h"
#include "node/control_types.h"
#include "node/failure.h"
#include "node/files.h"

struct uv_loop_s;
struct MHD_Daemon;

namespace weft::node {

inline constexpr unsigned kConnectionsMax = 64;
inline constexpr unsigned kTcpConnectionsMax = 48;
inline constexpr std::size_t kTcpStreamsMax = 16;
inline constexpr unsigned kClientTimeoutS = 10;
inline constexpr std::size_t kStreamBufferBytesMax = 256 * 1024;
inline constexpr std::size_t kPageConnectionMemory = 40 * 1024;  // of a server that browsers ask: request line and headers

class UvPoll;
class UvTimer;

class HttpServer {
 public:
  using OnRequest = std::function<ControlOutcome(RequestId, const ControlRequest&)>;
  using OnGone = std::function<void(RequestId)>;

  // In bytes.
  struct Bounds {
    std::size_t stream_buffer = kStreamBufferBytesMax;  // what of a stream may wait for its client, beside what it begins with
    std::size_t connection_memory = 8 * 1024;           // request line and headers
  };
  HttpServer(uv_loop_s* loop, OnRequest on_request, OnGone on_gone) : HttpServer(loop, std::move(on_request), std::move(on_gone), Bounds()) {}
  HttpServer(uv_loop_s* loop, OnRequest on_request, OnGone on_gone, Bounds bounds);
  ~HttpServer();

  // Replaces a socket file that a crash has left; the caller holds the home's lock.
  std::expected<void, Failure> listen_unix(const std::string& path);
  // Returns the endpoint as bound.
  std::expected<Endpoint, Failure> listen_tcp(const Endpoint& endpoint);

  // The answer to a request that got Later; one that has gone is ignored.
  void answer(RequestId id, ControlReply reply);
  // One line to every client of that stream.
  void publish(StreamStart::Kind kind, LogLevel level, std::string_view line);
  std::size_t streams(StreamStart::Kind kind) const;
  bool has_streams(StreamStart::Kind kind) const { return streams(kind) > 0; }

  // Takes no more connections and ends the streams; what is answered still leaves.
  void finish();
  // No request is under way.
  bool idle() const { return requests_.empty(); }
  // Drops everything and removes the socket file.
  void close();

 private:
  struct Request;
  struct Callbacks;
  struct Listener {
    Fd fd;
    std::unique_ptr<UvPoll> poll;
    bool tcp = false;
  };

  std::expected<void, Failure> add_listener(Fd fd, bool tcp);
  bool start_daemon();
  void accept_all(std::size_t listener);
  bool tcp_is_full() const { return tcp_connections_ >= kTcpConnectionsMax && !unix_path_.empty(); }
  std::size_t tcp_streams() const;
  void pause_accepting(std::uint64_t ms);
  void resume_accepting();
  void run();
  void arm();
  void wake(Request& request);
  int dispatch(Request& request);
  int send_reply(Request& request);
  int start_stream(Request& request, StreamStart stream);
  void suspend(Request& request);
  void on_hang_up(RequestId id);

  uv_loop_s* loop_;
  OnRequest on_request_;
  OnGone on_gone_;
  Bounds bounds_;
  std::string unix_path_;
  std::string tcp_at_;  // where we listen, as IP:PORT
  std::vector<Listener> listeners_;
  MHD_Daemon* daemon_ = nullptr;
  std::unique_ptr<UvPoll> poll_;
  std::unique_ptr<UvTimer> timer_;
  std::unique_ptr<UvTimer> accept_timer_;
  std::map<RequestId, Request*> requests_;  // owned by libmicrohttpd's connections
  std::uint64_t next_id_ = 1;
  unsigned connections_ = 0;
  unsigned tcp_connections_ = 0;  // of them
  bool finishing_ = false;
};

}  // namespace weft::node
