// The inside of run_node: one running node with everything around it. For runtime.cc (life cycle),
// runtime_host.cc (what happens while it runs) and embedded_node.cc (which runs it on a thread) only.
//
// Life: start() opens everything or says what is wrong; run() turns the loop until the node has
// ended; the destructor takes all apart in reverse. Leaving is bounded in every phase: the core by
// kLeaveMax, answers that still have to leave by kFlushMax, and should a disk or a resolver hang, a
// watchdog ends the process kExitMax after the first wish to stop (but for an embedded node: its end then waits).
#pragma once

#include <uv.h>

#include <map>
#include <memory>
#include <optional>

#include "node/control_api.h"
#include "node/event_lines.h"
#include "node/home.h"
#include "node/http_server.h"
#include "node/line_writer.h"
#include "node/runtime.h"
#include "node/seeds.h"
#include "node/store.h"
#include "node/uv_handles.h"
#include "node/uv_shell.h"

namespace weft::node {

inline constexpr std::uint64_t kLeaveMaxMs = 3000;
inline constexpr std::uint64_t kFlushMaxMs = 500;
inline constexpr int kExitMaxMs = 4500;  // what is promised is 5 s
inline constexpr std::uint64_t kInterfacesEveryMs = 5000;
inline constexpr std::uint64_t kTouchEveryMs = 60'000;
inline constexpr std::uint64_t kRetryOutputMs = 100;
inline constexpr std::uint16_t kDefaultPort = 9338;
// Records verified once; a mesh of 200 fits with room for those that restart.
inline constexpr std::size_t kRecordCacheMax = 512;

// Ends the process with that status kExitMaxMs after the first call, whatever hangs. Later calls only
// change the status.
void arm_watchdog(int exit_status);

class RunningNode final : public ControlHost {
 public:
  explicit RunningNode(RuntimeOptions options);
  ~RunningNode() override;

  std::expected<void, Failure> start();
  // Until the node has ended: the exit status of the process. `at_end` is called between the last turn of the
  // loop and the taking apart: handles of others in the loop go then.
  int run(const std::function<void()>& at_end = nullptr);

  // ---- for the program around an embedded node; loop thread only
  using OnReply = std::function<void(ControlReply)>;
  uv_loop_t* loop() { return &loop_; }
  // As a request of the control socket. `on_reply` is called once, maybe within this call; never for a stream.
  RequestId call(const ControlRequest& request, OnReply on_reply);
  // Nobody waits for the answer any more: what can be cancelled is, and `on_reply` is not called.
  void hang_up(RequestId request);
  // Leaves the mesh and ends; nothing if it does so already.
  void stop(const std::string& reason);
  const std::string& stop_reason() const { return stop_reason_; }

  // ---- ControlHost
  ShellFacts facts() override;
  Log& log() override { return log_; }
  std::string metrics(Now now) override;
  void resolve(RequestId request, std::vector<SeedText> seeds) override;
  OpId leave(Now now, Output& out) override;
  FaultsNow set_faults(Now now, FaultsChange change) override;
  Page page() override { return options_.page; }

 private:
  // runtime.cc
  std::expected<Config, Failure> make_config(Network network);
  std::expected<Stored, Failure> open_store(const Home& home, UnixMillis now);
  std::expected<void, Failure> open_control();
  std::expected<void, Failure> check_record(const Config& config) const;
  void watch_process();
  // All values are in memory if nothing is durable, or if it is acknowledged before it is: what a load then
  // told could be older than what was acknowledged.
  bool in_memory() const { return options_.ephemeral || !options_.durable; }
  Limits limits_of_this_node(Limits limits) const {
    if (in_memory()) limits.store_bytes = std::min(limits.store_bytes, kValuesMemoryMax);
    return limits;
  }
  void take_apart();

  // runtime_host.cc
  void on_event(Now now, const Event& event, Output& out);
  void on(Now now, const Ready& event);
  void on(Now now, const SeedsWanted& event);
  void on(Now now, const TwinFound& event);
  void on(Now now, const EndpointsChanged& event);
  void on(Now now, const gossip::MemberChanged& event);
  void on(Now now, const state::StateNoticed& event);
  void on(Now now, const JoinDone& event);
  void on(Now now, const LeaveDone& event);
  ControlOutcome on_request(RequestId id, const ControlRequest& request);
  void serve_waiting(Now now, Output& out);
  void on_gone(RequestId id);
  void answer(RequestId id, ControlReply reply);
  void on_api_timer();
  void pass_answers();
  void arm_api_timer();
  void publish(const EventText& text);
  void retry_output();
  void poll_interfaces();
  void touch();
  void reload();
  void on_stop_signal(const char* name);
  void on_parent(int events);
  void begin_leave(const std::string& reason);
  void note_leaving(Now now, const std::string& reason);
  void finish(int exit_status, const std::string& reason);
  void stop_when_flushed();

  RuntimeOptions options_;
  Log log_;
  LineWriter stdout_;
  uv_loop_t loop_{};
  bool loop_open_ = false;

  SodiumProvider provider_;
  SystemEntropy entropy_;
  RecordCache records_;
  std::optional<Home> home_;
  std::unique_ptr<Identity> identity_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<UvAsync> store_wake_;
  std::unique_ptr<UvShell> shell_;
  std::unique_ptr<NodeCore> core_;
  std::unique_ptr<ControlApi> api_;
  std::unique_ptr<HttpServer> http_;
  std::unique_ptr<SeedResolver> resolver_;

  // Requests of this process have numbers that the control socket never comes to.
  static constexpr std::uint64_t kOwnRequests = std::uint64_t{1} << 63;
  std::map<RequestId, OnReply> own_requests_;
  std::uint64_t own_requests_total_ = 0;

  std::vector<std::unique_ptr<UvSignal>> signals_;
  std::unique_ptr<UvPoll> parent_;
  std::unique_ptr<UvTimer> api_timer_, output_timer_, interfaces_timer_, touch_timer_, leave_timer_,
      flush_timer_, stall_timer_;

  std::string network_name_;
  bool network_private_ = false;
  // Operations asked for before the node speaks: its first commit may take a while on a busy disk.
  struct Waiting {
    RequestId id{};
    ControlRequest request;
  };
  static constexpr std::size_t kWaitingMax = 64;
  std::vector<Waiting> waiting_;
  bool ready_ = false;

  std::vector<Endpoint> listen_;
  std::vector<Endpoint> advertised_;
  std::string http_text_;
  UnixMillis started_wall_;
  UnixMillis last_seen_;
  std::vector<SeedText> seeds_;
  std::vector<std::string> unresolved_;
  bool resolving_ = false;
  bool join_failed_ = false;  // said so already
  std::optional<OpId> join_op_;
  std::optional<OpId> leave_op_;
  std::string stop_reason_;
  Duration stall_{};
  bool finishing_ = false;
  int exit_status_ = 0;
};

}  // namespace weft::node
