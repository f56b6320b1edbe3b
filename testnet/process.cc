#include "testnet/process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string_view>

namespace weft::testnet {

namespace {

struct FileActions {
  posix_spawn_file_actions_t raw;
  FileActions() { posix_spawn_file_actions_init(&raw); }
  ~FileActions() { posix_spawn_file_actions_destroy(&raw); }
};

struct Attributes {
  posix_spawnattr_t raw;
  Attributes() { posix_spawnattr_init(&raw); }
  ~Attributes() { posix_spawnattr_destroy(&raw); }
};

std::vector<char*> environment_without_ours() {
  std::vector<char*> kept;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (std::string_view(*entry).starts_with("WEFT_")) continue;
    kept.push_back(*entry);
  }
  kept.push_back(nullptr);
  return kept;
}

}  // namespace

std::string own_program() {
  char path[4096];
  const ssize_t n = ::readlink("/proc/self/exe", path, sizeof path);
  if (n > 0 && static_cast<std::size_t>(n) < sizeof path) {
    const std::string name(path, static_cast<std::size_t>(n));
    struct stat running {
    }, named{};
    if (::stat("/proc/self/exe", &running) == 0 && ::stat(name.c_str(), &named) == 0 &&
        running.st_ino == named.st_ino && running.st_dev == named.st_dev) {
      return name;
    }
  }
  return "/proc/self/exe";  // replaced on disk since it was started
}

std::expected<pid_t, std::string> spawn(const SpawnOptions& options) {
  FileActions files;
  constexpr int kAppend = O_WRONLY | O_CREAT | O_APPEND;
  posix_spawn_file_actions_addopen(&files.raw, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files.raw, 1, options.out_file.c_str(), kAppend, 0600);
  posix_spawn_file_actions_addopen(&files.raw, 2, options.error_file.c_str(), kAppend, 0600);
  if (options.inherited_fd >= 0) {
    posix_spawn_file_actions_adddup2(&files.raw, options.inherited_fd, kInheritedFd);
  }
  Attributes attributes;
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes.raw, &none);
  posix_spawnattr_setsigdefault(&attributes.raw, &all);
  posix_spawnattr_setpgroup(&attributes.raw, 0);
  posix_spawnattr_setflags(&attributes.raw,
                           POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  std::vector<std::string> arguments{"weft"};
  arguments.insert(arguments.end(), options.arguments.begin(), options.arguments.end());
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  const std::vector<char*> environment = environment_without_ours();
  pid_t pid = -1;
  const int error = posix_spawn(&pid, options.program.c_str(), &files.raw, &attributes.raw,
                                argv.data(), environment.data());
  if (error != 0) return std::unexpected("cannot start a node: " + std::string(strerror(error)));
  return pid;
}

std::uint64_t cpu_us(pid_t pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/stat");
  std::string text((std::istreambuf_iterator<char>(in)), {});
  const auto name_end = text.rfind(')');
  unsigned long long user = 0, system = 0;
  if (name_end == std::string::npos ||
      std::sscanf(text.c_str() + name_end + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user,
                  &system) != 2) {
    return 0;
  }
  return (user + system) * 1'000'000 / static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
}

std::optional<std::uint64_t> start_time(pid_t pid) {
  const std::string path = "/proc/" + std::to_string(pid) + "/stat";
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return std::nullopt;
  char buffer[1024];
  const ssize_t n = ::read(fd, buffer, sizeof buffer);
  ::close(fd);
  if (n <= 0) return std::nullopt;
  std::string_view text(buffer, static_cast<std::size_t>(n));
  // The name, field 2, may hold anything; the fields after its last parenthesis are numbers.
  const std::size_t end = text.rfind(')');
  if (end == std::string_view::npos) return std::nullopt;
  text.remove_prefix(end + 1);
  for (int field = 3; field <= 22; ++field) {  // 22: starttime, proc(5)
    const std::size_t at = text.find_first_not_of(' ');
    if (at == std::string_view::npos) return std::nullopt;
    text.remove_prefix(at);
    if (field == 22) break;
    const std::size_t space = text.find(' ');
    if (space == std::string_view::npos) return std::nullopt;
    text.remove_prefix(space);
  }
  std::uint64_t ticks = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), ticks);
  if (error != std::errc{}) return std::nullopt;
  return ticks;
}

}  // namespace weft::testnet
