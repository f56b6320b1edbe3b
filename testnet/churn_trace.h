// Who was up when, as somebody measured it: the `trace` of a scenario's [churn], a CSV file.
//
// Each line that is not empty and no `#` comment is `node,up_s,down_s`: one session, in seconds from
// time zero, whole or with up to six decimals. Lines come in any order; sessions of one node neither
// touch nor overlap. Everything is bounded; what is wrong is told with its line.
//
// Pure: takes text. Integers only.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/time.h"

namespace weft::testnet {

inline constexpr std::size_t kTraceBytesMax = 8 << 20;
inline constexpr std::size_t kTraceSessionsMax = 200'000;
inline constexpr Duration kTraceTimeMax = 30 * 24h;

struct Session {
  std::uint32_t node = 0;
  Duration up{};
  Duration down{};  // after `up`
  bool operator==(const Session&) const = default;
};
// By node, then time.
using ChurnTrace = std::vector<Session>;

struct TraceError {
  std::uint32_t line = 0;  // 0: the whole file
  std::string message;     // a sentence for people
};
// Nodes are 0 to nodes - 1.
std::expected<ChurnTrace, TraceError> parse_churn_trace(std::string_view csv, std::uint32_t nodes);

}  // namespace weft::testnet
