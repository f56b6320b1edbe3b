#include "testnet/launcher.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>

#include "crypto/rng.h"
#include "node/files.h"
#include "node/link_model.h"
#include "testnet/process.h"
#include "testnet/selection.h"
#include "testnet/supervisor.h"

namespace weft::testnet {

namespace {

constexpr int kOutcomePatienceMs = 5000;

std::unexpected<UpFailure> fail(int exit_status, std::string code, std::string message) {
  return std::unexpected(UpFailure{exit_status, std::move(code), std::move(message)});
}

std::unexpected<UpFailure> fail(const Failure& failure) {
  return fail(failure.exit_status, failure.exit_status == 2 ? "bad_request" : "failed",
              failure.message);
}

std::string progress_text(const Progress& progress) {
  std::string text =
      std::to_string(progress.nodes) + " nodes: " + std::to_string(progress.running) + " running";
  if (progress.paused > 0) text += ", " + std::to_string(progress.paused) + " paused";
  if (progress.dead > 0) text += ", " + std::to_string(progress.dead) + " dead";
  if (!progress.formed) text += ", " + std::to_string(progress.ready) + " ready";
  text += "; each counts " + std::to_string(progress.summary.members_min);
  if (progress.summary.members_max != progress.summary.members_min) {
    text += " to " + std::to_string(progress.summary.members_max);
  }
  text += " members";
  if (progress.summary.converged) text += ", all see all";
  char seconds[32];
  std::snprintf(seconds, sizeof seconds, "; %.1f s",
                static_cast<double>(progress.elapsed_ms) / 1000);
  return text + seconds;
}

nlohmann::ordered_json outcome_json(const Outcome& outcome) {
  if (outcome.exit_status != 0) {
    return {{"error", {{"code", outcome.code}, {"message", outcome.message}}}};
  }
  nlohmann::ordered_json out{{"nodes", outcome.nodes},
                             {"network", outcome.network},
                             {"seeds", {outcome.seed_address}},
                             {"spawn_ms", outcome.spawn_ms},
                             {"all_see_all_ms", outcome.all_see_all_ms},
                             {"dir", outcome.dir}};
  if (!outcome.http.empty()) {
    out["http"] = outcome.http;
    out["page"] = outcome.page;
  }
  return out;
}

std::string outcome_text(const nlohmann::ordered_json& outcome) {
  const auto seconds = [&](const char* key) {
    char text[32];
    std::snprintf(text, sizeof text, "%.2f s", outcome[key].get<double>() / 1000);
    return std::string(text);
  };
  return std::to_string(outcome["nodes"].get<std::size_t>()) + " nodes started in " +
         seconds("spawn_ms") + ", all see all after " + seconds("all_see_all_ms") + "\n" +
         "network " + outcome["network"].get<std::string>() + ", seed " +
         outcome["seeds"][0].get<std::string>() + ", in " + outcome["dir"].get<std::string>() +
         "\n" + (outcome.contains("http") ? "watch it: " + outcome["page"].get<std::string>() + "\nmetrics of all: http://" + outcome["http"].get<std::string>() + "/metrics\n"
                                    : "");
}

// The live line: rewritten in place on a terminal, absent elsewhere.
class LiveLine {
 public:
  explicit LiveLine(bool wanted) : wanted_(wanted && ::isatty(STDERR_FILENO) == 1) {}
  ~LiveLine() { clear(); }
  void show(const std::string& text) {
    if (!wanted_) return;
    std::fprintf(stderr, "\r\033[K%s", text.c_str());
    std::fflush(stderr);
    shown_ = true;
  }
  void clear() {
    if (!shown_) return;
    std::fprintf(stderr, "\r\033[K");
    std::fflush(stderr);
    shown_ = false;
  }

