// The control socket of a supervisor: one JSON request a connection, answered by JSON lines.
//
//   request   {"do":VERB,...}
//   answer    any number of {"line":VALUE}, then {"done":VALUE} or {"error":{"code","message"}}
//
// A request is answered at once, or by a job that is stepped until it has replied; a job whose
// client has gone is dropped, and its destructor cleans up. Bounded: connections, and bytes each
// way.
#pragma once

#include <poll.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "testnet/clock.h"

namespace weft::testnet {

inline constexpr std::size_t kConnectionsMax = 64;
inline constexpr std::size_t kRequestBytesMax = 64U << 10;
inline constexpr std::size_t kReplyBytesMax = 8U << 20;

// Where a request's answer goes. Values are JSON text.
class Reply {
 public:
  void line(const std::string& value) { push("{\"line\":" + value + "}\n"); }
  void done(const std::string& value) { finish("{\"done\":" + value + "}\n"); }
  void error(const std::string& code, const std::string& message);
  bool finished() const { return finished_; }
  const std::string& text() const { return out_; }
  // What nobody will read.
  void forget() { out_.clear(); }

 private:
  friend class SupervisorServer;
  void push(const std::string& text) {
    if (out_.size() + text.size() <= kReplyBytesMax) out_ += text;
  }
  void finish(const std::string& text) {
    push(text);
    finished_ = true;
  }
  std::string out_;
  bool finished_ = false;
};

class Job {
 public:
  virtual ~Job() = default;
  // Called often, until it has finished the reply.
  virtual void step(MonoTime now, Reply& reply) = 0;
};

class SupervisorServer {
 public:
  // Answers `request`, or returns the job that will.
  using Handler = std::function<std::unique_ptr<Job>(const std::string& request, Reply& reply)>;

  explicit SupervisorServer(Handler handler) : handler_(std::move(handler)) {}
  ~SupervisorServer();
  SupervisorServer(const SupervisorServer&) = delete;
  SupervisorServer& operator=(const SupervisorServer&) = delete;

  // Empty text: done; else why not. A stale socket file is replaced: the caller holds the lock.
  std::string listen(const std::string& path);
  void close_listener();
  void add_fds(std::vector<pollfd>& fds) const;
  // Accepts, reads, steps the jobs, writes. Never blocks.
  void advance(MonoTime now);
  bool busy() const;  // some job runs
  bool empty() const { return connections_.empty(); }
  // True while an answer still waits to be written.
  bool has_output() const;

 private:
  struct Connection {
    int fd = -1;
    std::string in;
    bool asked = false;
    bool gone = false;
    Reply reply;
    std::unique_ptr<Job> job;
  };
  void accept_some();
  void read_from(Connection& connection);
  void write_to(Connection& connection);

  Handler handler_;
  std::string path_;
  int listener_ = -1;
  std::vector<std::unique_ptr<Connection>> connections_;
};

}  // namespace weft::testnet
