// What a node may use of its machine: the [limits] of weft.toml, their bounds and what they mean.
//
// They may change while a node runs (SIGHUP). A lowered one takes effect with what comes next:
// nothing that was acknowledged is thrown away at once.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>

#include "crypto/sessions.h"
#include "dht/dht.h"

namespace weft::node {

inline constexpr std::size_t kValuesMemoryMax = dht::Config{}.values_memory_max;
inline constexpr std::size_t kStoreLimitDefault = std::size_t{1} << 30;

struct Limits {
  // Bytes of values held for the mesh, each with dht::kHeldOverheadBytes for its bookkeeping. Of them
  // kValuesMemoryMax at most are in memory, the others in the durable store alone. A node that keeps nothing
  // durable holds no more than that.
  std::size_t store_bytes = kStoreLimitDefault;
  // Sealed sessions, the handshakes under way included.
  std::size_t sessions = SessionConfig{}.sessions_max;
  // What upkeep of the DHT may send a second. Probes of the membership are not counted: their rate
  // is fixed and failures must be found.
  std::uint64_t background_bytes_per_s = dht::Config{}.background_bytes_per_s;
  // Sessions that others may open in a minute from addresses where they have none.
  std::uint32_t new_endpoints_per_minute = SessionConfig{}.new_endpoints_per_minute;
  auto operator<=>(const Limits&) const = default;
};

inline constexpr std::size_t kStoreLimitMin = 64U << 10;
inline constexpr std::size_t kStoreLimitMax = std::size_t{1} << 36;
// One author may take this part of the store, counted in values of kValueBytesMeant.
inline constexpr std::size_t kAuthorsShare = 32;
inline constexpr std::size_t kValueBytesMeant = 1024;
std::size_t values_per_author(const Limits& limits);
inline constexpr std::size_t kSessionsLimitMin = 16;  // fewer could not hold one bucket's probes
inline constexpr std::uint64_t kBackgroundLimitMin = 1U << 10;
inline constexpr std::uint64_t kBackgroundLimitMax = 1U << 30;
inline constexpr std::uint32_t kNewEndpointsLimitMin = 10;
// What one session takes of memory (crypto/session_table.h).
inline constexpr std::size_t kSessionMemoryBytes = 512;
inline constexpr std::uint64_t kMemoryLimitMin =
    kStoreLimitMin + kSessionsLimitMin * kSessionMemoryBytes;
inline constexpr std::uint64_t kMemoryLimitMax = std::uint64_t{1} << 40;

// The tables that `memory` bounds: what of the values is in memory, and kSessionMemoryBytes a session.
std::uint64_t memory_of(const Limits& limits);

// Makes `limits` fit into `memory` (kMemoryLimitMin or more): what the user has not set himself
// gives way, sessions to a quarter of it and then the store. An error, one sentence, if what the
// user has set does not fit.
struct LimitsSet {
  bool store = false;
  bool sessions = false;
};
std::expected<Limits, std::string> fit_into_memory(Limits limits, std::uint64_t memory,
                                                   LimitsSet set);

}  // namespace weft::node
