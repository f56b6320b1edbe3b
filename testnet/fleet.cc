#include "testnet/fleet.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "crypto/check.h"
#include "testnet/process.h"
#include "testnet/selection.h"

namespace weft::testnet {

namespace {

constexpr std::size_t kEventLineBytesMax = 64U << 10;

// 127.x.y.1, each in a /24 of its own.
std::string spread_address(std::size_t i) {
  return "127." + std::to_string(1 + i / 250) + "." + std::to_string(1 + i % 250) + ".1";
}

std::string last_line_of(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  char buffer[1024];
  const off_t size = ::lseek(fd, 0, SEEK_END);
  const off_t from = std::max<off_t>(0, size - static_cast<off_t>(sizeof buffer));
  const ssize_t n = ::pread(fd, buffer, sizeof buffer, from);
  ::close(fd);
  if (n <= 0) return {};
  std::string_view text(buffer, static_cast<std::size_t>(n));
  while (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  const std::size_t begin = text.rfind('\n');
  return std::string(begin == std::string_view::npos ? text : text.substr(begin + 1));
}

}  // namespace

std::string_view to_string(Run run) {
  switch (run) {
    case Run::kDead:
      return "dead";
    case Run::kRunning:
      return "running";
    case Run::kPaused:
      return "paused";
  }
  return "?";
}

Fleet::Fleet(Layout layout, FleetOptions options)
    : layout_(std::move(layout)), options_(std::move(options)) {
  int ends[2];
  CHECK(::pipe2(ends, O_CLOEXEC) == 0);
  life_read_ = ends[0];
  life_write_ = ends[1];
}

Fleet::~Fleet() {
  for (const Tail& tail : tails_) {
    if (tail.fd >= 0) ::close(tail.fd);
  }
  ::close(life_read_);
  ::close(life_write_);
}

std::expected<std::size_t, std::string> Fleet::add() {
  const std::size_t i = nodes_.size();
  if (i == kNodesMax) {
    return std::unexpected("a testnet has at most " + std::to_string(kNodesMax) + " nodes");
  }
  const std::string home = layout_.home(i);
  if (::mkdir(home.c_str(), 0700) != 0 && errno != EEXIST) {
    return std::unexpected("cannot create " + home + ": " + strerror(errno));
  }
  Tail tail;
  tail.fd = ::open(layout_.events(i).c_str(), O_RDONLY | O_CREAT | O_CLOEXEC, 0600);
  if (tail.fd < 0) {
    return std::unexpected("cannot open " + layout_.events(i) + ": " + strerror(errno));
  }
  FleetNode node;
  node.name = "n" + std::to_string(i);
  nodes_.push_back(std::move(node));
  tails_.push_back(std::move(tail));
  return i;
}

std::string Fleet::seed_for(std::size_t i) const {
  if (i != 0 && nodes_[0].run == Run::kRunning && !nodes_[0].listen.empty()) {
    return nodes_[0].listen.front();
  }
  for (std::size_t other = 0; other < nodes_.size(); ++other) {
    const FleetNode& node = nodes_[other];
    if (other != i && node.run == Run::kRunning && node.ready) return node.listen.front();
  }
  // Nobody runs: the place where node 0 will be.
  return i != 0 && !nodes_[0].listen.empty() ? nodes_[0].listen.front() : std::string();
}

std::vector<std::string> Fleet::arguments_of(std::size_t i) const {
  const FleetNode& node = nodes_[i];
  std::vector<std::string> arguments{"up",
                                     "--home",
                                     layout_.home(i),
                                     "--name",
                                     node.name,
                                     "--network",
                                     options_.network,
                                     "--json",
                                     "--faults",
                                     "--parent-fd",
                                     std::to_string(kInheritedFd)};
  if (node.listen.empty()) {
    const std::size_t port = options_.base_port == 0 ? 0 : options_.base_port + i;
    arguments.insert(arguments.end(),
                     {"--listen", (options_.spread ? spread_address(i) : "127.0.0.1") + ":" +
                                      std::to_string(port)});
  }
  for (const std::string& address : node.listen) {
    arguments.insert(arguments.end(), {"--listen", address});
  }
  if (const std::string seed = seed_for(i); !seed.empty()) {
    arguments.insert(arguments.end(), {"--join", seed});
  }
  return arguments;
}

std::expected<void, std::string> Fleet::start(std::size_t i) {
  FleetNode& node = nodes_[i];
  CHECK(node.run == Run::kDead);
  const auto pid = spawn({.program = options_.program,
                          .arguments = arguments_of(i),
                          .out_file = layout_.events(i),
                          .error_file = layout_.node_log(i),
                          .inherited_fd = life_read_});
  if (!pid) return std::unexpected(pid.error());
  node.pid = *pid;
  node.start_time = start_time(*pid).value_or(0);
  node.run = Run::kRunning;
  node.ready = false;
  node.asked_to_end = false;
  node.since = mono_now();
  ++node.starts;
  sightings_.forget(i);
  return {};
}

bool Fleet::kill(std::size_t i) {
  FleetNode& node = nodes_[i];
  if (node.run == Run::kDead) return false;
  node.asked_to_end = true;
  return ::kill(node.pid, SIGKILL) == 0;
}

bool Fleet::stop(std::size_t i) {
  FleetNode& node = nodes_[i];
  if (node.run == Run::kDead) return false;
  node.asked_to_end = true;
  if (::kill(node.pid, SIGTERM) != 0) return false;
  resume(i);
  return true;
}

bool Fleet::pause(std::size_t i) {
  FleetNode& node = nodes_[i];
  if (node.run != Run::kRunning || ::kill(node.pid, SIGSTOP) != 0) return false;
  node.run = Run::kPaused;
  return true;
}

bool Fleet::resume(std::size_t i) {
  FleetNode& node = nodes_[i];
  if (node.run != Run::kPaused || ::kill(node.pid, SIGCONT) != 0) return false;
  node.run = Run::kRunning;
  node.since = mono_now();
  return true;
}

void Fleet::refresh() {
  // First the deaths: a failure seen by others after a death is no false one.
  reap();
  for (std::size_t i = 0; i < nodes_.size(); ++i) follow(i);
}

void Fleet::reap() {
  int status = 0;
  while (true) {
    const pid_t pid = ::waitpid(-1, &status, WNOHANG);
    if (pid < 0 && errno == EINTR) continue;
    if (pid <= 0) return;
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      if (nodes_[i].pid == pid && nodes_[i].run != Run::kDead) note_end(i, status);
    }
  }
}

void Fleet::note_end(std::size_t i, int status) {
  FleetNode& node = nodes_[i];
  follow(i);  // its last lines
  node.run = Run::kDead;
  node.ready = false;
  node.pid = -1;
  // Status 0 is a node that somebody let leave over its control socket.
  if (node.asked_to_end || (WIFEXITED(status) && WEXITSTATUS(status) == 0)) return;
  ++accidents_;
  accident_ = "node " + std::to_string(i) +
              (WIFSIGNALED(status) ? " died of signal " + std::to_string(WTERMSIG(status))
                                   : " ended with status " + std::to_string(WEXITSTATUS(status)));
  const std::string words = last_line_of(layout_.node_log(i));
  if (!words.empty()) accident_ += " (" + words + ")";
}

void Fleet::follow(std::size_t i) {
  Tail& tail = tails_[i];
  char buffer[32768];
  while (true) {
    const ssize_t n = ::pread(tail.fd, buffer, sizeof buffer, tail.offset);
    if (n <= 0) return;
    tail.offset += n;
    std::string_view text(buffer, static_cast<std::size_t>(n));
    for (std::size_t end; (end = text.find('\n')) != std::string_view::npos;
         text.remove_prefix(end + 1)) {
      if (tail.skipping) {
        tail.skipping = false;
      } else if (tail.partial.empty()) {
        take_line(i, text.substr(0, end));
      } else {
        tail.partial.append(text.substr(0, end));
        take_line(i, tail.partial);
      }
      tail.partial.clear();
    }
    if (!tail.skipping) tail.partial.append(text);
    if (tail.partial.size() > kEventLineBytesMax) {
      tail.partial.clear();
      tail.skipping = true;
    }
    if (static_cast<std::size_t>(n) < sizeof buffer) return;
  }
}

void Fleet::take_line(std::size_t i, std::string_view line) {
  FleetNode& node = nodes_[i];
  if (!node.ready) {
    if (auto ready = parse_ready_line(line)) {
      node.ready = true;
      const bool first = node.id.empty();
      node.id = std::move(ready->id);
      node.listen = std::move(ready->listen);
      sightings_.identify(i, node.id);
      ++news_;
      if (on_ready) on_ready(i);
      // What others said of it before its own line was read.
      for (std::size_t observer = 0; first && on_sight && observer < nodes_.size(); ++observer) {
        const Sight sight = sightings_.sight(observer, i);
        if (observer != i && sight != Sight::kUnknown) on_sight(observer, i, sight);
      }
      return;
    }
  }
  const auto seen = scan_member_line(line);
  if (!seen) return;
  ++news_;
  const auto subject = sightings_.saw(i, *seen);
  if (subject && on_sight) on_sight(i, *subject, seen->state);
  if (seen->state != Sight::kFailed || !subject || node.run != Run::kRunning) return;
  const FleetNode& other = nodes_[*subject];
  const MonoTime now = mono_now();
  const bool settled = other.run == Run::kRunning && !other.asked_to_end &&
                       now - other.since > kFalseFailureGrace &&
                       now - node.since > kFalseFailureGrace;
  if (settled && !excused_ && now > excused_until_) ++false_failures_;
}

void Fleet::excuse_failures(bool excused) {
  if (excused_ && !excused) excused_until_ = mono_now() + kFalseFailureGrace;
  excused_ = excused;
}

std::size_t Fleet::count(Run run) const {
  return static_cast<std::size_t>(
      std::ranges::count_if(nodes_, [run](const FleetNode& node) { return node.run == run; }));
}

std::vector<bool> Fleet::present() const {
  std::vector<bool> present;
  present.reserve(nodes_.size());
  for (const FleetNode& node : nodes_) {
    present.push_back(node.run == Run::kRunning && !node.asked_to_end);
  }
  return present;
}

std::vector<std::size_t> Fleet::indices(Run run) const {
  std::vector<std::size_t> found;
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (nodes_[i].run == run) found.push_back(i);
  }
  return found;
}

Manifest Fleet::manifest() const {
  Manifest manifest;
  manifest.supervisor = {::getpid(), start_time(::getpid()).value_or(0)};
  for (const FleetNode& node : nodes_) {
    if (node.run != Run::kDead) manifest.nodes.push_back({node.pid, node.start_time});
  }
  return manifest;
}

}  // namespace weft::testnet
