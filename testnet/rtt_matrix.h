// Round-trip times between regions, read from a CSV file: the `matrix:FILE.csv` of a link SPEC.
//
// First line that is not a `#` comment: `region,NAME,NAME,...`; then one line a region in the same
// order, `NAME,ms,ms,...`. All sizes and values are bounded.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/time.h"

namespace weft::testnet {

inline constexpr std::size_t kRegionsMax = 64;

struct RttMatrix {
  std::vector<std::string> regions;
  std::vector<std::vector<Duration>> rtt;  // square
};

std::expected<RttMatrix, std::string> parse_rtt_matrix(std::string_view csv);

// The region of node `index`: the same for the same seed, however many nodes there are.
std::size_t region_of(std::uint64_t seed, std::size_t index, std::size_t regions);

}  // namespace weft::testnet
