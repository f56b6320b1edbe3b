// WHICH nodes a command means: an index `7`, a range `10-19`, a list `3,7,9`, a share `25%`.
//
// Pure: parsing, and choosing among candidates with a seeded generator.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/rng.h"

namespace weft::testnet {

inline constexpr std::size_t kNodesMax = 2000;
inline constexpr std::size_t kSelectionPartsMax = 2000;

struct Selection {
  struct Range {
    std::size_t first = 0;
    std::size_t last = 0;  // included; first <= last < kNodesMax
    bool operator==(const Range&) const = default;
  };
  std::vector<Range> ranges;  // empty: by share
  std::optional<std::uint32_t> share_ppm;
  bool operator==(const Selection&) const = default;
};

// The error is a sentence for people.
std::expected<Selection, std::string> parse_selection(std::string_view text);

// The indices meant, ascending and unique. By index: those named, which must be below `count`. By
// share: that share of `candidates` (rounded, at least one unless the share is 0 or there is none).
std::expected<std::vector<std::size_t>, std::string> choose(const Selection& selection,
                                                            std::size_t count,
                                                            std::span<const std::size_t> candidates,
                                                            Rng& rng);

}  // namespace weft::testnet
