// Starting and naming processes of this host.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <vector>

namespace weft::testnet {

// The path of this program, so that a testnet runs the binary that was asked.
std::string own_program();

struct SpawnOptions {
  std::string program;
  std::vector<std::string> arguments;  // without argv[0], which is "weft"
  std::string out_file;                // stdout is appended to it
  std::string error_file;              // stderr is appended to it
  int inherited_fd = -1;               // becomes kInheritedFd in the child
};
inline constexpr int kInheritedFd = 3;

// A child in its own process group (a Ctrl-C in the terminal is not for it), with default signals,
// stdin from /dev/null, and our environment without WEFT_*.
std::expected<pid_t, std::string> spawn(const SpawnOptions& options);

// When the process started, in clock ticks since boot: with the pid it names a process for ever.
// nullopt if there is none.
std::optional<std::uint64_t> start_time(pid_t pid);
// User and system time that a running child has taken, in microseconds; 0 if it has ended.
std::uint64_t cpu_us(pid_t pid);

}  // namespace weft::testnet
