// The clocks of the launcher: it drives real processes in real time.
#pragma once

#include <chrono>
#include <cstdint>

namespace weft::testnet {

using Milliseconds = std::chrono::milliseconds;
using MonoTime = std::chrono::steady_clock::time_point;

inline MonoTime mono_now() { return std::chrono::steady_clock::now(); }

inline std::int64_t wall_ms() {
  return std::chrono::duration_cast<Milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

inline std::int64_t ms_between(MonoTime from, MonoTime to) {
  return std::chrono::duration_cast<Milliseconds>(to - from).count();
}

}  // namespace weft::testnet