 private:
  bool wanted_;
  bool shown_ = false;
};

void print_formed(const nlohmann::ordered_json& outcome, bool json) {
  const std::string text = json ? outcome.dump() + "\n" : outcome_text(outcome);
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

std::expected<int, UpFailure> run_foreground(SupervisorOptions options, bool json) {
  LiveLine line(/*wanted=*/true);
  Supervisor supervisor(std::move(options));
  std::optional<UpFailure> failure;
  supervisor.on_progress = [&](const Progress& progress) { line.show(progress_text(progress)); };
  supervisor.on_outcome = [&](const Outcome& outcome) {
    line.clear();
    if (outcome.exit_status != 0) {
      failure = UpFailure{outcome.exit_status, outcome.code, outcome.message};
      return;
    }
    print_formed(outcome_json(outcome), json);
    if (!json) std::fprintf(stderr, "Ctrl-C or `weft testnet down` ends it.\n");
  };
  const int status = supervisor.run();
  line.clear();
  if (failure) return std::unexpected(*failure);
  return status;
}

// ---- detached: the child supervises, this process watches it through a pipe of lines
// ("P text", then "D exit-status json").

// The pipe does not block: a starter that was stopped must not stop the supervisor. What it cannot
// take is lost, after a while.
void write_line(int fd, const std::string& text, int patience_ms) {
  std::size_t sent = 0;
  while (sent < text.size()) {
    const ssize_t n = ::write(fd, text.data() + sent, text.size() - sent);
    if (n > 0) sent += static_cast<std::size_t>(n);
    if (n >= 0 || errno == EINTR) continue;
    pollfd ready{fd, POLLOUT, 0};
    if (errno != EAGAIN || ::poll(&ready, 1, patience_ms) <= 0) return;
  }
}

[[noreturn]] void run_detached_child(SupervisorOptions options, int pipe_fd) {
  ::setsid();
  ::signal(SIGPIPE, SIG_IGN);
  ::fcntl(pipe_fd, F_SETFL, O_NONBLOCK);
  const int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  const int log =
      ::open(options.layout.log().c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  ::dup2(null, STDIN_FILENO);
  ::dup2(log, STDOUT_FILENO);
  ::dup2(log, STDERR_FILENO);
  int status = 1;
  {
    Supervisor supervisor(std::move(options));
    supervisor.on_progress = [&](const Progress& progress) {
      write_line(pipe_fd, "P " + progress_text(progress) + "\n", /*patience_ms=*/0);
    };
    supervisor.on_outcome = [&](const Outcome& outcome) {
      std::fprintf(stderr, "%s\n", outcome_json(outcome).dump().c_str());
      write_line(
          pipe_fd,
          "D " + std::to_string(outcome.exit_status) + " " + outcome_json(outcome).dump() + "\n",
          kOutcomePatienceMs);
      ::close(pipe_fd);
      pipe_fd = -1;
      supervisor.on_progress = nullptr;
    };
    status = supervisor.run();
  }
  ::_exit(status);
}

volatile sig_atomic_t interrupted = 0;

std::expected<int, UpFailure> watch_child(pid_t child, int pipe_fd, bool json) {
  struct sigaction action {};
  action.sa_handler = [](int) { interrupted = 1; };
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
  LiveLine line(/*wanted=*/true);
  std::string pending;
  char buffer[4096];
  while (true) {
    const ssize_t n = ::read(pipe_fd, buffer, sizeof buffer);
    if (interrupted != 0) {
      interrupted = 0;
      ::kill(child, SIGTERM);  // it ends the nodes and says so through the pipe
    }
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return fail(1, "failed", "the supervisor ended unexpectedly; see its log");
    pending.append(buffer, static_cast<std::size_t>(n));
    for (std::size_t end; (end = pending.find('\n')) != std::string::npos;
         pending.erase(0, end + 1)) {
      const std::string text = pending.substr(0, end);
      if (text.starts_with("P ")) line.show(text.substr(2));
      if (!text.starts_with("D ")) continue;
      line.clear();
      const std::size_t space = text.find(' ', 2);
      const int status = std::atoi(text.c_str() + 2);
      const auto outcome = nlohmann::ordered_json::parse(text.substr(space + 1), nullptr, false);
      if (status == 0) {
        print_formed(outcome, json);
        return 0;
      }
      if (status == 130) ::waitpid(child, nullptr, 0);  // until no node is left
      const auto& error = outcome["error"];
      return fail(status, error["code"].get<std::string>(), error["message"].get<std::string>());
    }
  }
}

std::expected<int, UpFailure> run_detached(SupervisorOptions options, bool json) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0)
    return fail(1, "internal", "no pipe: " + node::error_text(errno));
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child < 0) return fail(1, "internal", "cannot fork: " + node::error_text(errno));
  if (child == 0) {
    ::close(ends[0]);
    run_detached_child(std::move(options), ends[1]);
  }
  ::close(ends[1]);
  auto result = watch_child(child, ends[0], json);
  ::close(ends[0]);
  return result;
}

}  // namespace

