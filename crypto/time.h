// Time as the cores see it: values that are handed in. No type here can read a clock.
//
// `mono` never goes back and counts suspended time; every timer, session and protocol rule uses it
// alone. `wall` may jump either way; it serves logs, stamps of shared state and what a restart must
// remember.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>

namespace weft {

// A clock tag without now(): instants can be held and compared, but no core can ask for one.
struct Monotonic {
  using duration = std::chrono::microseconds;
  using rep = duration::rep;
  using period = duration::period;
  static constexpr bool is_steady = true;
};

using Duration = std::chrono::microseconds;
using Instant = std::chrono::time_point<Monotonic, Duration>;

struct UnixMillis {
  std::int64_t value = 0;
  auto operator<=>(const UnixMillis&) const = default;
};

// Passed by value, first, into every entry point of a core.
struct Now {
  Instant mono;
  UnixMillis wall;
};

using std::chrono_literals::operator""us;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;
using std::chrono_literals::operator""min;
using std::chrono_literals::operator""h;

}  // namespace weft
