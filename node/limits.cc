#include "node/limits.h"

#include <algorithm>

#include "node/units.h"

namespace weft::node {

std::uint64_t memory_of(const Limits& limits) {
  return limits.store_bytes + limits.sessions * kSessionMemoryBytes;
}

std::expected<Limits, std::string> fit_into_memory(Limits limits, std::uint64_t memory,
                                                   LimitsSet set) {
  if (memory_of(limits) > memory && !set.sessions) {
    const std::uint64_t share =
        set.store && memory > limits.store_bytes ? memory - limits.store_bytes : memory / 4;
    limits.sessions = std::clamp<std::size_t>(share / kSessionMemoryBytes, kSessionsLimitMin,
                                              limits.sessions);
  }
  const std::uint64_t for_sessions = limits.sessions * kSessionMemoryBytes;
  if (memory_of(limits) > memory && !set.store && memory >= for_sessions + kStoreLimitMin) {
    limits.store_bytes = memory - for_sessions;
  }
  if (memory_of(limits) <= memory) return limits;
  return std::unexpected("is " + format_size(memory) + ", but store and sessions take " +
                         format_size(memory_of(limits)) + " (" +
                         std::to_string(limits.sessions) + " sessions of " +
                         std::to_string(kSessionMemoryBytes) + " bytes and " +
                         format_size(limits.store_bytes) + " of values); raise it or lower those");
}

}  // namespace weft::node
