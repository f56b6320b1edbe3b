#include "testnet/supervisor.h"

#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "testnet/supervisor_verbs.h"

namespace weft::testnet {

namespace {

constexpr Milliseconds kReportForming{200};
constexpr Milliseconds kReportServing{1000};
constexpr Milliseconds kTermWait{5000};  // between SIGTERM and SIGKILL
constexpr Milliseconds kConfirmAgain{100};
constexpr Milliseconds kConfirmTimeout{5000};

// Two files a node, and what goes on at once.
void raise_file_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

std::size_t alive_in_status(const CallResult& result) {
  if (result.status != CallStatus::kAnswered || result.response.status != 200) return 0;
  const auto status = nlohmann::json::parse(result.response.body, nullptr, false);
  if (!status.is_object() || !status.contains("members")) return 0;
  const auto& members = status["members"];
  if (!members.is_object() || !members.contains("alive")) return 0;
  const auto& alive = members["alive"];
  return alive.is_number_unsigned() ? alive.get<std::size_t>() : 0;
}

}  // namespace

Supervisor::Supervisor(SupervisorOptions options)
    : options_(std::move(options)),
      testbed_(options_.layout, options_.fleet, options_.seed),
      server_([this](const std::string& request, Reply& reply) {
        testbed_.fleet.refresh();  // answers tell the present
        return answer_verb(testbed_, request, reply);
      }) {}

Supervisor::~Supervisor() {
  if (signals_ >= 0) ::close(signals_);
}

Outcome Supervisor::base_outcome() const {
  Outcome outcome;
  outcome.nodes = testbed_.fleet.size();
  outcome.network = testbed_.network;
  outcome.dir = options_.layout.dir;
  outcome.http = http_;
  outcome.page = testbed_.page;
  outcome.spawn_ms = spawn_ms_;
  if (testbed_.fleet.size() > 0 && !testbed_.fleet.node(0).listen.empty()) {
    outcome.seed_address = testbed_.fleet.node(0).listen.front();
  }
  return outcome;
}

void Supervisor::finish_forming(Outcome outcome) {
  outcome_told_ = true;
  exit_status_ = outcome.exit_status;
  report(mono_now());
  if (on_outcome) on_outcome(outcome);
}

void Supervisor::form_failed(int exit_status, const std::string& code, const std::string& message) {
  Outcome outcome = base_outcome();
  outcome.exit_status = exit_status;
  outcome.code = code;
  outcome.message = message;
  const bool stay = options_.stay_after_failure && testbed_.fleet.count(Run::kRunning) > 0 &&
                    phase_ != Phase::kFirst;
  finish_forming(std::move(outcome));
  if (stay) {
    phase_ = Phase::kServing;
  } else {
    begin_end(mono_now());
  }
}

void Supervisor::set_up() {
  begun_ = mono_now();
  raise_file_limit();
  sigset_t mask;
  sigemptyset(&mask);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGCHLD}) sigaddset(&mask, signal);
  ::sigprocmask(SIG_BLOCK, &mask, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  signals_ = ::signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC);
  std::string trouble = server_.listen(options_.layout.socket());
  if (trouble.empty() && options_.http) {
    web_ = std::make_unique<Web>(testbed_);
    const auto bound = web_->listen(*options_.http);
    if (bound) {
      http_ = to_string(*bound);
      testbed_.page = "http://" + http_ + "/#" + web_->token();
    } else {
      trouble = bound.error();
    }
  }
  if (trouble.empty() && !options_.link.empty()) {
    auto plan = plan_with_link(testbed_.plan(), options_.link, options_.matrix_csv);
    if (plan) {
      testbed_.set_plan(std::move(*plan));
    } else {
      trouble = plan.error();
    }
  }
  if (trouble.empty()) {
    const auto first = testbed_.fleet.add();
    const auto started = first ? testbed_.fleet.start(0)
                               : std::expected<void, std::string>(std::unexpect, first.error());
    if (!started) trouble = started.error();
  }
  testbed_.save_manifest();
  if (!trouble.empty()) form_failed(1, "internal", trouble);
}

// Node 0 has to name its address before the others can be started.
void Supervisor::watch_first(MonoTime now) {
  Fleet& fleet = testbed_.fleet;
  if (fleet.node(0).run == Run::kDead) {
    form_failed(1, "failed", fleet.accident().empty() ? "node 0 ended" : fleet.accident());
    return;
  }
  if (!fleet.node(0).ready) {
    if (options_.timeout && now - begun_ > *options_.timeout) {
      form_failed(5, "timed_out", "node 0 did not get ready");
    }
    return;
  }
  for (std::size_t i = 1; i < options_.nodes; ++i) {
    const auto added = fleet.add();
    const auto started = added ? fleet.start(*added)
                               : std::expected<void, std::string>(std::unexpect, added.error());
    if (!started) {
      phase_ = Phase::kForming;
      form_failed(1, "internal", started.error());
      return;
    }
  }
  spawn_ms_ = ms_between(begun_, mono_now());
  testbed_.save_manifest();
  phase_ = Phase::kForming;
}

void Supervisor::watch_forming(MonoTime now) {
  const Fleet& fleet = testbed_.fleet;
  if (fleet.accidents() > 0) {
    form_failed(1, "failed", fleet.accident() + "; see weft testnet logs");
    return;
  }
  if (phase_ == Phase::kForming && fleet.news() != news_seen_ && now >= confirm_again_) {
    news_seen_ = fleet.news();
    if (fleet.summary().converged) {
      converged_ms_ = ms_between(begun_, now);
      confirm();
      return;
    }
  }
  if (options_.timeout && now - begun_ > *options_.timeout) {
    const SightingsSummary summary = fleet.summary();
    form_failed(5, "timed_out",
                "not all see all after " + std::to_string(ms_between(begun_, now) / 1000) +
                    " s: they count " + std::to_string(summary.members_min) + " to " +
                    std::to_string(summary.members_max) + " of " + std::to_string(fleet.size()) +
                    " members");
  }
}

