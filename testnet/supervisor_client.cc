#include "testnet/supervisor_client.h"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "node/files.h"
#include "testnet/process.h"
#include "testnet/supervisor_server.h"

namespace weft::testnet {

namespace {

constexpr Milliseconds kTermWait{5000};

std::unexpected<SupervisorFailure> fail(int exit_status, std::string code, std::string message) {
  return std::unexpected(SupervisorFailure{exit_status, std::move(code), std::move(message)});
}

int exit_status_of(const std::string& code) {
  if (code == "bad_request" || code == "too_large") return 2;
  if (code == "not_found") return 4;
  if (code == "timed_out") return 5;
  return 1;
}

// A connected socket, or -1.
int connect_to(const Layout& layout) {
  const std::string path = layout.socket();
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return -1;
  std::memcpy(address.sun_path, path.data(), path.size());
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
  ::close(fd);
  return -1;
}

bool still(const ManifestEntry& entry) {
  return entry.pid > 1 && start_time(static_cast<pid_t>(entry.pid)) == entry.start_time;
}

}  // namespace

std::expected<std::string, SupervisorFailure> ask_supervisor(
    const Layout& layout, const std::string& request, std::optional<Milliseconds> timeout,
    const std::function<void(const std::string&)>& on_line) {
  node::Fd fd(connect_to(layout));
  if (!fd.valid()) {
    return fail(3, "no_testnet",
                "no testnet is running in " + layout.dir +
                    "; start one with: weft testnet up -n 10 --detach");
  }
  const std::string line = request + "\n";
  if (::send(fd.get(), line.data(), line.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(line.size())) {
    return fail(1, "failed", "the supervisor does not listen; see " + layout.log());
  }
  const MonoTime begun = mono_now();
  std::string pending;
  char buffer[16384];
  while (true) {
    int wait_ms = -1;
    if (timeout) {
      const std::int64_t left = timeout->count() - ms_between(begun, mono_now());
      if (left <= 0) return fail(5, "timed_out", "the supervisor did not answer in time");
      wait_ms = static_cast<int>(std::min<std::int64_t>(left, 1 << 30));
    }
    pollfd poll_fd{fd.get(), POLLIN, 0};
    if (::poll(&poll_fd, 1, wait_ms) <= 0) continue;
    const ssize_t n = ::recv(fd.get(), buffer, sizeof buffer, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return fail(1, "failed", "the supervisor ended before it had answered");
    pending.append(buffer, static_cast<std::size_t>(n));
    if (pending.size() > 2 * kReplyBytesMax) return fail(1, "failed", "the answer is too long");
    for (std::size_t end; (end = pending.find('\n')) != std::string::npos;
         pending.erase(0, end + 1)) {
      const auto value = nlohmann::ordered_json::parse(pending.substr(0, end), nullptr, false);
      if (!value.is_object()) return fail(1, "failed", "the supervisor's answer makes no sense");
      if (value.contains("done")) return value["done"].dump();
      if (value.contains("line") && on_line) on_line(value["line"].dump());
      if (value.contains("error") && value["error"].is_object()) {
        const auto& error = value["error"];
        const std::string code = error.value("code", "failed");
        return fail(exit_status_of(code), code, error.value("message", "it failed"));
      }
    }
  }
}

std::expected<std::size_t, Failure> end_leftovers(const Layout& layout) {
  const auto manifest = read_manifest(layout);
  if (!manifest) return std::unexpected(manifest.error());
  std::vector<ManifestEntry> left;
  // An orphaned supervisor that does not answer ends its nodes itself once it is gone.
  for (const auto& entry : manifest->nodes) {
    if (still(entry)) left.push_back(entry);
  }
  if (still(manifest->supervisor)) left.push_back(manifest->supervisor);
  const std::size_t found = left.size();
  const auto signal_all = [&left](int signal) {
    for (const auto& entry : left) {
      if (still(entry)) ::kill(static_cast<pid_t>(entry.pid), signal);
    }
  };
  signal_all(SIGTERM);
  signal_all(SIGCONT);
  const MonoTime begun = mono_now();
  while (!left.empty() && mono_now() - begun < kTermWait) {
    ::poll(nullptr, 0, 20);
    std::erase_if(left, [](const ManifestEntry& entry) { return !still(entry); });
  }
  signal_all(SIGKILL);
  return found;
}

}  // namespace weft::testnet
