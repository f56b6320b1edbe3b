// What happens while a node runs: events of the core, requests of people, signals.
#include <unistd.h>

#include <cerrno>

#include "node/control_json.h"
#include "node/interfaces.h"
#include "node/metrics.h"
#include "node/runtime_node.h"

namespace weft::node {
namespace {

// What needs the mesh; the others tell or change something about this process.
bool is_operation(const ControlRequest& request) {
  static constexpr std::string_view kPaths[] = {"/v1/put",  "/v1/get",  "/v1/rm",      "/v1/lookup",
                                                "/v1/ping", "/v1/join", "/v1/provide", "/v1/providers"};
  // All that is posted about shared state writes rows, which the core does from Ready on.
  if (request.method == "POST" && request.path.starts_with("/v1/state/")) return true;
  return request.method == "POST" && std::ranges::find(kPaths, request.path) != std::end(kPaths);
}

}  // namespace

// ---- ControlHost

ShellFacts RunningNode::facts() {
  ShellFacts facts;
  facts.listen = listen_;
  facts.advertised = advertised_;
  facts.control = control_path(home_->directory());
  facts.http = http_text_;
  facts.network = network_name_;
  facts.network_private = network_private_;
  facts.ephemeral = options_.ephemeral;
  facts.relaxed = !options_.durable;
  facts.faults = options_.faults;
  if (shell_->faults() != nullptr) {
    facts.link = shell_->faults()->now().link;
    facts.link_dropped_total = shell_->faults()->dropped_total();
  }
  facts.seeds = options_.seeds;
  facts.seeds_unresolved = unresolved_;
  facts.store = store_->stats();
  facts.store_health = store_->health();
  facts.last_seen = last_seen_;
  facts.started_wall = started_wall_;
  facts.send_failed_total = shell_->sockets().failed_total();
  facts.send_dropped_total = shell_->sockets().dropped_total();
  facts.late_total = shell_->late_total();
  facts.log_left_out_total = log_.left_out_total();
  facts.limits = options_.limits;
  facts.effective = options_.effective;
  return facts;
}

std::string RunningNode::metrics(Now now) { return metrics_text(core_->status(), facts(), now); }

void RunningNode::resolve(RequestId request, std::vector<SeedText> seeds) {
  resolver_->resolve(std::move(seeds),
                     [this, request](std::vector<Seed> found, std::vector<std::string> unresolved) {
                       shell_->turn([&](Now now, Output& out) {
                         api_->on_resolved(now, request, found, unresolved, out);
                         pass_answers();
                       });
                     });
}

OpId RunningNode::leave(Now now, Output& out) {
  if (!leave_op_) {
    note_leaving(now, "asked by weft leave");
    leave_op_ = core_->leave(now, out);
  }
  return *leave_op_;
}

FaultsNow RunningNode::set_faults(Now, FaultsChange change) {
  if (change.stall && change.stall->count() > 0) {
    stall_ = *change.stall;
    stall_timer_->start(20);  // the answer goes first
  }
  const FaultsNow state = shell_->faults()->change(std::move(change));
  log_.info("faults: link \"" + state.link + "\", " + std::to_string(state.blocked) + " blocked");
  return state;
}

// ---- events of the core

void RunningNode::on_event(Now now, const Event& event, Output& out) {
  api_->on_event(now, event, out);
  pass_answers();
  std::visit(
      [&](const auto& e) {
        if constexpr (requires { on(now, e); }) on(now, e);
      },
      event);
  if (std::holds_alternative<Ready>(event)) {
    ready_ = true;
    serve_waiting(now, out);
  }
}

void RunningNode::on(Now now, const Ready&) { publish(ready_event(*core_, facts(), now)); }

void RunningNode::on(Now, const SeedsWanted&) {
  if (seeds_.empty() || resolving_ || leave_op_) return;
  resolving_ = true;
  resolver_->resolve(seeds_, [this](std::vector<Seed> found, std::vector<std::string> unresolved) {
    resolving_ = false;
    if (!unresolved.empty() && unresolved != unresolved_) {
      log_.warn("cannot resolve " + escaped(unresolved.front()) +
                "; it will be tried again, check the spelling and the name server");
    }
    unresolved_ = std::move(unresolved);
    if (found.empty() || leave_op_ || finishing_) return;  // the core will ask again
    shell_->turn([&](Now now, Output& out) { join_op_ = core_->join(now, found, out); });
  });
}

void RunningNode::on(Now, const TwinFound& event) {
  log_.error("another process with this node's identity runs at " + to_string(event.endpoint) +
             "; this one stops. Give one of them an identity of its own (another --home)");
  // No goodbye: it would speak for the other process, too.
  finish(1, "another process has this identity");
}

void RunningNode::on(Now now, const EndpointsChanged& event) {
  publish(endpoints_event(event, now));
}

void RunningNode::on(Now now, const state::StateNoticed& event) {
  const state::Space* space = core_->shared_state().find(event.space);
  const EventText text = state_event(event, space == nullptr ? std::string_view() : std::string_view(space->genesis().name), now);
  log_.warn(text.plain);
  publish(text);
}

void RunningNode::on(Now now, const gossip::MemberChanged& event) {
  publish(member_event(event, now));
}

void RunningNode::on(Now, const JoinDone& event) {
  if (event.op != join_op_) return;
  join_op_.reset();
  if (event.result) {
    log_.info("joined through " + std::to_string(event.joined) + " seeds, " +
              std::to_string(event.alive) + " members alive");
  } else if (!std::exchange(join_failed_, true)) {  // once, not at each try
    log_.warn("no seed answers (" + std::string(to_string(event.result.error())) +
              "); they are tried again, see weft doctor");
  }
  if (event.result) join_failed_ = false;
}

void RunningNode::on(Now, const LeaveDone& event) {
  if (event.op == leave_op_) finish(exit_status_, stop_reason_);
}

// ---- requests

ControlOutcome RunningNode::on_request(RequestId id, const ControlRequest& request) {
  ControlOutcome outcome = Later{};
  if (!ready_ && !finishing_ && is_operation(request) && waiting_.size() < kWaitingMax) {
    waiting_.push_back({id, request});
    return outcome;
  }
  shell_->turn([&](Now now, Output& out) {
    outcome = api_->handle(now, id, request, out);
    pass_answers();
  });
  arm_api_timer();
  return outcome;
}

void RunningNode::serve_waiting(Now now, Output& out) {
  std::vector<Waiting> waiting;
  waiting.swap(waiting_);
  for (const Waiting& one : waiting) {
    ControlOutcome outcome = api_->handle(now, one.id, one.request, out);
    if (auto* reply = std::get_if<ControlReply>(&outcome)) answer(one.id, std::move(*reply));
  }
  pass_answers();
  arm_api_timer();
}

void RunningNode::on_gone(RequestId id) {
  if (finishing_) return;
  std::erase_if(waiting_, [id](const Waiting& one) { return one.id == id; });
  shell_->turn([&](Now now, Output& out) { api_->on_hang_up(now, id, out); });
  arm_api_timer();
}

void RunningNode::on_api_timer() {
  shell_->turn([&](Now now, Output& out) {
    api_->on_deadline(now, out);
    pass_answers();
  });
  arm_api_timer();
}

void RunningNode::pass_answers() {
  for (ControlApi::Answer& ended : api_->take_answers()) answer(ended.request, std::move(ended.reply));
}

void RunningNode::answer(RequestId id, ControlReply reply) {
  if (static_cast<std::uint64_t>(id) < kOwnRequests) return http_->answer(id, std::move(reply));
  // Out of the table first: the program may call again from within.
  if (const auto own = own_requests_.extract(id)) own.mapped()(std::move(reply));
}

RequestId RunningNode::call(const ControlRequest& request, OnReply on_reply) {
  const RequestId id{kOwnRequests + ++own_requests_total_};
  own_requests_.emplace(id, std::move(on_reply));
  if (finishing_) {
    answer(id, to_reply(ApiError{"shutdown", "the node has ended"}));
    return id;
  }
  ControlOutcome outcome = on_request(id, request);
  if (auto* reply = std::get_if<ControlReply>(&outcome)) answer(id, std::move(*reply));
  if (std::holds_alternative<StreamStart>(outcome)) answer(id, to_reply(bad_request("a stream is for the control socket")));
  return id;
}

void RunningNode::hang_up(RequestId request) {
  if (own_requests_.erase(request) == 1) on_gone(request);
}

void RunningNode::stop(const std::string& reason) {
  if (!leave_op_ && !finishing_) begin_leave(reason);
}

void RunningNode::arm_api_timer() {
  const auto next = api_->next_deadline();
  if (!next) return api_timer_->stop();
  const Duration wait = std::max(Duration(0), *next - read_clocks().mono);
  api_timer_->start(static_cast<std::uint64_t>((wait + 999us) / 1ms));
}

// ---- output

void RunningNode::publish(const EventText& text) {
  stdout_.write(options_.json ? text.json : text.plain);
  if (stdout_.waiting()) output_timer_->start(kRetryOutputMs);
  http_->publish(StreamStart::Kind::kEvents, LogLevel::kError, text.json);
}

void RunningNode::retry_output() {
  log_.flush();
  stdout_.flush();
  if (log_.waiting() || stdout_.waiting()) output_timer_->start(kRetryOutputMs);
}

// ---- the machine around the node

void RunningNode::poll_interfaces() {
  interfaces_timer_->start(kInterfacesEveryMs);
  std::vector<Endpoint> found = reachable_endpoints(listen_, interface_addresses());
  if (found == advertised_) return;
  advertised_ = std::move(found);
  shell_->turn([this](Now now, Output& out) { core_->set_endpoints(now, advertised_, out); });
}

void RunningNode::touch() {
  touch_timer_->start(kTouchEveryMs);
  home_->touch(read_clocks().wall);
}

void RunningNode::reload() {
  if (!options_.reload) return;
  RuntimeOptions fresh = options_;
  if (!options_.reload(fresh))
    return log_.warn("SIGHUP: the configuration was not taken, see above");
  std::vector<SeedText> seeds;
  for (const std::string& text : fresh.seeds) {
    auto seed = parse_seed(text);
    if (!seed) return log_.warn("SIGHUP: " + seed.error() + "; nothing was changed");
    seeds.push_back(std::move(*seed));
  }
  const auto level = parse_log_level(fresh.log_level);
  if (!level) return log_.warn("SIGHUP: unknown log level; nothing was changed");
  seeds_ = std::move(seeds);
  options_.seeds = std::move(fresh.seeds);
  options_.log_level = std::move(fresh.log_level);
  options_.effective = std::move(fresh.effective);
  options_.limits = limits_of_this_node(fresh.limits);
  shell_->turn([this](Now, Output&) { core_->set_limits(options_.limits); });
  log_.set_level(*level);
  log_.info("SIGHUP: limits, seeds and log level read again");
}

// ---- the end

void RunningNode::on_stop_signal(const char* name) {
  if (leave_op_ || finishing_) {
    log_.info(std::string(name) + " again: stopping at once");
    exit_status_ = 0;
    return uv_stop(&loop_);
  }
  begin_leave(name);
}

void RunningNode::on_parent(int) {
  char bytes[64];
  const ssize_t n = ::read(options_.parent_fd, bytes, sizeof bytes);
  if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR))) return;
  parent_->stop();
  if (!leave_op_ && !finishing_) begin_leave("the supervisor has gone");
}

