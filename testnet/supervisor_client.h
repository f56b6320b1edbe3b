// Asking the supervisor of a testnet, and ending what it left when it was killed.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "testnet/clock.h"
#include "testnet/directory.h"

namespace weft::testnet {

struct SupervisorFailure {
  int exit_status = 1;
  std::string code;
  std::string message;
};

// Sends one request (JSON text) and returns the value of its `done` line as JSON text. `on_line`
// sees the values of `line` lines as they come. 3: no testnet runs there; 5: `timeout` passed.
std::expected<std::string, SupervisorFailure> ask_supervisor(
    const Layout& layout, const std::string& request, std::optional<Milliseconds> timeout,
    const std::function<void(const std::string&)>& on_line = nullptr);

// For a testnet whose supervisor is gone: SIGTERM, after 5 s SIGKILL, to the processes that it
// noted and that still are the same ones. Returns how many there were.
std::expected<std::size_t, Failure> end_leftovers(const Layout& layout);

}  // namespace weft::testnet