// The event lines say that all see all; a few nodes are asked whether it is so.
void Supervisor::confirm() {
  phase_ = Phase::kConfirming;
  confirmation_failed_ = false;
  const std::size_t wanted = testbed_.fleet.size();
  const std::set<std::size_t> asked{0, wanted / 2, wanted - 1};
  confirmations_wanted_ = asked.size();
  for (const std::size_t i : asked) {
    const auto done = [this, wanted](const CallResult& result) {
      if (phase_ != Phase::kConfirming) return;
      if (alive_in_status(result) != wanted) confirmation_failed_ = true;
      if (--confirmations_wanted_ > 0) return;
      if (confirmation_failed_) {
        phase_ = Phase::kForming;
        news_seen_ = 0;
        confirm_again_ = mono_now() + kConfirmAgain;
        return;
      }
      phase_ = Phase::kServing;
      Outcome outcome = base_outcome();
      outcome.all_see_all_ms = converged_ms_;
      finish_forming(std::move(outcome));
    };
    testbed_.calls.submit(
        {options_.layout.control(i), {"GET", "/v1/status", ""}, kConfirmTimeout, done});
  }
}

void Supervisor::take_signals() {
  signalfd_siginfo info{};
  while (::read(signals_, &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    if (info.ssi_signo == SIGCHLD) continue;
    if (phase_ == Phase::kEnding) {
      kill_due_ = mono_now();  // asked twice: at once
      continue;
    }
    if (!outcome_told_) {
      Outcome outcome = base_outcome();
      outcome.exit_status = 130;
      outcome.code = "interrupted";
      outcome.message = "interrupted before all saw all; every node is stopped";
      finish_forming(std::move(outcome));
    }
    begin_end(mono_now());
  }
}

void Supervisor::begin_end(MonoTime now) {
  phase_ = Phase::kEnding;
  testbed_.ending = true;
  kill_due_ = now + kTermWait;
  for (std::size_t i = 0; i < testbed_.fleet.size(); ++i) testbed_.fleet.stop(i);
}

int Supervisor::poll_ms() const {
  switch (phase_) {
    case Phase::kFirst:
      return 1;
    case Phase::kForming:
    case Phase::kConfirming:
      return 10;
    case Phase::kEnding:
      return 20;
    case Phase::kServing:
      break;
  }
  if (server_.busy() || testbed_.calls.pending() > 0) return 20;
  return 200;
}

void Supervisor::report(MonoTime now) {
  if (!on_progress) return;
  report_due_ = now + (phase_ == Phase::kServing ? kReportServing : kReportForming);
  const Fleet& fleet = testbed_.fleet;
  Progress progress;
  progress.nodes = options_.nodes;
  progress.running = fleet.count(Run::kRunning);
  progress.paused = fleet.count(Run::kPaused);
  progress.dead = fleet.count(Run::kDead);
  for (std::size_t i = 0; i < fleet.size(); ++i) progress.ready += fleet.node(i).ready ? 1U : 0U;
  progress.summary = fleet.summary();
  progress.elapsed_ms = ms_between(begun_, now);
  progress.formed = outcome_told_;
  on_progress(progress);
}

void Supervisor::turn(MonoTime now) {
  take_signals();
  testbed_.advance(now);
  server_.advance(now);
  if (web_) web_->advance();
  if (testbed_.ending && phase_ != Phase::kEnding) {
    if (!outcome_told_) {
      form_failed(1, "failed", "taken down before all saw all");
    } else {
      begin_end(now);
    }
  }
  switch (phase_) {
    case Phase::kFirst:
      watch_first(now);
      break;
    case Phase::kForming:
    case Phase::kConfirming:
      watch_forming(now);
      break;
    case Phase::kServing:
      break;
    case Phase::kEnding:
      if (!killed_ && now >= kill_due_) {
        killed_ = true;
        for (std::size_t i = 0; i < testbed_.fleet.size(); ++i) testbed_.fleet.kill(i);
      }
      break;
  }
  if (now >= report_due_ && phase_ != Phase::kEnding) report(now);
}

int Supervisor::run() {
  set_up();
  std::vector<pollfd> fds;
  while (true) {
    const MonoTime now = mono_now();
    turn(now);
    const Fleet& fleet = testbed_.fleet;
    if (phase_ == Phase::kEnding && fleet.count(Run::kDead) == fleet.size()) break;
    fds.assign(1, {signals_, POLLIN, 0});
    server_.add_fds(fds);
    testbed_.calls.add_fds(fds);
    int wait_ms = poll_ms();
    if (web_) {
      web_->add_fds(fds);
      if (const int web_ms = web_->timeout_ms(); web_ms >= 0) wait_ms = std::min(wait_ms, web_ms);
    }
    ::poll(fds.data(), fds.size(), wait_ms);
  }
  testbed_.save_manifest();
  // Whoever asked for `down` gets the answer, if it comes for it soon.
  const MonoTime until = mono_now() + Milliseconds(1000);
  server_.advance(mono_now());
  while (server_.has_output() && mono_now() < until) {
    fds.clear();
    server_.add_fds(fds);
    ::poll(fds.data(), fds.size(), 20);
    server_.advance(mono_now());
  }
  server_.close_listener();
  return exit_status_;
}

}  // namespace weft::testnet
