// `weft sim replay LOG --http`: shows a recorded run on the page of a testnet, at the speed at which it went or another.
//
// The log is read twice, each time as a stream: at first to see that it is whole, then as time goes on. Its clock begins when the first page
// is opened, and goes on whether or not one is open; at its end the page stays. It can be watched and not changed: each POST is refused.
// Ends with SIGINT or SIGTERM, which are blocked from then on. Owns the loop of its server. One thread.
#pragma once

#include <expected>
#include <functional>
#include <string>

#include "crypto/endpoint.h"

namespace weft::testnet {

inline constexpr double kReplaySpeedMin = 0.1, kReplaySpeedMax = 100;

struct ReplayOptions {
  std::string log;  // a file
  Endpoint http;    // loopback; port 0 takes a free one
  double speed = 1;
};

struct ReplayPlace {
  std::string http, page;
  std::size_t nodes = 0;
  std::int64_t length_ms = 0;
  double speed = 1;
};

struct ReplayFailure {
  bool bad_input = false;  // the log is at fault
  std::string message;
};

// Calls `listening` once, when the page can be opened.
std::expected<void, ReplayFailure> show_replay(const ReplayOptions& options, const std::function<void(const ReplayPlace&)>& listening);

}  // namespace weft::testnet
