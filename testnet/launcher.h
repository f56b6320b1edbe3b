// `weft testnet up`: claims the directory, becomes the supervisor or leaves one behind, and tells
// the person in front of it how the mesh forms.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "testnet/clock.h"
#include "testnet/directory.h"

namespace weft::testnet {

// Without --timeout a detached start gives up waiting after this.
inline constexpr Milliseconds kDetachTimeout{120'000};

struct UpOptions {
  Layout layout;
  std::size_t nodes = 0;              // 1 to kNodesMax
  std::optional<std::uint64_t> seed;  // none: a random one
  std::string link;                   // SPEC, checked here
  std::uint16_t base_port = 0;
  bool spread = false;
  std::string http;  // of node 0
  bool detach = false;
  std::optional<Milliseconds> timeout;
  bool json = false;
};

// Returns when the testnet has ended (foreground) or has formed (detached); the error is printed
// by the caller.
struct UpFailure {
  int exit_status = 1;
  std::string code;
  std::string message;
};
std::expected<int, UpFailure> run_up(const UpOptions& options);

}  // namespace weft::testnet
