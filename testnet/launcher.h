// `weft testnet up`: claims the directory, becomes the supervisor or leaves one behind, and tells
// the person in front of it how the mesh forms.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "crypto/endpoint.h"
#include "crypto/rng.h"
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
  std::optional<Endpoint> http;  // loopback: the testnet over HTTP (web.h)
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
// Makes the directory ours alone and empties it of an earlier testnet; the descriptor of its lock, to
// be kept open while the testnet lives.
std::expected<int, UpFailure> claim(const Layout& layout);
// The name of an open network that nobody else uses.
std::string random_network(Entropy& entropy);
std::expected<int, UpFailure> run_up(const UpOptions& options);

}  // namespace weft::testnet
