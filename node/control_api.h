// The control API as requests and replies: docs/CONTROL.md without sockets.
//
// One object a node, loop thread only. handle() answers at once, starts a stream, or starts an
// operation of the core whose answer take_answers() gives later. Every request that got Later gets
// exactly one answer: the operation's result, its own deadline, cancel (its client hung up: no
// answer is given then), or shutdown. Nothing here blocks, throws or reads a clock.
#pragma once

#include <map>
#include <optional>
#include <variant>

#include "node/control_state.h"
#include "node/control_types.h"
#include "node/link_model.h"
#include "node/member_log.h"
#include "node/seed_text.h"
#include "node/shell_facts.h"
#include "node/web_guard.h"

namespace weft::node {

inline constexpr std::size_t kPendingRequestsMax = 64;
inline constexpr std::size_t kOwnPageMax = 1024;  // own values in one answer
inline constexpr std::size_t kSeedsPerJoinMax = 64;
inline constexpr std::size_t kBlockedMax = 4096;

// A change of the node's own bad weather; what is not given stays as it was.
struct FaultsChange {
  std::optional<std::uint64_t> seed;
  std::optional<LinkSpec> link;
  std::optional<LinkMatrix> matrix;
  std::optional<std::vector<Endpoint>> block;
  std::optional<Duration> stall;  // the loop does nothing for this long
};
struct FaultsNow {
  std::string link;
  std::size_t blocked = 0;
};

// What the API needs of the shell around it.
class ControlHost {
 public:
  virtual ~ControlHost() = default;
  virtual ShellFacts facts() = 0;
  virtual Log& log() = 0;
  virtual std::string metrics(Now now) = 0;
  // Resolves the seeds' names; answers through ControlApi::on_resolved, never within this call.
  virtual void resolve(RequestId request, std::vector<SeedText> seeds) = 0;
  // Starts to leave, or tells the leave that is under way.
  virtual OpId leave(Now now, Output& out) = 0;
  // What `GET /` over TCP shows.
  virtual Page page() { return {}; }
  // Only called with --faults.
  virtual FaultsNow set_faults(Now now, FaultsChange change) = 0;
};

class ControlApi {
 public:
  struct Answer {
    RequestId request{};
    ControlReply reply;
  };

  // Both must outlive the object.
  ControlApi(NodeCore& core, ControlHost& host) : core_(core), host_(host) {}

  ControlOutcome handle(Now now, RequestId id, const ControlRequest& request, Output& out);
  // Every event of the core goes through here.
  void on_event(Now now, const Event& event, Output& out);
  // The names of a join are resolved; `unresolved` lists those that are not.
  void on_resolved(Now now, RequestId id, const std::vector<Seed>& seeds,
                   const std::vector<std::string>& unresolved, Output& out);
  void on_deadline(Now now, Output& out);
  std::optional<Instant> next_deadline() const;
  // The client has gone: its operation is cancelled.
  void on_hang_up(Now now, RequestId id, Output& out);
  // Answers everything that is pending with `shutdown`.
  void shutdown();
  std::vector<Answer> take_answers() { return std::exchange(answers_, {}); }

 private:
  struct PutOp {
    std::string key;
    bool withdraw = false;
    bool traced = false;
  };
  struct SealOp {  // a put that looks for its reader's key
    PutOp put;
    NodeId reader;
    NodeId dht_key;
    Bytes plain;
    dht::PutOptions options;
  };
  struct GetOp {
    std::string key;
    NodeId dht_key;
    bool all = false;
    bool one_author = false;
    bool traced = false;
    bool providers = false;
  };
  struct LookupOp {
    std::string target;
  };
  struct PingOp {};
  struct JoinOp {  // also while the names are being resolved
    std::vector<std::string> seeds;  // as they were given
    std::vector<std::string> unresolved;
  };
  struct LeaveOp {};
  struct WaitOp {
    std::size_t members = 0;
  };
  struct MemberChangesOp {
    std::uint64_t after = 0;
    std::size_t limit = 0;
  };
  using What = std::variant<PutOp, SealOp, GetOp, LookupOp, PingOp, JoinOp, LeaveOp, WaitOp, MemberChangesOp, StateOp, FindSpaceOp, ChangesOp>;
  struct Pending {
    What what;
    std::optional<OpId> op;  // none: waits for the shell or for a condition
    Instant started;
    std::optional<Instant> deadline;
  };
  using Result = std::variant<ControlReply, Later, StreamStart, ApiError>;

