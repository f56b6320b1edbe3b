#include "node/limits.h"

#include <algorithm>

#include "node/units.h"

namespace weft::node {

std::uint64_t memory_of(const Limits& limits) {
  return std::min(limits.store_bytes, kValuesMemoryMax) + limits.sessions * kSessionMemoryBytes;
}

std::size_t values_per_author(const Limits& limits) {
  return std::max(dht::Config{}.values_per_author_max,
                  limits.store_bytes / kValueBytesMeant / kAuthorsShare);
}

std::expected<Limits, std::string> fit_into_memory(Limits limits, std::uint64_t memory,
                                                   LimitsSet set) {
  const std::uint64_t values = std::min(limits.store_bytes, kValuesMemoryMax);
  if (memory_of(limits) > memory && !set.sessions) {
    const std::uint64_t share =
        set.store && memory > values ? memory - values : memory / 4;
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
                         format_size(values) + " of values); raise it or lower those");
}

}  // namespace weft::node