void RunningNode::begin_leave(const std::string& reason) {
  shell_->turn([&](Now now, Output& out) {
    note_leaving(now, reason);
    leave_op_ = core_->leave(now, out);
  });
}

void RunningNode::note_leaving(Now now, const std::string& reason) {
  stop_reason_ = reason;
  leave_timer_->start(kLeaveMaxMs);
  if (!options_.embedded) arm_watchdog(exit_status_);
  log_.info("leaving: " + reason);
  publish(leaving_event(reason, now));
}

void RunningNode::finish(int exit_status, const std::string& reason) {
  if (finishing_) return;
  finishing_ = true;
  exit_status_ = exit_status;
  stop_reason_ = reason;
  publish(stopped_event(reason, read_clocks()));
  for (const Waiting& one : waiting_) {
    answer(one.id, to_reply(ApiError{"shutdown", "the node is leaving"}));
  }
  waiting_.clear();
  api_->shutdown();
  pass_answers();
  http_->finish();
  leave_timer_->start(kFlushMaxMs);  // now bounds the flush
  flush_timer_->start(0);
}

void RunningNode::stop_when_flushed() {
  if (http_->idle() || !leave_timer_->active()) return uv_stop(&loop_);
  flush_timer_->start(5);
}

}  // namespace weft::node