  // control_routes.cc
  Result get(Now now, RequestId id, const ControlRequest& request);
  Result post(Now now, RequestId id, const ControlRequest& request, Output& out);
  Result wait(Now now, RequestId id, const ControlRequest& request);
  Result log_lines(const ControlRequest& request);
  Result served(const ControlRequest& request);
  Result flow(Now now, const ControlRequest& request);
  Result own(Now now, const ControlRequest& request);
  Result post_put(Now now, RequestId id, const ControlRequest& request, Output& out);
  Result post_sealed(Now now, RequestId id, SealOp seal, std::optional<Duration> timeout, Output& out);
  Result post_get(Now now, RequestId id, const ControlRequest& request, Output& out);
  Result post_rm(Now now, RequestId id, const ControlRequest& request, Output& out);
  Result post_provide(Now now, RequestId id, const ControlRequest& request, Output& out);
  Result post_providers(Now now, RequestId id, const ControlRequest& request, Output& out);
  Result post_lookup(Now now, RequestId id, const ControlRequest& request, Output& out);
  Result post_ping(Now now, RequestId id, const ControlRequest& request, Output& out);
  Result post_join(Now now, RequestId id, const ControlRequest& request);
  Result post_leave(Now now, RequestId id, const ControlRequest& request, Output& out);
  Result post_faults(Now now, const ControlRequest& request);
  Result post_log(const ControlRequest& request);

  // control_members.cc
  Result member_changes(Now now, RequestId id, const ControlRequest& request);
  // The answer, if there is something to tell or, `at_end`, in any case.
  std::optional<ControlReply> told_members(Now now, const MemberChangesOp& ask, bool at_end);
  void on_member_changed(Now now, const gossip::MemberChanged& change);
  // Whether one more request may wait for changes.
  bool may_watch() const;

  // control_state.cc
  Result get_state(Now now, RequestId id, const ControlRequest& request);
  Result state_list(const ControlRequest& request);
  Result state_changes(Now now, RequestId id, const ControlRequest& request);
  Result post_state(Now now, RequestId id, const ControlRequest& request, Output& out);
  Result state_create(Now now, RequestId id, const ControlRequest& request, Output& out);
  Result state_join(Now now, RequestId id, const ControlRequest& request, Output& out);
  Result state_leave(Now now, RequestId id, const ControlRequest& request, Output& out);
  Result state_write(Now now, RequestId id, const ControlRequest& request, Output& out);
  Result state_batch(Now now, RequestId id, const ControlRequest& request, Output& out);
  Result state_import(Now now, RequestId id, const ControlRequest& request, Output& out);
  // control_rights.cc
  Result state_rights(const ControlRequest& request);
  Result state_give(Now now, RequestId id, const ControlRequest& request, Output& out);

  // control_events.cc
  Later keep(Now now, RequestId id, What what, std::optional<OpId> op,
             std::optional<Duration> timeout);
  std::optional<RequestId> find(OpId op) const;
  void answer(RequestId id, ControlReply reply);
  void answer(RequestId id, const ApiError& error) { answer(id, to_reply(error)); }
  void on_done(Now now, const dht::PutDone& done);
  void on_done(Now now, const dht::GetDone& done, Output& out);
  void on_done(Now now, const dht::LookupDone& done, Output& out);
  void put_sealed(Now now, RequestId id, const PublicKey& reader, Output& out);
  void on_done(Now now, const PingDone& done);
  void on_done(Now now, const JoinDone& done);
  void on_done(Now now, const LeaveDone& done);
  // That none of a join's seeds answered, which they are, and what to do.
  ApiError no_seed_answers(const JoinOp& join);
  void check_waits(Now now);
  // The operation of a request whose client will not wait any longer.
  void give_up(Now now, const Pending& pending, Output& out);

  // control_state_events.cc
  void on_done(Now now, const state::StateDone& done, Output& out);
  void on_arrived(const state::StateArrived& arrived);
  // Answers if there is something to tell or, `at_end`, in any case.
  void tell_changes(RequestId id, bool at_end);
  void on_geneses(Now now, RequestId id, const dht::GetOk& found, Output& out);
  ControlReply state_reply(Now now, const StateOp& op, std::size_t entries) const;
  void publish(Now now, const state::Genesis& genesis, Output& out);
  void unpublish(Now now, const state::Genesis& left, Output& out);
  // True if it was a publication, for which no client waits.
  bool published(const dht::PutDone& done);

  NodeCore& core_;
  ControlHost& host_;
  std::map<RequestId, Pending> pending_;
  std::vector<Answer> answers_;
  MemberLog member_log_;
  std::map<OpId, Publication> to_publish_;  // by the operation that they follow
  std::map<OpId, std::string> publishing_;  // the puts that do it, with the name of the namespace
};

// ---- small pure parts, tested alone

// `KEY` of the command line: text of 1 to 255 bytes, or hex: and 64 digits.
std::expected<NodeId, ApiError> parse_key(std::string_view text);
// A node by its full id, an unambiguous prefix of 8 digits or more, or its name.
std::expected<NodeId, ApiError> find_node(const NodeCore& core, std::string_view text);
// The body of /v1/faults.
std::expected<FaultsChange, ApiError> parse_faults(std::string_view body);

}  // namespace weft::node
