// One node on a thread of its own inside another program, asked with requests of the control API: what stands
// behind weft.h.
//
// Life: start() returns when everything is open, or why it could not be opened; stop() leaves the mesh and waits.
// The node may also end by itself. The thread is joined by whoever stops first, or, if the last owner went
// within an answer, lets itself go.
//
// Threads: every function may be called from any, at the same time. Answers are given on the node's thread, none of
// its locks held. Invariant: every call is answered exactly once, or was given up by hang-up; at most kEmbeddedCallsMax are
// under way. What crosses between threads is guarded by mutex_; what only the node's thread touches is said below.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "node/control_types.h"
#include "node/failure.h"
#include "node/runtime.h"

namespace weft::node {

class RunningNode;
class UvAsync;

// Less than kPendingRequestsMax of the control API: the command line finds room.
inline constexpr std::size_t kEmbeddedCallsMax = 48;
// What must be free for a node to start: its sockets, store and loop take some twenty.
inline constexpr std::size_t kDescriptorsMin = 32;

struct EmbeddedOptions {
  RuntimeOptions runtime;
  bool remove_home = false;  // with all that is in it, at the end
};

class EmbeddedNode {
 public:
  using OnReply = std::function<void(ControlReply)>;

  static std::expected<std::shared_ptr<EmbeddedNode>, Failure> start(EmbeddedOptions options);
  ~EmbeddedNode();
  EmbeddedNode(const EmbeddedNode&) = delete;
  EmbeddedNode& operator=(const EmbeddedNode&) = delete;

  // Does not wait. A call that is refused at once (too many, or the node has ended) is answered within this one.
  void call(ControlRequest request, OnReply on_reply);
  // Waits for the answer until the deadline, then gives it up: timed_out. On the node's own thread it is refused.
  ControlReply ask(ControlRequest request, std::chrono::milliseconds deadline);
  // Again, or once the node has ended: waits for the end of the thread if that is not over. On the node's own thread:
  // only begins to end.
  void stop();
  // Why the node has ended.
  std::optional<std::string> ended() const;

 private:
  using CallId = std::uint64_t;
  struct Call {
    CallId id = 0;
    ControlRequest request;
    OnReply on_reply;
  };
  struct OpenCall {
    RequestId request{};
    OnReply on_reply;
  };

  EmbeddedNode() = default;
  bool begin_thread(EmbeddedOptions options);
  // The whole life, on the thread.
  void live(EmbeddedOptions options);
  void take_calls(RunningNode& running);
  void begin(RunningNode& running, Call call);
  void answer(CallId id, ControlReply reply);
  void end(std::string reason);
  // Nothing if it was refused, with the reply why.
  std::optional<CallId> enqueue(ControlRequest request, OnReply& on_reply, ControlReply& refusal);
  void hang_up(CallId id);
  bool on_own_thread() const;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Call> calls_;        // on their way to the thread
  std::deque<CallId> hang_ups_;   // likewise; those of calls that were under way
  std::size_t under_way_ = 0;
  CallId calls_total_ = 0;
  bool stop_asked_ = false;
  bool started_ = false;
  std::optional<Failure> trouble_;      // why it has not started
  std::optional<std::string> ended_;    // why; no call is taken any more
  UvAsync* wake_ = nullptr;             // while the loop takes calls
  bool gone_ = false;                   // the thread touches nothing of this any more
  bool joined_ = false;
  std::thread::id thread_id_;
  pthread_t thread_{};

  std::map<CallId, OpenCall> open_;  // node's thread only
};

}  // namespace weft::node
