#include "node/embedded_node.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "node/files.h"
#include "node/runtime_node.h"

namespace weft::node {
namespace {

ControlReply shutdown_reply(const std::string& reason) {
  return to_reply(ApiError{"shutdown", "the node has ended" + (reason.empty() ? "" : ": " + reason)});
}
ControlReply timed_out_reply() { return to_reply(ApiError{"timed_out", "no result within the time allowed"}); }

// A loop and its handles take descriptors for granted; a program that has too few left gets an answer instead. (Trying
// uv_loop_init would be more exact, but where it fails libuv 1.44 loses a descriptor.)
bool has_descriptors() {
  std::vector<Fd> spare;
  for (std::size_t i = 0; i < kDescriptorsMin; ++i) {
    spare.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (!spare.back().valid()) return false;
  }
  return true;
}

// Signals are the program's: none is taken by this thread, nor by those that it starts. SIGPIPE, too, which is why
// writing to a client that has gone is an error here and no more.
class NoSignals {
 public:
  NoSignals() {
    sigset_t all;
    sigfillset(&all);
    ::pthread_sigmask(SIG_BLOCK, &all, &before_);
  }
  ~NoSignals() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  NoSignals(const NoSignals&) = delete;
  NoSignals& operator=(const NoSignals&) = delete;

