// Quantities as people write them: durations, sizes and shares. Integers only, no locale.
//
// Every function takes the whole text or nothing; a number may have a fraction of at most six
// digits ("1.5s", "0.5%").
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "crypto/time.h"

namespace weft::node {

// "100us", "250ms", "5s", "2m", "1h"; "0" needs no unit. At most 200 days.
std::optional<Duration> parse_duration(std::string_view text);
// "512", "64KiB", "2MiB", "1GiB".
std::optional<std::uint64_t> parse_size(std::string_view text);
// "25%", "0.5%": in millionths, at most 100 %.
std::optional<std::uint32_t> parse_share(std::string_view text);

// The shortest exact form that the parsers above read.
std::string format_duration(Duration duration);
std::string format_size(std::uint64_t bytes);
std::string format_share(std::uint32_t millionths);

}  // namespace weft::node