std::string random_network(Entropy& entropy) {
  ByteArray<8> raw;
  entropy.fill(raw);
  return "testnet-" + to_hex(raw);
}

std::expected<int, UpFailure> claim(const Layout& layout) {
  if (const auto prepared = make_directory(layout); !prepared) return fail(prepared.error());
  const int lock = ::open(layout.lock().c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock < 0 || ::flock(lock, LOCK_EX | LOCK_NB) != 0) {
    if (lock >= 0) ::close(lock);
    return fail(1, "failed",
                "a testnet already runs in " + layout.dir +
                    "; end it with weft testnet down, or choose another --dir");
  }
  if (const auto cleared = clear_nodes(layout); !cleared) {
    ::close(lock);
    return fail(cleared.error());
  }
  return lock;
}

std::expected<int, UpFailure> run_up(const UpOptions& options) {
  if (options.nodes == 0 || options.nodes > kNodesMax) {
    return fail(2, "bad_request", "-n takes 1 to " + std::to_string(kNodesMax) + " nodes");
  }
  if (options.base_port != 0 && options.base_port + options.nodes - 1 > 65535) {
    return fail(2, "bad_request", "--base-port leaves no ports for so many nodes");
  }
  const auto link = node::parse_link_spec(options.link);
  if (!link) return fail(2, "bad_request", link.error());
  std::string matrix_csv;
  if (!link->matrix_file.empty()) {
    auto csv = node::read_small_file(link->matrix_file, 1U << 20, /*secret=*/false);
    if (!csv) return fail(2, "bad_request", csv.error().message);
    const auto matrix = parse_rtt_matrix(*csv);
    if (!matrix) return fail(2, "bad_request", link->matrix_file + ": " + matrix.error());
    matrix_csv = std::move(*csv);
  }
  // The lock's descriptor stays open in the supervisor: a fork shares it.
  if (const auto claimed = claim(options.layout); !claimed) return std::unexpected(claimed.error());

  SystemEntropy entropy;
  SupervisorOptions supervisor;
  supervisor.layout = options.layout;
  supervisor.fleet = {.program = own_program(),
                      .network = random_network(entropy),
                      .base_port = options.base_port,
                      .spread = options.spread};
  supervisor.http = options.http;
  supervisor.nodes = options.nodes;
  // Kept to 53 bits: it is shown as JSON.
  supervisor.seed = options.seed ? *options.seed : entropy.next_u64() >> 11;
  supervisor.link = options.link;
  supervisor.matrix_csv = std::move(matrix_csv);
  supervisor.timeout = options.timeout;
  if (options.detach && !supervisor.timeout) supervisor.timeout = kDetachTimeout;
  supervisor.stay_after_failure = options.detach;
  return options.detach ? run_detached(std::move(supervisor), options.json)
                        : run_foreground(std::move(supervisor), options.json);
}

}  // namespace weft::testnet