 private:
  sigset_t before_;
};

struct Birth {
  std::function<void()> live;
};

}  // namespace

std::expected<std::shared_ptr<EmbeddedNode>, Failure> EmbeddedNode::start(EmbeddedOptions options) {
  std::shared_ptr<EmbeddedNode> node(new EmbeddedNode);
  options.runtime.embedded = true;
  auto birth = std::make_unique<Birth>();
  // The thread is an owner, too: the last of the others may go within an answer.
  birth->live = [node, options = std::move(options)]() mutable { node->live(std::move(options)); };
  const auto body = [](void* argument) -> void* {
    std::unique_ptr<Birth> own(static_cast<Birth*>(argument));
    own->live();
    return nullptr;
  };
  std::unique_lock lock(node->mutex_);
  {
    const NoSignals quiet;
    if (::pthread_create(&node->thread_, nullptr, body, birth.get()) != 0) {
      node->joined_ = true;  // there is nothing to join
      return failed("cannot start a thread; are there too many?");
    }
  }
  static_cast<void>(birth.release());
  node->changed_.wait(lock, [&] { return node->started_ || node->gone_; });
  if (node->started_) return node;
  lock.unlock();
  node->stop();
  return std::unexpected(*node->trouble_);
}

EmbeddedNode::~EmbeddedNode() {
  if (!joined_) ::pthread_detach(thread_);
}

void EmbeddedNode::live(EmbeddedOptions options) {
  {
    const std::lock_guard lock(mutex_);
    thread_id_ = std::this_thread::get_id();
  }
  const std::string home = options.runtime.home;
  const bool remove_home = options.remove_home;
  if (!has_descriptors()) {
    const std::lock_guard lock(mutex_);
    trouble_ = Failure{1, "a node needs " + std::to_string(kDescriptorsMin) + " free file descriptors; see ulimit -n"};
  } else {
    RunningNode running(std::move(options.runtime));
    auto wake = std::make_unique<UvAsync>(running.loop(), [this, &running] { take_calls(running); });
    const auto opened = running.start();
    if (!opened) {
      wake.reset();
      const std::lock_guard lock(mutex_);
      trouble_ = opened.error();
    } else {
      {
        const std::lock_guard lock(mutex_);
        wake_ = wake.get();
        started_ = true;
      }
      changed_.notify_all();
      running.run([&] {
        end(running.stop_reason());
        wake.reset();
      });
    }
  }
  std::error_code ignored;
  if (remove_home) std::filesystem::remove_all(home, ignored);
  if (remove_home && ignored) std::filesystem::remove(home, ignored);  // an empty one, where no descriptor is left to look into it
  const std::lock_guard lock(mutex_);
  if (!ended_) ended_ = "it could not be opened";
  gone_ = true;
  changed_.notify_all();
}

// ---- the node's thread

void EmbeddedNode::take_calls(RunningNode& running) {
  std::deque<Call> calls;
  std::deque<CallId> hang_ups;
  bool stop = false;
  {
    const std::lock_guard lock(mutex_);
    calls.swap(calls_);
    hang_ups.swap(hang_ups_);
    stop = stop_asked_;
  }
  for (Call& call : calls) begin(running, std::move(call));
  for (const CallId id : hang_ups) {
    const auto open = open_.extract(id);
    if (!open) continue;  // answered meanwhile
    running.hang_up(open.mapped().request);
    const std::lock_guard lock(mutex_);
    --under_way_;
  }
  if (stop) running.stop("asked by the program");
}

void EmbeddedNode::begin(RunningNode& running, Call call) {
  const CallId id = call.id;
  open_.emplace(id, OpenCall{{}, std::move(call.on_reply)});
  const RequestId request =
      running.call(call.request, [this, id](ControlReply reply) { answer(id, std::move(reply)); });
  if (const auto open = open_.find(id); open != open_.end()) open->second.request = request;
}

void EmbeddedNode::answer(CallId id, ControlReply reply) {
  auto open = open_.extract(id);
  if (!open) return;
  {
    const std::lock_guard lock(mutex_);
    --under_way_;  // first: from within the answer the next call may be made
  }
  open.mapped().on_reply(std::move(reply));
}

void EmbeddedNode::end(std::string reason) {
  std::deque<Call> calls;
  {
    const std::lock_guard lock(mutex_);
    wake_ = nullptr;
    ended_ = reason;
    calls.swap(calls_);
    hang_ups_.clear();
    under_way_ = 0;
  }
  std::map<CallId, OpenCall> open;
  open.swap(open_);
  for (auto& [id, call] : open) call.on_reply(shutdown_reply(reason));
  for (Call& call : calls) call.on_reply(shutdown_reply(reason));
}

// ---- any thread

std::optional<EmbeddedNode::CallId> EmbeddedNode::enqueue(ControlRequest request, OnReply& on_reply,
                                                          ControlReply& refusal) {
  const std::lock_guard lock(mutex_);
  if (ended_) {
    refusal = shutdown_reply(*ended_);
    return std::nullopt;
  }
  if (under_way_ == kEmbeddedCallsMax) {
    refusal = to_reply(ApiError{"overloaded", std::to_string(kEmbeddedCallsMax) + " calls are under way; wait for one to end"});
    return std::nullopt;
  }
  ++under_way_;
  const CallId id = ++calls_total_;
  calls_.push_back({id, std::move(request), std::move(on_reply)});
  wake_->send();
  return id;
}

void EmbeddedNode::call(ControlRequest request, OnReply on_reply) {
  ControlReply refusal;
  if (!enqueue(std::move(request), on_reply, refusal)) on_reply(std::move(refusal));
}

ControlReply EmbeddedNode::ask(ControlRequest request, std::chrono::milliseconds deadline) {
  if (on_own_thread()) {
    return to_reply(bad_request("a call that waits was made on the node's own thread, which has to answer it; give it a `then`"));
  }
  struct Waited {
    std::mutex mutex;
    std::condition_variable changed;
    std::optional<ControlReply> reply;
  };
  const auto waited = std::make_shared<Waited>();
  OnReply on_reply = [waited](ControlReply reply) {
    const std::lock_guard lock(waited->mutex);
    waited->reply = std::move(reply);
    waited->changed.notify_all();
  };
  ControlReply refusal;
  const auto id = enqueue(std::move(request), on_reply, refusal);
  if (!id) return refusal;
  {
    std::unique_lock lock(waited->mutex);
    if (waited->changed.wait_for(lock, deadline, [&] { return waited->reply.has_value(); })) return std::move(*waited->reply);
  }
  hang_up(*id);
  return timed_out_reply();
}

void EmbeddedNode::hang_up(CallId id) {
  const std::lock_guard lock(mutex_);
  if (ended_) return;
  if (std::erase_if(calls_, [id](const Call& call) { return call.id == id; }) == 1) {
    --under_way_;
    return;
  }
  hang_ups_.push_back(id);
  wake_->send();
}

void EmbeddedNode::stop() {
  std::unique_lock lock(mutex_);
  stop_asked_ = true;
  if (wake_ != nullptr) wake_->send();
  if (thread_id_ == std::this_thread::get_id()) return;
  changed_.wait(lock, [this] { return gone_; });
  // The thread is past its last use of the lock.
  if (!std::exchange(joined_, true)) ::pthread_join(thread_, nullptr);
}

std::optional<std::string> EmbeddedNode::ended() const {
  const std::lock_guard lock(mutex_);
  return ended_;
}

bool EmbeddedNode::on_own_thread() const {
  const std::lock_guard lock(mutex_);
  return thread_id_ == std::this_thread::get_id();
}

}  // namespace weft::node
